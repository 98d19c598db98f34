/* Log directories: whose they are, where partitions lie, what the checkpoints and the clean mark promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/prng.h"
#include "common/env/disk.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/log/log_directory.h"
#include "tests/support/memory_disk.h"

#include <stdio.h>

struct fixture {
    struct memory_disk disk;
    struct prng prng;
    struct arena arena;
    struct directories *directories;
    struct string paths[3];
    struct directories_options options;
    char problem[512];
    size_t seen;
    struct checkpoint_entry last_seen;
    char last_topic[64];
    int64_t last_start;
};

static uint64_t next_random(void *context)
{
    return prng_next(context);
}

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    memory_disk_init(&fixture->disk, 1);
    prng_init(&fixture->prng, 4);
    arena_init(&fixture->arena, 1 << 20);
    fixture->paths[0] = STRING("/a");
    fixture->paths[1] = STRING("/b/data");
    fixture->paths[2] = STRING("/c");
    fixture->options = (struct directories_options){.disk = &fixture->disk.disk,
                                                    .paths = fixture->paths,
                                                    .count = 2,
                                                    .node_id = 7,
                                                    .cluster_id = STRING("cluster-one"),
                                                    .random = next_random,
                                                    .random_context = &fixture->prng};
    *state = fixture;
    return 0;
}

static void close_all(struct fixture *fixture)
{
    if (fixture->directories != NULL) {
        directories_close(fixture->directories);
        fixture->directories = NULL;
    }
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    close_all(fixture);
    arena_deinit(&fixture->arena);
    memory_disk_deinit(&fixture->disk);
    memory_free(fixture);
    return 0;
}

static void must_open(struct fixture *fixture)
{
    const enum status status = directories_open(&fixture->options, &fixture->directories, fixture->problem);

    if (status != STATUS_OK) {
        fail_msg("%s", fixture->problem);
    }
}

static void assert_refused(struct fixture *fixture, enum status status, const char *words)
{
    assert_int_equal(directories_open(&fixture->options, &fixture->directories, fixture->problem), status);
    assert_non_null(strstr(fixture->problem, words));
    fixture->directories = NULL;
}

static void make_partition(struct fixture *fixture, const char *path)
{
    assert_int_equal(disk_make_directories(&fixture->disk.disk, path), STATUS_OK);
}

static void write_file(struct fixture *fixture, const char *path, const char *text)
{
    assert_int_equal(disk_replace_file(&fixture->disk.disk, path, bytes_of(text, strlen(text))), STATUS_OK);
}

static struct directory_place place_of_topic(struct fixture *fixture, uint8_t id, const char *topic, int32_t partition)
{
    struct directory_place place;

    assert_true(directories_place(fixture->directories, &fixture->arena, (struct uuid){{id}}, string_of(topic),
                                  partition,
                                  &place));
    return place;
}

static struct directory_place place_of(struct fixture *fixture, const char *topic, int32_t partition)
{
    return place_of_topic(fixture, 1, topic, partition);
}

/* --- identity --- */

static void new_directories_are_made_and_marked(void **state)
{
    struct fixture *fixture = *state;
    struct log_directory_meta meta;
    struct uuid ids[2];

    must_open(fixture);
    assert_int_equal(directories_count(fixture->directories), 2);
    assert_string_equal(directories_path(fixture->directories, 1), "/b/data");
    assert_true(string_is(directories_cluster_id(fixture->directories), "cluster-one"));
    memcpy(ids, directories_ids(fixture->directories), sizeof(ids));
    assert_false(uuid_is_zero(ids[0]));
    assert_false(uuid_equal(ids[0], ids[1]));
    assert_int_equal(log_directory_meta_read(&fixture->disk.disk, "/b/data", &meta), STATUS_OK);
    assert_int_equal(meta.node_id, 7);
    assert_string_equal(meta.cluster_id, "cluster-one");
    close_all(fixture);
    /* They stay who they are, also if the cluster is not said. */
    fixture->options.cluster_id = STRING_NULL;
    must_open(fixture);
    assert_memory_equal(ids, directories_ids(fixture->directories), sizeof(ids));
    assert_true(string_is(directories_cluster_id(fixture->directories), "cluster-one"));
}

