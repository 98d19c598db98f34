/* Partitions of a loop: append, write, sync, high watermark, and everybody who waits for one of them; opening, closing
 * and failing in the middle of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "storage-node/replica/replica_set.h"
#include "tests/support/memory_disk.h"
#include "tests/unit/rpc/world.h"
#include "tests/unit/server/batches.h"

#include <stdio.h>

#define WAITS_MAX 64

struct fixture {
    struct world world;
    struct memory_disk disk;
    struct replica_set set;
    struct topic_config config;
    struct log_config log;
    int64_t checkpoint; /* what the checkpoints say of the next partition to be opened */
    bool set_gone;
    size_t opened;
    enum status opened_status;
    size_t directory_failures;
    size_t names_taken; /* late ... */
    size_t names_taken_early;
    /* In the order in which they were called. */
    size_t waits_done[WAITS_MAX];
    enum status waits_status[WAITS_MAX];
    size_t wait_count;
    size_t woken;
};

struct wait {
    struct append_wait wait;
    struct fixture *fixture;
    size_t number;
    struct space batch;
    struct append_result result;
};

static void on_name_taken(void *context, const char *path, bool late)
{
    struct fixture *fixture = context;

    assert_string_equal(path, "/data/events-3");
    fixture->names_taken += late ? 1 : 0;
    fixture->names_taken_early += late ? 0 : 1;
}

static void on_directory_failed(void *context, uint16_t directory, enum status status)
{
    struct fixture *fixture = context;

    (void)directory;
    (void)status;
    fixture->directory_failures++;
}

static void on_opened(void *context, struct partition *partition, enum status status)
{
    struct fixture *fixture = context;

    (void)partition;
    fixture->opened++;
    fixture->opened_status = status;
}

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));
    struct replica_set_options options = {
        .files_open_max = 100,
        .check_interval_ns = 300 * NS_PER_SECOND,
        .directory_failed = on_directory_failed,
        .opened = on_opened,
        .name_taken = on_name_taken,
    };

    world_init(&fixture->world);
    memory_disk_init(&fixture->disk, 1);
    world_set_disk(&fixture->world, &fixture->disk.disk);
    assert_int_equal(disk_make_directories(&fixture->disk.disk, "/data"), STATUS_OK);
    fixture->config = (struct topic_config){.max_message_bytes = 1000000};
    fixture->log = (struct log_config){.durability = DURABILITY_FSYNC,
                                       .segment_bytes = 1 << 20,
                                       .segment_ms = INT64_MAX,
                                       .segment_index_bytes = 1 << 16,
                                       .index_interval_bytes = 4096,
                                       .retention_ms = -1,
                                       .retention_bytes = -1,
                                       .flush_messages = INT64_MAX,
                                       .flush_ms = INT64_MAX,
                                       .producer_expiry_ms = INT64_MAX,
                                       .delete_old = true};
    options.env = world_env(&fixture->world, 0);
    options.context = fixture;
    replica_set_init(&fixture->set, &options);
    *state = fixture;
    return 0;
}

static void stop_set(struct fixture *fixture)
{
    replica_set_stop(&fixture->set);
    world_run(&fixture->world);
    assert_true(replica_set_settled(&fixture->set));
    replica_set_detach(&fixture->set);
    replica_set_shutdown(&fixture->set);
    replica_set_deinit(&fixture->set);
    fixture->set_gone = true;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->world.hold_jobs = false;
    fixture->disk.fail_at = 0;
    world_run(&fixture->world);
    if (!fixture->set_gone) {
        stop_set(fixture);
    }
    world_run(&fixture->world);
    world_deinit(&fixture->world);
    memory_disk_deinit(&fixture->disk);
    memory_free(fixture);
    return 0;
}

static struct uuid topic_id(uint8_t number)
{
    struct uuid id = {{9}};

    id.data[15] = number;
    return id;
}

