/* The answering side: frames however they are cut, answers in order, back-pressure, ends of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/rpc/api_versions.h"
#include "tests/unit/rpc/frames.h"
#include "tests/unit/rpc/world.h"
#include "wire/api_versions.h"
#include "wire/init_producer_id.h"
#include "wire/metadata.h"

#define HELD_MAX 2048
#define BIG_NAME 30000

struct fixture {
    struct world world;
    struct rpc_server_options options;
    struct rpc_server *server;
    struct rpc_request *held[HELD_MAX];
    size_t held_count;
    size_t handled;
    size_t cancelled;
    size_t released;
    size_t sessions_gone;
    bool cancel_completes;
    bool stopped;
    size_t visits_elsewhere;
    /* of the upgrade */
    struct buffer upgraded;
    void (*upgrade_close)(void *connection);
    void *upgrade_connection;
    size_t upgrades_closed;
    bool upgrade_refuse;
    bool upgrade_bad;
    char big_name[BIG_NAME];
};

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

/* Travels to the other loop, is completed there. */
static void handle_travel(struct rpc_request *request)
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

static struct rpc_route routes[4];

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

#define PREFACE "\xffraft/1\n"

static const struct rpc_upgrade UPGRADE = {
    .preface = {(const uint8_t *)PREFACE, 8}, .open = upgrade_open, .bytes = upgrade_bytes, .closed = upgrade_closed};

static void on_stopped(void *context)
{
    ((struct fixture *)context)->stopped = true;
}

static int setup(void **state)
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
        .connections_max = 100,
    };
    *state = fixture;
    return 0;
}

static void start(struct fixture *fixture)
{
    fixture->server = rpc_server_create(world_env(&fixture->world, 0), &fixture->options);
}

static int teardown(void **state)
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

static struct fake_stream *connect_to(struct fixture *fixture)
{
    rpc_server_adopt(fixture->server, world_accept(&fixture->world), 5);
    return fixture->world.adopted;
}

static void push_frames(struct fake_stream *stream, struct buffer *frames)
{
    stream_push(stream, frames->data, frames->size);
    buffer_deinit(frames);
    buffer_init(frames);
}

static void push_number(struct fake_stream *stream, int32_t correlation_id, int32_t number)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_number(&frames, correlation_id, number);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

static void push_produce(struct fake_stream *stream, int32_t correlation_id, size_t size)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_produce(&frames, correlation_id, size);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

static void push_big(struct fake_stream *stream, int32_t correlation_id)
{
    struct metadata_request body;
    struct buffer frames;

    metadata_request_init(&body);
    buffer_init(&frames);
    frame_request(&frames, API_METADATA, 1, correlation_id, &body);
    push_frames(stream, &frames);
    buffer_deinit(&frames);
}

/* Asserts that the stream's output from `*at` on begins with answers with these correlation ids; moves `*at`. */
static void assert_answers(const struct fake_stream *stream, size_t *at, int32_t first, int32_t last)
{
    for (int32_t id = first; id <= last; id++) {
        struct bytes frame;

        assert_true(frame_next(&stream->out, at, &frame));
        assert_int_equal(frame_correlation_id(frame), id);
    }
}

static void assert_no_more(const struct fake_stream *stream, size_t at)
{
    assert_int_equal(stream->out.size, at);
}

static void assert_number(const struct fake_stream *stream, size_t *at, int32_t id, int64_t number)
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

static struct rpc_server_stats stats_of(const struct fixture *fixture)
{
    struct rpc_server_stats stats;

    rpc_server_stats_get(fixture->server, &stats);
    return stats;
}

/* --- frames --- */

static void frames_may_come_one_byte_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    stream->chunk = 1;
    for (int32_t i = 0; i < 20; i++) {
        push_number(stream, i, 1000 + i);
    }
    world_run(&fixture->world);
    for (int32_t i = 0; i < 20; i++) {
        assert_number(stream, &at, i, 1000 + i);
    }
    assert_no_more(stream, at);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

