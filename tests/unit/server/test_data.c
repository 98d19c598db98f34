/* Produce, Fetch and ListOffsets as clients see them, with partitions on two loops. */
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
#define ROWS_MAX 16

/* Rows of a request under construction: one topic, a few partitions. */
struct fixture {
    struct box box;
    struct fake_stream *stream;
    struct fake_stream *other;
    struct arena arena;
    struct produce_request produce;
    struct produce_request_topic_data produce_topic;
    struct produce_request_topic_data_partition_data produce_rows[ROWS_MAX];
    struct produce_response produced;
    struct fetch_request fetch;
    struct fetch_request_topics fetch_topic;
    struct fetch_request_topics_partitions fetch_rows[ROWS_MAX];
    struct fetch_response fetched;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    box_init(&fixture->box);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    maker_add_broker(&fixture->box.maker, 1, "one", false);
    maker_add_broker(&fixture->box.maker, 2, "two", false);
    maker_add_topic(&fixture->box.maker, "events", 1, PARTITIONS, 1);
    maker_add_topic(&fixture->box.maker, "theirs", 2, 1, 2);
    box_apply(&fixture->box);
    fixture->stream = box_connect(&fixture->box, 0);
    fixture->other = box_connect(&fixture->box, 1);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    box_deinit(&fixture->box);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return 0;
}

/* Of both loops, so that requests are split. */
static void the_partitions_are_of_both_loops(void **state)
{
    struct fixture *fixture = *state;
    size_t counts[BOX_LOOPS] = {0};

    for (int32_t i = 0; i < PARTITIONS; i++) {
        counts[shard_of(&fixture->box.shards[0], maker_topic_id(1), i)]++;
        assert_int_equal(box_partition(&fixture->box, 1, i)->state, PARTITION_ONLINE);
    }
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
}

/* The first partition that the loop owns. */
static int32_t partition_on(struct fixture *fixture, uint32_t loop)
{
    return shard_of(&fixture->box.shards[0], maker_topic_id(1), 0) == loop ? 0 : 1;
}

static void begin_produce(struct fixture *fixture, int16_t acks)
{
    produce_request_init(&fixture->produce);
    produce_request_topic_data_init(&fixture->produce_topic);
    fixture->produce.acks = acks;
    fixture->produce.timeout_ms = 5000;
    fixture->produce.topic_data = &fixture->produce_topic;
    fixture->produce.topic_data_count = 1;
    fixture->produce_topic.name = STRING("events");
    fixture->produce_topic.topic_id = maker_topic_id(1);
    fixture->produce_topic.partition_data = fixture->produce_rows;
}

static struct produce_request_topic_data_partition_data *add_produce(struct fixture *fixture, int32_t partition,
                                                                     const struct batch_recipe *recipe)
{
    struct produce_request_topic_data_partition_data *row =
        &fixture->produce_rows[fixture->produce_topic.partition_data_count++];

    produce_request_topic_data_partition_data_init(row);
    row->index = partition;
    if (recipe != NULL) {
        const struct space batch = batch_make(recipe);

        row->records.size = batch.size;
        row->records.data = memcpy(arena_need(&fixture->arena, batch.size, 1), batch.data, batch.size);
        memory_free(batch.data);
    }
    return row;
}

static const struct produce_response_responses_partition_responses *produced(const struct fixture *fixture,
                                                                             int32_t index)
{
    assert_int_equal(fixture->produced.responses_count, 1);
    assert_true(index < fixture->produced.responses[0].partition_responses_count);
    return &fixture->produced.responses[0].partition_responses[index];
}

static void ask_produce(struct fixture *fixture, int16_t version)
{
    box_ask(&fixture->box, fixture->stream, API_PRODUCE, version, &fixture->produce, &fixture->arena,
            &fixture->produced);
}

/* One batch of `records` to each partition given. */
static void produce_to(struct fixture *fixture, int32_t first, int32_t count, int32_t records)
{
    const struct batch_recipe recipe = {.records = records, .timestamp = 1000};

    begin_produce(fixture, -1);
    for (int32_t i = first; i < first + count; i++) {
        add_produce(fixture, i, &recipe);
    }
    ask_produce(fixture, 9);
    for (int32_t i = 0; i < count; i++) {
        assert_int_equal(produced(fixture, i)->error_code, ERROR_NONE);
    }
}

static void begin_fetch(struct fixture *fixture, int32_t max_wait_ms)
{
    fetch_request_init(&fixture->fetch);
    fetch_request_topics_init(&fixture->fetch_topic);
    fixture->fetch.max_wait_ms = max_wait_ms;
    fixture->fetch.min_bytes = 1;
    fixture->fetch.topics = &fixture->fetch_topic;
    fixture->fetch.topics_count = 1;
    fixture->fetch_topic.topic = STRING("events");
    fixture->fetch_topic.topic_id = maker_topic_id(1);
    fixture->fetch_topic.partitions = fixture->fetch_rows;
}

