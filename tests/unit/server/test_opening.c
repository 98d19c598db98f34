/* Partitions that are being opened: batches wait for them, in order, and not for long; so do look-ups of offsets, and
 * fetches as for data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "tests/unit/server/batches.h"
#include "tests/unit/server/box.h"
#include "wire/fetch.h"
#include "wire/list_offsets.h"
#include "wire/produce.h"

#define PARTITIONS 4

struct fixture {
    struct box box;
    struct fake_stream *stream;
    struct arena arena;
    struct partition *loading;
    int32_t index; /* of the partition that loads, on the other loop */
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    box_init(&fixture->box);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    maker_add_broker(&fixture->box.maker, 1, "one", false);
    maker_add_topic(&fixture->box.maker, "events", 1, PARTITIONS, 1);
    box_apply(&fixture->box);
    fixture->stream = box_connect(&fixture->box, 0);
    while (shard_of(&fixture->box.shards[0], maker_topic_id(1), fixture->index) != 1) {
        fixture->index++;
    }
    fixture->loading = box_partition(&fixture->box, 1, fixture->index);
    fixture->loading->state = PARTITION_LOADING;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->loading->state = PARTITION_ONLINE;
    box_deinit(&fixture->box);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return 0;
}

/* A batch for the partition that loads and, if `both`, one for its neighbour on the first loop. */
static void send_batches(struct fixture *fixture, int16_t acks, bool both)
{
    struct produce_request_topic_data_partition_data rows[2];
    struct produce_request_topic_data topic;
    struct produce_request request;
    const struct space batch = batch_make(&(struct batch_recipe){.timestamp = 1});

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    request.acks = acks;
    request.timeout_ms = 5000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = STRING("events");
    topic.partition_data = rows;
    topic.partition_data_count = both ? 2 : 1;
    for (int32_t i = 0; i < 2; i++) {
        produce_request_topic_data_partition_data_init(&rows[i]);
        rows[i].index = i == 0 ? fixture->index : fixture->index ^ 1;
        rows[i].records.data = batch.data;
        rows[i].records.size = batch.size;
    }
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &request);
    memory_free(batch.data);
}

static const struct produce_response_responses_partition_responses *take_answer(struct fixture *fixture)
{
    struct produce_response response;

    assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &response));
    assert_int_equal(response.responses_count, 1);
    return response.responses[0].partition_responses;
}

static void end_loading(struct fixture *fixture)
{
    fixture->loading->state = PARTITION_ONLINE;
    partition_tell_loaded(fixture->loading);
    world_run(&fixture->box.world);
}

static void batches_wait_in_order_for_their_partition_to_be_opened(void **state)
{
    struct fixture *fixture = *state;

    send_batches(fixture, 1, false);
    send_batches(fixture, -1, false);
    send_batches(fixture, 1, false);
    world_sleep(&fixture->box.world, 50 * NS_PER_MS);
    assert_int_equal(fixture->stream->out.size, 0);
    end_loading(fixture);
    for (int64_t i = 0; i < 3; i++) {
        const struct produce_response_responses_partition_responses *answer = take_answer(fixture);

        assert_int_equal(answer->error_code, ERROR_NONE);
        assert_int_equal(answer->base_offset, i);
    }
}

