/* Appends protocol bytes. The output is the buffer's bytes with the splices put in at their places; whoever sends it
 * walks the splices in order (they are ordered by `at`, because output only grows at its end). */
#include "common/wire/writer.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/base/varint.h"

#define SPLICE_CAPACITY_MIN 8

void writer_init(struct writer *writer)
{
    *writer = (struct writer){0};
    buffer_init(&writer->buffer);
}

void writer_deinit(struct writer *writer)
{
    buffer_deinit(&writer->buffer);
    memory_free(writer->splices);
    *writer = (struct writer){0};
}

void writer_clear(struct writer *writer)
{
    buffer_clear(&writer->buffer);
    writer->splice_count = 0;
    writer->spliced_size = 0;
}

void write_bool(struct writer *writer, bool value)
{
    write_int8(writer, value ? 1 : 0);
}

void write_int8(struct writer *writer, int8_t value)
{
    *buffer_reserve(&writer->buffer, sizeof(value)) = (uint8_t)value;
    writer->buffer.size += sizeof(value);
}

void write_int16(struct writer *writer, int16_t value)
{
    store_i16(buffer_reserve(&writer->buffer, sizeof(value)), value);
    writer->buffer.size += sizeof(value);
}

void write_uint16(struct writer *writer, uint16_t value)
{
    write_int16(writer, (int16_t)value);
}

void write_int32(struct writer *writer, int32_t value)
{
    store_i32(buffer_reserve(&writer->buffer, sizeof(value)), value);
    writer->buffer.size += sizeof(value);
}

void write_uint32(struct writer *writer, uint32_t value)
{
    write_int32(writer, (int32_t)value);
}

void write_int64(struct writer *writer, int64_t value)
{
    store_i64(buffer_reserve(&writer->buffer, sizeof(value)), value);
    writer->buffer.size += sizeof(value);
}

void write_float64(struct writer *writer, double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    write_int64(writer, bits);
}

void write_uuid(struct writer *writer, struct uuid value)
{
    buffer_append(&writer->buffer, value.data, sizeof(value.data));
}

static void put_varint(struct writer *writer, uint64_t value)
{
    writer->buffer.size += varint_write(buffer_reserve(&writer->buffer, VARINT64_SIZE_MAX), value);
}

void write_uvarint(struct writer *writer, uint32_t value)
{
    put_varint(writer, value);
}

void write_varint(struct writer *writer, int32_t value)
{
    put_varint(writer, (uint32_t)zigzag_encode(value));
}

void write_varlong(struct writer *writer, int64_t value)
{
    put_varint(writer, zigzag_encode(value));
}

void write_string(struct writer *writer, struct string value, bool flexible)
{
    ASSERT(value.data != NULL || value.size == 0);
    ASSERT(value.size <= INT16_MAX);
    if (flexible) {
        write_uvarint(writer, value.data != NULL ? (uint32_t)value.size + 1 : 0);
    } else {
        write_int16(writer, (int16_t)(value.data != NULL ? (int16_t)value.size : -1));
    }
    buffer_append(&writer->buffer, value.data, value.size);
}

/* The length before bytes or records; `null` has none. */
static void put_size(struct writer *writer, bool null, size_t size, bool flexible)
{
    ASSERT(size < INT32_MAX);
    if (flexible) {
        write_uvarint(writer, null ? 0 : (uint32_t)size + 1);
    } else {
        write_int32(writer, null ? -1 : (int32_t)size);
    }
}

void write_bytes(struct writer *writer, struct bytes value, bool flexible)
{
    ASSERT(value.data != NULL || value.size == 0);
    put_size(writer, value.data == NULL, value.size, flexible);
    buffer_append(&writer->buffer, value.data, value.size);
}

void write_raw(struct writer *writer, struct bytes value)
{
    buffer_append(&writer->buffer, value.data, value.size);
}

static void splice_append(struct writer *writer, struct records records)
{
    if (writer->splice_count == writer->splice_capacity) {
        const size_t capacity =
            writer->splice_capacity == 0 ? SPLICE_CAPACITY_MIN : writer->splice_capacity * 2;

        writer->splices = memory_resize(writer->splices, capacity, sizeof(struct splice));
        writer->splice_capacity = capacity;
    }
    writer->splices[writer->splice_count] = (struct splice){.at = writer->buffer.size, .records = records};
    writer->splice_count++;
    writer->spliced_size += records.size;
}

void write_records(struct writer *writer, struct records value, bool flexible)
{
    const bool null = value.data == NULL && value.file == NULL;

    ASSERT(!null || value.size == 0);
    put_size(writer, null, value.size, flexible);
    if (value.size == 0) {
        return;
    }
    if (value.file != NULL || value.size >= WRITER_SPLICE_MIN) {
        splice_append(writer, value);
    } else {
        buffer_append(&writer->buffer, value.data, value.size);
    }
}

void write_array_count(struct writer *writer, int32_t count, bool flexible)
{
    ASSERT(count >= -1);
    if (flexible) {
        write_uvarint(writer, (uint32_t)(count + 1));
    } else {
        write_int32(writer, count);
    }
}

void write_tagged_fields_none(struct writer *writer)
{
    write_uvarint(writer, 0);
}

/* One byte is kept for the length, enough for nearly all tagged fields; longer ones are moved up at the end. */
size_t write_tag_begin(struct writer *writer, uint32_t tag)
{
    write_uvarint(writer, tag);
    write_int8(writer, 0);
    return writer->buffer.size;
}

void write_tag_end(struct writer *writer, size_t mark)
{
    const size_t size = writer->buffer.size - mark;
    const size_t more = varint_size(size) - 1;

    ASSERT(writer->splice_count == 0 || writer->splices[writer->splice_count - 1].at < mark);
    ASSERT(size < INT32_MAX);
    if (more > 0) {
        (void)buffer_reserve(&writer->buffer, more);
        memmove(writer->buffer.data + mark + more, writer->buffer.data + mark, size);
        writer->buffer.size += more;
    }
    (void)varint_write(writer->buffer.data + mark - 1, size);
}