static struct fetch_request_topics_partitions *add_fetch(struct fixture *fixture, int32_t partition, int64_t offset)
{
    struct fetch_request_topics_partitions *row = &fixture->fetch_rows[fixture->fetch_topic.partitions_count++];

    fetch_request_topics_partitions_init(row);
    row->partition = partition;
    row->fetch_offset = offset;
    row->partition_max_bytes = 1 << 20;
    return row;
}

static const struct fetch_response_responses_partitions *fetched(const struct fixture *fixture, int32_t index)
{
    assert_int_equal(fixture->fetched.responses_count, 1);
    assert_true(index < fixture->fetched.responses[0].partitions_count);
    return &fixture->fetched.responses[0].partitions[index];
}

static void ask_fetch(struct fixture *fixture, int16_t version)
{
    box_ask(&fixture->box, fixture->stream, API_FETCH, version, &fixture->fetch, &fixture->arena, &fixture->fetched);
}

static void send_fetch(struct fixture *fixture, int16_t version)
{
    box_send(&fixture->box, fixture->stream, API_FETCH, version, &fixture->fetch);
    world_run(&fixture->box.world);
}

static bool fetch_answered(struct fixture *fixture, int16_t version)
{
    return box_take(fixture->stream, API_FETCH, version, &fixture->arena, &fixture->fetched);
}

/* --- produce --- */

static void batches_for_both_loops_are_stored_and_read_back(void **state)
{
    static const int16_t VERSIONS[] = {4, 6, 7, 11, 12, 13, 17, 18};
    struct fixture *fixture = *state;

    produce_to(fixture, 0, PARTITIONS, 3);
    produce_to(fixture, 0, PARTITIONS, 2);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(produced(fixture, i)->index, i);
        assert_int_equal(produced(fixture, i)->base_offset, 3);
        assert_int_equal(produced(fixture, i)->log_start_offset, 0);
        assert_int_equal(produced(fixture, i)->log_append_time_ms, -1);
    }
    for (size_t v = 0; v < sizeof(VERSIONS) / sizeof(VERSIONS[0]); v++) {
        begin_fetch(fixture, 0);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            add_fetch(fixture, i, i % 2 == 0 ? 0 : 3);
        }
        ask_fetch(fixture, VERSIONS[v]);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            struct bytes rest = bytes_of(fetched(fixture, i)->records.data, fetched(fixture, i)->records.size);
            struct batch_header header;
            struct bytes batch;

            assert_int_equal(fetched(fixture, i)->error_code, ERROR_NONE);
            assert_int_equal(fetched(fixture, i)->high_watermark, 5);
            assert_int_equal(batch_next(&rest, &batch), STATUS_OK);
            assert_true(batch_crc_matches(batch));
            assert_int_equal(batch_header_read(batch, &header), STATUS_OK);
            assert_int_equal(header.base_offset, i % 2 == 0 ? 0 : 3);
            assert_int_equal(batch_next(&rest, &batch), i % 2 == 0 ? STATUS_OK : STATUS_END);
        }
    }
}

static void every_version_of_produce_is_answered(void **state)
{
    static const struct batch_recipe RECIPE = {.records = 1, .timestamp = 5};
    struct fixture *fixture = *state;

    for (int16_t version = 3; version <= 13; version++) {
        begin_produce(fixture, version % 2 == 0 ? 1 : -1);
        add_produce(fixture, 0, &RECIPE);
        add_produce(fixture, 1, &RECIPE);
        add_produce(fixture, 99, &RECIPE);
        ask_produce(fixture, version);
        assert_int_equal(produced(fixture, 0)->error_code, ERROR_NONE);
        assert_int_equal(produced(fixture, 0)->base_offset, version - 3);
        assert_int_equal(produced(fixture, 1)->error_code, ERROR_NONE);
        assert_int_equal(produced(fixture, 2)->error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(produced(fixture, 2)->base_offset, -1);
    }
}

static void two_batches_for_one_partition_keep_their_order(void **state)
{
    struct fixture *fixture = *state;

    begin_produce(fixture, -1);
    for (int32_t i = 0; i < 4; i++) {
        add_produce(fixture, 0, &(struct batch_recipe){.records = i + 1, .timestamp = 5});
    }
    ask_produce(fixture, 9);
    assert_int_equal(produced(fixture, 0)->base_offset, 0);
    assert_int_equal(produced(fixture, 1)->base_offset, 1);
    assert_int_equal(produced(fixture, 2)->base_offset, 3);
    assert_int_equal(produced(fixture, 3)->base_offset, 6);
}

static void pipelined_sequences_arrive_in_order(void **state)
{
    struct fixture *fixture = *state;

    for (int32_t i = 0; i < 50; i++) {
        begin_produce(fixture, -1);
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            add_produce(fixture, partition,
                        &(struct batch_recipe){.records = 2, .timestamp = 5, .producer_id = 9, .sequence = i * 2});
        }
        box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    }
    world_run(&fixture->box.world);
    for (int32_t i = 0; i < 50; i++) {
        assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            assert_int_equal(produced(fixture, partition)->error_code, ERROR_NONE);
            assert_int_equal(produced(fixture, partition)->base_offset, i * 2);
        }
    }
}