static void a_cluster_id_learned_later_is_written_everywhere(void **state)
{
    struct fixture *fixture = *state;
    struct log_directory_meta meta;
    char long_id[100];

    fixture->options.cluster_id = STRING_NULL;
    must_open(fixture);
    assert_null(directories_cluster_id(fixture->directories).data);
    assert_int_equal(log_directory_meta_read(&fixture->disk.disk, "/a", &meta), STATUS_NOT_FOUND);
    memset(long_id, 'x', sizeof(long_id));
    assert_int_equal(directories_set_cluster_id(fixture->directories, (struct string){long_id, sizeof(long_id)}),
                     STATUS_TOO_LARGE);
    assert_int_equal(directories_set_cluster_id(fixture->directories, STRING("learned")), STATUS_OK);
    assert_true(string_is(directories_cluster_id(fixture->directories), "learned"));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(log_directory_meta_read(&fixture->disk.disk, i == 0 ? "/a" : "/b/data", &meta), STATUS_OK);
        assert_string_equal(meta.cluster_id, "learned");
    }
}

static void directories_of_others_are_refused_with_a_sentence(void **state)
{
    struct fixture *fixture = *state;

    must_open(fixture);
    close_all(fixture);
    fixture->options.node_id = 8;
    assert_refused(fixture, STATUS_INVALID, "/a belongs to node 7, this is node 8");
    fixture->options.node_id = 7;
    fixture->options.cluster_id = STRING("other");
    assert_refused(fixture, STATUS_INVALID, "/a belongs to cluster cluster-one, not other");
    /* One of this cluster, one of another. */
    fixture->options.cluster_id = STRING_NULL;
    write_file(fixture, "/b/data/meta.properties",
               "version=1\ncluster.id=two\nnode.id=7\ndirectory.id=AAAAAAAAAAAAAAAAAAAAEg\n");
    assert_refused(fixture, STATUS_INVALID, "/b/data belongs to cluster two, not cluster-one");
    write_file(fixture, "/b/data/meta.properties", "version=9\ncluster.id=two\nnode.id=7\n");
    assert_refused(fixture, STATUS_UNSUPPORTED, "/b/data/meta.properties cannot be used");
    write_file(fixture, "/b/data/meta.properties", "garbage");
    assert_refused(fixture, STATUS_CORRUPT, "/b/data/meta.properties cannot be used");
}

static void copies_of_a_directory_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct buffer *contents;
    char text[500];

    must_open(fixture);
    close_all(fixture);
    contents = memory_disk_contents(&fixture->disk, "/a/meta.properties");
    snprintf(text, sizeof(text), "%.*s", (int)contents->size, (const char *)contents->data);
    write_file(fixture, "/b/data/meta.properties", text);
    assert_refused(fixture, STATUS_INVALID, "/a and /b/data have the same directory.id");
}

static void directories_without_ids_are_given_some(void **state)
{
    struct fixture *fixture = *state;
    struct uuid ids[2];

    for (size_t i = 0; i < 2; i++) {
        make_partition(fixture, i == 0 ? "/a" : "/b/data");
        write_file(fixture, i == 0 ? "/a/meta.properties" : "/b/data/meta.properties",
                   "version=1\ncluster.id=cluster-one\nnode.id=7\n");
    }
    must_open(fixture);
    memcpy(ids, directories_ids(fixture->directories), sizeof(ids));
    assert_false(uuid_is_zero(ids[0]));
    assert_false(uuid_equal(ids[0], ids[1]));
    close_all(fixture);
    must_open(fixture);
    assert_memory_equal(ids, directories_ids(fixture->directories), sizeof(ids));
}

static void a_locked_directory_is_refused_and_nothing_stays_locked(void **state)
{
    struct fixture *fixture = *state;
    struct file *lock;

    make_partition(fixture, "/b/data");
    assert_int_equal(log_directory_lock(&fixture->disk.disk, "/b/data", &lock), STATUS_OK);
    assert_refused(fixture, STATUS_LOCKED, "cannot lock /b/data");
    assert_non_null(strstr(fixture->problem, "another node runs on this directory"));
    file_unref(lock);
    must_open(fixture);
}

static void a_partition_that_lies_in_two_directories_is_refused(void **state)
{
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/events-0");
    make_partition(fixture, "/b/data/events-0");
    assert_refused(fixture, STATUS_INVALID, "events-0");
}

/* --- places --- */

