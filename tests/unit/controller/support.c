/* The controllers and the client that the tests share. */
#include "tests/unit/controller/support.h"

#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "common/config/controller_config.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_timeout(void *context)
{
    struct cluster *cluster = context;

    cluster->timed_out = true;
    env_stop(cluster->env);
}

static void on_fatal(void *context, const char *what, enum status why)
{
    struct cluster *cluster = context;

    (void)what;
    (void)why;
    cluster->failures++;
}

static void on_accepted(void *context, struct net_accepted *accepted)
{
    net_refuse(((struct cluster *)context)->env->net, accepted);
}

static uint16_t free_port(struct cluster *cluster)
{
    struct listener *listener;
    uint16_t port;

    assert_int_equal(net_listen(cluster->env->net, "127.0.0.1", 0, on_accepted, cluster, &listener), STATUS_OK);
    port = listener_port(listener);
    listener_close(listener);
    return port;
}

static void make_options(struct cluster *cluster, int index, const uint16_t *ports)
{
    struct controller_options *options = &cluster->options[index];

    *options = (struct controller_options){
        .id = 100 + index,
        .voter_count = cluster->count,
        .cluster_id = {{1, 2, 3, 4}},
        .listener_name = "CONTROLLER",
        .listener_count = 1,
        .directory = cluster->directories[index],
        .config = cluster->config,
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = 15,
        .broker_session_timeout_ms = SESSION_MS,
        .snapshot_bytes = 20 << 20,
        .log_bytes_max = 64 << 20,
        .request_timeout_ms = 5000,
        .frame_size_max = 10 << 20,
        .receive_bytes_max = 64 << 20,
        .connections_max = 100,
        .connections_per_address_max = UINT32_MAX,
        .fatal = on_fatal,
        .context = cluster,
    };
    snprintf(options->listeners[0].host, sizeof(options->listeners[0].host), "127.0.0.1");
    options->listeners[0].port = ports[index];
    for (int i = 0; i < cluster->count; i++) {
        options->voters[i].id = 100 + i;
        options->voters[i].port = ports[i];
        snprintf(options->voters[i].host, sizeof(options->voters[i].host), "127.0.0.1");
    }
    snprintf(cluster->directories[index], sizeof(cluster->directories[index]), "%s/%d", cluster->root, index);
}

struct cluster *cluster_open(int count)
{
    static const char *const settings[] = {"node.id=100", "controller.quorum.voters=100@localhost:9093"};
    struct cluster *cluster = memory_alloc_zero(1, sizeof(*cluster));
    struct config_problem problem;
    uint16_t ports[CLUSTER_MAX];

    cluster->workers = runtime_workers_create(NULL);
    cluster->loop = runtime_loop_create(&(struct runtime_options){.workers = cluster->workers});
    assert_non_null(cluster->loop);
    cluster->env = runtime_loop_env(cluster->loop);
    cluster->count = count;
    env_timer_init(&cluster->timer, on_timeout, cluster);
    assert_int_equal(config_read(controller_config_schema(),
                                 &(struct config_inputs){.settings = settings, .setting_count = 2}, &cluster->config,
                                 &problem),
                     STATUS_OK);
    snprintf(cluster->root, sizeof(cluster->root), "/tmp/millrace-controller-XXXXXX");
    assert_non_null(mkdtemp(cluster->root));
    for (int i = 0; i < count; i++) {
        ports[i] = free_port(cluster);
    }
    for (int i = 0; i < count; i++) {
        make_options(cluster, i, ports);
    }
    return cluster;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about;
    (void)kind;
    (void)walk;
    return remove(path);
}

