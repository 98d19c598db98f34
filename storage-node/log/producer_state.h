/* What the log remembers of each producer (KIP-98): its epoch, the last five batches, an open transaction. Rebuilt from
 * .snapshot files and batch headers, so it is a pure function of the log.
 *
 * A turn may be undone: changes since producer_state_commit are kept aside until the turn's write has succeeded. */
#ifndef LOG_PRODUCER_STATE_H
#define LOG_PRODUCER_STATE_H

#include "common/base/map.h"
#include "common/batch/record_batch.h"
#include "storage-node/log/partition_log.h"

/* Batches that an idempotent producer may have in flight, and so may send again: Kafka's clients keep at most five. */
#define PRODUCER_WINDOW 5
#define PRODUCER_EPOCH_NONE (-1)
#define SEQUENCE_NONE (-1)
#define OFFSET_NONE INT64_C(-1)

struct producer_batch {
    int64_t last_offset;
    int64_t timestamp; /* the batch's largest */
    int32_t last_sequence;
    int32_t offset_delta; /* records - 1: last - first, of offsets as of sequences */
};

struct producer {
    int64_t id;
    int64_t last_timestamp;   /* of the last batch or marker, by the records' clock */
    int64_t seen_ms;          /* wall clock of the last append here: what expiry goes by */
    int64_t txn_first_offset; /* OFFSET_NONE: no open transaction */
    uint64_t touched_turn;    /* the last turn that changed it, for undo */
    int32_t coordinator_epoch;
    int16_t epoch;
    uint8_t batch_count; /* used entries of `batches` */
    struct producer_batch batches[PRODUCER_WINDOW]; /* oldest first */
};

/* The end of a transaction, as a marker in the log tells it. */
struct completed_transaction {
    int64_t producer_id;
    int64_t first_offset;
    int64_t marker_offset;
    int64_t last_stable_offset; /* with the marker in place */
    bool aborted;
};

struct producer_undo;

struct producer_state {
    struct map producers;  /* by id, of struct producer */
    uint64_t turn;         /* counts commits and rollbacks */
    uint32_t open_count;   /* open transactions */
    uint32_t undo_count;
    uint32_t undo_capacity;
    struct producer_undo *undo;
};

void producer_state_init(struct producer_state *state);
void producer_state_deinit(struct producer_state *state);
/* Forgets everyone. */
void producer_state_clear(struct producer_state *state);

/* Judges a batch whose header was validated and whose producer id is not PRODUCER_ID_NONE. With APPEND_DUPLICATE
 * *duplicate is what the window knows of it. */
MUST_USE enum append_verdict producer_state_check(const struct producer_state *state, const struct batch_header *header,
                                                  struct producer_batch *duplicate);
/* Takes note of a batch at its final offset, whatever the check says: replicas follow their leader (KAFKA-6003). */
void producer_state_note(struct producer_state *state, const struct batch_header *header, int64_t base_offset,
                         int64_t now_ms);

enum marker_kind { MARKER_ABORT = 0, MARKER_COMMIT = 1 };
/* Takes note of a transaction marker. True if it ended an open transaction, which `completed` then describes. */
bool producer_state_note_marker(struct producer_state *state, const struct batch_header *header, int64_t offset,
                                enum marker_kind kind, int32_t coordinator_epoch, int64_t now_ms,
                                struct completed_transaction *completed);

/* Changes since the last commit stay, or never were. */
void producer_state_commit(struct producer_state *state);
void producer_state_rollback(struct producer_state *state);

/* Forgets producers without a transaction that appended nothing for `expiry_ms`. */
void producer_state_expire(struct producer_state *state, int64_t now_ms, int64_t expiry_ms);
/* The first offset of the oldest open transaction; OFFSET_NONE if there is none. */
int64_t producer_state_first_open(const struct producer_state *state);

/* Adds an entry from a snapshot; several of one producer come oldest first. */
void producer_state_restore(struct producer_state *state, const struct producer *producer);

#endif