static void new_partitions_go_where_fewest_are(void **state)
{
    struct fixture *fixture = *state;
    struct directory_place place;

    make_partition(fixture, "/a/old-0");
    make_partition(fixture, "/a/old-1");
    make_partition(fixture, "/a/not a partition");
    must_open(fixture);
    assert_int_equal(place_of(fixture, "new", 0).directory, 1);
    assert_int_equal(place_of(fixture, "new", 1).directory, 1);
    place = place_of(fixture, "new", 2);
    assert_int_equal(place.directory, 0);
    assert_string_equal(place.path, "/a/new-2");
    assert_false(place.exists);
    assert_int_equal(place.recovery_point, 0);
    /* Where it lies already, it stays. */
    place = place_of(fixture, "old", 1);
    assert_int_equal(place.directory, 0);
    assert_true(place.exists);
    place = place_of(fixture, "new", 0);
    assert_int_equal(place.directory, 1);
    /* Forgotten, it counts no more. */
    directories_forget(fixture->directories, STRING("new"), 1);
    directories_forget(fixture->directories, STRING("new"), 99);
    assert_int_equal(place_of(fixture, "next", 0).directory, 1);
}

static void failed_directories_get_no_partitions(void **state)
{
    struct fixture *fixture = *state;
    struct directory_place place;

    make_partition(fixture, "/a/old-0");
    must_open(fixture);
    assert_true(directories_fail(fixture->directories, 0));
    assert_false(directories_fail(fixture->directories, 0));
    assert_true(directories_failed(fixture->directories, 0));
    assert_int_equal(directories_working(fixture->directories), 1);
    assert_false(directories_place(fixture->directories, &fixture->arena, (struct uuid){{1}}, STRING("old"), 0,
                                   &place));
    assert_int_equal(place_of(fixture, "new", 0).directory, 1);
    assert_true(directories_fail(fixture->directories, 1));
    assert_false(directories_place(fixture->directories, &fixture->arena, (struct uuid){{1}}, STRING("new"), 1,
                                   &place));
}

static void on_stray(void *context, const char *path)
{
    struct fixture *fixture = context;

    fixture->seen++;
    assert_string_equal(path, "/a/gone-4");
}

static void partitions_that_lay_there_and_nobody_asked_for_are_strays(void **state)
{
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/kept-0");
    make_partition(fixture, "/a/gone-4");
    must_open(fixture);
    (void)place_of(fixture, "kept", 0);
    (void)place_of(fixture, "new", 0);
    directories_strays(fixture->directories, on_stray, fixture);
    assert_int_equal(fixture->seen, 1);
    assert_true(directories_found(fixture->directories, string_of("kept"), 0));
    assert_false(directories_found(fixture->directories, string_of("kept"), 1));
    assert_false(directories_found(fixture->directories, string_of("new"), 0));
    /* What was deleted and comes again has nothing to do with what was found. */
    directories_forget(fixture->directories, string_of("kept"), 0);
    (void)place_of(fixture, "kept", 0);
    assert_false(directories_found(fixture->directories, string_of("kept"), 0));
    directories_forget(fixture->directories, string_of("gone"), 4);
    directories_strays(fixture->directories, on_stray, fixture);
    assert_int_equal(fixture->seen, 1);
}

/* --- checkpoints and the clean mark --- */

static void on_unasked(void *context, uint16_t directory, struct string topic, int32_t partition,
                       struct uuid owner, int64_t recovery_point, int64_t log_start_offset)
{
    struct fixture *fixture = context;

    fixture->seen++;
    snprintf(fixture->last_topic, sizeof(fixture->last_topic), "%.*s", STRING_ARGS(topic));
    fixture->last_seen =
        (struct checkpoint_entry){.partition = partition, .offset = recovery_point, .owner = owner};
    fixture->last_start = log_start_offset;
    assert_int_equal(directory, 0);
}

static void checkpoints_are_read_and_kept_for_those_not_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct directory_place place;

    make_partition(fixture, "/a/my-events-12");
    make_partition(fixture, "/a/other-0");
    write_file(fixture, "/a/" CHECKPOINT_RECOVERY_POINT, "0\n3\nmy-events 12 500\nother 0 40\nnot-there 1 9\n");
    write_file(fixture, "/a/" CHECKPOINT_LOG_START, "0\n1\nmy-events 12 70\n");
    must_open(fixture);
    place = place_of(fixture, "other", 0);
    assert_int_equal(place.recovery_point, 40);
    assert_int_equal(place.log_start_offset, 0);
    directories_unasked(fixture->directories, on_unasked, fixture);
    assert_int_equal(fixture->seen, 1);
    assert_string_equal(fixture->last_topic, "my-events");
    assert_int_equal(fixture->last_seen.partition, 12);
    assert_int_equal(fixture->last_seen.offset, 500);
    assert_int_equal(fixture->last_start, 70);
    place = place_of(fixture, "my-events", 12);
    assert_int_equal(place.recovery_point, 500);
    assert_int_equal(place.log_start_offset, 70);
}

