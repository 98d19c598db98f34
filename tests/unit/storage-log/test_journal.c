/* The producer journal: what it keeps of many logs, and what a log takes from it after a kill. */
#include "tests/unit/storage-log/world.h"

#include "common/env/disk.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/producer_snapshot.h"

#include <stdio.h>

#define TOPIC ((struct uuid){{1, 2, 3}})
#define OTHER_TOPIC ((struct uuid){{4, 5, 6}})
#define INVENTED INT64_C(77)

/* An entry in front of `offset` that knows one producer, who has sent `sequence`. */
static void add_entry(struct buffer *out, struct uuid topic_id, int64_t offset, int32_t epoch, int32_t sequence)
{
    const struct batch_header header = {.producer_id = INVENTED, .base_sequence = sequence, .max_timestamp = 5};
    struct producer_state state;
    struct epoch_cache epochs;

    epoch_cache_init(&epochs);
    (void)epoch_cache_start(&epochs, epoch, 0);
    producer_state_init(&state);
    producer_state_note(&state, &header, 0, 1);
    producer_state_commit(&state);
    producer_journal_encode(&(struct producer_journal_entry){
                                .topic_id = topic_id, .partition = 3, .epoch = epoch, .offset = offset},
                            &epochs, &state, out);
    producer_state_deinit(&state);
    epoch_cache_deinit(&epochs);
}

static void write_entry(struct world *world, uint32_t writer, uint64_t *size, struct uuid topic_id, int64_t offset,
                        int32_t sequence)
{
    struct buffer text;

    buffer_init(&text);
    add_entry(&text, topic_id, offset, 0, sequence);
    assert_int_equal(producer_journal_write(&world->faults.disk, WORLD_AROUND, writer, buffer_bytes(&text), size),
                     STATUS_OK);
    buffer_deinit(&text);
}

static struct producer_journal *load(struct world *world)
{
    struct producer_journal *journal;

    assert_int_equal(producer_journal_load(&world->faults.disk, WORLD_AROUND, &journal), STATUS_OK);
    return journal;
}

static int64_t offset_in(const struct producer_journal *journal, struct uuid topic_id)
{
    struct producer_journal_entry entry;

    return producer_journal_find(journal, topic_id, 3, &entry) ? entry.offset : OFFSET_NONE;
}

static bool is_there(struct world *world, const char *path)
{
    uint64_t size;

    return disk_file_size(&world->faults.disk, path, &size) == STATUS_OK;
}

static void the_newest_entry_of_each_log_counts_whoever_wrote_it(void **state)
{
    struct world *world = *state;
    uint64_t sizes[2] = {0};
    struct producer_journal *journal;
    struct producer_journal_entry entry;

    assert_int_equal(disk_make_directories(&world->faults.disk, WORLD_AROUND), STATUS_OK);
    write_entry(world, 0, &sizes[0], TOPIC, 100, 0);
    write_entry(world, 1, &sizes[1], TOPIC, 300, 2);
    write_entry(world, 0, &sizes[0], TOPIC, 200, 1);
    write_entry(world, 0, &sizes[0], OTHER_TOPIC, 7, 0);
    for (int gathered = 0; gathered < 3; gathered++) {
        journal = load(world);
        assert_int_equal(offset_in(journal, TOPIC), 300);
        assert_int_equal(offset_in(journal, OTHER_TOPIC), 7);
        assert_false(producer_journal_find(journal, TOPIC, 4, &entry));
        assert_int_equal(producer_journal_gather(&world->faults.disk, WORLD_AROUND, journal), STATUS_OK);
        producer_journal_destroy(journal);
        assert_true(is_there(world, WORLD_AROUND "/.millrace_producers"));
        assert_false(is_there(world, WORLD_AROUND "/.millrace_producers-0"));
    }
    /* A writer notices that its file is gone. */
    assert_int_equal(producer_journal_write(&world->faults.disk, WORLD_AROUND, 0, bytes_of((const uint8_t *)"x", 1),
                                            &sizes[0]),
                     STATUS_NOT_FOUND);
    assert_int_equal(producer_journal_remove(&world->faults.disk, WORLD_AROUND), STATUS_OK);
    journal = load(world);
    assert_int_equal(offset_in(journal, TOPIC), OFFSET_NONE);
    producer_journal_destroy(journal);
    assert_false(is_there(world, WORLD_AROUND "/.millrace_producers"));
}

