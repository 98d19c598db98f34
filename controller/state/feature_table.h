/* Finalized features (KIP-584): which formats and protocols the whole cluster has agreed to use. */
#ifndef STATE_FEATURE_TABLE_H
#define STATE_FEATURE_TABLE_H

#include "controller/state/decision.h"

/* The one feature that this release finalizes. group.version, transaction.version and the others stay unfinalized until
 * what they stand for exists: clients take a finalized level for a promise. */
#define FEATURE_METADATA_VERSION "metadata.version"
/* Kafka's 4.3-IV0: the newest records that we write. */
#define METADATA_VERSION_MIN 30
#define METADATA_VERSION_MAX 30

/* The first records of a new cluster. Adds none if the image has features already. */
void feature_table_bootstrap(const struct decision *decision);

#endif
