/* Bounded cursor over protocol bytes. A failure moves the cursor to the end, so that every later read finds nothing
 * left and fails as well: the reads need one check each, and a decoder needs none between them. */
#include "common/wire/reader.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/varint.h"

/* Longest string of the protocol: classic strings have an int16 length, and compact ones keep its bound. */
#define STRING_SIZE_MAX INT16_MAX

void reader_init(struct reader *reader, struct bytes input, struct arena *arena)
{
    const uint8_t *data = input.data != NULL ? input.data : (const uint8_t *)"";

    ASSERT(input.data != NULL || input.size == 0);
    *reader = (struct reader){.start = data, .at = data, .end = data + input.size, .arena = arena};
}

void reader_fail(struct reader *reader)
{
    if (!reader->failed) {
        reader->failed = true;
        reader->failed_at = (size_t)(reader->at - reader->start);
    }
    reader->at = reader->end;
}

/* The next `size` bytes, or NULL after failing. */
static const uint8_t *take(struct reader *reader, size_t size)
{
    const uint8_t *at = reader->at;

    if (UNLIKELY(reader->failed || reader_left(reader) < size)) {
        reader_fail(reader);
        return NULL;
    }
    reader->at += size;
    return at;
}

bool read_bool(struct reader *reader)
{
    return read_int8(reader) != 0;
}

int8_t read_int8(struct reader *reader)
{
    const uint8_t *at = take(reader, sizeof(int8_t));

    return at != NULL ? (int8_t)*at : 0;
}

int16_t read_int16(struct reader *reader)
{
    const uint8_t *at = take(reader, sizeof(int16_t));

    return (int16_t)(at != NULL ? load_i16(at) : 0);
}

uint16_t read_uint16(struct reader *reader)
{
    return (uint16_t)read_int16(reader);
}

int32_t read_int32(struct reader *reader)
{
    const uint8_t *at = take(reader, sizeof(int32_t));

    return at != NULL ? load_i32(at) : 0;
}

uint32_t read_uint32(struct reader *reader)
{
    return (uint32_t)read_int32(reader);
}

int64_t read_int64(struct reader *reader)
{
    const uint8_t *at = take(reader, sizeof(int64_t));

    return at != NULL ? load_i64(at) : 0;
}

double read_float64(struct reader *reader)
{
    const int64_t bits = read_int64(reader);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct uuid read_uuid(struct reader *reader)
{
    const uint8_t *at = take(reader, sizeof(struct uuid));
    struct uuid uuid = UUID_ZERO;

    if (at != NULL) {
        memcpy(uuid.data, at, sizeof(uuid.data));
    }
    return uuid;
}

static uint64_t take_varint(struct reader *reader, unsigned bits_max)
{
    uint64_t value = 0;
    size_t size;

    if (LIKELY(reader->at < reader->end) && *reader->at < 0x80) {
        return *reader->at++; /* nearly all are one byte long */
    }
    size = varint_read(reader->at, reader->end, bits_max, &value);
    if (UNLIKELY(size == 0)) {
        reader_fail(reader);
        return 0;
    }
    reader->at += size;
    return value;
}

uint32_t read_uvarint(struct reader *reader)
{
    return (uint32_t)take_varint(reader, 32);
}

int32_t read_varint(struct reader *reader)
{
    return (int32_t)zigzag_decode(take_varint(reader, 32));
}

int64_t read_varlong(struct reader *reader)
{
    return zigzag_decode(take_varint(reader, 64));
}

/* Turns the compact form's size + 1 into a size, null into -1. */
static int64_t take_compact_size(struct reader *reader)
{
    return (int64_t)read_uvarint(reader) - 1;
}

/* `size` bytes that follow their length; -1 is null, which fails unless `nullable`, as do other negative sizes. */
static struct bytes take_sized(struct reader *reader, int64_t size, int64_t size_max, bool nullable)
{
    const uint8_t *at;

    if (reader->failed) {
        return BYTES_NULL;
    }
    if (size == -1 && nullable) {
        return BYTES_NULL;
    }
    if (size < 0 || size > size_max) {
        reader_fail(reader);
        return BYTES_NULL;
    }
    at = take(reader, (size_t)size);
    return at != NULL ? bytes_of(at, (size_t)size) : BYTES_NULL;
}

static struct string take_string(struct reader *reader, bool flexible, bool nullable)
{
    const int64_t size = flexible ? take_compact_size(reader) : read_int16(reader);
    const struct bytes bytes = take_sized(reader, size, STRING_SIZE_MAX, nullable);

    return (struct string){(const char *)bytes.data, bytes.size};
}

struct string read_string(struct reader *reader, bool flexible)
{
    return take_string(reader, flexible, false);
}

struct string read_nullable_string(struct reader *reader, bool flexible)
{
    return take_string(reader, flexible, true);
}

struct bytes read_bytes(struct reader *reader, bool flexible)
{
    const int64_t size = flexible ? take_compact_size(reader) : read_int32(reader);

    return take_sized(reader, size, INT32_MAX, false);
}

struct bytes read_nullable_bytes(struct reader *reader, bool flexible)
{
    const int64_t size = flexible ? take_compact_size(reader) : read_int32(reader);

    return take_sized(reader, size, INT32_MAX, true);
}

struct bytes read_raw(struct reader *reader, size_t size)
{
    const uint8_t *at = take(reader, size);

    return at != NULL ? bytes_of(at, size) : BYTES_NULL;
}

int32_t read_array_count(struct reader *reader, bool flexible, bool nullable, size_t element_size_min, int32_t max)
{
    const int64_t count = flexible ? take_compact_size(reader) : read_int32(reader);

    ASSERT(element_size_min > 0);
    if (reader->failed) {
        return 0;
    }
    if (count == -1 && nullable) {
        return -1;
    }
    if (count < 0 || count > max || (uint64_t)count > reader_left(reader) / element_size_min) {
        reader_fail(reader);
        return 0;
    }
    return (int32_t)count;
}

void *read_array_alloc(struct reader *reader, int32_t count, size_t size)
{
    void *elements;

    if (count <= 0 || reader->failed) {
        return NULL;
    }
    elements = arena_alloc_array(reader->arena, (size_t)count, size);
    if (elements == NULL) {
        reader_fail(reader);
    }
    return elements;
}

void read_tagged_fields(struct reader *reader)
{
    const uint32_t count = read_uvarint(reader);

    if (count > READER_TAGGED_FIELDS_MAX) {
        reader_fail(reader);
        return;
    }
    for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
        (void)read_uvarint(reader); /* the tag */
        (void)read_raw(reader, read_uvarint(reader));
    }
}
