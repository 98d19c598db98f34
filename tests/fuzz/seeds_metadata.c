/* Seeds of the metadata log and of snapshots, as fuzz_metadata_image reads them. */
#include "common/base/assert.h"
#include "common/batch/record_batch.h"
#include "common/metadata/image.h"
#include "common/metadata/records.h"
#include "tests/fuzz/seeds.h"

#define FLAGS_SNAPSHOT 3
#define FLAGS_LOG 6
#define FLAGS_VALUES 8

static struct uuid uuid_of(uint8_t number)
{
    return (struct uuid){{7, [15] = number}};
}

static void add_broker(struct record_list *list, int32_t id)
{
    struct register_broker_record *record = record_list_add(list, METADATA_REGISTER_BROKER_RECORD);

    record->broker_id = id;
    record->broker_epoch = -1;
    record->incarnation_id = uuid_of((uint8_t)(50 + id));
    record->end_points_count = 1;
    record->end_points = arena_need(list->arena, 1, sizeof(*record->end_points));
    record->end_points[0].name = STRING("PLAINTEXT");
    record->end_points[0].host = STRING("one.example");
    record->end_points[0].port = 9092;
    record->features_count = 1;
    record->features = arena_need(list->arena, 1, sizeof(*record->features));
    record->features[0].name = STRING("metadata.version");
    record->features[0].max_supported_version = 31;
    record->log_dirs_count = 1;
    record->log_dirs = arena_need(list->arena, 1, sizeof(*record->log_dirs));
    record->log_dirs[0] = uuid_of(100);
}

static void add_topic(struct record_list *list, uint8_t id)
{
    struct topic_record *topic = record_list_add(list, METADATA_TOPIC_RECORD);

    topic->name = id == 1 ? STRING("events") : STRING("orders");
    topic->topic_id = uuid_of(id);
    for (int32_t i = 0; i < 2; i++) {
        struct partition_record *record = record_list_add(list, METADATA_PARTITION_RECORD);

        record->topic_id = uuid_of(id);
        record->partition_id = i;
        record->leader = 1;
        record->leader_epoch = 0;
        record->partition_epoch = 0;
        record->replicas_count = 2;
        record->replicas = arena_need(list->arena, 2, sizeof(int32_t));
        record->replicas[0] = 1;
        record->replicas[1] = 2;
        record->isr_count = 2;
        record->isr = record->replicas;
    }
}

static void add_config(struct record_list *list, int8_t type, struct string resource, struct string value)
{
    struct config_record *record = record_list_add(list, METADATA_CONFIG_RECORD);

    record->resource_type = type;
    record->resource_name = resource;
    record->name = STRING("retention.ms");
    record->value = value;
}

static void add_changes(struct record_list *list)
{
    struct partition_change_record *change = record_list_add(list, METADATA_PARTITION_CHANGE_RECORD);
    struct feature_level_record *feature;
    struct producer_ids_record *producers;
    struct remove_topic_record *removed;

    change->topic_id = uuid_of(1);
    change->partition_id = 0;
    change->leader = 2;
    change->isr_count = 1;
    change->isr = arena_need(list->arena, 1, sizeof(int32_t));
    change->isr[0] = 2;
    add_config(list, CONFIG_TOPIC, STRING("events"), STRING("1000"));
    add_config(list, CONFIG_BROKER, STRING(""), STRING("2000"));
    add_config(list, CONFIG_TOPIC, STRING("events"), STRING_NULL);
    feature = record_list_add(list, METADATA_FEATURE_LEVEL_RECORD);
    feature->name = STRING("metadata.version");
    feature->feature_level = 30;
    producers = record_list_add(list, METADATA_PRODUCER_IDS_RECORD);
    producers->broker_id = 1;
    producers->next_producer_id = 1000;
    removed = record_list_add(list, METADATA_REMOVE_TOPIC_RECORD);
    removed->topic_id = uuid_of(2);
}

static void add_broker_changes(struct record_list *list, const struct image *image)
{
    const int64_t epoch = image_broker(image, 1)->epoch;
    struct unfence_broker_record *unfence = record_list_add(list, METADATA_UNFENCE_BROKER_RECORD);
    struct fence_broker_record *fence = record_list_add(list, METADATA_FENCE_BROKER_RECORD);
    struct broker_registration_change_record *change =
        record_list_add(list, METADATA_BROKER_REGISTRATION_CHANGE_RECORD);
    struct unregister_broker_record *gone;

    unfence->id = 1;
    unfence->epoch = epoch;
    fence->id = 1;
    fence->epoch = epoch;
    change->broker_id = 1;
    change->broker_epoch = epoch;
    change->fenced = -1;
    change->in_controlled_shutdown = 1;
    change->log_dirs_count = 1;
    change->log_dirs = arena_need(list->arena, 1, sizeof(*change->log_dirs));
    change->log_dirs[0] = uuid_of(101);
    gone = record_list_add(list, METADATA_UNREGISTER_BROKER_RECORD);
    gone->broker_id = 2;
    gone->broker_epoch = image_broker(image, 2)->epoch;
}

/* What is in the list becomes a batch, is applied, and is added to both seeds. */
static void flush(struct record_list *list, struct image **image, struct buffer *log, struct buffer *values)
{
    const size_t start = log->size;

    record_list_encode(list, 1000, log);
    batch_assign((struct space){log->data + start, log->size - start}, image_offset(*image) + 1, 1);
    ASSERT(image_apply_batch(image, bytes_of(log->data + start, log->size - start)) == STATUS_OK);
    for (size_t i = 0; i < list->count; i++) {
        struct buffer value;

        buffer_init(&value);
        metadata_record_write(&list->records[i], &value);
        seed_u16(values, value.size);
        buffer_append(values, value.data, value.size);
        buffer_deinit(&value);
    }
    seed_u16(values, 0);
    record_list_init(list, list->arena);
}

static void snapshot_seed(const struct image *image, const char *name, size_t batch_bytes)
{
    struct buffer out;

    buffer_init(&out);
    seed_byte(&out, FLAGS_SNAPSHOT);
    image_write_snapshot(image, 1000, batch_bytes, &out);
    seed_write("metadata_image", name, buffer_bytes(&out));
    buffer_deinit(&out);
}

void seeds_of_metadata(void)
{
    struct image *image = image_create();
    struct record_list list;
    struct arena arena;
    struct buffer log;
    struct buffer values;

    arena_init(&arena, 1 << 20);
    buffer_init(&log);
    buffer_init(&values);
    seed_byte(&log, FLAGS_LOG);
    seed_byte(&values, FLAGS_VALUES);
    record_list_init(&list, &arena);
    add_broker(&list, 1);
    add_broker(&list, 2);
    flush(&list, &image, &log, &values);
    snapshot_seed(image, "snapshot-brokers", 1000);
    add_topic(&list, 1);
    add_topic(&list, 2);
    flush(&list, &image, &log, &values);
    add_changes(&list);
    flush(&list, &image, &log, &values);
    add_broker_changes(&list, image);
    flush(&list, &image, &log, &values);
    seed_write("metadata_image", "log", buffer_bytes(&log));
    seed_write("metadata_image", "values", buffer_bytes(&values));
    snapshot_seed(image, "snapshot-all", 100);
    buffer_deinit(&log);
    buffer_deinit(&values);
    arena_deinit(&arena);
    image_unref(image);
}
