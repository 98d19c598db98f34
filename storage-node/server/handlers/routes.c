/* The APIs that a storage node offers. */
#include "common/base/attributes.h"
#include "storage-node/server/handlers/handlers.h"

const struct rpc_route *node_routes(size_t *count)
{
    static const struct rpc_route ROUTES[] = {
        /* Told from 0 on although 0-2 are refused: librdkafka takes a row that starts later for a broker without
         * compression (KAFKA-18659). */
        {API_PRODUCE, 0, 13, handle_produce},
        {API_FETCH, 4, 18, handle_fetch},
        {API_LIST_OFFSETS, 1, 11, handle_list_offsets},
        {API_METADATA, 0, 13, handle_metadata},
        {API_API_VERSIONS, 0, 5, handle_api_versions},
        {API_CREATE_TOPICS, 2, 7, handle_forward},
        {API_DELETE_TOPICS, 1, 6, handle_forward},
        {API_DELETE_RECORDS, 0, 2, handle_delete_records},
        {API_INIT_PRODUCER_ID, 0, 5, handle_init_producer_id},
        {API_OFFSET_FOR_LEADER_EPOCH, 2, 4, handle_offset_for_leader_epoch},
        {API_DESCRIBE_CONFIGS, 1, 4, handle_describe_configs},
        {API_ALTER_CONFIGS, 0, 2, handle_forward},
        {API_DESCRIBE_LOG_DIRS, 1, 5, handle_describe_log_dirs},
        {API_CREATE_PARTITIONS, 0, 3, handle_forward},
        {API_INCREMENTAL_ALTER_CONFIGS, 0, 1, handle_forward},
        {API_DESCRIBE_QUORUM, 0, 2, handle_forward},
        {API_DESCRIBE_CLUSTER, 0, 2, handle_describe_cluster},
        {API_DESCRIBE_PRODUCERS, 0, 0, handle_describe_producers},
        {API_UNREGISTER_BROKER, 0, 0, handle_forward},
        {API_LIST_CONFIG_RESOURCES, 0, 1, handle_forward},
        {API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, handle_describe_topic_partitions},
    };

    *count = ARRAY_COUNT(ROUTES);
    return ROUTES;
}
