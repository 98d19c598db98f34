/* Writing the log: a queue, one flush in flight on a worker, segments that fill up and go. Layout and reasons are in
 * wal.h. */
#include "controller/quorum/wal_record.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <stdio.h>

#define WAL_IDLE_MS 100
#define WAL_ZEROS_SIZE (256 * 1024)

/* What goes into one segment in one flush. */
struct wal_part {
    uint64_t number;   /* of the segment */
    bool create;
    uint64_t size;     /* of the segment, if it is created */
    uint64_t position; /* in the segment */
    size_t offset;     /* in the flush's data */
    size_t length;
};

/* A flush carries everything it needs: the worker sees nothing of the wal. It outlives the wal if that closes
 * meanwhile. */
struct wal_flush {
    struct env_job job;
    struct wal *wal; /* NULL: closed */
    struct disk *disk;
    char *directory;
    struct file *file; /* the last segment written to */
    struct buffer data;
    struct wal_part *parts;
    size_t part_count;
    uint64_t ticket;   /* of the last item */
    uint64_t sequence; /* of the last record */
    enum status status;
};

/* Segments to remove, oldest first. */
struct wal_removal {
    struct env_job job;
    struct wal *wal; /* NULL: it is closed */
    struct disk *disk;
    char *directory;
    uint64_t *numbers;
    size_t count;
    enum status status;
};

static const uint8_t wal_zeros[WAL_ZEROS_SIZE];

static void wal_path(const char *directory, uint64_t number, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/wal-%020llu.log", directory, (unsigned long long)number);
}

void wal_segment_path(const struct wal *wal, uint64_t number, char path[DISK_PATH_MAX])
{
    wal_path(wal->options.directory, number, path);
}

void wal_segment_add(struct wal *wal, uint64_t number)
{
    if (wal->segment_count == wal->segment_capacity) {
        wal->segment_capacity = wal->segment_capacity == 0 ? 8 : wal->segment_capacity * 2;
        wal->segments = memory_resize(wal->segments, wal->segment_capacity, sizeof(struct wal_segment));
    }
    wal->segments[wal->segment_count++] = (struct wal_segment){.number = number};
}

void wal_segment_note(struct wal_segment *segment, uint64_t index)
{
    segment->index_max = segment->index_max > index ? segment->index_max : index;
}

/* Zeros on disk before the first record: later syncs have no new blocks and no new size to write. */
static enum status wal_create_segment(struct disk *disk, const char *directory, uint64_t number, uint64_t size,
                                      struct file **file)
{
    char path[DISK_PATH_MAX];
    enum status status;

    wal_path(directory, number, path);
    status = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, file);
    if (status != STATUS_OK) {
        return status;
    }
    for (uint64_t at = 0; at < size && status == STATUS_OK; at += WAL_ZEROS_SIZE) {
        const struct bytes zeros = {wal_zeros, size - at < WAL_ZEROS_SIZE ? (size_t)(size - at) : WAL_ZEROS_SIZE};

        status = file_write(*file, at, &zeros, 1);
    }
    if (status == STATUS_OK) {
        status = file_sync(*file);
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(disk, directory);
    }
    if (status != STATUS_OK) {
        file_unref(*file);
        *file = NULL;
    }
    return status;
}

static void wal_flush_work(struct env_job *job)
{
    struct wal_flush *flush = CONTAINER_OF(job, struct wal_flush, job);

    for (size_t i = 0; i < flush->part_count && flush->status == STATUS_OK; i++) {
        const struct wal_part *part = &flush->parts[i];
        const struct bytes data = {flush->data.data + part->offset, part->length};

        if (part->create) {
            file_unref(flush->file);
            flush->file = NULL;
            flush->status =
                wal_create_segment(flush->disk, flush->directory, part->number, part->size, &flush->file);
        }
        if (flush->status == STATUS_OK && data.size > 0) {
            flush->status = file_write(flush->file, part->position, &data, 1);
        }
        if (flush->status == STATUS_OK) {
            flush->status = file_sync(flush->file);
        }
    }
}

static void wal_flush_free(struct wal_flush *flush)
{
    file_unref(flush->file);
    buffer_deinit(&flush->data);
    memory_free(flush->parts);
    memory_free(flush->directory);
    memory_free(flush);
}

