/* Bounded cursor over bytes that nobody vouches for. The first failure sticks: later reads return zeros, and whoever
 * decodes asks reader_ok once at the end. Nothing is read outside [data, data + size), and no count is believed before
 * it was held against the bytes left and the field's own limit.
 *
 * Strings, bytes and records that it returns are views into the input (borrows); arrays live in the arena. */
#ifndef WIRE_READER_H
#define WIRE_READER_H

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/uuid.h"

/* Kafka refuses larger ones before it allocates: arrays over a million elements, over ten thousand tagged fields. */
#define READER_ARRAY_MAX 1000000
#define READER_TAGGED_FIELDS_MAX 10000

struct reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
    bool failed;
    size_t failed_at; /* offset of the first failure */
};

/* Borrows `input` and `arena` for the reader's life and that of everything it returns. */
void reader_init(struct reader *reader, struct bytes input, struct arena *arena);
/* Marks the input as bad, at the current offset unless it failed before. */
void reader_fail(struct reader *reader);

static inline bool reader_ok(const struct reader *reader)
{
    return !reader->failed;
}

/* True if everything was read and nothing failed. */
static inline bool reader_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

bool read_bool(struct reader *reader);
int8_t read_int8(struct reader *reader);
int16_t read_int16(struct reader *reader);
uint16_t read_uint16(struct reader *reader);
int32_t read_int32(struct reader *reader);
uint32_t read_uint32(struct reader *reader);
int64_t read_int64(struct reader *reader);
double read_float64(struct reader *reader);
struct uuid read_uuid(struct reader *reader);
/* Unsigned varint of at most 32 bits; zigzag varint and varlong. */
uint32_t read_uvarint(struct reader *reader);
int32_t read_varint(struct reader *reader);
int64_t read_varlong(struct reader *reader);

/* `flexible` picks the compact form (uvarint of size + 1) over the classic one (int16, bytes int32). The non-nullable
 * forms fail on null. */
struct string read_string(struct reader *reader, bool flexible);
struct string read_nullable_string(struct reader *reader, bool flexible);
struct bytes read_bytes(struct reader *reader, bool flexible);
struct bytes read_nullable_bytes(struct reader *reader, bool flexible);
/* The next `size` bytes as they are. */
struct bytes read_raw(struct reader *reader, size_t size);

/* An array's count; -1 is null, which fails unless `nullable`. Fails if it exceeds `max` or if count elements of at
 * least `element_size_min` bytes cannot be in what is left. */
int32_t read_array_count(struct reader *reader, bool flexible, bool nullable, size_t element_size_min, int32_t max);
/* Zeroed memory for `count` elements from the arena; fails the reader and returns NULL if the arena is full. */
void *read_array_alloc(struct reader *reader, int32_t count, size_t size);

/* Skips a section of tagged fields of which none is known. */
void read_tagged_fields(struct reader *reader);

#endif
