/* Replaying records into an image, and sharing it. */
#include "tests/unit/metadata/fixture.h"

static struct partition_image partition_of(const struct image *image, const char *topic, int32_t index)
{
    struct partition_image partition;
    const struct topic_image *found = image_topic_by_name(image, string_of(topic));

    assert_non_null(found);
    assert_true(topic_image_partition(found, index, &partition));
    return partition;
}

static void an_empty_image_has_nothing_in_it(void **state)
{
    struct fixture *fixture = *state;
    const struct image *image = fixture->image;

    assert_int_equal(image_offset(image), -1);
    assert_int_equal(image_epoch(image), -1);
    assert_int_equal(image_topic_count(image), 0);
    assert_int_equal(image_broker_count(image), 0);
    assert_null(image_topic_by_name(image, STRING("a")));
    assert_null(image_topic_by_id(image, uuid_of(1)));
    assert_null(image_broker(image, 0));
    assert_null(image_config(image, CONFIG_TOPIC, STRING("a"), STRING("b")).data);
    assert_int_equal(image_feature(image, STRING("metadata.version")), 0);
    assert_int_equal(image_topic_lower_bound(image, STRING("a")), 0);
}

static void every_record_arrives_in_the_image(void **state)
{
    struct fixture *fixture = *state;
    const struct image *image;
    const struct broker_image *broker;
    struct partition_image partition;

    add_everything(fixture);
    fixture_must_apply(fixture);
    image = fixture->image;
    assert_int_equal(image_epoch(image), 3);
    assert_int_equal(image_feature(image, STRING("metadata.version")), 30);
    assert_int_equal(image_controller_count(image), 1);
    assert_true(string_is(image_controller_at(image, 0)->endpoints[0].host, "c.example"));
    broker = image_broker(image, 2);
    assert_non_null(broker);
    assert_false(broker->fenced);
    assert_int_equal(broker->epoch, 3); /* the offset of its record: the fourth */
    assert_true(string_is(broker->rack, "rack-even"));
    assert_true(string_is(broker->endpoints[1].host, "two.example"));
    assert_int_equal(broker->endpoints[1].port, 9093);
    assert_int_equal(broker->features[0].level_max, 31);
    assert_true(uuid_equal(broker->log_dirs[0], uuid_of(102)));
    assert_null(image_broker(image, 1)->rack.data);
    assert_true(image_broker(image, 3)->in_controlled_shutdown);
    assert_true(string_is(topic_image_name(image_topic_at(image, 0)), "a"));
    assert_true(uuid_equal(topic_image_id(image_topic_at(image, 1)), uuid_of(1)));
    assert_int_equal(image_partition_count(image), 301);
    partition = partition_of(image, "orders", 298);
    assert_int_equal(partition.leader, 1);
    assert_int_equal(partition.isr_count, 3);
    assert_int_equal(partition.replicas[2], 3);
    assert_true(uuid_equal(partition.directories[2], uuid_of(102)));
    partition = partition_of(image, "orders", 299);
    assert_int_equal(partition.leader, -1);
    assert_int_equal(partition.leader_epoch, 1);
    assert_int_equal(partition.partition_epoch, 1);
    assert_int_equal(partition.isr[0], 2);
    assert_int_equal(partition.elr[0], 3);
    assert_int_equal(partition.last_known_elr[0], 1);
    assert_true(uuid_equal(partition.directories[1], uuid_of(101)));
    assert_int_equal(image_next_producer_id(image), 5000);
}

