/* What a start finds after a crash: torn tails, damaged and missing files. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/log/producer_journal.h"

static struct buffer *file_of(struct world *world, const char *name)
{
    return memory_disk_contents(&world->memory, world_path(name));
}

#define FIRST_LOG "00000000000000000000.log"
/* Of the topic that the tests' logs are of, and of another; as Kafka has it without the third line. */
#define OWNER_TEXT "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA\nmillrace: AQIDAAAAAAAAAAAAAAAAAA 34de8628\n"
#define OTHER_OWNER_TEXT "version: 0\ntopic_id: q83vEjRWeJCrze8SNFZ4kA\nmillrace: q83vEjRWeJCrze8SNFZ4kA f2c6e6eb\n"
#define KAFKA_LINES_SIZE 44

/* Copies of a file's bytes, so that each step of a sweep begins with the same. */
static void buffer_set(struct buffer *buffer, const struct buffer *from, size_t size)
{
    buffer_clear(buffer);
    buffer_append(buffer, from->data, size);
}

static void a_clean_start_reads_only_the_tail(void **state)
{
    struct world *world = *state;
    uint64_t reads;

    world_open(world, false);
    world_fill(world, 500, 1000);
    world_stop(world);
    reads = world->faults.reads;
    world_open(world, true);
    assert_in_range(world->faults.reads - reads, 0, 25);
    assert_int_equal(partition_log_end_offset(world->log), 500);
    assert_int_equal(partition_log_durable_end(world->log), 500);
    assert_int_equal(partition_log_cut_bytes(world->log), 0);
    world_check_contents(world);
}

static void a_stop_and_a_start_change_no_byte(void **state)
{
    struct world *world = *state;
    struct buffer before;

    world_open(world, false);
    world_fill(world, 50, 100);
    world_stop(world);
    buffer_init(&before);
    buffer_set(&before, file_of(world, FIRST_LOG), file_of(world, FIRST_LOG)->size);
    world_open(world, true);
    world_stop(world);
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    assert_int_equal(file_of(world, FIRST_LOG)->size, before.size);
    assert_memory_equal(file_of(world, FIRST_LOG)->data, before.data, before.size);
    buffer_deinit(&before);
}

/* The .log cut at each of its last bytes while the indexes are whole: that tail is lost and nothing else. */
static void a_segment_cut_anywhere_loses_only_that_tail(void **state)
{
    struct world *world = *state;
    struct buffer whole;
    size_t cut_from;

    world->config.index_interval_bytes = 1;
    world_open(world, false);
    world_fill(world, 12, 60);
    world_stop(world);
    buffer_init(&whole);
    buffer_set(&whole, file_of(world, FIRST_LOG), file_of(world, FIRST_LOG)->size);
    cut_from = whole.size - 3 * world->sent[11].bytes.size;
    for (size_t size = cut_from; size <= whole.size; size++) {
        const size_t batches = 9 + (size - cut_from) / world->sent[11].bytes.size;

        for (int clean = 0; clean < 2; clean++) {
            buffer_set(file_of(world, FIRST_LOG), &whole, size);
            world_open(world, clean == 1);
            assert_int_equal(partition_log_end_offset(world->log), batches);
            assert_int_equal(partition_log_cut_bytes(world->log), size - batches * world->sent[11].bytes.size);
            world_check_contents(world);
            world_stop(world);
        }
    }
    buffer_deinit(&whole);
}

static void a_tail_of_zeros_is_cut(void **state)
{
    struct world *world = *state;
    uint8_t zeros[5000] = {0};

    world_open(world, false);
    world_fill(world, 5, 100);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    buffer_append(file_of(world, FIRST_LOG), zeros, sizeof(zeros));
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 5);
    assert_int_equal(partition_log_cut_bytes(world->log), 0);
    assert_int_equal(file_of(world, FIRST_LOG)->size, partition_log_size(world->log));
    world_check_contents(world);
    world_fill(world, 5, 100);
    world_check_contents(world);
}