static void a_torn_or_damaged_entry_ends_its_file_only(void **state)
{
    struct world *world = *state;
    uint64_t sizes[2] = {0};
    uint64_t first;
    struct file *file;

    assert_int_equal(disk_make_directories(&world->faults.disk, WORLD_AROUND), STATUS_OK);
    write_entry(world, 0, &sizes[0], TOPIC, 100, 0);
    first = sizes[0];
    write_entry(world, 0, &sizes[0], TOPIC, 200, 0);
    write_entry(world, 1, &sizes[1], OTHER_TOPIC, 7, 0);
    assert_int_equal(disk_open(&world->faults.disk, WORLD_AROUND "/.millrace_producers-0", FILE_WRITE, &file),
                     STATUS_OK);
    for (uint64_t at = 0; at < sizes[0]; at++) {
        struct producer_journal *journal;
        struct bytes part;
        uint8_t flipped;
        uint8_t was;
        size_t got;

        assert_int_equal(file_read(file, at, &was, 1, &got), STATUS_OK);
        flipped = (uint8_t)(was ^ 0x5a);
        part = bytes_of(&flipped, 1);
        assert_int_equal(file_write(file, at, &part, 1), STATUS_OK);
        journal = load(world);
        assert_int_equal(offset_in(journal, TOPIC), at < first ? OFFSET_NONE : 100);
        assert_int_equal(offset_in(journal, OTHER_TOPIC), 7);
        producer_journal_destroy(journal);
        part = bytes_of(&was, 1);
        assert_int_equal(file_write(file, at, &part, 1), STATUS_OK);
    }
    for (uint64_t size = sizes[0]; size-- > 0;) {
        struct producer_journal *journal;

        assert_int_equal(file_truncate(file, size), STATUS_OK);
        journal = load(world);
        assert_int_equal(offset_in(journal, TOPIC), size < first ? OFFSET_NONE : 100);
        producer_journal_destroy(journal);
    }
    file_unref(file);
}

static bool knows_invented(struct world *world)
{
    const struct batch_recipe made = recipe_of_producer(INVENTED, 0, 0, 1);
    struct append_result result;
    const enum append_verdict verdict = world_append(world, &made, &result);

    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    return verdict == APPEND_DUPLICATE;
}

static void send(struct world *world, int32_t sequence, enum append_verdict verdict)
{
    const struct batch_recipe made = recipe_of_producer(1, 0, sequence, 2);
    struct append_result result;

    assert_int_equal(world_append(world, &made, &result), verdict);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
}

/* Opens after a kill with an entry in front of `offset` whose producer no batch speaks of. */
static void open_with(struct world *world, int64_t offset, int32_t epoch, bool kept)
{
    struct producer_journal *journal;
    struct producer_journal_entry entry;
    struct buffer text;
    uint64_t size = 0;

    buffer_init(&text);
    add_entry(&text, TOPIC, offset, epoch, 0);
    assert_int_equal(producer_journal_write(&world->faults.disk, WORLD_AROUND, 0, buffer_bytes(&text), &size),
                     STATUS_OK);
    buffer_deinit(&text);
    journal = load(world);
    assert_true(producer_journal_find(journal, TOPIC, 3, &entry));
    world->producers = &entry;
    world->kept = kept;
    world_open(world, false);
    producer_journal_destroy(journal);
}

static void batches_are_asked_only_behind_the_entry(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    send(world, 0, APPEND_OK);
    send(world, 2, APPEND_OK);
    send(world, 4, APPEND_OK);
    world_close(world);
    open_with(world, 4, world->leader_epoch, true);
    send(world, 4, APPEND_DUPLICATE);
    send(world, 2, APPEND_OUT_OF_ORDER); /* lies in front of it */
    assert_true(knows_invented(world));
    assert_true(is_there(world, WORLD_AROUND "/.millrace_producers-0"));
}

static void an_entry_of_what_is_not_there_is_refused_and_the_journal_goes(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    send(world, 0, APPEND_OK);
    send(world, 2, APPEND_OK);
    world_close(world);
    for (int i = 0; i < 2; i++) {
        /* Behind the end; and not after a kill, but a power cut. */
        open_with(world, i == 0 ? 5 : 4, world->leader_epoch, i == 0);
        assert_false(is_there(world, WORLD_AROUND "/.millrace_producers-0"));
        send(world, 0, APPEND_DUPLICATE);
        send(world, 2, APPEND_DUPLICATE);
        world_close(world);
    }
    open_with(world, 4, world->leader_epoch + 1, true);
    send(world, 0, APPEND_DUPLICATE);
    assert_false(knows_invented(world));
}