static void configs_can_be_set_changed_removed_and_listed(void **state)
{
    struct fixture *fixture = *state;

    add_everything(fixture);
    add_config(fixture, CONFIG_TOPIC, "orders", "retention.ms", "2000");
    add_config(fixture, CONFIG_TOPIC, "orders", "a.b", "c");
    add_config(fixture, CONFIG_BROKER, "2", "message.max.bytes", NULL);
    fixture_must_apply(fixture);
    assert_true(string_is(image_config(fixture->image, CONFIG_TOPIC, STRING("orders"), STRING("retention.ms")),
                          "2000"));
    /* Set to nothing is not the same as not set. */
    assert_true(string_is(image_config(fixture->image, CONFIG_TOPIC, STRING("orders"), STRING("cleanup.policy")), ""));
    assert_int_equal(image_config_count(fixture->image, CONFIG_TOPIC, STRING("orders")), 3);
    assert_true(string_is(image_config_at(fixture->image, CONFIG_TOPIC, STRING("orders"), 0).name, "a.b"));
    assert_int_equal(image_config_resource_count(fixture->image, CONFIG_BROKER), 1);
    assert_true(string_is(image_config_resource_at(fixture->image, CONFIG_BROKER, 0), ""));
    assert_int_equal(image_config_resource_count(fixture->image, CONFIG_TOPIC), 1);
    assert_int_equal(image_config_resource_count(fixture->image, CONFIG_GROUP), 0);
}

static void a_removed_topic_takes_its_partitions_and_configs_along(void **state)
{
    struct fixture *fixture = *state;

    add_everything(fixture);
    ((struct remove_topic_record *)record_list_add(&fixture->records,
                                                   METADATA_REMOVE_TOPIC_RECORD))->topic_id = uuid_of(1);
    fixture_must_apply(fixture);
    assert_null(image_topic_by_name(fixture->image, STRING("orders")));
    assert_null(image_topic_by_id(fixture->image, uuid_of(1)));
    assert_int_equal(image_partition_count(fixture->image), 1);
    assert_int_equal(image_config_count(fixture->image, CONFIG_TOPIC, STRING("orders")), 0);
    assert_non_null(image_topic_by_name(fixture->image, STRING("a")));
}

static void the_leader_epoch_grows_with_the_leader_and_the_partition_epoch_always(void **state)
{
    struct fixture *fixture = *state;
    struct partition_change_record *change;
    struct partition_image partition;

    add_topic(fixture, "a", 1, 1);
    change = add_change(fixture, 1, 0);
    change->isr_count = 2;
    change->isr = arena_need(&fixture->arena, 2, sizeof(int32_t));
    change->isr[0] = 1;
    change->isr[1] = 3;
    fixture_must_apply(fixture);
    partition = partition_of(fixture->image, "a", 0);
    assert_int_equal(partition.leader_epoch, 0);
    assert_int_equal(partition.partition_epoch, 1);
    assert_int_equal(partition.isr_count, 2);
    add_change(fixture, 1, 0)->leader = 3;
    fixture_must_apply(fixture);
    partition = partition_of(fixture->image, "a", 0);
    assert_int_equal(partition.leader, 3);
    assert_int_equal(partition.leader_epoch, 1);
    assert_int_equal(partition.partition_epoch, 2);
    assert_int_equal(partition.isr_count, 2);
    assert_int_equal(partition.isr[1], 3);
}

static void brokers_are_fenced_changed_and_unregistered_by_epoch(void **state)
{
    struct fixture *fixture = *state;
    struct broker_registration_change_record *change;
    struct unregister_broker_record *unregister;

    add_broker(fixture, 1);
    fixture_must_apply(fixture);
    assert_true(image_broker(fixture->image, 1)->fenced);
    change = record_list_add(&fixture->records, METADATA_BROKER_REGISTRATION_CHANGE_RECORD);
    change->broker_id = 1;
    change->fenced = -1;
    change->log_dirs_count = 1;
    change->log_dirs = arena_need(&fixture->arena, 1, sizeof(struct uuid));
    change->log_dirs[0] = uuid_of(77);
    fixture_must_apply(fixture);
    assert_false(image_broker(fixture->image, 1)->fenced);
    assert_true(uuid_equal(image_broker(fixture->image, 1)->log_dirs[0], uuid_of(77)));
    assert_int_equal(image_broker(fixture->image, 1)->endpoint_count, 2);
    unregister = record_list_add(&fixture->records, METADATA_UNREGISTER_BROKER_RECORD);
    unregister->broker_id = 1;
    unregister->broker_epoch = 5;
    assert_int_equal(fixture_apply(fixture), STATUS_INVALID);
    unregister = record_list_add(&fixture->records, METADATA_UNREGISTER_BROKER_RECORD);
    unregister->broker_id = 1;
    fixture_must_apply(fixture);
    assert_null(image_broker(fixture->image, 1));
}

