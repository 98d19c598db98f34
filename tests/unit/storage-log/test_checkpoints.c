/* The small files of a log directory. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/log/log_directory.h"

#include <stdio.h>

#define DATA "/data"
#define CHECKPOINT_PATH DATA "/" CHECKPOINT_RECOVERY_POINT

static int directory_setup(void **state)
{
    const int result = world_setup(state);
    struct world *world = *state;

    assert_int_equal(disk_make_directories(&world->memory.disk, DATA), STATUS_OK);
    return result;
}

static void file_put(struct world *world, const char *path, const char *text)
{
    assert_int_equal(disk_replace_file(&world->memory.disk, path, bytes_of(text, strlen(text))), STATUS_OK);
}

static void assert_file(struct world *world, const char *path, const char *text)
{
    const struct buffer *contents = memory_disk_contents(&world->memory, path);

    assert_non_null(contents);
    assert_int_equal(contents->size, strlen(text));
    assert_memory_equal(contents->data, text, contents->size);
}

struct seen_entries {
    int count;
    char text[256];
};

static void see_entry(void *context, const struct checkpoint_entry *entry)
{
    struct seen_entries *seen = context;
    const size_t size = strlen(seen->text);

    seen->count++;
    snprintf(seen->text + size, sizeof(seen->text) - size, "%.*s/%d=%lld;", STRING_ARGS(entry->topic), entry->partition,
             (long long)entry->offset);
}

static void a_checkpoint_is_read_as_it_was_written(void **state)
{
    struct world *world = *state;
    struct checkpoint_draft draft;
    struct seen_entries seen = {0};

    assert_int_equal(checkpoint_read(&world->memory.disk, CHECKPOINT_PATH, see_entry, &seen), STATUS_NOT_FOUND);
    checkpoint_draft_init(&draft);
    assert_int_equal(checkpoint_draft_write(&draft, &world->memory.disk, CHECKPOINT_PATH), STATUS_OK);
    assert_file(world, CHECKPOINT_PATH, "0\n0\n");
    assert_int_equal(checkpoint_read(&world->memory.disk, CHECKPOINT_PATH, see_entry, &seen), STATUS_OK);
    checkpoint_draft_add(&draft, &(struct checkpoint_entry){.topic = STRING("events"), .partition = 12,
                                                            .offset = INT64_C(5000000000)});
    checkpoint_draft_add(&draft, &(struct checkpoint_entry){.topic = STRING("a.b-c_d"), .partition = 0, .offset = 0});
    assert_int_equal(checkpoint_draft_write(&draft, &world->memory.disk, CHECKPOINT_PATH), STATUS_OK);
    checkpoint_draft_deinit(&draft);
    assert_file(world, CHECKPOINT_PATH, "0\n2\nevents 12 5000000000\na.b-c_d 0 0\n");
    assert_int_equal(checkpoint_read(&world->memory.disk, CHECKPOINT_PATH, see_entry, &seen), STATUS_OK);
    assert_string_equal(seen.text, "events/12=5000000000;a.b-c_d/0=0;");
}

static void a_damaged_checkpoint_is_believed_in_nothing(void **state)
{
    static const char *const texts[] = {"",
                                        "0\n",
                                        "1\n0\n",
                                        "0\n1\n",
                                        "0\n2\na 0 1\n",
                                        "0\n1\na 0 1\nb 0 1\n",
                                        "0\n1\na 0 x\n",
                                        "0\n1\na 0 -1\n",
                                        "0\n1\na 99999999999 1\n",
                                        "0\n1\na 0 9223372036854775808\n",
                                        "0\n1\na 0\n",
                                        "0\n1\n 0 1\n",
                                        "0\n1\na 0 1",
                                        "0\n99999999999\n",
                                        "garbage"};
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct seen_entries seen = {0};

        file_put(world, CHECKPOINT_PATH, texts[i]);
        assert_int_equal(checkpoint_read(&world->memory.disk, CHECKPOINT_PATH, see_entry, &seen), STATUS_CORRUPT);
        assert_int_equal(seen.count, 0);
    }
}

static void meta_properties_is_read_as_it_was_written_and_as_java_writes_it(void **state)
{
    struct world *world = *state;
    struct log_directory_meta meta = {.cluster_id = "MkU3OEVBNTcwNTJENDM2Qg", .node_id = 7, .directory_id = {{9}}};
    struct log_directory_meta found;

    assert_int_equal(log_directory_meta_read(&world->memory.disk, DATA, &found), STATUS_NOT_FOUND);
    assert_int_equal(log_directory_meta_write(&world->memory.disk, DATA, &meta), STATUS_OK);
    assert_file(world, DATA "/meta.properties",
                "version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=7\ndirectory.id=CQAAAAAAAAAAAAAAAAAAAA\n");
    assert_int_equal(log_directory_meta_read(&world->memory.disk, DATA, &found), STATUS_OK);
    assert_string_equal(found.cluster_id, meta.cluster_id);
    assert_int_equal(found.node_id, 7);
    assert_true(uuid_equal(found.directory_id, meta.directory_id));

    file_put(world, DATA "/meta.properties",
             "#\n#Sat Nov 21 10:00:00 UTC 2026\nnode.id=3\ncluster.id=a\\:b\\=c\nversion=1");
    assert_int_equal(log_directory_meta_read(&world->memory.disk, DATA, &found), STATUS_OK);
    assert_string_equal(found.cluster_id, "a:b=c");
    assert_int_equal(found.node_id, 3);
    assert_true(uuid_is_zero(found.directory_id));
}

static void a_wrong_meta_properties_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "version=1\n",
                                        "version=1\nnode.id=1\n",
                                        "version=1\ncluster.id=a\n",
                                        "node.id=1\ncluster.id=a\n",
                                        "version=x\nnode.id=1\ncluster.id=a\n",
                                        "version=1\nnode.id=-1\ncluster.id=a\n",
                                        "version=1\nnode.id=1\ncluster.id=a\ndirectory.id=short\n"};
    struct world *world = *state;
    struct log_directory_meta found;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        file_put(world, DATA "/meta.properties", texts[i]);
        assert_int_equal(log_directory_meta_read(&world->memory.disk, DATA, &found), STATUS_CORRUPT);
    }
    file_put(world, DATA "/meta.properties", "version=0\nbroker.id=1\ncluster.id=a\n");
    assert_int_equal(log_directory_meta_read(&world->memory.disk, DATA, &found), STATUS_UNSUPPORTED);
}

static void the_mark_of_a_clean_stop_holds_the_broker_epoch(void **state)
{
    struct world *world = *state;
    int64_t epoch = 0;

    assert_int_equal(log_directory_clean_read(&world->memory.disk, DATA, &epoch), STATUS_NOT_FOUND);
    assert_int_equal(log_directory_clean_write(&world->memory.disk, DATA, 42), STATUS_OK);
    assert_file(world, DATA "/.kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":42}");
    assert_int_equal(log_directory_clean_read(&world->memory.disk, DATA, &epoch), STATUS_OK);
    assert_int_equal(epoch, 42);
    file_put(world, DATA "/.kafka_cleanshutdown", "{ \"brokerEpoch\" : -1, \"version\" : 0 }\n");
    assert_int_equal(log_directory_clean_read(&world->memory.disk, DATA, &epoch), STATUS_OK);
    assert_int_equal(epoch, -1);
    file_put(world, DATA "/.kafka_cleanshutdown", "");
    assert_int_equal(log_directory_clean_read(&world->memory.disk, DATA, &epoch), STATUS_CORRUPT);
    assert_int_equal(log_directory_clean_remove(&world->memory.disk, DATA), STATUS_OK);
    memory_disk_crash(&world->memory, MEMORY_CRASH_LOSES);
    assert_int_equal(log_directory_clean_read(&world->memory.disk, DATA, &epoch), STATUS_NOT_FOUND);
    assert_int_equal(log_directory_clean_remove(&world->memory.disk, DATA), STATUS_OK);
}

static void a_directory_is_locked_once(void **state)
{
    struct world *world = *state;
    struct file *lock;
    struct file *second;

    assert_int_equal(log_directory_lock(&world->memory.disk, DATA, &lock), STATUS_OK);
    assert_int_equal(log_directory_lock(&world->memory.disk, DATA, &second), STATUS_LOCKED);
    file_unref(lock);
    assert_int_equal(log_directory_lock(&world->memory.disk, DATA, &lock), STATUS_OK);
    file_unref(lock);
}

static void names_of_directories_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        enum log_directory_item item;
        const char *topic;
        int32_t partition;
    } cases[] = {
        {"events-0", LOG_DIRECTORY_PARTITION, "events", 0},
        {"__consumer_offsets-49", LOG_DIRECTORY_PARTITION, "__consumer_offsets", 49},
        {"a-b-c-2147483647", LOG_DIRECTORY_PARTITION, "a-b-c", 2147483647},
        {"a-2147483648", LOG_DIRECTORY_OTHER, NULL, -1},
        {"a-01", LOG_DIRECTORY_OTHER, NULL, -1},
        {"-1", LOG_DIRECTORY_OTHER, NULL, -1},
        {"a-", LOG_DIRECTORY_OTHER, NULL, -1},
        {"..-1", LOG_DIRECTORY_OTHER, NULL, -1},
        {"lost+found", LOG_DIRECTORY_OTHER, NULL, -1},
        {"a b-1", LOG_DIRECTORY_OTHER, NULL, -1},
        {"events-0.ab010000000000000000000000000000-delete", LOG_DIRECTORY_RETIRED, NULL, -1},
        {"events-0.ab010000000000000000000000000000-future", LOG_DIRECTORY_OTHER, NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct log_directory_entry entry;

        log_directory_entry_parse(cases[i].name, &entry);
        assert_int_equal(entry.item, cases[i].item);
        assert_int_equal(entry.partition, cases[i].partition);
        assert_true(string_equal(entry.topic, string_of(cases[i].topic)));
    }
}

static void count_partitions(void *context, const struct log_directory_entry *entry)
{
    *(int *)context += entry->item == LOG_DIRECTORY_PARTITION ? 1 : 0;
}

static void partitions_of_a_directory_are_listed(void **state)
{
    struct world *world = *state;
    int count = 0;

    world_open(world, false);
    world_fill(world, 1, 10);
    assert_int_equal(log_directory_list(&world->memory.disk, DATA, count_partitions, &count), STATUS_OK);
    assert_int_equal(count, 1);
}

int test_checkpoints(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, directory_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_checkpoint_is_read_as_it_was_written),
        LOG_TEST(a_damaged_checkpoint_is_believed_in_nothing),
        LOG_TEST(meta_properties_is_read_as_it_was_written_and_as_java_writes_it),
        LOG_TEST(a_wrong_meta_properties_is_refused),
        LOG_TEST(the_mark_of_a_clean_stop_holds_the_broker_epoch),
        LOG_TEST(a_directory_is_locked_once),
        cmocka_unit_test(names_of_directories_are_told_apart),
        LOG_TEST(partitions_of_a_directory_are_listed),
    };

    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
