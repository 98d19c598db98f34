/* Walks the batch headers of a segment file through a buffer: one read for many small batches, one for each large
 * one. */
#ifndef LOG_BATCH_CURSOR_H
#define LOG_BATCH_CURSOR_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/batch/record_batch.h"

struct file;

/* What a look-up on a loop puts on its stack. */
#define CURSOR_BUFFER_SMALL 16384

struct batch_cursor {
    struct file *file;    /* borrowed */
    struct space buffer;  /* borrowed; at least RECORD_BATCH_HEADER_SIZE bytes */
    uint64_t loaded_from; /* file position of the buffer's first byte */
    size_t loaded_size;
    uint64_t position; /* of the current batch */
    uint64_t next;     /* of the one behind it */
    uint64_t end;      /* bytes of the file that count */
    bool sparse;       /* reads no more than headers ask for */
};

/* Starts in front of the batch at `position`. */
void batch_cursor_init(struct batch_cursor *cursor, struct file *file, struct space buffer, uint64_t position,
                       uint64_t end);
/* The same for who only wants some headers: of large batches nothing else is read. */
void batch_cursor_init_sparse(struct batch_cursor *cursor, struct file *file, struct space buffer, uint64_t position,
                              uint64_t end);
/* Goes to the next batch. END exactly at the end; TRUNCATED if it is cut by the end; CORRUPT if the header cannot be
 * one, CORRUPT too for an unknown magic; IO. Unless OK the cursor stays where it was. */
MUST_USE enum status batch_cursor_next(struct batch_cursor *cursor, struct batch_header *header);
/* All bytes of the current batch, borrowed until the cursor moves. TOO_LARGE if the buffer cannot hold it. */
MUST_USE enum status batch_cursor_bytes(struct batch_cursor *cursor, struct bytes *batch);
/* Checks the checksum of the current batch, whatever its size. CORRUPT if it is wrong. */
MUST_USE enum status batch_cursor_check(struct batch_cursor *cursor, const struct batch_header *header);

#endif