static void frames_may_be_cut_anywhere(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    struct buffer frames;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    buffer_init(&frames);
    for (int32_t i = 0; i < 3; i++) {
        frame_number(&frames, i, i);
    }
    for (size_t cut = 1; cut < frames.size; cut++) {
        stream_push(stream, frames.data, cut);
        world_run(&fixture->world);
        stream_push(stream, frames.data + cut, frames.size - cut);
        world_run(&fixture->world);
        assert_answers(stream, &at, 0, 2);
        assert_no_more(stream, at);
    }
    buffer_deinit(&frames);
}

static void many_frames_in_one_receive_are_all_answered_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    fixture->options.requests_in_flight_max = 5;
    start(fixture);
    stream = connect_to(fixture);
    for (int32_t i = 0; i < 10000; i++) {
        push_number(stream, i, i);
    }
    world_run(&fixture->world);
    assert_answers(stream, &at, 0, 9999);
    assert_no_more(stream, at);
    assert_int_equal(stats_of(fixture).requests_total, 10000);
}

static void frames_larger_than_a_block_arrive_whole(void **state)
{
    static const size_t SIZES[] = {1,      4000,   4097,   130900,  130999,  131000, 131040, 131072,
                                   131100, 262144, 300000, 2097152, 2097300, 7000000};
    static const size_t CHUNKS[] = {SIZE_MAX, 100000, 7777};
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    int32_t id = 0;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    for (size_t c = 0; c < sizeof(CHUNKS) / sizeof(CHUNKS[0]); c++) {
        stream->chunk = CHUNKS[c];
        for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
            push_number(stream, 5000, 1);
            push_produce(stream, id, SIZES[i]);
            push_number(stream, 5001, 1);
            world_run(&fixture->world);
            assert_int_equal(fixture->held_count, 1);
            assert_true(frame_produce_intact(fixture->held[0]->body, id, SIZES[i]));
            assert_int_equal(fixture->held[0]->listener, 5);
            assert_true(string_is(fixture->held[0]->client_id, "test"));
            fixture->held_count = 0;
            rpc_request_complete(fixture->held[0]);
            world_run(&fixture->world);
            assert_answers(stream, &at, 5000, 5000);
            assert_answers(stream, &at, id, id);
            assert_answers(stream, &at, 5001, 5001);
            id++;
        }
    }
    assert_no_more(stream, at);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

/* --- order --- */

static void answers_leave_in_order_although_handlers_finish_out_of_order(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    push_produce(stream, 0, 10);
    push_number(stream, 1, 1);
    push_produce(stream, 2, 5000);
    push_produce(stream, 3, 10);
    push_number(stream, 4, 1);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 3);
    assert_no_more(stream, 0);
    rpc_request_complete(fixture->held[2]);
    world_run(&fixture->world);
    assert_no_more(stream, 0);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_answers(stream, &at, 0, 1);
    assert_no_more(stream, at);
    rpc_request_complete(fixture->held[1]);
    world_run(&fixture->world);
    assert_answers(stream, &at, 2, 4);
    assert_no_more(stream, at);
    assert_int_equal(fixture->released, 3);
}

static void silent_requests_leave_no_bytes_and_no_gap(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    push_produce(stream, 0, 10);
    push_produce(stream, 1, 10);
    push_number(stream, 2, 1);
    world_run(&fixture->world);
    rpc_request_complete_silently(fixture->held[1]);
    rpc_request_complete_silently(fixture->held[0]);
    world_run(&fixture->world);
    assert_answers(stream, &at, 2, 2);
    assert_no_more(stream, at);
    assert_int_equal(fixture->released, 2);
}