static void a_log_that_is_cut_or_begins_anew_removes_the_journal(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 6, 100);
    for (int i = 0; i < 2; i++) {
        uint64_t size = 0;

        write_entry(world, 0, &size, TOPIC, 6, 0);
        assert_true(is_there(world, WORLD_AROUND "/.millrace_producers-0"));
        assert_int_equal(i == 0 ? partition_log_truncate(world->log, 4) : partition_log_restart(world->log, 50),
                         STATUS_OK);
        assert_false(is_there(world, WORLD_AROUND "/.millrace_producers-0"));
    }
    world_forget_from(world, 0);
}

/* What the log adds itself is what batches and snapshots would have told, wherever the entry stands. */
static void an_entry_says_what_batches_say(void **state)
{
    struct world *world = *state;
    struct buffer text;
    int entries = 0;

    buffer_init(&text);
    world_open(world, false);
    for (int32_t i = 0; i < 300; i++) {
        send(world, 2 * i, APPEND_OK);
        assert_true(i > 0 || !partition_log_unsaved(world->log));
        if (partition_log_unsaved(world->log)) {
            partition_log_save_producers(world->log, false, &text);
            assert_false(partition_log_unsaved(world->log));
            entries++;
        }
    }
    assert_in_range(entries, 2, 30);
    {
        struct producer_journal *journal;
        struct producer_journal_entry entry;
        uint64_t size = 0;

        assert_int_equal(producer_journal_write(&world->faults.disk, WORLD_AROUND, 0, buffer_bytes(&text), &size),
                         STATUS_OK);
        world_close(world);
        journal = load(world);
        assert_true(producer_journal_find(journal, TOPIC, 3, &entry));
        assert_in_range(entry.offset, 400, 600);
        world->producers = &entry;
        world->kept = true;
        world_open(world, false);
        producer_journal_destroy(journal);
    }
    for (int32_t i = 295; i < 300; i++) {
        send(world, 2 * i, APPEND_DUPLICATE);
    }
    send(world, 2 * 294, APPEND_OUT_OF_ORDER);
    send(world, 600, APPEND_OK);
    /* Nothing new was written: once more only if all is wanted. */
    buffer_clear(&text);
    partition_log_save_producers(world->log, false, &text);
    assert_int_equal(text.size, 0);
    partition_log_save_producers(world->log, true, &text);
    assert_true(text.size > 0);
    buffer_deinit(&text);
}

static void fill_epochs(struct world *world)
{
    for (int32_t epoch = 1; epoch <= 5; epoch++) {
        world->leader_epoch = epoch;
        world_fill(world, 20, 1000);
    }
}

static void check_epochs(struct world *world)
{
    for (int64_t offset = 0; offset < partition_log_end_offset(world->log); offset++) {
        assert_int_equal(partition_log_epoch_of(world->log, offset), 1 + (offset < 100 ? offset / 20 : 4));
    }
}

/* A clean start asks no batch for epochs, one after a kill only those behind the entry; without an entry all halves are
 * asked. */
static void epochs_come_from_the_entry(void **state)
{
    struct world *world = *state;
    uint64_t with_entry;
    uint64_t reads;

    world_open(world, false);
    fill_epochs(world);
    world_stop(world);
    reads = world->faults.reads;
    world_open(world, true);
    with_entry = world->faults.reads - reads;
    check_epochs(world);
    world_fill(world, 3, 1000);
    world_close(world);
    world->kept = true;
    world_open(world, false);
    check_epochs(world);
    world_stop(world);
    assert_int_equal(producer_journal_remove(&world->memory.disk, WORLD_AROUND), STATUS_OK);
    reads = world->faults.reads;
    world_open(world, true);
    assert_true(world->faults.reads - reads > 2 * with_entry);
    check_epochs(world);
}

