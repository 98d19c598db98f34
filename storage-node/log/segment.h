/* One .log file of a partition with its indexes.
 *
 *     base_offset                              end_offset
 *        | batch | batch | batch | ... | batch |            .log, `size` bytes
 *                  ^               ^
 *                  index entries point at batches
 *
 * Only the log's last segment is appended to. A sealed segment has both index files complete on disk (not yet
 * synced). */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

#include "storage-node/log/batch_cursor.h"
#include "storage-node/log/offset_index.h"
#include "storage-node/log/time_index.h"
#include "storage-node/log/txn_index.h"

/* Positions in a segment are kept in 31 bits, on disk too. */
#define SEGMENT_SIZE_MAX INT32_MAX
#define TIMESTAMP_UNSEEN INT64_MIN

struct segment {
    int64_t base_offset;
    int64_t end_offset;           /* behind the last batch; base_offset if empty */
    int64_t max_timestamp;        /* TIMESTAMP_NONE: none */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
    int64_t first_timestamp;      /* the first batch's largest timestamp; TIMESTAMP_UNSEEN: nobody looked */
    int64_t created_ms;           /* wall clock; after a restart the best guess */
    uint32_t size;                /* bytes of batches in the file */
    uint32_t file_end;            /* the file goes on behind `size` up to here, see room.c; 0: it ends with `size` */
    uint32_t unindexed;           /* bytes since the last index entry */
    struct file_slot slot;        /* of the .log */
    struct file *pinned;          /* keeps the descriptor through which unsynced bytes were written; may be NULL */
    enum txn_index_presence aborted; /* is there a .txnindex? */
    bool zeros;                      /* what lies between `size` and `file_end` is zeros, not old bytes */
    bool narrow;                     /* the disk had no room: the file grows with its batches only */
    bool reindexed;                  /* a look-up found the indexes wrong, and they were made anew if that could help */
    struct offset_index offsets;
    struct time_index times;
};

/* Where a batch lies and what the segment must know of it. */
struct batch_place {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
    uint32_t position;
    uint32_t size;
};

/* Nothing on disk is touched: segment_open makes the file. Destroyed with segment_destroy. */
struct segment *segment_create(int64_t base_offset, int64_t now_ms);
/* Closes the files and frees; they stay on disk. */
void segment_destroy(struct log_files *files, struct segment *segment);
/* The .log, open for reading and writing; `flags` may be FILE_CREATE. Borrowed for the turn. */
MUST_USE enum status segment_open(struct log_files *files, struct segment *segment, unsigned flags, struct file **file);

/* Takes note of a batch that is in the file at the end: sizes, largest timestamp, index entries. The caller wrote
 * it. */
MUST_USE enum status segment_note(struct log_files *files, struct segment *segment, const struct batch_place *place,
                                  uint32_t index_interval);
/* Cuts off what lies behind the batches in the .log. */
MUST_USE enum status segment_trim(struct log_files *files, struct segment *segment);
/* Completes the indexes on disk and cuts off what lies behind the batches when no batch will follow, at a roll or a
 * stop. */
MUST_USE enum status segment_seal(struct log_files *files, struct segment *segment);
/* Makes the empty files of both indexes now instead of with their first entries. In a directory that is being synced a
 * new name waits for the disk, and in that of a busy log a sync follows soon, see recycle.c. */
void segment_make_indexes(struct log_files *files, struct segment *segment);
/* Writes index entries that still wait; files are made only if there are any. */
MUST_USE enum status segment_write_waiting(struct log_files *files, struct segment *segment);
/* Makes .log and both index files durable. */
MUST_USE enum status segment_sync(struct log_files *files, struct segment *segment);
/* Closes what is open; what waits in the indexes must have been written. */
void segment_rest(struct log_files *files, struct segment *segment);

/* A place to start walking from, at or before the batch that holds `offset`, at most `position_max`: from the index,
 * and checked against the segment, so a wrong index costs time only, once: it is made anew. */
MUST_USE enum status segment_seek(struct log_files *files, struct segment *segment, int64_t offset,
                                  uint32_t position_max, uint32_t *position);
/* The place of the batch that a time index entry speaks of, or the segment's start if that batch says otherwise. */
MUST_USE enum status segment_seek_time(struct log_files *files, struct segment *segment,
                                       const struct time_entry *entry, uint32_t *position);
/* The same, but the batch at that place was read: *place, of size 0 if there is none but the segment's start. `near`
 * as for offset_index_find. */
MUST_USE enum status segment_seek_batch(struct log_files *files, struct segment *segment, int64_t offset,
                                        uint32_t position_max, uint32_t *near, struct batch_place *place);
/* The batch that the cursor stands at. */
struct batch_place batch_place_of(const struct batch_cursor *cursor, const struct batch_header *header);
/* The first batch that ends at or behind `offset`. NOT_FOUND: none does. */
MUST_USE enum status segment_find(struct log_files *files, struct segment *segment, int64_t offset,
                                  struct batch_place *place);
/* The same, walking from the batch at `position`, which must not lie behind the one that is looked for. NOT_FOUND. */
MUST_USE enum status segment_find_from(struct log_files *files, struct segment *segment, uint32_t position,
                                       int64_t offset, struct batch_place *place);
/* Drops all batches from the one at `position`, whose base offset is `offset`, from .log and indexes and finds the
 * largest timestamp of what is left. Not synced. */
MUST_USE enum status segment_truncate(struct log_files *files, struct segment *segment, uint32_t position,
                                      int64_t offset);
/* As if the segment were empty, the .log's bytes left as they are: its indexes will be made anew. */
MUST_USE enum status segment_reset(struct log_files *files, struct segment *segment);
/* The largest timestamp that the time index knows below `offset_end`, TIMESTAMP_NONE without any entry. CORRUPT if its
 * last one makes no sense, or the batch itself says something else. `end_offset` becomes `offset_end`. */
MUST_USE enum status segment_load_max_timestamp(struct log_files *files, struct segment *segment, int64_t offset_end);
/* Adopts what the file of a sealed segment holds, which ends where the next begins, trusting its indexes. CORRUPT: they
 * are not as a roll leaves them. */
MUST_USE enum status segment_load_sealed(struct log_files *files, struct segment *segment, int64_t end_offset);
/* Reads the first batch's timestamp if nobody did. */
MUST_USE enum status segment_load_first_timestamp(struct log_files *files, struct segment *segment);

#endif