static void a_closing_request_lets_the_answers_before_it_go(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    bool gone = false;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    stream->gone = &gone;
    stream->window = 3;
    push_number(stream, 0, 1);
    push_produce(stream, 1, 10);
    push_produce(stream, 2, 10);
    push_number(stream, 3, 1);
    world_run(&fixture->world);
    rpc_request_complete_by_closing(fixture->held[1]);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_false(gone);
    /* What is on its way must arrive, 24 and 16 bytes: all but one, then the last. */
    stream->window = 24 + 16 - 3 - 1;
    world_run(&fixture->world);
    assert_false(gone);
    assert_answers(stream, &at, 0, 0);
    assert_int_equal(stream->out.size, 24 + 15);
    stream->window = 1;
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(fixture->released, 2);
    assert_int_equal(stats_of(fixture).connections, 0);
}

static void a_closing_request_alone_closes_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    bool gone = false;

    start(fixture);
    stream = connect_to(fixture);
    stream->gone = &gone;
    push_produce(stream, 0, 10);
    world_run(&fixture->world);
    rpc_request_complete_by_closing(fixture->held[0]);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(stats_of(fixture).bad_frames_total, 0);
}

/* --- back-pressure --- */

static void the_limit_of_requests_in_flight_stops_reading_and_resumes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    fixture->options.requests_in_flight_max = 4;
    start(fixture);
    stream = connect_to(fixture);
    for (int32_t i = 0; i < 20; i++) {
        push_produce(stream, i, 50000);
    }
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 4);
    assert_true(stream->paused);
    assert_true(stream->in_at < stream->in.size);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(fixture->held_count, i + 4 < 20 ? i + 4 : 20);
        assert_true(frame_produce_intact(fixture->held[i]->body, (int32_t)i, 50000));
        rpc_request_complete(fixture->held[i]);
        world_run(&fixture->world);
    }
    assert_answers(stream, &at, 0, 19);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

static void silent_requests_at_the_limit_do_not_stall(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;

    fixture->options.requests_in_flight_max = 2;
    start(fixture);
    stream = connect_to(fixture);
    for (int32_t i = 0; i < 50; i++) {
        push_produce(stream, i, 3000);
    }
    for (size_t i = 0; i < 50; i++) {
        world_run(&fixture->world);
        assert_true(i < fixture->held_count);
        rpc_request_complete_silently(fixture->held[i]);
    }
    world_run(&fixture->world);
    assert_no_more(stream, 0);
    assert_int_equal(fixture->released, 50);
}

static void a_client_that_takes_no_answers_is_not_served_further(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    stream->window = 0;
    for (int32_t i = 0; i < 50; i++) {
        push_big(stream, i);
    }
    world_run(&fixture->world);
    /* Each answer has 300 KB, a megabyte may wait. */
    assert_int_equal(fixture->handled, 4);
    stream->window = 310000;
    world_run(&fixture->world);
    assert_int_equal(fixture->handled, 5);
    stream->window = SIZE_MAX;
    world_run(&fixture->world);
    assert_answers(stream, &at, 0, 49);
    assert_no_more(stream, at);
}

static void receive_memory_starves_and_resumes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *a;
    struct fake_stream *b;

    fixture->options.receive_bytes_max = 256 * 1024;
    start(fixture);
    a = connect_to(fixture);
    b = connect_to(fixture);
    push_produce(a, 1, 200000);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 1);
    push_produce(b, 2, 5000);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 1);
    assert_true(b->paused);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 2);
    assert_true(frame_produce_intact(fixture->held[1]->body, 2, 5000));
    rpc_request_complete(fixture->held[1]);
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

static void half_frames_that_use_up_the_memory_are_finished_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *streams[4];
    struct buffer frames;

    fixture->options.receive_bytes_max = 256 * 1024;
    start(fixture);
    buffer_init(&frames);
    frame_produce(&frames, 9, 1000000);
    for (size_t i = 0; i < 4; i++) {
        streams[i] = connect_to(fixture);
        stream_push(streams[i], frames.data, 100000);
    }
    world_run(&fixture->world);
    for (size_t i = 0; i < 4; i++) {
        stream_push(streams[i], frames.data + 100000, frames.size - 100000);
    }
    for (size_t i = 0; i < 4; i++) {
        world_run(&fixture->world);
        assert_int_equal(fixture->held_count, i + 1);
        assert_true(stats_of(fixture).receive_bytes < 256 * 1024 + 2 * 1100000);
        assert_true(frame_produce_intact(fixture->held[i]->body, 9, 1000000));
        rpc_request_complete(fixture->held[i]);
    }
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
    buffer_deinit(&frames);
}

