/* Metadata images, record by record. */
#include "tests/unit/server/images.h"

#include "common/base/assert.h"
#include "common/batch/record_batch.h"

void image_maker_init(struct image_maker *maker)
{
    *maker = (struct image_maker){.image = image_create()};
    arena_init(&maker->arena, SIZE_MAX / 2);
    record_list_init(&maker->records, &maker->arena);
    buffer_init(&maker->batch);
}

void image_maker_deinit(struct image_maker *maker)
{
    image_unref(maker->image);
    arena_deinit(&maker->arena);
    buffer_deinit(&maker->batch);
}

void maker_apply(struct image_maker *maker)
{
    enum status status;

    buffer_clear(&maker->batch);
    record_list_encode(&maker->records, 1000, &maker->batch);
    batch_assign((struct space){maker->batch.data, maker->batch.size}, image_offset(maker->image) + 1, 3);
    status = image_apply_batch(&maker->image, buffer_bytes(&maker->batch));
    ASSERT(status == STATUS_OK);
    arena_reset(&maker->arena);
    record_list_init(&maker->records, &maker->arena);
}

struct uuid maker_topic_id(uint8_t number)
{
    struct uuid id = {{7}};

    id.data[15] = number;
    return id;
}

void maker_add_partition(struct image_maker *maker, uint8_t id, int32_t partition, int32_t leader)
{
    struct partition_record *record = record_list_add(&maker->records, METADATA_PARTITION_RECORD);

    record->topic_id = maker_topic_id(id);
    record->partition_id = partition;
    record->leader = leader;
    record->leader_epoch = 0;
    record->partition_epoch = 0;
    record->replicas_count = 1;
    record->replicas = arena_need(&maker->arena, 1, sizeof(int32_t));
    record->replicas[0] = leader;
    record->isr_count = 1;
    record->isr = record->replicas;
    record->directories_count = 1;
    record->directories = arena_need(&maker->arena, 1, sizeof(struct uuid));
    record->directories[0] = maker_topic_id(200);
}

void maker_add_topic(struct image_maker *maker, const char *name, uint8_t id, int32_t partitions, int32_t leader)
{
    struct topic_record *record = record_list_add(&maker->records, METADATA_TOPIC_RECORD);

    record->name = string_of(name);
    record->topic_id = maker_topic_id(id);
    for (int32_t i = 0; i < partitions; i++) {
        maker_add_partition(maker, id, i, leader);
    }
}

void maker_remove_topic(struct image_maker *maker, uint8_t id)
{
    struct remove_topic_record *record = record_list_add(&maker->records, METADATA_REMOVE_TOPIC_RECORD);

    record->topic_id = maker_topic_id(id);
}

void maker_lead(struct image_maker *maker, uint8_t id, int32_t partition, int32_t leader)
{
    struct partition_change_record *record = record_list_add(&maker->records, METADATA_PARTITION_CHANGE_RECORD);

    record->topic_id = maker_topic_id(id);
    record->partition_id = partition;
    record->leader = leader;
}

void maker_add_broker(struct image_maker *maker, int32_t id, const char *host, bool fenced)
{
    struct register_broker_record *record = record_list_add(&maker->records, METADATA_REGISTER_BROKER_RECORD);

    record->broker_id = id;
    record->broker_epoch = -1;
    record->incarnation_id = maker_topic_id((uint8_t)(50 + id));
    record->fenced = fenced;
    record->end_points_count = 2;
    record->end_points = arena_need(&maker->arena, 2, sizeof(*record->end_points));
    record->end_points[0].name = STRING("PLAINTEXT");
    record->end_points[0].host = string_of(host);
    record->end_points[0].port = 9092;
    record->end_points[1].name = STRING("OTHER");
    record->end_points[1].host = arena_format(&maker->arena, "other-%s", host);
    record->end_points[1].port = 9093;
    record->log_dirs_count = 1;
    record->log_dirs = arena_need(&maker->arena, 1, sizeof(*record->log_dirs));
    record->log_dirs[0] = maker_topic_id((uint8_t)(100 + id));
}

void maker_add_config(struct image_maker *maker, enum config_resource type, const char *resource, const char *name,
                      const char *value)
{
    struct config_record *record = record_list_add(&maker->records, METADATA_CONFIG_RECORD);

    record->resource_type = (int8_t)type;
    record->resource_name = string_of(resource);
    record->name = string_of(name);
    record->value = string_of(value);
}
