/* A storage node: how its parts are put together, started and stopped.
 *
 *     NEW --node_start--> STARTING --caught up, unfenced--> RUNNING --node_stop--> STOPPING --> STOPPED
 *
 * Listeners are bound from the start, so that a taken port is an error at once, but connections are served only when
 * the node has the cluster's metadata: before that it would answer that nothing exists. */
#include "storage-node/node.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/config/node_config.h"
#include "common/trace/trace.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/node_private.h"
#include "storage-node/server/features.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/topic_wish.h"

#include <stdio.h>

/* Descriptors kept for sockets and the like; the rest may hold segment files. */
#define NODE_DESCRIPTORS_FOR_FILES_PERCENT 40
/* What is left is for connections of our own, directories, and files that are open for a moment. */
#define NODE_DESCRIPTORS_FOR_CLIENTS_PERCENT 50
#define NODE_REQUESTS_IN_FLIGHT 128
#define NODE_CONNECTIONS_WAITING_MAX 1024
/* How long a clean stop waits for the controllers' leave. */
#define NODE_STOP_PATIENCE_NS (5 * NS_PER_SECOND)

struct waiting_connection {
    struct list link;
    struct env_message message;
    struct net_accepted *accepted;
    struct rpc_place *place;
    struct shard *shard;
    uint32_t listener;
};

static uint64_t node_random(void *context)
{
    return env_random(context);
}

/* --- connections --- */

static void node_adopt(struct env_message *message)
{
    struct waiting_connection *waiting = CONTAINER_OF(message, struct waiting_connection, message);

    rpc_server_adopt(waiting->shard->server, waiting->accepted, waiting->listener,
                     waiting->place);
    memory_free(waiting);
}

static void node_hand_over(struct node *node, struct waiting_connection *waiting)
{
    waiting->shard = &node->service.shards[node->next_shard];
    node->next_shard = (node->next_shard + 1) % node->service.shard_count;
    waiting->message.deliver = node_adopt;
    env_post(waiting->shard->env, &waiting->message);
}

static void node_accepted(void *context, struct net_accepted *accepted)
{
    struct node_listener *listener = context;
    struct node *node = listener->node;
    struct waiting_connection *waiting;
    struct rpc_place *place = NULL;

    if (node->state <= NODE_RUNNING && (node->ready || node->waiting_count < NODE_CONNECTIONS_WAITING_MAX)) {
        place = rpc_gate_enter(&node->gate, accepted);
    }
    if (place == NULL) {
        net_refuse(node->env->net, accepted);
        return;
    }
    waiting = memory_alloc_zero(1, sizeof(*waiting));
    waiting->place = place;
    waiting->accepted = accepted;
    waiting->listener = listener->index;
    list_init(&waiting->link);
    if (node->ready) {
        node_hand_over(node, waiting);
        return;
    }
    list_append(&node->waiting_connections, &waiting->link);
    node->waiting_count++;
}

static void node_set_ready(struct node *node)
{
    struct list *link;

    if (node->ready || node->state != NODE_STARTING) {
        return;
    }
    node->ready = true;
    node->state = NODE_RUNNING;
    trace_info("node_ready", T_INT("node", node->id), T_STRING("cluster", string_of(node->service.cluster_id)),
               T_UINT("partitions", image_partition_count(node->image)));
    node_remove_strays(node);
    while ((link = list_take_first(&node->waiting_connections)) != NULL) {
        node_hand_over(node, LIST_ENTRY(link, struct waiting_connection, link));
    }
    node->waiting_count = 0;
}

/* --- the controllers' word --- */

static enum status node_learned_cluster(void *context, struct string cluster_id)
{
    struct node *node = context;

    if (cluster_id.size > SERVICE_CLUSTER_ID_MAX) {
        return STATUS_INVALID;
    }
    memcpy(node->service.cluster_id, cluster_id.data, cluster_id.size);
    node->service.cluster_id[cluster_id.size] = '\0';
    return directories_set_cluster_id(node->service.directories, cluster_id);
}

