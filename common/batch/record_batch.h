/* The record batch, magic 2 (KIP-98): what producers send, what lies on disk, what consumers and followers get. This
 * file knows its header; the records inside are record.h's, building one is batch_builder.h's. Most of the data path
 * never looks further than these 61 bytes, big-endian:
 *
 *    0  base offset             i64  set by the leader            not covered by the crc
 *    8  batch length            i32  of all that follows          not covered
 *   12  partition leader epoch  i32  set by the leader            not covered
 *   16  magic                   i8   2                            not covered
 *   17  crc                     u32  CRC-32C of bytes [21, end)
 *   21  attributes              i16  0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
 *   23  last offset delta       i32  last offset - base offset; compaction keeps it when it drops the last record
 *   27  base timestamp          i64  what the records' deltas add to; with bit 6 the delete horizon (KIP-534)
 *   35  max timestamp           i64  with timestamp type LogAppendTime the time of all records
 *   43  producer id             i64  -1: none
 *   51  producer epoch          i16
 *   53  base sequence           i32  counts records, wraps from 2^31 - 1 to 0
 *   57  record count            i32
 *   61  records                      compressed as a whole if attributes say so
 *
 * The leader can thus assign offsets without touching the crc; changing a timestamp costs a new one. */
#ifndef BATCH_RECORD_BATCH_H
#define BATCH_RECORD_BATCH_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#define RECORD_BATCH_MAGIC 2
#define RECORD_BATCH_HEADER_SIZE 61
/* Base offset and length: what batch_length does not count. */
#define RECORD_BATCH_OVERHEAD 12
/* Fewest bytes of one record, uncompressed: seven varints and bytes of size one. */
#define RECORD_SIZE_MIN 7

#define PRODUCER_ID_NONE (-1)
#define TIMESTAMP_NONE (-1)

enum timestamp_type {
    TIMESTAMP_CREATE_TIME = 0,
    TIMESTAMP_LOG_APPEND_TIME = 1,
};

/* Bits of the attributes. */
#define BATCH_COMPRESSION_MASK 0x07
#define BATCH_LOG_APPEND_TIME 0x08
#define BATCH_TRANSACTIONAL 0x10
#define BATCH_CONTROL 0x20
#define BATCH_DELETE_HORIZON 0x40
#define BATCH_ATTRIBUTES_KNOWN 0x7f

/* The decoded header. Values are as found: only batch_validate says that they make sense. */
struct batch_header {
    int64_t base_offset;
    int32_t batch_length; /* bytes after this field */
    int32_t partition_leader_epoch;
    uint32_t crc;
    int8_t magic;
    uint8_t compression; /* an enum compression if below COMPRESSION_COUNT */
    enum timestamp_type timestamp_type;
    bool transactional;
    bool control;
    bool delete_horizon; /* base_timestamp is the time from which tombstones and markers may go */
    uint16_t attributes; /* all bits as found */
    int32_t last_offset_delta;
    int64_t base_timestamp; /* ms since 1970 */
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/* Decodes the header at the start of `input`, which may end behind it: the records need not be there. TRUNCATED if the
 * input is cut before the header's end, CORRUPT if the length cannot be true, UNSUPPORTED if magic is not 2. */
MUST_USE enum status batch_header_read(struct bytes input, struct batch_header *header);

/* Encodes all fields but the checksum, of which batch_set_crc takes care; of the attributes only `attributes` counts.
 * */
void batch_header_write(const struct batch_header *header, struct space batch);

/* Bytes of the whole batch, at least RECORD_BATCH_HEADER_SIZE. */
static inline size_t batch_size(const struct batch_header *header)
{
    return (size_t)header->batch_length + RECORD_BATCH_OVERHEAD;
}

static inline bool batch_has_producer(const struct batch_header *header)
{
    return header->producer_id > PRODUCER_ID_NONE;
}

/* Of a validated header; of any other it is some number. */
static inline int64_t batch_last_offset(const struct batch_header *header)
{
    return (int64_t)((uint64_t)header->base_offset + (uint64_t)(int64_t)header->last_offset_delta);
}

/* `sequence` advanced by `count` records: sequences wrap to 0 behind INT32_MAX. Both not negative. */
static inline int32_t sequence_add(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)count) & 0x7fffffffU);
}

/* The sequence of the last record; meaningless without a producer. */
static inline int32_t batch_last_sequence(const struct batch_header *header)
{
    return sequence_add(header->base_sequence, header->last_offset_delta);
}

/* Takes the first batch off `rest`: `batch` borrows exactly its bytes. END if `rest` is empty. TRUNCATED if the last
 * batch is cut, as it is at the end of a fetch response or of a torn log. CORRUPT and UNSUPPORTED as
 * batch_header_read. Unless OK both stay as they were. */
MUST_USE enum status batch_next(struct bytes *rest, struct bytes *batch);

/* True if `batch` holds all bytes of its first batch and they have the checksum that its header says. */
bool batch_crc_matches(struct bytes batch);

