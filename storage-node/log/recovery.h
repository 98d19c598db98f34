/* What the two ways of opening a log share: recovery.c for what a clean stop or a power cut has left, recovery_kept.c
 * for what a killed process has left in a page cache that is still there. */
#ifndef LOG_RECOVERY_H
#define LOG_RECOVERY_H

#include "common/base/buffer.h"
#include "storage-node/log/log_state.h"

/* Offsets from file names. */
struct offset_list {
    int64_t *offsets;
    size_t count;
    size_t capacity;
};

struct recovery {
    struct partition_log *log;
    const struct partition_log_options *options;
    struct offset_list segments;
    struct offset_list others; /* base offsets of index files */
    struct offset_list snapshots;
    struct buffer leftovers; /* names to be removed, each with its zero byte */
    struct space buffer;     /* allocated when it is needed */
    size_t first_walked;     /* segments from here on were walked after a crash */
    bool repaired;           /* something has to be synced */
    bool resumed;            /* recovery_resume has done it */
    bool epochs_there;       /* the file of epochs */
    bool epochs_lost;        /* it has told nothing */
    int32_t last_epoch;      /* of the last batch that recovery_resume has seen; EPOCH_NONE: it has seen none */
    bool saved;              /* the producer journal's entry speaks of this log: up to there it knows all epochs */
};

/* A large buffer, for reading whole batches. */
struct space recovery_buffer(struct recovery *recovery);
/* Epochs as the batches tell them replace what the file says of the same place. */
void log_note_epoch(struct partition_log *log, const struct batch_header *header);
/* Loads a segment whose batches are trusted, the last one's end too. */
MUST_USE enum status recovery_load(struct recovery *recovery, size_t i);

/* recovery_kept.c: adopts the last segment. CORRUPT: it is not as a killed process, or a clean stop, leaves it; nothing
 * was changed. */
MUST_USE enum status recovery_resume_active(struct recovery *recovery);
/* Adopts all segments. CORRUPT: they are not as a killed process leaves them, nothing was changed. */
MUST_USE enum status recovery_resume(struct recovery *recovery);
/* ... then how much of it is durable, ... */
void recovery_resume_bounds(struct recovery *recovery);
/* ... the epochs, those in front of the journal's entry from there, ... */
MUST_USE enum status recovery_resume_epochs(struct recovery *recovery);
/* ... and in the end what has to be durable before the log is used. */
MUST_USE enum status recovery_resume_sync(struct recovery *recovery);

#endif