#define ID_1 "AQAAAAAAAAAAAAAAAAAAAA"
#define ID_2 "AgAAAAAAAAAAAAAAAAAAAA"
#define ID_0 "AAAAAAAAAAAAAAAAAAAAAA"

static void checkpoints_of_a_namesake_are_not_used(void **state)
{
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/t-0");
    make_partition(fixture, "/a/t-1");
    make_partition(fixture, "/a/t-2");
    make_partition(fixture, "/a/t-3");
    make_partition(fixture, "/a/t-4");
    write_file(fixture, "/a/" CHECKPOINT_RECOVERY_POINT, "0\n5\nt 0 5\nt 1 6\nt 2 7\nt 3 8\nt 4 9\n");
    write_file(fixture, "/a/" CHECKPOINT_LOG_START, "0\n3\nt 0 2\nt 1 3\nt 2 4\n");
    write_file(fixture, "/a/" CHECKPOINT_OWNERS, "0\n4\nt 0 " ID_1 "\nt 1 " ID_2 "\nt 2 " ID_0 "\nt 4 " ID_2 "\n");
    must_open(fixture);
    assert_int_equal(place_of_topic(fixture, 1, "t", 0).recovery_point, 5);
    assert_int_equal(place_of_topic(fixture, 1, "t", 0).log_start_offset, 2);
    assert_int_equal(place_of_topic(fixture, 1, "t", 1).recovery_point, 0);
    assert_int_equal(place_of_topic(fixture, 1, "t", 1).log_start_offset, 0);
    assert_int_equal(place_of_topic(fixture, 2, "t", 1).log_start_offset, 3);
    /* Nobody's: of whoever has the name. Not in the file: it is behind, and may be of a topic that is gone. */
    assert_int_equal(place_of_topic(fixture, 1, "t", 2).log_start_offset, 4);
    assert_int_equal(place_of_topic(fixture, 1, "t", 3).recovery_point, 0);
    /* What nobody has asked for is written again with its owner. */
    directories_unasked(fixture->directories, on_unasked, fixture);
    assert_int_equal(fixture->seen, 1);
    assert_int_equal(fixture->last_seen.offset, 9);
    assert_true(uuid_equal(fixture->last_seen.owner, (struct uuid){{2}}));
    close_all(fixture);
    write_file(fixture, "/a/" CHECKPOINT_OWNERS, "0\n1\nt 0 " ID_1 "x\n");
    must_open(fixture);
    assert_int_equal(place_of_topic(fixture, 1, "t", 0).log_start_offset, 0);
}

static void damaged_checkpoints_count_as_none(void **state)
{
    static const char *const TEXTS[] = {"", "0", "1\n1\nt 0 5\n", "0\n2\nt 0 5\n", "0\n1\nt 0 -5\n", "0\n1\nt 0 x\n",
                                        "0\n1\nt 0 99999999999999999999\n", "0\n99999999999\n", "\xff\xff\xff\xff"};
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/t-0");
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        write_file(fixture, "/a/" CHECKPOINT_RECOVERY_POINT, TEXTS[i]);
        must_open(fixture);
        assert_int_equal(place_of(fixture, "t", 0).recovery_point, 0);
        close_all(fixture);
    }
}

static void the_clean_mark_counts_only_if_all_directories_have_it(void **state)
{
    struct fixture *fixture = *state;

    must_open(fixture);
    close_all(fixture);
    assert_int_equal(log_directory_clean_write(&fixture->disk.disk, "/a", 31), STATUS_OK);
    must_open(fixture);
    assert_int_equal(directories_clean_epoch(fixture->directories), -1);
    assert_true(directories_may_be_clean(fixture->directories, 0));
    close_all(fixture);
    assert_int_equal(log_directory_clean_write(&fixture->disk.disk, "/b/data", 30), STATUS_OK);
    must_open(fixture);
    assert_int_equal(directories_clean_epoch(fixture->directories), -1);
    close_all(fixture);
    assert_int_equal(log_directory_clean_write(&fixture->disk.disk, "/b/data", 31), STATUS_OK);
    must_open(fixture);
    assert_int_equal(directories_clean_epoch(fixture->directories), 31);
    assert_true(place_of(fixture, "t", 0).clean);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    close_all(fixture);
    must_open(fixture);
    assert_int_equal(directories_clean_epoch(fixture->directories), -1);
    assert_false(place_of(fixture, "t", 1).clean);
}

