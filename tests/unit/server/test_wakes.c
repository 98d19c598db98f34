/* Fetches that wait: woken when there may be enough, not by each record, and many of them in turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "storage-node/server/wakes.h"
#include "tests/unit/server/batches.h"
#include "tests/unit/server/box.h"
#include "wire/fetch.h"
#include "wire/produce.h"

#define PARTITIONS 4
#define ROWS_MAX 100

struct fixture {
    struct box box;
    struct fake_stream *consumer;
    struct fake_stream *producer;
    struct arena arena;
    struct prng prng;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    box_init(&fixture->box);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    maker_add_broker(&fixture->box.maker, 1, "one", false);
    maker_add_topic(&fixture->box.maker, "events", 1, PARTITIONS, 1);
    box_apply(&fixture->box);
    fixture->consumer = box_connect(&fixture->box, 0);
    fixture->producer = box_connect(&fixture->box, 0);
    prng_init(&fixture->prng, 7);
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

/* One batch; how many bytes. */
static size_t produce(struct fixture *fixture, int32_t partition, int32_t records)
{
    const struct space batch = batch_make(&(struct batch_recipe){.records = records, .timestamp = 1});
    struct produce_request_topic_data_partition_data row;
    struct produce_request_topic_data topic;
    struct produce_request request;
    struct produce_response response;

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&row);
    request.acks = -1;
    request.timeout_ms = 5000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = STRING("events");
    topic.partition_data = &row;
    topic.partition_data_count = 1;
    row.index = partition;
    row.records.data = batch.data;
    row.records.size = batch.size;
    box_ask(&fixture->box, fixture->producer, API_PRODUCE, 9, &request, &fixture->arena, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code, ERROR_NONE);
    memory_free(batch.data);
    return batch.size;
}

/* Row i is of partition i modulo `partitions`, from its end on. */
static void send_fetch(struct fixture *fixture, int32_t min_bytes, int32_t rows_count, int32_t partitions)
{
    struct fetch_request_topics_partitions rows[ROWS_MAX];
    struct fetch_request_topics topic;
    struct fetch_request request;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    request.max_wait_ms = 100000;
    request.min_bytes = min_bytes;
    request.topics = &topic;
    request.topics_count = 1;
    topic.topic = STRING("events");
    topic.partitions = rows;
    topic.partitions_count = rows_count;
    for (int32_t i = 0; i < rows_count; i++) {
        fetch_request_topics_partitions_init(&rows[i]);
        rows[i].partition = i % partitions;
        rows[i].fetch_offset = box_partition(&fixture->box, 1, i % partitions)->high_watermark;
        rows[i].partition_max_bytes = 1 << 20;
    }
    box_send(&fixture->box, fixture->consumer, API_FETCH, 12, &request);
    world_run(&fixture->box.world);
}

static bool answered(struct fixture *fixture)
{
    struct fetch_response response;

    return box_take(fixture->consumer, API_FETCH, 12, &fixture->arena, &response);
}

static size_t watches(struct fixture *fixture, int32_t partition)
{
    size_t count = 0;

    LIST_EACH(link, &box_partition(&fixture->box, 1, partition)->watches)
    {
        count++;
    }
    return count;
}

/* --- enough --- */

static void a_fetch_is_answered_by_the_very_batch_that_makes_it_enough(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 300; round++) {
        const int32_t partitions = 1 + (int32_t)(prng_next(&fixture->prng) % PARTITIONS);
        const size_t wanted = 1 + prng_next(&fixture->prng) % 3000;
        size_t had = 0;

        send_fetch(fixture, (int32_t)wanted, partitions, partitions);
        while (had < wanted) {
            assert_false(answered(fixture));
            had += produce(fixture, (int32_t)(prng_next(&fixture->prng) % (uint64_t)partitions),
                           1 + (int32_t)(prng_next(&fixture->prng) % 20));
        }
        assert_true(answered(fixture));
    }
}

static void a_fetch_that_waits_for_much_is_not_woken_by_each_record(void **state)
{
    struct fixture *fixture = *state;
    const struct list *watch[PARTITIONS];

    send_fetch(fixture, 1000000, PARTITIONS, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(watches(fixture, i), 1);
        watch[i] = box_partition(&fixture->box, 1, i)->watches.next;
    }
    for (int32_t i = 0; i < 200; i++) {
        /* Woken, it would watch anew, behind what it has seen. */
        const int64_t offset = LIST_ENTRY(watch[i % PARTITIONS], struct fetch_watch, link)->offset;

        (void)produce(fixture, i % PARTITIONS, 2);
        assert_int_equal(LIST_ENTRY(watch[i % PARTITIONS], struct fetch_watch, link)->offset, offset);
        assert_int_equal(offset, 0);
    }
    assert_false(answered(fixture));
}

static void a_fetch_that_names_a_partition_often_watches_it_once(void **state)
{
    struct fixture *fixture = *state;

    send_fetch(fixture, 1, ROWS_MAX, 2);
    assert_int_equal(watches(fixture, 0), 1);
    assert_int_equal(watches(fixture, 1), 1);
    (void)produce(fixture, 1, 1);
    assert_true(answered(fixture));
    assert_int_equal(watches(fixture, 0), 0);
    assert_int_equal(watches(fixture, 1), 0);
}

static void many_fetches_that_one_record_wakes_are_all_answered(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *consumers[200];

    for (size_t i = 0; i < 200; i++) {
        consumers[i] = box_connect(&fixture->box, 0);
        fixture->consumer = consumers[i];
        send_fetch(fixture, 1, ROWS_MAX, PARTITIONS);
    }
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        assert_int_equal(watches(fixture, partition), 200);
    }
    (void)produce(fixture, 2, 1);
    world_sleep(&fixture->box.world, NS_PER_MS);
    for (size_t i = 0; i < 200; i++) {
        fixture->consumer = consumers[i];
        assert_true(answered(fixture));
    }
}

/* --- turns --- */

struct looker {
    struct wake wake;
    size_t *count;
};

static void looker_look(struct wake *wake)
{
    (*CONTAINER_OF(wake, struct looker, wake)->count)++;
}

static void woken_fetches_look_in_turns_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = &fixture->box.world;
    struct looker lookers[10];
    struct wakes wakes;
    size_t count = 0;

    wakes_init(&wakes, world_env(world, 0));
    for (size_t i = 0; i < 10; i++) {
        lookers[i] = (struct looker){.wake = {.partitions = WAKES_PER_TURN / 2, .look = looker_look}, .count = &count};
        list_init(&lookers[i].wake.link);
        wakes_add(&wakes, &lookers[i].wake);
    }
    /* Two of them, with what they cost beside, fill a turn. */
    assert_int_equal(count, 2);
    assert_true(list_empty(&lookers[1].wake.link));
    assert_false(list_empty(&lookers[2].wake.link));
    /* One thinks better of it. */
    list_remove(&lookers[3].wake.link);
    world_sleep(world, 1);
    assert_int_equal(count, 4);
    assert_true(list_empty(&lookers[4].wake.link));
    assert_false(list_empty(&lookers[5].wake.link));
    world_sleep(world, NS_PER_MS);
    assert_int_equal(count, 9);
    wakes_deinit(&wakes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_fetch_is_answered_by_the_very_batch_that_makes_it_enough),
        TEST(a_fetch_that_waits_for_much_is_not_woken_by_each_record),
        TEST(a_fetch_that_names_a_partition_often_watches_it_once),
        TEST(many_fetches_that_one_record_wakes_are_all_answered),
        TEST(woken_fetches_look_in_turns_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
