/* The simulated disk: what is there before and after crashes, over many seeds where luck has a say. */
#include "tests/sim/test_world.h"

#define SEEDS 200
#define SECTOR 512

static struct sim_world *world_of(uint64_t seed)
{
    return sim_world_create(&(struct sim_options){.seed = seed});
}

static void what_was_synced_survives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        char text[64];

        test_write(process, "kept", 0, "hello", true);
        assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
        test_write(process, "kept", 5, " world", false);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "kept", text, sizeof(text)));
        assert_memory_equal(text, "hello", 5);
        sim_world_destroy(world);
    }
}

static void an_unsynced_write_is_lost_in_some_power_cuts_and_kept_in_others(void **state)
{
    int lost = 0;
    int kept = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        char text[64];

        test_write(process, "file", 0, "old", true);
        assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
        test_write(process, "file", 0, "new", false);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "file", text, sizeof(text)));
        lost += strcmp(text, "old") == 0;
        kept += strcmp(text, "new") == 0;
        sim_world_destroy(world);
    }
    assert_int_equal(lost + kept, SEEDS);
    assert_true(lost > SEEDS / 10);
    assert_true(kept > SEEDS / 10);
}

static void an_unsynced_write_survives_a_kill(void **state)
{
    struct sim_world *world = world_of(1);
    struct sim_process *process = sim_process_add(world, "a", 1, NULL);
    char text[64];

    (void)state;
    test_write(process, "file", 0, "cached", false);
    sim_process_crash(process, SIM_KILL);
    assert_true(test_read(process, "file", text, sizeof(text)));
    assert_string_equal(text, "cached");
    sim_world_destroy(world);
}

static void a_torn_write_is_torn_between_sectors_only(void **state)
{
    static char block[8 * SECTOR + 1];
    static char text[8 * SECTOR + 1];
    int torn = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        int sectors_new = 0;

        memset(block, 'o', 8 * SECTOR);
        test_write(process, "file", 0, block, true);
        assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
        memset(block, 'n', 8 * SECTOR);
        test_write(process, "file", 0, block, false);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "file", text, sizeof(text)));
        for (int i = 0; i < 8; i++) {
            char *sector = text + i * SECTOR;

            for (int byte = 1; byte < SECTOR; byte++) {
                assert_int_equal(sector[byte], sector[0]);
            }
            sectors_new += sector[0] == 'n';
        }
        torn += sectors_new > 0 && sectors_new < 8;
        sim_world_destroy(world);
    }
    assert_true(torn > SEEDS / 20);
}

static void a_new_name_may_vanish_until_its_directory_is_synced(void **state)
{
    int vanished = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        char text[64];

        assert_int_equal(disk_make_directories(sim_disk(process), "data/logs"), STATUS_OK);
        test_write(process, "data/logs/early", 0, "x", true);
        assert_int_equal(disk_sync_directory(sim_disk(process), "data/logs"), STATUS_OK);
        test_write(process, "data/logs/late", 0, "x", true);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "data/logs/early", text, sizeof(text)));
        vanished += !test_read(process, "data/logs/late", text, sizeof(text));
        sim_world_destroy(world);
    }
    assert_true(vanished > SEEDS / 10);
    assert_true(vanished < SEEDS);
}

static void a_replaced_file_is_the_old_or_the_new_one_wherever_the_process_is_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        struct disk *disk = sim_disk(process);
        char text[64];

        assert_int_equal(disk_replace_file(disk, "checkpoint", bytes_of("one", 3)), STATUS_OK);
        /* A rename without the sync of the directory. */
        test_write(process, "checkpoint.tmp", 0, "two", true);
        assert_int_equal(disk_rename(disk, "checkpoint.tmp", "checkpoint"), STATUS_OK);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "checkpoint", text, sizeof(text)));
        assert_true(strcmp(text, "one") == 0 || strcmp(text, "two") == 0);
        sim_world_destroy(world);
    }
}

static void a_removed_file_does_not_come_back_after_the_sync(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, NULL);
        struct disk *disk = sim_disk(process);
        char text[64];

        test_write(process, "file", 0, "x", true);
        assert_int_equal(disk_remove(disk, "file"), STATUS_OK);
        assert_int_equal(disk_sync_directory(disk, "/"), STATUS_OK);
        assert_int_equal(disk_remove(disk, "file"), STATUS_NOT_FOUND);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_false(test_read(process, "file", text, sizeof(text)));
        sim_world_destroy(world);
    }
}

