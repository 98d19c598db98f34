/* Facts of the image as several answers tell them. */
#ifndef SERVER_DESCRIBE_H
#define SERVER_DESCRIBE_H

#include "storage-node/server/shard.h"

/* Keeps the shard's present image until the answer is sent, so that the answer may borrow from it. */
void describe_hold_image(struct shard *shard, struct rpc_request *request);
/* The address of `broker` for clients that came in by the node's listener number `listener`: the endpoint of that name,
 * or NULL. */
const struct endpoint_image *describe_endpoint(const struct shard *shard, const struct broker_image *broker,
                                               uint32_t listener);
/* 0, LEADER_NOT_AVAILABLE, or LISTENER_NOT_FOUND if the leader does not have this client's listener. */
int16_t describe_leader_error(const struct shard *shard, const struct partition_image *row, uint32_t listener);
/* Replicas on nodes that are fenced or gone; their number, the ids in the arena. */
int32_t describe_offline(const struct shard *shard, struct arena *arena, const struct partition_image *row,
                         int32_t **offline);
/* __consumer_offsets and its kind. */
bool describe_is_internal(struct string topic);
/* Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], not "." or "..". */
bool describe_topic_name_valid(struct string name);

#endif
