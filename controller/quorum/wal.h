/* The log on disk: everything that a vote or an acknowledgement promises, in one sequence of checksummed records.
 *
 *     DIRECTORY/wal-00000000000000000007.log    segments, preallocated with zeros, numbered upwards
 *
 *     segment:  | flush           | flush    | flush                      | zeros ...
 *     flush:    | record | record | zeros to the next 4 KiB |
 *     record:   64-byte header, body, zeros to the next 8 bytes (wal_record.h)
 *
 * A flush is what one sync makes durable; it begins on a 4 KiB boundary, so that no later write touches a sector that
 * holds durable records. Everything queued while a sync is under way goes into the next flush (group commit, one sync
 * in flight).
 *
 * Torn or damaged? Every record carries the sequence number of the last record that was known to be durable when it was
 * written. While loading, a record that does not verify is a torn tail if nothing behind it knows its sequence number
 * to be durable: it is cut, nobody was told about it. Otherwise acknowledged data is damaged, and the node refuses to
 * start. When the log falls idle a mark record follows, so that the last flush is covered too.
 *
 * Records are chained: each carries the checksum of the one before it, across segments. Every start begins a new
 * segment, so what was cut is never written over in place. The first record of a segment repeats term, vote and where
 * the log stands, and every entry tells the term before it, so the log can be read from any segment on and older ones
 * can go. */
#ifndef QUORUM_WAL_H
#define QUORUM_WAL_H

#include "common/env/disk.h"
#include "common/env/env.h"
#include "controller/quorum/edge.h"
#include "controller/quorum/log.h"

struct wal;
struct wal_flush;

#define WAL_ALIGNMENT 4096
#define WAL_ERROR_MAX 512

enum wal_item_kind {
    WAL_SEGMENT = 1, /* first of each segment */
    WAL_HARD_STATE = 2,
    WAL_ENTRY = 3,   /* replaces the entry at its index and those behind */
    WAL_RESET = 4,   /* the log is empty and stands at (index, term): a snapshot was installed */
    WAL_MARK = 5,    /* nothing but the durable sequence number in its header */
    WAL_KIND_LAST = WAL_MARK
};

/* What is queued for the disk. */
struct wal_item {
    enum wal_item_kind kind;
    uint64_t ticket;
    uint64_t index;
    uint64_t term;
    uint64_t vote;
    uint64_t previous_term;  /* entry: of the one before it */
    struct log_entry *entry; /* one reference */
};

/* Where the sequence of records stands. */
struct wal_chain {
    uint64_t sequence; /* of the last record; 0: none */
    uint32_t checksum; /* of its header */
};

struct wal_segment {
    uint64_t number;
    uint64_t index_max; /* of the entries in it; 0: none */
};

struct wal_options {
    struct env *env;
    const char *directory; /* borrowed */
    struct edge_identity identity;
    uint64_t segment_bytes;
    /* Everything up to `ticket` is durable. */
    void (*durable)(void *context, uint64_t ticket);
    /* A write or sync failed; nothing is written any more. */
    void (*failed)(void *context, enum status why);
    void *context;
};

struct wal {
    struct wal_options options;
    struct wal_item *items; /* waiting */
    size_t item_count;
    size_t item_capacity;
    struct wal_flush *flush; /* in flight, or NULL */
    struct wal_removal *removal; /* likewise: one at a time, so that the oldest goes first */
    bool removal_failed;         /* then nothing more is removed: what is newer must not go before it */
    struct env_hook hook;
    struct env_timer idle;
    bool stopped;
    bool marked;             /* the last flush was only a mark */
    struct file *file;       /* the last segment; NULL while a flush is in flight or before the first */
    uint64_t position;       /* in it */
    uint64_t segment_size;   /* of it */
    struct wal_segment *segments; /* ascending */
    size_t segment_count;
    size_t segment_capacity;
    struct wal_chain chain;  /* of what was encoded */
    uint64_t durable_sequence;
    uint64_t durable_ticket;
    uint64_t bytes;          /* encoded since the start */
    /* As of what was encoded, for the first record of the next segment. */
    uint64_t term;
    uint64_t vote;
    uint64_t last_index;
    uint64_t last_term;
};

/* What loading found. */
struct wal_load {
    uint64_t term;
    uint64_t vote;
    struct log log;     /* entries; base_term belongs to log.base */
    uint64_t base_term; /* 0: not known */
    bool pristine;      /* no record at all */
};

/* Reads, checks and repairs the directory's log. On failure `error` is a sentence. STATUS_CORRUPT, STATUS_INVALID
 * (another node or cluster), STATUS_UNSUPPORTED (newer format), or the disk's error. Blocks. */
MUST_USE enum status wal_open(struct wal *wal, const struct wal_options *options, struct wal_load *load,
                              char error[WAL_ERROR_MAX]);
/* What is queued or in flight is not reported any more. */
void wal_close(struct wal *wal);

/* Queue, in order; tickets ascend. Written at the end of the turn. */
void wal_hard_state(struct wal *wal, uint64_t ticket, uint64_t term, uint64_t vote);
/* `previous_term`: of the entry before it. Shares `entry`. */
void wal_entry(struct wal *wal, uint64_t ticket, uint64_t index, uint64_t previous_term, struct log_entry *entry);
void wal_reset(struct wal *wal, uint64_t ticket, uint64_t index, uint64_t term);
/* Writes and syncs what is queued, on this thread; only before anything is in flight. Calls nobody back. */
MUST_USE enum status wal_flush_now(struct wal *wal);
/* Segments that hold only entries up to `index` may go; they are removed in the background. */
void wal_trim(struct wal *wal, uint64_t index);

/* For wal_load.c. */
void wal_segment_path(const struct wal *wal, uint64_t number, char path[DISK_PATH_MAX]);
void wal_segment_add(struct wal *wal, uint64_t number);
/* `segment` holds this entry. */
void wal_segment_note(struct wal_segment *segment, uint64_t index);
enum status wal_load(struct wal *wal, struct wal_load *load, char error[WAL_ERROR_MAX]);

#endif
