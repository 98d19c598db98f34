/* Where the partitions of a topic go: asked for, or chosen; and the records that put them there. */
#ifndef STATE_ASSIGNMENT_H
#define STATE_ASSIGNMENT_H

#include "controller/state/decision.h"
#include "controller/state/placement.h"

/* All partitions that one request may create: their records must fit into one entry of the metadata log. */
#define ASSIGNMENT_PARTITIONS_MAX 50000

/* The replicas of one partition as the request names them. */
struct assignment_replicas {
    int32_t count;
    const int32_t *ids;
};

/* New partitions of one topic. */
struct assignment {
    int32_t first;       /* index of the first new partition */
    int32_t count;
    int16_t replication; /* of each */
    const struct assignment_replicas *manual; /* `count` of them, or NULL: chosen here */
};

/* ERROR_NONE, or what is wrong with the counts or the manual replicas, with a text. */
enum kafka_error assignment_check(const struct decision *decision, const struct placement *placement,
                                  const struct assignment *assignment, struct string *text);
/* Adds a partition record for each new partition of the topic. The assignment was checked. */
void assignment_add(const struct decision *decision, struct placement *placement, const struct assignment *assignment,
                    struct uuid topic_id);

#endif