static void wal_item_deinit(struct wal_item *item)
{
    log_entry_unref(item->entry);
}

/* Pads the current flush to the boundary where the next one begins. */
static void wal_pad(struct wal *wal, struct wal_flush *flush)
{
    struct wal_part *part = &flush->parts[flush->part_count - 1];
    const uint64_t end = wal->position;
    const size_t padding = (size_t)(-end & (WAL_ALIGNMENT - 1));

    memset(buffer_reserve(&flush->data, padding), 0, padding);
    flush->data.size += padding;
    wal->position += padding;
    part->length = flush->data.size - part->offset;
}

static void wal_part_add(struct wal_flush *flush, struct wal_part part)
{
    flush->parts = memory_resize(flush->parts, flush->part_count + 1, sizeof(struct wal_part));
    flush->parts[flush->part_count++] = part;
}

static void wal_encode(struct wal *wal, struct wal_flush *flush, const struct wal_record *record)
{
    struct wal_record full = *record;
    const size_t before = flush->data.size;

    full.durable_sequence = wal->durable_sequence;
    wal_record_encode(&full, wal_identity(wal->options.identity), wal->segments[wal->segment_count - 1].number,
                      &wal->chain,
                      &flush->data);
    wal->position += flush->data.size - before;
}

static void wal_begin_segment(struct wal *wal, struct wal_flush *flush, size_t needed)
{
    const uint64_t number = wal->segment_count == 0 ? 1 : wal->segments[wal->segment_count - 1].number + 1;
    const uint64_t records = wal_record_size(WAL_SEGMENT_BODY_SIZE) + needed;
    const uint64_t least = (records + WAL_ALIGNMENT - 1) & ~(uint64_t)(WAL_ALIGNMENT - 1);
    const uint64_t size = wal->options.segment_bytes > least ? wal->options.segment_bytes : least;
    uint8_t body[WAL_SEGMENT_BODY_SIZE];
    struct wal_record record = {.kind = WAL_SEGMENT, .index = wal->last_index, .term = wal->last_term};

    if (flush->part_count > 0) {
        wal_pad(wal, flush);
    }
    wal_segment_add(wal, number);
    wal_part_add(flush, (struct wal_part){.number = number, .create = true, .size = size, .offset = flush->data.size});
    wal->position = 0;
    wal->segment_size = size;
    store_u64(body, wal->term);
    store_u64(body + 8, wal->vote);
    memcpy(body + 16, wal->options.identity.cluster_id.data, 16);
    store_u32(body + 32, (uint32_t)wal->options.identity.id);
    record.body = bytes_of(body, sizeof(body));
    wal_encode(wal, flush, &record);
}

static void wal_encode_item(struct wal *wal, struct wal_flush *flush, const struct wal_item *item)
{
    struct wal_record record = {.kind = item->kind, .index = item->index, .term = item->term};

    if (item->kind == WAL_ENTRY) {
        record.entry_kind = item->entry->kind;
        record.previous_term = item->previous_term;
        record.body = log_entry_bytes(item->entry);
    } else if (item->kind == WAL_HARD_STATE) {
        record.index = item->vote;
    }
    if (wal->segment_count == 0 || wal->segment_size == 0 ||
        wal->position + wal_record_size(record.body.size + WAL_ENTRY_PREFIX_SIZE) > wal->segment_size) {
        wal_begin_segment(wal, flush, wal_record_size(record.body.size + WAL_ENTRY_PREFIX_SIZE));
    }
    wal_encode(wal, flush, &record);
    if (item->kind == WAL_ENTRY) {
        wal_segment_note(&wal->segments[wal->segment_count - 1], item->index);
    }
    if (item->kind == WAL_ENTRY || item->kind == WAL_RESET) {
        wal->last_index = item->index;
        wal->last_term = item->term;
    } else if (item->kind == WAL_HARD_STATE) {
        wal->term = item->term;
        wal->vote = item->vote;
    }
}

/* Everything that waits, as one flush. */
static struct wal_flush *wal_flush_create(struct wal *wal)
{
    struct wal_flush *flush = memory_alloc_zero(1, sizeof(*flush));

