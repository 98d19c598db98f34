/* Choosing leaders. A leader is in the ISR and its node is active: registered, not fenced, not leaving, the replica's
 * directory online. The last member of an ISR stays in it when its node goes, because nobody else has all acknowledged
 * records; the partition is then without a leader until the node returns.
 *
 * Partition epochs grow with every change, leader epochs with every change of leader (Kafka's rules since 3.6). */
#ifndef STATE_ELECTION_H
#define STATE_ELECTION_H

#include "controller/state/decision.h"

/* A node as it will be when the decision is committed; all others are as the image says. */
struct election_node {
    int32_t id;
    bool active;
    const struct uuid *log_dirs; /* the directories that are online; borrowed */
    int32_t log_dir_count;
};

/* What becomes of one partition. */
struct election_result {
    int32_t leader; /* -1: none */
    int16_t isr_count;
    int32_t isr[METADATA_REPLICAS_MAX];
};

/* Elects for one partition, given that `node` changes. Returns whether anything differs from `partition`. */
bool election_run(const struct image *image, const struct election_node *node, const struct partition_image *partition,
                  struct election_result *result);
/* Adds the records for every partition that has a replica on `node`. Returns how many. */
size_t election_for_node(const struct decision *decision, const struct election_node *node);
/* True if the node leads any partition. */
bool election_leads_any(const struct image *image, int32_t broker_id);

#endif
