/* What the loops of a storage node share: facts that do not change while clients are served, and what belongs to the
 * first loop. Filled by node.c, read by the handlers. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "common/base/map.h"
#include "common/config/config.h"
#include "storage-node/server/shard.h"

#define SERVICE_CLUSTER_ID_MAX 64

struct controller_link;
struct directories;

struct service {
    /* For every loop. */
    struct shard *shards;
    uint32_t shard_count;
    int32_t node_id;
    char cluster_id[SERVICE_CLUSTER_ID_MAX + 1]; /* written once, before any loop serves clients */
    const struct config *config;
    const struct string *listener_names; /* by the number that requests carry */
    size_t listener_count;
    bool auto_create; /* auto.create.topics.enable */
    /* For the first loop only. */
    struct controller_link *link;    /* NULL before the node starts */
    struct directories *directories;
    struct map topics_asked; /* struct topic_wish under way, by name */
};

#endif