static void truncating_and_growing_again_shows_zeros(void **state)
{
    struct sim_world *world = world_of(3);
    struct sim_process *process = sim_process_add(world, "a", 1, NULL);
    uint8_t bytes[16];
    struct file *file;
    size_t got;
    uint64_t size;

    (void)state;
    test_write(process, "file", 0, "0123456789", true);
    assert_int_equal(disk_open(sim_disk(process), "file", FILE_WRITE, &file), STATUS_OK);
    assert_int_equal(file_truncate(file, 4), STATUS_OK);
    assert_int_equal(file_truncate(file, 8), STATUS_OK);
    assert_int_equal(file_size(file, &size), STATUS_OK);
    assert_int_equal(size, 8);
    assert_int_equal(file_read(file, 0, bytes, sizeof(bytes), &got), STATUS_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "0123\0\0\0\0", 8);
    assert_int_equal(file_sync(file), STATUS_OK);
    assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
    file_unref(file);
    sim_process_crash(process, SIM_POWER_CUT);
    assert_int_equal(disk_open(sim_disk(process), "file", FILE_READ, &file), STATUS_OK);
    assert_int_equal(file_read(file, 0, bytes, sizeof(bytes), &got), STATUS_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "0123\0\0\0\0", 8);
    file_unref(file);
    sim_world_destroy(world);
}

static void calls_answer_as_the_contract_says(void **state)
{
    struct sim_world *world = world_of(4);
    struct sim_process *process = sim_process_add(world, "a", 1, NULL);
    struct disk *disk = sim_disk(process);
    struct file *file;
    struct file *second;

    (void)state;
    assert_int_equal(disk_open(disk, "none", FILE_READ, &file), STATUS_NOT_FOUND);
    assert_int_equal(disk_open(disk, "no/where", FILE_WRITE | FILE_CREATE, &file), STATUS_NOT_FOUND);
    assert_int_equal(disk_make_directory(disk, "d"), STATUS_OK);
    assert_int_equal(disk_make_directory(disk, "/d"), STATUS_EXISTS);
    test_write(process, "d/f", 0, "x", false);
    assert_int_equal(disk_open(disk, "d/f", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file), STATUS_EXISTS);
    assert_int_equal(disk_remove_directory(disk, "d"), STATUS_EXISTS);
    assert_int_equal(disk_remove(disk, "d/g"), STATUS_NOT_FOUND);
    assert_int_equal(disk_rename(disk, "d/g", "d/h"), STATUS_NOT_FOUND);
    assert_int_equal(disk_lock(disk, "d/.lock", &file), STATUS_OK);
    assert_int_equal(disk_lock(disk, "d/.lock", &second), STATUS_LOCKED);
    file_unref(file);
    assert_int_equal(disk_lock(disk, "d/.lock", &file), STATUS_OK);
    file_unref(file);
    assert_int_equal(disk_remove(disk, "d/f"), STATUS_OK);
    assert_int_equal(disk_remove(disk, "d/.lock"), STATUS_OK);
    assert_int_equal(disk_remove_directory(disk, "d"), STATUS_OK);
    sim_world_destroy(world);
}

/* A program that writes and syncs three numbered blocks in a file and then a name, to be disturbed at every call. */
struct writer {
    enum status status;
    int done;
    void *left_behind;
};

static enum status writer_write(struct sim_process *process, struct writer *writer)
{
    static const char blocks[] = "AAAABBBBCCCC";
    struct disk *disk = sim_env(process, 0)->disk;
    struct file *file;
    enum status status = disk_open(disk, "log", FILE_WRITE | FILE_CREATE, &file);

    writer->done = 0;
    if (status != STATUS_OK) {
        return status;
    }
    status = disk_sync_directory(disk, "/");
    for (int i = 0; i < 3 && status == STATUS_OK; i++) {
        const struct bytes part = bytes_of(&blocks[4 * i], 4);

        status = file_write(file, (uint64_t)i * 4, &part, 1);
        if (status == STATUS_OK) {
            status = file_sync(file);
        }
        writer->done += status == STATUS_OK;
    }
    file_unref(file);
    return status;
}

static enum status writer_start(struct sim_process *process, void *context)
{
    struct writer *writer = context;

    writer->left_behind = memory_copy("freed by the crash", 18);
    writer->status = writer_write(process, writer);
    return STATUS_OK;
}

static void every_crash_point_keeps_what_was_synced(void **state)
{
    bool finished = false;

    (void)state;
    for (uint64_t call = 1; !finished; call++) {
        struct writer writer = {.status = STATUS_BUSY};
        const struct sim_program program = {.start = writer_start, .context = &writer};
        struct sim_world *world = world_of(call);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);
        const struct sim_disk_faults faults = {.crash_call = call, .crash_how = SIM_POWER_CUT};
        char text[64] = "";

        sim_disk_faults_set(process, &faults);
        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        finished = writer.status == STATUS_OK;
        assert_int_equal(sim_process_running(process), finished);
        sim_process_crash(process, SIM_POWER_CUT);
        assert_int_equal(sim_process_memory(process), 0);
        assert_true(test_read(process, "log", text, sizeof(text)) || writer.done == 0);
        assert_memory_equal(text, "AAAABBBBCCCC", (size_t)writer.done * 4);
        /* Calls that change something: open, sync of the directory, then a write and a sync for each block. */
        assert_int_equal(finished, call > 8);
        sim_world_destroy(world);
    }
}

