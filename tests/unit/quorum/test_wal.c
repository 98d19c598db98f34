/* The log on disk: what was reported durable is there after any crash, damage is refused, torn ends are cut. */
#include "common/base/memory.h"
#include "controller/quorum/snapshot.h"
#include "controller/quorum/wal.h"
#include "tests/support/memory_disk.h"
#include "tests/support/memory_points.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define DIRECTORY "/wal"

/* A loop by hand: jobs wait until they are asked to run. */
struct loop {
    struct env env;
    struct memory_disk disk;
    uint64_t now_ns;
    struct list jobs;
    struct wal wal;
    bool open;
    uint64_t ticket;         /* last one used */
    uint64_t durable;        /* last one reported */
    int failures;
    char error[WAL_ERROR_MAX];
};

static struct loop *loop_of(struct env *env)
{
    return CONTAINER_OF(env, struct loop, env);
}

static uint64_t loop_now(struct env *env)
{
    return loop_of(env)->now_ns;
}

static void loop_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    (void)lane;
    list_append(&loop_of(env)->jobs, &job->link);
}

static const struct env_ops loop_ops = {.now_ns = loop_now, .submit = loop_submit};

static void loop_init(struct loop *loop, uint64_t seed)
{
    *loop = (struct loop){.now_ns = NS_PER_SECOND};
    memory_disk_init(&loop->disk, seed);
    env_init(&loop->env, &loop_ops, &loop->disk.disk, NULL);
    list_init(&loop->jobs);
}

static void loop_turn(struct loop *loop)
{
    env_run_hooks(&loop->env);
}

