/* The answering side: frames however they are cut, answers in order, back-pressure. */
#include "tests/unit/rpc/server_fixture.h"

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

/* A connection whose frames are alike is filled so that they fit; whatever comes then, nothing is lost. */
static void large_frames_behind_each_other_arrive_whole(void **state)
{
    static const size_t SIZES[] = {62000, 62000, 62000, 62000, 62000, 931000, 931000, 931000, 200,    62000,
                                   200,   15000, 17000, 17000, 17000, 300000, 300000, 300000, 300000, 40000};
    static const size_t CHUNKS[] = {SIZE_MAX, 300000, 7777};
    const size_t count = sizeof(SIZES) / sizeof(SIZES[0]);
    struct fixture *fixture = *state;
    struct fake_stream *stream;
    size_t at = 0;

    start(fixture);
    stream = connect_to(fixture);
    for (size_t c = 0; c < sizeof(CHUNKS) / sizeof(CHUNKS[0]); c++) {
        stream->chunk = CHUNKS[c];
        for (size_t i = 0; i < count; i++) {
            push_produce(stream, (int32_t)i, SIZES[i]);
        }
        for (size_t i = 0; i < count;) {
            world_run(&fixture->world);
            assert_true(fixture->held_count > 0);
            for (size_t j = 0; j < fixture->held_count; j++, i++) {
                assert_true(frame_produce_intact(fixture->held[j]->body, (int32_t)i, SIZES[i]));
                rpc_request_complete(fixture->held[j]);
            }
            fixture->held_count = 0;
        }
        world_run(&fixture->world);
        assert_answers(stream, &at, 0, (int32_t)count - 1);
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

/* True if all four requests were served with this much memory for receiving, one after the other if need be. */
static bool all_are_served(size_t receive_bytes_max)
{
    static const size_t sizes[] = {5000, 60000, 150000, 300000};
    struct fixture *fixture;
    void *state;
    size_t done = 0;

    setup(&state);
    fixture = state;
    fixture->options.receive_bytes_max = receive_bytes_max;
    start(fixture);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        push_produce(connect_to(fixture), (int32_t)i, sizes[i]);
    }
    for (int turn = 0; turn < 20; turn++) {
        world_run(&fixture->world);
        if (done < fixture->held_count) {
            rpc_request_complete(fixture->held[done++]);
        }
    }
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).receive_bytes, 0);
    teardown(&state);
    return done == ARRAY_COUNT(sizes);
}

static void any_amount_of_receive_memory_serves_everybody_in_the_end(void **state)
{
    unsigned points = 0;

    (void)state;
    for (size_t bytes = 64 * 1024; bytes <= 768 * 1024; bytes += 4096, points++) {
        assert_true(all_are_served(bytes));
    }
    print_message("sweep: requests with pools of 64 to 768 KiB for receiving: %u points, 0 violations\n", points);
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

/* Opens `count` connections, each with the start of a frame of a megabyte that says no more. */
static void hold_half_frames(struct fixture *fixture, struct fake_stream **streams, size_t count)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_produce(&frames, 1, 1000000);
    for (size_t i = 0; i < count; i++) {
        streams[i] = connect_to(fixture);
        stream_push(streams[i], frames.data, 1000);
    }
    world_run(&fixture->world);
    buffer_deinit(&frames);
}

static void large_frames_that_never_end_leave_memory_for_small_requests(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *holders[8];
    struct fake_stream *other;
    size_t at = 0;

    fixture->options.receive_bytes_max = 2 * 1024 * 1024;
    start(fixture);
    hold_half_frames(fixture, holders, 8);
    for (size_t i = 0; i < 8; i++) {
        static const uint8_t more[200000];

        stream_push(holders[i], more, sizeof(more));
    }
    world_run(&fixture->world);
    other = connect_to(fixture);
    push_number(other, 1, 1);
    world_run(&fixture->world);
    assert_number(other, &at, 1, 1);
}

static void a_half_frame_that_drips_makes_room_for_others(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *slow;
    struct fake_stream *other;
    bool gone = false;

    fixture->options.receive_bytes_max = 128 * 1024;
    start(fixture);
    hold_half_frames(fixture, &slow, 1);
    slow->gone = &gone;
    other = connect_to(fixture);
    push_number(other, 1, 1);
    for (size_t i = 0; i < 10 && !gone; i++) {
        stream_push(slow, "x", 1);
        world_sleep(&fixture->world, NS_PER_SECOND);
    }
    assert_true(gone);
    assert_int_equal(fixture->handled, 1);
}

static void a_look_for_bytes_that_finds_none_keeps_no_memory_from_others(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *other;
    size_t at = 0;

    fixture->options.receive_bytes_max = 256 * 1024;
    start(fixture);
    for (int32_t i = 0; i < 4; i++) {
        struct fake_stream *stream = connect_to(fixture);

        /* The socket was said to be readable, and is not. */
        (void)stream->handler->space(stream->context);
    }
    other = connect_to(fixture);
    push_number(other, 1, 1);
    /* Two of them wait in front of it, for nothing. */
    world_sleep(&fixture->world, 20 * NS_PER_MS);
    assert_number(other, &at, 1, 1);
}

static void many_that_starve_are_served_in_their_order(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *holders[2];
    struct fake_stream *others[90];

    fixture->options.receive_bytes_max = 256 * 1024;
    start(fixture);
    hold_half_frames(fixture, holders, 2);
    for (size_t i = 0; i < 90; i++) {
        others[i] = connect_to(fixture);
        push_number(others[i], 1, (int32_t)i);
    }
    world_run(&fixture->world);
    assert_int_equal(fixture->handled, 0);
    stream_end(holders[0]);
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    for (size_t i = 0; i < 90; i++) {
        size_t at = 0;

        assert_number(others[i], &at, 1, (int64_t)i);
    }
}

