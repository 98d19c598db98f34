/* The null broker's structures, and the few reads and writes of protocol bytes that its fast path needs. */
#ifndef BENCH_NULL_BROKER_H
#define BENCH_NULL_BROKER_H

#include "common/base/bytes.h"
#include "common/base/endian.h"

#include <sys/types.h>
#include <sys/uio.h>

#define FILE_BYTES (300u * 1000 * 1000)
#define FSYNC_FILE_BYTES (32u << 20)
#define SYNCS_MAX 64
#define PARTITIONS_MAX 8192
#define CONNECTIONS_MAX 16384
/* A partition's batches are written early when this many, or this many bytes, have come in one turn: while they are in
 * the cache. */
#define GATHER_MAX 512
#define GATHER_BYTES (128u << 10)

#define BATCH_HEADER 61
#define BATCH_CRC 17
#define BATCH_RECORDS 57

#define PRODUCE_ANSWER_MAX 512
#define FETCH_ANSWER_MAX 512
/* Tagged fields behind the records: of partition, topic and message. */
#define FETCH_TAIL 3

struct partition {
    char name[250];
    size_t name_size;
    int32_t index;
    int fd;
    int64_t next_offset;
    int64_t base_offset;   /* of the first batch of the present shape */
    size_t batch_size;     /* of all since then */
    int32_t batch_records; /* likewise; 0: none yet */
    uint64_t file_bytes;
    uint64_t slots;        /* batches that the file takes before it is written over */
    uint64_t slot;         /* where the next one goes */
    bool dirty;            /* got batches this turn */
    off_t write_at;
    uint32_t gathered_count;
    size_t gathered_size;
    struct iovec gathered[GATHER_MAX];
};

struct fetch {
    struct partition *partition; /* NULL: none waits */
    int64_t offset;
    uint32_t max_bytes;
    uint64_t deadline_ms;
    int32_t correlation;
};

struct connection {
    int fd;
    bool writing; /* watched for room to write */
    bool ready;   /* in the list of those to be answered this turn */
    struct connection *next;
    struct partition *partition; /* the last one */
    uint8_t *in;
    uint32_t in_size, in_start, in_end;
    uint8_t *out;
    uint32_t out_capacity, out_size, out_sent;
    int file; /* what follows the bytes of `out` */
    off_t file_at;
    size_t file_left;
    bool file_tail;
    struct fetch fetch;
};

struct broker {
    const char *directory;
    int32_t port;
    int32_t topic_partitions;
    bool fsync;
    unsigned long aio; /* the kernel's context for several syncs at once */
    int epoll;
    int listener;
    struct partition *partitions[PARTITIONS_MAX];
    uint32_t partition_count;
    struct partition *dirty[PARTITIONS_MAX];
    uint32_t dirty_count;
    struct connection *parked[CONNECTIONS_MAX]; /* their fetch waits for data */
    uint32_t parked_count;
    struct connection *ready;
    struct connection *closed;
};

/* Room for `size` more bytes of output. */
uint8_t *connection_room(struct connection *connection, uint32_t size);
/* Answers ApiVersions and Metadata; false for any other request. */
bool null_describe(struct broker *broker, struct connection *connection, struct bytes frame);

struct cursor {
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline uint8_t *cursor_take(struct cursor *cursor, size_t size)
{
    uint8_t *at = cursor->at;

    if (cursor->failed || size > (size_t)(cursor->end - at)) {
        cursor->failed = true;
        return NULL;
    }
    cursor->at += size;
    return at;
}

static inline void cursor_skip(struct cursor *cursor, size_t size)
{
    cursor_take(cursor, size);
}

static inline int16_t cursor_i16(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 2);

    return at != NULL ? load_i16(at) : 0;
}

static inline int32_t cursor_i32(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 4);

    return at != NULL ? load_i32(at) : 0;
}

static inline int64_t cursor_i64(struct cursor *cursor)
{
    const uint8_t *at = cursor_take(cursor, 8);

    return at != NULL ? load_i64(at) : 0;
}

static inline uint64_t cursor_uvarint(struct cursor *cursor)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 35; shift += 7) {
        const uint8_t *at = cursor_take(cursor, 1);

        if (at == NULL) {
            return 0;
        }
        value |= (uint64_t)(*at & 0x7f) << shift;
        if ((*at & 0x80) == 0) {
            return value;
        }
    }
    cursor->failed = true;
    return 0;
}

static inline struct bytes cursor_name(struct cursor *cursor)
{
    const uint64_t size = cursor_uvarint(cursor);
    const uint8_t *at = cursor_take(cursor, size > 0 ? (size_t)size - 1 : SIZE_MAX);

    return at != NULL ? (struct bytes){at, (size_t)size - 1} : BYTES_NULL;
}

static inline uint8_t *put_i16(uint8_t *at, int16_t value)
{
    store_i16(at, value);
    return at + 2;
}

static inline uint8_t *put_i32(uint8_t *at, int32_t value)
{
    store_i32(at, value);
    return at + 4;
}

static inline uint8_t *put_i64(uint8_t *at, int64_t value)
{
    store_i64(at, value);
    return at + 8;
}

static inline uint8_t *put_uvarint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *put_name(uint8_t *at, const char *name, size_t size)
{
    at = put_uvarint(at, size + 1);
    memcpy(at, name, size);
    return at + size;
}

#endif
