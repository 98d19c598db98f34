/* From a topic's effective configs to what its logs do. */
#ifndef REPLICA_TOPIC_LOG_H
#define REPLICA_TOPIC_LOG_H

#include "common/config/topic_config.h"
#include "storage-node/log/log_config.h"

/* `producer_expiry_ms`: producer.id.expiration.ms of the node. */
void topic_log_config(const struct topic_config *topic, int64_t producer_expiry_ms, struct log_config *log);

#endif