/* Why a batch is refused. Each has the error that a produce response gives, the same as Kafka's broker except where
 * noted: 2 CORRUPT_MESSAGE (retriable), 10 MESSAGE_TOO_LARGE, 32 INVALID_TIMESTAMP, 76 UNSUPPORTED_COMPRESSION_TYPE,
 * 87 INVALID_RECORD. An unknown codec is UNKNOWN_SERVER_ERROR in Kafka, which tells nobody anything. Unknown attribute
 * bits and the delete horizon from a client pass in Kafka; the bits would be stored for a future that reads them
 * otherwise. */
#define BATCH_ERROR_LIST(X)                                                                                         \
    X(NONE, 0, "ok")                                                                                                \
    X(TRUNCATED, 87, "batch is cut short")                                                                          \
    X(SIZE, 2, "batch length is impossible")                                                                        \
    X(SURPLUS, 87, "bytes follow the batch")                                                                        \
    X(TOO_LARGE, 10, "batch is larger than allowed")                                                                \
    X(OLD_MAGIC, 87, "magic 0 and 1 are no longer accepted")                                                        \
    X(UNKNOWN_MAGIC, 2, "magic is unknown")                                                                         \
    X(CRC, 2, "checksum does not match")                                                                            \
    X(COMPRESSION, 76, "compression codec is unknown")                                                              \
    X(ATTRIBUTES, 87, "attributes have unknown bits")                                                               \
    X(BASE_OFFSET, 87, "base offset is wrong")                                                                      \
    X(OFFSET_RANGE, 87, "last offset delta is wrong")                                                               \
    X(RECORD_COUNT, 87, "record count is wrong")                                                                    \
    X(CONTROL, 87, "clients may not write control records")                                                         \
    X(DELETE_HORIZON, 87, "clients may not set a delete horizon")                                                   \
    X(PRODUCER_ID, 87, "producer id is impossible")                                                                 \
    X(PRODUCER_EPOCH, 87, "producer epoch is negative")                                                             \
    X(SEQUENCE, 87, "base sequence is negative")                                                                    \
    X(TRANSACTION, 87, "transactional batch without producer id")                                                   \
    X(TIMESTAMP_TYPE, 32, "clients may not set the append time")                                                    \
    X(TIMESTAMP, 32, "timestamp is out of range")                                                                   \
    X(DECOMPRESSED_SIZE, 10, "records are too large when decompressed")                                             \
    X(COMPRESSED_DATA, 87, "compressed data is damaged")                                                            \
    X(RECORD, 87, "a record is malformed")                                                                          \
    X(RECORD_OFFSET, 87, "a record's offset delta is wrong")                                                        \
    X(RECORD_KEY, 87, "a record of a compacted topic has no key")

enum batch_error {
#define X(name, code, text) BATCH_ERROR_##name,
    BATCH_ERROR_LIST(X)
#undef X
};

/* A few words for people; never NULL. Borrowed for ever. */
const char *batch_error_text(enum batch_error error);
/* Kafka's error code for a produce response; 0 for BATCH_ERROR_NONE. */
int16_t batch_error_code(enum batch_error error);

/* Who hands us the batch decides how much of it is ours to refuse. */
enum batch_origin {
    BATCH_FROM_CLIENT,      /* a producer: offsets from 0 without gaps, nothing that only brokers write */
    BATCH_FROM_COORDINATOR, /* a part of this node: as a client, but control batches too */
    BATCH_FROM_LOG,         /* another replica or our own disk: offsets assigned, compaction may have made gaps */
};

struct batch_limits {
    enum batch_origin origin;
    size_t size_max;              /* of the whole batch: max.message.bytes */
    size_t decompressed_size_max; /* of all records: max.decompressed.message.bytes */
    int64_t timestamp_min;        /* both inclusive, INT64_MIN and INT64_MAX for none; a record without time passes. */
    int64_t timestamp_max;        /* Batch: base and max timestamp; batch_validate_records: each record */
    bool key_required;            /* the topic is compacted; for batch_validate_records */
    bool crc_checked;             /* batch_crc_matches was true of these bytes */
};

/* Limits that refuse nothing but what is wrong in itself. */
struct batch_limits batch_limits_none(enum batch_origin origin);

/* Judges one batch, `batch` being exactly its bytes, by header and checksum; records stay unread. Returns the first
 * cause in the order of checks, and fills *header (may be NULL) if it is NONE. */
MUST_USE enum batch_error batch_validate(struct bytes batch, const struct batch_limits *limits,
                                         struct batch_header *header);

/* The changes a leader makes, in place, to a batch that batch_validate accepted. */

/* Sets base offset and partition leader epoch. The checksum stays true. */
void batch_assign(struct space batch, int64_t base_offset, int32_t partition_leader_epoch);
/* Sets timestamp type and max timestamp, and the checksum anew if that changed anything. For a topic with
 * message.timestamp.type=LogAppendTime the time is now, and stands for every record's. */
void batch_set_timestamp(struct space batch, enum timestamp_type type, int64_t max_timestamp);
/* Computes and stores the checksum of a batch whose other bytes are final. */
void batch_set_crc(struct space batch);

#endif
