/* The connections of one loop. */
#include "common/rpc/server.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/rpc/connection.h"
#include "common/trace/trace.h"

/* How often idle connections are looked for, as a part of the allowed idle time. */
#define RPC_IDLE_CHECKS 8
/* So many are closed at once, and how soon the next ones follow: thousands may have become idle together. */
#define RPC_IDLE_CLOSES 64
#define RPC_IDLE_NEXT_NS NS_PER_MS
/* How much of what may be held is freed at once: finishing early is work too. */
#define RPC_HURRY_PART 16
/* The same for receive memory: so many connections at once. */
#define RPC_HURRY_COUNT 64

/* Nothing happens here: no request is being handled, and the client neither sends nor takes anything. */
static bool rpc_connection_is_idle(struct rpc_connection *connection, uint64_t now_ns)
{
    if (connection->upgraded != NULL || connection->closing || !list_empty(&connection->starved_link)) {
        return false; /* the starved would send, if there were memory to read it */
    }
    if (connection->in_flight > 0) {
        const struct rpc_request *oldest = LIST_ENTRY(connection->pipeline.next, struct rpc_request, link);
        const size_t unsent = stream_unsent(connection->stream);

        if (!oldest->completed) {
            return false;
        }
        if (unsent != connection->unsent_seen) {
            connection->unsent_seen = unsent;
            connection->active_ns = now_ns;
        }
    }
    return now_ns - connection->active_ns >= connection->server->options.idle_ns_max;
}

/* What waits is the client's to say, but not for ever: behind it we would not even see that the client has gone. */
static void rpc_connection_check_wait(struct rpc_connection *connection, uint64_t now_ns)
{
    const struct rpc_request *ahead = connection->ahead;

    if (ahead != NULL && now_ns - ahead->received_ns >= connection->server->options.idle_ns_max) {
        (void)rpc_connection_hurry(connection);
        rpc_pipeline_drain(connection);
    }
}

static void rpc_server_check_idle(void *context)
{
    struct rpc_server *server = context;
    const uint64_t now_ns = env_now_ns(server->env);
    uint32_t closed = 0;

    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (closed == RPC_IDLE_CLOSES) {
            break;
        }
        rpc_connection_check_wait(connection, now_ns);
        if (rpc_connection_is_idle(connection, now_ns)) {
            rpc_connection_close(connection);
            closed++;
        }
    }
    if (!list_empty(&server->connections)) {
        env_timer_start(server->env, &server->idle_timer,
                        closed == RPC_IDLE_CLOSES ? RPC_IDLE_NEXT_NS : server->options.idle_ns_max / RPC_IDLE_CHECKS);
    }
}

/* A half frame that lies in receive memory and comes too slowly: a byte now and then does not count as coming. */
static bool rpc_connection_is_stalled(const struct rpc_connection *connection, uint64_t now_ns)
{
    const struct rpc_block *block = connection->block;
    uint64_t fair_ns;

    if (block == NULL || block->used == block->parsed || connection->blocked ||
        !list_empty(&connection->starved_link)) {
        return false;
    }
    fair_ns = 2 * RPC_STALL_NS + (block->used - block->parsed) * (NS_PER_SECOND / RPC_STALL_BYTES_PER_SECOND);
    return now_ns - connection->active_ns >= RPC_STALL_NS || now_ns - connection->frame_ns >= fair_ns;
}

/* Receive memory has been used up for a while: who keeps a half frame in it and sends no more of it makes room. */
static void rpc_server_check_stalled(void *context)
{
    struct rpc_server *server = context;
    const uint64_t now_ns = env_now_ns(server->env);

    if (list_empty(&server->starved)) {
        return;
    }
    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (rpc_connection_is_stalled(connection, now_ns)) {
            trace_info("connection_stalled", T_TEXT("peer", stream_peer(connection->stream)));
            rpc_connection_close(connection);
        }
    }
    env_timer_start(server->env, &server->stall_timer, RPC_STALL_NS);
}

static void rpc_server_trim(void *context)
{
    struct rpc_server *server = context;

    if (rpc_block_pool_trim(&server->blocks)) {
        env_timer_start(server->env, &server->trim_timer, RPC_TRIM_NS);
    }
}