/* One of the loops is the connection's, the other is handed the batches. */
static void check_refusals(struct fixture *fixture, int32_t partition)
{
    struct produce_request_topic_data_partition_data *row;

    begin_produce(fixture, -1);
    fixture->produce.timeout_ms = INT32_MIN;
    add_produce(fixture, partition, NULL);
    row = add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1});
    row->records.size--;
    row = add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1});
    ((uint8_t *)(uintptr_t)row->records.data)[40] ^= 1;
    row = add_produce(fixture, partition, NULL);
    row->records = (struct records){.data = (const uint8_t *)"x", .size = 1};
    add_produce(fixture, -1, &(struct batch_recipe){.timestamp = 1});
    add_produce(fixture, INT32_MIN, &(struct batch_recipe){.timestamp = 1});
    add_produce(fixture, partition, &(struct batch_recipe){.timestamp = INT64_MAX});
    add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1, .value_size = 2000000});
    ask_produce(fixture, 9);
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_INVALID_RECORD);
    assert_int_equal(produced(fixture, 1)->error_code, ERROR_INVALID_RECORD);
    assert_int_equal(produced(fixture, 2)->error_code, ERROR_CORRUPT_MESSAGE);
    assert_int_equal(produced(fixture, 3)->error_code, ERROR_INVALID_RECORD);
    assert_int_equal(produced(fixture, 4)->error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produced(fixture, 5)->error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produced(fixture, 6)->error_code, ERROR_INVALID_TIMESTAMP);
    assert_int_equal(produced(fixture, 7)->error_code, ERROR_MESSAGE_TOO_LARGE);
}

static void what_cannot_be_stored_is_refused_one_by_one(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t loop = 0; loop < BOX_LOOPS; loop++) {
        check_refusals(fixture, partition_on(fixture, loop));
    }
    begin_produce(fixture, 7);
    add_produce(fixture, 0, &(struct batch_recipe){.timestamp = 1});
    ask_produce(fixture, 9);
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_INVALID_REQUIRED_ACKS);
    assert_int_equal(partition_log_end_offset(box_partition(&fixture->box, 1, 0)->log), 0);
}

static void acks_zero_is_silent_unless_something_fails(void **state)
{
    struct fixture *fixture = *state;
    bool gone = false;

    fixture->stream->gone = &gone;
    begin_produce(fixture, 0);
    add_produce(fixture, 0, &(struct batch_recipe){.timestamp = 1});
    add_produce(fixture, 1, &(struct batch_recipe){.timestamp = 1});
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    world_run(&fixture->box.world);
    assert_int_equal(fixture->stream->out.size, 0);
    assert_int_equal(box_partition(&fixture->box, 1, 1)->high_watermark, 1);
    add_produce(fixture, 99, &(struct batch_recipe){.timestamp = 1});
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    world_run(&fixture->box.world);
    assert_true(gone);
    assert_int_equal(box_partition(&fixture->box, 1, 1)->high_watermark, 2);
}

static void a_produce_that_is_not_kept_in_time_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture->box.world.hold_jobs = true;
    begin_produce(fixture, -1);
    add_produce(fixture, 0, &(struct batch_recipe){.timestamp = 1});
    add_produce(fixture, 1, &(struct batch_recipe){.timestamp = 1});
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    world_sleep(&fixture->box.world, 4999 * NS_PER_MS);
    assert_int_equal(fixture->stream->out.size, 0);
    world_sleep(&fixture->box.world, NS_PER_MS);
    assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(produced(fixture, 1)->error_code, ERROR_REQUEST_TIMED_OUT);
}

static void a_producer_may_leave_before_it_is_answered(void **state)
{
    struct fixture *fixture = *state;

    fixture->box.world.hold_jobs = true;
    for (int i = 0; i < 10; i++) {
        begin_produce(fixture, -1);
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1, .value_size = 10000});
        }
        box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    }
    world_run(&fixture->box.world);
    stream_end(fixture->stream);
    world_run(&fixture->box.world);
    fixture->box.world.hold_jobs = false;
    world_run(&fixture->box.world);
    assert_int_equal(box_partition(&fixture->box, 1, 3)->high_watermark, 10);
}

