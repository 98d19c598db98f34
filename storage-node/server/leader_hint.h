/* KIP-951: an answer that says "not the leader" also says who is, and where, so that the client need not ask. Produce
 * and Fetch have the same in structures of their own: they ask for each partition, then for the endpoints. */
#ifndef SERVER_LEADER_HINT_H
#define SERVER_LEADER_HINT_H

#include "storage-node/server/shard.h"

/* Leaders named in one answer. */
#define LEADER_HINT_MAX 64

struct leader_hint {
    struct shard *shard;
    struct rpc_request *request;
    int32_t count;
    int32_t ids[LEADER_HINT_MAX];
};

struct leader_endpoint {
    int32_t node_id;
    int32_t port;
    struct string host; /* in the request's arena */
    struct string rack;
};

/* Borrows both. At home, before completing: the shard's image is looked at. */
void leader_hint_init(struct leader_hint *hint, struct shard *shard, struct rpc_request *request);
/* If `error` is NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH and the partition is known, puts its leader and epoch
 * into `*id` and `*epoch`. `name` null or empty: by `topic_id`. */
void leader_hint_partition(struct leader_hint *hint, int16_t error, struct string name, struct uuid topic_id,
                           int32_t partition, int32_t *id, int32_t *epoch);
/* Where the leaders that were named are reached by clients of the request's listener; those that are not registered or
 * have no address there are left out. At most `hint->count`; returns how many. */
int32_t leader_hint_endpoints(const struct leader_hint *hint, struct leader_endpoint endpoints[LEADER_HINT_MAX]);

#endif
