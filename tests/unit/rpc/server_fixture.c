/* A server on fake streams. */
#include "tests/unit/rpc/server_fixture.h"

#include "common/base/memory.h"
#include "common/rpc/api_versions.h"
#include "wire/init_producer_id.h"
#include "wire/metadata.h"

static void on_cancel(struct rpc_request *request)
{
    struct fixture *fixture = request->cancel_context;

    fixture->cancelled++;
    if (fixture->cancel_completes) {
        rpc_request_complete(request);
    }
}

static void on_release(struct rpc_request *request)
{
    ((struct fixture *)request->release_context)->released++;
}

static void on_session_gone(void *session)
{
    ((struct fixture *)session)->sessions_gone++;
}

/* Produce: kept until the test completes it. */
static void handle_hold(struct rpc_request *request)
{
    struct fixture *fixture = request->service;

    assert_true(fixture->held_count < HELD_MAX);
    fixture->handled++;
    fixture->held[fixture->held_count++] = request;
    if (fixture->hold_back) {
        rpc_request_hold_back(request);
    }
    request->cancel = on_cancel;
    request->cancel_context = fixture;
    request->release = on_release;
    request->release_context = fixture;
    *rpc_request_session(request, on_session_gone) = fixture;
}

/* InitProducerId: answered at once with its number. */
static void handle_number(struct rpc_request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct init_producer_id_response *response = request->response;

    ((struct fixture *)request->service)->handled++;
    response->producer_id = body->transaction_timeout_ms;
    rpc_request_complete(request);
}

/* Metadata: a large answer at once. */
static void handle_big(struct rpc_request *request)
{
    struct fixture *fixture = request->service;
    struct metadata_response *response = request->response;

    fixture->handled++;
    response->topics_count = 10;
    response->topics = arena_need(&request->arena, 10, sizeof(*response->topics));
    for (int i = 0; i < 10; i++) {
        metadata_response_topics_init(&response->topics[i]);
        response->topics[i].name = (struct string){fixture->big_name, BIG_NAME};
    }
    rpc_request_complete(request);
}

static void arrived_elsewhere(struct rpc_request *request)
{
    struct fixture *fixture = request->service;

    fixture->visits_elsewhere++;
    assert_ptr_equal(request->at, world_env(&fixture->world, 1));
    ((struct init_producer_id_response *)request->response)->producer_id = 77;
    rpc_request_complete(request);
}

void handle_travel(struct rpc_request *request)
{
    struct fixture *fixture = request->service;

    rpc_request_run_on(request, world_env(&fixture->world, 1), arrived_elsewhere);
}

static const struct rpc_route ROUTES_HERE[] = {
    {API_PRODUCE, 3, 8, handle_hold},
    {API_METADATA, 0, 12, handle_big},
    {API_API_VERSIONS, 0, 4, NULL},
    {API_INIT_PRODUCER_ID, 0, 4, handle_number},
};

struct rpc_route routes[4];

static void handle_api_versions(struct rpc_request *request)
{
    rpc_answer_api_versions(request, routes, 4, NULL, 0, -1, STRING("cluster"), 3);
    rpc_request_complete(request);
}

static void *upgrade_open(void *service, void (*close)(void *connection), void *connection)
{
    struct fixture *fixture = service;

    fixture->upgrade_close = close;
    fixture->upgrade_connection = connection;
    return fixture->upgrade_refuse ? NULL : fixture;
}

static bool upgrade_bytes(void *upgraded, struct bytes data)
{
    struct fixture *fixture = upgraded;

    buffer_append(&fixture->upgraded, data.data, data.size);
    return !fixture->upgrade_bad;
}

static void upgrade_closed(void *upgraded)
{
    ((struct fixture *)upgraded)->upgrades_closed++;
}

const struct rpc_upgrade UPGRADE = {
    .preface = {(const uint8_t *)PREFACE, 8}, .open = upgrade_open, .bytes = upgrade_bytes, .closed = upgrade_closed};

void on_stopped(void *context)
{
    ((struct fixture *)context)->stopped = true;
}

int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    world_init(&fixture->world);
    memcpy(routes, ROUTES_HERE, sizeof(routes));
    routes[2].handle = handle_api_versions;
    memset(fixture->big_name, 'n', BIG_NAME);
    buffer_init(&fixture->upgraded);
    fixture->options = (struct rpc_server_options){
        .routes = routes,
        .route_count = 4,
        .service = fixture,
        .frame_size_max = 8 * 1024 * 1024,
        .requests_in_flight_max = 1000,
        .receive_bytes_max = 64 * 1024 * 1024,
        .idle_ns_max = 600 * NS_PER_SECOND,
    };
    *state = fixture;
    return 0;
}

void start(struct fixture *fixture)
{
    fixture->server = rpc_server_create(world_env(&fixture->world, 0), &fixture->options);
}

int teardown(void **state)
{
    struct fixture *fixture = *state;

    rpc_server_stop(fixture->server, on_stopped, fixture);
    world_run(&fixture->world);
    assert_true(fixture->stopped);
    rpc_server_destroy(fixture->server);
    world_deinit(&fixture->world);
    buffer_deinit(&fixture->upgraded);
    memory_free(fixture);
    return 0;
}

struct fake_stream *connect_to(struct fixture *fixture)
{
    rpc_server_adopt(fixture->server, world_accept(&fixture->world), 5, NULL);
    return fixture->world.adopted;
}

void push_frames(struct fake_stream *stream, struct buffer *frames)
{
    stream_push(stream, frames->data, frames->size);
    buffer_deinit(frames);
    buffer_init(frames);
}

void push_number(struct fake_stream *stream, int32_t correlation_id, int32_t number)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_number(&frames, correlation_id, number);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

void push_produce(struct fake_stream *stream, int32_t correlation_id, size_t size)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_produce(&frames, correlation_id, size);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

void push_big(struct fake_stream *stream, int32_t correlation_id)
{
    struct metadata_request body;
    struct buffer frames;

    metadata_request_init(&body);
    buffer_init(&frames);
    frame_request(&frames, API_METADATA, 1, correlation_id, &body);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

void assert_answers(const struct fake_stream *stream, size_t *at, int32_t first, int32_t last)
{
    for (int32_t id = first; id <= last; id++) {
        struct bytes frame;

        assert_true(frame_next(&stream->out, at, &frame));
        assert_int_equal(frame_correlation_id(frame), id);
    }
}

void assert_no_more(const struct fake_stream *stream, size_t at)
{
    assert_int_equal(stream->out.size, at);
}

void assert_number(const struct fake_stream *stream, size_t *at, int32_t id, int64_t number)
{
    struct init_producer_id_response response;
    struct arena arena;
    struct bytes frame;

    arena_init(&arena, 1 << 20);
    assert_true(frame_next(&stream->out, at, &frame));
    assert_int_equal(frame_correlation_id(frame), id);
    assert_true(frame_decode(frame, API_INIT_PRODUCER_ID, 0, &arena, &response));
    assert_int_equal(response.producer_id, number);
    arena_deinit(&arena);
}

struct rpc_server_stats stats_of(const struct fixture *fixture)
{
    struct rpc_server_stats stats;

    rpc_server_stats_get(fixture->server, &stats);
    return stats;
}
