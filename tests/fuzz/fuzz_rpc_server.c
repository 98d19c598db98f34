/* The server's side of connections: bytes cut anywhere, requests that finish at once, later, in any order, without an
 * answer, by closing; readers that do not read. Answers must be whole frames in the order of their requests, and when
 * all is over no memory is held.
 *
 *     steps: a byte of what happens, with its operands (step below); bytes of requests as they are on the wire
 *
 * What a handler does is the request's correlation id's to say. */
#include "common/base/memory.h"
#include "common/rpc/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/net.h"

#define CONNECTIONS 2
#define ROUTES_MAX 64
#define STARTED_MAX 4096


struct connection {
    struct fuzz_stream *stream;
    bool gone;
    size_t answered;              /* bytes of stream->sent that were checked */
    int32_t started[STARTED_MAX]; /* correlation ids of requests that will be answered, in order */
    size_t started_count;
    size_t next; /* of `started`, to be answered next */
};

struct world {
    struct fuzz_loop loop;
    struct fuzz_net net;
    struct rpc_route routes[ROUTES_MAX];
    struct rpc_server *server;
    struct connection connections[CONNECTIONS];
    struct list pending; /* of struct pending */
    bool stopped;
    int open_upgrades;
};

/* A request that its handler has kept. */
struct pending {
    struct list link;
    struct rpc_request *request;
};

enum ending { END_NOW, END_LATER, END_SILENTLY, END_CLOSING, END_LATER_SILENTLY, END_COUNT };

static enum ending ending_of(const struct rpc_request *request)
{
    return (enum ending)((uint32_t)request->correlation_id % END_COUNT);
}

static void finish(struct pending *pending)
{
    struct rpc_request *request = pending->request;

    list_remove(&pending->link);
    memory_free(pending);
    if (ending_of(request) == END_LATER_SILENTLY) {
        rpc_request_complete_silently(request);
    } else {
        rpc_request_complete(request);
    }
}

static void cancelled(struct rpc_request *request)
{
    if ((request->correlation_id & 8) != 0) {
        finish(request->cancel_context);
    }
}

static void session_gone(void *session)
{
    memory_free(session);
}

static void handle(struct rpc_request *request)
{
    struct world *world = request->service;
    struct connection *connection = &world->connections[request->listener];
    const enum ending ending = ending_of(request);
    void **session = rpc_request_session(request, session_gone);
    struct pending *pending;

    if (*session == NULL) {
        *session = memory_alloc_zero(1, 16);
    }
    ASSERT(request->api != NULL && request->version >= 0 && rpc_request_peer(request)[0] != 0);
    if ((ending == END_NOW || ending == END_LATER) && connection->started_count < STARTED_MAX) {
        connection->started[connection->started_count++] = request->correlation_id;
    }
    switch (ending) {
    case END_NOW:
        rpc_request_complete(request);
        break;
    case END_SILENTLY:
        rpc_request_complete_silently(request);
        break;
    case END_CLOSING:
        rpc_request_complete_by_closing(request);
        break;
    default:
        pending = memory_alloc_zero(1, sizeof(*pending));
        pending->request = request;
        list_append(&world->pending, &pending->link);
        request->cancel = cancelled;
        request->cancel_context = pending;
        break;
    }
}

static void *upgrade_open(void *service, void (*close)(void *connection), void *connection)
{
    struct world *world = service;

    (void)close;
    (void)connection;
    world->open_upgrades++;
    return world;
}

static bool upgrade_bytes(void *upgraded, struct bytes data)
{
    (void)upgraded;
    ASSERT(data.size > 0);
    return data.data[0] != 0xff;
}

static void upgrade_closed(void *upgraded)
{
    struct world *world = upgraded;

    ASSERT(world->open_upgrades > 0);
    world->open_upgrades--;
}

static const struct rpc_upgrade upgrade = {.preface = {(const uint8_t *)"MLRAFT\0\1", 8},
                                           .open = upgrade_open,
                                           .bytes = upgrade_bytes,
                                           .closed = upgrade_closed};