static void a_batch_waits_no_longer_than_its_producer_would(void **state)
{
    struct fixture *fixture = *state;
    const struct produce_response_responses_partition_responses *answers;

    send_batches(fixture, -1, true);
    world_sleep(&fixture->box.world, 99 * NS_PER_MS);
    assert_int_equal(fixture->stream->out.size, 0);
    world_sleep(&fixture->box.world, NS_PER_MS);
    answers = take_answer(fixture);
    assert_int_equal(answers[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(answers[1].error_code, ERROR_NONE);
    end_loading(fixture);
    assert_int_equal(fixture->loading->high_watermark, 0);
}

static void nobody_waits_for_a_loop_that_stops(void **state)
{
    struct fixture *fixture = *state;

    send_batches(fixture, 1, false);
    world_run(&fixture->box.world);
    replica_set_stop(&fixture->box.shards[1].replicas);
    world_run(&fixture->box.world);
    assert_int_equal(take_answer(fixture)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

/* --- fetches --- */

/* Of the partition that loads and, if `both`, of its neighbour on the first loop. */
static void send_fetch(struct fixture *fixture, int32_t max_wait_ms, bool both, int32_t session_id,
                       int32_t session_epoch)
{
    struct fetch_request_topics_partitions rows[2];
    struct fetch_request_topics topic;
    struct fetch_request request;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = max_wait_ms > 0 ? 1 : 0;
    request.session_id = session_id;
    request.session_epoch = session_epoch;
    request.topics = &topic;
    request.topics_count = session_epoch > 0 ? 0 : 1;
    topic.topic = STRING("events");
    topic.partitions = rows;
    topic.partitions_count = both ? 2 : 1;
    for (int32_t i = 0; i < 2; i++) {
        fetch_request_topics_partitions_init(&rows[i]);
        rows[i].partition = i == 0 ? fixture->index : fixture->index ^ 1;
        rows[i].fetch_offset = 0;
        rows[i].partition_max_bytes = 1 << 20;
    }
    box_send(&fixture->box, fixture->stream, API_FETCH, 12, &request);
    world_run(&fixture->box.world);
}

static bool take_fetched(struct fixture *fixture, struct fetch_response *response)
{
    return box_take(fixture->stream, API_FETCH, 12, &fixture->arena, response);
}

/* One batch in the neighbour that is open. */
static void fill_neighbour(struct fixture *fixture)
{
    fixture->index ^= 1;
    send_batches(fixture, -1, false);
    world_run(&fixture->box.world);
    assert_int_equal(take_answer(fixture)->error_code, ERROR_NONE);
    fixture->index ^= 1;
}

static void a_fetch_waits_for_its_partition_to_be_opened(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *consumer = fixture->stream;
    struct fetch_response response;

    send_fetch(fixture, 2000, false, 0, -1);
    world_sleep(&fixture->box.world, NS_PER_SECOND);
    assert_false(take_fetched(fixture, &response));
    /* Opened, but empty: it goes on waiting, for data now. */
    end_loading(fixture);
    assert_false(take_fetched(fixture, &response));
    fixture->stream = box_connect(&fixture->box, 0);
    send_batches(fixture, -1, false);
    world_run(&fixture->box.world);
    fixture->stream = consumer;
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_NONE);
    assert_true(response.responses[0].partitions[0].records.size > 0);
}

static void a_fetch_that_would_not_wait_gives_a_partition_a_moment(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_response response;

    send_fetch(fixture, 0, false, 0, -1);
    world_sleep(&fixture->box.world, 99 * NS_PER_MS);
    assert_false(take_fetched(fixture, &response));
    world_sleep(&fixture->box.world, NS_PER_MS);
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    end_loading(fixture);
    send_fetch(fixture, 0, false, 0, -1);
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_NONE);
}

static void data_of_other_partitions_does_not_wait_for_one_that_is_opened(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_response response;

    fill_neighbour(fixture);
    send_fetch(fixture, 2000, true, 0, -1);
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_true(response.responses[0].partitions[1].records.size > 0);
}

static void a_session_is_not_told_of_a_partition_that_is_opened(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_response response;
    int32_t session;

    fixture->loading->state = PARTITION_ONLINE;
    send_fetch(fixture, 0, true, 0, 0);
    assert_true(take_fetched(fixture, &response));
    session = response.session_id;
    assert_true(session > 0);
    fixture->loading->state = PARTITION_LOADING;
    for (int32_t epoch = 1; epoch < 3; epoch++) {
        send_fetch(fixture, 500, false, session, epoch);
        assert_false(take_fetched(fixture, &response));
        world_sleep(&fixture->box.world, 500 * NS_PER_MS);
        assert_true(take_fetched(fixture, &response));
        assert_int_equal(response.error_code, ERROR_NONE);
        assert_int_equal(response.responses_count, 0);
    }
    fixture->loading->state = PARTITION_OFFLINE;
    send_fetch(fixture, 500, false, session, 3);
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses_count, 1);
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_KAFKA_STORAGE_ERROR);
}