/* Each adds one record that contradicts an image with topic "a" (id 1) of one partition. */
static void bad_topic_name(struct fixture *fixture)
{
    add_topic(fixture, "a", 2, 0);
}
static void bad_topic_id(struct fixture *fixture)
{
    add_topic(fixture, "b", 1, 0);
}
static void bad_partition_gap(struct fixture *fixture)
{
    add_partitions(fixture, 1, 2, 1);
}
static void bad_partition_topic(struct fixture *fixture)
{
    add_partitions(fixture, 9, 0, 1);
}
static void bad_leader(struct fixture *fixture)
{
    add_change(fixture, 1, 0)->leader = 4;
}
static void bad_change_index(struct fixture *fixture)
{
    add_change(fixture, 1, 1)->leader = 2;
}
static void bad_isr(struct fixture *fixture)
{
    struct partition_change_record *change = add_change(fixture, 1, 0);

    change->isr_count = 2;
    change->isr = arena_need(&fixture->arena, 2, sizeof(int32_t));
    change->isr[0] = 1;
    change->isr[1] = 9;
}
static void bad_replicas(struct fixture *fixture)
{
    struct partition_record *record;

    add_partitions(fixture, 1, 1, 1);
    record = fixture->records.records[fixture->records.count - 1].message;
    record->replicas_count = METADATA_REPLICAS_MAX + 1;
    record->replicas = arena_need(&fixture->arena, METADATA_REPLICAS_MAX + 1, sizeof(int32_t));
    for (int32_t i = 0; i <= METADATA_REPLICAS_MAX; i++) {
        record->replicas[i] = i;
    }
}
static void bad_directories(struct fixture *fixture)
{
    add_partitions(fixture, 1, 1, 1);
    ((struct partition_record *)fixture->records.records[fixture->records.count - 1].message)->directories_count = 2;
}
static void bad_config_type(struct fixture *fixture)
{
    add_config(fixture, 3, "x", "y", "z");
}
static void bad_endpoints(struct fixture *fixture)
{
    struct register_broker_record *record = add_broker(fixture, 1);

    record->end_points_count = METADATA_ENDPOINTS_MAX + 1;
    record->end_points = arena_need(&fixture->arena, METADATA_ENDPOINTS_MAX + 1, sizeof(*record->end_points));
}
static void bad_transaction(struct fixture *fixture)
{
    record_list_add(&fixture->records, METADATA_BEGIN_TRANSACTION_RECORD);
}

static void records_that_contradict_the_image_are_invalid(void **state)
{
    void (*const bad[])(struct fixture *fixture) = {
        bad_topic_name, bad_topic_id, bad_partition_gap, bad_partition_topic, bad_leader,    bad_change_index,
        bad_isr,        bad_replicas, bad_directories,   bad_config_type,     bad_endpoints, bad_transaction};
    struct fixture *fixture = *state;

    add_topic(fixture, "a", 1, 1);
    fixture_must_apply(fixture);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        const uint64_t hash = image_hash(fixture->image);

        bad[i](fixture);
        assert_int_equal(fixture_apply(fixture), STATUS_INVALID);
        assert_int_equal(image_hash(fixture->image), hash);
    }
}

static void a_damaged_batch_is_corrupt_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct buffer batch;
    uint64_t hash;

    add_topic(fixture, "a", 1, 1);
    fixture_must_apply(fixture);
    hash = image_hash(fixture->image);
    buffer_init(&batch);
    add_topic(fixture, "b", 2, 2);
    record_list_encode(&fixture->records, 0, &batch);
    batch_assign((struct space){batch.data, batch.size}, 100, 0);
    for (size_t i = 12; i < batch.size; i++) {
        if (i >= 12 && i < 16) {
            continue; /* the leader epoch is not under the checksum */
        }
        batch.data[i] ^= 0x10;
        assert_int_equal(image_apply_batch(&fixture->image, buffer_bytes(&batch)), STATUS_CORRUPT);
        batch.data[i] ^= 0x10;
    }
    assert_int_equal(image_hash(fixture->image), hash);
    assert_int_equal(image_apply_batch(&fixture->image, buffer_bytes(&batch)), STATUS_OK);
    assert_int_equal(image_offset(fixture->image), 103 - 1);
    /* The same batch again is behind the image. */
    assert_int_equal(image_apply_batch(&fixture->image, buffer_bytes(&batch)), STATUS_INVALID);
    buffer_deinit(&batch);
}

