/* Seeds of partition directories: logs that were written, stopped or not, as fuzz_log_open reads them. */
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/batch/control_record.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/log/partition_log.h"
#include "storage-node/log/producer_snapshot.h"
#include "storage-node/log/segment_name.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/seeds.h"

#include "common/base/assert.h"

#include <stdio.h>

#define DIRECTORY "/data/events-3"

struct dump {
    struct fuzz_loop *loop;
    struct buffer *out;
};

static void dump_file(void *context, const char *name, enum disk_kind kind)
{
    struct dump *dump = context;
    enum segment_part part;
    int64_t offset;
    char path[DISK_PATH_MAX];
    struct buffer *contents;

    ASSERT(kind == DISK_FILE);
    snprintf(path, sizeof(path), "%s/%s", DIRECTORY, name);
    contents = memory_disk_contents(&dump->loop->memory, path);
    if (segment_name_parse(name, &offset, &part)) {
        ASSERT(offset < 250);
        seed_byte(dump->out, (unsigned)part);
        seed_byte(dump->out, (unsigned)offset);
    } else {
        seed_byte(dump->out, strcmp(name, "partition.metadata") == 0 ? SEGMENT_PART_COUNT + 1 : SEGMENT_PART_COUNT);
        seed_byte(dump->out, 0);
    }
    seed_u16(dump->out, contents->size);
    buffer_append(dump->out, contents->data, contents->size);
}

static void no_failure(void *context, enum status status)
{
    (void)context;
    (void)status;
    UNREACHABLE();
}

static void append(struct partition_log *log, struct space batch, int32_t epoch)
{
    struct append_result result;

    ASSERT(partition_log_append(log, batch, epoch, &result) == APPEND_OK);
    ASSERT(partition_log_flush(log) == STATUS_OK);
}

static void append_records(struct partition_log *log, int i, bool transactional)
{
    struct batch_options options = batch_options_default();
    const struct record_draft draft = {.timestamp = 1000 + i * 500, .value = bytes_of("value", 5)};
    struct batch_builder builder;

    options.producer_id = i % 3 == 0 && !transactional ? PRODUCER_ID_NONE : i % 3;
    options.producer_epoch = (int16_t)(options.producer_id >= 0 ? 1 : -1);
    options.base_sequence = options.producer_id >= 0 ? i / 3 * 2 : -1;
    options.transactional = transactional;
    batch_builder_init(&builder, &options);
    ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    append(log, batch_builder_finish(&builder), i / 4);
    batch_builder_deinit(&builder);
}

static void append_marker(struct partition_log *log, int64_t producer_id, bool commit)
{
    const struct transaction_marker marker = {
        .commit = commit, .producer_id = producer_id, .producer_epoch = 1, .coordinator_epoch = 1, .timestamp = 9000};
    uint8_t batch[TRANSACTION_MARKER_SIZE];

    transaction_marker_write(&marker, batch);
    append(log, (struct space){batch, sizeof(batch)}, 9);
}

/* The batches of a log as fuzz_log_append takes them: from a leader, or from clients as they had sent them; with a disk
 * whose call `fail_at` fails, 0: none. */
static void append_seed(const char *name, struct bytes contents, bool from_clients, unsigned fail_at)
{
    static const uint8_t steps[] = {2, 3, 4, 7 + 8, 4 + 8, 6, 4 + 16, 5 + 24}; /* flush, sync, open again, epoch, cut */
    struct bytes batch;
    struct buffer out;
    size_t count = 0;

    buffer_init(&out);
    seed_byte(&out, (from_clients ? 1U : 2U) | (fail_at > 0 ? 8U : 0) | (fail_at % 2 != 0 ? 16U : 0));
    seed_byte(&out, fail_at);
    while (batch_next(&contents, &batch) == STATUS_OK) {
        struct space copy = {memory_copy(batch.data, batch.size), batch.size};

        if (from_clients) {
            batch_assign(copy, 0, -1);
        }
        seed_byte(&out, from_clients ? 0 : 1);
        seed_u16(&out, copy.size);
        buffer_append(&out, copy.data, copy.size);
        if (++count % 2 == 0) {
            seed_byte(&out, (steps[count / 2 % sizeof(steps)] + fail_at * 8) % 256);
        }
        memory_free(copy.data);
    }
    seed_write("log_append", name, buffer_bytes(&out));
    buffer_deinit(&out);
}

static void append_seeds(const char *name, struct bytes contents, bool from_clients)
{
    append_seed(name, contents, from_clients, 0);
    for (unsigned fail_at = 1; fail_at < 120; fail_at += fail_at < 40 ? 1 : 5) {
        char text[64];

        snprintf(text, sizeof(text), "%s-fail-%u", name, fail_at);
        append_seed(text, contents, from_clients, fail_at);
    }
}