static void open_partition(struct fixture *fixture, uint8_t topic, bool leader, int32_t epoch)
{
    const struct replica_options options = {
        .topic_id = topic_id(topic),
        .topic = STRING("events"),
        .config = &fixture->config,
        .log = &fixture->log,
        .partition = 3,
        .leader = leader,
        .leader_epoch = epoch,
        .path = "/data/events-3",
        .recovery_point = fixture->checkpoint,
        .log_start_offset = fixture->checkpoint,
        .clean = false,
    };

    replica_set_open(&fixture->set, &options);
}

static void begin_partition(struct fixture *fixture, uint8_t topic)
{
    const struct replica_options options = {
        .topic_id = topic_id(topic),
        .topic = STRING("events"),
        .config = &fixture->config,
        .log = &fixture->log,
        .partition = 3,
        .leader = true,
        .leader_epoch = 1,
        .path = "/data/events-3",
        .fresh = true,
    };

    replica_set_open(&fixture->set, &options);
}

static struct partition *partition_of(struct fixture *fixture, uint8_t topic)
{
    return replica_set_find(&fixture->set, topic_id(topic), 3);
}

static struct partition *open_leader(struct fixture *fixture)
{
    open_partition(fixture, 1, true, 5);
    world_run(&fixture->world);
    assert_int_equal(fixture->opened_status, STATUS_OK);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_ONLINE);
    return partition_of(fixture, 1);
}

static void on_wait(struct append_wait *base, enum status status)
{
    struct wait *wait = CONTAINER_OF(base, struct wait, wait);
    struct fixture *fixture = wait->fixture;

    assert_true(fixture->wait_count < WAITS_MAX);
    fixture->waits_done[fixture->wait_count] = wait->number;
    fixture->waits_status[fixture->wait_count] = status;
    fixture->wait_count++;
    /* Whoever waited may let go of the batch now: nobody may look at it any more. */
    memset(wait->batch.data, 0xdd, wait->batch.size);
    memory_free(wait->batch.data);
    wait->batch.data = NULL;
}

static void append(struct fixture *fixture, struct partition *partition, struct wait *wait, size_t number,
                   bool committed,
                   const struct batch_recipe *recipe)
{
    static const struct batch_recipe PLAIN = {.records = 2};

    *wait = (struct wait){.fixture = fixture, .number = number};
    wait->batch = batch_make(recipe != NULL ? recipe : &PLAIN);
    list_init(&wait->wait.link);
    wait->wait.committed = committed;
    wait->wait.done = on_wait;
    assert_true(partition_append(partition, wait->batch, &wait->wait, &wait->result) <= APPEND_DUPLICATE);
}

static void on_wake(struct fetch_watch *watch);

struct watch {
    struct fetch_watch watch;
    struct fixture *fixture;
    bool woken;
};

static void on_wake(struct fetch_watch *watch)
{
    struct watch *mine = CONTAINER_OF(watch, struct watch, watch);

    assert_false(mine->woken);
    mine->woken = true;
    mine->fixture->woken++;
}

static void watch(struct fixture *fixture, struct partition *partition, struct watch *watch, int64_t offset)
{
    *watch = (struct watch){.fixture = fixture};
    list_init(&watch->watch.link);
    watch->watch.offset = offset;
    watch->watch.wake = on_wake;
    partition_watch(partition, &watch->watch);
}

static size_t slice_size(struct partition *partition, int64_t offset)
{
    struct log_slice slice;
    size_t size;

    assert_int_equal(
        partition_log_read(partition->log, offset, partition->high_watermark, 1 << 20, true, &slice), STATUS_OK);
    size = slice.size;
    file_unref(slice.file);
    return size;
}

/* --- new partitions --- */

static bool name_is_taken(struct fixture *fixture)
{
    return disk_make_directory(&fixture->disk.disk, "/data/events-3") == STATUS_EXISTS;
}

static void a_new_partition_is_online_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct wait wait;

    fixture->world.hold_jobs = true;
    begin_partition(fixture, 1);
    assert_int_equal(fixture->opened, 1);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_ONLINE);
    fixture->world.hold_jobs = false;
    append(fixture, partition_of(fixture, 1), &wait, 0, true, NULL);
    world_run(&fixture->world);
    assert_int_equal(fixture->waits_status[0], STATUS_OK);
    assert_int_equal(wait.result.base_offset, 0);
    assert_true(name_is_taken(fixture));
}