static void a_shared_image_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct image *shared;
    uint64_t hash;

    add_everything(fixture);
    fixture_must_apply(fixture);
    shared = image_ref(fixture->image);
    hash = image_hash(shared);
    add_change(fixture, 1, 7)->leader = 2;
    add_partitions(fixture, 1, 300, 1);
    add_config(fixture, CONFIG_TOPIC, "a", "flush.ms", "1");
    add_broker(fixture, 2);
    add_topic(fixture, "new", 8, 1);
    fixture_must_apply(fixture);
    assert_ptr_not_equal(fixture->image, shared);
    assert_int_equal(image_hash(shared), hash);
    assert_int_not_equal(image_hash(fixture->image), hash);
    assert_int_equal(partition_of(shared, "orders", 7).leader, 1);
    assert_int_equal(partition_of(fixture->image, "orders", 7).leader, 2);
    /* What no record touched is the same object. */
    assert_ptr_equal(image_topic_by_name(shared, STRING("a")), image_topic_by_name(fixture->image, STRING("a")));
    assert_ptr_not_equal(image_topic_by_name(shared, STRING("orders")),
                         image_topic_by_name(fixture->image, STRING("orders")));
    assert_ptr_equal(image_broker(shared, 1), image_broker(fixture->image, 1));
    image_unref(shared);
}

static void an_image_that_nobody_shares_is_changed_in_place(void **state)
{
    struct fixture *fixture = *state;
    const struct image *image;
    const struct topic_image *topic;

    add_topic(fixture, "a", 1, 3);
    fixture_must_apply(fixture);
    image = fixture->image;
    topic = image_topic_by_name(image, STRING("a"));
    add_change(fixture, 1, 1)->leader = 3;
    fixture_must_apply(fixture);
    assert_ptr_equal(fixture->image, image);
    assert_ptr_equal(image_topic_by_name(image, STRING("a")), topic);
}

static void an_isr_that_shrinks_and_grows_a_thousand_times_keeps_its_neighbours(void **state)
{
    struct fixture *fixture = *state;

    add_topic(fixture, "a", 1, 10);
    fixture_must_apply(fixture);
    for (int32_t i = 0; i < 1000; i++) {
        struct partition_change_record *change = add_change(fixture, 1, i % 10);

        change->isr_count = 1 + i % 3;
        change->isr = arena_need(&fixture->arena, 3, sizeof(int32_t));
        for (int32_t j = 0; j < change->isr_count; j++) {
            change->isr[j] = j + 1;
        }
        change->last_known_elr_count = i % 2;
        change->last_known_elr = arena_need(&fixture->arena, 1, sizeof(int32_t));
        change->last_known_elr[0] = 3;
        fixture_must_apply(fixture);
    }
    for (int32_t i = 0; i < 10; i++) {
        const struct partition_image partition = partition_of(fixture->image, "a", i);

        assert_int_equal(partition.partition_epoch, 100);
        assert_int_equal(partition.isr_count, 1 + (990 + i) % 3);
        assert_int_equal(partition.replicas[2], 3);
        assert_true(uuid_equal(partition.directories[2], uuid_of(102)));
    }
}

int run_image_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_image_has_nothing_in_it, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(every_record_arrives_in_the_image, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(configs_can_be_set_changed_removed_and_listed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_removed_topic_takes_its_partitions_and_configs_along, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_leader_epoch_grows_with_the_leader_and_the_partition_epoch_always,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(brokers_are_fenced_changed_and_unregistered_by_epoch, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(records_that_contradict_the_image_are_invalid, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_batch_is_corrupt_and_changes_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_shared_image_stays_as_it_is, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_image_that_nobody_shares_is_changed_in_place, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_isr_that_shrinks_and_grows_a_thousand_times_keeps_its_neighbours,
                                        fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
