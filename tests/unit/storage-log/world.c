/* The loop: jobs run when world_work is called, in order. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"
#include "common/batch/control_record.h"
#include "common/env/disk.h"
#include "storage-node/log/producer_journal.h"

#include <stdio.h>

static struct world *world_of(struct env *env)
{
    return CONTAINER_OF(env, struct world, env);
}

static uint64_t world_now_ns(struct env *env)
{
    return world_of(env)->now_ns;
}

static int64_t world_wall_ms(struct env *env)
{
    return world_of(env)->wall_ms;
}

static uint64_t world_random(struct env *env)
{
    (void)env;
    return 4; /* chosen by a fair roll of dice */
}

static void world_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    (void)lane;
    list_init(&job->link);
    list_append(&world_of(env)->jobs, &job->link);
}

static const struct env_ops world_ops = {
    .now_ns = world_now_ns, .wall_ms = world_wall_ms, .random = world_random, .submit = world_submit};

int world_setup(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    memory_disk_init(&world->memory, 1);
    fault_disk_init(&world->faults, &world->memory.disk);
    env_init(&world->env, &world_ops, &world->faults.disk, NULL);
    list_init(&world->jobs);
    world->wall_ms = 1000000;
    world->open_max = 16;
    world->config = world_config(1 << 20);
    *state = world;
    return 0;
}

static void world_forget_log(struct world *world)
{
    if (world->log != NULL) {
        partition_log_close(world->log);
        file_cache_destroy(world->cache);
        world->log = NULL;
        world->cache = NULL;
    }
}

int world_teardown(void **state)
{
    struct world *world = *state;

    world->faults.fail_at = 0;
    world_work(world);
    world_forget_log(world);
    world_work(world);
    world_forget_from(world, 0);
    assert_int_equal(world->faults.open_files, 0);
    memory_disk_deinit(&world->memory);
    env_deinit(&world->env);
    memory_free(world);
    return 0;
}

struct log_config world_config(uint32_t segment_bytes)
{
    return (struct log_config){.durability = DURABILITY_FSYNC,
                               .segment_bytes = segment_bytes,
                               .segment_ms = INT64_C(604800000),
                               .segment_index_bytes = 1 << 20,
                               .index_interval_bytes = 100,
                               .retention_ms = -1,
                               .retention_bytes = -1,
                               .file_delete_delay_ms = 1000,
                               .flush_messages = INT64_MAX,
                               .flush_ms = INT64_MAX,
                               .delete_old = true,
                               .producer_expiry_ms = 86400000};
}

static void world_failed(void *context, enum status status)
{
    struct world *world = context;

    world->failed = status;
    world->failed_count++;
}

static enum status world_open_from(struct world *world, bool clean, struct producer_journal *journal)
{
    const struct partition_log_options options = {.directory = WORLD_DIRECTORY,
                                                  .topic = STRING("events"),
                                                  .topic_id = {{1, 2, 3}},
                                                  .partition = 3,
                                                  .config = world->config,
                                                  .recovery_point = world->recovery_point,
                                                  .log_start_offset = world->log_start,
                                                  .clean = clean,
                                                  .kept = world->kept,
                                                  .fresh = world->fresh,
                                                  .producers = world->producers,
                                                  .now_ms = world->wall_ms};
    const enum status status = partition_log_open(&world->faults.disk, &options, &world->log);

    world->fresh = false;
    world->kept = false;
    world->producers = NULL;
    producer_journal_destroy(journal);
    if (status != STATUS_OK) {
        world->log = NULL;
        return status;
    }
    world->cache = file_cache_create(&world->faults.disk, world->open_max);
    partition_log_attach(world->log, &world->env, world->cache, world_failed, world);
    return STATUS_OK;
}

/* As the node does it: after a power cut the journal goes, else the log gets what it says. */
static void world_load_journal(struct world *world, bool clean, struct producer_journal **journal,
                               struct producer_journal_entry *entry)
{
    *journal = NULL;
    if (!clean && !world->kept) {
        assert_int_equal(producer_journal_remove(&world->memory.disk, WORLD_AROUND), STATUS_OK);
    } else if (world->producers == NULL) {
        assert_int_equal(producer_journal_load(&world->memory.disk, WORLD_AROUND, journal), STATUS_OK);
        if (producer_journal_find(*journal, (struct uuid){{1, 2, 3}}, 3, entry)) {
            world->producers = entry;
        }
    }
}

enum status world_try_open(struct world *world, bool clean)
{
    struct producer_journal *journal;
    struct producer_journal_entry entry;

    world_load_journal(world, clean, &journal, &entry);
    return world_open_from(world, clean, journal);
}