static void a_new_partition_that_nobody_wrote_to_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;

    begin_partition(fixture, 1);
    replica_set_close(&fixture->set, partition_of(fixture, 1), true);
    world_run(&fixture->world);
    assert_false(name_is_taken(fixture));
}

/* A deleted topic's directory is still there when its namesake is written to. */
static void a_new_partition_waits_for_its_predecessors_directory(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition;
    struct wait waits[2];

    begin_partition(fixture, 1);
    append(fixture, partition_of(fixture, 1), &waits[0], 0, true, NULL);
    world_run(&fixture->world);
    begin_partition(fixture, 2);
    partition = partition_of(fixture, 2);
    append(fixture, partition, &waits[0], 1, true, NULL);
    append(fixture, partition, &waits[1], 2, false, NULL);
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 3);
    assert_int_equal(fixture->waits_status[1], STATUS_NOT_LEADER);
    assert_int_equal(fixture->waits_status[2], STATUS_NOT_LEADER);
    assert_int_equal(partition->state, PARTITION_LOADING);
    replica_set_close(&fixture->set, partition_of(fixture, 1), true);
    world_run(&fixture->world);
    world_sleep(&fixture->world, 100 * NS_PER_MS);
    world_run(&fixture->world);
    assert_int_equal(partition->state, PARTITION_ONLINE);
    append(fixture, partition, &waits[0], 3, true, NULL);
    world_run(&fixture->world);
    assert_int_equal(fixture->waits_status[3], STATUS_OK);
    assert_int_equal(waits[0].result.base_offset, 0);
}

/* --- the way of a batch --- */

static void acks_all_waits_for_the_sync_acks_one_for_the_write(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait all;
    struct wait one;
    struct watch reader;

    fixture->world.hold_jobs = true;
    watch(fixture, partition, &reader, 0);
    append(fixture, partition, &all, 0, true, NULL);
    append(fixture, partition, &one, 1, false, NULL);
    assert_int_equal(all.result.base_offset, 0);
    assert_int_equal(one.result.base_offset, 2);
    assert_int_equal(fixture->wait_count, 0);
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_done[0], 1);
    assert_int_equal(partition->high_watermark, 0);
    assert_false(reader.woken);
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 2);
    assert_int_equal(fixture->waits_done[1], 0);
    assert_int_equal(fixture->waits_status[1], STATUS_OK);
    assert_int_equal(partition->high_watermark, 4);
    assert_int_equal(partition_log_durable_end(partition->log), 4);
    assert_true(reader.woken);
    assert_true(slice_size(partition, 0) > 0);
}

static void waits_end_in_the_order_of_their_offsets(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait waits[20];

    for (size_t turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < 5; i++) {
            append(fixture, partition, &waits[turn * 5 + i], turn * 5 + i, true, NULL);
        }
        /* Some turns find a sync in flight. */
        world_turn(&fixture->world, 0);
    }
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(fixture->waits_done[i], i);
        assert_int_equal(fixture->waits_status[i], STATUS_OK);
    }
    assert_int_equal(partition->high_watermark, 40);
}

static void one_sync_serves_all_that_was_written_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait waits[30];
    uint64_t syncs;

    world_run(&fixture->world);
    syncs = fixture->disk.syncs;
    fixture->world.hold_jobs = true;
    for (size_t i = 0; i < 30; i++) {
        append(fixture, partition, &waits[i], i, true, NULL);
        world_run(&fixture->world);
    }
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 30);
    assert_true(fixture->disk.syncs - syncs <= 4);
}

static void classes_without_fsync_commit_what_is_written(void **state)
{
    static const enum durability CLASSES[] = {DURABILITY_INTERVAL, DURABILITY_MEMORY};
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);

    fixture->world.hold_jobs = true;
    for (size_t i = 0; i < 2; i++) {
        struct log_config log = fixture->log;
        struct wait wait;

        log.durability = CLASSES[i];
        replica_set_configure(&fixture->set, topic_id(1), &fixture->config, &log);
        append(fixture, partition, &wait, i, true, NULL);
        world_run(&fixture->world);
        assert_int_equal(fixture->wait_count, i + 1);
        assert_int_equal(partition->high_watermark, 2 * (i + 1));
        assert_int_equal(partition_log_durable_end(partition->log), 0);
    }
}

