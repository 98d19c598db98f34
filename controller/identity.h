/* Whose directory it is: meta.properties, as Kafka's tools and ours write and read it. */
#ifndef CONTROLLER_IDENTITY_H
#define CONTROLLER_IDENTITY_H

#include "common/base/uuid.h"
#include "common/config/config_definition.h"
#include "common/env/env.h"

/* Finds out which cluster the directory belongs to, or makes it one of `*cluster_id`. A zero *cluster_id takes what is
 * found; where nothing is, it is made up if `sole_voter`, else refused. STATUS_INVALID if the directory is another
 * node's or cluster's; all failures set `problem`. */
MUST_USE enum status identity_settle(struct env *env, const char *directory, int32_t node_id, bool sole_voter,
                                     struct uuid *cluster_id, struct config_problem *problem);

#endif
