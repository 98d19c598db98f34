/* Which requests a controller answers, and in which versions. */
#include "controller/api/api.h"

#include "common/base/attributes.h"

const struct uuid metadata_topic_id = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static const struct rpc_route routes[] = {
    {API_FETCH, 4, 18, api_fetch},
    {API_API_VERSIONS, 0, 5, api_api_versions},
    {API_CREATE_TOPICS, 2, 7, api_write_handle},
    {API_DELETE_TOPICS, 1, 6, api_write_handle},
    {API_DESCRIBE_CONFIGS, 1, 4, api_describe_configs},
    {API_ALTER_CONFIGS, 0, 2, api_write_handle},
    {API_CREATE_PARTITIONS, 0, 3, api_write_handle},
    {API_INCREMENTAL_ALTER_CONFIGS, 0, 1, api_write_handle},
    {API_DESCRIBE_QUORUM, 0, 2, api_describe_quorum},
    {API_FETCH_SNAPSHOT, 0, 1, api_fetch_snapshot},
    {API_DESCRIBE_CLUSTER, 0, 2, api_describe_cluster},
    {API_BROKER_REGISTRATION, 0, 4, api_write_handle},
    {API_BROKER_HEARTBEAT, 0, 2, api_write_handle},
    {API_UNREGISTER_BROKER, 0, 0, api_write_handle},
    {API_ALLOCATE_PRODUCER_IDS, 0, 0, api_write_handle},
    {API_LIST_CONFIG_RESOURCES, 0, 1, api_list_config_resources},
    {API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, api_describe_topic_partitions},
};

static const struct api_write *const writes[] = {
    &api_create_topics,   &api_delete_topics,   &api_alter_configs,         &api_create_partitions,
    &api_broker_registration, &api_broker_heartbeat, &api_unregister_broker, &api_allocate_producer_ids,
    &api_incremental_alter_configs,
};

const struct rpc_route *api_routes(size_t *count)
{
    *count = ARRAY_COUNT(routes);
    return routes;
}

const struct api_write *api_write_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
        if (writes[i]->key == key) {
            return writes[i];
        }
    }
    return NULL;
}