static void a_duplicate_waits_for_its_first_copy(void **state)
{
    static const struct batch_recipe IDEMPOTENT = {.records = 3, .producer_id = 77};
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait first;
    struct wait again;

    fixture->world.hold_jobs = true;
    append(fixture, partition, &first, 0, true, &IDEMPOTENT);
    world_run(&fixture->world);
    append(fixture, partition, &again, 1, true, &IDEMPOTENT);
    world_run(&fixture->world);
    assert_int_equal(again.result.base_offset, 0);
    assert_int_equal(fixture->wait_count, 0);
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 2);
    assert_int_equal(partition->high_watermark, 3);
    append(fixture, partition, &again, 2, true, &IDEMPOTENT);
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 3);
}

/* --- watches --- */

static void a_watch_behind_the_high_watermark_is_woken_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct watch late;
    struct watch early;
    struct wait wait;

    append(fixture, partition, &wait, 0, true, NULL);
    world_run(&fixture->world);
    watch(fixture, partition, &late, 0);
    watch(fixture, partition, &early, 2);
    assert_false(late.woken);
    world_run(&fixture->world);
    assert_true(late.woken);
    assert_false(early.woken);
    /* Also if the partition is to be written in this turn anyway, and nothing of that is committed yet. */
    fixture->world.hold_jobs = true;
    append(fixture, partition, &wait, 1, true, NULL);
    watch(fixture, partition, &late, 1);
    world_run(&fixture->world);
    assert_true(late.woken);
    assert_false(early.woken);
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_true(early.woken);
}

static void changes_of_the_role_wake_watches_and_end_waits(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct watch reader;
    struct wait wait;

    watch(fixture, partition, &reader, 0);
    append(fixture, partition, &wait, 0, true, NULL);
    /* In the same turn: the log has the batch still to write, from memory that the wait gives back. */
    partition_set_role(partition, false, 6);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_status[0], STATUS_NOT_LEADER);
    assert_true(reader.woken);
    world_run(&fixture->world);
    assert_int_equal(partition_log_written_end(partition->log), 2);
    partition_set_role(partition, true, 7);
    append(fixture, partition, &wait, 1, true, NULL);
    assert_int_equal(wait.result.base_offset, 2);
    world_run(&fixture->world);
    assert_int_equal(fixture->waits_status[1], STATUS_OK);
    assert_int_equal(partition_log_epoch_of(partition->log, 1), 5);
    assert_int_equal(partition_log_epoch_of(partition->log, 2), 7);
}

/* --- failing --- */

static void a_failing_directory_ends_waits_without_borrowing_on(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct watch reader;
    struct wait wait;

    watch(fixture, partition, &reader, 0);
    append(fixture, partition, &wait, 0, true, NULL);
    replica_set_fail_directory(&fixture->set, 0);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_status[0], STATUS_IO);
    assert_true(reader.woken);
    assert_int_equal(partition->state, PARTITION_OFFLINE);
    world_run(&fixture->world);
    assert_true(replica_set_settled(&fixture->set));
    assert_false(replica_set_left_clean(&fixture->set, 0));
}

static void a_write_error_ends_waits_and_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct append_result result;
    struct space batch;
    struct wait wait;

    fixture->disk.fail_at = fixture->disk.operations + 1;
    append(fixture, partition, &wait, 0, true, NULL);
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_status[0], STATUS_IO);
    assert_int_equal(fixture->directory_failures, 1);
    batch = batch_make(&(struct batch_recipe){.records = 1});
    assert_int_equal(partition_append(partition, batch, NULL, &result), APPEND_FAILED);
    memory_free(batch.data);
    replica_set_fail_directory(&fixture->set, 0);
}

