/* The image as records and back. A snapshot is a run of record batches as in Kafka's .checkpoint files:
 *
 *     control batch  SnapshotHeader
 *     data batches   features | controllers | brokers | topics, each before its partitions | configs | producer ids
 *     control batch  SnapshotFooter        without it the snapshot is incomplete
 *
 * Offsets count from 0 within the snapshot; they are not the log's. */
#include "common/metadata/replay.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/batch/batch_builder.h"
#include "common/batch/control_record.h"

#include "wire/snapshot_records.h"

#define CONTROL_KEY_SIZE 4

struct snapshot_writer {
    struct batch_builder builder;
    struct batch_options options;
    struct buffer *into;
    struct buffer value;
    struct arena arena; /* of the record being written */
    int64_t now_ms;
    size_t batch_bytes_max;
};

static void snapshot_flush(struct snapshot_writer *writer)
{
    struct space batch;

    if (writer->builder.record_count == 0) {
        return;
    }
    batch = batch_builder_finish(&writer->builder);
    buffer_append(writer->into, batch.data, batch.size);
    writer->options.base_offset += writer->builder.record_count;
    batch_builder_reset(&writer->builder, &writer->options);
}

static void snapshot_append(struct snapshot_writer *writer, const struct record_draft *draft)
{
    enum status status;

    if (batch_builder_size(&writer->builder) + draft->value.size + RECORD_BATCH_HEADER_SIZE > writer->batch_bytes_max) {
        snapshot_flush(writer);
    }
    status = batch_builder_append(&writer->builder, draft);
    ASSERT(status == STATUS_OK);
}

/* Appends the record that `list` holds and forgets it. */
static void snapshot_record(struct snapshot_writer *writer, const struct record_list *list)
{
    ASSERT(list->count == 1);
    buffer_clear(&writer->value);
    metadata_record_write(&list->records[0], &writer->value);
    snapshot_append(writer,
                    &(struct record_draft){.timestamp = writer->now_ms, .value = buffer_bytes(&writer->value)});
    arena_reset(&writer->arena);
}

static void snapshot_control(struct snapshot_writer *writer, enum control_type type, struct bytes value)
{
    uint8_t key[CONTROL_KEY_SIZE] = {0};

    snapshot_flush(writer);
    store_i16(key + 2, (int16_t)type);
    writer->options.control = true;
    batch_builder_reset(&writer->builder, &writer->options);
    snapshot_append(writer, &(struct record_draft){
                                .timestamp = writer->now_ms, .key = bytes_of(key, sizeof(key)), .value = value});
    writer->options.control = false;
    snapshot_flush(writer);
}

static void write_header(struct snapshot_writer *writer)
{
    const struct snapshot_header_record header = {.last_contained_log_timestamp = writer->now_ms};
    struct writer body;

    writer_init(&body);
    snapshot_header_record_write(&header, &body, 0);
    snapshot_control(writer, CONTROL_SNAPSHOT_HEADER, buffer_bytes(&body.buffer));
    writer_deinit(&body);
}

static void write_footer(struct snapshot_writer *writer)
{
    const struct snapshot_footer_record footer = {0};
    struct writer body;

    writer_init(&body);
    snapshot_footer_record_write(&footer, &body, 0);
    snapshot_control(writer, CONTROL_SNAPSHOT_FOOTER, buffer_bytes(&body.buffer));
    writer_deinit(&body);
}

static void write_features(struct snapshot_writer *writer, const struct image *image)
{
    for (size_t i = 0; i < image_feature_count(image); i++) {
        const struct feature_image feature = image_feature_at(image, i);
        struct record_list list;
        struct feature_level_record *record;

        record_list_init(&list, &writer->arena);
        record = record_list_add(&list, METADATA_FEATURE_LEVEL_RECORD);
        record->name = feature.name;
        record->feature_level = feature.level;
        snapshot_record(writer, &list);
    }
}

