/* The log of one partition: an ordered run of segments in a directory `TOPIC-N`, in Kafka's on-disk format.
 *
 *     log_start_offset          durable_end            written_end == log_end_offset (between turns)
 *            |                       |                        |
 *     [ segment 0 ][ segment 1 ][ active segment ..............]
 *
 * Invariants:
 *   L1 log_start_offset <= durable_end <= written_end <= log_end_offset
 *   L2 offsets of batches in a segment ascend without overlap; every batch was checked before it was appended
 *   L3 an index entry never points behind what the segment file holds; indexes can be rebuilt from the segment alone
 *   L4 bytes on disk are the producer's, except base offset and partition leader epoch (outside the CRC)
 *   L5 after partition_log_open every batch below log_end_offset is whole: a torn tail was cut, also when the indexes
 *      claim more
 *
 * Life: partition_log_open and partition_log_destroy_files block and run in a job; everything else belongs to the loop
 * that partition_log_attach names. Appends of a turn are queued and written by one vectored write in
 * partition_log_flush, which the owner calls at the end of the turn. */
#ifndef LOG_PARTITION_LOG_H
#define LOG_PARTITION_LOG_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/base/uuid.h"
#include "storage-node/log/log_config.h"

struct buffer;
struct env;
struct disk;
struct file;
struct file_cache;
struct partition_log;
struct producer_journal_entry;

/* No log's end lies behind it, so that offsets and the numbers of records in a batch can be added without care. */
#define LOG_OFFSET_MAX (INT64_MAX - INT64_C(2) * INT32_MAX)

struct partition_log_options {
    const char *directory;   /* of the partition; made if missing. Borrowed for the call */
    struct string topic;     /* borrowed for the call */
    /* Written to partition.metadata. On open it must match: EXISTS if it does not, or if the directory has records and
     * does not say whose they are. */
    struct uuid topic_id;
    int32_t partition;
    struct log_config config;
    int64_t recovery_point;   /* from recovery-point-offset-checkpoint: below it everything is synced. 0 if unknown */
    int64_t log_start_offset; /* from log-start-offset-checkpoint, 0 if none */
    bool clean;               /* the directory was shut down cleanly: nothing to scan */
    bool kept;                /* else: what was written is there, durable or not; only the writing process has died */
    bool taken;               /* a directory that does not say whose it is, empty or not, is somebody else's: EXISTS */
    bool fresh;               /* nothing of this name is on the disk: the call makes and reads nothing */
    int64_t now_ms;           /* wall clock */
    /* What the producer journal says of the log, if it was stopped `clean` or is `kept`; NULL: nothing. Borrowed for
     * the call. */
    const struct producer_journal_entry *producers;
};

/* Opens or creates, recovering what a crash left: segments at or behind the recovery point are scanned batch by batch,
 * a bad batch and everything behind it is cut, missing or wrong indexes are rebuilt, producer windows are restored from
 * the newest usable .snapshot and the batches behind it. If what was written is `kept`, it is as after a clean stop,
 * but for the end that the last write may have left torn; what was not durable before is not made so, except for logs
 * of class fsync. STATUS_EXISTS (the directory is of another topic id), STATUS_IO, STATUS_NO_SPACE... */
MUST_USE enum status partition_log_open(struct disk *disk, const struct partition_log_options *options,
                                        struct partition_log **log);
/* Gives the log to a loop. Shares env and cache for the log's life. `failed` is called (once, later) when a write or
 * sync has failed: the directory must be taken offline, the log refuses everything from then on. */
void partition_log_attach(struct partition_log *log, struct env *env, struct file_cache *cache,
                          void (*failed)(void *context, enum status status), void *context);
/* Takes the log from its loop, on that loop: partition_log_shutdown may then run in a job. It must be idle, and no sync
 * under way. */
void partition_log_detach(struct partition_log *log);
/* Frees the object; files stay. Nothing may be queued and no partition_log_sync unanswered; a sync that a roll has
 * started goes on without the log, a failure that was not told yet never is. */
void partition_log_close(struct partition_log *log);
/* Nothing queued, no partition_log_sync unanswered, a failure told. */
bool partition_log_idle(const struct partition_log *log);
bool partition_log_syncing(const struct partition_log *log); /* a job of its own is under way */
bool partition_log_made(const struct partition_log *log);    /* false: never written to, it has no directory */

/* What producer-state checks say of a batch (KIP-98, KIP-360). */
enum append_verdict {
    APPEND_OK,
    /* in the window of the last five: result holds the offsets it got then; not stored again */
    APPEND_DUPLICATE,
    APPEND_OUT_OF_ORDER,       /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    APPEND_STALE_EPOCH,        /* INVALID_PRODUCER_EPOCH */
    APPEND_UNKNOWN_PRODUCER,   /* UNKNOWN_PRODUCER_ID: not used while KIP-360 semantics accept any first sequence */
    APPEND_FAILED              /* the log is offline: KAFKA_STORAGE_ERROR */
};

struct append_result {
    int64_t base_offset;
    int64_t last_offset;
    /* -1 unless message.timestamp.type is LogAppendTime (set by the caller in the batch before) */
    int64_t append_time_ms;
};

