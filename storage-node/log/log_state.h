/* The inside of a partition's log, shared by the files that implement partition_log.h:
 *
 *     partition_log.c   lifecycle, queries, epochs
 *     log_append.c      append, flush, roll
 *     log_sync.c        durability, waiters, going offline
 *     log_read.c        slices, time look-ups
 *     log_truncate.c    cutting the end, starting over
 *     retention.c       moving the start, periodic care
 *     room.c            files that are longer than their log
 *     recycle.c         expired files that are written over
 *     recovery.c        opening
 *     log_make.c        the first files
 *     log_snapshot.c    writing down the producers
 *     transactions.c    first unstable offset, aborted transactions
 *
 * At rest a log takes sizeof(struct partition_log), one struct segment for each segment and its directory's name, and
 * has no file open. */
#ifndef LOG_LOG_STATE_H
#define LOG_LOG_STATE_H

#include "common/env/disk.h"
#include "common/env/env.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/partition_log.h"
#include "storage-node/log/producer_state.h"
#include "storage-node/log/segment.h"

/* A batch that waits for the turn's write; its bytes are in `parts` at the same place. */
struct queued_batch {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
};

/* Where one of the last batches of the active segment lies; offsets relative to its base. */
struct tail_batch {
    int32_t base_offset;
    int32_t last_offset;
    uint32_t position;
};
#define TAIL_BATCHES_MIN 4
#define TAIL_BATCHES_MAX 128

/* The newest batches of the active segment without a gap, so that consumers at the end need no read to find their
 * slice. */
struct log_tail {
    uint32_t first; /* place of the oldest in the ring */
    uint32_t count;
    uint32_t capacity; /* grows with the segment's batches */
    struct tail_batch batches[];
};

/* Where a reader will go on: one for each of the last few. */
struct read_hint {
    int64_t segment;         /* base offset; -1: unused */
    int64_t offset;          /* of the batch there, or behind a gap in front of it */
    struct batch_place next; /* that batch; if nobody looked at it only its position, and its size 0 */
    uint32_t near;           /* where the offset index was looked at last */
};
#define READ_HINTS 8

/* Of a log that is read; NULL at rest. */
struct read_hints {
    struct read_hint hints[READ_HINTS];
    uint32_t oldest;
};

/* A segment that was renamed to .deleted. */
struct deleted_segment {
    int64_t base_offset;
    int64_t due_ms;
    struct file *file; /* one reference, if it may become the spare; else NULL */
};

/* An expired .log that the next segment will be written over: recycle.c. */
struct spare {
    struct file *file; /* one reference */
    int64_t base_offset;
    int64_t since_ms;
};
#define SPARES_MAX 2

/* What lies behind the last batch of a file that is longer than its log, at least: no batch begins like this. */
#define SEGMENT_MARK_SIZE RECORD_BATCH_HEADER_SIZE
/* As many parts may follow the batches of a write. */
#define LOG_ROOM_PARTS 5

struct removal_job;

struct sync_job;

struct partition_log {
    struct log_files files;
    struct env *env; /* NULL before partition_log_attach */
    void (*failed)(void *context, enum status status);
    void *failed_context;
    struct log_config config;
    struct uuid topic_id;
    int32_t partition;
    enum status failure;      /* not OK: offline for ever */
    enum status turn_failure; /* not OK: this turn's appends are lost, the next turn may try again */
    bool failure_told;
    bool given_up; /* it is about to be closed, and nobody needs what is in it */
    bool made;            /* its directory, partition.metadata and first segment are on the disk */
    bool directory_made;  /* its directory is */
    bool identity_made;   /* partition.metadata says whose this is */
    bool identity_dirty;  /* the directory's own name and partition.metadata are not synced */
    bool directory_dirty; /* names were made that are not synced */
    bool epochs_dirty;    /* the epoch file is behind */
    bool changed;         /* since it was opened: a clean stop has something to do */
    bool settle_wanted;   /* sealed segments are to be synced now */

    int64_t log_start;
    int64_t log_end;
    int64_t written_end;
    int64_t durable_end;
    int64_t settled_end; /* sealed segments below are synced with all their files */

    struct segment **segments; /* ascending, at least one; the last is active */
    size_t segment_count;
    size_t segment_capacity;
    uint64_t sealed_size; /* bytes of all but the active one */

