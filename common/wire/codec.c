/* Support for generated messages; see codec.h. */
#include "common/wire/codec.h"

#include "common/base/assert.h"

uint32_t read_tag_count(struct reader *reader)
{
    const uint32_t count = read_uvarint(reader);

    if (count > READER_TAGGED_FIELDS_MAX) {
        reader_fail(reader);
        return 0;
    }
    return count;
}

uint32_t read_tag_begin(struct reader *reader, const uint8_t **outer_end)
{
    const uint32_t tag = read_uvarint(reader);
    const uint32_t size = read_uvarint(reader);

    *outer_end = reader->end;
    if (size > reader_left(reader)) {
        reader_fail(reader);
    } else {
        reader->end = reader->at + size;
    }
    return tag;
}

void read_tag_end(struct reader *reader, const uint8_t *outer_end)
{
    if (reader->at != reader->end) {
        reader_fail(reader);
    }
    reader->end = outer_end;
    if (reader->failed) {
        reader->at = outer_end; /* failed readers stand at their end */
    }
}

void read_tag_skip(struct reader *reader)
{
    (void)read_raw(reader, reader_left(reader));
}

struct records read_records(struct reader *reader, bool flexible, bool nullable)
{
    const struct bytes bytes = nullable ? read_nullable_bytes(reader, flexible) : read_bytes(reader, flexible);

    return (struct records){.data = bytes.data, .size = bytes.size};
}

bool read_present(struct reader *reader)
{
    const int8_t mark = read_int8(reader);

    return reader_ok(reader) && mark >= 0;
}

void *read_struct_alloc(struct reader *reader, size_t size)
{
    return read_array_alloc(reader, 1, size);
}

void write_string_required(struct writer *writer, struct string value, bool flexible)
{
    write_string(writer, value.data != NULL ? value : STRING(""), flexible);
}

void write_bytes_required(struct writer *writer, struct bytes value, bool flexible)
{
    write_bytes(writer, value.data != NULL ? value : bytes_of("", 0), flexible);
}

void write_records_required(struct writer *writer, struct records value, bool flexible)
{
    write_records(writer, value.data != NULL || value.file != NULL ? value : RECORDS_EMPTY, flexible);
}

void write_array_count_required(struct writer *writer, int32_t count, bool flexible)
{
    ASSERT(count >= 0);
    write_array_count(writer, count, flexible);
}

void write_present(struct writer *writer, bool present)
{
    write_int8(writer, present ? 1 : -1);
}

void dump_name(struct buffer *text, const char *name)
{
    const bool opens = text->size == 0 || text->data[text->size - 1] == '{';

    buffer_append_format(text, "%s%s=", opens ? "" : " ", name);
}

void dump_bool(struct buffer *text, bool value)
{
    dump_text(text, value ? "true" : "false");
}

void dump_int(struct buffer *text, int64_t value)
{
    buffer_append_format(text, "%lld", (long long)value);
}

void dump_float64(struct buffer *text, double value)
{
    buffer_append_format(text, "%.17g", value);
}

void dump_uuid(struct buffer *text, struct uuid value)
{
    char characters[UUID_TEXT_SIZE + 1];

    dump_text(text, uuid_format(value, characters));
}

void dump_string(struct buffer *text, struct string value)
{
    if (value.data == NULL) {
        dump_text(text, "null");
        return;
    }
    dump_text(text, "\"");
    for (size_t i = 0; i < value.size; i++) {
        const unsigned char character = (unsigned char)value.data[i];

        if (character == '"' || character == '\\') {
            buffer_append_format(text, "\\%c", character);
        } else if (character < 0x20 || character >= 0x7f) {
            buffer_append_format(text, "\\x%02x", (unsigned)character);
        } else {
            buffer_append(text, &character, 1);
        }
    }
    dump_text(text, "\"");
}

void dump_size(struct buffer *text, bool null, size_t size)
{
    if (null) {
        dump_text(text, "null");
    } else {
        buffer_append_format(text, "(%zu bytes)", size);
    }
}

void dump_text(struct buffer *text, const char *value)
{
    buffer_append(text, value, strlen(value));
}
