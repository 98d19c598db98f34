/* Reading the log back at start: verify every record, tell a torn tail from damage, cut the one and refuse the other.
 *
 * Records are walked in sequence over all segments. The walk stops at the first place that does not continue the chain.
 * If anything behind that place was written in the knowledge that the missing sequence number is durable, acknowledged
 * data is gone: STATUS_CORRUPT. Flushes begin on 4 KiB boundaries, so it is enough to look there. What is not known to
 * be durable is made so. */
#include "controller/quorum/wal_record.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* An entry may make its segment larger than the option says; anything above this is not ours. */
#define WAL_SEGMENT_READ_MAX ((size_t)1 << 30)

struct wal_names {
    uint64_t *numbers;
    size_t count;
    size_t capacity;
};

/* The walk over all segments. */
struct wal_walk {
    struct wal *wal;
    struct wal_load *load;
    char *error;
    uint32_t identity;
    bool started;      /* the first segment's record was seen */
    bool reset;        /* a reset was seen: what is before it is gone for good */
    bool stopped;      /* at (segment, position): the chain does not go on */
    size_t segment;    /* number in wal->segments */
    size_t position;
    size_t unproven;   /* records of this segment from here on may be in the cache only */
};

static void wal_name(void *context, const char *name, enum disk_kind kind)
{
    struct wal_names *names = context;
    unsigned long long number;
    char expected[64];
    char *end;

    if (kind != DISK_FILE || strncmp(name, "wal-", 4) != 0) {
        return;
    }
    number = strtoull(name + 4, &end, 10);
    snprintf(expected, sizeof(expected), "wal-%020llu.log", number);
    if (strcmp(name, expected) != 0) {
        return;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        names->numbers = memory_resize(names->numbers, names->capacity, sizeof(uint64_t));
    }
    names->numbers[names->count++] = number;
}

static int wal_compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static enum status wal_list(struct wal *wal)
{
    struct wal_names names = {0};
    const enum status status = disk_list(wal->options.env->disk, wal->options.directory, wal_name, &names);

    if (status == STATUS_OK && names.count > 0) {
        qsort(names.numbers, names.count, sizeof(uint64_t), wal_compare);
        for (size_t i = 0; i < names.count; i++) {
            wal_segment_add(wal, names.numbers[i]);
        }
    }
    memory_free(names.numbers);
    return status;
}

/* Reads a segment, after a sync: what a dead process left in the page cache must not count before it is on the disk. */
static enum status wal_read(struct wal *wal, size_t segment, uint8_t **data, size_t *size, char *error)
{
    char path[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    wal_segment_path(wal, wal->segments[segment].number, path);
    status = disk_open(wal->options.env->disk, path, FILE_WRITE, &file);
    if (status == STATUS_OK) {
        status = file_sync(file);
        file_unref(file);
    }
    if (status == STATUS_OK) {
        status = disk_read_file(wal->options.env->disk, path, WAL_SEGMENT_READ_MAX, data, size);
    }
    if (status != STATUS_OK) {
        snprintf(error, WAL_ERROR_MAX, "cannot read %.400s: %s", path, status_text(status));
    }
    return status;
}

static enum status wal_broken(struct wal_walk *walk, const struct wal_record *record, const char *why)
{
    char path[DISK_PATH_MAX];

    wal_segment_path(walk->wal, walk->wal->segments[walk->segment].number, path);
    snprintf(walk->error, WAL_ERROR_MAX, "%.300s at byte %zu: record %llu %s", path, walk->position,
             (unsigned long long)record->sequence, why);
    return STATUS_CORRUPT;
}

static enum status wal_take_segment(struct wal_walk *walk, const struct wal_record *record)
{
    struct wal_load *load = walk->load;
    const uint64_t term = load_u64(record->body.data);
    const uint64_t vote = load_u64(record->body.data + 8);

    if (!walk->started) {
        walk->started = true;
        load->term = term;
        load->vote = vote;
        load->log.base = record->index;
        load->base_term = record->term;
        return STATUS_OK;
    }
    if (term != load->term || vote != load->vote || record->index != log_last(&load->log)) {
        return wal_broken(walk, record, "does not continue the segment before");
    }
    return STATUS_OK;
}

static enum status wal_take_entry(struct wal_walk *walk, const struct wal_record *record)
{
    struct log *log = &walk->load->log;
    char why[128];