static void a_half_frame_that_does_not_grow_makes_room_for_others(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *slow;
    struct fake_stream *other;
    bool gone = false;
    struct buffer frames;

    fixture->options.receive_bytes_max = 128 * 1024;
    start(fixture);
    buffer_init(&frames);
    frame_produce(&frames, 1, 1000000);
    slow = connect_to(fixture);
    slow->gone = &gone;
    stream_push(slow, frames.data, 5);
    world_run(&fixture->world);
    other = connect_to(fixture);
    push_number(other, 1, 1);
    world_run(&fixture->world);
    assert_int_equal(fixture->handled, 0);
    world_sleep(&fixture->world, 25 * NS_PER_SECOND);
    assert_true(gone);
    assert_int_equal(fixture->handled, 1);
    buffer_deinit(&frames);
}

static void small_requests_that_wait_hold_no_receive_memory(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    for (int32_t i = 0; i < 50; i++) {
        push_produce(connect_to(fixture), i, 100);
    }
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 50);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
    for (int32_t i = 0; i < 50; i++) {
        assert_true(frame_produce_intact(fixture->held[i]->body, i, 100));
        rpc_request_complete(fixture->held[i]);
    }
}

/* --- ends --- */

static void a_request_may_be_completed_after_its_connection_has_closed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    bool gone = false;

    start(fixture);
    stream = connect_to(fixture);
    stream->gone = &gone;
    push_produce(stream, 0, 10);
    push_produce(stream, 1, 50000);
    push_number(stream, 2, 1);
    stream_end(stream);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(fixture->cancelled, 2);
    assert_int_equal(fixture->released, 0);
    assert_int_equal(stats_of(fixture).connections, 1);
    assert_string_equal(rpc_request_peer(fixture->held[0]), "(closed)");
    assert_true(frame_produce_intact(fixture->held[1]->body, 1, 50000));
    rpc_request_complete(fixture->held[1]);
    assert_int_equal(fixture->released, 1);
    assert_int_equal(fixture->sessions_gone, 0);
    rpc_request_complete_by_closing(fixture->held[0]);
    assert_int_equal(fixture->released, 2);
    assert_int_equal(fixture->sessions_gone, 1);
    assert_int_equal(stats_of(fixture).connections, 0);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

static void cancelled_requests_may_complete_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;

    start(fixture);
    fixture->cancel_completes = true;
    stream = connect_to(fixture);
    for (int32_t i = 0; i < 100; i++) {
        push_produce(stream, i, 10);
    }
    stream_end(stream);
    world_run(&fixture->world);
    assert_int_equal(fixture->cancelled, 100);
    assert_int_equal(fixture->released, 100);
    assert_int_equal(stats_of(fixture).connections, 0);
}

static void a_connection_that_ends_with_answers_on_their_way_releases_them(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;

    start(fixture);
    stream = connect_to(fixture);
    stream->window = 1;
    push_produce(stream, 0, 10);
    push_produce(stream, 1, 10);
    world_run(&fixture->world);
    rpc_request_complete(fixture->held[0]);
    rpc_request_complete(fixture->held[1]);
    world_run(&fixture->world);
    assert_int_equal(fixture->released, 0);
    stream_end(stream);
    world_run(&fixture->world);
    assert_int_equal(fixture->released, 2);
    assert_int_equal(fixture->cancelled, 0);
    assert_int_equal(stats_of(fixture).connections, 0);
}

static void assert_rejected(struct fixture *fixture, const void *data, size_t size)
{
    const uint64_t before = stats_of(fixture).bad_frames_total;
    struct fake_stream *stream = connect_to(fixture);
    bool gone = false;

    stream->gone = &gone;
    stream_push(stream, data, size);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(stats_of(fixture).bad_frames_total, before + 1);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
}