static void write_controllers(struct snapshot_writer *writer, const struct image *image)
{
    for (size_t i = 0; i < image_controller_count(image); i++) {
        const struct controller_image *controller = image_controller_at(image, i);
        struct record_list list;
        struct register_controller_record *record;

        record_list_init(&list, &writer->arena);
        record = record_list_add(&list, METADATA_REGISTER_CONTROLLER_RECORD);
        record->controller_id = controller->id;
        record->incarnation_id = controller->incarnation_id;
        record->end_points_count = controller->endpoint_count;
        record->end_points = arena_need(&writer->arena, (size_t)controller->endpoint_count,
                                        sizeof(*record->end_points));
        for (int32_t j = 0; j < controller->endpoint_count; j++) {
            record->end_points[j].name = controller->endpoints[j].name;
            record->end_points[j].host = controller->endpoints[j].host;
            record->end_points[j].port = controller->endpoints[j].port;
            record->end_points[j].security_protocol = controller->endpoints[j].security_protocol;
        }
        snapshot_record(writer, &list);
    }
}

static void write_broker(struct snapshot_writer *writer, const struct broker_image *broker)
{
    struct record_list list;
    struct register_broker_record *record;

    record_list_init(&list, &writer->arena);
    record = record_list_add(&list, METADATA_REGISTER_BROKER_RECORD);
    record->broker_id = broker->id;
    record->broker_epoch = broker->epoch;
    record->incarnation_id = broker->incarnation_id;
    record->rack = broker->rack;
    record->fenced = broker->fenced;
    record->in_controlled_shutdown = broker->in_controlled_shutdown;
    record->log_dirs_count = broker->log_dir_count;
    record->log_dirs = broker->log_dirs;
    record->end_points_count = broker->endpoint_count;
    record->end_points = arena_need(&writer->arena, (size_t)broker->endpoint_count, sizeof(*record->end_points));
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        record->end_points[i].name = broker->endpoints[i].name;
        record->end_points[i].host = broker->endpoints[i].host;
        record->end_points[i].port = broker->endpoints[i].port;
        record->end_points[i].security_protocol = broker->endpoints[i].security_protocol;
    }
    record->features_count = broker->feature_count;
    record->features = arena_need(&writer->arena, (size_t)broker->feature_count, sizeof(*record->features));
    for (int32_t i = 0; i < broker->feature_count; i++) {
        record->features[i].name = broker->features[i].name;
        record->features[i].min_supported_version = broker->features[i].level_min;
        record->features[i].max_supported_version = broker->features[i].level_max;
    }
    snapshot_record(writer, &list);
}

/* The record borrows the partition's lists, without const: it is only written. */
static int32_t *ids_of(const int32_t *ids)
{
    return (int32_t *)(uintptr_t)ids;
}

static void write_partition(struct snapshot_writer *writer, struct uuid topic, int32_t index,
                            const struct partition_image *partition)
{
    struct record_list list;
    struct partition_record *record;

    record_list_init(&list, &writer->arena);
    record = record_list_add(&list, METADATA_PARTITION_RECORD);
    record->partition_id = index;
    record->topic_id = topic;
    record->leader = partition->leader;
    record->leader_epoch = partition->leader_epoch;
    record->partition_epoch = partition->partition_epoch;
    record->replicas_count = partition->replica_count;
    record->replicas = ids_of(partition->replicas);
    record->isr_count = partition->isr_count;
    record->isr = ids_of(partition->isr);
    if (partition->elr_count > 0) {
        record->eligible_leader_replicas_count = partition->elr_count;
        record->eligible_leader_replicas = ids_of(partition->elr);
    }
    if (partition->last_known_elr_count > 0) {
        record->last_known_elr_count = partition->last_known_elr_count;
        record->last_known_elr = ids_of(partition->last_known_elr);
    }
    if (partition->directories != NULL) {
        record->directories_count = partition->replica_count;
        record->directories = (struct uuid *)(uintptr_t)partition->directories;
    }
    snapshot_record(writer, &list);
}

static void write_topics(struct snapshot_writer *writer, const struct image *image)
{
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;
        struct record_list list;
        struct topic_record *record;

        record_list_init(&list, &writer->arena);
        record = record_list_add(&list, METADATA_TOPIC_RECORD);
        record->name = topic_image_name(topic);
        record->topic_id = topic_image_id(topic);
        snapshot_record(writer, &list);
        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            write_partition(writer, topic_image_id(topic), j, &partition);
        }
    }
}