static void check_at_rest(struct world *world, int64_t end)
{
    struct log_slice slice;

    assert_int_equal(partition_log_end_offset(world->log), end);
    world_check_contents(world);
    assert_int_equal(partition_log_find_time(world->log, 1030, end, &slice), STATUS_OK);
    assert_int_equal(slice.first_offset, 30);
    file_unref(slice.file);
    assert_int_equal(partition_log_find_max_time(world->log, end, &slice), STATUS_OK);
    assert_int_equal(slice.first_offset, end - 1);
    file_unref(slice.file);
}

static void a_log_at_rest_is_taken_as_the_stop_left_it(void **state)
{
    struct world *world = *state;
    int64_t end = 0;

    world_open(world, false);
    for (int round = 0; round < 4; round++) {
        uint64_t reads;

        world_fill(world, 50, 300);
        end += 50;
        world_stop(world);
        reads = world->faults.reads;
        world_open(world, round < 2);
        assert_true(round >= 2 || world->faults.reads - reads == 2); /* whose it is, the file of epochs */
        check_at_rest(world, end);
        if (round == 1) {
            world->kept = true; /* killed before anything was written */
            world_close(world);
            world->kept = true;
            world_open(world, false);
            check_at_rest(world, end);
        }
    }
}

/* Files that are not as the stop left them are looked into. */
static void a_file_of_another_size_is_looked_into(void **state)
{
    static const char *const names[] = {"00000000000000000000.index", "00000000000000000000.timeindex"};
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 50, 300);
    for (size_t i = 0; i < 2 * ARRAY_COUNT(names); i++) {
        struct buffer *contents;
        uint64_t reads;

        world_stop(world);
        contents = memory_disk_contents(&world->memory, world_path(names[i / 2]));
        if (i % 2 == 0) {
            contents->size -= contents->size / 2;
        } else {
            assert_int_equal(disk_remove(&world->memory.disk, world_path(names[i / 2])), STATUS_OK);
        }
        reads = world->faults.reads;
        world_open(world, true);
        assert_true(world->faults.reads - reads > 2);
        check_at_rest(world, 50 + (int64_t)i);
        world_fill(world, 1, 300);
    }
}

/* Entries whose epochs are not those of this log: of one that was cut, that begins later, that is damaged. */
static void epochs_that_do_not_fit_are_found_in_the_batches(void **state)
{
    static const struct epoch_start wrong[][2] = {
        {{0, 1}, {20, 4}},   /* another epoch in front of the entry than there is */
        {{10, 1}, {20, 5}},  /* begins behind the log */
        {{0, 1}, {100, 5}},  /* the last one begins behind the entry */
    };
    struct world *world = *state;

    world_open(world, false);
    fill_epochs(world);
    world_close(world);
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct producer_journal_entry entry = {.topic_id = TOPIC, .partition = 3, .epoch = wrong[i][1].epoch,
                                               .offset = 100};
        struct epoch_cache epochs;
        struct producer_state none;
        struct buffer text;
        struct buffer snapshot;

        epoch_cache_init(&epochs);
        producer_state_init(&none);
        buffer_init(&text);
        buffer_init(&snapshot);
        (void)epoch_cache_start(&epochs, wrong[i][0].epoch, wrong[i][0].offset);
        (void)epoch_cache_start(&epochs, wrong[i][1].epoch, wrong[i][1].offset);
        epoch_cache_encode(&epochs, &text);
        producer_snapshot_encode(&none, &snapshot);
        entry.epochs = buffer_bytes(&text);
        entry.snapshot = buffer_bytes(&snapshot);
        world->producers = &entry;
        world->kept = true;
        world_open(world, false);
        check_epochs(world);
        world_close(world);
        buffer_deinit(&text);
        buffer_deinit(&snapshot);
        producer_state_deinit(&none);
        epoch_cache_deinit(&epochs);
    }
}

int test_journal(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_entry_of_each_log_counts_whoever_wrote_it, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_torn_or_damaged_entry_ends_its_file_only, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(batches_are_asked_only_behind_the_entry, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(an_entry_of_what_is_not_there_is_refused_and_the_journal_goes, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_log_that_is_cut_or_begins_anew_removes_the_journal, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_entry_says_what_batches_say, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(epochs_come_from_the_entry, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_log_at_rest_is_taken_as_the_stop_left_it, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_file_of_another_size_is_looked_into, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(epochs_that_do_not_fit_are_found_in_the_batches, world_setup, world_teardown),
    };

    return cmocka_run_group_tests_name("producer journal", tests, NULL, NULL);
}
