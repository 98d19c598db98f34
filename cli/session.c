/* Connections and waiting calls: see session.h. */
#include "cli/session.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/runtime/runtime.h"
#include "common/wire/error.h"
#include "wire/describe_cluster.h"

#include <stdio.h>

#define CONNECT_TIMEOUT_MS 5000
/* How long one of several servers is waited for before another is looked at. */
#define OPEN_SLICE_MS 20
#define RECONNECT_NS (100 * NS_PER_MS)
#define RESPONSE_SIZE_MAX (128u << 20)
#define ENDPOINT_CONTROLLERS 2
/* While controllers elect, how often they are asked again. */
#define ELECTION_POLL_MS 100

struct session *cli_session(struct cli *cli)
{
    struct session *session = cli->session;

    if (session != NULL) {
        return session;
    }
    session = memory_alloc_zero(1, sizeof(*session));
    session->cli = cli;
    list_init(&session->servers);
    session->workers = runtime_workers_create(NULL);
    session->loop = runtime_loop_create(&(struct runtime_options){.workers = session->workers});
    if (session->loop == NULL) {
        cli_error("cannot make an event loop: too many open files");
        cli_hint("raise the limit: ulimit -n 4096");
        runtime_workers_destroy(session->workers);
        memory_free(session);
        return NULL;
    }
    session->env = runtime_loop_env(session->loop);
    cli->session = session;
    return session;
}

static void server_opened(void *context, struct rpc_client *client)
{
    struct server *server = context;

    (void)client;
    server->state = SERVER_OPEN;
    if (server->session->changed != NULL) {
        server->session->changed(server->session->context, server);
    }
}

static void server_closed(void *context, struct rpc_client *client, enum status why)
{
    struct server *server = context;

    (void)client;
    server->state = SERVER_CLOSED;
    server->client = NULL;
    server->why = why == STATUS_OK ? STATUS_CLOSED : why;
    server->closed_at_ns = env_now_ns(server->session->env);
    if (server->session->changed != NULL) {
        server->session->changed(server->session->context, server);
    }
}

static const struct rpc_client_handler server_handler = {.opened = server_opened, .closed = server_closed};

static void server_connect(struct server *server)
{
    const struct rpc_client_options options = {
        .host = server->address.host,
        .port = server->address.port,
        .client_id = "millrace",
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .response_size_max = RESPONSE_SIZE_MAX,
    };

    server->state = SERVER_CONNECTING;
    server->client = rpc_client_open(server->session->env, &options, &server_handler, server);
}

static struct server *server_find(struct session *session, const struct address *address)
{
    LIST_EACH(link, &session->servers)
    {
        struct server *server = LIST_ENTRY(link, struct server, link);

        if (server->address.port == address->port && strcmp(server->address.host, address->host) == 0) {
            return server;
        }
    }
    return NULL;
}

struct server *server_if_ready(struct session *session, const struct address *address)
{
    const struct server *server = server_find(session, address);

    if (server != NULL && server->state == SERVER_CLOSED &&
        env_now_ns(session->env) - server->closed_at_ns < RECONNECT_NS) {
        return NULL;
    }
    return server_at(session, address);
}

struct server *server_at(struct session *session, const struct address *address)
{
    struct server *server = server_find(session, address);

    if (server == NULL) {
        server = memory_alloc_zero(1, sizeof(*server));
        server->session = session;
        server->address = *address;
        server->state = SERVER_CLOSED;
        address_print(address, server->name);
        list_append(&session->servers, &server->link);
    }
    if (server->state == SERVER_CLOSED) {
        server_connect(server);
    }
    return server;
}

struct server *server_at_host(struct session *session, struct string host, int32_t port)
{
    struct address address = {.port = (uint16_t)port};
    const size_t size = host.size < ADDRESS_HOST_MAX ? host.size : ADDRESS_HOST_MAX;

    memcpy(address.host, host.data, size);
    return server_at(session, &address);
}

static void wait_expired(void *context)
{
    struct session *session = context;

    session->expired = true;
    env_stop(session->env);
}

/* Callbacks that may end a wait stop the loop after every turn that called one; here it is looked at whether it was the
 * one. */
static void wait_look(void *context)
{
    struct session *session = context;

    env_stop(session->env);
}

bool session_wait(struct session *session, const bool *flag, uint32_t timeout_ms)
{
    struct env_timer timer;

    session->expired = false;
    env_timer_init(&timer, wait_expired, session);
    env_timer_start(session->env, &timer, (uint64_t)timeout_ms * NS_PER_MS);
    while (!*flag && !session->expired) {
        runtime_loop_run(session->loop);
    }
    env_timer_stop(session->env, &timer);
    return *flag;
}

void session_sleep(struct session *session, uint32_t ms)
{
    const bool never = false;

    (void)session_wait(session, &never, ms);
}

struct server_wait {
    struct session *session;
    bool settled;
    void (*changed)(void *context, struct server *server);
    void *context;
    struct server *server;
};

