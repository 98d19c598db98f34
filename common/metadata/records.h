/* Records of the metadata log. In a record batch v2 each record has no key, and a value framed as
 *
 *     frame version (uvarint, 1) | api key (uvarint) | record version (uvarint) | body (flexible encoding)
 *
 * A decision yields a record list; encoded it is one batch, which the log takes as a whole or not at all. */
#ifndef METADATA_RECORDS_H
#define METADATA_RECORDS_H

#include "common/base/arena.h"
#include "common/base/attributes.h"
#include "common/base/buffer.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#include "wire/metadata_records.h" /* generated: the record structs and enum metadata_record_type */

/* The topic that the metadata log is told by; it has one partition, 0. */
#define CLUSTER_METADATA_TOPIC "__cluster_metadata"

/* A record and its decoded message, e.g. a struct topic_record for METADATA_TOPIC_RECORD. */
struct metadata_record {
    enum metadata_record_type type;
    int16_t version;
    void *message;
};

/* Decodes one record's value. What `record` points to borrows `value` and `arena`. CORRUPT if it is malformed,
 * UNSUPPORTED if its frame, type or version is from a later release. */
MUST_USE enum status metadata_record_read(struct bytes value, struct arena *arena, struct metadata_record *record);
/* Appends the framed value of one record. */
void metadata_record_write(const struct metadata_record *record, struct buffer *into);

/* Records being decided, in order. All memory is the arena's. */
struct record_list {
    struct arena *arena; /* borrowed */
    struct metadata_record *records;
    size_t count;
    size_t capacity;
};

void record_list_init(struct record_list *list, struct arena *arena);
/* Appends a record of `type`, newest version, with its defaults; returns its message for the caller to fill. */
void *record_list_add(struct record_list *list, enum metadata_record_type type);
/* Forgets the records from index `count` on: an item of a request failed after it had added some. */
void record_list_truncate(struct record_list *list, size_t count);
/* Appends one uncompressed record batch with all records to `batch`. Base offset and leader epoch are 0: whoever
 * appends it to the log sets them with batch_assign. At least one record. `now_ms` is the timestamp of each. */
void record_list_encode(const struct record_list *list, int64_t now_ms, struct buffer *batch);

#endif