void rpc_server_unref_block(struct rpc_server *server, struct rpc_block *block)
{
    if (!rpc_block_unref(block)) {
        return;
    }
    if (!list_empty(&server->starved)) {
        env_at_turn_end(server->env, &server->resume_hook);
    }
    if (server->blocks.large_bytes > 0 && !server->stopping && !env_timer_active(&server->trim_timer)) {
        env_timer_start(server->env, &server->trim_timer, RPC_TRIM_NS);
    }
}

/* The client does not take the answers that it has been given. */
static bool rpc_connection_is_deaf(const struct rpc_connection *connection, uint64_t now_ns)
{
    return connection->stream != NULL && connection->in_flight > 0 && stream_unsent(connection->stream) > 0 &&
           now_ns - connection->active_ns >= RPC_STALL_NS;
}

/* Requests that wait hold too much. Those of connections with many of them finish first; where there are none, clients
 * that take no answers are closed; where there are none either, whoever has waited longest as a connection finishes. */
static void rpc_server_hurry(void *context)
{
    struct rpc_server *server = context;
    const uint64_t now_ns = env_now_ns(server->env);
    const size_t enough = server->options.held_bytes_max / RPC_HURRY_PART;
    bool closed = false;
    size_t freed = 0;

    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (freed >= enough) {
            return;
        }
        if (connection->in_flight > RPC_HELD_FAIR) {
            freed += rpc_connection_hurry(connection);
            rpc_pipeline_drain(connection);
        }
    }
    if (freed > 0) {
        return;
    }
    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (rpc_connection_is_deaf(connection, now_ns)) {
            trace_info("connection_stalled", T_TEXT("peer", stream_peer(connection->stream)));
            rpc_connection_close(connection);
            closed = true;
        }
    }
    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (closed || freed >= enough) {
            break;
        }
        freed += rpc_connection_hurry(connection);
        rpc_pipeline_drain(connection);
    }
}

/* Others need receive memory. A socket that was readable in vain left its connection with an empty block; requests that
 * wait keep what lies behind them in theirs, and finish early. */
static void rpc_server_reclaim(void *context)
{
    struct rpc_server *server = context;
    uint32_t hurried = 0;

    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (!rpc_connection_reclaim(connection) && connection->ahead != NULL && connection->block != NULL &&
            hurried < RPC_HURRY_COUNT) {
            hurried++;
            (void)rpc_connection_hurry(connection);
            rpc_pipeline_drain(connection);
        }
    }
    if (hurried > 0 && !server->stopping && !env_timer_active(&server->retry_timer)) {
        env_timer_start(server->env, &server->retry_timer, RPC_RETRY_NS);
    }
}

/* As many as there is memory for, in the order in which they came: to wake all for the sake of a few is work that grows
 * with the square of their number. The timer is for those who took no memory and so give none back. */
static void rpc_server_resume_starved(void *context)
{
    struct rpc_server *server = context;
    struct list *link;

    for (size_t count = rpc_block_pool_room(&server->blocks); count > 0; count--) {
        link = list_take_first(&server->starved);
        if (link == NULL) {
            return;
        }
        rpc_connection_resume(LIST_ENTRY(link, struct rpc_connection, starved_link));
    }
    if (!list_empty(&server->starved) && !server->stopping && !env_timer_active(&server->retry_timer)) {
        env_timer_start(server->env, &server->retry_timer, RPC_RETRY_NS);
    }
}

/* Memory is short, and nothing may happen that tells of memory that comes back: connections that were stopped because
 * too much was held look again, which may be at their end, and requests that wait go on finishing early. */
static void rpc_server_retry(void *context)
{
    struct rpc_server *server = context;

    if (server->held_bytes > server->options.held_bytes_max) {
        rpc_server_hurry(server);
        env_timer_start(server->env, &server->retry_timer, RPC_RETRY_NS);
    }
    LIST_EACH(link, &server->connections)
    {
        struct rpc_connection *connection = LIST_ENTRY(link, struct rpc_connection, link);

        if (connection->blocked && connection->stream != NULL) {
            env_at_turn_end(server->env, &connection->resume_hook);
        }
    }
    if (!list_empty(&server->starved)) {
        rpc_server_reclaim(server);
    }
    rpc_server_resume_starved(server);
}