    flush->disk = wal->options.env->disk;
    flush->directory = memory_copy_text(wal->options.directory, strlen(wal->options.directory));
    flush->file = wal->file;
    wal->file = NULL;
    if (flush->file != NULL) {
        wal_part_add(flush, (struct wal_part){.number = wal->segments[wal->segment_count - 1].number,
                                              .position = wal->position});
    }
    wal->marked = true;
    for (size_t i = 0; i < wal->item_count; i++) {
        wal_encode_item(wal, flush, &wal->items[i]);
        wal->marked = wal->marked && wal->items[i].kind == WAL_MARK;
        if (wal->items[i].ticket > flush->ticket) {
            flush->ticket = wal->items[i].ticket;
        }
        wal_item_deinit(&wal->items[i]);
    }
    wal->item_count = 0;
    wal_pad(wal, flush);
    flush->sequence = wal->chain.sequence;
    wal->bytes += flush->data.size;
    return flush;
}

/* The flush is done: takes the file back and notes what is durable. */
static enum status wal_flush_take(struct wal *wal, struct wal_flush *flush)
{
    const enum status status = flush->status;

    wal->file = flush->file;
    flush->file = NULL;
    if (status == STATUS_OK) {
        wal->durable_sequence = flush->sequence;
        if (flush->ticket > wal->durable_ticket) {
            wal->durable_ticket = flush->ticket;
        }
    } else {
        wal->stopped = true;
    }
    wal_flush_free(flush);
    return status;
}

static void wal_flush_done(struct env_job *job)
{
    struct wal_flush *flush = CONTAINER_OF(job, struct wal_flush, job);
    struct wal *wal = flush->wal;
    const uint64_t ticket = flush->ticket;
    enum status status;

    if (wal == NULL) {
        wal_flush_free(flush);
        return;
    }
    wal->flush = NULL;
    status = wal_flush_take(wal, flush);
    if (status != STATUS_OK) {
        wal->options.failed(wal->options.context, status);
        return;
    }
    if (wal->item_count > 0) {
        env_at_turn_end(wal->options.env, &wal->hook);
    } else if (!wal->marked) {
        env_timer_start(wal->options.env, &wal->idle, WAL_IDLE_MS * NS_PER_MS);
    }
    if (ticket > 0) {
        wal->options.durable(wal->options.context, ticket);
    }
}

static void wal_flush_start(void *context)
{
    struct wal *wal = context;

    if (wal->flush != NULL || wal->item_count == 0 || wal->stopped) {
        return;
    }
    env_timer_stop(wal->options.env, &wal->idle);
    wal->flush = wal_flush_create(wal);
    wal->flush->wal = wal;
    wal->flush->job.work = wal_flush_work;
    wal->flush->job.done = wal_flush_done;
    env_submit(wal->options.env, ENV_LANE_SYNC, &wal->flush->job);
}

enum status wal_flush_now(struct wal *wal)
{
    struct wal_flush *flush;

    ASSERT(wal->flush == NULL);
    env_hook_cancel(&wal->hook);
    if (wal->item_count == 0) {
        return STATUS_OK;
    }
    flush = wal_flush_create(wal);
    wal_flush_work(&flush->job);
    return wal_flush_take(wal, flush);
}

static void wal_queue(struct wal *wal, struct wal_item item)
{
    if (wal->item_count == wal->item_capacity) {
        wal->item_capacity = wal->item_capacity == 0 ? 32 : wal->item_capacity * 2;
        wal->items = memory_resize(wal->items, wal->item_capacity, sizeof(struct wal_item));
    }
    wal->items[wal->item_count++] = item;
    env_at_turn_end(wal->options.env, &wal->hook);
}

void wal_hard_state(struct wal *wal, uint64_t ticket, uint64_t term, uint64_t vote)
{
    wal_queue(wal, (struct wal_item){.kind = WAL_HARD_STATE, .ticket = ticket, .term = term, .vote = vote});
}

void wal_entry(struct wal *wal, uint64_t ticket, uint64_t index, uint64_t previous_term, struct log_entry *entry)
{
    wal_queue(wal, (struct wal_item){.kind = WAL_ENTRY,
                                     .ticket = ticket,
                                     .index = index,
                                     .term = entry->term,
                                     .previous_term = previous_term,
                                     .entry = log_entry_ref(entry)});
}