/* Checks and appends one validated batch in one step: sequence check, offsets assigned and patched into the bytes with
 * `leader_epoch`, roll if the segment is full, queue for the turn's write. Borrows `batch` until
 * partition_log_flush. */
MUST_USE enum append_verdict partition_log_append(struct partition_log *log, struct space batch, int32_t leader_epoch,
                                                  struct append_result *result);
/* For followers: appends one batch as the leader has it, with offsets and epoch. Producers are noted, never judged
 * (KAFKA-6003). Borrows `batch` until partition_log_flush. OUT_OF_RANGE: it begins before log_end_offset. */
MUST_USE enum status partition_log_append_copy(struct partition_log *log, struct bytes batch);
/* Writes everything queued and updates indexes. On failure what was queued is gone and the log end offset is back at
 * written_end: STATUS_NO_SPACE leaves the log online (the file is cut back, the next append may succeed), so does
 * STATUS_BUSY: a new log could not make its directory, because one of that name is there; any other failure takes it
 * offline. */
MUST_USE enum status partition_log_flush(struct partition_log *log);
/* something is queued, or a failed append is still to be told */
bool partition_log_dirty(const struct partition_log *log);

/* Asks for durability up to `offset` (exclusive). One fdatasync is in flight per log; whatever was written meanwhile
 * shares the next one. `done` runs on the loop, at the end of a turn: STATUS_IO if the log went offline,
 * STATUS_OUT_OF_RANGE if the offset was cut away by partition_log_truncate. */
struct log_sync {
    struct list link;
    int64_t offset;
    void (*done)(struct log_sync *sync, enum status status);
};
void partition_log_sync(struct partition_log *log, struct log_sync *sync);
/* The log is to be closed and removed: syncs that wait end with CLOSED as soon as none is under way, also those that a
 * full disk holds up, and none begins any more. */
void partition_log_give_up(struct partition_log *log);

/* A run of whole batches in one segment file. */
struct log_slice {
    struct file *file; /* one reference for the caller, who releases it with file_unref; NULL if empty */
    uint64_t position;
    size_t size;
    int64_t first_offset; /* of the first batch */
    int64_t next_offset;  /* behind the last batch */
};

/* Batches from the one that holds `offset` on, as many as end at or below `offset_max` (exclusive) and fit into
 * `size_max` bytes; if `first_whole` the first batch is given even if it alone is larger. Empty slice at offset_max.
 * STATUS_OUT_OF_RANGE: offset < log_start_offset or > log_end_offset. */
MUST_USE enum status partition_log_read(struct partition_log *log, int64_t offset, int64_t offset_max, size_t size_max,
                                        bool first_whole, struct log_slice *slice);
/* Bytes readable between two offsets, an upper estimate good enough for min_bytes. */
uint64_t partition_log_bytes_between(const struct partition_log *log, int64_t from, int64_t to);

/* The first batch that may hold a record with a timestamp >= `timestamp_ms` below offset_max; the caller looks into its
 * records (batches may be compressed). STATUS_NOT_FOUND: there is none. */
MUST_USE enum status partition_log_find_time(struct partition_log *log, int64_t timestamp_ms, int64_t offset_max,
                                             struct log_slice *slice);
/* The batch with the largest timestamp below offset_max (ListOffsets' max timestamp). STATUS_NOT_FOUND if empty. */
MUST_USE enum status partition_log_find_max_time(struct partition_log *log, int64_t offset_max,
                                                 struct log_slice *slice);

/* Leader epochs (KIP-101, KIP-320). */
void partition_log_start_epoch(struct partition_log *log, int32_t leader_epoch); /* epoch begins at log_end_offset */
int32_t partition_log_latest_epoch(const struct partition_log *log);             /* -1: none */
/* The largest epoch <= `leader_epoch` that the log has, and the offset where it ended. (-1, -1) if none. */
void partition_log_epoch_end(const struct partition_log *log, int32_t leader_epoch, int32_t *epoch,
                             int64_t *end_offset);
int32_t partition_log_epoch_of(const struct partition_log *log, int64_t offset); /* -1: unknown */

int64_t partition_log_start_offset(const struct partition_log *log);
int64_t partition_log_end_offset(const struct partition_log *log);     /* next offset to be assigned */
int64_t partition_log_written_end(const struct partition_log *log);    /* below: in the page cache, readable */
int64_t partition_log_durable_end(const struct partition_log *log);    /* below: synced */
uint64_t partition_log_cut_bytes(const struct partition_log *log); /* of batches that partition_log_open cut off */
enum status partition_log_failure(const struct partition_log *log); /* STATUS_OK unless the log is offline */
uint64_t partition_log_size(const struct partition_log *log);          /* bytes of all segment files */
/* The path of the partition's directory, for the caller to free with memory_free. */
char *partition_log_copy_directory(const struct partition_log *log);
size_t partition_log_segment_count(const struct partition_log *log);
struct uuid partition_log_topic_id(const struct partition_log *log);