static void every_failing_call_is_reported(void **state)
{
    (void)state;
    for (uint64_t call = 1; call <= 9; call++) {
        struct writer writer = {.status = STATUS_BUSY};
        const struct sim_program program = {.start = writer_start, .context = &writer};
        struct sim_world *world = world_of(call);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);
        const struct sim_disk_faults faults = {.fail_call = call};

        sim_disk_faults_set(process, &faults);
        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(writer.status, call <= 8 ? STATUS_IO : STATUS_OK);
        sim_world_destroy(world);
    }
}

static void a_failed_sync_loses_writes_although_the_next_one_succeeds(void **state)
{
    int lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct writer writer = {.status = STATUS_BUSY};
        const struct sim_program program = {.start = writer_start, .context = &writer};
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);
        /* The sync of the first block is the fourth call. */
        const struct sim_disk_faults faults = {.fail_call = 4};
        char text[64];

        sim_disk_faults_set(process, &faults);
        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(writer.status, STATUS_IO);
        test_write(process, "log", 0, "", true);
        assert_true(test_read(process, "log", text, sizeof(text)));
        assert_string_equal(text, "AAAA");
        sim_process_crash(process, SIM_POWER_CUT);
        assert_true(test_read(process, "log", text, sizeof(text)));
        lost += memcmp(text, "AAAA", 4) != 0;
        sim_world_destroy(world);
    }
    assert_true(lost > SEEDS / 10);
    assert_true(lost < SEEDS);
}

static void a_full_disk_refuses_writes_and_tells_its_space(void **state)
{
    struct writer writer = {.status = STATUS_BUSY};
    const struct sim_program program = {.start = writer_start, .context = &writer};
    struct sim_world *world = world_of(5);
    struct sim_process *process = sim_process_add(world, "a", 1, &program);
    struct sim_disk_faults faults = {.capacity = 4096};
    struct disk_space space;

    (void)state;
    test_write(process, "other", 0, "takes a page", true);
    sim_disk_faults_set(process, &faults);
    sim_process_start(process);
    sim_run_for(world, NS_PER_SECOND);
    assert_int_equal(writer.status, STATUS_NO_SPACE);
    assert_int_equal(disk_space(sim_disk(process), "/", &space), STATUS_OK);
    assert_int_equal(space.total, 4096);
    assert_int_equal(space.usable, 0);
    sim_process_crash(process, SIM_KILL);
    assert_int_equal(disk_remove(sim_disk(process), "other"), STATUS_OK);
    assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
    sim_process_start(process);
    sim_run_for(world, NS_PER_SECOND);
    assert_int_equal(writer.status, STATUS_OK);
    sim_world_destroy(world);
}

static void bit_rot_changes_one_bit_for_good(void **state)
{
    struct sim_world *world = world_of(6);
    struct sim_process *process = sim_process_add(world, "a", 1, NULL);
    char text[64];

    (void)state;
    test_write(process, "file", 0, "abc", true);
    assert_int_equal(disk_sync_directory(sim_disk(process), "/"), STATUS_OK);
    assert_int_equal(sim_disk_flip(process, "file", 1, 0), STATUS_OK);
    assert_int_equal(sim_disk_flip(process, "file", 3, 0), STATUS_OUT_OF_RANGE);
    assert_int_equal(sim_disk_flip(process, "fail", 0, 0), STATUS_NOT_FOUND);
    assert_true(test_read(process, "file", text, sizeof(text)));
    assert_string_equal(text, "acc");
    sim_process_crash(process, SIM_POWER_CUT);
    assert_true(test_read(process, "file", text, sizeof(text)));
    assert_string_equal(text, "acc");
    sim_world_destroy(world);
}

static void a_replaced_disk_is_empty(void **state)
{
    struct sim_world *world = world_of(7);
    struct sim_process *process = sim_process_add(world, "a", 1, NULL);
    char text[64];

    (void)state;
    test_write(process, "file", 0, "abc", true);
    sim_disk_replace(process);
    assert_false(test_read(process, "file", text, sizeof(text)));
    sim_world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives_a_power_cut),
        cmocka_unit_test(an_unsynced_write_is_lost_in_some_power_cuts_and_kept_in_others),
        cmocka_unit_test(an_unsynced_write_survives_a_kill),
        cmocka_unit_test(a_torn_write_is_torn_between_sectors_only),
        cmocka_unit_test(a_new_name_may_vanish_until_its_directory_is_synced),
        cmocka_unit_test(a_replaced_file_is_the_old_or_the_new_one_wherever_the_process_is_cut),
        cmocka_unit_test(a_removed_file_does_not_come_back_after_the_sync),
        cmocka_unit_test(truncating_and_growing_again_shows_zeros),
        cmocka_unit_test(calls_answer_as_the_contract_says),
        cmocka_unit_test(every_crash_point_keeps_what_was_synced),
        cmocka_unit_test(every_failing_call_is_reported),
        cmocka_unit_test(a_failed_sync_loses_writes_although_the_next_one_succeeds),
        cmocka_unit_test(a_full_disk_refuses_writes_and_tells_its_space),
        cmocka_unit_test(bit_rot_changes_one_bit_for_good),
        cmocka_unit_test(a_replaced_disk_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