static void every_flipped_bit_ends_the_log_in_front_of_its_batch(void **state)
{
    struct world *world = *state;
    struct buffer whole;
    size_t batch;
    uint64_t cuts = 0;

    world_open(world, false);
    world_fill(world, 6, 20);
    world_stop(world);
    batch = world->sent[0].bytes.size;
    buffer_init(&whole);
    buffer_set(&whole, file_of(world, FIRST_LOG), file_of(world, FIRST_LOG)->size);
    for (size_t at = 2 * batch; at < 3 * batch; at++) {
        const bool epoch = at - 2 * batch >= 12 && at - 2 * batch < 16;
        const bool offset = at - 2 * batch < 8;

        buffer_set(file_of(world, FIRST_LOG), &whole, whole.size);
        file_of(world, FIRST_LOG)->data[at] ^= 0x04;
        world_open(world, false);
        if (!epoch && !offset) {
            /* Outside the checksum are only offset and epoch: an offset further on is a gap, as compaction leaves
             * it. */
            assert_int_equal(partition_log_end_offset(world->log), 2);
            world_check_contents(world);
            cuts++;
        }
        world_close(world);
    }
    assert_int_equal(cuts, batch - 12);
    buffer_deinit(&whole);
}

static void a_bad_batch_takes_later_segments_with_it(void **state)
{
    struct world *world = *state;

    world->config = world_config(500);
    world_open(world, false);
    world_fill(world, 20, 100);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_KEEPS);
    file_of(world, FIRST_LOG)->data[world->sent[0].bytes.size + 30] ^= 1;
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 1);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_true(partition_log_cut_bytes(world->log) > 1000);
    world_check_contents(world);
    assert_int_equal(world_count_files(world, ".log"), 1);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
    assert_int_equal(world_count_files(world, ".snapshot"), 0);
    /* What comes now takes their names. */
    world_forget_from(world, 1);
    world_fill(world, 20, 90);
    assert_true(world_sync(world));
    world_check_contents(world);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 21);
    world_check_contents(world);
}

static void a_lost_piece_between_segments_ends_the_log(void **state)
{
    struct world *world = *state;

    world->config = world_config(500);
    world_open(world, false);
    world_fill(world, 20, 100);
    world_crash(world, MEMORY_CRASH_KEEPS);
    /* The first segment ends early, at a batch: its last pages were never written, later ones were. */
    file_of(world, FIRST_LOG)->size -= world->sent[0].bytes.size;
    world_open(world, false);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_true(partition_log_end_offset(world->log) < 10);
    world_check_contents(world);
}

static void below_the_recovery_point_nothing_is_checked_again(void **state)
{
    struct world *world = *state;

    world->config = world_config(500);
    world_open(world, false);
    world_fill(world, 20, 100);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_KEEPS);
    file_of(world, FIRST_LOG)->data[world->sent[0].bytes.size + 70] ^= 1;
    world->recovery_point = 19;
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 20);
    assert_int_equal(partition_log_cut_bytes(world->log), 0);
}

/* Removes or damages one file after the other, all kinds, and starts both ways. */
static void no_file_beside_the_segments_is_needed(void **state)
{
    static const char *const names[] = {
        "00000000000000000000.index",     "00000000000000000000.timeindex", "00000000000000000004.index",
        "00000000000000000004.timeindex", "00000000000000000004.snapshot",  "00000000000000000008.snapshot",
        "00000000000000000012.index",     "00000000000000000012.timeindex", "00000000000000000012.snapshot",
        "leader-epoch-checkpoint"};
    struct world *world = *state;
    int touched = 0;

    world->config = world_config(800);
    world->leader_epoch = 2;
    world_open(world, false);
    world_fill(world, 20, 100);
    world_stop(world);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        for (int way = 0; way < 8; way++) {
            struct buffer *contents = file_of(world, names[i]);
            struct log_slice slice;

            if (contents == NULL) {
                continue;
            }
            touched++;
            if (way / 2 == 0) {
                assert_int_equal(disk_remove(&world->memory.disk, world_path(names[i])), STATUS_OK);
            } else if (way / 2 == 1) {
                memset(contents->data, 0, contents->size);
            } else if (way / 2 == 2) {
                memset(contents->data, 0xff, contents->size);
            } else {
                contents->size /= 2;
            }
            if (i % 2 == 0) {
                assert_int_equal(producer_journal_remove(&world->memory.disk, WORLD_AROUND), STATUS_OK);
            }
            world_open(world, way % 2 == 0);
            assert_int_equal(partition_log_end_offset(world->log), 20);
            assert_int_equal(partition_log_latest_epoch(world->log), 2);
            assert_int_equal(partition_log_epoch_of(world->log, 0), 2);
            world_check_contents(world);
            assert_int_equal(partition_log_find_time(world->log, 1013, 20, &slice), STATUS_OK);
            assert_int_equal(slice.first_offset, 13);
            file_unref(slice.file);
            world_stop(world);
        }
    }
    assert_true(touched > 40);
}

