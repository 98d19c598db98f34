/* The buffer always holds a run of the file; when the bytes asked for are not all in it, it is filled anew from their
 * first one. */
#include "storage-node/log/batch_cursor.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_log.h"

/* Of batches larger than this each header is read alone: copying what lies between them costs more than a call. */
#define SPARSE_BATCH_MIN 2048
/* So many batches of the last one's size are read ahead if they are smaller. */
#define SPARSE_AHEAD 8

/* What the checksum covers starts behind base offset, length, leader epoch, magic and the checksum itself. */
#define CRC_START 21

void batch_cursor_init(struct batch_cursor *cursor, struct file *file, struct space buffer, uint64_t position,
                       uint64_t end)
{
    ASSERT(buffer.size >= RECORD_BATCH_HEADER_SIZE);
    *cursor = (struct batch_cursor){
        .file = file, .buffer = buffer, .position = position, .next = position, .end = end, .loaded_from = position};
}

void batch_cursor_init_sparse(struct batch_cursor *cursor, struct file *file, struct space buffer, uint64_t position,
                              uint64_t end)
{
    batch_cursor_init(cursor, file, buffer, position, end);
    cursor->sparse = true;
}

/* How much a read that must bring `size` bytes should bring. */
static size_t batch_cursor_ahead(const struct batch_cursor *cursor, size_t size)
{
    const uint64_t last = cursor->next - cursor->position;
    size_t ahead = cursor->buffer.size;

    if (cursor->sparse) {
        ahead = last > 0 && last < SPARSE_BATCH_MIN ? (size_t)last * SPARSE_AHEAD : size;
        ahead = ahead < cursor->buffer.size ? ahead : cursor->buffer.size;
    }
    return ahead > size ? ahead : size;
}

/* Makes [position, position + size) part of the buffer; `*at` is its first byte. `size` fits the buffer and the
 * file. */
static enum status batch_cursor_load(struct batch_cursor *cursor, uint64_t position, size_t size, const uint8_t **at)
{
    if (position < cursor->loaded_from || position + size > cursor->loaded_from + cursor->loaded_size) {
        const uint64_t left = cursor->end - position;
        const size_t ahead = batch_cursor_ahead(cursor, size);
        const size_t wanted = left < ahead ? (size_t)left : ahead;
        enum status status;

        cursor->loaded_from = position;
        cursor->loaded_size = 0;
        status = file_read(cursor->file, position, cursor->buffer.data, wanted, &cursor->loaded_size);
        if (status != STATUS_OK) {
            return status;
        }
        if (cursor->loaded_size < size) {
            return STATUS_TRUNCATED;
        }
    }
    *at = cursor->buffer.data + (position - cursor->loaded_from);
    return STATUS_OK;
}

enum status batch_cursor_next(struct batch_cursor *cursor, struct batch_header *header)
{
    const uint64_t left = cursor->end - cursor->next;
    const uint8_t *at;
    enum status status;

    if (left == 0) {
        return STATUS_END;
    }
    if (left < RECORD_BATCH_HEADER_SIZE) {
        return STATUS_TRUNCATED;
    }
    status = batch_cursor_load(cursor, cursor->next, RECORD_BATCH_HEADER_SIZE, &at);
    if (status != STATUS_OK) {
        return status;
    }
    status = batch_header_read(bytes_of(at, RECORD_BATCH_HEADER_SIZE), header);
    if (status != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    if (header->base_offset < 0 || header->last_offset_delta < 0 ||
        header->base_offset > LOG_OFFSET_MAX - 1 - header->last_offset_delta) {
        return STATUS_CORRUPT;
    }
    if (batch_size(header) > left) {
        return STATUS_TRUNCATED;
    }
    cursor->position = cursor->next;
    cursor->next += batch_size(header);
    return STATUS_OK;
}

enum status batch_cursor_bytes(struct batch_cursor *cursor, struct bytes *batch)
{
    const uint64_t size = cursor->next - cursor->position;
    const uint8_t *at;
    enum status status;

    if (size > cursor->buffer.size) {
        return STATUS_TOO_LARGE;
    }
    status = batch_cursor_load(cursor, cursor->position, (size_t)size, &at);
    if (status == STATUS_OK) {
        *batch = bytes_of(at, (size_t)size);
    }
    return status;
}

enum status batch_cursor_check(struct batch_cursor *cursor, const struct batch_header *header)
{
    uint64_t position = cursor->position + CRC_START;
    uint32_t crc = 0;
    struct bytes batch;
    enum status status = batch_cursor_bytes(cursor, &batch);

    if (status == STATUS_OK) {
        return batch_crc_matches(batch) ? STATUS_OK : STATUS_CORRUPT;
    }
    if (status != STATUS_TOO_LARGE) {
        return status;
    }
    while (position < cursor->next) {
        const uint64_t left = cursor->next - position;
        const size_t size = left < cursor->buffer.size ? (size_t)left : cursor->buffer.size;
        const uint8_t *at;

        status = batch_cursor_load(cursor, position, size, &at);
        if (status != STATUS_OK) {
            return status;
        }
        crc = crc32c_extend(crc, at, size);
        position += size;
    }
    return crc == header->crc ? STATUS_OK : STATUS_CORRUPT;
}