static void write_configs(struct snapshot_writer *writer, const struct image *image)
{
    for (size_t i = 0; i < image->configs.count; i++) {
        const struct config_item *item = ordered_at(&image->configs, i);

        for (size_t j = 0; j < item->count; j++) {
            struct record_list list;
            struct config_record *record;

            record_list_init(&list, &writer->arena);
            record = record_list_add(&list, METADATA_CONFIG_RECORD);
            record->resource_type = item->key.type;
            record->resource_name = item->key.resource;
            record->name = item->entries[j].name;
            record->value = item->entries[j].value;
            snapshot_record(writer, &list);
        }
    }
}

static void write_producer_ids(struct snapshot_writer *writer, const struct image *image)
{
    struct record_list list;
    struct producer_ids_record *record;

    if (image->next_producer_id == 0) {
        return;
    }
    record_list_init(&list, &writer->arena);
    record = record_list_add(&list, METADATA_PRODUCER_IDS_RECORD);
    record->broker_id = -1;
    record->next_producer_id = image->next_producer_id;
    snapshot_record(writer, &list);
}

void image_write_snapshot(const struct image *image, int64_t now_ms, size_t batch_bytes_max, struct buffer *into)
{
    struct snapshot_writer writer = {
        .options = batch_options_default(), .into = into, .now_ms = now_ms, .batch_bytes_max = batch_bytes_max};

    writer.options.partition_leader_epoch = 0;
    batch_builder_init(&writer.builder, &writer.options);
    buffer_init(&writer.value);
    arena_init(&writer.arena, RECORD_ARENA_LIMIT);
    write_header(&writer);
    write_features(&writer, image);
    write_controllers(&writer, image);
    for (size_t i = 0; i < image_broker_count(image); i++) {
        write_broker(&writer, image_broker_at(image, i));
    }
    write_topics(&writer, image);
    write_configs(&writer, image);
    write_producer_ids(&writer, image);
    write_footer(&writer);
    arena_deinit(&writer.arena);
    buffer_deinit(&writer.value);
    batch_builder_deinit(&writer.builder);
}

/* The type of a control batch's first record, CONTROL_UNKNOWN if it has none. */
static enum control_type control_batch_type(const struct batch_header *header, struct bytes batch)
{
    struct buffer scratch;
    struct bytes records;
    struct record_iterator iterator;
    struct record record;
    struct control_record control = {.type = CONTROL_UNKNOWN};

    buffer_init(&scratch);
    if (batch_records(batch, header, NULL, COMPRESSION_SIZE_MAX, &scratch, &records) == STATUS_OK) {
        record_iterator_init(&iterator, header, records);
        if (record_next(&iterator, &record) != STATUS_OK || control_record_read(&record, &control) != STATUS_OK) {
            control.type = CONTROL_UNKNOWN;
        }
    }
    buffer_deinit(&scratch);
    return control.type;
}

/* Replays all batches into `image`: the header must come first, the footer last. */
static enum status load_batches(struct image *image, struct bytes snapshot, struct arena *arena)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    bool first = true;
    bool complete = false;
    struct bytes batch;
    enum status status;

    while ((status = batch_next(&snapshot, &batch)) == STATUS_OK) {
        struct batch_header header;
        enum control_type type;

        if (batch_validate(batch, &limits, &header) != BATCH_ERROR_NONE || complete) {
            return STATUS_CORRUPT;
        }
        type = header.control ? control_batch_type(&header, batch) : CONTROL_UNKNOWN;
        if (first != (type == CONTROL_SNAPSHOT_HEADER)) {
            return STATUS_CORRUPT;
        }
        first = false;
        complete = type == CONTROL_SNAPSHOT_FOOTER;
        status = header.control ? STATUS_OK : image_replay_records(image, &header, batch, arena);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status == STATUS_END && complete ? STATUS_OK : STATUS_CORRUPT;
}

enum status image_load_snapshot(struct image **image, struct bytes snapshot, int64_t offset, int32_t epoch)
{
    struct image *loaded = image_create();
    struct arena arena;
    enum status status;

    arena_init(&arena, RECORD_ARENA_LIMIT);
    status = load_batches(loaded, snapshot, &arena);
    arena_deinit(&arena);
    if (status != STATUS_OK) {
        image_unref(loaded);
        return status;
    }
    loaded->offset = offset;
    loaded->epoch = epoch;
    image_unref(*image);
    *image = loaded;
    return STATUS_OK;
}