static void a_directory_of_another_topic_is_refused(void **state)
{
    struct world *world = *state;
    struct buffer *metadata;

    world_open(world, false);
    world_fill(world, 1, 10);
    world_stop(world);
    metadata = file_of(world, "partition.metadata");
    assert_non_null(metadata);
    assert_int_equal(metadata->size, strlen(OWNER_TEXT));
    assert_memory_equal(metadata->data, OWNER_TEXT, metadata->size);
    memcpy(metadata->data, OTHER_OWNER_TEXT, metadata->size);
    assert_int_equal(world_try_open(world, true), STATUS_EXISTS);
    memcpy(metadata->data, OWNER_TEXT, metadata->size);
    world_open(world, true);
}

/* Kafka's own file, and ours of before there was a second copy. */
static void the_first_two_lines_alone_are_believed(void **state)
{
    struct world *world = *state;
    struct buffer *metadata;

    world_open(world, false);
    world_fill(world, 3, 10);
    world_stop(world);
    metadata = file_of(world, "partition.metadata");
    metadata->size = KAFKA_LINES_SIZE;
    world_open(world, true);
    world_check_contents(world);
    world_stop(world);
    assert_int_equal(file_of(world, "partition.metadata")->size, KAFKA_LINES_SIZE);
    memcpy(metadata->data, OTHER_OWNER_TEXT, KAFKA_LINES_SIZE);
    assert_int_equal(world_try_open(world, true), STATUS_EXISTS);
}

static void no_flipped_bit_costs_a_log_its_owner(void **state)
{
    struct world *world = *state;
    const char *path = world_path("partition.metadata");
    const struct uuid owner = {{1, 2, 3}};

    world_open(world, false);
    world_fill(world, 2, 10);
    world_stop(world);
    for (size_t bit = 0; bit < 8 * strlen(OWNER_TEXT); bit++) {
        struct buffer *metadata = file_of(world, "partition.metadata");
        struct partition_identity found;

        metadata->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        /* Who does not know what to expect finds out, too. */
        assert_int_equal(partition_metadata_read(&world->memory.disk, path, UUID_ZERO, &found), STATUS_OK);
        assert_int_equal(found.owner, OWNER_PROVEN);
        assert_true(uuid_equal(found.topic_id, owner));
        assert_true(found.damaged);
        world_open(world, true);
        world_check_contents(world);
        world_stop(world);
        /* The start has mended it. */
        metadata = file_of(world, "partition.metadata");
        assert_int_equal(metadata->size, strlen(OWNER_TEXT));
        assert_memory_equal(metadata->data, OWNER_TEXT, metadata->size);
    }
}

static void bits_flipped_in_both_copies_leave_an_owner_recognizable(void **state)
{
    struct world *world = *state;
    const struct uuid other = {{0xab, 0xcd, 0xef, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef, 0x12, 0x34, 0x56}};
    const char *path = world_path("partition.metadata");
    struct partition_identity found;
    struct buffer *metadata;

    world_open(world, false);
    world_fill(world, 2, 10);
    world_stop(world);
    metadata = file_of(world, "partition.metadata");
    metadata->data[23] ^= 0x10;
    metadata->data[56] ^= 0x01;
    metadata->data[60] ^= 0x02;
    assert_int_equal(partition_metadata_read(&world->memory.disk, path, UUID_ZERO, &found), STATUS_OK);
    assert_int_equal(found.owner, OWNER_UNKNOWN);
    assert_int_equal(partition_metadata_read(&world->memory.disk, path, other, &found), STATUS_OK);
    assert_int_equal(found.owner, OWNER_UNKNOWN);
    world_open(world, true);
    world_check_contents(world);
    world_stop(world);
    metadata = file_of(world, "partition.metadata");
    assert_memory_equal(metadata->data, OWNER_TEXT, metadata->size);
}