static void node_got_image(void *context, struct image *image)
{
    struct node *node = context;

    if (node->state != NODE_STOPPING && node->state != NODE_STOPPED) {
        node_publish(node, image);
    }
}

static void node_registered(void *context, int64_t broker_epoch)
{
    struct node *node = context;

    env_timer_stop(node->env, &node->registration_timer);
    trace_info("node_registered", T_INT("node", node->id), T_INT("broker_epoch", broker_epoch));
}

static void node_fenced(void *context, bool fenced)
{
    struct node *node = context;

    trace_info(fenced ? "node_fenced" : "node_unfenced", T_INT("node", node->id));
    if (!fenced) {
        node_set_ready(node);
    }
}

static void node_stop_shards(struct node *node);

static void node_may_stop(void *context)
{
    node_stop_shards(context);
}

static void node_registration_timeout(void *context)
{
    struct node *node = context;

    node->options.fatal(node->options.context,
                        "no controller has registered this node within initial.broker.registration.timeout.ms: check "
                        "that a majority of the controllers runs, and controller.quorum.voters");
}

static void node_refused(void *context, const char *why)
{
    struct node *node = context;

    node->options.fatal(node->options.context, why);
}

static const struct controller_link_handler NODE_LINK_HANDLER = {
    .cluster_id = node_learned_cluster,
    .image = node_got_image,
    .registered = node_registered,
    .fenced = node_fenced,
    .may_stop = node_may_stop,
    .refused = node_refused,
};

/* --- building --- */

/* A directory failed under a partition of some loop: every loop takes it out of service. */
struct directory_failure {
    struct env_message message;
    struct node *node;
    uint16_t directory;
    enum status status;
};

static void shard_fail_directory(struct shard *shard, struct round *round)
{
    const struct directory_failure *failure = round->context;

    replica_set_fail_directory(&shard->replicas, failure->directory);
    round_done(shard, round);
}

static void directory_failure_finish(struct round *round)
{
    memory_free(round->context);
    round_destroy(round);
}

static void node_directory_failed(struct env_message *message)
{
    struct directory_failure *failure = CONTAINER_OF(message, struct directory_failure, message);
    struct node *node = failure->node;

    if (!directories_fail(node->service.directories, failure->directory)) {
        memory_free(failure);
        return;
    }
    trace_error("log_directory_failed", T_TEXT("path", directories_path(node->service.directories, failure->directory)),
                T_STATUS("why", failure->status));
    if (directories_working(node->service.directories) == 0) {
        memory_free(failure);
        node->options.fatal(node->options.context, "all log directories have failed: check the disks and log.dirs");
        return;
    }
    {
        struct uuid failed[DIRECTORIES_MAX];
        size_t count = 0;

        for (size_t i = 0; i < directories_count(node->service.directories); i++) {
            if (directories_failed(node->service.directories, i)) {
                failed[count++] = directories_id(node->service.directories, i);
            }
        }
        controller_link_offline_dirs(node->service.link, failed, count);
    }
    round_start(&node->service, shard_fail_directory, directory_failure_finish, failure);
}

static void shard_directory_failed(void *context, uint16_t directory, enum status status)
{
    struct shard *shard = context;
    struct node *node = CONTAINER_OF(shard->service, struct node, service);
    struct directory_failure *failure = memory_alloc_zero(1, sizeof(*failure));

    failure->node = node;
    failure->directory = directory;
    failure->status = status;
    failure->message.deliver = node_directory_failed;
    env_post(node->env, &failure->message);
}

static void shard_partition_opened(void *context, struct partition *partition, enum status status)
{
    struct shard *shard = context;

    if (status != STATUS_OK) {
        trace_error("partition_open_failed", T_TEXT("topic", partition->topic->name), T_INT("partition",
                                                                                            partition->index),
                    T_STATUS("why", status));
        if (status == STATUS_IO || status == STATUS_DENIED) {
            shard_directory_failed(shard, partition->directory, status);
        }
    }
}

/* A directory whose name a partition of some loop waits for. */
struct taken_name {
    struct env_message message;
    struct node *node;
    char *path;
    bool late;
};