    if (record->index <= log->base && !walk->reset) {
        /* It replaces entries of segments that are gone: a snapshot covers what is before it. */
        log_reset(log, 0, 0);
        log->base = record->index - 1;
        walk->load->base_term = record->previous_term;
    }
    if (record->index <= log->base || record->index > log_last(log) + 1) {
        snprintf(why, sizeof(why), "carries entry %llu, which does not fit a log of %llu to %llu",
                 (unsigned long long)record->index, (unsigned long long)log->base + 1,
                 (unsigned long long)log_last(log));
        return wal_broken(walk, record, why);
    }
    wal_segment_note(&walk->wal->segments[walk->segment], record->index);
    log_truncate(log, record->index);
    log_append(log, log_entry_create(record->term, record->entry_kind, record->body));
    return STATUS_OK;
}

static enum status wal_take(struct wal_walk *walk, const struct wal_record *record)
{
    struct wal_load *load = walk->load;

    walk->load->pristine = false;
    walk->wal->chain = (struct wal_chain){record->sequence, record->checksum};
    if (!walk->started && record->kind != WAL_SEGMENT) {
        return wal_broken(walk, record, "is not the first of a segment");
    }
    switch (record->kind) {
    case WAL_SEGMENT:
        return wal_take_segment(walk, record);
    case WAL_ENTRY:
        return wal_take_entry(walk, record);
    case WAL_HARD_STATE:
        if (record->term < load->term) {
            return wal_broken(walk, record, "takes the term back");
        }
        load->term = record->term;
        load->vote = record->index;
        return STATUS_OK;
    case WAL_RESET:
        log_reset(&load->log, 0, 0);
        load->log.base = record->index;
        load->base_term = record->term;
        walk->reset = true;
        return STATUS_OK;
    case WAL_MARK:
        return STATUS_OK;
    }
    UNREACHABLE();
}

static bool wal_is_zero(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool wal_continues(const struct wal_walk *walk, const struct wal_record *record)
{
    const struct wal_chain *chain = &walk->wal->chain;

    return !walk->started || (record->sequence == chain->sequence + 1 && record->previous == chain->checksum);
}

/* Zeros up to the next flush's place are padding; zeros there are the end of the segment's records. */
static size_t wal_skip_padding(const uint8_t *data, size_t size, size_t at)
{
    const size_t next = (at + WAL_ALIGNMENT - 1) & ~(size_t)(WAL_ALIGNMENT - 1);
    const size_t end = next < size ? next : size;

    return wal_is_zero(data + at, end - at) ? end : at;
}

static enum status wal_walk_segment(struct wal_walk *walk, const uint8_t *data, size_t size)
{
    const uint64_t number = walk->wal->segments[walk->segment].number;
    enum status status = STATUS_OK;

    walk->position = 0;
    walk->unproven = 0;
    while (walk->position < size && status == STATUS_OK) {
        struct wal_record record;

        walk->position = wal_skip_padding(data, size, walk->position);
        if (walk->position == size ||
            (size - walk->position >= WAL_HEADER_SIZE && wal_is_zero(data + walk->position, WAL_HEADER_SIZE))) {
            break;
        }
        status = wal_record_decode(bytes_of(data + walk->position, size - walk->position), walk->identity, number,
                                   &record);
        if (status == STATUS_INVALID) {
            snprintf(walk->error, WAL_ERROR_MAX, "%.400s belongs to another node or another cluster",
                     walk->wal->options.directory);
        } else if (status == STATUS_UNSUPPORTED) {
            snprintf(walk->error, WAL_ERROR_MAX, "%.400s was written by a newer version", walk->wal->options.directory);
        } else if (status == STATUS_CORRUPT || !wal_continues(walk, &record)) {
            walk->stopped = true;
            return STATUS_OK;
        } else {
            if (record.durable_sequence + 1 >= record.sequence) {
                walk->unproven = walk->position;
            }
            status = wal_take(walk, &record);
            walk->position += record.size;
        }
    }
    return status;
}

/* Writes again what no later record says to be durable, where it is: after a sync that failed the system takes its
 * pages for clean, shows them to whoever reads, and lets the next sync succeed without them. That is the last flush, so
 * it is in the last segment. */
static enum status wal_write_again(const struct wal_walk *walk, const uint8_t *data)
{
    const struct wal *wal = walk->wal;
    const struct bytes part = {data + walk->unproven, walk->position - walk->unproven};
    char path[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    if (part.size == 0) {
        return STATUS_OK;
    }
    wal_segment_path(wal, wal->segments[walk->segment].number, path);
    status = disk_open(wal->options.env->disk, path, FILE_WRITE, &file);
    if (status == STATUS_OK) {
        status = file_write(file, walk->unproven, &part, 1);
        if (status == STATUS_OK) {
            status = file_sync(file);
        }
        file_unref(file);
    }
    if (status != STATUS_OK) {
        snprintf(walk->error, WAL_ERROR_MAX, "cannot write the end of %.400s again: %s", path, status_text(status));
    }
    return status;
}

/* True if a flush in this segment, from `position` on, was written knowing that the record that should come next in the
 * chain is durable. */
static bool wal_knows_more(const struct wal *wal, size_t segment, uint32_t identity, const uint8_t *data, size_t size,
                           size_t position)
{
    size_t at = (position + WAL_ALIGNMENT - 1) & ~(size_t)(WAL_ALIGNMENT - 1);

    for (; at + WAL_HEADER_SIZE <= size; at += WAL_ALIGNMENT) {
        struct wal_record record;
        uint32_t body_size;

        if (wal_record_decode_header(bytes_of(data + at, size - at), identity, wal->segments[segment].number, &record,
                                     &body_size) == STATUS_OK &&
            record.durable_sequence > wal->chain.sequence) {
            return true;
        }
    }
    return false;
}

/* Looks behind the place where the walk stopped. */
static enum status wal_check_tail(struct wal_walk *walk)
{
    struct wal *wal = walk->wal;
    bool knows_more = false;

    for (size_t i = walk->segment; i < wal->segment_count && !knows_more; i++) {
        uint8_t *data;
        size_t size;
        const enum status status = wal_read(wal, i, &data, &size, walk->error);

        if (status != STATUS_OK) {
            return status;
        }
        knows_more = wal_knows_more(wal, i, walk->identity, data, size, i == walk->segment ? walk->position : 0);
        memory_free(data);
    }
    if (knows_more) {
        char path[DISK_PATH_MAX];

        wal_segment_path(wal, wal->segments[walk->segment].number, path);
        snprintf(walk->error, WAL_ERROR_MAX,
                 "%.300s is damaged at byte %zu: record %llu was acknowledged and does not verify; restore the disk or "
                 "replace this controller",
                 path, walk->position, (unsigned long long)wal->chain.sequence + 1);
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* Removes what nobody was told about: the segments behind, last first, then the end of this one. */
static enum status wal_cut_tail(struct wal_walk *walk)
{
    struct wal *wal = walk->wal;
    struct disk *disk = wal->options.env->disk;
    enum status status = STATUS_OK;
    char path[DISK_PATH_MAX];
    struct file *file;

    while (wal->segment_count > walk->segment + 1 && status == STATUS_OK) {
        wal_segment_path(wal, wal->segments[wal->segment_count - 1].number, path);
        status = disk_remove(disk, path);
        wal->segment_count--;
    }
    if (status == STATUS_OK) {
        wal_segment_path(wal, wal->segments[walk->segment].number, path);
        status = disk_open(disk, path, FILE_WRITE, &file);
        if (status == STATUS_OK) {
            status = file_truncate(file, walk->position);
            if (status == STATUS_OK) {
                status = file_sync(file);
            }
            file_unref(file);
        }
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(disk, wal->options.directory);
    }
    if (status != STATUS_OK) {
        snprintf(walk->error, WAL_ERROR_MAX, "cannot cut the torn end of %.300s: %s", path, status_text(status));
    }
    return status;
}

enum status wal_load(struct wal *wal, struct wal_load *load, char error[WAL_ERROR_MAX])
{
    struct wal_walk walk = {.wal = wal, .load = load, .error = error};
    enum status status;

    *load = (struct wal_load){.pristine = true};
    log_init(&load->log);
    walk.identity = wal_identity(wal->options.identity);
    status = wal_list(wal);
    if (status != STATUS_OK) {
        snprintf(error, WAL_ERROR_MAX, "cannot list %.400s: %s", wal->options.directory, status_text(status));
    }
    for (size_t i = 0; i < wal->segment_count && status == STATUS_OK && !walk.stopped; i++) {
        uint8_t *data;
        size_t size;

        walk.segment = i;
        status = wal_read(wal, i, &data, &size, error);
        if (status == STATUS_OK) {
            status = wal_walk_segment(&walk, data, size);
            if (status == STATUS_OK && (walk.stopped || i + 1 == wal->segment_count)) {
                status = wal_write_again(&walk, data);
            }
            memory_free(data);
        }
    }
    if (status == STATUS_OK && wal->chain.sequence > WAL_SEQUENCE_MAX) {
        snprintf(error, WAL_ERROR_MAX, "%.400s: nothing can follow record %llu", wal->options.directory,
                 (unsigned long long)wal->chain.sequence);
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK && wal->segment_count > 0) {
        status = wal_check_tail(&walk);
    }
    if (status == STATUS_OK && wal->segment_count > 0) {
        status = wal_cut_tail(&walk);
    }
    if (status != STATUS_OK) {
        log_deinit(&load->log);
    }
    return status;
}
