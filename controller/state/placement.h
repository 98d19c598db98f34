/* Choosing nodes and directories for new replicas, for one request. Deterministic: image and seed decide.
 *
 * The partitions of one topic are dealt out evenly over the active nodes, the less loaded nodes first; the replicas of
 * one partition go to different racks as long as there are any. (Load comes second, so that a node that joined empty
 * does not get a whole new topic, and its traffic, alone.) On each node the directory with the fewest replicas is
 * taken. */
#ifndef STATE_PLACEMENT_H
#define STATE_PLACEMENT_H

#include "common/base/arena.h"
#include "common/metadata/image.h"

struct placement_node {
    int32_t id;
    struct string rack; /* null if none */
    uint32_t leaders;
    uint32_t replicas;
    uint32_t topic_leaders; /* of the topic being placed */
    uint32_t topic_replicas;
    int32_t log_dir_count;
    const struct uuid *log_dirs; /* borrowed from the image */
    uint32_t *log_dir_replicas;
};

struct placement {
    size_t node_count;
    struct placement_node *nodes; /* in an order that the seed decides */
};

/* Finds the active nodes of the image and counts what is on them. Memory is the arena's. */
void placement_init(struct placement *placement, const struct image *image, uint64_t seed, struct arena *arena);
/* The next partitions belong to `topic`, or to a new topic if NULL. */
void placement_begin_topic(struct placement *placement, const struct topic_image *topic);
/* Chooses `count` different nodes, the leader first, and a directory on each, and counts them. False if there are
 * fewer nodes. */
bool placement_choose(struct placement *placement, int16_t count, int32_t *replicas, struct uuid *directories);
/* The same for replicas that somebody else chose: gives their directories (zero on nodes that are not active). */
void placement_assign(struct placement *placement, int16_t count, const int32_t *replicas, struct uuid *directories);
/* True if the node may be given replicas. */
bool placement_has_node(const struct placement *placement, int32_t id);

#endif