static void wait_changed(void *context, struct server *server)
{
    struct server_wait *wait = context;

    if (server == wait->server) {
        wait->settled = true;
        wait_look(wait->session);
    }
    if (wait->changed != NULL) {
        wait->changed(wait->context, server);
    }
}

bool server_wait(struct server *server, uint32_t timeout_ms)
{
    struct session *session = server->session;
    struct server_wait wait = {
        .session = session, .server = server, .changed = session->changed, .context = session->context};

    if (server->state == SERVER_CONNECTING) {
        session->changed = wait_changed;
        session->context = &wait;
        if (!session_wait(session, &wait.settled, timeout_ms)) {
            server->why = STATUS_TIMEOUT;
        }
        session->changed = wait.changed;
        session->context = wait.context;
    }
    return server->state == SERVER_OPEN;
}

void trace_call(const struct server *server, const struct rpc_call *call, uint64_t sent_ns)
{
    const struct api *api = api_find(call->key);
    struct buffer text;

    if (!server->session->cli->trace || api == NULL) {
        return;
    }
    buffer_init(&text);
    if (call->status == STATUS_OK) {
        api->response.dump(call->response, &text);
    } else {
        buffer_append_format(&text, "%s", status_text(call->status));
    }
    cli_note("trace: %s %s v%d, %.2f ms: %.*s", server->name, api->name, call->version,
             (double)(env_now_ns(server->session->env) - sent_ns) / 1e6, (int)text.size, (const char *)text.data);
    buffer_deinit(&text);
}

int16_t server_version(const struct server *server, int16_t key)
{
    const struct api *api = api_find(key);

    return server->state == SERVER_OPEN && api != NULL ? rpc_client_version(server->client, key, api->version_max) : -1;
}

static void reply_done(struct rpc_call *call)
{
    struct reply *reply = CONTAINER_OF(call, struct reply, call);
    struct server *server = call->context;

    reply->done = true;
    trace_call(server, call, reply->sent_ns);
    wait_look(server->session);
}

enum status server_call(struct server *server, int16_t key, int16_t version_max, const void *request,
                        struct reply *reply)
{
    struct session *session = server->session;
    const uint32_t timeout_ms = session->cli->timeout_ms;

    memset(reply, 0, sizeof(*reply));
    rpc_call_init(&reply->call, reply_done, server);
    if (server->state == SERVER_CLOSED) {
        server_connect(server);
    }
    if (!server_wait(server, timeout_ms)) {
        return server->why;
    }
    const int16_t newest = server_version(server, key);
    const int16_t version = newest < version_max ? newest : version_max;

    if (version < 0) {
        return STATUS_UNSUPPORTED;
    }
    reply->sent_ns = env_now_ns(session->env);
    rpc_client_call(server->client, &reply->call, key, version, request, timeout_ms);
    while (!reply->done) {
        /* The call itself times out a moment before; it always ends before its memory may go. */
        (void)session_wait(session, &reply->done, timeout_ms + 1000);
    }
    return reply->call.status;
}

void reply_deinit(struct reply *reply)
{
    rpc_call_deinit(&reply->call);
}

enum status server_call_or_complain(struct server *server, const char *what, int16_t key, const void *request,
                                    struct reply *reply)
{
    const enum status status = server_call(server, key, VERSION_ANY, request, reply);
    const struct api *api = api_find(key);

    if (status == STATUS_UNSUPPORTED) {
        cli_error("cannot %s: %s does not offer %s", what, server->name, api->name);
        cli_hint("see what it offers: millrace api %s; or name another server with --controllers or --bootstrap",
                 server->name);
    } else if (status != STATUS_OK) {
        cli_error("cannot %s: %s: %s", what, server->name, status_text(status));
        cli_hint("check that the server runs and is a Kafka listener; a longer --timeout may help");
    }
    return status;
}

/* The first server of `list` that is open, in its order; waits while none is and some may still open. All are tried at
 * the same time, so that one that swallows packets delays nobody. */
static struct server *first_open(struct session *session, const struct address_list *list)
{
    const uint64_t deadline = env_now_ns(session->env) + session->cli->timeout_ms * NS_PER_MS;
    bool connecting = true;

    for (size_t i = 0; i < list->count; i++) {
        (void)server_at(session, &list->items[i]);
    }
    while (connecting && env_now_ns(session->env) <= deadline) {
        connecting = false;
        for (size_t i = 0; i < list->count; i++) {
            struct server *server = server_find(session, &list->items[i]);

            if (server->state == SERVER_OPEN || (server->state == SERVER_CONNECTING && server_wait(server,
                                                                                                   OPEN_SLICE_MS))) {
                return server;
            }
            connecting = connecting || server->state == SERVER_CONNECTING;
        }
    }
    return NULL;
}