static void leaders_elsewhere_are_named_with_the_clients_listener(void **state)
{
    struct fixture *fixture = *state;

    begin_produce(fixture, -1);
    fixture->produce_topic.name = STRING("theirs");
    add_produce(fixture, 0, &(struct batch_recipe){.timestamp = 1});
    box_ask(&fixture->box, fixture->other, API_PRODUCE, 10, &fixture->produce, &fixture->arena, &fixture->produced);
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(produced(fixture, 0)->current_leader.leader_id, 2);
    assert_int_equal(fixture->produced.node_endpoints_count, 1);
    assert_true(string_is(fixture->produced.node_endpoints[0].host, "other-two"));
    assert_int_equal(fixture->produced.node_endpoints[0].port, 9093);
    begin_fetch(fixture, 0);
    fixture->fetch_topic.topic_id = maker_topic_id(2);
    add_fetch(fixture, 0, 0);
    ask_fetch(fixture, 16);
    assert_int_equal(fetched(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(fixture->fetched.node_endpoints_count, 1);
    assert_true(string_is(fixture->fetched.node_endpoints[0].host, "two"));
}

/* --- fetch --- */

static void a_fetch_waits_for_data_on_either_loop(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t loop = 0; loop < BOX_LOOPS; loop++) {
        const int32_t partition = partition_on(fixture, loop);
        struct fake_stream *consumer = fixture->stream;

        begin_fetch(fixture, 500);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            add_fetch(fixture, i, i == partition ? 0 : partition_log_end_offset(box_partition(&fixture->box, 1,
                                                                                              i)->log));
        }
        send_fetch(fixture, 12);
        assert_false(fetch_answered(fixture, 12));
        fixture->stream = fixture->other;
        produce_to(fixture, partition, 1, 1);
        fixture->stream = consumer;
        assert_true(fetch_answered(fixture, 12));
        assert_true(fetched(fixture, partition)->records.size > 0);
    }
}

static void a_fetch_answers_when_its_time_is_up(void **state)
{
    struct fixture *fixture = *state;

    begin_fetch(fixture, 500);
    add_fetch(fixture, 0, 0);
    add_fetch(fixture, 1, 0);
    send_fetch(fixture, 12);
    world_sleep(&fixture->box.world, 499 * NS_PER_MS);
    assert_false(fetch_answered(fixture, 12));
    world_sleep(&fixture->box.world, NS_PER_MS);
    assert_true(fetch_answered(fixture, 12));
    assert_int_equal(fetched(fixture, 1)->error_code, ERROR_NONE);
    assert_int_equal(fetched(fixture, 1)->records.size, 0);
    /* Without time it does not wait, nor with a negative one. */
    begin_fetch(fixture, INT32_MIN);
    add_fetch(fixture, 0, 0);
    ask_fetch(fixture, 12);
}

static void a_fetch_may_be_told_to_wait_for_much(void **state)
{
    struct fixture *fixture = *state;

    begin_fetch(fixture, 500);
    add_fetch(fixture, 0, 0);
    fixture->fetch.min_bytes = 150;
    send_fetch(fixture, 12);
    for (int i = 0; i < 2; i++) {
        struct fake_stream *consumer = fixture->stream;

        assert_false(fetch_answered(fixture, 12));
        fixture->stream = fixture->other;
        produce_to(fixture, 0, 1, 1);
        fixture->stream = consumer;
    }
    assert_true(fetch_answered(fixture, 12));
    /* For more than the answer may hold there is no use in waiting. */
    begin_fetch(fixture, 500);
    add_fetch(fixture, 0, 0);
    fixture->fetch.min_bytes = INT32_MAX;
    fixture->fetch.max_bytes = 100;
    ask_fetch(fixture, 12);
    assert_true(fetched(fixture, 0)->records.size <= 100);
}

static void a_fetch_and_a_busy_loop_do_not_get_in_each_others_way(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = &fixture->box.world;
    const int32_t far = partition_on(fixture, 1);

    /* However far the far loop has come with its orders, the fetch's time may be up. */
    for (int turns = 0; turns < 8; turns++) {
        begin_fetch(fixture, 5);
        add_fetch(fixture, far, partition_log_end_offset(box_partition(&fixture->box, 1, far)->log));
        add_fetch(fixture, 1 - far, 0);
        box_send(&fixture->box, fixture->stream, API_FETCH, 12, &fixture->fetch);
        for (int i = 0; i < turns; i++) {
            world_turn(world, i % 2 == 0 ? 0 : 1);
        }
        world->now_ns += 6 * NS_PER_MS;
        for (int i = 0; i < 4; i++) {
            world_turn(world, 0);
        }
        world_sleep(world, 6 * NS_PER_MS);
        assert_true(fetch_answered(fixture, 12));
        assert_int_equal(fixture->fetched.responses[0].partitions_count, 2);
    }
}

static void a_consumer_may_leave_at_any_time(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = &fixture->box.world;

    for (int turns = 0; turns < 12; turns++) {
        struct fake_stream *consumer = box_connect(&fixture->box, 0);
        bool gone = false;

        consumer->gone = &gone;
        begin_fetch(fixture, 30000);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            add_fetch(fixture, i, partition_log_end_offset(box_partition(&fixture->box, 1, i)->log));
        }
        for (int i = 0; i < 5; i++) {
            box_send(&fixture->box, consumer, API_FETCH, 12, &fixture->fetch);
        }
        for (int i = 0; i < turns; i++) {
            world_turn(world, i % 2 == 0 ? 0 : 1);
        }
        stream_end(consumer);
        if (turns % 3 == 0) {
            produce_to(fixture, 0, PARTITIONS, 1);
        }
        world_run(world);
        assert_true(gone);
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_true(list_empty(&box_partition(&fixture->box, 1, i)->watches));
    }
}

