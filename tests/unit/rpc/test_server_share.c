/* The answering side among many clients: a turn's work is bounded and shared, and who waits holds back only itself. */
#include "tests/unit/rpc/server_fixture.h"

#include "common/rpc/connection.h"

#define GREEDY 100
#define GREEDY_REQUESTS 400

/* What one turn may start of the smallest requests: everybody's share, and the least for each. */
#define TURN_REQUESTS_MAX (RPC_TURN_UNITS_ALL + RPC_TURN_UNITS_LEAST * GREEDY)

static void connect_greedy(struct fixture *fixture, struct fake_stream **greedy)
{
    for (int i = 0; i < GREEDY; i++) {
        greedy[i] = connect_to(fixture);
        for (int32_t id = 0; id < GREEDY_REQUESTS; id++) {
            push_number(greedy[i], id, id);
        }
    }
}

static void who_asks_little_is_served_in_the_turn_in_which_it_asks(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy[GREEDY];
    struct fake_stream *modest;
    size_t before = 0;
    size_t at = 0;

    start(fixture);
    connect_greedy(fixture, greedy);
    modest = connect_to(fixture);
    for (int32_t i = 0; i < 20; i++) {
        push_number(modest, i, i);
        world_turn(&fixture->world, 0);
        assert_number(modest, &at, i, i);
        assert_in_range(fixture->handled - before, 2, TURN_REQUESTS_MAX);
        before = fixture->handled;
    }
    assert_true(fixture->handled < GREEDY * GREEDY_REQUESTS / 2);
    world_run(&fixture->world);
    assert_int_equal(fixture->handled, GREEDY * GREEDY_REQUESTS + 20);
}

static void many_that_ask_much_go_on_side_by_side(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy[GREEDY];
    size_t ats[GREEDY] = {0};

    start(fixture);
    connect_greedy(fixture, greedy);
    while (fixture->handled < GREEDY * GREEDY_REQUESTS / 2) {
        world_turn(&fixture->world, 0);
    }
    for (int i = 0; i < GREEDY; i++) {
        /* Half of everything is done: nobody has much less than that. */
        assert_answers(greedy[i], &ats[i], 0, GREEDY_REQUESTS / 3);
    }
    world_run(&fixture->world);
    for (int i = 0; i < GREEDY; i++) {
        assert_answers(greedy[i], &ats[i], GREEDY_REQUESTS / 3 + 1, GREEDY_REQUESTS - 1);
        assert_no_more(greedy[i], ats[i]);
    }
}

static void large_frames_of_many_share_a_turn_too(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy[20];
    struct fake_stream *modest;
    size_t at = 0;

    start(fixture);
    for (int i = 0; i < 20; i++) {
        greedy[i] = connect_to(fixture);
        push_produce(greedy[i], 0, 2000000);
    }
    modest = connect_to(fixture);
    push_number(modest, 1, 1);
    world_turn(&fixture->world, 0);
    assert_number(modest, &at, 1, 1);
    /* Of forty megabytes no more than sixteen came in. */
    assert_in_range(stats_of(fixture).receive_bytes, 1, 16 << 20);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_true(frame_produce_intact(fixture->held[i]->body, 0, 2000000));
        rpc_request_complete(fixture->held[i]);
    }
}

static void clients_that_are_postponed_may_leave(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy[GREEDY];

    start(fixture);
    connect_greedy(fixture, greedy);
    world_turn(&fixture->world, 0);
    for (int i = 0; i < GREEDY; i += 2) {
        stream_end(greedy[i]);
    }
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).connections, GREEDY / 2);
}

static void a_request_that_waits_holds_back_what_is_behind_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    struct fake_stream *other;
    size_t at = 0;
    size_t other_at = 0;

    fixture->hold_back = true;
    start(fixture);
    stream = connect_to(fixture);
    push_number(stream, 0, 0);
    push_produce(stream, 1, 10);
    push_produce(stream, 2, 10);
    push_number(stream, 3, 3);
    other = connect_to(fixture);
    push_number(other, 9, 9);
    world_run(&fixture->world);
    assert_number(stream, &at, 0, 0);
    assert_number(other, &other_at, 9, 9);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture->held_count, i + 1);
        assert_no_more(stream, at);
        rpc_request_complete(fixture->held[i]);
        world_run(&fixture->world);
        assert_answers(stream, &at, (int32_t)i + 1, (int32_t)i + 1);
    }
    assert_number(stream, &at, 3, 3);
    assert_no_more(stream, at);
}

