/* millrace log dump and verify: segment files, offline. See segment_file.h. */
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/segment_file.h"
#include "common/base/memory.h"

#include <inttypes.h>
#include <stdio.h>

#define OUT_SIZE 65536
#define RECORDS_MAX (1u << 30)

struct walk {
    struct cli *cli;
    const char *path;
    bool dump;
    bool records;
    bool json;
    uint64_t batches;
    uint64_t record_count;
    uint64_t problems;
    struct buffer scratch;
};

static void flush_if_large(struct walk *walk)
{
    if (!walk->json && walk->cli->text.size >= OUT_SIZE) {
        (void)cli_print(buffer_bytes(&walk->cli->text));
        buffer_clear(&walk->cli->text);
    }
}

static void dump_records(struct walk *walk, const struct segment_batch *batch)
{
    struct record_iterator iterator;
    struct record record;
    struct bytes records;

    if (!batch->crc_matches ||
        batch_records(batch->bytes, &batch->header, NULL, RECORDS_MAX, &walk->scratch, &records) != STATUS_OK) {
        return;
    }
    record_iterator_init(&iterator, &batch->header, records);
    while (record_next(&iterator, &record) == STATUS_OK) {
        struct json_writer *json = &walk->cli->writer;

        if (walk->json) {
            json_begin_object(json);
            json_member_number(json, "offset", record.offset);
            json_member_number(json, "timestamp", record.timestamp);
            json_name(json, "key");
            json_bytes(json, record.key);
            json_name(json, "value");
            json_bytes(json, record.value);
            json_end_object(json);
            continue;
        }
        buffer_append_format(&walk->cli->text, "    offset %" PRId64 "  time %" PRId64 "  key ", record.offset,
                             record.timestamp);
        /* As JSON, so that no bytes of a record can play tricks on a terminal. */
        struct json_writer line;

        json_writer_init(&line, &walk->cli->text);
        json_bytes(&line, record.key);
        buffer_append_format(&walk->cli->text, "  value ");
        json_writer_init(&line, &walk->cli->text);
        json_bytes(&line, record.value);
        buffer_append(&walk->cli->text, "\n", 1);
        flush_if_large(walk);
    }
}

static void dump_batch_json(struct walk *walk, const struct segment_batch *batch)
{
    const struct batch_header *header = &batch->header;
    struct json_writer *json = &walk->cli->writer;

    json_begin_object(json);
    json_member_number(json, "position", (int64_t)batch->position);
    json_member_number(json, "size", (int64_t)batch->bytes.size);
    json_member_number(json, "base_offset", header->base_offset);
    json_member_number(json, "last_offset", batch_last_offset(header));
    json_member_number(json, "record_count", header->record_count);
    json_member_number(json, "leader_epoch", header->partition_leader_epoch);
    json_member_number(json, "max_timestamp", header->max_timestamp);
    json_member_text(json, "compression", header->compression < COMPRESSION_COUNT
                                              ? compression_name((enum compression)header->compression)
                                              : "unknown");
    json_member_number(json, "producer_id", header->producer_id);
    json_member_number(json, "producer_epoch", header->producer_epoch);
    json_member_number(json, "base_sequence", header->base_sequence);
    json_member_bool(json, "transactional", header->transactional);
    json_member_bool(json, "control", header->control);
    json_member_bool(json, "crc_matches", batch->crc_matches);
    if (walk->records) {
        json_name(json, "records");
        json_begin_array(json);
        dump_records(walk, batch);
        json_end_array(json);
    }
    json_end_object(json);
}

static void visit_batch(void *context, const struct segment_batch *batch)
{
    struct walk *walk = context;
    const struct batch_header *header = &batch->header;

    walk->batches++;
    walk->record_count += header->record_count > 0 ? (uint64_t)header->record_count : 0;
    if (!walk->dump) {
        return;
    }
    if (walk->json) {
        dump_batch_json(walk, batch);
        return;
    }
    buffer_append_format(&walk->cli->text,
                         "%" PRIu64 "  offsets %" PRId64 "..%" PRId64 "  records %d  size %zu  epoch %d  time %" PRId64
                         "  %s",
                         batch->position, header->base_offset, batch_last_offset(header), header->record_count,
                         batch->bytes.size, header->partition_leader_epoch, header->max_timestamp,
                         header->compression < COMPRESSION_COUNT
                             ? compression_name((enum compression)header->compression)
                             : "unknown codec");
    if (batch_has_producer(header)) {
        buffer_append_format(&walk->cli->text, "  producer %" PRId64 ":%d  sequence %d", header->producer_id,
                             header->producer_epoch, header->base_sequence);
    }
    buffer_append_format(&walk->cli->text, "%s%s%s\n", header->transactional ? "  transactional" : "",
                         header->control ? "  control" : "", batch->crc_matches ? "" : "  CRC WRONG");
    if (walk->records) {
        dump_records(walk, batch);
    }
    flush_if_large(walk);
}