void world_open(struct world *world, bool clean)
{
    const bool kept = world->kept;
    enum status status = world_try_open(world, clean);

    if (status == STATUS_EXISTS && world->acked == 0 && !clean && !kept) {
        /* The file that says whose these records are did not survive, as none of it need have. The node sets it
         * aside. */
        char renamed[DISK_PATH_MAX];

        assert_int_equal(partition_directory_retire(&world->memory.disk, WORLD_DIRECTORY, (struct uuid){{1}},
                                                    PARTITION_DIRECTORY_STRAY, renamed),
                         STATUS_OK);
        world->recovery_point = 0;
        world->log_start = 0;
        world_forget_from(world, 0);
        status = world_try_open(world, clean);
    }
    assert_int_equal(status, STATUS_OK);
}

void world_work(struct world *world)
{
    struct list *link;

    env_run_hooks(&world->env);
    while ((link = list_take_first(&world->jobs)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        job->work(job);
        if (job->done != NULL) {
            job->done(job);
        }
        env_run_hooks(&world->env);
    }
}

void world_close(struct world *world)
{
    world_work(world);
    world->log_start = partition_log_start_offset(world->log);
    world_forget_log(world);
    world_work(world);
}

static void world_save_end(struct world *world)
{
    struct disk *disk = &world->memory.disk;
    struct buffer text;
    uint64_t size = 0;

    if (!partition_log_ends_unsaved(world->log)) {
        return;
    }
    buffer_init(&text);
    partition_log_save_end(world->log, &text);
    assert_int_equal(producer_journal_write(disk, WORLD_AROUND, 0, buffer_bytes(&text), &size), STATUS_OK);
    assert_int_equal(producer_journal_sync(disk, WORLD_AROUND, 0), STATUS_OK);
    assert_int_equal(disk_sync_directory(disk, WORLD_AROUND), STATUS_OK);
    buffer_deinit(&text);
}

void world_stop(struct world *world)
{
    world_work(world);
    world_save_end(world);
    assert_int_equal(partition_log_shutdown(world->log, true), STATUS_OK);
    world_close(world);
}

void world_crash(struct world *world, enum memory_crash how)
{
    /* A job that is under way has not happened; its memory must go all the same. */
    memory_disk_crash(&world->memory, how);
    world->faults.fail_at = 1;
    world->faults.fail_on = true;
    if (world->log != NULL) {
        (void)!partition_log_flush(world->log);
        world_work(world);
        world_forget_log(world);
        world_work(world);
    }
    world->faults.fail_at = 0;
    world->faults.fail_on = false;
    world->faults.stopped = false;
    world->faults.failed = false;
    world->failed = STATUS_OK;
    world->failed_count = 0;
}

struct batch_recipe recipe(size_t value_size, int64_t timestamp)
{
    return (struct batch_recipe){.records = 1,
                                 .value_size = value_size,
                                 .timestamp = timestamp,
                                 .producer_id = PRODUCER_ID_NONE,
                                 .producer_epoch = -1,
                                 .sequence = -1};
}

struct batch_recipe recipe_of_producer(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t records)
{
    return (struct batch_recipe){.records = records,
                                 .value_size = 10,
                                 .timestamp = 5000,
                                 .producer_id = producer_id,
                                 .producer_epoch = epoch,
                                 .sequence = sequence};
}

struct space batch_of_recipe(const struct batch_recipe *made)
{
    struct batch_options options = batch_options_default();
    struct batch_builder builder;
    uint8_t *value = memory_alloc_zero(1, made->value_size + 1);
    struct space batch;

    options.producer_id = made->producer_id;
    options.producer_epoch = made->producer_epoch;
    options.base_sequence = made->sequence;
    options.transactional = made->transactional;
    memset(value, 'v', made->value_size);
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < made->records; i++) {
        const struct record_draft draft = {.timestamp = made->timestamp, .value = bytes_of(value, made->value_size)};

        assert_int_equal(batch_builder_append(&builder, &draft), STATUS_OK);
    }
    batch = batch_builder_finish(&builder);
    batch.data = memory_copy(batch.data, batch.size);
    batch_builder_deinit(&builder);
    memory_free(value);
    return batch;
}

struct space batch_of_marker(int64_t producer_id, int16_t epoch, bool commit)
{
    const struct transaction_marker marker = {.commit = commit,
                                              .producer_id = producer_id,
                                              .producer_epoch = epoch,
                                              .coordinator_epoch = 7,
                                              .timestamp = 6000};
    uint8_t bytes[TRANSACTION_MARKER_SIZE];

    transaction_marker_write(&marker, bytes);
    return (struct space){memory_copy(bytes, sizeof(bytes)), sizeof(bytes)};
}

enum append_verdict world_append_batch(struct world *world, struct space batch, struct append_result *result)
{
    const enum append_verdict verdict = partition_log_append(world->log, batch, world->leader_epoch, result);
    struct batch_header header;