static void what_was_started_before_a_request_that_waits_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    push_produce(stream, 1, 10);
    world_run(&fixture->world);
    fixture->hold_back = true;
    push_produce(stream, 2, 10);
    push_number(stream, 3, 3);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 2);
    rpc_request_complete(fixture->held[1]);
    world_run(&fixture->world);
    assert_no_more(stream, at);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_answers(stream, &at, 1, 3);
}

static void requests_that_hold_back_finish_early_when_receive_memory_is_short(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *modest;
    size_t at = 0;

    fixture->options.receive_bytes_max = 1024 * 1024;
    fixture->hold_back = true;
    fixture->cancel_completes = true;
    start(fixture);
    for (int i = 0; i < 50; i++) {
        struct fake_stream *stream = connect_to(fixture);

        /* Behind the request that waits the block holds another one. */
        push_produce(stream, 1, 10);
        push_number(stream, 2, 2);
        world_turn(&fixture->world, 0);
    }
    modest = connect_to(fixture);
    push_number(modest, 1, 1);
    world_run(&fixture->world);
    world_sleep(&fixture->world, NS_PER_SECOND / 10);
    assert_number(modest, &at, 1, 1);
    assert_true(fixture->cancelled > 0);
    assert_int_equal(fixture->held_count, 50);
    /* With idle time the rest finishes too. */
    world_sleep(&fixture->world, 700 * NS_PER_SECOND);
    assert_int_equal(fixture->cancelled, 50);
    assert_int_equal(fixture->released, 50);
}

static void a_request_waits_no_longer_than_a_connection_may_be_idle(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    fixture->hold_back = true;
    fixture->cancel_completes = true;
    start(fixture);
    stream = connect_to(fixture);
    push_produce(stream, 1, 10);
    push_number(stream, 2, 2);
    world_run(&fixture->world);
    world_sleep(&fixture->world, 500 * NS_PER_SECOND);
    assert_no_more(stream, at);
    assert_int_equal(fixture->cancelled, 0);
    world_sleep(&fixture->world, 200 * NS_PER_SECOND);
    assert_int_equal(fixture->cancelled, 1);
    assert_answers(stream, &at, 1, 2);
}

static void thousands_that_become_idle_together_are_closed_in_turns(void **state)
{
    struct fixture *fixture = *state;
    uint32_t most = 0;
    uint32_t before = 1000;

    start(fixture);
    for (int i = 0; i < 1000; i++) {
        (void)connect_to(fixture);
    }
    world_sleep(&fixture->world, 599 * NS_PER_SECOND);
    assert_int_equal(stats_of(fixture).connections, 1000);
    for (int i = 0; i < 200000 && before > 0; i++) {
        uint32_t now;

        world_sleep(&fixture->world, NS_PER_MS);
        now = stats_of(fixture).connections;
        most = before - now > most ? before - now : most;
        before = now;
    }
    assert_int_equal(before, 0);
    assert_in_range(most, 10, 100);
}

int run_share_tests(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(who_asks_little_is_served_in_the_turn_in_which_it_asks),
        TEST(many_that_ask_much_go_on_side_by_side),
        TEST(large_frames_of_many_share_a_turn_too),
        TEST(clients_that_are_postponed_may_leave),
        TEST(a_request_that_waits_holds_back_what_is_behind_it),
        TEST(what_was_started_before_a_request_that_waits_goes_on),
        TEST(requests_that_hold_back_finish_early_when_receive_memory_is_short),
        TEST(a_request_waits_no_longer_than_a_connection_may_be_idle),
        TEST(thousands_that_become_idle_together_are_closed_in_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