static void a_sync_error_ends_waits_and_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait one;
    struct wait all;

    append(fixture, partition, &one, 0, false, NULL);
    append(fixture, partition, &all, 1, true, NULL);
    fixture->world.hold_jobs = true;
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_status[0], STATUS_OK);
    fixture->disk.fail_at = fixture->disk.operations + 1;
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(fixture->wait_count, 2);
    assert_int_equal(fixture->waits_status[1], STATUS_IO);
    assert_int_equal(fixture->directory_failures, 1);
    assert_int_equal(partition->high_watermark, 0);
    replica_set_fail_directory(&fixture->set, 0);
}

static void a_log_that_opens_in_a_failed_directory_stays_offline(void **state)
{
    struct fixture *fixture = *state;

    fixture->world.hold_jobs = true;
    open_partition(fixture, 1, true, 5);
    world_run(&fixture->world);
    replica_set_fail_directory(&fixture->set, 0);
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_OFFLINE);
    assert_int_equal(fixture->opened_status, STATUS_IO);
    assert_null(partition_of(fixture, 1)->log);
}

/* --- closing --- */

static bool directory_is_there(struct fixture *fixture)
{
    uint64_t size;

    return disk_file_size(&fixture->disk.disk, "/data/events-3/partition.metadata", &size) == STATUS_OK;
}

static void closing_while_a_sync_is_in_flight_waits_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct watch reader;
    struct wait wait;

    watch(fixture, partition, &reader, 0);
    append(fixture, partition, &wait, 0, true, NULL);
    fixture->world.hold_jobs = true;
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition, true);
    assert_int_equal(fixture->wait_count, 1);
    assert_int_equal(fixture->waits_status[0], STATUS_NOT_FOUND);
    assert_true(reader.woken);
    assert_null(partition_of(fixture, 1));
    world_run(&fixture->world);
    assert_false(replica_set_settled(&fixture->set));
    assert_true(directory_is_there(fixture));
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_true(replica_set_settled(&fixture->set));
    assert_false(directory_is_there(fixture));
}

static void closing_in_the_turn_of_an_append_writes_what_was_appended(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait wait;

    append(fixture, partition, &wait, 0, true, NULL);
    replica_set_close(&fixture->set, partition, false);
    assert_int_equal(fixture->wait_count, 1);
    world_run(&fixture->world);
    partition = open_leader(fixture);
    assert_int_equal(partition_log_end_offset(partition->log), 2);
    assert_int_equal(partition->high_watermark, 2);
}

static void closing_survives_a_write_error_in_its_turn(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait wait;

    append(fixture, partition, &wait, 0, true, NULL);
    fixture->disk.fail_at = fixture->disk.operations + 1;
    replica_set_close(&fixture->set, partition, false);
    world_run(&fixture->world);
    assert_int_equal(fixture->directory_failures, 1);
    assert_int_equal(fixture->wait_count, 1);
    assert_true(replica_set_settled(&fixture->set));
}

static void closing_survives_a_sync_error_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait wait;

    append(fixture, partition, &wait, 0, true, NULL);
    fixture->world.hold_jobs = true;
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition, true);
    fixture->disk.fail_at = fixture->disk.operations + 1;
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_true(replica_set_settled(&fixture->set));
    assert_int_equal(fixture->directory_failures, 1);
}

static void a_partition_may_be_closed_while_it_is_loading(void **state)
{
    struct fixture *fixture = *state;

    fixture->world.hold_jobs = true;
    open_partition(fixture, 1, true, 5);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition_of(fixture, 1), true);
    assert_null(partition_of(fixture, 1));
    assert_false(replica_set_settled(&fixture->set));
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_true(replica_set_settled(&fixture->set));
    assert_int_equal(fixture->opened, 0);
    assert_false(directory_is_there(fixture));
}

