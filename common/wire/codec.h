/* What generated messages need beyond plain reads and writes: known tagged fields, fields that must not be null, and
 * text for people. Only code that kmsgc.py emits includes this. */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include "common/wire/reader.h"
#include "common/wire/writer.h"

/* The number of tagged fields that follow. */
uint32_t read_tag_count(struct reader *reader);
/* Enters the next tagged field: returns its tag and narrows the reader to its bytes; *outer_end remembers the end. */
uint32_t read_tag_begin(struct reader *reader, const uint8_t **outer_end);
/* Leaves it. Bytes that the field's decoder did not want are an error. */
void read_tag_end(struct reader *reader, const uint8_t *outer_end);
/* Skips the bytes of a tag that this version does not know. */
void read_tag_skip(struct reader *reader);
/* A view of the record bytes; their content is not looked at. */
struct records read_records(struct reader *reader, bool flexible, bool nullable);
/* The byte before a nullable struct: false is null. */
bool read_present(struct reader *reader);
/* One zeroed struct from the arena; NULL after failing the reader if the arena is full. */
void *read_struct_alloc(struct reader *reader, size_t size);

/* As without `_required`, for fields that cannot be null in this version. Null is written as empty, so that zeroed
 * structs are good messages; a null array is a programmer's error, because it means something else than an empty
 * one. */
void write_string_required(struct writer *writer, struct string value, bool flexible);
void write_bytes_required(struct writer *writer, struct bytes value, bool flexible);
void write_records_required(struct writer *writer, struct records value, bool flexible);
void write_array_count_required(struct writer *writer, int32_t count, bool flexible);
void write_present(struct writer *writer, bool present);

/* Each appends a value to one line of text; `name` puts a space before itself unless it opens a message or struct. */
void dump_name(struct buffer *text, const char *name);
void dump_bool(struct buffer *text, bool value);
void dump_int(struct buffer *text, int64_t value);
void dump_float64(struct buffer *text, double value);
void dump_uuid(struct buffer *text, struct uuid value);
/* Quoted; what is not printable ASCII is escaped. */
void dump_string(struct buffer *text, struct string value);
void dump_size(struct buffer *text, bool null, size_t size);
void dump_text(struct buffer *text, const char *value);

#endif
