/* Finding slices. Where a batch lies is known, cheapest first, from
 *
 *     the tail     the newest batches of the active segment: consumers at the end cost no read
 *     a hint       where one of the last readers stopped: who reads on costs no index look-up
 *     the index    and then headers, walked from the entry
 *
 * The end of a slice is found the same way: the whole rest of a segment if it fits, or an index entry close to the
 * limit and a walk from there. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* What a slice may hold. */
struct slice_limits {
    int64_t offset_max; /* exclusive */
    size_t size_max;
    bool first_whole;
};

/* A slice in the making: bytes [start, end) of one segment. */
struct slice_draft {
    int64_t first_offset;
    int64_t next_offset;
    uint32_t start;
    uint32_t end;             /* start: empty */
    struct batch_place after; /* the batch at `end`, which the limits left out; of size 0 if nobody looked at it */
    struct read_hint *hint;   /* what told the start; NULL: none did */
    uint32_t near;            /* where the offset index was looked at */
};

static const struct tail_batch *tail_at(const struct log_tail *tail, uint32_t i)
{
    return &tail->batches[(tail->first + i) % tail->capacity];
}

/* Where the tail's batch `i` ends. */
static uint32_t tail_end(const struct log_tail *tail, uint32_t i, const struct segment *segment)
{
    return i + 1 < tail->count ? tail_at(tail, i + 1)->position : segment->size;
}