static void a_topic_made_anew_waits_until_the_old_one_has_left_its_directory(void **state)
{
    struct fixture *fixture = *state;
    struct partition *old = open_leader(fixture);
    struct wait wait;

    append(fixture, old, &wait, 0, true, NULL);
    fixture->world.hold_jobs = true;
    world_run(&fixture->world);
    replica_set_close(&fixture->set, old, true);
    open_partition(fixture, 2, true, 0);
    world_run(&fixture->world);
    fixture->world.hold_jobs = false;
    world_sleep(&fixture->world, NS_PER_SECOND);
    assert_non_null(partition_of(fixture, 2));
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_ONLINE);
    assert_int_equal(partition_of(fixture, 2)->high_watermark, 0);
    assert_int_equal(partition_log_end_offset(partition_of(fixture, 2)->log), 0);
}

static void a_directory_of_another_topic_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct partition *old = open_leader(fixture);
    struct wait wait;

    append(fixture, old, &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, old, false);
    world_run(&fixture->world);
    /* It cannot be opened, and is deleted while it still tries. */
    open_partition(fixture, 2, true, 0);
    world_run(&fixture->world);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_LOADING);
    replica_set_close(&fixture->set, partition_of(fixture, 2), true);
    world_sleep(&fixture->world, 10 * NS_PER_SECOND);
    assert_true(replica_set_settled(&fixture->set));
    old = open_leader(fixture);
    assert_int_equal(partition_log_end_offset(old->log), 2);
}

static void a_name_that_stays_taken_ends_offline(void **state)
{
    struct fixture *fixture = *state;
    struct wait wait;

    append(fixture, open_leader(fixture), &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition_of(fixture, 1), false);
    world_run(&fixture->world);
    open_partition(fixture, 2, true, 0);
    world_sleep(&fixture->world, 700 * NS_PER_SECOND);
    assert_int_equal(fixture->opened_status, STATUS_EXISTS);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_OFFLINE);
    assert_false(replica_set_left_clean(&fixture->set, 0));
    replica_set_close(&fixture->set, partition_of(fixture, 2), true);
    world_run(&fixture->world);
    assert_true(directory_is_there(fixture));
}

static void a_name_that_becomes_free_late_is_taken_without_the_old_checkpoints(void **state)
{
    struct fixture *fixture = *state;
    struct partition *old = open_leader(fixture);
    struct wait wait;

    append(fixture, old, &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, old, false);
    world_run(&fixture->world);
    fixture->checkpoint = 2;
    open_partition(fixture, 2, true, 0);
    world_sleep(&fixture->world, 60 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_LOADING);
    replica_set_remove_directory(&fixture->set, "/data/events-3");
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_ONLINE);
    assert_int_equal(partition_log_end_offset(partition_of(fixture, 2)->log), 0);
    assert_int_equal(partition_log_start_offset(partition_of(fixture, 2)->log), 0);
}

static void what_is_left_of_anothers_directory_is_not_taken_over(void **state)
{
    struct fixture *fixture = *state;
    struct partition *old = open_leader(fixture);
    struct wait wait;

    append(fixture, old, &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, old, false);
    world_run(&fixture->world);
    open_partition(fixture, 2, true, 0);
    world_sleep(&fixture->world, NS_PER_SECOND);
    /* Its removal begins with the file that says whose it is, and gets no further. */
    assert_int_equal(disk_remove(&fixture->disk.disk, "/data/events-3/partition.metadata"), STATUS_OK);
    world_sleep(&fixture->world, 3 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_LOADING);
    assert_int_equal(fixture->names_taken, 0);
    assert_in_range(fixture->names_taken_early, 2, 10);
    world_sleep(&fixture->world, 5 * NS_PER_SECOND);
    assert_true(fixture->names_taken > 0);
    replica_set_remove_directory(&fixture->set, "/data/events-3");
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 2)->state, PARTITION_ONLINE);
    assert_int_equal(partition_log_end_offset(partition_of(fixture, 2)->log), 0);
}

static void name_seen(void *context, const char *name, enum disk_kind kind)
{
    char *seen = context;

    if (kind == DISK_DIRECTORY) {
        snprintf(seen, 256, "%s", name);
    }
}

