/* A storage node's tie to the controllers: connections, registration, heartbeats. The metadata log is
 * metadata_feed.c's. */
#include "storage-node/cluster/controller_link.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/rpc/api_versions.h"
#include "common/trace/trace.h"
#include "common/wire/error.h"
#include "storage-node/cluster/metadata_feed.h"
#include "wire/broker_heartbeat.h"
#include "wire/broker_registration.h"
#include "wire/describe_cluster.h"

#define LINK_CONNECT_TIMEOUT_MS 3000
#define LINK_PATIENCE_MIN_MS 1000
#define LINK_RETRY_GROWTH 10
#define LINK_RESPONSE_MAX (64 * 1024 * 1024)
/* While fenced, heartbeats follow each other this fast: becoming available should not wait for the ordinary beat. */
#define LINK_EAGER_HEARTBEAT_NS (50 * NS_PER_MS)
#define LINK_ENDPOINT_CONTROLLERS 2

enum link_state { LINK_CONNECTING, LINK_ASKING_CLUSTER, LINK_REGISTERING, LINK_REGISTERED };

struct controller_link {
    struct controller_link_options options;
    const struct controller_link_handler *handler;
    void *context;
    struct env *env;
    struct rpc_client *control;
    bool control_open;
    size_t current; /* index of the controller in use */
    enum link_state state;
    struct rpc_call call; /* registration or heartbeat, one at a time */
    bool calling;
    struct env_timer timer; /* next heartbeat, or next attempt to connect */
    uint64_t retry_ns;
    char *cluster_id;
    int64_t broker_epoch;
    int64_t told_offset; /* of the metadata, in the last heartbeat */
    struct metadata_feed *feed;
    struct uuid *offline_dirs;
    size_t offline_dir_count;
    bool fenced;
    bool want_stop;
    bool may_stop;
    bool stopping;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void link_connect(struct controller_link *link);
static void link_register(struct controller_link *link);
static void link_heartbeat(struct controller_link *link);

static void link_check_stopped(struct controller_link *link)
{
    if (link->stopping && link->control == NULL && metadata_feed_idle(link->feed) && link->stopped != NULL) {
        void (*stopped)(void *context) = link->stopped;

        link->stopped = NULL;
        stopped(link->stopped_context);
    }
}

static void link_later(struct controller_link *link, uint64_t delay_ns)
{
    env_timer_start(link->env, &link->timer, delay_ns);
}

/* Soon at first, less often while it keeps failing. */
static uint64_t link_retry_min_ns(const struct controller_link *link)
{
    return link->options.retry_backoff_ms * NS_PER_MS;
}

static uint64_t link_retry_max_ns(const struct controller_link *link)
{
    return link_retry_min_ns(link) * LINK_RETRY_GROWTH;
}

static void link_retry(struct controller_link *link)
{
    link_later(link, link->retry_ns);
    link->retry_ns = link->retry_ns * 2 < link_retry_max_ns(link) ? link->retry_ns * 2 : link_retry_max_ns(link);
}

static void link_opened(void *context, struct rpc_client *client)
{
    struct controller_link *link = context;

    (void)client;
    link->control_open = true;
    metadata_feed_start(link->feed, string_of(link->cluster_id), link->options.controllers[link->current].host.data,
                        link->options.controllers[link->current].port);
    link_register(link);
}

/* Tries the next controller, soon. */
static void link_closed(void *context, struct rpc_client *client, enum status why)
{
    struct controller_link *link = context;

    (void)client;
    link->control = NULL;
    link->control_open = false;
    if (link->stopping) {
        link_check_stopped(link);
        return;
    }
    trace_debug("controller_link_closed", T_STRING("host", link->options.controllers[link->current].host),
                T_INT("port", link->options.controllers[link->current].port), T_STATUS("why", why));
    link->current = (link->current + 1) % link->options.controller_count;
    metadata_feed_pause(link->feed);
    link_retry(link);
}

static const struct rpc_client_handler LINK_CLIENT_HANDLER = {.opened = link_opened, .closed = link_closed};

static void link_connect(struct controller_link *link)
{
    const struct controller_link_listener *controller = &link->options.controllers[link->current];
    const struct rpc_client_options options = {
        .host = controller->host.data,
        .port = controller->port,
        .client_id = "node",
        .connect_timeout_ms = LINK_CONNECT_TIMEOUT_MS,
        .response_size_max = LINK_RESPONSE_MAX,
    };

    link->control = rpc_client_open(link->env, &options, &LINK_CLIENT_HANDLER, link);
}

static void link_timer(void *context)
{
    struct controller_link *link = context;

    if (link->control == NULL) {
        link_connect(link);
    } else if (link->control_open && !link->calling) {
        if (link->state == LINK_REGISTERED) {
            link_heartbeat(link);
        } else {
            link_register(link);
        }
    }
}

/* This controller cannot help now: to the next one. */
static void link_leave(struct controller_link *link)
{
    if (link->control != NULL) {
        rpc_client_close(link->control);
    }
}

/* A controller whose machine has gone resets nothing. A silence of two heartbeats is enough: the next controller must
 * hear of us before our session with it ends, which is a few heartbeats long. */
static uint32_t link_patience_ms(const struct controller_link *link)
{
    const uint64_t patience = 2 * (uint64_t)link->options.heartbeat_ms;
    const uint64_t least = patience > LINK_PATIENCE_MIN_MS ? patience : LINK_PATIENCE_MIN_MS;

    return least < link->options.request_timeout_ms ? (uint32_t)least : link->options.request_timeout_ms;
}

static void link_call_start(struct controller_link *link, void (*done)(struct rpc_call *call), int16_t key,
                            const void *request)
{
    const int16_t version = rpc_client_version(link->control, key, INT16_MAX);

    if (version < 0) {
        trace_warn("controller_lacks_api", T_TEXT("api", api_find(key)->name), T_TEXT("peer",
                                                                                      rpc_client_peer(link->control)));
        link_leave(link);
        return;
    }
    link->calling = true;
    rpc_call_init(&link->call, done, link);
    rpc_client_call(link->control, &link->call, key, version, request, link_patience_ms(link));
}

static void link_asked_cluster(struct rpc_call *call)
{
    struct controller_link *link = call->context;
    const struct describe_cluster_response *response = call->response;
    bool known = false;

    link->calling = false;
    if (call->status == STATUS_OK && response->error_code == ERROR_NONE && response->cluster_id.size > 0) {
        known = link->handler->cluster_id(link->context, response->cluster_id) == STATUS_OK;
        if (known) {
            link->cluster_id = memory_copy_text(response->cluster_id.data, response->cluster_id.size);
        }
    }
    rpc_call_deinit(call);
    if (link->stopping || !link->control_open) {
        return;
    }
    if (known) {
        link_register(link);
    } else {
        link_later(link, link->retry_ns);
    }
}

static void link_registered(struct rpc_call *call)
{
    struct controller_link *link = call->context;
    const struct broker_registration_response *response = call->response;
    const int16_t error = call->status == STATUS_OK ? response->error_code : ERROR_REQUEST_TIMED_OUT;
    const int64_t epoch = call->status == STATUS_OK ? response->broker_epoch : -1;

    link->calling = false;
    rpc_call_deinit(call);
    if (link->stopping || !link->control_open) {
        return;
    }
    switch (error) {
    case ERROR_NONE:
        link->state = LINK_REGISTERED;
        link->broker_epoch = epoch;
        link->handler->registered(link->context, epoch);
        link_heartbeat(link);
        return;
    case ERROR_INCONSISTENT_CLUSTER_ID:
        link->handler->refused(link->context,
                               "the controllers belong to another cluster than this node's log directories: "
                                              "check controller.quorum.voters and cluster.id");
        return;
    case ERROR_NOT_CONTROLLER:
        link_leave(link);
        return;
    default:
        trace_warn("registration_refused", T_TEXT("error", kafka_error_name(error)), T_INT("node",
                                                                                           link->options.node_id));
        link_later(link, link_retry_max_ns(link));
        return;
    }
}

static void link_register(struct controller_link *link)
{
    struct arena arena;
    struct broker_registration_request request;

    if (link->cluster_id == NULL) {
        struct describe_cluster_request ask;

        link->state = LINK_ASKING_CLUSTER;
        describe_cluster_request_init(&ask);
        ask.endpoint_type = LINK_ENDPOINT_CONTROLLERS;
        link_call_start(link, link_asked_cluster, API_DESCRIBE_CLUSTER, &ask);
        return;
    }
    metadata_feed_set_cluster(link->feed, string_of(link->cluster_id));
    link->state = LINK_REGISTERING;
    arena_init(&arena, SIZE_MAX / 2);
    broker_registration_request_init(&request);
    request.broker_id = link->options.node_id;
    request.cluster_id = string_of(link->cluster_id);
    request.incarnation_id = link->options.incarnation_id;
    request.rack = string_of(link->options.rack);
    request.listeners_count = (int32_t)link->options.listener_count;
    request.listeners = arena_need(&arena, link->options.listener_count, sizeof(*request.listeners));
    for (size_t i = 0; i < link->options.listener_count; i++) {
        request.listeners[i].name = link->options.listeners[i].name;
        request.listeners[i].host = link->options.listeners[i].host;
        request.listeners[i].port = link->options.listeners[i].port;
    }
    request.features_count = (int32_t)link->options.feature_count;
    request.features = arena_need(&arena, link->options.feature_count, sizeof(*request.features));
    for (size_t i = 0; i < link->options.feature_count; i++) {
        request.features[i].name = string_of(link->options.features[i].name);
        request.features[i].min_supported_version = link->options.features[i].level_min;
        request.features[i].max_supported_version = link->options.features[i].level_max;
    }
    request.log_dirs_count = (int32_t)link->options.log_dir_count;
    request.log_dirs = arena_need(&arena, link->options.log_dir_count, sizeof(*request.log_dirs));
    for (size_t i = 0; i < link->options.log_dir_count; i++) {
        request.log_dirs[i] = link->options.log_dirs[i];
    }
    request.previous_broker_epoch = link->options.previous_broker_epoch;
    link_call_start(link, link_registered, API_BROKER_REGISTRATION, &request);
    arena_deinit(&arena);
}

static void link_took_heartbeat(struct controller_link *link, bool fenced, bool should_stop)
{
    if (fenced != link->fenced) {
        link->fenced = fenced;
        link->handler->fenced(link->context, fenced);
    }
    if (link->want_stop && should_stop && !link->may_stop) {
        link->may_stop = true;
        link->handler->may_stop(link->context);
        return;
    }
    if (link->fenced && image_offset(metadata_feed_image(link->feed)) > link->told_offset) {
        /* More was read while this heartbeat was on its way: that may be what unfences us. */
        link_later(link, 0);
    } else if (link->fenced || link->want_stop) {
        link_later(link, LINK_EAGER_HEARTBEAT_NS);
    } else {
        link_later(link, link->options.heartbeat_ms * NS_PER_MS);
    }
}

static void link_heard(struct rpc_call *call)
{
    struct controller_link *link = call->context;
    struct broker_heartbeat_response response;
    const bool answered = call->status == STATUS_OK;

    broker_heartbeat_response_init(&response);
    if (answered) {
        response = *(const struct broker_heartbeat_response *)call->response;
    }
    link->calling = false;
    rpc_call_deinit(call);
    if (link->stopping || !link->control_open || !answered) {
        return;
    }
    switch (response.error_code) {
    case ERROR_NONE:
        link->retry_ns = link_retry_min_ns(link);
        link_took_heartbeat(link, response.is_fenced, response.should_shut_down);
        return;
    case ERROR_STALE_BROKER_EPOCH:
    case ERROR_BROKER_ID_NOT_REGISTERED:
        trace_warn("registration_lost", T_TEXT("error", kafka_error_name(response.error_code)));
        link->state = LINK_REGISTERING;
        link_retry(link);
        return;
    case ERROR_NOT_CONTROLLER:
        link_leave(link);
        return;
    default:
        link_later(link, link_retry_max_ns(link));
        return;
    }
}

static void link_heartbeat(struct controller_link *link)
{
    struct broker_heartbeat_request request;
    const int16_t version = rpc_client_version(link->control, API_BROKER_HEARTBEAT, INT16_MAX);

    broker_heartbeat_request_init(&request);
    request.broker_id = link->options.node_id;
    request.broker_epoch = link->broker_epoch;
    link->told_offset = image_offset(metadata_feed_image(link->feed));
    request.current_metadata_offset = link->told_offset;
    request.want_fence = false;
    request.want_shut_down = link->want_stop;
    if (version >= 1) {
        request.offline_log_dirs_count = (int32_t)link->offline_dir_count;
        request.offline_log_dirs = link->offline_dirs;
    }
    link_call_start(link, link_heard, API_BROKER_HEARTBEAT, &request);
}

static void link_image(void *context, struct image *image)
{
    struct controller_link *link = context;

    link->handler->image(link->context, image);
    /* Caught up with our own registration: say so at once instead of with the next beat. */
    if (link->fenced && link->state == LINK_REGISTERED && link->control_open && !link->calling && !link->stopping) {
        link_heartbeat(link);
    }
}

static void link_feed_lost(void *context)
{
    link_leave(context);
}

static void link_feed_idle(void *context)
{
    link_check_stopped(context);
}

static const struct metadata_feed_handler LINK_FEED_HANDLER = {
    .image = link_image, .lost = link_feed_lost, .idle = link_feed_idle};

struct controller_link *controller_link_create(const struct controller_link_options *options,
                                               const struct controller_link_handler *handler, void *context)
{
    struct controller_link *link = memory_alloc_zero(1, sizeof(*link));

    ASSERT(options->controller_count > 0);
    link->options = *options;
    link->handler = handler;
    link->context = context;
    link->env = options->env;
    link->fenced = true;
    link->broker_epoch = -1;
    link->retry_ns = link_retry_min_ns(link);
    if (options->cluster_id.data != NULL) {
        link->cluster_id = memory_copy_text(options->cluster_id.data, options->cluster_id.size);
    }
    env_timer_init(&link->timer, link_timer, link);
    link->feed = metadata_feed_create(link->env, options->node_id, options->request_timeout_ms, &LINK_FEED_HANDLER,
                                      link);
    link->current = (size_t)(env_random(link->env) % options->controller_count);
    link_connect(link);
    return link;
}

void controller_link_stop(struct controller_link *link, void (*done)(void *context), void *context)
{
    link->stopping = true;
    link->stopped = done;
    link->stopped_context = context;
    env_timer_stop(link->env, &link->timer);
    metadata_feed_pause(link->feed);
    if (link->control != NULL) {
        rpc_client_close(link->control);
    }
    link_check_stopped(link);
}

void controller_link_destroy(struct controller_link *link)
{
    ASSERT(link->control == NULL);
    metadata_feed_destroy(link->feed);
    memory_free(link->offline_dirs);
    memory_free(link->cluster_id);
    memory_free(link);
}

void controller_link_want_stop(struct controller_link *link)
{
    link->want_stop = true;
    if (link->state == LINK_REGISTERED && link->control_open && !link->calling) {
        link_heartbeat(link);
    }
}

void controller_link_offline_dirs(struct controller_link *link, const struct uuid *dirs, size_t count)
{
    memory_free(link->offline_dirs);
    link->offline_dirs = memory_copy(dirs, count * sizeof(*dirs));
    link->offline_dir_count = count;
    if (link->state == LINK_REGISTERED && link->control_open && !link->calling) {
        link_heartbeat(link);
    }
}

struct rpc_client *controller_link_client(struct controller_link *link)
{
    return link->control_open && !link->stopping ? link->control : NULL;
}

int64_t controller_link_broker_epoch(const struct controller_link *link)
{
    return link->broker_epoch;
}