static void visit_problem(void *context, uint64_t position, const char *text)
{
    struct walk *walk = context;

    walk->problems++;
    cli_error("%s, position %" PRIu64 ": %s", walk->path, position, text);
}

/* "x.log" with another ending, made with memory_alloc. */
static char *sibling(const char *path, const char *suffix)
{
    const char *dot = strrchr(path, '.');
    const size_t stem = dot != NULL ? (size_t)(dot - path) : strlen(path);
    const size_t size = stem + strlen(suffix) + 1;
    char *made = memory_alloc(size);

    snprintf(made, size, "%.*s%s", (int)stem, path, suffix);
    return made;
}

static bool walk_failed(const struct walk *walk, const char *path, enum status status)
{
    (void)walk;
    if (status == STATUS_OK) {
        return false;
    }
    cli_error("cannot read %s: %s", path, status_text(status));
    cli_hint("name .log files of a partition's directory that this user may read");
    return true;
}

/* The indexes beside a segment; ones that are missing are rebuilt by the node and no problem. */
static bool verify_indexes(struct walk *walk, int64_t base_offset, const struct segment_visitor *visitor)
{
    const char *log_path = walk->path;
    char *index = sibling(log_path, ".index");
    char *time_index = sibling(log_path, ".timeindex");
    bool ok = true;

    if (base_offset >= 0) {
        enum status status;

        walk->path = index;
        status = segment_check_index(index, log_path, base_offset, visitor);
        ok = status == STATUS_NOT_FOUND || !walk_failed(walk, index, status);
        walk->path = time_index;
        status = segment_check_time_index(time_index, base_offset, visitor);
        ok = (status == STATUS_NOT_FOUND || !walk_failed(walk, time_index, status)) && ok;
        walk->path = log_path;
    }
    memory_free(index);
    memory_free(time_index);
    return ok;
}

/* Walks one file; false if anything is wrong with it. */
static bool walk_file(struct walk *walk)
{
    const struct segment_visitor visitor = {visit_batch, visit_problem, walk};
    const int64_t base_offset = segment_base_offset(walk->path);
    struct json_writer *json = &walk->cli->writer;

    walk->batches = 0;
    walk->record_count = 0;
    walk->problems = 0;
    if (walk->json) {
        json_begin_object(json);
        json_member_text(json, "file", walk->path);
        if (walk->dump) {
            json_name(json, "batches");
            json_begin_array(json);
        }
    } else if (walk->dump) {
        buffer_append_format(&walk->cli->text, "%s\n", walk->path);
    }
    bool ok = !walk_failed(walk, walk->path, segment_walk(walk->path, base_offset, &visitor));

    ok = ok && (walk->dump || verify_indexes(walk, base_offset, &visitor));
    ok = ok && walk->problems == 0;
    if (walk->json) {
        if (walk->dump) {
            json_end_array(json);
        }
        json_member_number(json, "batch_count", (int64_t)walk->batches);
        json_member_number(json, "record_count", (int64_t)walk->record_count);
        json_member_number(json, "problems", (int64_t)walk->problems);
        json_member_bool(json, "ok", ok);
        json_end_object(json);
    } else {
        buffer_append_format(&walk->cli->text,
                             "%s: %s, %" PRIu64 " batches, %" PRIu64 " records, %" PRIu64 " problems\n",
                             walk->path, ok ? "ok" : "NOT OK", walk->batches, walk->record_count, walk->problems);
    }
    return ok;
}

static int walk_files(struct cli *cli, bool dump)
{
    struct walk walk = {.cli = cli, .dump = dump, .json = cli->json};
    bool ok = true;

    walk.records = dump && arguments_has(&cli->arguments, "records");
    buffer_init(&walk.scratch);
    if (cli->json) {
        json_name(cli_json_begin(cli), "files");
        json_begin_array(&cli->writer);
    }
    for (int i = 0; i < cli->arguments.value_count; i++) {
        walk.path = cli->arguments.values[i];
        ok = walk_file(&walk) && ok;
    }
    if (cli->json) {
        json_end_array(&cli->writer);
        cli_json_end(cli);
    } else {
        (void)cli_print(buffer_bytes(&cli->text));
    }
    buffer_deinit(&walk.scratch);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int log_dump_command(struct cli *cli)
{
    return walk_files(cli, true);
}

int log_verify_command(struct cli *cli)
{
    return walk_files(cli, false);
}