/* See docs/decisions/0008-whose-directory.md. */
static void records_that_do_not_say_whose_they_are_are_set_aside_and_kept(void **state)
{
    struct fixture *fixture = *state;
    char seen[256] = "";
    char path[512];
    struct wait wait;

    append(fixture, open_leader(fixture), &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition_of(fixture, 1), false);
    world_run(&fixture->world);
    assert_int_equal(disk_remove(&fixture->disk.disk, "/data/events-3/partition.metadata"), STATUS_OK);
    fixture->checkpoint = 2;
    open_partition(fixture, 1, true, 0);
    world_sleep(&fixture->world, 10 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_LOADING);
    assert_true(fixture->names_taken > 0);
    replica_set_keep_directory(&fixture->set, "/data/events-3");
    assert_int_equal(disk_list(&fixture->disk.disk, "/data", name_seen, seen), STATUS_OK);
    assert_memory_equal(seen, "events-3.", 9);
    assert_string_equal(seen + strlen(seen) - 6, "-stray");
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_ONLINE);
    assert_int_equal(partition_log_end_offset(partition_of(fixture, 1)->log), 0);
    assert_int_equal(partition_log_start_offset(partition_of(fixture, 1)->log), 0);
    snprintf(path, sizeof(path), "/data/%s/00000000000000000000.log", seen);
    assert_non_null(memory_disk_contents(&fixture->disk, path));
    assert_true(memory_disk_contents(&fixture->disk, path)->size > 0);
}

static void a_directory_goes_although_a_full_disk_has_no_room_for_its_longer_name(void **state)
{
    struct fixture *fixture = *state;
    struct wait wait;

    append(fixture, open_leader(fixture), &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition_of(fixture, 1), false);
    world_run(&fixture->world);
    assert_non_null(memory_disk_contents(&fixture->disk, "/data/events-3/00000000000000000000.log"));
    fixture->disk.fail_at = 1;
    fixture->disk.fail_status = STATUS_NO_SPACE;
    replica_set_remove_directory(&fixture->set, "/data/events-3");
    fixture->disk.fail_at = 0;
    world_run(&fixture->world);
    assert_null(memory_disk_contents(&fixture->disk, "/data/events-3/00000000000000000000.log"));
    assert_int_equal(disk_make_directory(&fixture->disk.disk, "/data/events-3"), STATUS_OK);
}

static void a_full_disk_is_waited_for_at_the_opening(void **state)
{
    struct fixture *fixture = *state;
    struct wait wait;

    append(fixture, open_leader(fixture), &wait, 0, true, NULL);
    world_run(&fixture->world);
    replica_set_close(&fixture->set, partition_of(fixture, 1), false);
    world_run(&fixture->world);
    fixture->disk.fail_at = 1;
    fixture->disk.fail_status = STATUS_NO_SPACE;
    open_partition(fixture, 1, true, 0);
    world_sleep(&fixture->world, 60 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_LOADING);
    assert_int_equal(fixture->directory_failures, 0);
    fixture->disk.fail_at = 0;
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    assert_int_equal(partition_of(fixture, 1)->state, PARTITION_ONLINE);
}

static void a_name_that_stays_taken_does_not_hold_up_a_stop(void **state)
{
    struct fixture *fixture = *state;

    replica_set_close(&fixture->set, open_leader(fixture), false);
    world_run(&fixture->world);
    open_partition(fixture, 2, true, 0);
    world_sleep(&fixture->world, 60 * NS_PER_SECOND);
    replica_set_stop(&fixture->set);
    world_sleep(&fixture->world, 2 * NS_PER_SECOND);
    assert_true(replica_set_settled(&fixture->set));
}

static void a_deletion_does_not_wait_for_a_sync_that_a_full_disk_holds_up(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition;
    struct wait waits[2];

    fixture->log.segment_bytes = 1;
    partition = open_leader(fixture);
    append(fixture, partition, &waits[0], 0, true, NULL);
    world_run(&fixture->world);
    fixture->world.hold_jobs = true;
    append(fixture, partition, &waits[1], 1, true, NULL);
    world_run(&fixture->world);
    /* The job begins with the file of epochs. */
    fixture->disk.fail_at = 1;
    fixture->disk.fail_status = STATUS_NO_SPACE;
    fixture->world.hold_jobs = false;
    world_run(&fixture->world);
    assert_int_equal(fixture->directory_failures, 0);
    assert_true(partition->syncing);
    replica_set_close(&fixture->set, partition, true);
    world_run(&fixture->world);
    assert_int_equal(fixture->set.closing, 0);
    fixture->disk.fail_at = 0;
    world_run(&fixture->world);
}