static void rpc_server_check_stopped(struct rpc_server *server)
{
    if (server->stopping && list_empty(&server->connections) && !server->turn_next_posted && server->stopped != NULL) {
        void (*stopped)(void *context) = server->stopped;

        server->stopped = NULL;
        stopped(server->stopped_context);
    }
}

void rpc_connection_count(struct rpc_connection *connection, size_t units)
{
    struct rpc_server *server = connection->server;

    if (units == 0) {
        return;
    }
    if (!server->turn_counted) {
        server->turn_counted = true;
        env_at_turn_end(server->env, &server->turn_hook);
    }
    if (connection->turn != server->turn) {
        connection->turn = server->turn;
        connection->turn_units = 0;
    }
    connection->turn_units += (uint32_t)units;
    server->turn_units += (uint32_t)units;
}

bool rpc_connection_has_had_its_share(const struct rpc_connection *connection)
{
    const struct rpc_server *server = connection->server;
    uint32_t share = server->turn_share;

    if (connection->turn != server->turn) {
        return false;
    }
    if (share == 0) {
        share = server->turn_units < RPC_TURN_UNITS_ALL ? RPC_TURN_UNITS : RPC_TURN_UNITS_LEAST;
    }
    return connection->turn_units >= share;
}

static void rpc_server_turn_ended(void *context)
{
    struct rpc_server *server = context;

    if (!list_empty(&server->postponed) && !server->turn_next_posted) {
        server->turn_next_posted = true;
        env_post(server->env, &server->turn_next);
    }
    server->turn_counted = false;
    server->turn_units = 0;
    server->turn++;
}

/* A part of half the turn for each that was postponed; the last of many may have to wait for another turn. */
static uint32_t rpc_server_share(const struct list *postponed)
{
    uint32_t count = 0;
    uint32_t share;

    LIST_EACH(link, postponed)
    {
        count++;
    }
    share = RPC_TURN_UNITS_ALL / 2 / (count > 0 ? count : 1);
    if (share < RPC_TURN_UNITS_LEAST) {
        return RPC_TURN_UNITS_LEAST;
    }
    return share < RPC_TURN_UNITS ? share : RPC_TURN_UNITS;
}

static void rpc_server_turn_begins(struct env_message *message)
{
    struct rpc_server *server = CONTAINER_OF(message, struct rpc_server, turn_next);
    struct list postponed;
    struct list *link;

    server->turn_next_posted = false;
    server->turn_share = rpc_server_share(&server->postponed);
    list_init(&postponed);
    list_move_all(&postponed, &server->postponed);
    while (server->turn_units < RPC_TURN_UNITS_ALL / 2 && (link = list_take_first(&postponed)) != NULL) {
        rpc_connection_resume(LIST_ENTRY(link, struct rpc_connection, postponed_link));
    }
    server->turn_share = 0;
    /* Those that have not had their turn come before those that have. */
    list_move_all(&postponed, &server->postponed);
    list_move_all(&server->postponed, &postponed);
    if (!list_empty(&server->postponed)) {
        server->turn_counted = true;
        env_at_turn_end(server->env, &server->turn_hook);
    }
    rpc_server_check_stopped(server);
}

struct rpc_server *rpc_server_create(struct env *env, const struct rpc_server_options *options)
{
    struct rpc_server *server = memory_alloc_zero(1, sizeof(*server));