static void node_name_taken(struct env_message *message)
{
    struct taken_name *taken = CONTAINER_OF(message, struct taken_name, message);

    if (taken->node->state == NODE_RUNNING) {
        node_free_name(taken->node, taken->path, taken->late);
    }
    memory_free(taken->path);
    memory_free(taken);
}

static void shard_name_taken(void *context, const char *path, bool late)
{
    struct shard *shard = context;
    struct node *node = CONTAINER_OF(shard->service, struct node, service);
    struct taken_name *taken = memory_alloc_zero(1, sizeof(*taken));

    taken->node = node;
    taken->path = memory_copy_text(path, strlen(path));
    taken->late = late;
    taken->message.deliver = node_name_taken;
    env_post(node->env, &taken->message);
}

static void node_create_shard(struct node *node, uint32_t index)
{
    const struct config *config = node->options.config;
    struct shard *shard = &node->service.shards[index];
    const size_t slots = (size_t)config_int64(config, "max.incremental.fetch.session.cache.slots");
    const int64_t idle_ms = config_int64(config, "connections.max.idle.ms");
    const uint64_t files = node->options.descriptor_limit * NODE_DESCRIPTORS_FOR_FILES_PERCENT / 100;
    const struct replica_set_options replica_options = {
        .env = node->options.envs[index],
        .index = index,
        .files_open_max = (size_t)(files / node->service.shard_count) + 1,
        .check_interval_ns = (uint64_t)config_int64(config, "log.retention.check.interval.ms") * NS_PER_MS,
        .directory_failed = shard_directory_failed,
        .opened = shard_partition_opened,
        .name_taken = shard_name_taken,
        .context = shard,
    };
    struct rpc_server_options server_options = {
        .service = shard,
        .frame_size_max = (uint32_t)config_int64(config, "socket.request.max.bytes"),
        .requests_in_flight_max = NODE_REQUESTS_IN_FLIGHT,
        .receive_bytes_max = (size_t)config_int64(config, "queued.max.request.bytes") / node->service.shard_count,
        .idle_ns_max = idle_ms > 0 ? (uint64_t)idle_ms * NS_PER_MS : 0,
    };

    server_options.routes = node_routes(&server_options.route_count);
    *shard = (struct shard){.service = &node->service,
                            .env = node->options.envs[index],
                            .index = index,
                            .count = node->service.shard_count,
                            .node_id = node->id,
                            .image = image_create()};
    list_init(&shard->producer_ids.waiting);
    conversions_init(&shard->conversions, shard->env);
    wakes_init(&shard->wakes, shard->env);
    replica_set_init(&shard->replicas, &replica_options);
    shard->server = rpc_server_create(shard->env, &server_options);
    fetch_session_cache_init(&shard->sessions, slots / node->service.shard_count, env_random(shard->env));
}

static enum status node_open_directories(struct node *node, char problem[NODE_PROBLEM_MAX])
{
    const struct config *config = node->options.config;
    struct directories_options options = {
        .disk = node->env->disk,
        .node_id = node->id,
        .cluster_id = string_of(config_string(config, "cluster.id")),
        .random = node_random,
        .random_context = node->env,
    };
    struct string known;
    enum status status;

    options.paths = node_config_log_dirs(config, &options.count);
    status = directories_open(&options, &node->service.directories, problem);
    if (status != STATUS_OK) {
        return status;
    }
    known = directories_cluster_id(node->service.directories);
    if (known.size > SERVICE_CLUSTER_ID_MAX) {
        snprintf(problem, NODE_PROBLEM_MAX, "cluster.id is longer than %d characters", SERVICE_CLUSTER_ID_MAX);
        return STATUS_INVALID;
    }
    if (known.data != NULL) {
        memcpy(node->service.cluster_id, known.data, known.size);
    }
    return STATUS_OK;
}

/* Connections that the node may have: clients, however many there are, never take the last descriptor from a log. */
static uint32_t node_connections_max(const struct node *node)
{
    const uint64_t wanted = (uint64_t)config_int32(node->options.config, "max.connections");
    const uint64_t allowed = node->options.descriptor_limit * NODE_DESCRIPTORS_FOR_CLIENTS_PERCENT / 100;

    return (uint32_t)(wanted < allowed ? wanted : allowed);
}