    if (verdict != APPEND_OK) {
        memory_free(batch.data);
        return verdict;
    }
    assert_int_equal(batch_header_read(bytes_of(batch.data, batch.size), &header), STATUS_OK);
    assert_true(world->sent_count < WORLD_BATCHES_MAX);
    world->sent[world->sent_count++] = (struct sent){.base_offset = result->base_offset,
                                                     .last_offset = result->last_offset,
                                                     .max_timestamp = header.max_timestamp,
                                                     .bytes = bytes_of(batch.data, batch.size)};
    return verdict;
}

enum append_verdict world_append(struct world *world, const struct batch_recipe *made, struct append_result *result)
{
    struct append_result own;

    return world_append_batch(world, batch_of_recipe(made), result != NULL ? result : &own);
}

void world_fill(struct world *world, size_t count, size_t value_size)
{
    for (size_t i = 0; i < count; i++) {
        const struct batch_recipe made = recipe(value_size, 1000 + (int64_t)world->sent_count);

        assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
        assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    }
}

struct sync_answer {
    struct log_sync sync;
    int count;
    enum status status;
};

static void sync_answered(struct log_sync *sync, enum status status)
{
    struct sync_answer *answer = CONTAINER_OF(sync, struct sync_answer, sync);

    answer->count++;
    answer->status = status;
}

bool world_sync(struct world *world)
{
    struct sync_answer answer = {.sync.offset = partition_log_end_offset(world->log), .sync.done = sync_answered};

    partition_log_sync(world->log, &answer.sync);
    assert_int_equal(answer.count, 0);
    world_work(world);
    if (answer.count == 0) {
        /* Put off, by a failure that passes: the next care tries again. */
        partition_log_maintain(world->log, world->wall_ms, 0);
        world_work(world);
    }
    assert_int_equal(answer.count, 1);
    if (answer.status == STATUS_OK) {
        assert_true(partition_log_durable_end(world->log) >= answer.sync.offset);
        world->acked = answer.sync.offset;
    }
    return answer.status == STATUS_OK;
}

struct bytes slice_take(struct log_slice *slice)
{
    uint8_t *data = memory_alloc(slice->size + 1);
    size_t got = 0;

    if (slice->file != NULL) {
        assert_int_equal(file_read(slice->file, slice->position, data, slice->size, &got), STATUS_OK);
        file_unref(slice->file);
        slice->file = NULL;
    }
    assert_int_equal(got, slice->size);
    return bytes_of(data, got);
}

static size_t world_sent_at(const struct world *world, int64_t offset)
{
    size_t i = 0;

    while (i < world->sent_count && world->sent[i].last_offset < offset) {
        i++;
    }
    return i;
}

void world_check_contents(struct world *world)
{
    const int64_t end = partition_log_written_end(world->log);
    int64_t offset = partition_log_start_offset(world->log);
    size_t i = world_sent_at(world, offset);

    while (offset < end) {
        struct log_slice slice;
        struct bytes bytes;
        size_t at = 0;

        assert_int_equal(partition_log_read(world->log, offset, end, 1000, true, &slice), STATUS_OK);
        assert_true(slice.size > 0);
        assert_true(slice.next_offset > offset);
        assert_true(i < world->sent_count);
        assert_true(slice.first_offset == world->sent[i].base_offset);
        bytes = slice_take(&slice);
        while (at < bytes.size) {
            assert_true(i < world->sent_count);
            assert_true(world->sent[i].bytes.size <= bytes.size - at);
            assert_memory_equal(bytes.data + at, world->sent[i].bytes.data, world->sent[i].bytes.size);
            at += world->sent[i].bytes.size;
            offset = world->sent[i].last_offset + 1;
            i++;
        }
        assert_true(offset == slice.next_offset);
        memory_free((void *)(uintptr_t)bytes.data);
    }
}

const char *world_path(const char *name)
{
    static char path[DISK_PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", WORLD_DIRECTORY, name);
    return path;
}

void world_forget_from(struct world *world, int64_t offset)
{
    while (world->sent_count > 0 && world->sent[world->sent_count - 1].last_offset >= offset) {
        world->sent_count--;
        memory_free((void *)(uintptr_t)world->sent[world->sent_count].bytes.data);
    }
}

struct file_count {
    const char *ending;
    size_t count;
};

static void count_name(void *context, const char *name, enum disk_kind kind)
{
    struct file_count *files = context;
    const size_t size = strlen(name);
    const size_t ending = strlen(files->ending);

    if (kind == DISK_FILE && size >= ending && strcmp(name + size - ending, files->ending) == 0) {
        files->count++;
    }
}

size_t world_count_files(struct world *world, const char *ending)
{
    struct file_count files = {.ending = ending};

    assert_int_equal(disk_list(&world->memory.disk, WORLD_DIRECTORY, count_name, &files), STATUS_OK);
    return files.count;
}