/* The first batch of the tail that ends at or behind `relative`; tail->count if none. */
static uint32_t tail_find(const struct log_tail *tail, int64_t relative)
{
    uint32_t low = 0;
    uint32_t high = tail->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (tail_at(tail, middle)->last_offset < relative) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Adds the batch that begins at the draft's end if the limits allow it. */
static bool slice_take(struct slice_draft *draft, const struct slice_limits *limits, const struct batch_place *place)
{
    const bool whole = limits->first_whole && draft->end == draft->start;
    const uint32_t end = place->position + place->size;

    if (place->last_offset >= limits->offset_max || (end - draft->start > limits->size_max && !whole)) {
        draft->after = *place;
        return false;
    }
    draft->end = end;
    draft->next_offset = place->last_offset + 1;
    return true;
}

/* True if the tail answers: it holds the batch of `offset`, not only some behind it. */
static bool slice_from_tail(const struct partition_log *log, int64_t offset, const struct slice_limits *limits,
                            struct slice_draft *draft)
{
    const struct segment *segment = log_active(log);
    const struct log_tail *tail = log->tail;
    uint32_t i;

    if (tail == NULL || tail->count == 0 || offset < segment->base_offset + tail_at(tail, 0)->base_offset) {
        return false;
    }
    i = tail_find(tail, offset - segment->base_offset);
    if (i == tail->count) {
        return false;
    }
    draft->start = tail_at(tail, i)->position;
    draft->end = draft->start;
    draft->first_offset = segment->base_offset + tail_at(tail, i)->base_offset;
    draft->next_offset = draft->first_offset;
    for (; i < tail->count; i++) {
        const struct tail_batch *batch = tail_at(tail, i);
        const struct batch_place place = {.base_offset = segment->base_offset + batch->base_offset,
                                          .last_offset = segment->base_offset + batch->last_offset,
                                          .position = batch->position,
                                          .size = tail_end(tail, i, segment) - batch->position};

        if (!slice_take(draft, limits, &place)) {
            break;
        }
    }
    return true;
}

static struct read_hint *log_find_hint(const struct partition_log *log, const struct segment *segment, int64_t offset)
{
    for (size_t i = 0; log->hints != NULL && i < READ_HINTS; i++) {
        struct read_hint *hint = &log->hints->hints[i];

        if (hint->segment == segment->base_offset && hint->offset == offset && hint->next.position < segment->size) {
            return hint;
        }
    }
    return NULL;
}

/* Keeps where the reader of the draft will go on, in the place of what it used. */
static void log_remember(struct partition_log *log, const struct segment *segment, const struct slice_draft *draft)
{
    struct read_hint *hint = draft->hint;

    if (draft->end >= segment->size) {
        return;
    }
    if (log->hints == NULL) {
        log->hints = memory_alloc_zero(1, sizeof(*log->hints));
        for (size_t i = 0; i < READ_HINTS; i++) {
            log->hints->hints[i].segment = -1;
        }
    }
    if (hint == NULL) {
        hint = &log->hints->hints[log->hints->oldest];
        log->hints->oldest = (log->hints->oldest + 1) % READ_HINTS;
    }
    *hint = (struct read_hint){.segment = segment->base_offset,
                               .offset = draft->next_offset,
                               .next = draft->after,
                               .near = draft->near};
    hint->next.position = draft->end;
}

/* The batch of `offset` or, behind a gap, the first one after it; NOT_FOUND if the segment has none. */
static enum status slice_first(struct partition_log *log, struct segment *segment, int64_t offset,
                               const struct read_hint *hint, struct batch_place *first)
{
    uint32_t position = 0;
    enum status status = STATUS_OK;

    if (hint != NULL && hint->next.size > 0) {
        *first = hint->next;
        return STATUS_OK;
    }
    if (hint != NULL) {
        position = hint->next.position;
    } else if (offset > segment->base_offset) {
        status = segment_seek(&log->files, segment, offset, segment->size, &position);
    }
    return status == STATUS_OK ? segment_find_from(&log->files, segment, position, offset, first) : status;
}

/* Goes over whole batches from the draft's end on, where `place` is, as far as the limits allow. */
static enum status slice_walk(struct partition_log *log, struct segment *segment, const struct slice_limits *limits,
                              struct batch_place place, struct slice_draft *draft)
{
    UNINITIALIZED uint8_t buffer[CURSOR_BUFFER_SMALL];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init_sparse(&cursor, file, (struct space){buffer, sizeof(buffer)}, place.position, segment->size);
    cursor.next = place.position + place.size;
    while (slice_take(draft, limits, &place)) {
        status = batch_cursor_next(&cursor, &header);
        if (status != STATUS_OK) {
            return status == STATUS_END ? STATUS_OK : status;
        }
        place = batch_place_of(&cursor, &header);
    }
    return STATUS_OK;
}

/* Moves the draft's end to an index entry not far below the limits, if that spares walking: *place is the batch
 * there. */
static enum status slice_leap(struct partition_log *log, struct segment *segment, const struct slice_limits *limits,
                              struct batch_place *place, struct slice_draft *draft)
{
    const uint64_t wanted = (uint64_t)draft->start + limits->size_max;
    const uint32_t position_max = wanted < segment->size ? (uint32_t)wanted : segment->size - 1;
    struct batch_place found;
    enum status status;

    if (position_max - draft->start <= CURSOR_BUFFER_SMALL) {
        return STATUS_OK;
    }
    status = segment_seek_batch(&log->files, segment, limits->offset_max - 1, position_max, &draft->near, &found);
    if (status == STATUS_OK && found.size > 0 && found.position > draft->start &&
        found.base_offset > place->last_offset) {
        draft->end = found.position;
        draft->next_offset = found.base_offset;
        *place = found;
    }
    return status;
}

/* The slice of `segment` from the batch of `offset` on; empty if that batch is not in this segment. */
static enum status slice_from_file(struct partition_log *log, struct segment *segment, int64_t offset,
                                   const struct slice_limits *limits, struct slice_draft *draft)
{
    struct batch_place place;
    enum status status;

    draft->hint = log_find_hint(log, segment, offset);
    draft->near = draft->hint != NULL ? draft->hint->near : 0;
    status = slice_first(log, segment, offset, draft->hint, &place);
    if (status == STATUS_NOT_FOUND) {
        draft->start = draft->end = segment->size;
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    draft->start = draft->end = place.position;
    draft->first_offset = draft->next_offset = place.base_offset;
    if (segment->end_offset <= limits->offset_max && segment->size - draft->start <= limits->size_max) {
        draft->end = segment->size;
        draft->next_offset = segment->end_offset;
        return STATUS_OK;
    }
    status = slice_leap(log, segment, limits, &place, draft);
    return status == STATUS_OK ? slice_walk(log, segment, limits, place, draft) : status;
}

/* Hands a draft out. */
static enum status slice_finish(struct partition_log *log, struct segment *segment, const struct slice_draft *draft,
                                struct log_slice *slice)
{
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    *slice = (struct log_slice){.file = file_ref(file),
                                .position = draft->start,
                                .size = draft->end - draft->start,
                                .first_offset = draft->first_offset,
                                .next_offset = draft->next_offset};
    log_remember(log, segment, draft);
    return STATUS_OK;
}

enum status partition_log_read(struct partition_log *log, int64_t offset, int64_t offset_max, size_t size_max,
                               bool first_whole, struct log_slice *slice)
{
    const struct slice_limits limits = {.offset_max = offset_max < log->written_end ? offset_max : log->written_end,
                                        .size_max = size_max,
                                        .first_whole = first_whole};

    *slice = (struct log_slice){.first_offset = offset, .next_offset = offset};
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    if (offset < log->log_start || offset > log->log_end) {
        return STATUS_OUT_OF_RANGE;
    }
    if (offset >= limits.offset_max || (size_max == 0 && !first_whole)) {
        return STATUS_OK;
    }
    for (size_t i = log_segment_at(log, offset); i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct slice_draft draft = {0};

        if (segment->size == 0 || segment->end_offset <= offset) {
            continue;
        }
        if (i + 1 < log->segment_count || !slice_from_tail(log, offset, &limits, &draft)) {
            const enum status status = slice_from_file(log, segment, offset, &limits, &draft);

            if (status != STATUS_OK) {
                return status;
            }
        }
        if (draft.end > draft.start) {
            return slice_finish(log, segment, &draft, slice);
        }
        if (draft.start < segment->size) {
            return STATUS_OK; /* there is a batch, but the limits do not allow it */
        }
    }
    return STATUS_OK;
}

/* The position at or before `offset` in its segment that is known without reading. */
static uint32_t log_position_below(const struct partition_log *log, const struct segment *segment, int64_t offset)
{
    const struct log_tail *tail = log->tail;
    uint32_t position = 0;

    if (offset >= segment->end_offset) {
        return segment->size;
    }
    if (segment == log_active(log) && tail != NULL && tail->count > 0) {
        const uint32_t i = tail_find(tail, offset - segment->base_offset);

        if (i < tail->count && (i > 0 || offset >= segment->base_offset + tail_at(tail, 0)->base_offset)) {
            return tail_at(tail, i)->position;
        }
    }
    for (size_t i = 0; log->hints != NULL && i < READ_HINTS; i++) {
        const struct read_hint *hint = &log->hints->hints[i];

        if (hint->segment == segment->base_offset && hint->offset <= offset && hint->next.position > position) {
            position = hint->next.position;
        }
    }
    return position;
}

/* The position at or behind the batch of `offset`. */
static uint32_t log_position_above(const struct partition_log *log, const struct segment *segment, int64_t offset)
{
    const struct log_tail *tail = log->tail;

    if (offset <= segment->base_offset) {
        return 0;
    }
    if (segment == log_active(log) && tail != NULL && tail->count > 0 && offset < segment->end_offset) {
        const uint32_t i = tail_find(tail, offset - segment->base_offset);

        return i < tail->count ? tail_at(tail, i)->position : segment->size;
    }
    return segment->size;
}

uint64_t partition_log_bytes_between(const struct partition_log *log, int64_t from, int64_t to)
{
    size_t first;
    size_t last;
    uint64_t sum = 0;

    if (to <= from) {
        return 0;
    }
    first = log_segment_at(log, from);
    last = log_segment_at(log, to);
    for (size_t i = first; i < last; i++) {
        sum += log->segments[i]->size;
    }
    sum += log_position_above(log, log->segments[last], to);
    return sum - log_position_below(log, log->segments[first], from);
}

/* One whole batch as a slice. */
static enum status slice_of_batch(struct partition_log *log, struct segment *segment, const struct batch_place *place,
                                  struct log_slice *slice)
{
    const struct slice_draft draft = {.first_offset = place->base_offset,
                                      .next_offset = place->last_offset + 1,
                                      .start = place->position,
                                      .end = place->position + place->size};

    return slice_finish(log, segment, &draft, slice);
}

/* What a walk over headers looks for. */
struct time_search {
    int64_t offset_min; /* batches that end below do not count */
    int64_t offset_max; /* nor those that end at or behind */
    int64_t timestamp;  /* the first batch that reaches it; INT64_MAX: the one with the largest */
};

/* Walks from `position`. NOT_FOUND if no batch counts. */
static enum status segment_search_time(struct log_files *files, struct segment *segment, uint32_t position,
                                       const struct time_search *search, struct batch_place *place)
{
    UNINITIALIZED uint8_t buffer[CURSOR_BUFFER_SMALL];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    bool found = false;
    enum status status = segment_open(files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, position, segment->size);
    while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
        if (batch_last_offset(&header) >= search->offset_max) {
            break;
        }
        if (batch_last_offset(&header) < search->offset_min || (found &&
                                                                header.max_timestamp <= place->max_timestamp)) {
            continue;
        }
        if (search->timestamp == INT64_MAX ? header.max_timestamp > TIMESTAMP_NONE
                                           : header.max_timestamp >= search->timestamp) {
            *place = (struct batch_place){.base_offset = header.base_offset,
                                          .last_offset = batch_last_offset(&header),
                                          .max_timestamp = header.max_timestamp,
                                          .position = (uint32_t)cursor.position,
                                          .size = (uint32_t)batch_size(&header)};
            found = true;
            if (search->timestamp != INT64_MAX) {
                return STATUS_OK;
            }
        }
    }
    if (status != STATUS_OK && status != STATUS_END) {
        return status;
    }
    return found ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status partition_log_find_time(struct partition_log *log, int64_t timestamp_ms, int64_t offset_max,
                                    struct log_slice *slice)
{
    const struct time_search search = {.offset_min = log->log_start,
                                       .offset_max = offset_max < log->written_end ? offset_max : log->written_end,
                                       .timestamp = timestamp_ms < INT64_MAX ? timestamp_ms : INT64_MAX - 1};

    *slice = (struct log_slice){0};
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    for (size_t i = log_segment_at(log, log->log_start); i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct time_entry entry;
        struct batch_place place;
        uint32_t position = 0;
        enum status status;

        if (segment->base_offset >= search.offset_max) {
            break;
        }
        if (segment->size == 0 || segment->max_timestamp < timestamp_ms) {
            continue;
        }
        /* Everything up to an entry with a smaller timestamp is too early. */
        status = time_index_find_before(&log->files, &segment->times, timestamp_ms, &entry);
        if (status == STATUS_OK) {
            status = segment_seek_time(&log->files, segment, &entry, &position);
        }
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        status = segment_search_time(&log->files, segment, position, &search, &place);
        if (status == STATUS_OK) {
            return slice_of_batch(log, segment, &place, slice);
        }
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    return STATUS_NOT_FOUND;
}

/* The batch with the segment's largest timestamp within the limits. */
static enum status segment_find_max_time(struct log_files *files, struct segment *segment, int64_t offset_min,
                                         int64_t offset_max, struct batch_place *place)
{
    const struct time_search search = {.offset_min = offset_min, .offset_max = offset_max, .timestamp = INT64_MAX};
    struct time_entry entry;
    uint32_t position = 0;
    enum status status;

    if (segment->max_timestamp == TIMESTAMP_NONE) {
        return STATUS_NOT_FOUND;
    }
    if (segment->max_timestamp_offset >= offset_min && segment->max_timestamp_offset < offset_max) {
        return segment_find(files, segment, segment->max_timestamp_offset, place);
    }
    /* The largest one does not count. Before the last entry below the limit no batch has a larger timestamp than it. */
    status = time_index_find_below(files, &segment->times, offset_max, &entry);
    if (status == STATUS_OK && entry.offset >= offset_min) {
        status = segment_seek_time(files, segment, &entry, &position);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    return segment_search_time(files, segment, position, &search, place);
}

enum status partition_log_find_max_time(struct partition_log *log, int64_t offset_max, struct log_slice *slice)
{
    const int64_t end = offset_max < log->written_end ? offset_max : log->written_end;
    struct batch_place best = {.max_timestamp = TIMESTAMP_NONE};
    struct segment *best_segment = NULL;

    *slice = (struct log_slice){0};
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    for (size_t i = log_segment_at(log, log->log_start); i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct batch_place place;
        enum status status;

        if (segment->size == 0 || segment->base_offset >= end || segment->max_timestamp <= best.max_timestamp) {
            continue;
        }
        status = segment_find_max_time(&log->files, segment, log->log_start, end, &place);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        if (status == STATUS_OK && place.max_timestamp > best.max_timestamp) {
            best = place;
            best_segment = segment;
        }
    }
    return best_segment != NULL ? slice_of_batch(log, best_segment, &best, slice) : STATUS_NOT_FOUND;
}
