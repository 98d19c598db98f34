/* KIP-951: an answer that says "not the leader" also says who is, and where, so that the client need not ask. */
#ifndef SERVER_LEADER_HINT_H
#define SERVER_LEADER_HINT_H

#include "storage-node/server/shard.h"

/* Puts current leaders and their addresses into a produce or fetch response for its partitions with
 * NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH. Memory from the request's arena; names borrowed from the shard's
 * image, so call it at home before completing. */
void leader_hint_produce(struct shard *shard, struct rpc_request *request);
void leader_hint_fetch(struct shard *shard, struct rpc_request *request);

#endif