static void unknown_apis_and_versions_close_the_connection(void **state)
{
    static const struct {
        int16_t key;
        int16_t version;
    } WRONG[] = {{API_PRODUCE, 2},  {API_PRODUCE, 9}, {API_PRODUCE, -1}, {API_INIT_PRODUCER_ID, 5},
                 {API_FETCH, 12},   {-1, 0},          {999, 0},          {API_METADATA, INT16_MAX},
                 {INT16_MIN, 3},    {API_METADATA, INT16_MIN}};
    struct fixture *fixture = *state;

    start(fixture);
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct buffer frames;

        buffer_init(&frames);
        frame_number(&frames, 1, 1);
        store_i16(frames.data + 4, WRONG[i].key);
        store_i16(frames.data + 6, WRONG[i].version);
        assert_rejected(fixture, frames.data, frames.size);
        buffer_deinit(&frames);
    }
    assert_int_equal(fixture->handled, 0);
}

static void undecodable_frames_close_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct buffer frames;
    uint8_t size[4];

    start(fixture);
    buffer_init(&frames);
    frame_number(&frames, 1, 1);
    /* Cut short, and with a byte too many: the sizes say so. */
    for (int32_t left = 8; left < (int32_t)frames.size - 4; left++) {
        store_i32(frames.data, left);
        assert_rejected(fixture, frames.data, 4 + (size_t)left);
    }
    store_i32(frames.data, (int32_t)frames.size - 3);
    buffer_append(&frames, "x", 1);
    assert_rejected(fixture, frames.data, frames.size);
    /* Sizes out of range. */
    for (int64_t bad = -1; bad < 8; bad++) {
        store_i32(size, (int32_t)bad);
        assert_rejected(fixture, size, sizeof(size));
    }
    store_i32(size, INT32_MIN);
    assert_rejected(fixture, size, sizeof(size));
    store_i32(size, 8 * 1024 * 1024 + 1);
    assert_rejected(fixture, size, sizeof(size));
    assert_int_equal(fixture->handled, 0);
    buffer_deinit(&frames);
}

static void api_versions_of_an_unknown_version_is_answered_in_version_0(void **state)
{
    struct fixture *fixture = *state;
    struct api_versions_response response;
    struct fake_stream *stream;
    struct buffer frames;
    struct arena arena;
    struct bytes frame;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    buffer_init(&frames);
    frame_number(&frames, 8, 1);
    store_i16(frames.data + 4, API_API_VERSIONS);
    store_i16(frames.data + 6, 99);
    push_frames(stream, &frames);
    world_run(&fixture->world);
    arena_init(&arena, 1 << 20);
    assert_true(frame_next(&stream->out, &at, &frame));
    assert_int_equal(frame_correlation_id(frame), 8);
    assert_true(frame_decode(frame, API_API_VERSIONS, 0, &arena, &response));
    assert_int_equal(response.error_code, 35);
    assert_int_equal(response.api_keys_count, 4);
    assert_int_equal(response.api_keys[2].api_key, API_API_VERSIONS);
    assert_int_equal(response.api_keys[2].max_version, 4);
    arena_deinit(&arena);
    buffer_deinit(&frames);
    /* It goes on. */
    push_number(stream, 9, 1);
    world_run(&fixture->world);
    assert_answers(stream, &at, 9, 9);
}

/* --- another protocol --- */

static void a_preface_may_be_split_anywhere(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.upgrade = &UPGRADE;
    start(fixture);
    for (size_t cut = 1; cut <= 8; cut++) {
        struct fake_stream *stream = connect_to(fixture);
        bool gone = false;

        stream->gone = &gone;
        buffer_clear(&fixture->upgraded);
        stream_push(stream, PREFACE, cut);
        world_run(&fixture->world);
        stream_push(stream, &PREFACE[cut], 8 - cut);
        stream_push(stream, "hello", 5);
        world_run(&fixture->world);
        stream_push(stream, " there", 6);
        world_run(&fixture->world);
        assert_int_equal(fixture->upgraded.size, 11);
        assert_memory_equal(fixture->upgraded.data, "hello there", 11);
        assert_int_equal(stats_of(fixture).receive_bytes, 0);
        if (cut % 2 == 0) {
            stream_end(stream);
        } else {
            fixture->upgrade_close(fixture->upgrade_connection);
        }
        world_run(&fixture->world);
        assert_true(gone);
        assert_int_equal(fixture->upgrades_closed, cut);
    }
}