/* Not after a power cut, not after a kill, not after a clean stop: any of them could be another topic's. */
static void records_without_an_owner_are_nobodys(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 4, 10);
    world_stop(world);
    for (int damage = 0; damage < 4; damage++) {
        for (int stop = 0; stop < 3; stop++) {
            struct buffer *metadata = file_of(world, "partition.metadata");

            if (damage == 0) {
                assert_int_equal(disk_remove(&world->memory.disk, world_path("partition.metadata")), STATUS_OK);
            } else if (damage == 1) {
                memset(metadata->data, 0, metadata->size);
            } else if (damage == 2) {
                memset(metadata->data, 0xff, metadata->size);
            } else {
                metadata->size = 30;
            }
            world->kept = stop == 1;
            assert_int_equal(world_try_open(world, stop == 0), STATUS_EXISTS);
            /* Nothing was touched: with the file everything is there. */
            assert_int_equal(partition_metadata_write(&world->memory.disk, world_path("partition.metadata"),
                                                      (struct uuid){{1, 2, 3}}),
                             STATUS_OK);
            world_open(world, stop == 0);
            assert_int_equal(partition_log_end_offset(world->log), 4);
            world_check_contents(world);
            world_stop(world);
        }
    }
}

static void an_empty_directory_without_an_owner_is_anybodys(void **state)
{
    struct world *world = *state;
    uint8_t zeros[5000] = {0};
    struct buffer *log;

    world_open(world, false);
    world_fill(world, 1, 10);
    world_stop(world);
    assert_int_equal(disk_remove(&world->memory.disk, world_path("partition.metadata")), STATUS_OK);
    log = file_of(world, FIRST_LOG);
    buffer_clear(log);
    buffer_append(log, zeros, sizeof(zeros)); /* as a power cut leaves what was reserved */
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 0);
    world_forget_from(world, 0);
    world_fill(world, 2, 10);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    assert_memory_equal(file_of(world, "partition.metadata")->data, OWNER_TEXT, strlen(OWNER_TEXT));
    world_open(world, false);
    world_check_contents(world);
}

/* The page cache may show what a failed sync has not written: a start that knows of no sync does not believe it. */
static void an_owner_that_may_be_in_the_cache_only_is_written_again(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 3, 100);
    world_close(world);
    world_open(world, false);
    assert_int_equal(partition_log_durable_end(world->log), 3);
    world_crash(world, MEMORY_CRASH_LOSES);
    assert_non_null(file_of(world, "partition.metadata"));
    assert_memory_equal(file_of(world, "partition.metadata")->data, OWNER_TEXT, strlen(OWNER_TEXT));
    world_open(world, false);
    world_check_contents(world);
}

static void a_removal_that_stops_anywhere_leaves_the_owner_to_the_last(void **state)
{
    struct world *world = *state;
    bool done = false;

    world->config = world_config(800);
    for (uint64_t step = 1; !done; step++) {
        world_open(world, false);
        world_fill(world, 12, 100);
        world_stop(world);
        world->memory.fail_at = world->memory.operations + step;
        done = partition_directory_remove(&world->memory.disk, WORLD_DIRECTORY) == STATUS_OK;
        world->memory.fail_at = 0;
        if (!done && world_count_files(world, "g") + world_count_files(world, "x") > 0) {
            assert_memory_equal(file_of(world, "partition.metadata")->data, OWNER_TEXT, strlen(OWNER_TEXT));
        }
        assert_true(step < 100);
        (void)!partition_directory_remove(&world->memory.disk, WORLD_DIRECTORY);
        world_forget_from(world, 0);
    }
}

static void leftovers_of_deletions_are_removed(void **state)
{
    static const char *const names[] = {"00000000000000000007.log.deleted", "leader-epoch-checkpoint.tmp",
                                        "00000000000000000099.index", "00000000000000000099.timeindex"};
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 3, 10);
    world_stop(world);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct file *file;

        assert_int_equal(disk_open(&world->memory.disk, world_path(names[i]), FILE_WRITE | FILE_CREATE, &file),
                         STATUS_OK);
        file_unref(file);
    }
    world_open(world, true);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_null(file_of(world, names[i]));
    }
    world_check_contents(world);
}

