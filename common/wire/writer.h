/* Appends protocol bytes to memory it owns. Record data is never copied into it: a `records` field whose bytes lie in a
 * file becomes a splice, a note that `size` bytes of `file` belong at this place of the output. */
#ifndef WIRE_WRITER_H
#define WIRE_WRITER_H

#include "common/base/buffer.h"
#include "common/base/bytes.h"
#include "common/base/uuid.h"

struct file;

/* Where the bytes of a `records` field are: in memory (file NULL), or in a file. Null: data NULL and file NULL. */
struct records {
    const uint8_t *data;
    struct file *file; /* the owner of the message keeps a reference until it is sent */
    uint64_t offset;
    size_t size;
};

#define RECORDS_NULL ((struct records){0})
#define RECORDS_EMPTY ((struct records){.data = (const uint8_t *)""})

/* `size` bytes of `file`, from `offset`, or of memory at `data`, belong between the writer's bytes [.., at) and
 * [at, ..). */
struct splice {
    size_t at;
    struct records records;
};

struct writer {
    struct buffer buffer;
    struct splice *splices;
    size_t splice_count;
    size_t splice_capacity;
    size_t spliced_size; /* sum of the splices' sizes */
};

void writer_init(struct writer *writer);
void writer_deinit(struct writer *writer);
/* Empties it, memory stays. */
void writer_clear(struct writer *writer);
/* Bytes of the whole output, splices included. */
static inline size_t writer_size(const struct writer *writer)
{
    return writer->buffer.size + writer->spliced_size;
}

void write_bool(struct writer *writer, bool value);
void write_int8(struct writer *writer, int8_t value);
void write_int16(struct writer *writer, int16_t value);
void write_uint16(struct writer *writer, uint16_t value);
void write_int32(struct writer *writer, int32_t value);
void write_uint32(struct writer *writer, uint32_t value);
void write_int64(struct writer *writer, int64_t value);
void write_float64(struct writer *writer, double value);
void write_uuid(struct writer *writer, struct uuid value);
void write_uvarint(struct writer *writer, uint32_t value);
void write_varint(struct writer *writer, int32_t value);
void write_varlong(struct writer *writer, int64_t value);
/* Null is allowed in all four; whether the field may be null is the generated code's assertion. */
void write_string(struct writer *writer, struct string value, bool flexible);
void write_bytes(struct writer *writer, struct bytes value, bool flexible);
void write_raw(struct writer *writer, struct bytes value);
/* In-file records become a splice; in-memory records of at least WRITER_SPLICE_MIN bytes too, smaller ones are
 * copied. */
#define WRITER_SPLICE_MIN 4096
void write_records(struct writer *writer, struct records value, bool flexible);
/* count -1: null. */
void write_array_count(struct writer *writer, int32_t count, bool flexible);
/* No tagged fields. */
void write_tagged_fields_none(struct writer *writer);

/* One tagged field: begin writes the tag and returns a mark; end puts the length before what was written since. */
size_t write_tag_begin(struct writer *writer, uint32_t tag);
void write_tag_end(struct writer *writer, size_t mark);

#endif
