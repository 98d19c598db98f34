/* What a producer decides, without network and clock: which partition a record goes to, when a batch is full or old
 * enough, what may be sent to a leader, what happens after an answer. The driver (produce_command.c) sends and tells.
 *
 *     producer_add -> open batch -> (full, or linger over) -> queued -> producer_next -> in flight
 *                                                               ^                          |
 *                                                               +-- retriable error -------+--> acknowledged or failed
 *
 * Invariants:
 *   P1 a batch that has a sequence keeps it, and its bytes, for every retry under the same producer identity
 *   P2 batches of a partition are sent first in the order of their sequences; at most one open batch stands behind them
 *   P3 when a batch with a sequence fails for good the identity is spent: nothing is sent until a new one is given;
 *      then what waits is numbered anew from 0 (KIP-360)
 *   P4 every added record ends in exactly one of `delivered` and `failed` */
#ifndef CLI_PRODUCER_H
#define CLI_PRODUCER_H

#include "common/base/list.h"
#include "common/base/prng.h"
#include "common/batch/batch_builder.h"

#define PRODUCER_LEADER_NONE (-1)

struct producer_options {
    size_t batch_size;         /* batch.size */
    size_t request_size_max;   /* max.request.size */
    size_t memory_max;         /* buffer.memory */
    uint64_t linger_ns;        /* linger.ms */
    uint64_t retry_backoff_ns; /* retry.backoff.ms */
    uint64_t delivery_ns;      /* delivery.timeout.ms */
    unsigned in_flight_max;    /* max.in.flight.requests.per.connection, also batches of a partition */
    bool idempotent;           /* enable.idempotence */
    enum compression compression;
    int compression_level;
};

struct producer_options producer_options_default(void);

struct producer_batch {
    struct list link; /* partition->queued or partition->in_flight */
    struct producer_partition *partition;
    struct batch_builder builder;
    struct space bytes;      /* once closed: the finished batch */
    bool closed;
    int32_t record_count;
    int32_t sequence;        /* of its first record, -1: none yet */
    uint64_t serial;         /* batches are begun in this order */
    uint64_t created_ns;
    uint64_t retry_ns;       /* not sent before */
    unsigned attempts;
};

struct producer_partition {
    int32_t index;
    int32_t leader_id;
    struct list queued; /* of producer_batch; the last one may be open */
    struct list in_flight;
    unsigned in_flight_count;
    int32_t next_sequence;
    int64_t first_offset; /* of what was delivered, -1: nothing */
    int64_t last_offset;
    int64_t delivered;    /* records */
};

struct producer {
    struct producer_options options;
    struct producer_partition *partitions;
    int32_t partition_count;
    struct prng prng;
    struct compression_context *compression;
    int32_t sticky; /* where records without key go at the moment, -1: to be chosen */
    size_t sticky_size;
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    bool identity_spent;
    bool flushing;       /* no linger: the input has ended */
    size_t batch_limit;  /* batches are closed at this size */
    uint64_t next_serial;
    size_t memory;       /* bytes of all batches */
    int64_t pending;     /* records neither delivered nor failed */
    int64_t delivered;
    int64_t failed;
    int64_t bytes;       /* delivered, as sent */
};

void producer_init(struct producer *producer, const struct producer_options *options, uint64_t seed);
void producer_deinit(struct producer *producer);

/* Topics only grow; leaders start unknown. */
void producer_set_partition_count(struct producer *producer, int32_t count);
/* PRODUCER_LEADER_NONE: nobody leads, its batches wait. */
void producer_set_leader(struct producer *producer, int32_t partition, int32_t leader_id);
/* Kafka's default: murmur2 of the key; without key the same partition until batch_size bytes went there, then another
 * one that has a leader (KIP-794). */
int32_t producer_choose(struct producer *producer, struct bytes key);
/* Copies the record. TOO_LARGE: beyond max.request.size, not added, counts as failed. */
MUST_USE enum status producer_add(struct producer *producer, int32_t partition, const struct record_draft *record,
                                  uint64_t now_ns);
/* True if the driver should add nothing for now. */
bool producer_is_full(const struct producer *producer);
/* The input has ended: what lingers goes now. */
void producer_flush(struct producer *producer);

/* Whether an identity has to be asked for now: none yet, or spent and nothing is in flight any more. */
bool producer_wants_identity(const struct producer *producer);
void producer_set_identity(struct producer *producer, int64_t producer_id, int16_t producer_epoch);

/* The next batch for `leader_id` not larger than `size_max`, from a partition other than those that `taken` marks,
 * which it marks; NULL if there is none now. It is in flight until acknowledged or failed. */
struct producer_batch *producer_next(struct producer *producer, int32_t leader_id, uint64_t now_ns, size_t size_max,
                                     bool *taken);
/* Both end the batch's life unless it is queued again. base_offset -1: unknown (acks=0, duplicate). */
void producer_acknowledged(struct producer *producer, struct producer_batch *batch, int64_t base_offset);
/* True if it is queued for a retry, false if its records have failed. `code` is Kafka's error; `retriable` says
 * whether the same bytes may be sent again (network errors: always). */
bool producer_refused(struct producer *producer, struct producer_batch *batch, int16_t code, bool retriable,
                      uint64_t now_ns);
/* Fails queued batches older than delivery.timeout.ms; returns how many records. */
int64_t producer_expire(struct producer *producer, uint64_t now_ns);
/* Fails everything queued; returns how many records. Nothing may be in flight. */
int64_t producer_abandon(struct producer *producer);
/* When producer_next may have something that it has not now: a time, or UINT64_MAX. */
uint64_t producer_wakeup_ns(const struct producer *producer, uint64_t now_ns);

#endif