static void a_partition_that_goes_away_ends_the_wait(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition;

    for (int32_t i = 0; i < 2; i++) {
        begin_fetch(fixture, 30000);
        add_fetch(fixture, i, 0);
        send_fetch(fixture, 12);
        assert_false(fetch_answered(fixture, 12));
        partition = box_partition(&fixture->box, 1, i);
        replica_set_close(partition->set, partition, true);
        world_run(&fixture->box.world);
        assert_true(fetch_answered(fixture, 12));
        assert_int_equal(fetched(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    }
}

static void a_role_that_is_lost_between_look_and_watch_ends_the_wait(void **state)
{
    struct fixture *fixture = *state;
    const int32_t far = partition_on(fixture, 1);

    begin_fetch(fixture, 30000);
    add_fetch(fixture, far, 0);
    box_send(&fixture->box, fixture->stream, API_FETCH, 12, &fixture->fetch);
    world_turn(&fixture->box.world, 0);
    world_turn(&fixture->box.world, 1);
    partition_set_role(box_partition(&fixture->box, 1, far), false, 9);
    world_run(&fixture->box.world);
    assert_true(fetch_answered(fixture, 12));
    assert_int_equal(fetched(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

static void an_epoch_that_changes_between_look_and_watch_ends_the_wait(void **state)
{
    struct fixture *fixture = *state;
    const int32_t far = partition_on(fixture, 1);

    begin_fetch(fixture, 30000);
    add_fetch(fixture, far, 0)->current_leader_epoch = 0;
    box_send(&fixture->box, fixture->stream, API_FETCH, 12, &fixture->fetch);
    world_turn(&fixture->box.world, 0);
    world_turn(&fixture->box.world, 1);
    partition_set_role(box_partition(&fixture->box, 1, far), true, 9);
    world_run(&fixture->box.world);
    assert_true(fetch_answered(fixture, 12));
    assert_int_equal(fetched(fixture, 0)->error_code, ERROR_FENCED_LEADER_EPOCH);
}

static void offsets_and_epochs_that_are_wrong_are_told_at_once(void **state)
{
    struct fixture *fixture = *state;

    produce_to(fixture, 0, 2, 3);
    begin_fetch(fixture, 30000);
    add_fetch(fixture, 0, -1);
    add_fetch(fixture, 1, 4);
    add_fetch(fixture, 0, INT64_MAX);
    add_fetch(fixture, 0, INT64_MIN);
    add_fetch(fixture, 0, 0)->current_leader_epoch = 5;
    add_fetch(fixture, -1, 0);
    add_fetch(fixture, 1, 0)->partition_max_bytes = INT32_MIN;
    ask_fetch(fixture, 12);
    assert_int_equal(fetched(fixture, 0)->error_code, ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched(fixture, 1)->error_code, ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched(fixture, 2)->error_code, ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched(fixture, 3)->error_code, ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetched(fixture, 4)->error_code, ERROR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(fetched(fixture, 5)->error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetched(fixture, 6)->error_code, ERROR_NONE);
}

static void an_answer_holds_no_more_than_the_client_allows(void **state)
{
    static const int32_t LIMITS[] = {INT32_MIN, 0, 100, 1000, 5000};
    struct fixture *fixture = *state;

    for (int i = 0; i < 20; i++) {
        produce_to(fixture, 0, PARTITIONS, 5);
    }
    for (size_t i = 0; i < sizeof(LIMITS) / sizeof(LIMITS[0]); i++) {
        size_t size = 0;

        begin_fetch(fixture, 0);
        fixture->fetch.max_bytes = LIMITS[i];
        for (int32_t j = 0; j < PARTITIONS; j++) {
            add_fetch(fixture, j, 0);
        }
        ask_fetch(fixture, 12);
        for (int32_t j = 0; j < PARTITIONS; j++) {
            size += fetched(fixture, j)->records.size;
        }
        /* The first batch goes whatever the limit is. */
        assert_true(size > 0);
        assert_true(size < 400 || (int64_t)size <= LIMITS[i]);
        assert_true(fetched(fixture, 0)->records.size > 0);
    }
}

static void sessions_tell_what_is_new(void **state)
{
    struct fixture *fixture = *state;
    int32_t id;

    begin_fetch(fixture, 0);
    fixture->fetch.session_epoch = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        add_fetch(fixture, i, 0);
    }
    ask_fetch(fixture, 12);
    id = fixture->fetched.session_id;
    assert_true(id > 0);
    assert_int_equal(fixture->fetched.responses[0].partitions_count, PARTITIONS);
    /* Nothing new: an empty answer when the time is up. */
    begin_fetch(fixture, 100);
    fixture->fetch.session_id = id;
    fixture->fetch.session_epoch = 1;
    fixture->fetch.topics_count = 0;
    send_fetch(fixture, 12);
    world_sleep(&fixture->box.world, 101 * NS_PER_MS);
    assert_true(fetch_answered(fixture, 12));
    assert_int_equal(fixture->fetched.session_id, id);
    assert_int_equal(fixture->fetched.responses_count, 0);
    /* One partition has news. */
    fixture->fetch.session_epoch = 2;
    send_fetch(fixture, 12);
    assert_false(fetch_answered(fixture, 12));
    {
        struct fake_stream *consumer = fixture->stream;

        fixture->stream = fixture->other;
        produce_to(fixture, 2, 1, 1);
        fixture->stream = consumer;
    }
    assert_true(fetch_answered(fixture, 12));
    assert_int_equal(fetched(fixture, 0)->partition_index, 2);
    assert_int_equal(fixture->fetched.responses[0].partitions_count, 1);
    /* The wrong epoch, then a session that is not there. */
    ask_fetch(fixture, 12);
    assert_int_equal(fixture->fetched.error_code, ERROR_INVALID_FETCH_SESSION_EPOCH);
    fixture->fetch.session_id = id ^ 1;
    ask_fetch(fixture, 12);
    assert_int_equal(fixture->fetched.error_code, ERROR_FETCH_SESSION_ID_NOT_FOUND);
}

static void who_says_to_be_a_replica_is_not_served(void **state)
{
    struct fixture *fixture = *state;

    begin_fetch(fixture, 0);
    fixture->fetch.replica_id = 2;
    add_fetch(fixture, 0, 0);
    ask_fetch(fixture, 12);
    assert_int_equal(fixture->fetched.error_code, ERROR_CLUSTER_AUTHORIZATION_FAILED);
}

/* --- offsets --- */

static struct list_offsets_response_topics_partitions ask_offset(struct fixture *fixture, int16_t version,
                                                                 int32_t partition,
                                                                 int64_t time)
{
    struct list_offsets_request_topics_partitions row;
    struct list_offsets_request_topics topic;
    struct list_offsets_request request;
    struct list_offsets_response response;

    list_offsets_request_init(&request);
    list_offsets_request_topics_init(&topic);
    list_offsets_request_topics_partitions_init(&row);
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = STRING("events");
    topic.partitions = &row;
    topic.partitions_count = 1;
    row.partition_index = partition;
    row.timestamp = time;
    box_ask(&fixture->box, fixture->stream, API_LIST_OFFSETS, version, &request, &fixture->arena, &response);
    assert_int_equal(response.topics_count, 1);
    assert_int_equal(response.topics[0].partitions_count, 1);
    return response.topics[0].partitions[0];
}

static void offsets_are_told_in_every_version(void **state)
{
    struct fixture *fixture = *state;

    produce_to(fixture, 0, PARTITIONS, 3);
    produce_to(fixture, 0, PARTITIONS, 3);
    for (int16_t version = 1; version <= 11; version++) {
        for (int32_t i = 0; i < PARTITIONS; i++) {
            assert_int_equal(ask_offset(fixture, version, i, -1).offset, 6);
            assert_int_equal(ask_offset(fixture, version, i, -2).offset, 0);
            assert_int_equal(ask_offset(fixture, version, i, 500).offset, 0);
            assert_int_equal(ask_offset(fixture, version, i, 500).timestamp, 1000);
            assert_int_equal(ask_offset(fixture, version, i, 1001).offset, -1);
            assert_int_equal(ask_offset(fixture, version, i, -3).timestamp, 1000);
            assert_int_equal(ask_offset(fixture, version, i, INT64_MAX).offset, -1);
            assert_int_equal(ask_offset(fixture, version, i, INT64_MIN).error_code, ERROR_INVALID_REQUEST);
        }
        assert_int_equal(ask_offset(fixture, version, 77, -1).error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(ask_offset(fixture, version, 0, -1).leader_epoch, version < 4 ? -1 : 0);
    }
}

static void a_batch_too_large_to_look_into_is_found_by_its_header(void **state)
{
    struct fixture *fixture = *state;
    const int32_t partition = partition_on(fixture, 1);
    struct topic_state *settings = box_partition(&fixture->box, 1, partition)->topic;
    const struct batch_recipe bomb = {
        .records = 4, .timestamp = 1000, .value_size = 50000, .compression = COMPRESSION_ZSTD};

    begin_produce(fixture, -1);
    add_produce(fixture, partition, &bomb);
    ask_produce(fixture, 9);
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_NONE);
    settings->config.max_decompressed_message_bytes = 100000;
    assert_int_equal(ask_offset(fixture, 7, partition, 900).offset, 0);
    assert_int_equal(ask_offset(fixture, 7, partition, 900).timestamp, 1000);
    assert_int_equal(ask_offset(fixture, 7, partition, 1001).offset, -1);
    assert_int_equal(ask_offset(fixture, 7, partition, -3).offset, 3);
    settings->config.max_decompressed_message_bytes = 1000000;
    assert_int_equal(ask_offset(fixture, 7, partition, -3).offset, 0);
}

/* Records in the batches, which must all be of this codec. */
static int32_t count_records(struct bytes rest, enum compression compression)
{
    struct batch_header header;
    struct bytes batch;
    int32_t count = 0;

    while (batch_next(&rest, &batch) == STATUS_OK) {
        assert_int_equal(batch_header_read(batch, &header), STATUS_OK);
        assert_true(batch_crc_matches(batch));
        assert_int_equal(header.compression, compression);
        count += header.record_count;
    }
    return count;
}

static void what_the_page_cache_lacks_a_worker_reads_first(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *reader = fixture->stream;

    produce_to(fixture, 0, PARTITIONS, 2);
    fixture->box.disk.cold = true;
    fixture->box.world.hold_jobs = true;
    begin_fetch(fixture, 0);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        add_fetch(fixture, i, 0);
    }
    send_fetch(fixture, 12);
    assert_false(fetch_answered(fixture, 12));
    /* The loop serves others meanwhile, and time that is up changes nothing. */
    world_sleep(&fixture->box.world, NS_PER_SECOND);
    fixture->stream = fixture->other;
    begin_fetch(fixture, 0);
    add_fetch(fixture, 0, 2);
    ask_fetch(fixture, 12);
    assert_int_equal(fetched(fixture, 0)->high_watermark, 2);
    fixture->stream = reader;
    assert_false(fetch_answered(fixture, 12));
    fixture->box.world.hold_jobs = false;
    world_run(&fixture->box.world);
    assert_true(fetch_answered(fixture, 12));
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(fetched(fixture, i)->error_code, ERROR_NONE);
        assert_int_equal(count_records(bytes_of(fetched(fixture, i)->records.data, fetched(fixture, i)->records.size),
                                       COMPRESSION_NONE),
                         2);
    }
}

static void a_connection_may_close_while_its_slices_are_read(void **state)
{
    struct fixture *fixture = *state;

    produce_to(fixture, 0, 1, 2);
    fixture->box.disk.cold = true;
    fixture->box.world.hold_jobs = true;
    begin_fetch(fixture, 30000);
    add_fetch(fixture, 0, 0);
    send_fetch(fixture, 12);
    stream_end(fixture->stream);
    world_run(&fixture->box.world);
    fixture->box.world.hold_jobs = false;
    world_run(&fixture->box.world);
    /* The teardown sees that nothing is left. */
}

/* --- batches that a worker takes apart --- */

/* Three batches of one idempotent producer, pipelined on two connections, the last of them of the topic's codec. */
static void send_three(struct fixture *fixture, int32_t partition)
{
    for (int32_t i = 0; i < 3; i++) {
        begin_produce(fixture, -1);
        add_produce(fixture, partition,
                    &(struct batch_recipe){.records = 2,
                                           .timestamp = 5,
                                           .value_size = 300,
                                           .producer_id = 9,
                                           .sequence = i * 2,
                                           .compression = i == 2 ? COMPRESSION_ZSTD : COMPRESSION_LZ4});
        box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    }
}

static void batches_that_are_converted_keep_their_order(void **state)
{
    struct fixture *fixture = *state;

    fixture->box.world.newest_first = true;
    for (uint32_t loop = 0; loop < 2; loop++) {
        const int32_t partition = partition_on(fixture, loop);
        struct partition *owner = box_partition(&fixture->box, 1, partition);

        owner->topic->config.compression_type = TOPIC_COMPRESSION_ZSTD;
        fixture->box.world.hold_jobs = true;
        send_three(fixture, partition);
        world_run(&fixture->box.world);
        assert_int_equal(partition_log_end_offset(owner->log), 0);
        fixture->box.world.hold_jobs = false;
        world_run(&fixture->box.world);
        for (int32_t i = 0; i < 3; i++) {
            assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
            assert_int_equal(produced(fixture, 0)->error_code, ERROR_NONE);
            assert_int_equal(produced(fixture, 0)->base_offset, i * 2);
        }
        begin_fetch(fixture, 0);
        add_fetch(fixture, partition, 0);
        ask_fetch(fixture, 12);
        assert_int_equal(fetched(fixture, 0)->error_code, ERROR_NONE);
        assert_int_equal(count_records(bytes_of(fetched(fixture, 0)->records.data, fetched(fixture, 0)->records.size),
                                       COMPRESSION_ZSTD), 6);
    }
}

static void a_batch_whose_partition_goes_while_it_is_converted_is_not_stored(void **state)
{
    struct fixture *fixture = *state;
    const int32_t partition = partition_on(fixture, 1);

    box_partition(&fixture->box, 1, partition)->topic->config.compression_type = TOPIC_COMPRESSION_GZIP;
    fixture->box.world.hold_jobs = true;
    begin_produce(fixture, -1);
    add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1});
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    world_run(&fixture->box.world);
    replica_set_stop(&fixture->box.shards[1].replicas);
    fixture->box.world.hold_jobs = false;
    world_run(&fixture->box.world);
    assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

static void a_batch_that_cannot_be_converted_holds_up_nobody(void **state)
{
    struct fixture *fixture = *state;
    const int32_t partition = partition_on(fixture, 0);
    struct topic_config *config = &box_partition(&fixture->box, 1, partition)->topic->config;

    config->cleanup_compact = true;
    fixture->box.world.hold_jobs = true;
    for (int32_t i = 0; i < 2; i++) {
        begin_produce(fixture, 1);
        add_produce(fixture, partition, &(struct batch_recipe){.timestamp = 1, .no_key = i == 0});
        box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    }
    fixture->box.world.hold_jobs = false;
    world_run(&fixture->box.world);
    assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_INVALID_RECORD);
    assert_true(produced(fixture, 0)->error_message.size > 0);
    assert_true(box_take(fixture->stream, API_PRODUCE, 9, &fixture->arena, &fixture->produced));
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_NONE);
    assert_int_equal(produced(fixture, 0)->base_offset, 0);
}