enum status node_create(const struct node_options *options, struct node **out, char problem[NODE_PROBLEM_MAX])
{
    struct node *node = memory_alloc_zero(1, sizeof(*node));
    enum status status;

    ASSERT(options->env_count > 0);
    ASSERT(options->env_count <= NODE_LOOPS_MAX);
    node->options = *options;
    node->env = options->envs[0];
    node->id = config_int32(options->config, "node.id");
    node->service.shard_count = options->env_count;
    node->service.auto_create = config_boolean(options->config, "auto.create.topics.enable");
    node->image = image_create();
    list_init(&node->waiting_connections);
    map_init(&node->service.topics_asked);
    node->service.node_id = node->id;
    node->service.config = options->config;
    arena_init(&node->arena, SIZE_MAX / 2);
    env_timer_init(&node->registration_timer, node_registration_timeout, node);
    rpc_gate_init(&node->gate, node->env, node_connections_max(node),
                  server_config_connections_per_address(options->config));
    status = node_open_directories(node, problem);
    if (status != STATUS_OK) {
        image_unref(node->image);
        rpc_gate_deinit(&node->gate);
        arena_deinit(&node->arena);
        memory_free(node);
        return status;
    }
    node->service.shards = memory_alloc_zero(node->service.shard_count, sizeof(*node->service.shards));
    for (uint32_t i = 0; i < node->service.shard_count; i++) {
        node_create_shard(node, i);
    }
    node_checkpoint_init(node);
    *out = node;
    return STATUS_OK;
}

static enum status node_listen(struct node *node, char problem[NODE_PROBLEM_MAX])
{
    const struct config_listener *wanted =
        server_config_listeners(node->options.config, &node->arena, &node->service.listener_count);

    const struct listener_options sockets = server_config_sockets(node->options.config);
    struct string *names = arena_need(&node->arena, node->service.listener_count, sizeof(*names));

    node->listeners = arena_need(&node->arena, node->service.listener_count, sizeof(*node->listeners));
    node->service.listener_names = names;
    for (size_t i = 0; i < node->service.listener_count; i++) {
        struct node_listener *listener = &node->listeners[i];
        enum status status;

        listener->node = node;
        listener->index = (uint32_t)i;
        names[i] = wanted[i].name;
        status = net_listen(node->env->net, wanted[i].address.host.data, wanted[i].address.port, node_accepted,
                            listener,
                            &listener->listener);
        if (status != STATUS_OK) {
            snprintf(problem, NODE_PROBLEM_MAX, "cannot listen on %.*s port %u: %s; %s",
                     STRING_ARGS(wanted[i].address.host),
                     wanted[i].address.port, status_text(status),
                     status == STATUS_ADDRESS_IN_USE ? "another process has the port: stop it or change `listeners`"
                                                     : "check `listeners`");
            return status;
        }
        listener_tune(listener->listener, &sockets);
    }
    return STATUS_OK;
}

static void node_describe_listeners(struct node *node)
{
    size_t count;
    const struct config_listener *advertised =
        server_config_advertised(node->options.config, &node->arena, &count);
    struct controller_link_listener *listeners = arena_need(&node->arena, count, sizeof(*listeners));

    for (size_t i = 0; i < count; i++) {
        listeners[i].name = advertised[i].name;
        listeners[i].host = advertised[i].address.host;
        listeners[i].port = advertised[i].address.port;
        for (size_t j = 0; j < node->service.listener_count && listeners[i].port == 0; j++) {
            if (string_equal(node->service.listener_names[j], listeners[i].name)) {
                listeners[i].port = listener_port(node->listeners[j].listener);
            }
        }
    }
    node->link_options.listeners = listeners;
    node->link_options.listener_count = count;
}

static void node_describe_controllers(struct node *node)
{
    size_t count;
    const struct config_address *addresses = server_config_controllers(node->options.config, &node->arena, &count);
    struct controller_link_listener *controllers = arena_need(&node->arena, count, sizeof(*controllers));

    for (size_t i = 0; i < count; i++) {
        controllers[i].host = addresses[i].host;
        controllers[i].port = addresses[i].port;
    }
    node->link_options.controllers = controllers;
    node->link_options.controller_count = count;
}