static void complain_unreachable(struct session *session, const char *kind, const struct address_list *list)
{
    struct buffer text;

    buffer_init(&text);
    for (size_t i = 0; i < list->count; i++) {
        const struct server *server = server_find(session, &list->items[i]);

        buffer_append_format(&text, "%s%s %s", i > 0 ? ", " : "", server->name, status_text(server->why));
    }
    cli_error("cannot reach a %s: %.*s (addresses from %s)", kind, (int)text.size, (const char *)text.data,
              session->cli->servers_from);
    cli_hint("is the cluster running (millrace dev status)? Else name one: %s HOST:PORT",
             list == &session->cli->controllers ? "--controllers" : "--bootstrap");
    buffer_deinit(&text);
}

/* The active controller as `any` knows it, or `any` itself where that question is not understood. */
static struct server *active_controller(struct session *session, struct server *any, bool *elected)
{
    struct describe_cluster_request request;
    struct server *active = any;
    struct reply reply;

    *elected = true;
    if (server_version(any, API_DESCRIBE_CLUSTER) < 1) {
        return any;
    }
    describe_cluster_request_init(&request);
    request.endpoint_type = ENDPOINT_CONTROLLERS;
    if (server_call(any, API_DESCRIBE_CLUSTER, VERSION_ANY, &request, &reply) == STATUS_OK) {
        const struct describe_cluster_response *body = reply_body(&reply);

        *elected = body->error_code != ERROR_NONE || body->controller_id >= 0;
        for (int32_t i = 0; body->error_code == ERROR_NONE && i < body->brokers_count; i++) {
            if (body->brokers[i].broker_id == body->controller_id) {
                active = server_at_host(session, body->brokers[i].host, body->brokers[i].port);
            }
        }
    }
    reply_deinit(&reply);
    return active;
}

struct server *session_find_controller(struct session *session)
{
    const struct cli *cli = session->cli;
    const uint64_t deadline = env_now_ns(session->env) + cli->timeout_ms * NS_PER_MS;

    for (;;) {
        bool elected;
        struct server *any = first_open(session, &cli->controllers);

        if (any == NULL) {
            return NULL;
        }
        struct server *active = active_controller(session, any, &elected);

        if (elected && server_wait(active, cli->timeout_ms)) {
            return active;
        }
        if (env_now_ns(session->env) > deadline) {
            /* Whoever answers may still know more than nobody. */
            return any->state == SERVER_OPEN ? any : NULL;
        }
        session_sleep(session, ELECTION_POLL_MS);
    }
}

struct server *session_admin(struct session *session)
{
    if (session->cli->controllers.count == 0) {
        return session_node(session);
    }
    struct server *server = session_find_controller(session);

    if (server == NULL) {
        complain_unreachable(session, "controller", &session->cli->controllers);
    }
    return server;
}

/* Asks a controller for the nodes' addresses. */
static void learn_nodes(struct session *session, struct address_list *nodes)
{
    struct server *controller = session_find_controller(session);
    struct describe_cluster_request request;
    struct reply reply;

    if (controller == NULL) {
        return;
    }
    describe_cluster_request_init(&request);
    if (server_call(controller, API_DESCRIBE_CLUSTER, VERSION_ANY, &request, &reply) == STATUS_OK) {
        const struct describe_cluster_response *body = reply_body(&reply);

        for (int32_t i = 0; i < body->brokers_count && nodes->count < ADDRESSES_MAX; i++) {
            struct address *address = &nodes->items[nodes->count++];

            snprintf(address->host, sizeof(address->host), "%.*s", STRING_ARGS(body->brokers[i].host));
            address->port = (uint16_t)body->brokers[i].port;
        }
    }
    reply_deinit(&reply);
}

struct server *session_find_node(struct session *session)
{
    struct address_list *nodes = &session->cli->nodes;

    if (nodes->count == 0) {
        learn_nodes(session, nodes);
    }
    return first_open(session, nodes);
}

struct server *session_node(struct session *session)
{
    const struct cli *cli = session->cli;
    struct server *server = session_find_node(session);

    if (server == NULL && cli->nodes.count == 0) {
        complain_unreachable(session, "controller that knows a node", &cli->controllers);
    } else if (server == NULL) {
        complain_unreachable(session, "storage node", &cli->nodes);
    }
    return server;
}

struct server *session_metadata(struct session *session)
{
    struct server *server = session->cli->nodes.count == 0 ? session_admin(session) : NULL;

    return server != NULL && server_version(server, API_METADATA) >= 0 ? server : session_node(session);
}

void session_destroy(struct session *session)
{
    session->changed = NULL;
    LIST_EACH(link, &session->servers)
    {
        struct server *server = LIST_ENTRY(link, struct server, link);

        if (server->client != NULL) {
            rpc_client_close(server->client);
        }
    }
    runtime_loop_drain(session->loop);
    runtime_loop_destroy(session->loop);
    runtime_workers_destroy(session->workers);
    for (struct list *link; (link = list_take_first(&session->servers)) != NULL;) {
        memory_free(LIST_ENTRY(link, struct server, link));
    }
    session->cli->session = NULL;
    memory_free(session);
}