static void a_start_behind_the_end_begins_anew(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 5, 10);
    world_stop(world);
    world->log_start = 9;
    world_open(world, false);
    assert_int_equal(partition_log_start_offset(world->log), 9);
    assert_int_equal(partition_log_end_offset(world->log), 9);
    assert_int_equal(world_count_files(world, ".log"), 0);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
    world_forget_from(world, 0);
    world_fill(world, 2, 10);
    world_check_contents(world);
    assert_int_equal(world_count_files(world, "09.log"), 1);
}

static void only_what_was_acknowledged_survives_a_power_cut_for_sure(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 5, 100);
    assert_true(world_sync(world));
    world_fill(world, 5, 100);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 5);
    assert_int_equal(partition_log_durable_end(world->log), 5);
    world_check_contents(world);
}

static void what_a_start_has_found_is_durable_when_it_is_done(void **state)
{
    struct world *world = *state;

    world->config = world_config(800);
    world_open(world, false);
    world_fill(world, 10, 100);
    /* The process dies, then its successor's machine: nothing was synced before the start did it. */
    world_close(world);
    world_open(world, false);
    assert_int_equal(partition_log_durable_end(world->log), 10);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 10);
    world_check_contents(world);
}

static void a_settled_segment_is_synced_with_its_indexes(void **state)
{
    static const char *const names[] = {"00000000000000000000.index", "00000000000000000000.timeindex",
                                        "00000000000000000004.snapshot"};
    struct world *world = *state;
    size_t sizes[ARRAY_COUNT(names)];

    world->config = world_config(800);
    world_open(world, false);
    world_fill(world, 5, 120);
    world_work(world);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        sizes[i] = file_of(world, names[i])->size;
        assert_true(sizes[i] > 0);
    }
    world_crash(world, MEMORY_CRASH_LOSES);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_non_null(file_of(world, names[i]));
        assert_int_equal(file_of(world, names[i])->size, sizes[i]);
    }
}

static void after_a_kill_headers_are_read_and_nothing_is_synced(void **state)
{
    struct world *world = *state;
    uint64_t syncs;
    uint64_t reads;

    world->config.durability = DURABILITY_MEMORY;
    world->config.index_interval_bytes = 4096;
    world->leader_epoch = 3;
    world_open(world, false);
    world_fill(world, 600, 20000);
    world_crash(world, MEMORY_CRASH_KILLS);
    syncs = world->memory.syncs + world->faults.syncs;
    reads = world->faults.reads;
    world->kept = true;
    world_open(world, false);
    /* One for each batch that no index entry in the file covers, one for each for producers, and the checked tail. */
    assert_in_range(world->faults.reads - reads, 1, 1400);
    assert_int_equal(world->memory.syncs + world->faults.syncs, syncs);
    assert_int_equal(partition_log_end_offset(world->log), 600);
    assert_int_equal(partition_log_durable_end(world->log), 0);
    assert_int_equal(partition_log_epoch_of(world->log, 599), 3);
    assert_int_equal(partition_log_cut_bytes(world->log), 0);
    world_check_contents(world);
    world_fill(world, 5, 100);
    world_stop(world);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, true);
    assert_int_equal(partition_log_end_offset(world->log), 605);
    world_check_contents(world);
}

/* The last write stops at every byte. */
static void a_kill_tears_only_the_last_write(void **state)
{
    struct world *world = *state;
    struct buffer whole;
    size_t size_end;
    size_t batch;

    world->config.index_interval_bytes = 1;
    world_open(world, false);
    world_fill(world, 8, 60);
    size_end = partition_log_size(world->log);
    world_close(world);
    batch = world->sent[7].bytes.size;
    buffer_init(&whole);
    buffer_set(&whole, file_of(world, FIRST_LOG), size_end);
    for (size_t size = whole.size - batch; size <= whole.size; size++) {
        buffer_set(file_of(world, FIRST_LOG), &whole, size);
        world->kept = true;
        world_open(world, false);
        assert_int_equal(partition_log_end_offset(world->log), size < whole.size ? 7 : 8);
        assert_int_equal(partition_log_cut_bytes(world->log), size < whole.size ? size - (whole.size - batch) : 0);
        world_check_contents(world);
        world_close(world);
    }
    buffer_deinit(&whole);
}