void cluster_close(struct cluster *cluster)
{
    for (int i = 0; i < cluster->count; i++) {
        if (cluster->controllers[i] != NULL) {
            cluster_stop(cluster, i);
        }
    }
    assert_int_equal(cluster->failures, 0);
    runtime_loop_destroy(cluster->loop);
    runtime_workers_destroy(cluster->workers);
    config_destroy(cluster->config);
    nftw(cluster->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    memory_free(cluster);
}

void cluster_run_for(struct cluster *cluster, uint64_t ns)
{
    env_timer_start(cluster->env, &cluster->timer, ns);
    runtime_loop_run(cluster->loop);
    env_timer_stop(cluster->env, &cluster->timer);
    cluster->timed_out = false;
}

void cluster_until(struct cluster *cluster, bool (*condition)(void *context), void *context)
{
    const uint64_t deadline = env_now_ns(cluster->env) + PATIENCE_NS;

    while (!condition(context)) {
        cluster_run_for(cluster, NS_PER_MS);
        assert_true(env_now_ns(cluster->env) < deadline);
    }
}

void cluster_start(struct cluster *cluster, int index)
{
    struct config_problem problem = {""};

    assert_int_equal(controller_create(cluster->env, &cluster->options[index], &cluster->controllers[index], &problem),
                     STATUS_OK);
    assert_int_equal(controller_start(cluster->controllers[index], &problem), STATUS_OK);
}

static void on_stopped(void *context)
{
    *(bool *)context = true;
}

static bool is_true(void *context)
{
    return *(const bool *)context;
}

void cluster_stop(struct cluster *cluster, int index)
{
    bool stopped = false;

    controller_stop(cluster->controllers[index], on_stopped, &stopped);
    cluster_until(cluster, is_true, &stopped);
    controller_destroy(cluster->controllers[index]);
    cluster->controllers[index] = NULL;
}

static int active_index(const struct cluster *cluster)
{
    for (int i = 0; i < cluster->count; i++) {
        if (cluster->controllers[i] != NULL && controller_is_active(cluster->controllers[i]) &&
            image_offset(controller_image(cluster->controllers[i])) >= 0) {
            return i;
        }
    }
    return -1;
}

static bool has_active(void *context)
{
    return active_index(context) >= 0;
}

int cluster_active(struct cluster *cluster)
{
    cluster_until(cluster, has_active, cluster);
    return active_index(cluster);
}

struct settling {
    const struct cluster *cluster;
    int64_t above;
};

static bool is_settled(void *context)
{
    const struct settling *settling = context;
    int64_t offset = -1;

    for (int i = 0; i < settling->cluster->count; i++) {
        if (settling->cluster->controllers[i] != NULL) {
            const int64_t own = image_offset(controller_image(settling->cluster->controllers[i]));

            if (own <= settling->above || (offset >= 0 && own != offset)) {
                return false;
            }
            offset = own;
        }
    }
    return true;
}

void cluster_settle(struct cluster *cluster, int64_t offset)
{
    struct settling settling = {cluster, offset};

    cluster_until(cluster, is_settled, &settling);
}

static void client_opened(void *context, struct rpc_client *rpc)
{
    (void)rpc;
    ((struct client *)context)->open = true;
}

static void client_closed(void *context, struct rpc_client *rpc, enum status why)
{
    struct client *client = context;

    (void)rpc;
    (void)why;
    client->open = false;
    client->rpc = NULL;
}

static const struct rpc_client_handler CLIENT_HANDLER = {.opened = client_opened, .closed = client_closed};

static bool is_open(void *context)
{
    return ((const struct client *)context)->open;
}

static bool is_closed(void *context)
{
    return ((const struct client *)context)->rpc == NULL;
}

static bool is_done(void *context)
{
    return ((const struct client *)context)->done;
}

void client_open_as(struct client *client, struct cluster *cluster, int index, const char *client_id)
{
    *client = (struct client){.cluster = cluster};
    client->rpc = rpc_client_open(cluster->env,
                                  &(struct rpc_client_options){.host = "127.0.0.1",
                                                               .port = cluster->options[index].listeners[0].port,
                                                               .client_id = client_id,
                                                               .connect_timeout_ms = 5000,
                                                               .response_size_max = 64 << 20},
                                  &CLIENT_HANDLER, client);
    cluster_until(cluster, is_open, client);
}

void client_open(struct client *client, struct cluster *cluster, int index)
{
    client_open_as(client, cluster, index, "test");
}

void client_close(struct client *client)
{
    if (client->rpc != NULL) {
        rpc_client_close(client->rpc);
        cluster_until(client->cluster, is_closed, client);
    }
    if (client->used) {
        rpc_call_deinit(&client->call);
    }
}

static void call_done(struct rpc_call *call)
{
    ((struct client *)call->context)->done = true;
}

void client_begin(struct client *client, int16_t key, int16_t version, const void *request)
{
    if (client->used) {
        rpc_call_deinit(&client->call);
    }
    client->used = true;
    client->done = false;
    rpc_call_init(&client->call, call_done, client);
    assert_true(client->open);
    rpc_client_call(client->rpc, &client->call, key, version, request, 10000);
}

void *client_end(struct client *client)
{
    cluster_until(client->cluster, is_done, client);
    assert_int_equal(client->call.status, STATUS_OK);
    return client->call.response;
}

void *client_call(struct client *client, int16_t key, int16_t version, const void *request)
{
    client_begin(client, key, version, request);
    return client_end(client);
}

int64_t register_broker(struct client *client, int32_t id)
{
    struct broker_registration_request_listeners listener;
    struct broker_registration_request_features feature;
    struct broker_registration_request request;
    const struct broker_registration_response *response;
    char cluster_id[UUID_TEXT_SIZE + 1];
    struct uuid dir = {{0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 1, (uint8_t)id}};

    broker_registration_request_init(&request);
    broker_registration_request_listeners_init(&listener);
    broker_registration_request_features_init(&feature);
    listener.name = STRING("PLAINTEXT");
    listener.host = STRING("127.0.0.1");
    listener.port = (uint16_t)(9000 + id);
    feature.name = STRING("metadata.version");
    feature.min_supported_version = 1;
    feature.max_supported_version = 100;
    request.broker_id = id;
    request.cluster_id = string_of(uuid_format(client->cluster->options[0].cluster_id, cluster_id));
    request.incarnation_id = (struct uuid){{9, 9, 9, (uint8_t)id}};
    request.listeners_count = 1;
    request.listeners = &listener;
    request.features_count = 1;
    request.features = &feature;
    request.log_dirs_count = 1;
    request.log_dirs = &dir;
    response = client_call(client, API_BROKER_REGISTRATION, 4, &request);
    assert_string_equal(kafka_error_name(response->error_code), "NONE");
    return response->broker_epoch;
}

bool heartbeat(struct client *client, int32_t id, int64_t epoch, int64_t metadata_offset)
{
    struct broker_heartbeat_request request;
    const struct broker_heartbeat_response *response;

    broker_heartbeat_request_init(&request);
    request.broker_id = id;
    request.broker_epoch = epoch;
    request.current_metadata_offset = metadata_offset;
    response = client_call(client, API_BROKER_HEARTBEAT, 1, &request);
    assert_string_equal(kafka_error_name(response->error_code), "NONE");
    return response->is_fenced;
}

int16_t create_topic(struct client *client, const char *name, int32_t partitions)
{
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    const struct create_topics_response *response;

    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = string_of(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    request.topics_count = 1;
    request.topics = &topic;
    response = client_call(client, API_CREATE_TOPICS, 7, &request);
    assert_int_equal(response->topics_count, 1);
    return response->topics[0].error_code;
}

void fetch_request_begin(struct client *client, int64_t offset, int32_t wait_ms)
{
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.session_epoch = -1;
    request.topics_count = 1;
    request.topics = &topic;
    topic.topic_id.data[15] = 1;
    topic.partitions_count = 1;
    topic.partitions = &partition;
    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    client_begin(client, API_FETCH, 17, &request);
}

int16_t fetch_metadata(struct client *client, struct image **image, int32_t wait_ms, int64_t *snapshot_end,
                       int32_t *snapshot_epoch)
{
    const struct fetch_response *response;
    const struct fetch_response_responses_partitions *partition;
    struct bytes records;
    struct bytes batch;

    fetch_request_begin(client, image_offset(*image) + 1, wait_ms);
    response = client_end(client);
    assert_int_equal(response->error_code, ERROR_NONE);
    assert_int_equal(response->responses_count, 1);
    partition = &response->responses[0].partitions[0];
    *snapshot_end = partition->snapshot_id.end_offset;
    *snapshot_epoch = partition->snapshot_id.epoch;
    records = bytes_of(partition->records.data, partition->records.size);
    while (batch_next(&records, &batch) == STATUS_OK) {
        assert_int_equal(image_apply_batch(image, batch), STATUS_OK);
    }
    assert_int_equal(records.size, 0);
    return partition->error_code;
}