void wal_reset(struct wal *wal, uint64_t ticket, uint64_t index, uint64_t term)
{
    wal_queue(wal, (struct wal_item){.kind = WAL_RESET, .ticket = ticket, .index = index, .term = term});
}

/* Nothing was written for a while: a mark tells a later start that the last flush was durable. */
static void wal_idle(void *context)
{
    wal_queue(context, (struct wal_item){.kind = WAL_MARK});
}

static void wal_removal_work(struct env_job *job)
{
    struct wal_removal *removal = CONTAINER_OF(job, struct wal_removal, job);

    /* Oldest first, each for good before the next: a crash never leaves a hole. What cannot be removed now is found
     * again by the next start. */
    for (size_t i = 0; i < removal->count && removal->status == STATUS_OK; i++) {
        char path[DISK_PATH_MAX];

        wal_path(removal->directory, removal->numbers[i], path);
        removal->status = disk_remove(removal->disk, path);
        if (removal->status == STATUS_OK) {
            removal->status = disk_sync_directory(removal->disk, removal->directory);
        }
    }
}

static void wal_removal_done(struct env_job *job)
{
    struct wal_removal *removal = CONTAINER_OF(job, struct wal_removal, job);

    if (removal->wal != NULL) {
        removal->wal->removal = NULL;
        removal->wal->removal_failed = removal->status != STATUS_OK;
    }
    memory_free(removal->numbers);
    memory_free(removal->directory);
    memory_free(removal);
}

void wal_trim(struct wal *wal, uint64_t index)
{
    struct wal_removal *removal;
    size_t count = 0;

    while (count + 1 < wal->segment_count && wal->segments[count].index_max <= index) {
        count++;
    }
    if (count == 0 || wal->removal != NULL || wal->removal_failed) {
        return; /* a later call, or the next start, comes back to it */
    }
    removal = memory_alloc_zero(1, sizeof(*removal));
    removal->wal = wal;
    wal->removal = removal;
    removal->disk = wal->options.env->disk;
    removal->directory = memory_copy_text(wal->options.directory, strlen(wal->options.directory));
    removal->numbers = memory_alloc_zero(count, sizeof(uint64_t));
    removal->count = count;
    for (size_t i = 0; i < count; i++) {
        removal->numbers[i] = wal->segments[i].number;
    }
    wal->segment_count -= count;
    memmove(wal->segments, wal->segments + count, wal->segment_count * sizeof(struct wal_segment));
    removal->job.work = wal_removal_work;
    removal->job.done = wal_removal_done;
    env_submit(wal->options.env, ENV_LANE_BACKGROUND, &removal->job);
}

enum status wal_open(struct wal *wal, const struct wal_options *options, struct wal_load *load,
                     char error[WAL_ERROR_MAX])
{
    enum status status;

    *wal = (struct wal){.options = *options};
    env_hook_init(&wal->hook, wal_flush_start, wal);
    env_timer_init(&wal->idle, wal_idle, wal);
    status = wal_load(wal, load, error);
    if (status == STATUS_OK) {
        wal->term = load->term;
        wal->vote = load->vote;
        wal->last_index = log_last(&load->log);
        wal->last_term = load->log.count > 0 ? log_term(&load->log, log_last(&load->log)) : load->base_term;
        wal->durable_sequence = wal->chain.sequence;
    } else {
        wal_close(wal);
    }
    return status;
}

void wal_close(struct wal *wal)
{
    env_hook_cancel(&wal->hook);
    env_timer_stop(wal->options.env, &wal->idle);
    if (wal->flush != NULL) {
        wal->flush->wal = NULL;
        wal->flush = NULL;
    }
    if (wal->removal != NULL) {
        wal->removal->wal = NULL;
        wal->removal = NULL;
    }
    for (size_t i = 0; i < wal->item_count; i++) {
        wal_item_deinit(&wal->items[i]);
    }
    memory_free(wal->items);
    memory_free(wal->segments);
    file_unref(wal->file);
    wal->items = NULL;
    wal->segments = NULL;
    wal->item_count = 0;
    wal->segment_count = 0;
    wal->file = NULL;
    wal->stopped = true;
}
