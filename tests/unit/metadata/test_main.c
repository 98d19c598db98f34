/* The fixture, and all tests of the metadata library. */
#include "tests/unit/metadata/fixture.h"

#include "common/base/memory.h"

int fixture_setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    fixture->image = image_create();
    arena_init(&fixture->arena, (size_t)256 * 1024 * 1024);
    record_list_init(&fixture->records, &fixture->arena);
    buffer_init(&fixture->batch);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    image_unref(fixture->image);
    arena_deinit(&fixture->arena);
    buffer_deinit(&fixture->batch);
    memory_free(fixture);
    return 0;
}

enum status fixture_apply(struct fixture *fixture)
{
    enum status status;

    buffer_clear(&fixture->batch);
    record_list_encode(&fixture->records, 1000, &fixture->batch);
    batch_assign((struct space){fixture->batch.data, fixture->batch.size}, image_offset(fixture->image) + 1, 3);
    status = image_apply_batch(&fixture->image, buffer_bytes(&fixture->batch));
    arena_reset(&fixture->arena);
    record_list_init(&fixture->records, &fixture->arena);
    return status;
}

void fixture_must_apply(struct fixture *fixture)
{
    assert_int_equal(fixture_apply(fixture), STATUS_OK);
}

struct uuid uuid_of(uint8_t number)
{
    struct uuid uuid = {{7}};

    uuid.data[15] = number;
    return uuid;
}

void add_partitions(struct fixture *fixture, uint8_t id, int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        struct partition_record *record = record_list_add(&fixture->records, METADATA_PARTITION_RECORD);

        record->topic_id = uuid_of(id);
        record->partition_id = i;
        record->leader = 1;
        record->leader_epoch = 0;
        record->partition_epoch = 0;
        record->replicas_count = 3;
        record->replicas = arena_need(&fixture->arena, 3, sizeof(int32_t));
        record->isr_count = 3;
        record->isr = record->replicas;
        record->directories_count = 3;
        record->directories = arena_need(&fixture->arena, 3, sizeof(struct uuid));
        for (int32_t j = 0; j < 3; j++) {
            record->replicas[j] = j + 1;
            record->directories[j] = uuid_of((uint8_t)(100 + j));
        }
    }
}

void add_topic(struct fixture *fixture, const char *name, uint8_t id, int32_t partitions)
{
    struct topic_record *record = record_list_add(&fixture->records, METADATA_TOPIC_RECORD);

    record->name = string_of(name);
    record->topic_id = uuid_of(id);
    add_partitions(fixture, id, 0, partitions);
}

struct partition_change_record *add_change(struct fixture *fixture, uint8_t id, int32_t partition)
{
    struct partition_change_record *record = record_list_add(&fixture->records, METADATA_PARTITION_CHANGE_RECORD);

    record->topic_id = uuid_of(id);
    record->partition_id = partition;
    return record;
}

struct register_broker_record *add_broker(struct fixture *fixture, int32_t id)
{
    struct register_broker_record *record = record_list_add(&fixture->records, METADATA_REGISTER_BROKER_RECORD);

    record->broker_id = id;
    record->broker_epoch = -1;
    record->incarnation_id = uuid_of((uint8_t)(50 + id));
    record->end_points_count = 2;
    record->end_points = arena_need(&fixture->arena, 2, sizeof(*record->end_points));
    record->end_points[0].name = STRING("PLAINTEXT");
    record->end_points[0].host = STRING("one.example");
    record->end_points[0].port = 9092;
    record->end_points[1].name = STRING("SSL");
    record->end_points[1].host = STRING("two.example");
    record->end_points[1].port = 9093;
    record->end_points[1].security_protocol = 1;
    record->features_count = 1;
    record->features = arena_need(&fixture->arena, 1, sizeof(*record->features));
    record->features[0].name = STRING("metadata.version");
    record->features[0].min_supported_version = 30;
    record->features[0].max_supported_version = 31;
    record->rack = id % 2 == 0 ? STRING("rack-even") : STRING_NULL;
    record->log_dirs_count = 1;
    record->log_dirs = arena_need(&fixture->arena, 1, sizeof(*record->log_dirs));
    record->log_dirs[0] = uuid_of((uint8_t)(100 + id));
    return record;
}

void add_config(struct fixture *fixture, int8_t type, const char *resource, const char *name, const char *value)
{
    struct config_record *record = record_list_add(&fixture->records, METADATA_CONFIG_RECORD);

    record->resource_type = type;
    record->resource_name = string_of(resource);
    record->name = string_of(name);
    record->value = string_of(value);
}

void add_everything(struct fixture *fixture)
{
    struct register_controller_record *controller;
    struct feature_level_record *feature;
    struct producer_ids_record *ids;
    struct partition_change_record *change;

    feature = record_list_add(&fixture->records, METADATA_FEATURE_LEVEL_RECORD);
    feature->name = STRING("metadata.version");
    feature->feature_level = 30;
    controller = record_list_add(&fixture->records, METADATA_REGISTER_CONTROLLER_RECORD);
    controller->controller_id = 1000;
    controller->incarnation_id = uuid_of(9);
    controller->end_points_count = 1;
    controller->end_points = arena_need(&fixture->arena, 1, sizeof(*controller->end_points));
    controller->end_points[0].name = STRING("CONTROLLER");
    controller->end_points[0].host = STRING("c.example");
    controller->end_points[0].port = 9093;
    add_broker(fixture, 1);
    add_broker(fixture, 2)->fenced = false;
    add_broker(fixture, 3)->in_controlled_shutdown = true;
    add_topic(fixture, "orders", 1, 300);
    add_topic(fixture, "a", 2, 1);
    change = add_change(fixture, 1, 299);
    change->leader = -1;
    change->isr_count = 1;
    change->isr = arena_need(&fixture->arena, 1, sizeof(int32_t));
    change->isr[0] = 2;
    change->eligible_leader_replicas_count = 1;
    change->eligible_leader_replicas = arena_need(&fixture->arena, 1, sizeof(int32_t));
    change->eligible_leader_replicas[0] = 3;
    change->last_known_elr_count = 1;
    change->last_known_elr = arena_need(&fixture->arena, 1, sizeof(int32_t));
    change->last_known_elr[0] = 1;
    add_config(fixture, CONFIG_TOPIC, "orders", "retention.ms", "1000");
    add_config(fixture, CONFIG_TOPIC, "orders", "cleanup.policy", "");
    add_config(fixture, CONFIG_BROKER, "", "log.retention.ms", "5");
    add_config(fixture, CONFIG_BROKER, "2", "message.max.bytes", "7");
    ids = record_list_add(&fixture->records, METADATA_PRODUCER_IDS_RECORD);
    ids->next_producer_id = 5000;
}

int main(void)
{
    int failed = 0;

    failed += run_ordered_tests();
    failed += run_records_tests();
    failed += run_image_tests();
    failed += run_snapshot_tests();
    failed += run_compare_tests();
    return failed == 0 ? 0 : 1;
}