static void what_does_not_begin_with_the_preface_is_kafkas(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    fixture->options.upgrade = &UPGRADE;
    start(fixture);
    stream = connect_to(fixture);
    stream->chunk = 1;
    push_number(stream, 1, 1);
    world_run(&fixture->world);
    assert_answers(stream, &at, 1, 1);
    /* Half a preface, then something else: as a frame it is too large. */
    assert_rejected(fixture, "\xffraft/2\n....", 12);
    assert_int_equal(fixture->upgrades_closed, 0);
}

static void an_upgrade_may_refuse_the_connection_or_its_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    bool gone = false;

    fixture->options.upgrade = &UPGRADE;
    start(fixture);
    fixture->upgrade_refuse = true;
    stream = connect_to(fixture);
    stream->gone = &gone;
    stream_push(stream, PREFACE "bytes", 13);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(fixture->upgraded.size, 0);
    assert_int_equal(fixture->upgrades_closed, 0);
    fixture->upgrade_refuse = false;
    fixture->upgrade_bad = true;
    gone = false;
    stream = connect_to(fixture);
    stream->gone = &gone;
    stream_push(stream, PREFACE "bytes", 13);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(fixture->upgraded.size, 5);
    assert_int_equal(fixture->upgrades_closed, 1);
}

/* --- loops --- */

static void requests_travel_to_another_loop_and_their_answers_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    routes[3].handle = handle_travel;
    start(fixture);
    stream = connect_to(fixture);
    push_number(stream, 0, 1);
    push_produce(stream, 1, 10);
    push_number(stream, 2, 1);
    world_run(&fixture->world);
    assert_int_equal(fixture->visits_elsewhere, 2);
    assert_number(stream, &at, 0, 77);
    assert_no_more(stream, at);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_answers(stream, &at, 1, 1);
    assert_number(stream, &at, 2, 77);
}

static void a_request_that_is_elsewhere_when_its_connection_closes_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    bool gone = false;

    routes[3].handle = handle_travel;
    start(fixture);
    stream = connect_to(fixture);
    stream->gone = &gone;
    for (int32_t i = 0; i < 10; i++) {
        push_number(stream, i, 1);
    }
    stream_end(stream);
    world_run(&fixture->world);
    assert_true(gone);
    assert_int_equal(fixture->visits_elsewhere, 10);
    assert_int_equal(stats_of(fixture).connections, 0);
}

/* --- time and limits --- */

static void idle_connections_are_closed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *idle;
    struct fake_stream *waiting;
    struct fake_stream *busy;
    bool idle_gone = false;
    bool waiting_gone = false;
    bool busy_gone = false;

    fixture->options.idle_ns_max = 80 * NS_PER_SECOND;
    start(fixture);
    idle = connect_to(fixture);
    waiting = connect_to(fixture);
    busy = connect_to(fixture);
    idle->gone = &idle_gone;
    waiting->gone = &waiting_gone;
    busy->gone = &busy_gone;
    push_produce(waiting, 1, 10);
    for (int i = 0; i < 10; i++) {
        push_number(busy, i, 1);
        world_sleep(&fixture->world, 10 * NS_PER_SECOND);
    }
    assert_true(idle_gone);
    assert_false(waiting_gone);
    assert_false(busy_gone);
    rpc_request_complete(fixture->held[0]);
    world_sleep(&fixture->world, 95 * NS_PER_SECOND);
    assert_true(waiting_gone);
    assert_true(busy_gone);
}