static void who_waits_for_memory_is_not_idle(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *waiting;
    bool gone = false;

    fixture->options.receive_bytes_max = 256 * 1024;
    fixture->options.idle_ns_max = 4 * NS_PER_SECOND;
    start(fixture);
    push_produce(connect_to(fixture), 1, 200000);
    world_run(&fixture->world);
    waiting = connect_to(fixture);
    waiting->gone = &gone;
    push_number(waiting, 1, 1);
    world_sleep(&fixture->world, 20 * NS_PER_SECOND);
    assert_false(gone);
    assert_int_equal(fixture->handled, 1);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_int_equal(fixture->handled, 2);
    waiting->gone = NULL;
}

static void requests_that_wait_hold_a_bounded_amount(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *modest;
    struct fake_stream *greedy;

    fixture->options.held_bytes_max = 100 * 1024;
    fixture->cancel_completes = true;
    start(fixture);
    modest = connect_to(fixture);
    push_produce(modest, 7, 10);
    world_run(&fixture->world);
    greedy = connect_to(fixture);
    for (int32_t i = 0; i < 500; i++) {
        push_produce(greedy, i, 10);
    }
    world_run(&fixture->world);
    /* All were taken in the end, those in front told to finish; never were there many at once. */
    assert_int_equal(fixture->held_count, 501);
    assert_true(fixture->cancelled >= 470);
    assert_true(fixture->held_count - fixture->released <= 30);
    /* Who had but one waits as before. */
    assert_no_more(modest, 0);
    rpc_request_complete(fixture->held[0]);
    world_run(&fixture->world);
    assert_int_equal(fixture->released, fixture->cancelled + 1);
}

static void a_client_that_takes_no_answers_makes_room(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy;
    bool gone = false;

    fixture->options.held_bytes_max = 100 * 1024;
    fixture->cancel_completes = true;
    start(fixture);
    greedy = connect_to(fixture);
    greedy->gone = &gone;
    greedy->window = 0;
    for (int32_t i = 0; i < 500; i++) {
        push_produce(greedy, i, 10);
    }
    world_run(&fixture->world);
    assert_true(fixture->held_count < 50);
    for (int32_t i = 0; i < 3; i++) {
        world_sleep(&fixture->world, 4 * NS_PER_SECOND);
        push_produce(connect_to(fixture), i, 10);
        world_run(&fixture->world);
    }
    assert_true(gone);
}

static void many_requests_of_one_client_let_others_pass(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy;
    struct fake_stream *other;
    size_t at = 0;

    fixture->options.requests_in_flight_max = HELD_MAX;
    start(fixture);
    greedy = connect_to(fixture);
    for (int32_t i = 0; i < 1500; i++) {
        push_produce(greedy, i, 10);
    }
    other = connect_to(fixture);
    world_turn(&fixture->world, 0);
    assert_in_range(fixture->held_count, 10, 200);
    push_number(other, 1, 1);
    world_turn(&fixture->world, 0);
    assert_number(other, &at, 1, 1);
    assert_true(fixture->held_count < 1500);
    world_run(&fixture->world);
    assert_int_equal(fixture->held_count, 1500);
    for (size_t i = 0; i < 1500; i++) {
        rpc_request_complete(fixture->held[i]);
    }
}

static void a_postponed_client_may_leave(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *greedy;

    fixture->options.requests_in_flight_max = HELD_MAX;
    fixture->cancel_completes = true;
    start(fixture);
    greedy = connect_to(fixture);
    for (int32_t i = 0; i < 1500; i++) {
        push_produce(greedy, i, 10);
    }
    world_turn(&fixture->world, 0);
    assert_true(fixture->held_count < 1500);
    stream_end(greedy);
    world_run(&fixture->world);
    assert_int_equal(stats_of(fixture).connections, 0);
    assert_int_equal(fixture->released, fixture->held_count);
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

int run_flow_tests(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(frames_may_come_one_byte_at_a_time),
        TEST(frames_may_be_cut_anywhere),
        TEST(many_frames_in_one_receive_are_all_answered_in_order),
        TEST(frames_larger_than_a_block_arrive_whole),
        TEST(large_frames_behind_each_other_arrive_whole),
        TEST(answers_leave_in_order_although_handlers_finish_out_of_order),
        TEST(silent_requests_leave_no_bytes_and_no_gap),
        TEST(a_closing_request_lets_the_answers_before_it_go),
        TEST(a_closing_request_alone_closes_at_once),
        TEST(the_limit_of_requests_in_flight_stops_reading_and_resumes),
        TEST(silent_requests_at_the_limit_do_not_stall),
        TEST(a_client_that_takes_no_answers_is_not_served_further),
        TEST(receive_memory_starves_and_resumes),
        cmocka_unit_test(any_amount_of_receive_memory_serves_everybody_in_the_end),
        TEST(half_frames_that_use_up_the_memory_are_finished_one_by_one),
        TEST(a_half_frame_that_does_not_grow_makes_room_for_others),
        TEST(large_frames_that_never_end_leave_memory_for_small_requests),
        TEST(a_half_frame_that_drips_makes_room_for_others),
        TEST(a_look_for_bytes_that_finds_none_keeps_no_memory_from_others),
        TEST(many_that_starve_are_served_in_their_order),
        TEST(who_waits_for_memory_is_not_idle),
        TEST(requests_that_wait_hold_a_bounded_amount),
        TEST(a_client_that_takes_no_answers_makes_room),
        TEST(many_requests_of_one_client_let_others_pass),
        TEST(a_postponed_client_may_leave),
        TEST(small_requests_that_wait_hold_no_receive_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