/* A directory as fuzz_log_open takes it: byte 1 `more`, and of its disk's calls `fail_at` fails if that says so. */
/* The entry that the journal has of the logs of log_seed, in front of their markers. */
static void seed_entry(struct buffer *out)
{
    static const char epochs[] = "0\n3\n0 0\n1 8\n2 16\n";
    struct producer_state state;
    struct buffer snapshot;

    producer_state_init(&state);
    buffer_init(&snapshot);
    producer_state_restore(&state, &(struct producer){.id = 1,
                                                      .epoch = 1,
                                                      .txn_first_offset = OFFSET_NONE,
                                                      .batch_count = 1,
                                                      .batches = {{.last_offset = 19, .last_sequence = 5,
                                                                   .offset_delta = 1}}});
    producer_snapshot_encode(&state, &snapshot);
    seed_byte(out, 20);
    seed_byte(out, 2);
    seed_u16(out, sizeof(epochs) - 1);
    buffer_append(out, epochs, sizeof(epochs) - 1);
    seed_u16(out, snapshot.size);
    buffer_append(out, snapshot.data, snapshot.size);
    buffer_deinit(&snapshot);
    producer_state_deinit(&state);
}

static void open_seed(const char *name, struct fuzz_loop *loop, bool clean, unsigned more, unsigned fail_at)
{
    struct buffer out;

    buffer_init(&out);
    seed_byte(&out, (clean ? 1U : 0) | 6);
    seed_byte(&out, more);
    seed_byte(&out, 0);
    seed_byte(&out, 0);
    if ((more & 8) != 0) {
        seed_entry(&out);
    }
    if ((more & 1) != 0) {
        seed_byte(&out, fail_at);
    }
    ASSERT(disk_list(&loop->memory.disk, DIRECTORY, dump_file, &(struct dump){loop, &out}) == STATUS_OK);
    seed_write("log_open", name, buffer_bytes(&out));
    buffer_deinit(&out);
}

static void open_seeds(const char *name, struct fuzz_loop *loop, bool clean)
{
    char text[64];

    open_seed(name, loop, clean, 0, 0);
    snprintf(text, sizeof(text), "%s-large", name);
    open_seed(text, loop, clean, 4, 0);
    snprintf(text, sizeof(text), "%s-entry", name);
    open_seed(text, loop, clean, 8, 0);
    for (unsigned fail_at = 1; fail_at < 120; fail_at += fail_at < 60 ? 1 : 5) {
        snprintf(text, sizeof(text), "%s-fail-%u", name, fail_at);
        open_seed(text, loop, clean, fail_at % 3 == 0 ? 3 : fail_at % 20 == 1 ? 5 : 1, fail_at);
    }
}

static void log_seed(const char *name, uint32_t segment_bytes, bool transactional, bool clean)
{
    const struct partition_log_options options = {.directory = DIRECTORY,
                                                  .topic = STRING("events"),
                                                  .topic_id = {{1, 2, 3}},
                                                  .partition = 3,
                                                  .config = {.segment_bytes = segment_bytes,
                                                             .segment_ms = 1000000,
                                                             .segment_index_bytes = 1 << 20,
                                                             .index_interval_bytes = 100,
                                                             .retention_ms = -1,
                                                             .retention_bytes = -1,
                                                             .producer_expiry_ms = 86400000}};
    struct fuzz_loop loop;
    struct file_cache *cache;
    struct partition_log *log;

    fuzz_loop_init(&loop, NULL);
    cache = file_cache_create(&loop.memory.disk, 8);
    ASSERT(partition_log_open(&loop.memory.disk, &options, &log) == STATUS_OK);
    partition_log_attach(log, &loop.env, cache, no_failure, NULL);
    for (int i = 0; i < 10; i++) {
        append_records(log, i, transactional);
        fuzz_loop_run(&loop);
    }
    if (transactional) {
        append_marker(log, 1, false);
        append_marker(log, 2, true);
    }
    fuzz_loop_run(&loop);
    if (clean) {
        ASSERT(partition_log_shutdown(log, true) == STATUS_OK);
    }
    if (clean && segment_bytes == 1 << 20) {
        const struct bytes contents =
            buffer_bytes(memory_disk_contents(&loop.memory, DIRECTORY "/00000000000000000000.log"));

        append_seeds(name, contents, false);
        append_seeds(transactional ? "transactions-of-clients" : "clients", contents, true);
    }
    open_seeds(name, &loop, clean);
    partition_log_close(log);
    fuzz_loop_run(&loop);
    file_cache_destroy(cache);
    fuzz_loop_deinit(&loop);
}

void seeds_of_logs(void)
{
    log_seed("one-segment", 1 << 20, false, true);
    log_seed("one-segment-crashed", 1 << 20, false, false);
    log_seed("segments", 300, false, true);
    log_seed("segments-crashed", 300, false, false);
    log_seed("transactions", 1 << 20, true, true);
    log_seed("transactions-segments", 300, true, true);
    log_seed("transactions-crashed", 500, true, false);
}
