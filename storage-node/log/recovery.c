/* Opening a log: what a clean stop left is adopted, what a crash left is repaired.
 *
 * After a clean stop the indexes are complete, and the journal has producers and epochs; only tails are looked at.
 * Anything that is not as a clean stop leaves it makes the segment in question go through the other way:
 *
 * After a crash every segment from the one that holds the recovery point, or ends at it, is walked batch by batch from
 * its start, its indexes, epochs and aborted transactions are made anew from the batches, and at and behind the
 * recovery point each checksum is computed. The first batch that is not whole and sound ends the log: it and everything
 * behind it is cut, later segments too. Segments below the recovery point were synced with their indexes; those are
 * used if their last entries make sense, else made anew as well.
 *
 * A hole between two segments behind the recovery point also ends the log: rolls leave none, so a piece was lost.
 *
 * Before the log is handed out everything that was walked is synced, so that a second crash finds no less than this
 * start promised (KAFKA-10101). What is not known to be on the disk is written once more before: after a sync that
 * failed the system takes its pages for clean, shows them to whoever reads, and lets the next sync succeed without
 * them. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/producer_snapshot.h"
#include "storage-node/log/recovery.h"

#include <stdlib.h>

#define RECOVERY_BUFFER_SIZE (256U << 10)
#define RECOVERY_OPEN_MAX 8
#define SNAPSHOTS_SPARE 4
/* Enough for the headers of a few small batches: what walks headers only must not read what lies between them. */
#define HEADER_BUFFER_SIZE 4096

static void offset_list_add(struct offset_list *list, int64_t offset)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 4;
        list->offsets = memory_resize(list->offsets, list->capacity, sizeof(*list->offsets));
    }
    list->offsets[list->count++] = offset;
}

static int offset_compare(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void offset_list_sort(struct offset_list *list)
{
    if (list->count > 1) {
        qsort(list->offsets, list->count, sizeof(*list->offsets), offset_compare);
    }
}

static bool offset_list_has(const struct offset_list *list, int64_t offset)
{
    return list->count > 0 &&
           bsearch(&offset, list->offsets, list->count, sizeof(*list->offsets), offset_compare) != NULL;
}

static void offset_list_free(struct offset_list *list)
{
    memory_free(list->offsets);
}

static bool name_ends(const char *name, const char *ending)
{
    const size_t size = strlen(name);
    const size_t ending_size = strlen(ending);

    return size > ending_size && strcmp(name + size - ending_size, ending) == 0;
}

/* One name of the directory. */
static void recovery_name(void *context, const char *name, enum disk_kind kind)
{
    struct recovery *recovery = context;
    enum segment_part part;
    int64_t offset;

    if (kind != DISK_FILE) {
        return;
    }
    if (!segment_name_parse(name, &offset, &part)) {
        recovery->epochs_there = recovery->epochs_there || strcmp(name, EPOCH_FILE_NAME) == 0;
        if (name_ends(name, ".deleted") || name_ends(name, ".tmp") || name_ends(name, ".cleaned")) {
            buffer_append(&recovery->leftovers, name, strlen(name) + 1);
        }
    } else if (part == SEGMENT_LOG) {
        offset_list_add(&recovery->segments, offset);
    } else if (part == SEGMENT_SNAPSHOT) {
        offset_list_add(&recovery->snapshots, offset);
    } else {
        offset_list_add(&recovery->others, offset);
    }
}

/* Removes what a crash left of deletions and replacements. */
static enum status recovery_remove_leftovers(struct recovery *recovery)
{
    const struct log_files *files = &recovery->log->files;
    enum status status = STATUS_OK;

    for (size_t at = 0; status == STATUS_OK && at < recovery->leftovers.size;) {
        const char *name = (const char *)recovery->leftovers.data + at;
        char path[DISK_PATH_MAX];

        at += strlen(name) + 1;
        if (strlen(name) < SEGMENT_NAME_ROOM) {
            log_file_path(files, name, path);
            status = disk_remove(files->disk, path);
            /* One of these was written again since. */
            status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
        }
    }
    buffer_deinit(&recovery->leftovers);
    return status;
}

/* The same for what this recovery has cut off. */
static enum status recovery_remove_dropped(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;

    for (size_t i = 0; i < log->deleted_count; i++) {
        for (int part = SEGMENT_LOG; part <= SEGMENT_SNAPSHOT; part++) {
            char path[DISK_PATH_MAX];
            enum status status;

            segment_path(&log->files, log->deleted[i].base_offset, (enum segment_part)part, SEGMENT_DELETED, path);
            status = disk_remove(log->files.disk, path);
            if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
                return status;
            }
        }
    }
    memory_free(log->deleted);
    log->deleted = NULL;
    log->deleted_count = 0;
    return STATUS_OK;
}