static void a_fetch_that_waits_for_a_partition_may_be_left(void **state)
{
    struct fixture *fixture = *state;

    send_fetch(fixture, 100000, true, 0, -1);
    stream_end(fixture->stream);
    world_run(&fixture->box.world);
    assert_true(list_empty(&fixture->loading->loads));
    end_loading(fixture);
}

static void no_fetch_waits_for_a_loop_that_stops(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_response response;

    send_fetch(fixture, 100000, false, 0, -1);
    replica_set_stop(&fixture->box.shards[1].replicas);
    world_run(&fixture->box.world);
    assert_true(take_fetched(fixture, &response));
    assert_int_equal(response.responses[0].partitions[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

/* --- offsets --- */

static void send_list_offsets(struct fixture *fixture)
{
    struct list_offsets_request_topics_partitions rows[3];
    struct list_offsets_request_topics topic;
    struct list_offsets_request request;

    list_offsets_request_init(&request);
    list_offsets_request_topics_init(&topic);
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = STRING("events");
    topic.partitions = rows;
    topic.partitions_count = 3;
    for (int32_t i = 0; i < 3; i++) {
        list_offsets_request_topics_partitions_init(&rows[i]);
        rows[i].partition_index = i == 1 ? fixture->index ^ 1 : fixture->index;
        rows[i].timestamp = i == 2 ? -2 : -1;
    }
    box_send(&fixture->box, fixture->stream, API_LIST_OFFSETS, 5, &request);
    world_run(&fixture->box.world);
}

static void a_look_up_of_offsets_waits_for_its_partition_to_be_opened(void **state)
{
    struct fixture *fixture = *state;
    struct list_offsets_response response;

    send_list_offsets(fixture);
    world_sleep(&fixture->box.world, 50 * NS_PER_MS);
    assert_false(box_take(fixture->stream, API_LIST_OFFSETS, 5, &fixture->arena, &response));
    end_loading(fixture);
    assert_true(box_take(fixture->stream, API_LIST_OFFSETS, 5, &fixture->arena, &response));
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(response.topics[0].partitions[i].error_code, ERROR_NONE);
        assert_int_equal(response.topics[0].partitions[i].offset, 0);
    }
}

static void a_look_up_of_offsets_does_not_wait_long(void **state)
{
    struct fixture *fixture = *state;
    struct list_offsets_response response;

    send_list_offsets(fixture);
    world_sleep(&fixture->box.world, 99 * NS_PER_MS);
    assert_false(box_take(fixture->stream, API_LIST_OFFSETS, 5, &fixture->arena, &response));
    world_sleep(&fixture->box.world, NS_PER_MS);
    assert_true(box_take(fixture->stream, API_LIST_OFFSETS, 5, &fixture->arena, &response));
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(response.topics[0].partitions[i].error_code,
                         i == 1 ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER);
    }
    assert_true(list_empty(&fixture->loading->loads));
}

static void no_look_up_of_offsets_waits_for_a_loop_that_stops(void **state)
{
    struct fixture *fixture = *state;
    struct list_offsets_response response;

    send_list_offsets(fixture);
    replica_set_stop(&fixture->box.shards[1].replicas);
    world_run(&fixture->box.world);
    assert_true(box_take(fixture->stream, API_LIST_OFFSETS, 5, &fixture->arena, &response));
    assert_int_equal(response.topics[0].partitions[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(batches_wait_in_order_for_their_partition_to_be_opened),
        TEST(a_batch_waits_no_longer_than_its_producer_would),
        TEST(nobody_waits_for_a_loop_that_stops),
        TEST(a_fetch_waits_for_its_partition_to_be_opened),
        TEST(a_fetch_that_would_not_wait_gives_a_partition_a_moment),
        TEST(data_of_other_partitions_does_not_wait_for_one_that_is_opened),
        TEST(a_session_is_not_told_of_a_partition_that_is_opened),
        TEST(a_fetch_that_waits_for_a_partition_may_be_left),
        TEST(no_fetch_waits_for_a_loop_that_stops),
        TEST(a_look_up_of_offsets_waits_for_its_partition_to_be_opened),
        TEST(a_look_up_of_offsets_does_not_wait_long),
        TEST(no_look_up_of_offsets_waits_for_a_loop_that_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
