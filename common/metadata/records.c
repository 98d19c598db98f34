/* Framing of metadata records, and record lists as batches. */
#include "common/metadata/records.h"

#include "common/base/assert.h"
#include "common/batch/batch_builder.h"

#define FRAME_VERSION 1
#define LIST_CAPACITY_MIN 16

enum status metadata_record_read(struct bytes value, struct arena *arena, struct metadata_record *record)
{
    const struct metadata_record_type_row *row;
    struct reader reader;
    uint32_t frame;
    uint32_t key;
    uint32_t version;

    if (value.data == NULL) {
        return STATUS_CORRUPT;
    }
    reader_init(&reader, value, arena);
    frame = read_uvarint(&reader);
    key = read_uvarint(&reader);
    version = read_uvarint(&reader);
    if (!reader_ok(&reader)) {
        return STATUS_CORRUPT;
    }
    row = frame == FRAME_VERSION && key <= INT16_MAX ? metadata_record_find((int16_t)key) : NULL;
    if (row == NULL || version < (uint32_t)row->version_min || version > (uint32_t)row->version_max) {
        return STATUS_UNSUPPORTED;
    }
    record->type = (enum metadata_record_type)row->key;
    record->version = (int16_t)version;
    record->message = arena_alloc(arena, row->type.size);
    if (record->message == NULL) {
        return STATUS_CORRUPT;
    }
    row->type.init(record->message);
    row->type.read(record->message, &reader, record->version);
    return reader_done(&reader) ? STATUS_OK : STATUS_CORRUPT;
}

static void record_frame_write(const struct metadata_record *record, struct writer *writer)
{
    const struct metadata_record_type_row *row = metadata_record_find((int16_t)record->type);

    ASSERT(row != NULL);
    write_uvarint(writer, FRAME_VERSION);
    write_uvarint(writer, (uint32_t)record->type);
    write_uvarint(writer, (uint32_t)record->version);
    row->type.write(record->message, writer, record->version);
    ASSERT(writer->splice_count == 0);
}

void metadata_record_write(const struct metadata_record *record, struct buffer *into)
{
    struct writer writer;

    writer_init(&writer);
    record_frame_write(record, &writer);
    buffer_append(into, writer.buffer.data, writer.buffer.size);
    writer_deinit(&writer);
}

void record_list_init(struct record_list *list, struct arena *arena)
{
    *list = (struct record_list){.arena = arena};
}

void *record_list_add(struct record_list *list, enum metadata_record_type type)
{
    const struct metadata_record_type_row *row = metadata_record_find((int16_t)type);
    struct metadata_record *record;

    ASSERT(row != NULL);
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? list->capacity * 2 : LIST_CAPACITY_MIN;
        struct metadata_record *grown = arena_need(list->arena, capacity, sizeof(*grown));

        if (list->count > 0) {
            memcpy(grown, list->records, list->count * sizeof(*grown));
        }
        list->records = grown;
        list->capacity = capacity;
    }
    record = &list->records[list->count++];
    *record = (struct metadata_record){
        .type = type, .version = row->version_max, .message = arena_need(list->arena, 1, row->type.size)};
    row->type.init(record->message);
    return record->message;
}

void record_list_truncate(struct record_list *list, size_t count)
{
    ASSERT(count <= list->count);
    list->count = count;
}

void record_list_encode(const struct record_list *list, int64_t now_ms, struct buffer *batch)
{
    const struct batch_options options = batch_options_default();
    struct batch_builder builder;
    struct writer writer;
    struct space finished;

    ASSERT(list->count > 0);
    batch_builder_init(&builder, &options);
    writer_init(&writer);
    for (size_t i = 0; i < list->count; i++) {
        enum status status;

        writer_clear(&writer);
        record_frame_write(&list->records[i], &writer);
        status = batch_builder_append(
            &builder, &(struct record_draft){.timestamp = now_ms, .value = buffer_bytes(&writer.buffer)});
        /* The size limit is what an int can say; the log's own limit on one entry is far below, and its owner checks
         * it. */
        ASSERT(status == STATUS_OK);
    }
    finished = batch_builder_finish(&builder);
    batch_assign(finished, 0, 0);
    buffer_append(batch, finished.data, finished.size);
    writer_deinit(&writer);
    batch_builder_deinit(&builder);
}