/* Moves the log start forward (DeleteRecords, retention). STATUS_OUT_OF_RANGE behind `high_watermark`. Segments wholly
 * below are deleted (renamed to .deleted, removed after file_delete_delay_ms). The owner checkpoints the new start. */
MUST_USE enum status partition_log_delete_before(struct partition_log *log, int64_t offset, int64_t high_watermark);
/* Cuts everything at and behind `offset` (followers, recovery tools), in the middle of a batch that batch too. Blocks
 * and syncs. Where that ends below log_start_offset it is partition_log_restart. The owner writes the recovery point
 * checkpoint before it appends again: a recovery point above durable_end would let recovery trust what was never
 * synced. */
MUST_USE enum status partition_log_truncate(struct partition_log *log, int64_t offset);
/* Deletes everything; the log is empty and begins at `offset`: for a follower whose leader has nothing that old.
 * OUT_OF_RANGE: behind LOG_OFFSET_MAX. */
MUST_USE enum status partition_log_restart(struct partition_log *log, int64_t offset);

/* Periodic care, to be called about once a second or less often, cheap when there is nothing to do: time-based roll,
 * retention by time and size (never the active segment's unexpired data, nothing above high_watermark), interval flush,
 * expiry of producers, removal of .deleted files. True if log_start_offset moved. */
bool partition_log_maintain(struct partition_log *log, int64_t now_ms, int64_t high_watermark);
/* True if maintenance has nothing to do before the next append but what a rare check finds in time (retention): no
 * unsynced data of an interval class, no files waiting for removal, no open segment that segment.ms will roll soon. */
bool partition_log_quiet(const struct partition_log *log);
/* The path of its directory; allocated for the caller (memory_free). */
char *partition_log_copy_directory(const struct partition_log *log);
/* True if partition_log_maintain has nothing to do soon: once in a while is often enough, for retention by time. */
bool partition_log_quiet(const struct partition_log *log);
void partition_log_configure(struct partition_log *log, const struct log_config *config);
const struct log_config *partition_log_config(const struct partition_log *log);

/* Transactions (KIP-98). The first offset that read_committed must not pass: of the oldest transaction that is open, or
 * whose marker is not below `high_watermark`. -1: none; the last stable offset is then the high watermark. */
int64_t partition_log_first_unstable(struct partition_log *log, int64_t high_watermark);
/* The aborted transactions that have records in [from, to). */
MUST_USE enum status partition_log_aborted(struct partition_log *log, int64_t from, int64_t to,
                                           void (*each)(void *context, int64_t producer_id, int64_t first_offset),
                                           void *context);

/* For a clean stop: flush, and sync of all that is not synced; blocking. In a job only after partition_log_detach.
 * STATUS_BUSY: a sync in flight holds the epoch file; again when it is done, or the stop is not a clean one. Without
 * `sync` everything is written only: then the caller makes the whole log directory durable, once for all logs in it
 * with partition_log_sync_around, and says so to each with partition_log_settle. */
MUST_USE enum status partition_log_shutdown(struct partition_log *log, bool sync);
MUST_USE enum status partition_log_sync_around(const struct partition_log *log);
void partition_log_settle(struct partition_log *log);
/* Of a detached log: partition_log_shutdown has something to sync. */
bool partition_log_unsettled(const struct partition_log *log);
/* Of a detached log, before partition_log_shutdown: without an entry in the producer journal the next start would have
 * to look into the log's files. */
bool partition_log_ends_unsaved(const struct partition_log *log);
/* Adds that entry. Its loss costs time only. */
void partition_log_save_end(struct partition_log *log, struct buffer *out);

/* So much was written since the producers were written down last that they should be, for a start after a kill. */
bool partition_log_unsaved(const struct partition_log *log);
/* Adds an entry for the producer journal if that is so, or if one was added before and no snapshot since and `again`.
 * Its loss costs time only. */
void partition_log_save_producers(struct partition_log *log, bool again, struct buffer *out);

#define PARTITION_DIRECTORY_DELETE "-delete" /* its files are removed, by the next start at the latest */
#define PARTITION_DIRECTORY_STRAY "-stray"   /* nobody looks at it, it is the operator's */

/* Renames a partition's directory to `TOPIC-N.<uuid>ENDING`, one of the two above, so that the name is free. `renamed`
 * gets the new path. The log must be closed. Syncs nothing: if a power cut brings the old name back, the directory's
 * metadata still says whose it was. */
MUST_USE enum status partition_directory_retire(struct disk *disk, const char *directory, struct uuid unique,
                                                const char *ending, char renamed[4096]);
/* Whether something may be in the segments of a directory; blocking. */
MUST_USE enum status partition_directory_has_records(struct disk *disk, const char *directory, bool *has);
/* Makes the name of a directory of this kind durable, then removes it with all files; blocking. */
MUST_USE enum status partition_directory_remove(struct disk *disk, const char *directory);

/* Active producers, for DescribeProducers. */
struct producer_view {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
    int64_t last_offset;
    int32_t coordinator_epoch;
    int64_t txn_first_offset; /* -1: no open transaction */
};
void partition_log_producers(const struct partition_log *log,
                             void (*each)(void *context, const struct producer_view *producer), void *context);

#endif
