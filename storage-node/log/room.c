/* Files that are longer than their log. Behind the last batch of an active .log may lie
 *
 *     [ batch ][ batch ][ zeros ................................ ]    class fsync: room for the next batches
 *     [ batch ][ batch ][ mark of zeros ][ old batches ......... ]    class memory: an expired file, recycle.c
 *                       size                                      file_end
 *
 * Why room: a sync that changes the size of a file, or the blocks it has, writes the file system's books beside the
 * bytes. Where blocks with zeros lie already it writes the bytes only, which takes about half the time. So a write that
 * passes the file's end writes zeros behind its batches, and one sync in many pays for the others. Real zeros, not
 * reserved blocks: those have to be marked as written with each sync. A partition's zeros are half of what its segment
 * holds and the rest of a block, or ROOM_MAX. They cost that each byte is written twice, so writes that are long enough
 * to hide the books go without.
 *
 * The rules:
 *   - Nobody reads behind `size` while the log is open, and no size of a file is taken for that of a log.
 *   - What is behind `size` is zeros, or begins with a mark of them. No batch does. After a kill the log ends at the
 *     mark; after a power cut at the first batch that is not whole and sound, as ever.
 *   - The file is cut to `size` when the segment is closed, cut or stopped cleanly, when recovery has found its end,
 *     and when a partition rests.
 *   - A full disk takes back the room, not the batches. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/env/disk.h"

/* Blocks of file systems; the rest of one costs nothing. */
#define ROOM_BLOCK 4096U
#define ROOM_MAX (256U << 10)
/* A write of more bytes makes no room: what the sync of its file's size costs is little beside it. */
#define ROOM_WRITE_MAX (128U << 10)

#define ZEROS_SIZE (64U << 10)
_Static_assert(ROOM_MAX / ZEROS_SIZE + 1 == LOG_ROOM_PARTS, "the parts hold the room and the rest of a block");
_Static_assert(ZEROS_SIZE >= SEGMENT_MARK_SIZE && ZEROS_SIZE >= ROOM_BLOCK, "one part holds a mark, or a block's rest");

static const uint8_t zeros[ZEROS_SIZE];

/* The zeros to write behind a write that ends at `end`. */
static uint32_t room_size(const struct partition_log *log, const struct segment *segment, uint64_t end)
{
    const uint64_t size_max =
        log->config.segment_bytes < SEGMENT_SIZE_MAX ? log->config.segment_bytes : SEGMENT_SIZE_MAX;
    uint64_t room_end = end + (end / 2 < ROOM_MAX ? end / 2 : ROOM_MAX);

    if (log->config.durability != DURABILITY_FSYNC || segment->narrow || end <= segment->file_end ||
        log->queued_size > ROOM_WRITE_MAX) {
        return 0;
    }
    room_end = (room_end + ROOM_BLOCK - 1) / ROOM_BLOCK * ROOM_BLOCK;
    room_end = room_end < size_max ? room_end : size_max;
    return room_end > end ? (uint32_t)(room_end - end) : 0;
}

/* Adds parts of `size` zeros behind those of the queue; returns how many parts there are. */
static size_t room_parts(struct partition_log *log, uint32_t size)
{
    size_t count = log->queued_count;

    while (size > 0) {
        const uint32_t step = size < ZEROS_SIZE ? size : ZEROS_SIZE;

        ASSERT(count < log->queued_count + LOG_ROOM_PARTS);
        log->parts[count++] = bytes_of(zeros, step);
        size -= step;
    }
    return count;
}

enum status log_write_with_room(struct partition_log *log, struct segment *segment, struct file *file)
{
    const uint64_t end = segment->size + log->queued_size;
    const uint32_t room = room_size(log, segment, end);
    const bool marked = segment->file_end > end && !segment->zeros;
    enum status status =
        file_write(file, segment->size, log->parts, room_parts(log, marked ? SEGMENT_MARK_SIZE : room));

    if (status == STATUS_NO_SPACE && room > 0) {
        segment->narrow = true;
        if (file_truncate(file, segment->size) != STATUS_OK) {
            return STATUS_IO;
        }
        status = file_write(file, segment->size, log->parts, log->queued_count);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (room > 0 && !segment->narrow) {
        segment->file_end = (uint32_t)end + room;
        segment->zeros = true;
    } else if (segment->file_end <= end) {
        segment->file_end = 0;
    }
    return STATUS_OK;
}

enum status log_room_rest(struct partition_log *log, struct segment *segment)
{
    /* An old file that is written over stays as it is: the partition was busy a minute ago. */
    return segment->zeros ? segment_trim(&log->files, segment) : STATUS_OK;
}

bool segment_is_marked(struct log_files *files, struct segment *segment, uint64_t position)
{
    uint8_t found[SEGMENT_MARK_SIZE];
    struct file *file;
    size_t got;

    return segment_open(files, segment, 0, &file) == STATUS_OK &&
           file_read(file, position, found, sizeof(found), &got) == STATUS_OK && got == sizeof(found) &&
           memcmp(found, zeros, sizeof(found)) == 0;
}

enum status segment_mark_start(struct file *file)
{
    const struct bytes mark = bytes_of(zeros, SEGMENT_MARK_SIZE);

    return file_write(file, 0, &mark, 1);
}