enum status node_start(struct node *node, char problem[NODE_PROBLEM_MAX])
{
    const struct config *config = node->options.config;
    enum status status = node_listen(node, problem);

    if (status != STATUS_OK) {
        return status;
    }
    node->link_options = (struct controller_link_options){
        .env = node->env,
        .node_id = node->id,
        .cluster_id = node->service.cluster_id[0] != '\0' ? string_of(node->service.cluster_id) : STRING_NULL,
        .incarnation_id = uuid_random(node_random, node->env),
        .rack = config_string(config, "broker.rack"),
        .log_dirs = directories_ids(node->service.directories),
        .log_dir_count = directories_count(node->service.directories),
        .previous_broker_epoch = directories_clean_epoch(node->service.directories),
        .heartbeat_ms = (uint32_t)config_int64(config, "broker.heartbeat.interval.ms"),
        .request_timeout_ms = (uint32_t)config_int64(config, "controller.quorum.request.timeout.ms"),
        .retry_backoff_ms = (uint32_t)config_int64(config, "controller.quorum.retry.backoff.ms"),
    };
    node->link_options.features = node_features(&node->link_options.feature_count);
    node_describe_listeners(node);
    node_describe_controllers(node);
    status = directories_begin(node->service.directories);
    if (status != STATUS_OK) {
        snprintf(problem, NODE_PROBLEM_MAX, "cannot write to a log directory: %s", status_text(status));
        return status;
    }
    node->state = NODE_STARTING;
    env_timer_start(node->env, &node->registration_timer,
                    (uint64_t)config_int64(config, "initial.broker.registration.timeout.ms") * NS_PER_MS);
    node->service.link = controller_link_create(&node->link_options, &NODE_LINK_HANDLER, node);
    return STATUS_OK;
}

/* --- stopping --- */

static void node_finish_stop(void *context)
{
    struct node *node = context;

    node->state = NODE_STOPPED;
    trace_info("node_stopped", T_INT("node", node->id));
    node->stopped(node->stopped_context);
}

/* A mark would keep the next start from repairing what it covers: every partition there must be in order. */
static bool node_left_clean(const struct node *node, size_t directory)
{
    bool clean = !directories_failed(node->service.directories, directory) &&
                 directories_may_be_clean(node->service.directories, directory);

    for (uint32_t i = 0; i < node->service.shard_count; i++) {
        clean = clean && replica_set_left_clean(&node->service.shards[i].replicas, (uint16_t)directory);
    }
    return clean;
}

static void node_mark_clean(struct node *node)
{
    const int64_t epoch = controller_link_broker_epoch(node->service.link);

    for (size_t i = 0; i < directories_count(node->service.directories); i++) {
        enum status status;

        if (!node_left_clean(node, i)) {
            continue;
        }
        status = log_directory_clean_write(node->env->disk, directories_path(node->service.directories, i), epoch);
        if (status != STATUS_OK) {
            trace_error("clean_mark_failed", T_TEXT("path", directories_path(node->service.directories, i)),
                        T_STATUS("why", status));
        }
    }
    controller_link_stop(node->service.link, node_finish_stop, node);
}

static void shard_shut_logs(struct env_job *job);

/* A loop's share of the stop: its server first, then its logs. */
struct shard_stop {
    struct env_job job;
    struct shard *shard;
    struct round *round;
    struct env_timer timer;
};

static void shard_stop_done(struct env_job *job)
{
    struct shard_stop *stop = CONTAINER_OF(job, struct shard_stop, job);
    struct shard *shard = stop->shard;
    struct round *round = stop->round;

    memory_free(stop);
    round_done(shard, round);
}

static void shard_shut_logs(struct env_job *job)
{
    struct shard_stop *stop = CONTAINER_OF(job, struct shard_stop, job);

    /* The loop waits for this job and touches none of its logs meanwhile. */
    replica_set_shutdown(&stop->shard->replicas);
}

