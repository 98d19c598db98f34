/* The producers and leader epochs of many logs in one file of the log directory: what a start would otherwise have to
 * gather from the headers of each log's batches. A clean stop adds an entry at the end of every log that has changed,
 * with what else a start has to know, so that neither it nor the next start goes over thousands of small files.
 *
 *     .millrace_producers       what the last start found in the others, and in this one
 *     .millrace_producers-N     what loop N has added since, in the order of writing
 *
 * Both are runs of entries, big-endian:
 *
 *     0  size        u32  of all that follows the checksum
 *     4  crc         u32  CRC-32C of the same
 *     8  topic id    16 bytes
 *    24  partition   i32
 *    28  offset      i64  the state in front of it
 *    36  epoch       i32  of the batch in front of it: another one is there if the log was cut and grew again
 *    40  segment     i64  base offset of the last one, which ends at `offset`; -1: what follows is not known
 *    48  size        u32  of its .log
 *    52  unindexed   u32  bytes behind its last index entry
 *    56  entries     u32  of its .index
 *    60  entries     u32  of its .timeindex
 *    64  timestamp   i64  the largest in it, -1: none
 *    72  offset      i64  the last one of the batch that has it
 *    80  timestamp   i64  the largest of its first batch
 *    88  size        u32  of what comes next
 *    92  contents of a leader-epoch-checkpoint (epoch_cache.h)
 *        contents of a .snapshot (producer_snapshot.h)
 *
 * Of several entries of one log the one with the largest offset counts. Only a clean stop syncs the files. Else an
 * entry is good as long as the page cache that it was written to, which has every batch in front of its offset too. A
 * start that finds neither the mark of a clean stop nor the cache alive removes the files before anything else. So does
 * a log that lost something in front of an entry's offset. */
#ifndef LOG_PRODUCER_JOURNAL_H
#define LOG_PRODUCER_JOURNAL_H

#include "common/base/buffer.h"
#include "common/base/uuid.h"
#include "storage-node/log/producer_state.h"

struct disk;
struct epoch_cache;
struct producer_journal;

#define PRODUCER_JOURNAL_WRITERS_MAX 64
/* A writer whose file has grown to this, and to several times what is in use, writes it anew. */
#define PRODUCER_JOURNAL_SIZE_MIN (4U << 20)

/* A segment at rest, as struct segment has it. */
struct segment_rest {
    int64_t base_offset; /* OFFSET_NONE: nothing is known */
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t first_timestamp;
    uint32_t size;
    uint32_t unindexed;
    uint32_t offset_entries;
    uint32_t time_entries;
};

/* What is known of a log. */
struct producer_journal_entry {
    struct uuid topic_id;
    int32_t partition;
    int32_t epoch;         /* of the batch in front of `offset` */
    int64_t offset;        /* OFFSET_NONE: nothing is known */
    struct segment_rest last;
    struct bytes epochs;   /* borrowed, the snapshot lies right behind them */
    struct bytes snapshot; /* borrowed */
};

/* Adds an entry to `out`, of `epochs` and `state` instead of their texts. */
void producer_journal_encode(const struct producer_journal_entry *entry, const struct epoch_cache *epochs,
                             const struct producer_state *state, struct buffer *out);
/* Copies the entry's bytes to `room`, of producer_journal_entry_room(entry) bytes, and lets it borrow them there. */
size_t producer_journal_entry_room(const struct producer_journal_entry *entry);
void producer_journal_entry_move(struct producer_journal_entry *entry, uint8_t *room);
/* Adds entries behind `*size` bytes of a writer's file and moves that; 0: the file is made anew. NOT_FOUND: somebody
 * has removed it. Blocking. */
MUST_USE enum status producer_journal_write(struct disk *disk, const char *directory, uint32_t writer,
                                            struct bytes entries, uint64_t *size);

/* Makes the contents of the writer's file durable, and of the one that is common to all; not their names. */
MUST_USE enum status producer_journal_sync(struct disk *disk, const char *directory, uint32_t writer);

/* All entries of a directory, without those behind a damage. Fails only as IO does. */
MUST_USE enum status producer_journal_load(struct disk *disk, const char *directory, struct producer_journal **journal);
void producer_journal_destroy(struct producer_journal *journal);
/* The newest entry of a log, its snapshot borrowed from the journal. False: there is none. */
bool producer_journal_find(const struct producer_journal *journal, struct uuid topic_id, int32_t partition,
                           struct producer_journal_entry *entry);
/* Puts all entries into one file, so that writers begin anew; what cannot be written is removed. */
MUST_USE enum status producer_journal_gather(struct disk *disk, const char *directory,
                                             const struct producer_journal *journal);
/* Removes the files. */
MUST_USE enum status producer_journal_remove(struct disk *disk, const char *directory);

#endif