    struct queued_batch *queued;
    struct bytes *parts;
    size_t queued_count;
    size_t queued_capacity;
    uint64_t queued_size;
    struct log_tail *tail; /* NULL: nothing known */
    struct read_hints *hints; /* NULL: nobody reads */

    struct epoch_cache epochs;
    struct producer_state producers;
    int64_t snapshot_offset; /* of the newest .snapshot, OFFSET_NONE if there is none */
    int64_t saved_offset;    /* of the newest entry in the producer journal, OFFSET_NONE if there is none */
    uint64_t unsaved;        /* bytes written since the newer of the two */
    struct completed_transaction *completed; /* whose markers may still be above the high watermark, in log order */
    size_t completed_count;
    size_t completed_capacity;

    struct sync_job *sync;  /* in flight, or NULL */
    struct list waiters;    /* of struct log_sync, in order of arrival */
    struct list finished;   /* of struct log_sync: `done` is due; offset LOG_SYNC_CUT for those that were cut away */
    struct env_hook hook;   /* tells them */
    int64_t sync_wanted;    /* a roll or flush.ms wants durability up to here */
    int64_t dirty_since_ms; /* when bytes became unsynced; 0: all are synced */
    int64_t append_ms;      /* wall clock of the last flush */
    int64_t rolled_ms;      /* wall clock of the first roll whose segment is not settled; 0: all are, or soon will be */
    int64_t expired_ms;     /* wall clock of the last look for idle producers */

    struct deleted_segment *deleted;
    size_t deleted_count;
    struct spare *spares; /* room for SPARES_MAX, the oldest first; NULL: there was none yet */
    uint8_t spare_count;
    bool spare_missed; /* a roll found the next spare under way: one is too few */
    struct front_job *front_job;   /* makes it durable that the oldest segment is gone, or NULL */
    struct removal_job *spare_job; /* makes a deleted segment the spare, or NULL */
    uint64_t cut_bytes; /* by recovery */
};

#define LOG_SYNC_CUT INT64_C(-1)

static inline struct segment *log_active(const struct partition_log *log)
{
    return log->segments[log->segment_count - 1];
}

/* Wall clock of the loop; 0 without one. */
int64_t log_now(const struct partition_log *log);
/* Index of the segment that holds `offset`, or of the last one that begins before it; 0 if none does. */
size_t log_segment_at(const struct partition_log *log, int64_t offset);
void log_segments_push(struct partition_log *log, struct segment *segment);
/* Forgets where batches were: after a cut. */
void log_forget_places(struct partition_log *log);
/* Frees log and parts without touching the disk. */
void log_free(struct partition_log *log);

/* True if this failure leaves the log usable once its cause is gone. */
bool log_failure_passes(enum status status);
/* Takes the log offline: what is queued is forgotten, waiters will hear of it. */
void log_fail(struct partition_log *log, enum status status);

/* Seals the active segment and starts a new one at log_end or, if `base_offset` is larger, there. Writes what is
 * queued. */
MUST_USE enum status log_roll(struct partition_log *log, int64_t base_offset);
/* Makes what a log that was never written to lacks; cheap otherwise. BUSY: the directory's name is taken, by a topic
 * that had the same name. Other failures may be tried again. */
MUST_USE enum status log_make(struct partition_log *log);
/* Reserves room in a new segment, if the topic asks for it. */
void log_preallocate(struct partition_log *log, struct file *file);
/* Adds an empty segment with its file. */
MUST_USE enum status log_add_segment(struct partition_log *log, int64_t base_offset, int64_t now_ms);
/* The path of the log directory that the partition's lies in. False: there is none. */
bool log_directory_around(const struct partition_log *log, char directory[DISK_PATH_MAX]);
/* The time after which this segment rolls, jitter taken off. */
int64_t log_segment_ms(const struct partition_log *log, const struct segment *segment);
/* Notes a batch in the producer state. `batch` is needed whole if it is a control batch. */
void log_note_producer(struct partition_log *log, const struct batch_header *header, struct bytes batch,
                       int64_t base_offset, int64_t now_ms);
/* Writes OFFSET.snapshot, unsynced. */
MUST_USE enum status log_write_snapshot(struct partition_log *log, int64_t offset);
MUST_USE enum status log_remove_snapshot(struct partition_log *log, int64_t offset);
/* Removes the producer journal of the log directory: what it says of this log's batches is not so any more. */
MUST_USE enum status log_disown_producers(struct partition_log *log);

