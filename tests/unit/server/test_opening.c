/* Produce to partitions that are being opened: batches wait for them, in order, and not for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "tests/unit/server/batches.h"
#include "tests/unit/server/box.h"
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(batches_wait_in_order_for_their_partition_to_be_opened),
        TEST(a_batch_waits_no_longer_than_its_producer_would),
        TEST(nobody_waits_for_a_loop_that_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
