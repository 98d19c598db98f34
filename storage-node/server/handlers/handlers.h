/* The requests that a storage node answers, one file each, and the table of them. */
#ifndef HANDLERS_HANDLERS_H
#define HANDLERS_HANDLERS_H

#include "common/rpc/server.h"

void handle_produce(struct rpc_request *request);
void handle_fetch(struct rpc_request *request);
void handle_list_offsets(struct rpc_request *request);
void handle_metadata(struct rpc_request *request);
void handle_api_versions(struct rpc_request *request);
void handle_delete_records(struct rpc_request *request);
void handle_init_producer_id(struct rpc_request *request);
void handle_offset_for_leader_epoch(struct rpc_request *request);
void handle_describe_log_dirs(struct rpc_request *request);
void handle_describe_cluster(struct rpc_request *request);
void handle_describe_topic_partitions(struct rpc_request *request);
void handle_describe_configs(struct rpc_request *request);
void handle_describe_producers(struct rpc_request *request);
/* Passed on to the active controller: CreateTopics, DeleteTopics, CreatePartitions, AlterConfigs and so on. */
void handle_forward(struct rpc_request *request);

/* All of them, ascending by API key. */
const struct rpc_route *node_routes(size_t *count);

#endif