/* Index files without their segment. */
static enum status recovery_remove_strays(struct recovery *recovery)
{
    const struct log_files *files = &recovery->log->files;

    for (size_t i = 0; i < recovery->others.count; i++) {
        for (int part = SEGMENT_OFFSET_INDEX; part <= SEGMENT_TXN_INDEX; part++) {
            char path[DISK_PATH_MAX];
            enum status status;

            if (offset_list_has(&recovery->segments, recovery->others.offsets[i])) {
                break;
            }
            segment_path(files, recovery->others.offsets[i], (enum segment_part)part, "", path);
            status = disk_remove(files->disk, path);
            if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

/* Makes segment objects for the files, nothing of them read but the size. */
static enum status recovery_find_segments(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;

    for (size_t i = 0; i < recovery->segments.count; i++) {
        struct segment *segment;
        char path[DISK_PATH_MAX];
        uint64_t size;
        enum status status;

        segment_path(&log->files, recovery->segments.offsets[i], SEGMENT_LOG, "", path);
        status = disk_file_size(log->files.disk, path, &size);
        if (status != STATUS_OK) {
            return status;
        }
        if (size > SEGMENT_SIZE_MAX) {
            return STATUS_TOO_LARGE;
        }
        segment = segment_create(recovery->segments.offsets[i], recovery->options->now_ms);
        segment->size = (uint32_t)size;
        log_segments_push(log, segment);
    }
    return STATUS_OK;
}

/* Epochs as the batches tell them replace what the file says of the same place. */
void log_note_epoch(struct partition_log *log, const struct batch_header *header)
{
    const int32_t epoch = header->partition_leader_epoch;

    if (epoch >= 0 && epoch_cache_of(&log->epochs, header->base_offset) != epoch &&
        epoch_cache_start(&log->epochs, epoch, header->base_offset)) {
        log->epochs_dirty = true;
    }
}

struct space recovery_buffer(struct recovery *recovery)
{
    if (recovery->buffer.data == NULL) {
        recovery->buffer = (struct space){memory_alloc(RECOVERY_BUFFER_SIZE), RECOVERY_BUFFER_SIZE};
    }
    return recovery->buffer;
}

/* Bytes of a segment. */
struct extent {
    uint32_t unproven; /* from here on batches may be in the cache only */
    uint32_t sound;    /* here is the first batch that is not whole and sound, or the end */
};

/* Walks a segment from its start and makes its indexes anew. Checksums are computed of batches that end behind
 * `check_from`. */
static enum status recovery_walk(struct recovery *recovery, struct segment *segment, int64_t check_from,
                                 struct extent *extent)
{
    struct partition_log *log = recovery->log;
    const uint32_t size = segment->size;
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = segment_reset(&log->files, segment);

    if (status == STATUS_OK) {
        status = segment_open(&log->files, segment, 0, &file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    file = file_ref(file);
    extent->unproven = size;
    batch_cursor_init(&cursor, file, recovery_buffer(recovery), 0, size);
    while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
        const struct batch_place place = {.base_offset = header.base_offset,
                                          .last_offset = batch_last_offset(&header),
                                          .max_timestamp = header.max_timestamp,
                                          .position = (uint32_t)cursor.position,
                                          .size = (uint32_t)batch_size(&header)};

        if (place.base_offset < segment->end_offset || place.last_offset - segment->base_offset > INT32_MAX) {
            status = STATUS_CORRUPT;
        } else if (place.last_offset >= check_from) {
            extent->unproven = place.position < extent->unproven ? place.position : extent->unproven;
            status = batch_cursor_check(&cursor, &header);
        }
        if (status == STATUS_OK) {
            log_note_epoch(log, &header);
            status = segment_note(&log->files, segment, &place, log->config.index_interval_bytes);
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    file_unref(file);
    extent->sound = segment->size;
    segment->size = size;
    recovery->repaired = true;
    return status == STATUS_END || status == STATUS_TRUNCATED || status == STATUS_CORRUPT ? STATUS_OK : status;
}

/* Writes the bytes in [extent->unproven, extent->sound) where they are. */
static enum status recovery_write_again(struct recovery *recovery, struct segment *segment,
                                        const struct extent *extent)
{
    const struct space buffer = recovery_buffer(recovery);
    uint32_t position = extent->unproven;
    enum status status = STATUS_OK;
    struct file *file;

    while (status == STATUS_OK && position < extent->sound) {
        const size_t left = extent->sound - position;
        const size_t size = left < buffer.size ? left : buffer.size;
        size_t got = 0;

        status = segment_open(&recovery->log->files, segment, 0, &file);
        if (status == STATUS_OK) {
            status = file_read(file, position, buffer.data, size, &got);
        }
        if (status == STATUS_OK) {
            const struct bytes part = {buffer.data, got};

            status = got == size ? file_write(file, position, &part, 1) : STATUS_IO;
        }
        position += (uint32_t)size;
    }
    return status;
}

/* Walks a segment whose indexes cannot be used but whose batches are trusted. What is not whole is cut all the same. */
static enum status recovery_repair(struct recovery *recovery, struct segment *segment, int64_t check_from, bool *cut)
{
    struct partition_log *log = recovery->log;
    struct file *file;
    struct extent extent = {0};
    enum status status = recovery_walk(recovery, segment, check_from, &extent);

    *cut = false;
    if (status != STATUS_OK) {
        return status;
    }
    if (extent.sound < segment->size) {
        *cut = true;
        if (!segment_is_marked(&log->files, segment, extent.sound)) {
            log->cut_bytes += segment->size - extent.sound;
        }
        status = segment_open(&log->files, segment, 0, &file);
        if (status == STATUS_OK) {
            status = file_truncate(file, extent.sound);
        }
    }
    segment->size = extent.sound;
    if (status == STATUS_OK) {
        status = recovery_write_again(recovery, segment, &extent);
    }
    if (status == STATUS_OK) {
        status = segment_seal(&log->files, segment);
    }
    if (status == STATUS_OK) {
        status = segment_sync(&log->files, segment);
    }
    return status;
}

/* Drops segments from `first` on: they lie behind a cut. */
static enum status recovery_drop_behind(struct recovery *recovery, size_t first)
{
    struct partition_log *log = recovery->log;

    if (first >= log->segment_count) {
        return STATUS_OK;
    }
    for (size_t i = first; i < log->segment_count; i++) {
        log->cut_bytes += log->segments[i]->size;
    }
    recovery->repaired = true;
    return log_delete_segments(log, first, log->segment_count - first, 0);
}

/* Loads what lies below the recovery point, or everything after a clean stop. */
enum status recovery_load(struct recovery *recovery, size_t i)
{
    struct partition_log *log = recovery->log;
    struct segment *segment = log->segments[i];
    const bool active = i + 1 == log->segment_count;
    bool cut;
    enum status status = active ? recovery_resume_active(recovery)
                                : segment_load_sealed(&log->files, segment, log->segments[i + 1]->base_offset);

    if (status != STATUS_CORRUPT) {
        return status;
    }
    /* A clean stop's tail is whole, so if something is wrong with it nothing is taken on trust. */
    recovery->last_epoch = EPOCH_NONE;
    status = recovery_repair(recovery, segment, active ? segment->base_offset : INT64_MAX, &cut);
    if (!active) {
        segment->end_offset = log->segments[i + 1]->base_offset;
    }
    return status;
}

static enum status recovery_segments(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    const int64_t point = recovery->options->recovery_point;
    size_t i = 0;

    recovery->first_walked = log->segment_count;
    if (recovery->options->kept && !recovery->options->clean) {
        enum status status = recovery_resume(recovery);

        if (status != STATUS_CORRUPT) {
            return status;
        }
    }
    for (; i < log->segment_count; i++) {
        const bool active = i + 1 == log->segment_count;
        enum status status;

        if (!recovery->options->clean && (active || log->segments[i + 1]->base_offset >= point)) {
            break;
        }
        status = recovery_load(recovery, i);
        if (status != STATUS_OK) {
            return status;
        }
    }
    recovery->first_walked = i;
    for (; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        bool cut;
        enum status status = recovery_repair(recovery, segment, point, &cut);

        if (status == STATUS_OK && i + 1 < log->segment_count) {
            const int64_t hole = log->segments[i + 1]->base_offset - segment->end_offset;

            /* A cut without a hole took only what was in the file before: recycle.c. */
            if ((cut && hole != 0) || hole < 0 || (hole > 0 && hole <= INT32_MAX)) {
                status = recovery_drop_behind(recovery, i + 1);
            } else {
                segment->end_offset = log->segments[i + 1]->base_offset;
            }
        }
        if (status == STATUS_OK) {
            status = txn_index_truncate(&log->files, segment->base_offset, 0);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status recovery_load_epochs(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    char path[DISK_PATH_MAX];
    uint8_t *text;
    size_t size;
    enum status status;

    if (!recovery->epochs_there) {
        recovery->epochs_lost = true;
        return STATUS_OK;
    }
    log_file_path(&log->files, EPOCH_FILE_NAME, path);
    status = disk_read_file(log->files.disk, path, EPOCH_FILE_SIZE_MAX, &text, &size);
    if (status == STATUS_OK) {
        status = epoch_cache_decode(bytes_of(text, size), &log->epochs);
        memory_free(text);
    }
    recovery->epochs_lost = status != STATUS_OK;
    if (status == STATUS_NOT_FOUND || status == STATUS_CORRUPT || status == STATUS_TOO_LARGE) {
        status = STATUS_OK;
    }
    return status;
}

/* A log without a file. */
static void log_begin(struct partition_log *log, int64_t start, int64_t now_ms)
{
    struct segment *segment = segment_create(start, now_ms);

    segment->offsets.file.stored = 0;
    segment->times.file.stored = 0;
    log_segments_push(log, segment);
    log->made = false;
    log->log_start = start;
    log->log_end = start;
    log->written_end = start;
    log->durable_end = start;
    log->settled_end = start;
    log->sync_wanted = start;
}

/* The log's start and end from segments and the checkpointed start. */
static enum status recovery_set_bounds(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    const int64_t start = recovery->options->log_start_offset;
    enum status status = STATUS_OK;

    if (log->segment_count > 0 && log_active(log)->end_offset < start) {
        const uint64_t cut_bytes = log->cut_bytes;

        /* All there is was deleted before; what the start promises begins behind it. */
        status = recovery_drop_behind(recovery, 0);
        log->cut_bytes = cut_bytes; /* nobody misses them */
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (log->segment_count == 0) {
        /* Made with the first write. */
        log_begin(log, start, recovery->options->now_ms);
        return STATUS_OK;
    }
    log->log_start = log->segments[0]->base_offset > start ? log->segments[0]->base_offset : start;
    log->log_end = log_active(log)->end_offset;
    log->written_end = log->log_end;
    log->durable_end = log->log_end;
    log->settled_end = log_active(log)->base_offset;
    log->sync_wanted = log->log_end;
    if (recovery->resumed) {
        recovery_resume_bounds(recovery);
    }
    return STATUS_OK;
}

/* Makes all epochs anew from the batches. */
static enum status recovery_rebuild_epochs(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;

    epoch_cache_clear(&log->epochs);
    log->epochs_dirty = true;
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct batch_cursor cursor;
        struct batch_header header;
        struct file *file;
        enum status status;

        if (segment->size == 0) {
            continue;
        }
        status = segment_open(&log->files, segment, 0, &file);
        if (status != STATUS_OK) {
            return status;
        }
        batch_cursor_init(&cursor, file, recovery_buffer(recovery), 0, segment->size);
        while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
            log_note_epoch(log, &header);
        }
        if (status == STATUS_IO) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Epochs fit the log that was found. The file may be gone, or begin behind the log: then the log's start was moved, and
 * only that was not on disk yet. */
static enum status recovery_fit_epochs(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    const bool late = log->epochs.count > 0 && log->log_start < log->log_end &&
                      epoch_cache_of(&log->epochs, log->log_start) == EPOCH_NONE;
    enum status status = STATUS_OK;

    if (recovery->resumed || recovery->options->clean) {
        status = recovery_resume_epochs(recovery);
    } else if (recovery->epochs_lost || late) {
        status = recovery_rebuild_epochs(recovery);
    }
    if (epoch_cache_truncate(&log->epochs, log->log_end + 1)) {
        log->epochs_dirty = true;
    }
    if (epoch_cache_delete_before(&log->epochs, log->log_start)) {
        log->epochs_dirty = true;
    }
    return status;
}

static enum status log_read_snapshot(struct partition_log *log, int64_t offset, int64_t now_ms)
{
    char path[DISK_PATH_MAX];
    uint8_t *contents;
    size_t size;
    enum status status;

    segment_path(&log->files, offset, SEGMENT_SNAPSHOT, "", path);
    status = disk_read_file(log->files.disk, path, PRODUCER_SNAPSHOT_SIZE_MAX, &contents, &size);
    if (status == STATUS_OK) {
        status = producer_snapshot_decode(bytes_of(contents, size), offset, now_ms, &log->producers);
        memory_free(contents);
    }
    return status;
}

/* Notes the producers of all batches at and behind `offset`. */
static enum status log_scan_producers(struct partition_log *log, int64_t offset, int64_t now_ms,
                                      struct space buffer)
{
    for (size_t i = log_segment_at(log, offset); i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct batch_cursor cursor;
        struct batch_header header;
        struct file *file;
        uint32_t position = 0;
        enum status status;

        if (segment->size == 0 || segment->end_offset <= offset) {
            continue;
        }
        status = offset > segment->base_offset
                     ? segment_seek(&log->files, segment, offset, segment->size, &position)
                     : STATUS_OK;
        if (status == STATUS_OK) {
            status = segment_open(&log->files, segment, 0, &file);
        }
        if (status != STATUS_OK) {
            return status;
        }
        log->unsaved += segment->size - position;
        batch_cursor_init_sparse(&cursor, file, buffer, position, segment->size);
        while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
            struct bytes batch = BYTES_NULL;

            if (batch_last_offset(&header) < offset || !batch_has_producer(&header)) {
                continue;
            }
            if (header.control && batch_cursor_bytes(&cursor, &batch) == STATUS_IO) {
                return STATUS_IO;
            }
            log_note_producer(log, &header, batch, header.base_offset, now_ms);
        }
        if (status != STATUS_END) {
            return status;
        }
    }
    return STATUS_OK;
}

static void snapshots_name(void *context, const char *name, enum disk_kind kind)
{
    enum segment_part part;
    int64_t offset;

    if (kind == DISK_FILE && segment_name_parse(name, &offset, &part) && part == SEGMENT_SNAPSHOT) {
        offset_list_add(context, offset);
    }
}

enum status log_remove_snapshots(struct partition_log *log, int64_t offset)
{
    struct offset_list snapshots = {0};
    enum status status = disk_list(log->files.disk, log->files.directory, snapshots_name, &snapshots);

    for (size_t i = 0; i < snapshots.count && status == STATUS_OK; i++) {
        if (snapshots.offsets[i] > offset) {
            status = log_remove_snapshot(log, snapshots.offsets[i]);
        }
    }
    offset_list_free(&snapshots);
    return status;
}

/* Keeps the newest snapshot and those where a segment begins; of others a few, since removing takes time. */
static enum status log_thin_snapshots(struct partition_log *log, const struct offset_list *snapshots)
{
    const bool many = snapshots->count > log->segment_count + SNAPSHOTS_SPARE;

    for (size_t i = 0; i < snapshots->count; i++) {
        const int64_t offset = snapshots->offsets[i];
        const bool segment_start = log->segments[log_segment_at(log, offset)]->base_offset == offset;
        const bool stray = offset < log->segments[0]->base_offset || offset > log->log_end;
        enum status status = STATUS_OK;

        if (stray || (many && !segment_start && offset < log->snapshot_offset)) {
            status = log_remove_snapshot(log, offset);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* The newest of the snapshots in the list that can be used; *from is where batches tell more. */
static enum status log_load_snapshot(struct partition_log *log, int64_t now_ms, int64_t snapshot_max,
                                     const struct offset_list *snapshots, int64_t *from)
{
    enum status status = STATUS_OK;

    for (size_t i = snapshots->count; i > 0 && status == STATUS_OK && log->snapshot_offset == OFFSET_NONE; i--) {
        const int64_t offset = snapshots->offsets[i - 1];

        if (offset > snapshot_max || offset > log->log_end) {
            continue;
        }
        if (offset < log->segments[0]->base_offset) {
            break; /* batches behind it were deleted: it would know too little of its producers */
        }
        if (offset <= log->saved_offset) {
            log->snapshot_offset = offset;
            break; /* the journal knows more */
        }
        producer_state_clear(&log->producers);
        log->saved_offset = OFFSET_NONE;
        status = log_read_snapshot(log, offset, now_ms);
        if (status == STATUS_OK) {
            log->snapshot_offset = offset;
            *from = offset;
        } else if (status == STATUS_CORRUPT || status == STATUS_NOT_FOUND || status == STATUS_TOO_LARGE) {
            status = log_remove_snapshot(log, offset);
        }
    }
    return status;
}

/* As log_load_producers, of the snapshots in the list. What the journal said of the log is loaded, if there was
 * anything. */
static enum status log_load_producers_from(struct partition_log *log, int64_t now_ms, int64_t snapshot_max,
                                           struct offset_list *snapshots)
{
    uint8_t headers[HEADER_BUFFER_SIZE];
    /* Also what DeleteRecords has hidden: its producers may have had no answer, and send it again. */
    int64_t from = log->segments[0]->base_offset;
    enum status status;

    log->snapshot_offset = OFFSET_NONE;
    log->unsaved = 0;
    offset_list_sort(snapshots);
    status = log_load_snapshot(log, now_ms, snapshot_max, snapshots, &from);
    if (log->saved_offset != OFFSET_NONE) {
        from = log->saved_offset;
    }
    if (status == STATUS_OK) {
        status = log_thin_snapshots(log, snapshots);
    }
    if (status != STATUS_OK || from >= log->log_end) {
        return status;
    }
    log_transactions_cut(log, from);
    status = log_scan_producers(log, from, now_ms, (struct space){headers, sizeof(headers)});
    producer_state_commit(&log->producers);
    return status;
}

enum status log_load_producers(struct partition_log *log, int64_t now_ms, int64_t snapshot_max)
{
    struct offset_list snapshots = {0};
    enum status status = disk_list(log->files.disk, log->files.directory, snapshots_name, &snapshots);

    if (status == STATUS_OK) {
        producer_state_clear(&log->producers);
        log->saved_offset = OFFSET_NONE;
        status = log_load_producers_from(log, now_ms, snapshot_max, &snapshots);
    }
    offset_list_free(&snapshots);
    return status;
}

/* Loads the journal's entry. One that speaks of more than there is would speak of other batches once the log has grown
 * again. */
static enum status recovery_take_saved(struct recovery *recovery)
{
    const struct producer_journal_entry *saved = recovery->options->producers;
    struct partition_log *log = recovery->log;

    if (saved == NULL) {
        return STATUS_OK;
    }
    if (!(recovery->resumed || recovery->options->clean) || saved->offset > log->log_end) {
        return log_disown_producers(log);
    }
    if (recovery->saved &&
        producer_snapshot_decode(saved->snapshot, saved->offset, recovery->options->now_ms, &log->producers) ==
            STATUS_OK) {
        log->saved_offset = saved->offset;
    }
    return STATUS_OK;
}

/* Producers, and the aborted transactions of walked segments, whose indexes were dropped. */
static enum status recovery_producers(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    int64_t snapshot_max = log->log_end;
    enum status status;

    if (recovery->first_walked < log->segment_count) {
        snapshot_max = log->segments[recovery->first_walked]->base_offset;
    }
    status = recovery_take_saved(recovery);
    if (status == STATUS_OK) {
        status = log_load_producers_from(log, recovery->options->now_ms, snapshot_max, &recovery->snapshots);
    }
    for (size_t i = recovery->first_walked; i < log->segment_count && status == STATUS_OK; i++) {
        const struct segment *segment = log->segments[i];

        status = log_write_aborted(log, segment->base_offset, segment->base_offset, segment->end_offset);
    }
    return status;
}

/* A directory that does not say whose it is may be what a power cut has left of a deleted namesake, and must not be
 * guessed about: docs/decisions/0008-whose-directory.md. An empty one is anybody's. */
static enum status recovery_claim(struct recovery *recovery, const char *path)
{
    struct partition_log *log = recovery->log;
    bool records = false;
    enum status status = STATUS_OK;

    if (recovery->options->taken) {
        return STATUS_EXISTS;
    }
    if (log->made) {
        status = partition_directory_has_records(log->files.disk, log->files.directory, &records);
    }
    if (status != STATUS_OK || records) {
        return status != STATUS_OK ? status : STATUS_EXISTS;
    }
    log->identity_dirty = true;
    if (uuid_is_zero(log->topic_id) || !log->made) {
        return STATUS_OK;
    }
    recovery->repaired = true;
    log->identity_made = true;
    return partition_metadata_write(log->files.disk, path, log->topic_id);
}

static enum status recovery_check_metadata(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    struct partition_identity found;
    char path[DISK_PATH_MAX];
    enum status status;

    log_file_path(&log->files, PARTITION_METADATA_NAME, path);
    status = partition_metadata_read(log->files.disk, path, log->topic_id, &found);
    if (status != STATUS_OK) {
        return status;
    }
    switch (found.owner) {
    case OWNER_NOBODY:
    case OWNER_UNKNOWN:
        return recovery_claim(recovery, path);
    case OWNER_CLAIMED:
    case OWNER_PROVEN:
        break;
    }
    if (!uuid_is_zero(log->topic_id) && !uuid_equal(found.topic_id, log->topic_id)) {
        return STATUS_EXISTS;
    }
    log->topic_id = found.topic_id;
    log->identity_made = true;
    if (!recovery->options->clean && !recovery->options->kept &&
        recovery->options->recovery_point <= recovery->options->log_start_offset) {
        /* Of this log nothing is known to have been synced, so it is not known of its name and of this file. */
        log->identity_dirty = true;
        found.damaged = true;
    }
    return found.damaged ? partition_metadata_replace(log->files.disk, path, log->topic_id) : STATUS_OK;
}

/* When the active segment was begun is not on disk; its first batch tells about it. */
static enum status recovery_guess_age(struct recovery *recovery)
{
    struct segment *segment = log_active(recovery->log);
    enum status status = segment_load_first_timestamp(&recovery->log->files, segment);

    if (status == STATUS_OK && segment->size > 0 && segment->first_timestamp > TIMESTAMP_NONE &&
        segment->first_timestamp < segment->created_ms) {
        segment->created_ms = segment->first_timestamp;
    }
    return status;
}

/* What was repaired is durable before the log is handed out, and so is all of a log that promises it. */
static enum status recovery_settle(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    enum status status = STATUS_OK;

    if (recovery->resumed) {
        return recovery_resume_sync(recovery);
    }
    if (recovery->repaired) {
        status = log_write_epochs(log);
    }
    if (status == STATUS_OK && recovery->repaired) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    if (status == STATUS_OK && log->made && log->identity_dirty) {
        status = log_sync_identity(&log->files);
        log->identity_dirty = status != STATUS_OK;
    }
    log->directory_dirty = log->directory_dirty && status != STATUS_OK;
    return status;
}

/* The steps of an open, in order. */
static enum status recovery_run(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    enum status status = disk_list(log->files.disk, log->files.directory, recovery_name, recovery);

    if (status == STATUS_NOT_FOUND) {
        log->directory_made = false;
        status = STATUS_OK;
    }
    log->made = recovery->segments.count > 0;
    if (status == STATUS_OK && log->directory_made) {
        status = recovery_check_metadata(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_remove_leftovers(recovery);
    }
    offset_list_sort(&recovery->segments);
    if (status == STATUS_OK) {
        status = recovery_remove_strays(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_find_segments(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_load_epochs(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_segments(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_set_bounds(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_fit_epochs(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_producers(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_guess_age(recovery);
    }
    if (status == STATUS_OK) {
        status = recovery_remove_dropped(recovery);
    }
    return status == STATUS_OK ? recovery_settle(recovery) : status;
}

static struct partition_log *log_create(struct disk *disk, const struct partition_log_options *options)
{
    struct partition_log *log = memory_alloc_zero(1, sizeof(*log));

    log->files.disk = disk;
    log->files.directory = memory_copy_text(options->directory, strlen(options->directory));
    log->config = options->config;
    log->topic_id = options->topic_id;
    log->partition = options->partition;
    log->made = !options->fresh;
    log->directory_made = !options->fresh;
    log->snapshot_offset = OFFSET_NONE;
    log->saved_offset = OFFSET_NONE;
    list_init(&log->waiters);
    list_init(&log->finished);
    env_hook_init(&log->hook, log_hook_run, log);
    epoch_cache_init(&log->epochs);
    producer_state_init(&log->producers);
    log_forget_places(log);
    return log;
}

enum status partition_log_open(struct disk *disk, const struct partition_log_options *options,
                               struct partition_log **result)
{
    struct recovery recovery = {.options = options, .last_epoch = EPOCH_NONE};
    struct partition_log *log;
    enum status status;

    ASSERT(options->recovery_point >= 0);
    ASSERT(options->log_start_offset >= 0);
    if (strlen(options->directory) + SEGMENT_NAME_ROOM > DISK_PATH_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (options->fresh) {
        *result = log_create(disk, options);
        log_begin(*result, options->log_start_offset, options->now_ms);
        return STATUS_OK;
    }
    log = log_create(disk, options);
    /* Of its own: this runs in a job, and a loop's cache belongs to the loop. */
    log->files.cache = file_cache_create(disk, RECOVERY_OPEN_MAX);
    recovery.log = log;
    buffer_init(&recovery.leftovers);
    status = recovery_run(&recovery);
    memory_free(recovery.buffer.data);
    offset_list_free(&recovery.segments);
    offset_list_free(&recovery.others);
    offset_list_free(&recovery.snapshots);
    buffer_deinit(&recovery.leftovers);
    file_cache_destroy(log->files.cache);
    log->files.cache = NULL;
    if (status != STATUS_OK) {
        log_free(log);
        return status;
    }
    *result = log;
    return STATUS_OK;
}