static void a_reader_that_takes_nothing_is_idle_a_slow_one_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *slow;
    struct fake_stream *dead;
    bool slow_gone = false;
    bool dead_gone = false;

    fixture->options.idle_ns_max = 80 * NS_PER_SECOND;
    start(fixture);
    slow = connect_to(fixture);
    dead = connect_to(fixture);
    slow->gone = &slow_gone;
    dead->gone = &dead_gone;
    slow->window = 0;
    dead->window = 0;
    push_big(slow, 1);
    push_big(dead, 1);
    for (int i = 0; i < 20; i++) {
        slow->window = 1000;
        world_sleep(&fixture->world, 10 * NS_PER_SECOND);
    }
    assert_false(slow_gone);
    assert_true(dead_gone);
}

static void stop_waits_for_requests_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;

    start(fixture);
    stream = connect_to(fixture);
    (void)connect_to(fixture);
    push_produce(stream, 1, 10);
    world_run(&fixture->world);
    rpc_server_stop(fixture->server, on_stopped, fixture);
    world_run(&fixture->world);
    assert_false(fixture->stopped);
    assert_int_equal(fixture->cancelled, 1);
    /* Nobody comes in any more. */
    rpc_server_adopt(fixture->server, world_accept(&fixture->world), 0);
    assert_int_equal(fixture->world.loops[0].refused, 1);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_true(fixture->stopped);
}

static void more_connections_than_allowed_are_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.connections_max = 2;
    start(fixture);
    for (int i = 0; i < 5; i++) {
        (void)connect_to(fixture);
    }
    assert_int_equal(fixture->world.loops[0].refused, 3);
    fixture->world.refuse_adopt = true;
    stream_end(fixture->world.adopted);
    world_run(&fixture->world);
    rpc_server_adopt(fixture->server, world_accept(&fixture->world), 0);
    assert_int_equal(stats_of(fixture).connections, 1);
    assert_int_equal(stats_of(fixture).connections_total, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(frames_may_come_one_byte_at_a_time),
        TEST(frames_may_be_cut_anywhere),
        TEST(many_frames_in_one_receive_are_all_answered_in_order),
        TEST(frames_larger_than_a_block_arrive_whole),
        TEST(answers_leave_in_order_although_handlers_finish_out_of_order),
        TEST(silent_requests_leave_no_bytes_and_no_gap),
        TEST(a_closing_request_lets_the_answers_before_it_go),
        TEST(a_closing_request_alone_closes_at_once),
        TEST(the_limit_of_requests_in_flight_stops_reading_and_resumes),
        TEST(silent_requests_at_the_limit_do_not_stall),
        TEST(a_client_that_takes_no_answers_is_not_served_further),
        TEST(receive_memory_starves_and_resumes),
        TEST(half_frames_that_use_up_the_memory_are_finished_one_by_one),
        TEST(a_half_frame_that_does_not_grow_makes_room_for_others),
        TEST(small_requests_that_wait_hold_no_receive_memory),
        TEST(a_request_may_be_completed_after_its_connection_has_closed),
        TEST(cancelled_requests_may_complete_at_once),
        TEST(a_connection_that_ends_with_answers_on_their_way_releases_them),
        TEST(unknown_apis_and_versions_close_the_connection),
        TEST(undecodable_frames_close_the_connection),
        TEST(api_versions_of_an_unknown_version_is_answered_in_version_0),
        TEST(a_preface_may_be_split_anywhere),
        TEST(what_does_not_begin_with_the_preface_is_kafkas),
        TEST(an_upgrade_may_refuse_the_connection_or_its_bytes),
        TEST(requests_travel_to_another_loop_and_their_answers_come_back),
        TEST(a_request_that_is_elsewhere_when_its_connection_closes_comes_back),
        TEST(idle_connections_are_closed),
        TEST(a_reader_that_takes_nothing_is_idle_a_slow_one_is_not),
        TEST(stop_waits_for_requests_in_flight),
        TEST(more_connections_than_allowed_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
