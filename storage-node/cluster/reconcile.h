/* From a change of the metadata to what each loop must do about it: open, lead, follow, close, configure. The
 * comparison is made once, on the first loop; the loops get lists. */
#ifndef CLUSTER_RECONCILE_H
#define CLUSTER_RECONCILE_H

#include "common/base/arena.h"
#include "common/config/topic_config.h"
#include "common/metadata/image.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/log/log_config.h"

enum replica_action_kind { REPLICA_OPEN, REPLICA_ROLE, REPLICA_CLOSE, REPLICA_CONFIGURE };

struct replica_action {
    enum replica_action_kind kind;
    struct replica_action *next;
    struct uuid topic_id;
    int32_t partition;
    bool leader;
    int32_t leader_epoch;
    struct string topic;                /* OPEN */
    const struct topic_config *config;  /* OPEN, CONFIGURE */
    const struct log_config *log;
    const struct directory_place *place; /* OPEN */
    bool remove;                        /* CLOSE: the files go too */
};

struct replica_actions {
    struct replica_action *first;
    struct replica_action *last;
};

struct reconcile_options {
    const struct image *before; /* NULL: nothing known */
    const struct image *after;
    int32_t node_id;
    const struct config *config;
    struct directories *directories;
    uint32_t loop_count;
    uint32_t (*loop_of)(void *context, struct uuid topic_id, int32_t partition);
    void *context;
};

/* Fills actions[loop_count]; memory from `arena`. */
void reconcile(const struct reconcile_options *options, struct arena *arena, struct replica_actions *actions);

#endif