/* Runs what was submitted until now. */
static void loop_jobs(struct loop *loop)
{
    struct list jobs;
    struct list *link;

    list_init(&jobs);
    list_move_all(&jobs, &loop->jobs);
    while ((link = list_take_first(&jobs)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        job->work(job);
        job->done(job);
    }
    loop_turn(loop);
}

static void loop_settle(struct loop *loop)
{
    loop_turn(loop);
    while (!list_empty(&loop->jobs)) {
        loop_jobs(loop);
    }
}

static void loop_durable(void *context, uint64_t ticket)
{
    struct loop *loop = context;

    assert_true(ticket > loop->durable);
    loop->durable = ticket;
}

static void loop_failed(void *context, enum status why)
{
    struct loop *loop = context;

    assert_int_not_equal(why, STATUS_OK);
    loop->failures++;
}

static struct wal_options loop_options(struct loop *loop)
{
    return (struct wal_options){
        .env = &loop->env,
        .directory = DIRECTORY,
        .identity = {{{5}}, 3},
        .segment_bytes = 32 * 1024,
        .durable = loop_durable,
        .failed = loop_failed,
        .context = loop,
    };
}

static enum status loop_open(struct loop *loop, struct wal_load *load)
{
    const struct wal_options options = loop_options(loop);
    enum status status = disk_make_directories(&loop->disk.disk, DIRECTORY);

    assert_int_equal(status, STATUS_OK);
    status = wal_open(&loop->wal, &options, load, loop->error);
    loop->open = status == STATUS_OK;
    loop->ticket = 0;
    loop->durable = 0;
    return status;
}

/* The process ends; with `how` the machine's disk does what it does. */
static void loop_crash(struct loop *loop, enum memory_crash how)
{
    struct list *link;

    if (loop->open) {
        wal_close(&loop->wal);
        loop->open = false;
    }
    memory_disk_crash(&loop->disk, how);
    while ((link = list_take_first(&loop->jobs)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        job->done(job);
    }
}

static void loop_deinit(struct loop *loop)
{
    loop_crash(loop, MEMORY_CRASH_KEEPS);
    memory_disk_deinit(&loop->disk);
    env_deinit(&loop->env);
}

static void put(struct loop *loop, uint64_t index, uint64_t term, uint64_t previous_term, const char *text)
{
    struct log_entry *entry = log_entry_create(term, LOG_COMMAND, bytes_of(text, strlen(text)));

    wal_entry(&loop->wal, ++loop->ticket, index, previous_term, entry);
    log_entry_unref(entry);
}

static void put_sized(struct loop *loop, uint64_t index, size_t size)
{
    char *text = memory_alloc(size + 1);

    memset(text, 'x', size);
    text[size] = '\0';
    put(loop, index, 1, index > 1 ? 1 : 0, text);
    memory_free(text);
}

static void expect(const struct wal_load *load, uint64_t index, uint64_t term, const char *text)
{
    const struct log_entry *entry = log_get(&load->log, index);

    assert_non_null(entry);
    assert_int_equal(entry->term, term);
    assert_int_equal(entry->size, strlen(text));
    assert_memory_equal(entry->data, text, strlen(text));
}

static void expect_open(struct loop *loop, struct wal_load *load)
{
    const enum status status = loop_open(loop, load);

    if (status != STATUS_OK) {
        fail_msg("%s", loop->error);
    }
}

static void what_was_written_comes_back(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    assert_true(load.pristine);
    log_deinit(&load.log);
    wal_hard_state(&loop.wal, ++loop.ticket, 7, 2);
    put(&loop, 1, 6, 0, "first");
    put(&loop, 2, 7, 6, "second");
    put(&loop, 3, 7, 7, "third");
    put(&loop, 2, 7, 6, "replaced");
    loop_settle(&loop);
    assert_int_equal(loop.durable, loop.ticket);
    loop_crash(&loop, MEMORY_CRASH_LOSES);

    expect_open(&loop, &load);
    assert_false(load.pristine);
    assert_int_equal(load.term, 7);
    assert_int_equal(load.vote, 2);
    assert_int_equal(log_last(&load.log), 2);
    expect(&load, 1, 6, "first");
    expect(&load, 2, 7, "replaced");
    log_deinit(&load.log);
    loop_deinit(&loop);
}

static void a_reset_forgets_the_log_before_it(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    put(&loop, 1, 1, 0, "first");
    wal_reset(&loop.wal, ++loop.ticket, 100, 4);
    put(&loop, 101, 5, 4, "later");
    loop_settle(&loop);
    loop_crash(&loop, MEMORY_CRASH_LOSES);
    expect_open(&loop, &load);
    assert_int_equal(load.log.base, 100);
    assert_int_equal(load.base_term, 4);
    assert_int_equal(log_last(&load.log), 101);
    expect(&load, 101, 5, "later");
    log_deinit(&load.log);
    loop_deinit(&loop);
}

static void writes_during_a_sync_share_the_next_one(void **state)
{
    struct wal_load load;
    struct loop loop;
    uint64_t syncs;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    put(&loop, 1, 1, 0, "first");
    loop_settle(&loop);
    put(&loop, 2, 1, 1, "second");
    loop_turn(&loop);
    for (uint64_t i = 3; i < 100; i++) {
        put(&loop, i, 1, 1, "more");
        loop_turn(&loop);
    }
    assert_int_equal(loop.durable, 1);
    syncs = loop.disk.syncs;
    loop_jobs(&loop);
    assert_int_equal(loop.durable, 2);
    assert_int_equal(loop.disk.syncs, syncs + 1);
    loop_jobs(&loop);
    assert_int_equal(loop.durable, 99);
    assert_int_equal(loop.disk.syncs, syncs + 2);
    loop_deinit(&loop);
}

static void a_failed_sync_reports_nothing_and_is_not_repeated(void **state)
{
    struct wal_load load;
    struct loop loop;
    uint64_t operations;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    put(&loop, 1, 1, 0, "first");
    loop_settle(&loop);
    loop.disk.fail_at = loop.disk.operations + 2; /* the write goes through, the sync does not */
    put(&loop, 2, 1, 1, "second");
    loop_settle(&loop);
    assert_int_equal(loop.failures, 1);
    assert_int_equal(loop.durable, 1);
    operations = loop.disk.operations;
    put(&loop, 3, 1, 1, "third");
    loop_settle(&loop);
    assert_int_equal(loop.disk.operations, operations);
    assert_int_equal(loop.failures, 1);
    loop_deinit(&loop);
}

/* Three flushes of entries 1-3, 4-6, 7-9 and, if `idle`, the mark behind them. */
static void write_nine(struct loop *loop, bool idle)
{
    struct wal_load load;

    expect_open(loop, &load);
    log_deinit(&load.log);
    wal_hard_state(&loop->wal, ++loop->ticket, 3, 1);
    for (uint64_t i = 1; i <= 9; i++) {
        put(loop, i, 2, i > 1 ? 2 : 0, "an entry that was acknowledged");
        if (i % 3 == 0) {
            loop_settle(loop);
        }
    }
    if (idle) {
        loop->now_ns += NS_PER_SECOND;
        env_fire_timers(&loop->env, loop->now_ns);
        loop_settle(loop);
    }
}

static void flipped_bits_below_the_watermark_are_refused(void **state)
{
    const char *path = DIRECTORY "/wal-00000000000000000001.log";
    size_t refused = 0;
    size_t size;

    (void)state;
    {
        struct loop loop;

        loop_init(&loop, 1);
        write_nine(&loop, true);
        size = (size_t)loop.wal.position;
        loop_deinit(&loop);
    }
    for (size_t at = 0; at < size; at += 3) {
        struct wal_load load;
        struct loop loop;
        struct buffer *contents;
        enum status status;
        uint8_t before;

        loop_init(&loop, 1);
        write_nine(&loop, true);
        loop_crash(&loop, MEMORY_CRASH_LOSES);
        contents = memory_disk_contents(&loop.disk, path);
        assert_non_null(contents);
        before = contents->data[at];
        contents->data[at] ^= (uint8_t)(1U << (at % 8));
        status = loop_open(&loop, &load);
        if (status == STATUS_OK) {
            /* The mark itself, or padding: all nine are there. Nothing else may pass. */
            assert_true(before == 0 || at >= size - WAL_ALIGNMENT);
            assert_int_equal(log_last(&load.log), 9);
            assert_int_equal(load.term, 3);
            log_deinit(&load.log);
        } else {
            assert_true(status == STATUS_CORRUPT);
            assert_non_null(strstr(loop.error, "record"));
            refused++;
        }
        loop_deinit(&loop);
    }
    assert_true(refused > 300);
}

static void lost_sectors_below_the_watermark_are_refused(void **state)
{
    (void)state;
    for (size_t sector = 0; sector < 3 * WAL_ALIGNMENT / 512; sector++) {
        struct wal_load load;
        struct loop loop;
        struct buffer *contents;
        bool was_empty = true;

        loop_init(&loop, 1);
        write_nine(&loop, true);
        loop_crash(&loop, MEMORY_CRASH_LOSES);
        contents = memory_disk_contents(&loop.disk, DIRECTORY "/wal-00000000000000000001.log");
        for (size_t i = 0; i < 512; i++) {
            was_empty = was_empty && contents->data[sector * 512 + i] == 0;
        }
        memset(contents->data + sector * 512, 0, 512);
        if (was_empty) {
            expect_open(&loop, &load);
            log_deinit(&load.log);
        } else {
            assert_int_equal(loop_open(&loop, &load), STATUS_CORRUPT);
        }
        loop_deinit(&loop);
    }
}

static void a_missing_segment_is_refused(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    for (uint64_t i = 1; i <= 30; i++) {
        put_sized(&loop, i, 8000);
        loop_settle(&loop);
    }
    assert_true(loop.wal.segment_count > 3);
    loop_crash(&loop, MEMORY_CRASH_LOSES);
    assert_int_equal(disk_remove(&loop.disk.disk, DIRECTORY "/wal-00000000000000000002.log"), STATUS_OK);
    assert_int_equal(loop_open(&loop, &load), STATUS_CORRUPT);
    loop_deinit(&loop);
}

static void entries_larger_than_a_segment_fit(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    put_sized(&loop, 1, 10);
    put_sized(&loop, 2, 100 * 1024);
    put_sized(&loop, 3, 10);
    put_sized(&loop, 4, 0);
    loop_settle(&loop);
    loop_crash(&loop, MEMORY_CRASH_LOSES);
    expect_open(&loop, &load);
    assert_int_equal(log_last(&load.log), 4);
    assert_int_equal(log_get(&load.log, 2)->size, 100 * 1024);
    assert_int_equal(log_get(&load.log, 4)->size, 0);
    log_deinit(&load.log);
    loop_deinit(&loop);
}

static void old_segments_go_and_the_rest_is_read(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    wal_hard_state(&loop.wal, ++loop.ticket, 9, 1);
    for (uint64_t i = 1; i <= 30; i++) {
        put_sized(&loop, i, 8000);
        loop_settle(&loop);
    }
    wal_trim(&loop.wal, 20);
    loop_settle(&loop);
    assert_null(memory_disk_contents(&loop.disk, DIRECTORY "/wal-00000000000000000001.log"));
    loop_crash(&loop, MEMORY_CRASH_LOSES);
    expect_open(&loop, &load);
    assert_in_range(load.log.base, 10, 20);
    assert_int_equal(load.base_term, 1);
    assert_int_equal(log_last(&load.log), 30);
    assert_int_equal(load.term, 9);
    log_deinit(&load.log);
    loop_deinit(&loop);
}

static void what_cannot_be_removed_keeps_what_is_newer(void **state)
{
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    expect_open(&loop, &load);
    log_deinit(&load.log);
    for (uint64_t i = 1; i <= 30; i++) {
        put_sized(&loop, i, 8000);
        loop_settle(&loop);
    }
    loop.disk.fail_at = loop.disk.operations + 1;
    wal_trim(&loop.wal, 10);
    loop_settle(&loop);
    loop.disk.fail_at = 0;
    wal_trim(&loop.wal, 20);
    loop_settle(&loop);
    assert_non_null(memory_disk_contents(&loop.disk, DIRECTORY "/wal-00000000000000000001.log"));
    loop_crash(&loop, MEMORY_CRASH_KEEPS);
    expect_open(&loop, &load);
    assert_int_equal(load.log.base, 0);
    assert_int_equal(log_last(&load.log), 30);
    log_deinit(&load.log);
    /* The next life removes what this one could not. */
    wal_trim(&loop.wal, 20);
    loop_settle(&loop);
    assert_null(memory_disk_contents(&loop.disk, DIRECTORY "/wal-00000000000000000001.log"));
    loop_deinit(&loop);
}

static void another_nodes_directory_is_refused(void **state)
{
    struct wal_options options;
    struct wal_load load;
    struct loop loop;

    (void)state;
    loop_init(&loop, 1);
    write_nine(&loop, false);
    loop_crash(&loop, MEMORY_CRASH_LOSES);
    options = loop_options(&loop);
    options.identity.id = 4;
    assert_int_equal(wal_open(&loop.wal, &options, &load, loop.error), STATUS_INVALID);
    assert_non_null(strstr(loop.error, "another node"));
    loop_deinit(&loop);
}

/* One life: opens, checks what must be there, writes on until something fails or the script ends. */
struct script {
    uint64_t acknowledged; /* index known to be durable */
    uint64_t term;         /* durable */
    uint64_t written;      /* possibly on disk */
    uint64_t written_term;
};

static void script_check(struct script *script, struct wal_load *load)
{
    const uint64_t last = log_last(&load->log);

    if (last < script->acknowledged || last > script->written || load->term < script->term ||
        load->term > script->written_term) {
        fail_msg("acknowledged %llu (term %llu), found %llu (term %llu)", (unsigned long long)script->acknowledged,
                 (unsigned long long)script->term, (unsigned long long)last, (unsigned long long)load->term);
    }
    for (uint64_t i = load->log.base + 1; i <= last; i++) {
        char text[32];

        snprintf(text, sizeof(text), "entry %llu", (unsigned long long)i);
        assert_memory_equal(log_get(&load->log, i)->data, text, strlen(text));
    }
    script->acknowledged = last;
    script->written = last;
    script->term = load->term;
    script->written_term = load->term;
}

static void script_put(struct loop *loop, struct script *script)
{
    char text[1200] = {0};
    struct log_entry *entry;

    snprintf(text, sizeof(text), "entry %llu", (unsigned long long)++script->written);
    entry = log_entry_create(1, LOG_COMMAND, bytes_of(text, sizeof(text)));
    wal_entry(&loop->wal, ++loop->ticket, script->written, script->written > 1 ? 1 : 0, entry);
    log_entry_unref(entry);
}

/* Returns false when the disk failed. */
static bool script_run(struct loop *loop, struct script *script)
{
    struct wal_load load;

    if (loop_open(loop, &load) != STATUS_OK) {
        if (loop->disk.fail_at == 0) {
            fail_msg("%s", loop->error);
        }
        return false;
    }
    script_check(script, &load);
    log_deinit(&load.log);
    for (int round = 0; round < 12 && loop->failures == 0; round++) {
        const uint64_t first = script->written + 1;

        wal_hard_state(&loop->wal, ++loop->ticket, ++script->written_term, 1);
        for (int i = 0; i <= round % 5; i++) {
            script_put(loop, script);
        }
        loop_settle(loop);
        if (loop->durable == loop->ticket) {
            script->acknowledged = script->written;
            script->term = script->written_term;
        } else {
            assert_int_equal(loop->failures, 1);
        }
        if (round == 6) {
            wal_trim(&loop->wal, first > 20 ? first - 20 : 0);
        }
    }
    return loop->failures == 0;
}

static void tell_points(const char *what, uint64_t points)
{
    print_message("sweep: %s: %llu points, 0 violations\n", what, (unsigned long long)points);
}

static void a_crash_at_any_operation_keeps_what_was_acknowledged(void **state)
{
    static const enum memory_crash hows[] = {MEMORY_CRASH_LOSES, MEMORY_CRASH_KEEPS, MEMORY_CRASH_TEARS,
                                             MEMORY_CRASH_TEARS,
                                             MEMORY_CRASH_TEARS};
    uint64_t points = 0;

    (void)state;
    for (size_t how = 0; how < ARRAY_COUNT(hows); how++) {
        bool through = false;

        for (uint64_t fail_at = 2; !through; fail_at++, points++) {
            struct script script = {0};
            struct loop loop;

            loop_init(&loop, fail_at * 7 + how);
            assert_int_equal(disk_make_directories(&loop.disk.disk, DIRECTORY), STATUS_OK);
            assert_true(script_run(&loop, &script)); /* a first life without trouble */
            loop_crash(&loop, MEMORY_CRASH_KEEPS);
            loop.disk.fail_at = loop.disk.operations + fail_at;
            through = script_run(&loop, &script);
            for (int life = 0; life < 2; life++) {
                loop_crash(&loop, hows[how]);
                loop.failures = 0;
                assert_true(script_run(&loop, &script));
            }
            loop_deinit(&loop);
        }
    }
    tell_points("power cut at each write of the log", points);
}

static void disk_stops(void *context)
{
    struct loop *loop = context;

    loop->disk.fail_at = loop->disk.operations + 1;
}

static void a_process_without_memory_keeps_what_was_acknowledged(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (int how = 0; how < 2; how++) {
        bool ended = true;

        for (uint64_t at = 1; ended; at++, points++) {
            struct script script = {0};
            struct memory_points memory;
            struct loop loop;

            loop_init(&loop, at * 7);
            assert_int_equal(disk_make_directories(&loop.disk.disk, DIRECTORY), STATUS_OK);
            assert_true(script_run(&loop, &script));
            loop_crash(&loop, MEMORY_CRASH_KEEPS);
            memory_points_begin(&memory, at, disk_stops, &loop);
            (void)script_run(&loop, &script);
            ended = memory_points_end(&memory);
            loop_crash(&loop, how == 0 ? MEMORY_CRASH_KEEPS : MEMORY_CRASH_TEARS);
            loop.failures = 0;
            assert_true(script_run(&loop, &script));
            loop_deinit(&loop);
        }
    }
    tell_points("the log at each allocation", points);
}

/* Snapshots. */

static void saved(void *context, enum status status)
{
    *(enum status *)context = status;
}

static void save(struct loop *loop, uint64_t index, size_t size, uint64_t remove_index)
{
    struct core_snapshot about = {.index = index, .term = 3, .configuration_index = 1};
    struct buffer data = {0};
    struct snapshot *snapshot;
    enum status status = STATUS_BUSY;

    buffer_append(&about.configuration, "voters", 6);
    memset(buffer_reserve(&data, size), (int)index, size);
    data.size = size;
    snapshot = snapshot_create(&about, &data, false);
    assert_non_null(snapshot_save(&loop->env, DIRECTORY, 77, snapshot, remove_index, saved, &status));
    snapshot_unref(snapshot);
    loop_settle(loop);
    assert_int_equal(status, STATUS_OK);
}

static struct snapshot *load_snapshot(struct loop *loop, uint64_t *older_index, int *damaged)
{
    struct snapshot *snapshot;

    assert_int_equal(snapshot_load(&loop->disk.disk, DIRECTORY, 77, 64 * 1024 * 1024, &snapshot, older_index, damaged),
                     STATUS_OK);
    return snapshot;
}

static void the_newest_whole_snapshot_is_loaded(void **state)
{
    struct loop loop;
    struct snapshot *snapshot;
    struct buffer *contents;
    uint64_t older;
    int damaged;

    (void)state;
    loop_init(&loop, 1);
    assert_int_equal(disk_make_directories(&loop.disk.disk, DIRECTORY), STATUS_OK);
    assert_null(load_snapshot(&loop, &older, &damaged));
    save(&loop, 10, 100, 0);
    save(&loop, 20, 3 * 1024 * 1024 + 5, 0);
    save(&loop, 30, 0, 10);
    assert_null(memory_disk_contents(&loop.disk, DIRECTORY "/snapshot-00000000000000000010.snap"));
    snapshot = load_snapshot(&loop, &older, &damaged);
    assert_int_equal(snapshot->about.index, 30);
    assert_int_equal(snapshot->data.size, 0);
    assert_int_equal(older, 20);
    assert_int_equal(damaged, 0);
    snapshot_unref(snapshot);

    contents = memory_disk_contents(&loop.disk, DIRECTORY "/snapshot-00000000000000000030.snap");
    contents->data[20] ^= 1;
    snapshot = load_snapshot(&loop, &older, &damaged);
    assert_int_equal(snapshot->about.index, 20);
    assert_int_equal(snapshot->data.size, 3 * 1024 * 1024 + 5);
    assert_int_equal(snapshot->data.data[3 * 1024 * 1024], 20);
    assert_int_equal(damaged, 1);
    snapshot_unref(snapshot);

    contents = memory_disk_contents(&loop.disk, DIRECTORY "/snapshot-00000000000000000020.snap");
    contents->data[2 * 1024 * 1024] ^= 1;
    assert_null(load_snapshot(&loop, &older, &damaged));
    assert_int_equal(damaged, 2);
    loop_deinit(&loop);
}

static void a_snapshot_that_was_not_finished_is_removed(void **state)
{
    struct loop loop;
    struct core_snapshot about = {.index = 10, .term = 3, .configuration_index = 1};
    struct buffer data = {0};
    struct snapshot *snapshot;
    enum status status = STATUS_BUSY;
    uint64_t older;
    int damaged;

    (void)state;
    loop_init(&loop, 1);
    assert_int_equal(disk_make_directories(&loop.disk.disk, DIRECTORY), STATUS_OK);
    snapshot = snapshot_create(&about, &data, false);
    loop.disk.fail_at = loop.disk.operations + 3;
    snapshot_save(&loop.env, DIRECTORY, 77, snapshot, 0, saved, &status);
    snapshot_unref(snapshot);
    loop_settle(&loop);
    assert_int_equal(status, STATUS_IO);
    loop_crash(&loop, MEMORY_CRASH_KEEPS);
    assert_non_null(memory_disk_contents(&loop.disk, DIRECTORY "/snapshot-00000000000000000010.snap.tmp"));
    assert_null(load_snapshot(&loop, &older, &damaged));
    assert_null(memory_disk_contents(&loop.disk, DIRECTORY "/snapshot-00000000000000000010.snap.tmp"));
    loop_deinit(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_comes_back),
        cmocka_unit_test(a_reset_forgets_the_log_before_it),
        cmocka_unit_test(writes_during_a_sync_share_the_next_one),
        cmocka_unit_test(a_failed_sync_reports_nothing_and_is_not_repeated),
        cmocka_unit_test(flipped_bits_below_the_watermark_are_refused),
        cmocka_unit_test(lost_sectors_below_the_watermark_are_refused),
        cmocka_unit_test(a_missing_segment_is_refused),
        cmocka_unit_test(entries_larger_than_a_segment_fit),
        cmocka_unit_test(old_segments_go_and_the_rest_is_read),
        cmocka_unit_test(what_cannot_be_removed_keeps_what_is_newer),
        cmocka_unit_test(another_nodes_directory_is_refused),
        cmocka_unit_test(a_crash_at_any_operation_keeps_what_was_acknowledged),
        cmocka_unit_test(a_process_without_memory_keeps_what_was_acknowledged),
        cmocka_unit_test(the_newest_whole_snapshot_is_loaded),
        cmocka_unit_test(a_snapshot_that_was_not_finished_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
