/* The records inside a batch (magic 2), uncompressed. All numbers are zigzag varints except attributes:
 *
 *   length            varint   bytes of what follows
 *   attributes        i8       none defined
 *   timestamp delta   varlong  to the batch's base timestamp
 *   offset delta      varint   to the batch's base offset
 *   key size, key     varint   -1: null
 *   value size, value varint   -1: null
 *   header count      varint
 *   headers           each: key size, key; value size (-1: null), value
 *
 * Timestamps add and subtract modulo 2^64, as in Kafka's clients: no pair of times is too far apart to be said.
 *
 * Reading gives views into the bytes that were handed in and allocates nothing but the scratch space of compressed
 * batches. Every record is checked to its last header before it is given out. */
#ifndef BATCH_RECORD_H
#define BATCH_RECORD_H

#include "common/batch/compression.h"
#include "common/batch/record_batch.h"

struct record {
    int64_t offset;
    int64_t timestamp; /* ms since 1970; the batch's max timestamp if that is the append time */
    struct bytes key;  /* null or borrowed, as the next two */
    struct bytes value;
    struct bytes headers; /* as they lie there, for record_header_next */
    int32_t header_count;
};

struct record_header {
    struct string key;
    struct bytes value; /* may be null */
};

struct record_iterator {
    const struct batch_header *batch;
    struct bytes rest;
    int32_t left;              /* records that the batch still owes */
    int64_t offset_delta_last; /* -1 at the beginning: deltas ascend */
};

/* Finds the records of `batch`, which is exactly one batch with the decoded `header`. Uncompressed ones are where
 * they are (borrows `batch`); others are decompressed to `scratch`, which is cleared first (borrows `scratch`), at
 * most `limit` bytes. CORRUPT, TOO_LARGE, or UNSUPPORTED for an unknown codec. `context` may be NULL. */
MUST_USE enum status batch_records(struct bytes batch, const struct batch_header *header,
                                   struct compression_context *context, size_t limit, struct buffer *scratch,
                                   struct bytes *records);

/* Iterates over `records` as batch_records gave them; borrows both arguments. */
void record_iterator_init(struct record_iterator *iterator, const struct batch_header *header, struct bytes records);
/* The next record. END behind the last; CORRUPT if it is malformed, its offset delta does not ascend within the
 * batch, or count and bytes do not end together. After CORRUPT the iterator is not to be used. */
MUST_USE enum status record_next(struct record_iterator *iterator, struct record *record);

/* Takes the next header off `rest`, which starts as a record's `headers`. False at the end. */
bool record_header_next(struct bytes *rest, struct record_header *header);
/* The value of the last header with this key, which is the one that Kafka's clients look up. NOT_FOUND if there is
 * none. */
MUST_USE enum status record_header_find(const struct record *record, const char *key, struct bytes *value);

/* What reading all records tells of a batch. */
struct records_summary {
    int64_t max_timestamp; /* TIMESTAMP_NONE without records */
    int64_t max_timestamp_offset;
    size_t size; /* decompressed bytes */
};

/* Judges all records of a batch that batch_validate accepted: well-formed, offset deltas 0, 1, 2... (ascending if
 * from a log), timestamps within the limits, a key in each if the limits ask for it. *summary may be NULL; it is
 * filled if the result is NONE. `context` may be NULL, `scratch` as in batch_records. */
MUST_USE enum batch_error batch_validate_records(struct bytes batch, const struct batch_header *header,
                                                 const struct batch_limits *limits, struct compression_context *context,
                                                 struct buffer *scratch, struct records_summary *summary);

/* Writing, for whoever builds batches. */

/* What added to `base` gives `timestamp`. */
static inline int64_t timestamp_difference(int64_t timestamp, int64_t base)
{
    return (int64_t)((uint64_t)timestamp - (uint64_t)base);
}

struct record_draft {
    int64_t timestamp;
    struct bytes key; /* may be null, as the value */
    struct bytes value;
    const struct record_header *headers; /* keys not null */
    size_t header_count;
};

/* Bytes that record_write appends. Deltas are those of the record; sizes are at most INT32_MAX in sum. */
size_t record_size(const struct record_draft *draft, int64_t timestamp_delta, int32_t offset_delta);
void record_write(const struct record_draft *draft, int64_t timestamp_delta, int32_t offset_delta, struct buffer *out);

#endif