static void check_answers(struct connection *connection)
{
    const struct buffer *sent = &connection->stream->sent;

    while (sent->size - connection->answered > 0) {
        const uint8_t *at = sent->data + connection->answered;
        size_t size;

        ASSERT(sent->size - connection->answered >= 8);
        size = load_u32(at);
        ASSERT(size >= 4 && size <= sent->size - connection->answered - 4);
        if (connection->next < STARTED_MAX) {
            ASSERT(connection->next < connection->started_count);
            ASSERT(connection->started[connection->next++] == load_i32(at + 4));
        }
        connection->answered += 4 + size;
    }
}

static void run(struct world *world)
{
    bool any;

    do {
        for (int i = 0; i < CONNECTIONS; i++) {
            if (world->connections[i].stream != NULL && !world->connections[i].gone) {
                check_answers(&world->connections[i]);
            }
        }
        fuzz_loop_run(&world->loop);
        any = fuzz_net_run(&world->net);
    } while (any);
}

static void accept_one(struct world *world, uint32_t i)
{
    struct connection *connection = &world->connections[i];

    if (connection->stream != NULL && !connection->gone) {
        return;
    }
    *connection = (struct connection){0};
    rpc_server_adopt(world->server, fuzz_net_accepted(&connection->stream), i, NULL);
    ASSERT(connection->stream != NULL);
    connection->stream->gone = &connection->gone;
}

static void finish_one(struct world *world, bool newest)
{
    if (!list_empty(&world->pending)) {
        struct list *link = newest ? world->pending.previous : world->pending.next;

        finish(LIST_ENTRY(link, struct pending, link));
    }
}

static void step(struct world *world, struct bytes *input)
{
    const uint8_t what = fuzz_byte(input);
    const uint32_t i = what >> 3 & 1;
    struct connection *connection = &world->connections[i];

    switch (what % 8) {
    case 0: /* a few bytes, one by one, or more at once */
    case 1:
        accept_one(world, i);
        (void)fuzz_net_feed(connection->stream, fuzz_take(input, what % 8 == 0 ? fuzz_byte(input) : fuzz_u16(input)),
                            (what & 0x80) != 0 ? 1 : SIZE_MAX);
        break;
    case 2:
        finish_one(world, false);
        break;
    case 3:
        finish_one(world, true);
        break;
    case 4:
        world->net.slow = !world->net.slow;
        break;
    case 5:
        if (connection->stream != NULL && !connection->gone) {
            fuzz_net_end(connection->stream);
        }
        break;
    case 6:
        fuzz_loop_wait(&world->loop, (what >> 3) * NS_PER_SECOND);
        break;
    default:
        run(world);
        break;
    }
}

static void stopped(void *context)
{
    struct world *world = context;

    world->stopped = true;
}

static void world_init(struct world *world)
{
    size_t count;
    const struct api *apis = api_all(&count);
    struct rpc_server_options options = {.routes = world->routes,
                                         .service = world,
                                         .frame_size_max = 5000,
                                         .requests_in_flight_max = 5,
                                         .receive_bytes_max = 200000,
                                         .idle_ns_max = 20 * NS_PER_SECOND,
                                         .upgrade = &upgrade};

    *world = (struct world){0};
    list_init(&world->pending);
    fuzz_net_init(&world->net);
    fuzz_loop_init(&world->loop, &world->net.net);
    for (size_t i = 0; i < count && i < ROUTES_MAX; i++) {
        world->routes[i] = (struct rpc_route){apis[i].key, apis[i].version_min, apis[i].version_max, handle};
        options.route_count++;
    }
    world->server = rpc_server_create(&world->loop.env, &options);
}

static void world_end(struct world *world)
{
    struct rpc_server_stats stats;

    world->net.slow = false;
    rpc_server_stop(world->server, stopped, world);
    while (!list_empty(&world->pending)) {
        finish_one(world, false);
    }
    run(world);
    ASSERT(world->stopped && world->open_upgrades == 0);
    rpc_server_stats_get(world->server, &stats);
    ASSERT(stats.connections == 0 && stats.receive_bytes == 0);
    rpc_server_destroy(world->server);
    fuzz_loop_deinit(&world->loop);
    fuzz_net_deinit(&world->net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    struct bytes input = bytes_of(data, size);

    world_init(world);
    while (input.size > 0) {
        step(world, &input);
    }
    world_end(world);
    memory_free(world);
    return 0;
}