/* --- stopping --- */

static void stopping_ends_waits_and_keeps_what_was_written(void **state)
{
    struct fixture *fixture = *state;
    struct partition *partition = open_leader(fixture);
    struct wait waits[3];

    append(fixture, partition, &waits[0], 0, true, NULL);
    world_run(&fixture->world);
    fixture->world.hold_jobs = true;
    append(fixture, partition, &waits[1], 1, true, NULL);
    world_run(&fixture->world);
    append(fixture, partition, &waits[2], 2, true, NULL);
    replica_set_stop(&fixture->set);
    assert_int_equal(fixture->wait_count, 3);
    assert_int_equal(fixture->waits_status[1], STATUS_CLOSED);
    assert_false(replica_set_settled(&fixture->set));
    fixture->world.hold_jobs = false;
    stop_set(fixture);
    assert_true(replica_set_left_clean(&fixture->set, 0));
    /* Power cut: all of it was synced. */
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_LOSES);
    fixture->set_gone = false;
    replica_set_init(&fixture->set, &(struct replica_set_options){.env = world_env(&fixture->world, 0),
                                                                  .files_open_max = 10,
                                                                  .check_interval_ns = NS_PER_SECOND,
                                                                  .directory_failed = on_directory_failed,
                                                                  .opened = on_opened,
                                                                  .context = fixture});
    assert_int_equal(partition_log_end_offset(open_leader(fixture)->log), 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_new_partition_is_online_at_once),
        TEST(a_new_partition_that_nobody_wrote_to_leaves_nothing),
        TEST(a_new_partition_waits_for_its_predecessors_directory),
        TEST(acks_all_waits_for_the_sync_acks_one_for_the_write),
        TEST(waits_end_in_the_order_of_their_offsets),
        TEST(one_sync_serves_all_that_was_written_meanwhile),
        TEST(classes_without_fsync_commit_what_is_written),
        TEST(a_duplicate_waits_for_its_first_copy),
        TEST(a_watch_behind_the_high_watermark_is_woken_at_once),
        TEST(changes_of_the_role_wake_watches_and_end_waits),
        TEST(a_failing_directory_ends_waits_without_borrowing_on),
        TEST(a_write_error_ends_waits_and_is_told),
        TEST(a_sync_error_ends_waits_and_is_told),
        TEST(a_log_that_opens_in_a_failed_directory_stays_offline),
        TEST(closing_while_a_sync_is_in_flight_waits_for_it),
        TEST(closing_in_the_turn_of_an_append_writes_what_was_appended),
        TEST(closing_survives_a_write_error_in_its_turn),
        TEST(closing_survives_a_sync_error_in_flight),
        TEST(a_partition_may_be_closed_while_it_is_loading),
        TEST(a_topic_made_anew_waits_until_the_old_one_has_left_its_directory),
        TEST(a_directory_of_another_topic_is_left_alone),
        TEST(a_name_that_stays_taken_ends_offline),
        TEST(a_name_that_becomes_free_late_is_taken_without_the_old_checkpoints),
        TEST(what_is_left_of_anothers_directory_is_not_taken_over),
        TEST(records_that_do_not_say_whose_they_are_are_set_aside_and_kept),
        TEST(a_directory_goes_although_a_full_disk_has_no_room_for_its_longer_name),
        TEST(a_full_disk_is_waited_for_at_the_opening),
        TEST(a_name_that_stays_taken_does_not_hold_up_a_stop),
        TEST(a_deletion_does_not_wait_for_a_sync_that_a_full_disk_holds_up),
        TEST(stopping_ends_waits_and_keeps_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