    for (size_t i = 1; i < options->route_count; i++) {
        ASSERT(options->routes[i - 1].key < options->routes[i].key);
    }
    ASSERT(options->requests_in_flight_max > 0);
    server->env = env;
    server->options = *options;
    if (options->held_bytes_max == 0) {
        server->options.held_bytes_max =
            options->receive_bytes_max > RPC_HELD_MIN ? options->receive_bytes_max : RPC_HELD_MIN;
    }
    rpc_block_pool_init(&server->blocks, options->receive_bytes_max);
    list_init(&server->connections);
    list_init(&server->starved);
    list_init(&server->postponed);
    list_init(&server->requests_free);
    env_timer_init(&server->idle_timer, rpc_server_check_idle, server);
    env_timer_init(&server->stall_timer, rpc_server_check_stalled, server);
    env_timer_init(&server->retry_timer, rpc_server_retry, server);
    env_timer_init(&server->trim_timer, rpc_server_trim, server);
    env_hook_init(&server->resume_hook, rpc_server_resume_starved, server);
    env_hook_init(&server->reclaim_hook, rpc_server_reclaim, server);
    env_hook_init(&server->hurry_hook, rpc_server_hurry, server);
    env_hook_init(&server->turn_hook, rpc_server_turn_ended, server);
    server->turn_next.deliver = rpc_server_turn_begins;
    return server;
}

void rpc_server_stop(struct rpc_server *server, void (*done)(void *context), void *context)
{
    struct list *link;

    server->stopping = true;
    server->stopped = done;
    server->stopped_context = context;
    env_timer_stop(server->env, &server->idle_timer);
    env_timer_stop(server->env, &server->stall_timer);
    env_timer_stop(server->env, &server->retry_timer);
    env_timer_stop(server->env, &server->trim_timer);
    for (link = server->connections.next; link != &server->connections; link = link->next) {
        rpc_connection_close(LIST_ENTRY(link, struct rpc_connection, link));
    }
    rpc_server_check_stopped(server);
}

void rpc_server_destroy(struct rpc_server *server)
{
    struct list *link;

    ASSERT(list_empty(&server->connections));
    env_timer_stop(server->env, &server->idle_timer);
    env_timer_stop(server->env, &server->stall_timer);
    env_timer_stop(server->env, &server->retry_timer);
    env_timer_stop(server->env, &server->trim_timer);
    env_hook_cancel(&server->resume_hook);
    env_hook_cancel(&server->hurry_hook);
    env_hook_cancel(&server->reclaim_hook);
    env_hook_cancel(&server->turn_hook);
    while ((link = list_take_first(&server->requests_free)) != NULL) {
        struct rpc_request *request = LIST_ENTRY(link, struct rpc_request, link);

        arena_deinit(&request->arena);
        writer_deinit(&request->writer);
        memory_free(request);
    }
    rpc_block_pool_deinit(&server->blocks);
    memory_free(server);
}

void rpc_server_adopt(struct rpc_server *server, struct net_accepted *accepted, uint32_t listener,
                      struct rpc_place *place)
{
    if (server->stopping) {
        net_refuse(server->env->net, accepted);
        rpc_place_leave(place, server->env);
        return;
    }
    rpc_connection_open(server, accepted, listener, place);
    if (server->options.idle_ns_max > 0 && !env_timer_active(&server->idle_timer)) {
        env_timer_start(server->env, &server->idle_timer, server->options.idle_ns_max / RPC_IDLE_CHECKS);
    }
}

void rpc_connection_reap(struct rpc_connection *connection)
{
    struct rpc_server *server = connection->server;

    if (connection->stream != NULL || !list_empty(&connection->pipeline)) {
        return;
    }
    if (connection->session != NULL && connection->session_gone != NULL) {
        connection->session_gone(connection->session);
    }
    list_remove(&connection->link);
    list_remove(&connection->starved_link);
    env_hook_cancel(&connection->resume_hook);
    rpc_place_leave(connection->place, server->env);
    memory_free(connection);
    server->connection_count--;
    rpc_server_check_stopped(server);
}

void rpc_server_stats_get(const struct rpc_server *server, struct rpc_server_stats *stats)
{
    *stats = (struct rpc_server_stats){
        .connections = server->connection_count,
        .connections_total = server->connections_total,
        .requests_total = server->requests_total,
        .bad_frames_total = server->bad_frames_total,
        .receive_bytes = server->blocks.bytes,
    };
}

const struct rpc_route *rpc_server_routes(const struct rpc_server *server, size_t *count)
{
    *count = server->options.route_count;
    return server->options.routes;
}