static void a_directory_with_partitions_never_opened_cannot_be_marked_clean(void **state)
{
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/t-0");
    must_open(fixture);
    assert_false(directories_may_be_clean(fixture->directories, 0));
    assert_true(directories_may_be_clean(fixture->directories, 1));
    (void)place_of(fixture, "t", 0);
    assert_true(directories_may_be_clean(fixture->directories, 0));
    close_all(fixture);
    /* If it was clean before, nothing has happened to it since. */
    assert_int_equal(log_directory_clean_write(&fixture->disk.disk, "/a", 1), STATUS_OK);
    must_open(fixture);
    assert_true(directories_may_be_clean(fixture->directories, 0));
}

static void a_killed_process_is_told_from_a_power_cut(void **state)
{
    struct fixture *fixture = *state;

    must_open(fixture);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    make_partition(fixture, "/a/t-0");
    close_all(fixture);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KILLS);
    must_open(fixture);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    assert_true(place_of(fixture, "t", 0).kept);
    assert_false(place_of(fixture, "t", 0).clean);
    close_all(fixture);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KEEPS);
    must_open(fixture);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    assert_false(place_of(fixture, "t", 0).kept);
    /* Killed before it has looked after every partition: the next start still has to. */
    close_all(fixture);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KILLS);
    must_open(fixture);
    assert_false(place_of(fixture, "t", 0).kept);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    directories_say_alive(fixture->directories, 0);
    close_all(fixture);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KILLS);
    must_open(fixture);
    assert_true(place_of(fixture, "t", 0).kept);
    /* A disk that has failed may have dropped anything. */
    assert_true(directories_fail(fixture->directories, 0));
    close_all(fixture);
    must_open(fixture);
    assert_false(place_of(fixture, "t", 0).kept);
}

static void after_a_clean_stop_a_directory_is_alive_at_once(void **state)
{
    struct fixture *fixture = *state;

    make_partition(fixture, "/a/t-0");
    assert_int_equal(log_directory_clean_write(&fixture->disk.disk, "/a", 1), STATUS_OK);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KEEPS);
    must_open(fixture);
    assert_int_equal(directories_begin(fixture->directories), STATUS_OK);
    assert_true(place_of(fixture, "t", 0).clean);
    close_all(fixture);
    memory_disk_crash(&fixture->disk, MEMORY_CRASH_KILLS);
    must_open(fixture);
    assert_false(place_of(fixture, "t", 0).clean);
    assert_true(place_of(fixture, "t", 0).kept);
}

static void a_disk_that_fails_at_any_point_is_a_problem_with_words(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t at = 1; at < 200; at++) {
        fixture->disk.fail_at = fixture->disk.operations + at;
        fixture->problem[0] = '\0';
        if (directories_open(&fixture->options, &fixture->directories, fixture->problem) == STATUS_OK) {
            assert_true(at > 3);
            return;
        }
        assert_true(fixture->problem[0] != '\0');
        fixture->directories = NULL;
        fixture->disk.fail_at = 0;
        memory_disk_crash(&fixture->disk, MEMORY_CRASH_LOSES);
    }
    fail_msg("it never succeeds");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(new_directories_are_made_and_marked),
        TEST(a_cluster_id_learned_later_is_written_everywhere),
        TEST(directories_of_others_are_refused_with_a_sentence),
        TEST(copies_of_a_directory_are_refused),
        TEST(directories_without_ids_are_given_some),
        TEST(a_locked_directory_is_refused_and_nothing_stays_locked),
        TEST(a_partition_that_lies_in_two_directories_is_refused),
        TEST(new_partitions_go_where_fewest_are),
        TEST(failed_directories_get_no_partitions),
        TEST(partitions_that_lay_there_and_nobody_asked_for_are_strays),
        TEST(checkpoints_are_read_and_kept_for_those_not_asked_for),
        TEST(checkpoints_of_a_namesake_are_not_used),
        TEST(damaged_checkpoints_count_as_none),
        TEST(the_clean_mark_counts_only_if_all_directories_have_it),
        TEST(a_killed_process_is_told_from_a_power_cut),
        TEST(after_a_clean_stop_a_directory_is_alive_at_once),
        TEST(a_directory_with_partitions_never_opened_cannot_be_marked_clean),
        TEST(a_disk_that_fails_at_any_point_is_a_problem_with_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
