/* Differences between two images, written down as text. */
#include "tests/unit/metadata/fixture.h"

#include "common/base/buffer.h"

static void on_topic_added(void *context, const struct topic_image *topic)
{
    buffer_append_format(context, "+%.*s ", STRING_ARGS(topic_image_name(topic)));
}

static void on_topic_removed(void *context, const struct topic_image *topic)
{
    buffer_append_format(context, "-%.*s ", STRING_ARGS(topic_image_name(topic)));
}

static void on_partition(void *context, const struct topic_image *topic, int32_t partition)
{
    buffer_append_format(context, "%.*s/%d ", STRING_ARGS(topic_image_name(topic)), partition);
}

static void on_config(void *context, enum config_resource type, struct string resource)
{
    buffer_append_format(context, "config:%d:%.*s ", (int)type, STRING_ARGS(resource));
}

static void on_broker(void *context, int32_t id)
{
    buffer_append_format(context, "broker:%d ", id);
}

static const struct image_changes narrate = {on_topic_added, on_topic_removed, on_partition, on_config, on_broker};

static void assert_changes(const struct image *before, const struct image *after, const char *expected)
{
    struct buffer text;

    buffer_init(&text);
    image_compare(before, after, &narrate, &text);
    buffer_append(&text, "", 1);
    assert_string_equal((const char *)text.data, expected);
    buffer_deinit(&text);
}

static void compared_with_nothing_everything_is_new(void **state)
{
    struct fixture *fixture = *state;

    add_broker(fixture, 4);
    add_topic(fixture, "a", 1, 2);
    add_config(fixture, CONFIG_TOPIC, "a", "flush.ms", "1");
    fixture_must_apply(fixture);
    assert_changes(NULL, fixture->image, "broker:4 +a a/0 a/1 config:2:a ");
}

static void only_what_changed_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct image *before;

    add_everything(fixture);
    fixture_must_apply(fixture);
    before = image_ref(fixture->image);
    assert_changes(before, fixture->image, "");
    add_change(fixture, 1, 0)->leader = 2;
    add_change(fixture, 1, 270)->leader = 2;
    add_partitions(fixture, 2, 1, 1);
    add_config(fixture, CONFIG_BROKER, "", "x", "y");
    add_broker(fixture, 9);
    add_topic(fixture, "z", 3, 0);
    fixture_must_apply(fixture);
    assert_changes(before, fixture->image, "broker:9 a/1 orders/0 orders/270 +z config:4: ");
    image_unref(before);
}

static void a_topic_created_again_is_removed_and_added(void **state)
{
    struct fixture *fixture = *state;
    struct image *before;

    add_topic(fixture, "a", 1, 2);
    add_config(fixture, CONFIG_TOPIC, "a", "flush.ms", "1");
    fixture_must_apply(fixture);
    before = image_ref(fixture->image);
    ((struct remove_topic_record *)record_list_add(&fixture->records,
                                                   METADATA_REMOVE_TOPIC_RECORD))->topic_id = uuid_of(1);
    add_topic(fixture, "a", 2, 1);
    fixture_must_apply(fixture);
    assert_changes(before, fixture->image, "-a +a a/0 config:2:a ");
    image_unref(before);
}

static void an_equal_image_from_a_snapshot_has_no_differences(void **state)
{
    struct fixture *fixture = *state;
    struct image *loaded = image_create();
    struct buffer snapshot;

    add_everything(fixture);
    fixture_must_apply(fixture);
    buffer_init(&snapshot);
    image_write_snapshot(fixture->image, 0, 5000, &snapshot);
    assert_int_equal(image_load_snapshot(&loaded, buffer_bytes(&snapshot), 1000, 0), STATUS_OK);
    assert_changes(fixture->image, loaded, "");
    assert_changes(loaded, fixture->image, "");
    image_unref(loaded);
    buffer_deinit(&snapshot);
}

int run_compare_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compared_with_nothing_everything_is_new, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(only_what_changed_is_told, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_topic_created_again_is_removed_and_added, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_equal_image_from_a_snapshot_has_no_differences, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