static void shard_wait_for_logs(void *context)
{
    struct shard_stop *stop = context;

    if (!replica_set_settled(&stop->shard->replicas)) {
        env_timer_start(stop->shard->env, &stop->timer, 5 * NS_PER_MS);
        return;
    }
    replica_set_detach(&stop->shard->replicas);
    stop->job.work = shard_shut_logs;
    stop->job.done = shard_stop_done;
    env_submit(stop->shard->env, ENV_LANE_BACKGROUND, &stop->job);
}

static void shard_server_stopped(void *context)
{
    struct shard_stop *stop = context;

    env_timer_init(&stop->timer, shard_wait_for_logs, stop);
    env_timer_start(stop->shard->env, &stop->timer, 0);
}

static void shard_stop(struct shard *shard, struct round *round)
{
    struct shard_stop *stop = memory_alloc_zero(1, sizeof(*stop));

    stop->shard = shard;
    stop->round = round;
    replica_set_stop(&shard->replicas);
    rpc_server_stop(shard->server, shard_server_stopped, stop);
}

static void node_shards_stopped(struct round *round)
{
    struct node *node = CONTAINER_OF(round->service, struct node, service);

    round_destroy(round);
    node_checkpoint_start(node, node_mark_clean);
}

static void node_stop_shards(struct node *node)
{
    struct list *link;

    if (node->stop_round_started) {
        return;
    }
    node->stop_round_started = true;
    env_timer_stop(node->env, &node->stop_timer);
    env_timer_stop(node->env, &node->checkpoint_timer);
    for (size_t i = 0; i < node->service.listener_count; i++) {
        listener_close(node->listeners[i].listener);
    }
    while ((link = list_take_first(&node->waiting_connections)) != NULL) {
        struct waiting_connection *waiting = LIST_ENTRY(link, struct waiting_connection, link);

        net_refuse(node->env->net, waiting->accepted);
        rpc_place_leave(waiting->place, node->env);
        memory_free(waiting);
    }
    round_start(&node->service, shard_stop, node_shards_stopped, NULL);
}

static void node_stop_timeout(void *context)
{
    node_stop_shards(context);
}

void node_stop(struct node *node, void (*done)(void *context), void *context)
{
    ASSERT(node->state == NODE_STARTING || node->state == NODE_RUNNING);
    trace_info("node_stopping", T_INT("node", node->id));
    node->state = NODE_STOPPING;
    node->stopped = done;
    node->stopped_context = context;
    env_timer_stop(node->env, &node->registration_timer);
    env_timer_init(&node->stop_timer, node_stop_timeout, node);
    if (!node->ready || !config_boolean(node->options.config, "controlled.shutdown.enable")) {
        node_stop_shards(node);
        return;
    }
    env_timer_start(node->env, &node->stop_timer, NODE_STOP_PATIENCE_NS);
    controller_link_want_stop(node->service.link);
}

void node_stop_now(struct node *node)
{
    if (node->state == NODE_STOPPING) {
        node_stop_shards(node);
    }
}

void node_destroy(struct node *node)
{
    for (uint32_t i = 0; i < node->service.shard_count; i++) {
        struct shard *shard = &node->service.shards[i];

        rpc_server_destroy(shard->server);
        fetch_session_cache_deinit(&shard->sessions);
        wakes_deinit(&shard->wakes);
        conversions_deinit(&shard->conversions);
        replica_set_deinit(&shard->replicas);
        image_unref(shard->image);
    }
    memory_free(node->service.shards);
    if (node->service.link != NULL) {
        controller_link_destroy(node->service.link);
    }
    directories_close(node->service.directories);
    image_unref(node->image);
    topic_wishes_free(&node->service);
    rpc_gate_deinit(&node->gate);
    arena_deinit(&node->arena);
    memory_free(node);
}

/* --- questions --- */

bool node_ready(const struct node *node)
{
    return node->ready;
}

uint16_t node_port(const struct node *node, size_t index)
{
    ASSERT(index < node->service.listener_count);
    return listener_port(node->listeners[index].listener);
}