/* Makes durable whose records these are, partition.metadata and the directory's own name: before any of them is
 * promised. Blocking. */
MUST_USE enum status log_sync_identity(const struct log_files *files);
/* Has the sealed segments in front of `base` synced, at once or by and by. */
void log_settle_after_roll(struct partition_log *log, int64_t base);
/* Has them synced if they waited long enough. */
void log_settle_aged(struct partition_log *log, int64_t now_ms);
/* Starts a sync if someone wants one and none is in flight. */
void log_sync_start(struct partition_log *log);
/* The sync in flight goes on, but does not come back to the log, which is about to be freed. */
void log_sync_orphan(struct partition_log *log);
/* The end moved back to `offset`: nobody is told that more is durable. */
void log_sync_cut(struct partition_log *log, int64_t offset);
/* The turn-end hook: runs what finished. */
void log_hook_run(void *context);
/* Writes the epoch file now if it is behind. BUSY: a sync in flight does, with older contents. */
MUST_USE enum status log_write_epochs(struct partition_log *log);

/* Takes segments [first, first + count) off the log: files renamed to .deleted, to be removed when `due_ms` has
 * come. */
MUST_USE enum status log_delete_segments(struct partition_log *log, size_t first, size_t count, int64_t due_ms);
/* Adds a file that was renamed to .deleted; takes `file`. */
void log_deleted_push(struct partition_log *log, int64_t base_offset, int64_t due_ms, struct file *file);

/* room.c. Writes the queue to the active segment, with what is to lie behind it. On failure any part may be there. */
MUST_USE enum status log_write_with_room(struct partition_log *log, struct segment *segment, struct file *file);
/* Gives the room back that nobody has written to for a while. */
MUST_USE enum status log_room_rest(struct partition_log *log, struct segment *segment);
/* True if a mark lies at `position`, whole. */
bool segment_is_marked(struct log_files *files, struct segment *segment, uint64_t position);
/* Makes the file of a segment about to be written over end its batches at its start. */
MUST_USE enum status segment_mark_start(struct file *file);

/* recycle.c. Whether the log is of class memory and rolls so often that files are worth being kept for it. */
bool log_is_busy(const struct partition_log *log, int64_t now_ms);
/* The file of a segment about to be deleted by retention, if it may be written over: one reference. */
struct file *log_spare_candidate(struct partition_log *log, const struct segment *segment, int64_t now_ms);
bool log_spare_wanted(const struct partition_log *log);
/* Not yet, but once the job under way has ended. */
bool log_spare_wanted_later(const struct partition_log *log);
/* Takes `file`, whose old name is gone for good. */
void log_spare_put(struct partition_log *log, struct file *file, int64_t base_offset);
/* Makes a spare the file of a new segment; false: there is none. */
bool log_spare_take(struct partition_log *log, struct segment *segment);
/* Has the spares removed, and makes no other of what was deleted up to now: the log's end goes back. */
void log_spare_drop(struct partition_log *log, int64_t now_ms);
/* The same if it was not used for long. */
void log_spare_expire(struct partition_log *log, int64_t now_ms);
/* Lets go of all without touching the disk. */
void log_spare_forget(struct partition_log *log);
/* What the job under way brings is no spare any more, but removed; left where it is if the log is `gone`. In
 * retention.c. */
void log_spare_job_refuse(struct partition_log *log, bool gone);
/* The log is about to be freed. */
void log_front_job_forget(struct partition_log *log);

/* Rebuilds the producer state from the newest usable snapshot at or below `snapshot_max` and the batches behind it.
 * Snapshots behind log_end are removed, others only if no segment begins there and a newer one exists. */
MUST_USE enum status log_load_producers(struct partition_log *log, int64_t now_ms, int64_t snapshot_max);

/* Removes all snapshots behind `offset`, -1 for all. */
MUST_USE enum status log_remove_snapshots(struct partition_log *log, int64_t offset);

/* A marker that is written now ended this transaction. */
void log_transaction_completed(struct partition_log *log, const struct completed_transaction *completed);
/* Writes aborted ones with markers in [from, to) to the index of the segment that begins at `base_offset`. */
MUST_USE enum status log_write_aborted(struct partition_log *log, int64_t base_offset, int64_t from, int64_t to);
/* Forgets completed transactions whose markers lie at or behind `offset`. */
void log_transactions_cut(struct partition_log *log, int64_t offset);

#endif