/* --- stopping --- */

static void a_loop_that_stops_leaves_its_logs_alone(void **state)
{
    struct fixture *fixture = *state;
    const int32_t far = partition_on(fixture, 1);

    replica_set_stop(&fixture->box.shards[1].replicas);
    begin_produce(fixture, -1);
    add_produce(fixture, far, &(struct batch_recipe){.timestamp = 1});
    add_produce(fixture, 1 - far, &(struct batch_recipe){.timestamp = 1});
    ask_produce(fixture, 9);
    assert_int_equal(produced(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(produced(fixture, 1)->error_code, ERROR_NONE);
    begin_fetch(fixture, 30000);
    add_fetch(fixture, far, 0);
    ask_fetch(fixture, 12);
    assert_int_equal(fetched(fixture, 0)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(ask_offset(fixture, 5, far, -1).error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
}

static void a_node_stops_with_requests_of_all_kinds_in_flight(void **state)
{
    struct fixture *fixture = *state;

    fixture->box.world.hold_jobs = true;
    begin_produce(fixture, -1);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        add_produce(fixture, i, &(struct batch_recipe){.timestamp = 1});
    }
    box_send(&fixture->box, fixture->stream, API_PRODUCE, 9, &fixture->produce);
    begin_fetch(fixture, 30000);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        add_fetch(fixture, i, 0);
    }
    box_send(&fixture->box, fixture->other, API_FETCH, 12, &fixture->fetch);
    world_turn(&fixture->box.world, 0);
    /* The teardown stops it. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_partitions_are_of_both_loops),
        TEST(batches_for_both_loops_are_stored_and_read_back),
        TEST(every_version_of_produce_is_answered),
        TEST(two_batches_for_one_partition_keep_their_order),
        TEST(pipelined_sequences_arrive_in_order),
        TEST(what_cannot_be_stored_is_refused_one_by_one),
        TEST(acks_zero_is_silent_unless_something_fails),
        TEST(a_produce_that_is_not_kept_in_time_is_told),
        TEST(a_producer_may_leave_before_it_is_answered),
        TEST(leaders_elsewhere_are_named_with_the_clients_listener),
        TEST(a_fetch_waits_for_data_on_either_loop),
        TEST(a_fetch_answers_when_its_time_is_up),
        TEST(a_fetch_may_be_told_to_wait_for_much),
        TEST(a_fetch_and_a_busy_loop_do_not_get_in_each_others_way),
        TEST(a_consumer_may_leave_at_any_time),
        TEST(a_partition_that_goes_away_ends_the_wait),
        TEST(a_role_that_is_lost_between_look_and_watch_ends_the_wait),
        TEST(an_epoch_that_changes_between_look_and_watch_ends_the_wait),
        TEST(offsets_and_epochs_that_are_wrong_are_told_at_once),
        TEST(an_answer_holds_no_more_than_the_client_allows),
        TEST(sessions_tell_what_is_new),
        TEST(who_says_to_be_a_replica_is_not_served),
        TEST(offsets_are_told_in_every_version),
        TEST(a_batch_too_large_to_look_into_is_found_by_its_header),
        TEST(a_loop_that_stops_leaves_its_logs_alone),
        TEST(what_the_page_cache_lacks_a_worker_reads_first),
        TEST(a_connection_may_close_while_its_slices_are_read),
        TEST(batches_that_are_converted_keep_their_order),
        TEST(a_batch_whose_partition_goes_while_it_is_converted_is_not_stored),
        TEST(a_batch_that_cannot_be_converted_holds_up_nobody),
        TEST(a_node_stops_with_requests_of_all_kinds_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
