/* The answering side: ends of all kinds, other protocols, other loops, time. */
#include "tests/unit/rpc/server_fixture.h"

#include "common/base/endian.h"
#include "wire/api_versions.h"

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
    rpc_server_adopt(fixture->server, world_accept(&fixture->world), 0, NULL);
    assert_int_equal(fixture->world.loops[0].refused, 1);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_true(fixture->stopped);
}

/* As an acceptor does it; true if the connection was let in. */
static bool enter(struct fixture *fixture, struct rpc_gate *gate, const char *peer)
{
    struct net_accepted *accepted = world_accept_from(&fixture->world, peer);
    struct rpc_place *place = rpc_gate_enter(gate, accepted);

    if (place == NULL) {
        net_refuse(gate->env->net, accepted);
        return false;
    }
    rpc_server_adopt(fixture->server, accepted, 0, place);
    return true;
}

/* The connection that came in last closes. */
static void leave(struct fixture *fixture)
{
    stream_end(fixture->world.adopted);
    world_run(&fixture->world);
}

static void more_connections_than_allowed_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_gate gate;

    start(fixture);
    rpc_gate_init(&gate, world_env(&fixture->world, 0), 2, UINT32_MAX);
    assert_true(enter(fixture, &gate, "10.0.0.1:1"));
    assert_true(enter(fixture, &gate, "10.0.0.1:2"));
    assert_false(enter(fixture, &gate, "10.0.0.2:1"));
    assert_int_equal(fixture->world.loops[0].refused, 1);
    leave(fixture);
    assert_true(enter(fixture, &gate, "10.0.0.2:1"));
    assert_false(enter(fixture, &gate, "10.0.0.2:2"));
    rpc_server_stop(fixture->server, on_stopped, fixture);
    world_run(&fixture->world);
    rpc_gate_deinit(&gate); /* asserts that every place has come back */
}

static void an_address_has_its_own_limit(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_gate gate;

    start(fixture);
    rpc_gate_init(&gate, world_env(&fixture->world, 0), 100, 2);
    assert_true(enter(fixture, &gate, "10.0.0.1:1"));
    assert_true(enter(fixture, &gate, "[::1]:2"));
    assert_true(enter(fixture, &gate, "10.0.0.1:3"));
    assert_false(enter(fixture, &gate, "10.0.0.1:4"));
    assert_true(enter(fixture, &gate, "10.0.0.2:1"));
    assert_true(enter(fixture, &gate, "[::1]:3"));
    assert_false(enter(fixture, &gate, "[::1]:4"));
    leave(fixture);
    assert_true(enter(fixture, &gate, "[::1]:5"));
    rpc_server_stop(fixture->server, on_stopped, fixture);
    world_run(&fixture->world);
    rpc_gate_deinit(&gate);
}

static void a_place_comes_back_from_another_loop(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_gate gate;

    start(fixture);
    rpc_gate_init(&gate, world_env(&fixture->world, 1), 1, 1);
    assert_true(enter(fixture, &gate, "10.0.0.1:1"));
    assert_false(enter(fixture, &gate, "10.0.0.1:2"));
    leave(fixture);
    assert_int_equal(gate.places, 0);
    /* One that cannot be adopted gives its place back too, and so does one that comes too late. */
    fixture->world.refuse_adopt = true;
    assert_true(enter(fixture, &gate, "10.0.0.1:3"));
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).connections, 0);
    assert_true(enter(fixture, &gate, "10.0.0.1:4"));
    world_run(&fixture->world);
    rpc_server_stop(fixture->server, on_stopped, fixture);
    assert_true(enter(fixture, &gate, "10.0.0.1:5"));
    world_run(&fixture->world);
    rpc_gate_deinit(&gate);
}

int run_end_tests(void)
{
    static const struct CMUnitTest tests[] = {
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
        TEST(an_address_has_its_own_limit),
        TEST(a_place_comes_back_from_another_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_flow_tests() + run_share_tests() + run_end_tests() == 0 ? 0 : 1;
}