static void a_new_log_takes_nothing_of_the_disk_before_its_first_write(void **state)
{
    struct world *world = *state;
    uint64_t calls;

    assert_int_equal(disk_make_directories(&world->memory.disk, "/data"), STATUS_OK);
    world->fresh = true;
    calls = world->faults.calls;
    world_open(world, false);
    partition_log_start_epoch(world->log, 4);
    assert_int_equal(partition_log_delete_before(world->log, 0, 0), STATUS_OK);
    partition_log_maintain(world->log, world->wall_ms, 0);
    assert_true(world_sync(world));
    world_check_contents(world);
    assert_int_equal(world->faults.calls, calls);
    assert_false(partition_log_made(world->log));
    world_stop(world);
    assert_int_equal(world->faults.calls, calls);
    assert_int_equal(disk_make_directory(&world->memory.disk, WORLD_DIRECTORY), STATUS_OK);
}

static void the_first_sync_of_a_new_log_makes_its_directory_durable(void **state)
{
    struct world *world = *state;
    struct buffer *metadata;

    assert_int_equal(disk_make_directories(&world->memory.disk, "/data"), STATUS_OK);
    world->fresh = true;
    world->leader_epoch = 4;
    world_open(world, false);
    world_fill(world, 3, 100);
    assert_true(partition_log_made(world->log));
    assert_int_equal(world->memory.syncs, 0);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    metadata = file_of(world, "partition.metadata");
    assert_non_null(metadata);
    assert_memory_equal(metadata->data, OWNER_TEXT, metadata->size);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 3);
    assert_int_equal(partition_log_epoch_of(world->log, 0), 4);
    world_check_contents(world);
}

static void a_new_log_whose_name_is_taken_waits_for_it(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe(100, 1000);

    assert_int_equal(disk_make_directories(&world->memory.disk, WORLD_DIRECTORY), STATUS_OK);
    world->fresh = true;
    world_open(world, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
        assert_int_equal(partition_log_flush(world->log), STATUS_BUSY);
        assert_int_equal(partition_log_end_offset(world->log), 0);
        world_forget_from(world, 0);
    }
    assert_false(partition_log_made(world->log));
    assert_int_equal(partition_log_failure(world->log), STATUS_OK);
    assert_int_equal(disk_remove_directory(&world->memory.disk, WORLD_DIRECTORY), STATUS_OK);
    world_fill(world, 2, 100);
    assert_true(world_sync(world));
    world_check_contents(world);
}

int test_recovery(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_clean_start_reads_only_the_tail),
        LOG_TEST(a_stop_and_a_start_change_no_byte),
        LOG_TEST(a_segment_cut_anywhere_loses_only_that_tail),
        LOG_TEST(a_tail_of_zeros_is_cut),
        LOG_TEST(every_flipped_bit_ends_the_log_in_front_of_its_batch),
        LOG_TEST(a_bad_batch_takes_later_segments_with_it),
        LOG_TEST(a_lost_piece_between_segments_ends_the_log),
        LOG_TEST(below_the_recovery_point_nothing_is_checked_again),
        LOG_TEST(no_file_beside_the_segments_is_needed),
        LOG_TEST(a_directory_of_another_topic_is_refused),
        LOG_TEST(the_first_two_lines_alone_are_believed),
        LOG_TEST(no_flipped_bit_costs_a_log_its_owner),
        LOG_TEST(bits_flipped_in_both_copies_leave_an_owner_recognizable),
        LOG_TEST(records_without_an_owner_are_nobodys),
        LOG_TEST(an_empty_directory_without_an_owner_is_anybodys),
        LOG_TEST(an_owner_that_may_be_in_the_cache_only_is_written_again),
        LOG_TEST(a_removal_that_stops_anywhere_leaves_the_owner_to_the_last),
        LOG_TEST(leftovers_of_deletions_are_removed),
        LOG_TEST(a_start_behind_the_end_begins_anew),
        LOG_TEST(only_what_was_acknowledged_survives_a_power_cut_for_sure),
        LOG_TEST(what_a_start_has_found_is_durable_when_it_is_done),
        LOG_TEST(a_settled_segment_is_synced_with_its_indexes),
        LOG_TEST(after_a_kill_headers_are_read_and_nothing_is_synced),
        LOG_TEST(a_kill_tears_only_the_last_write),
        LOG_TEST(a_new_log_takes_nothing_of_the_disk_before_its_first_write),
        LOG_TEST(the_first_sync_of_a_new_log_makes_its_directory_durable),
        LOG_TEST(a_new_log_whose_name_is_taken_waits_for_it),
    };

    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
