/* Snapshots: an image as records and back. */
#include "tests/unit/metadata/fixture.h"

static void a_snapshot_gives_an_equal_image(void **state)
{
    struct fixture *fixture = *state;
    const size_t sizes[] = {1, 300, 1 << 20};
    struct buffer snapshot;

    add_everything(fixture);
    fixture_must_apply(fixture);
    buffer_init(&snapshot);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct image *loaded = image_create();

        buffer_clear(&snapshot);
        image_write_snapshot(fixture->image, 77, sizes[i], &snapshot);
        assert_int_equal(image_load_snapshot(&loaded, buffer_bytes(&snapshot), 900, 8), STATUS_OK);
        assert_int_equal(image_hash(loaded), image_hash(fixture->image));
        assert_int_equal(image_offset(loaded), 900);
        assert_int_equal(image_epoch(loaded), 8);
        assert_int_equal(image_broker(loaded, 2)->epoch, image_broker(fixture->image, 2)->epoch);
        image_unref(loaded);
    }
    buffer_deinit(&snapshot);
}

static void an_empty_image_has_a_snapshot_too(void **state)
{
    struct fixture *fixture = *state;
    struct buffer snapshot;

    buffer_init(&snapshot);
    image_write_snapshot(fixture->image, 0, 4096, &snapshot);
    assert_int_equal(image_load_snapshot(&fixture->image, buffer_bytes(&snapshot), 0, 0), STATUS_OK);
    assert_int_equal(image_topic_count(fixture->image), 0);
    buffer_deinit(&snapshot);
}

static void a_snapshot_cut_anywhere_is_corrupt_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct buffer snapshot;
    const struct image *before;

    add_broker(fixture, 1);
    add_topic(fixture, "a", 1, 2);
    fixture_must_apply(fixture);
    buffer_init(&snapshot);
    image_write_snapshot(fixture->image, 0, 100, &snapshot);
    before = fixture->image;
    for (size_t size = 0; size < snapshot.size; size++) {
        assert_int_equal(image_load_snapshot(&fixture->image, bytes_of(snapshot.data, size), 5, 0), STATUS_CORRUPT);
        assert_ptr_equal(fixture->image, before);
    }
    image_write_snapshot(fixture->image, 0, 100, &snapshot);
    assert_int_equal(image_load_snapshot(&fixture->image, buffer_bytes(&snapshot), 5, 0), STATUS_CORRUPT);
    assert_int_equal(image_offset(fixture->image), 3);
    buffer_deinit(&snapshot);
}

static void a_loaded_image_goes_on_with_the_log(void **state)
{
    struct fixture *fixture = *state;
    struct image *loaded = image_create();
    struct buffer snapshot;

    add_everything(fixture);
    fixture_must_apply(fixture);
    buffer_init(&snapshot);
    image_write_snapshot(fixture->image, 77, 1000, &snapshot);
    assert_int_equal(image_load_snapshot(&loaded, buffer_bytes(&snapshot), image_offset(fixture->image),
                                         image_epoch(fixture->image)),
                     STATUS_OK);
    add_change(fixture, 1, 299)->leader = 2;
    add_config(fixture, CONFIG_TOPIC, "orders", "retention.ms", NULL);
    fixture_must_apply(fixture);
    assert_int_equal(image_apply_batch(&loaded, buffer_bytes(&fixture->batch)), STATUS_OK);
    assert_int_equal(image_hash(loaded), image_hash(fixture->image));
    assert_int_equal(image_offset(loaded), image_offset(fixture->image));
    image_unref(loaded);
    buffer_deinit(&snapshot);
}

static void the_hash_tells_any_difference(void **state)
{
    struct fixture *fixture = *state;
    uint64_t hashes[8];

    for (size_t i = 0; i < ARRAY_COUNT(hashes); i++) {
        switch (i) {
        case 1:
            add_change(fixture, 1, 0)->leader = 2;
            break;
        case 2:
            add_config(fixture, CONFIG_TOPIC, "orders", "retention.ms", "1001");
            break;
        case 3:
            add_config(fixture, CONFIG_TOPIC, "orders", "retention.ms", NULL);
            break;
        case 4:
            add_broker(fixture, 1)->rack = STRING("");
            break;
        case 5:
            add_topic(fixture, "b", 5, 0);
            break;
        case 6:
            ((struct producer_ids_record *)record_list_add(&fixture->records, METADATA_PRODUCER_IDS_RECORD))
                ->next_producer_id = 6000;
            break;
        case 7:
            add_broker(fixture, 2)->fenced = true;
            break;
        default:
            add_everything(fixture);
            break;
        }
        fixture_must_apply(fixture);
        hashes[i] = image_hash(fixture->image);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(hashes[i], hashes[j]);
        }
    }
}

int run_snapshot_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_snapshot_gives_an_equal_image, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_image_has_a_snapshot_too, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_cut_anywhere_is_corrupt_and_changes_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_loaded_image_goes_on_with_the_log, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_hash_tells_any_difference, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
