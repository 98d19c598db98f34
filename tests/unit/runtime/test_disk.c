/* Files and directories: round trips, errors, locks. Each test has a temporary directory of its own. */
#include "tests/unit/runtime/world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    struct world *world;
    struct disk *disk;
    char directory[64];
    char path[128];
};

/* The system calls, which may stop early: after so many bytes (0: at the end as ever), and every third time for a
 * signal. */
static size_t stingy_bytes;
static unsigned stingy_calls;

ssize_t __real_pread(int descriptor, void *into, size_t size, off_t offset);
ssize_t __wrap_pread(int descriptor, void *into, size_t size, off_t offset);
ssize_t __real_pwrite(int descriptor, const void *from, size_t size, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *from, size_t size, off_t offset);
ssize_t __real_pwritev(int descriptor, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int descriptor, const struct iovec *parts, int count, off_t offset);

/* How much of `size` is done; 0: a signal came. */
static size_t stingy_size(size_t size)
{
    if (stingy_bytes == 0) {
        return size;
    }
    stingy_calls++;
    if (stingy_calls % 3 == 0) {
        errno = EINTR;
        return 0;
    }
    return size < stingy_bytes ? size : stingy_bytes;
}

ssize_t __wrap_pread(int descriptor, void *into, size_t size, off_t offset)
{
    const size_t some = stingy_size(size);

    return some == 0 && size > 0 ? -1 : __real_pread(descriptor, into, some, offset);
}

ssize_t __wrap_pwrite(int descriptor, const void *from, size_t size, off_t offset)
{
    const size_t some = stingy_size(size);

    return some == 0 && size > 0 ? -1 : __real_pwrite(descriptor, from, some, offset);
}

ssize_t __wrap_pwritev(int descriptor, const struct iovec *parts, int count, off_t offset)
{
    size_t some;

    if (stingy_bytes == 0) {
        return __real_pwritev(descriptor, parts, count, offset);
    }
    some = stingy_size(parts->iov_len);
    return some == 0 && parts->iov_len > 0 ? -1 : __real_pwrite(descriptor, parts->iov_base, some, offset);
}

static int place_open(void **state)
{
    struct place *place = memory_alloc_zero(1, sizeof(*place));
    void *world;

    world_open(&world);
    place->world = world;
    place->disk = place->world->env->disk;
    snprintf(place->directory, sizeof(place->directory), "/tmp/millrace-disk-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    *state = place;
    return 0;
}

static const char *place_path(struct place *place, const char *name)
{
    snprintf(place->path, sizeof(place->path), "%s/%s", place->directory, name);
    return place->path;
}

struct listing {
    struct place *place;
    unsigned files;
    unsigned directories;
    bool remove;
};

static void list_entry(void *context, const char *name, enum disk_kind kind)
{
    struct listing *listing = context;

    listing->files += kind == DISK_FILE;
    listing->directories += kind == DISK_DIRECTORY;
    if (listing->remove && kind == DISK_FILE) {
        assert_int_equal(disk_remove(listing->place->disk, place_path(listing->place, name)), STATUS_OK);
    }
}

/* Removes the files that are left and the directory. */
static int place_close(void **state)
{
    struct place *place = *state;
    struct listing listing = {.place = place, .remove = true};
    void *world = place->world;

    assert_int_equal(disk_list(place->disk, place->directory, list_entry, &listing), STATUS_OK);
    assert_int_equal(disk_remove_directory(place->disk, place->directory), STATUS_OK);
    memory_free(place);
    return world_close(&world);
}

static struct file *place_create_file(struct place *place, const char *name)
{
    struct file *file;

    assert_int_equal(disk_open(place->disk, place_path(place, name), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file),
                     STATUS_OK);
    return file;
}

static void what_was_dropped_from_the_cache_is_cold_until_it_is_read(void **state)
{
    struct place *place = *state;
    static uint8_t bytes[600000];
    const struct bytes part = bytes_of(bytes, sizeof(bytes));
    struct file *file;
    size_t got;
    int descriptor;
    bool cold;

    assert_int_equal(disk_open(place->disk, place_path(place, "cold"), FILE_WRITE | FILE_CREATE, &file), STATUS_OK);
    assert_int_equal(file_write(file, 0, &part, 1), STATUS_OK);
    assert_true(file_is_cached(file, 0, sizeof(bytes)));
    assert_true(file_is_cached(file, sizeof(bytes), 0));
    assert_int_equal(file_sync(file), STATUS_OK);
    descriptor = open(place->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
    (void)close(descriptor);
    cold = !file_is_cached(file, 0, sizeof(bytes)); /* a file system in memory drops nothing */
    assert_int_equal(file_read(file, 0, bytes, sizeof(bytes), &got), STATUS_OK);
    assert_true(file_is_cached(file, 0, sizeof(bytes)));
    print_message("cold after it was dropped: %s\n", cold ? "yes" : "no");
    file_unref(file);
}

static void what_was_written_is_read_back(void **state)
{
    struct place *place = *state;
    const struct bytes parts[] = {bytes_of("", 0), bytes_of("one", 3), bytes_of("", 0), bytes_of("two", 3)};
    struct file *file = place_create_file(place, "data");
    char into[16] = "";
    uint64_t size;
    size_t got;

    assert_int_equal(file_write(file, 4, parts, ARRAY_COUNT(parts)), STATUS_OK);
    assert_int_equal(file_write(file, 4, parts, 0), STATUS_OK);
    assert_int_equal(file_sync(file), STATUS_OK);
    assert_int_equal(file_read(file, 0, into, sizeof(into), &got), STATUS_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(into, "\0\0\0\0onetwo", 10);
    assert_int_equal(file_read(file, 10, into, sizeof(into), &got), STATUS_OK);
    assert_int_equal(got, 0);
    assert_int_equal(file_size(file, &size), STATUS_OK);
    assert_int_equal(size, 10);
    assert_int_equal(disk_file_size(place->disk, place->path, &size), STATUS_OK);
    assert_int_equal(size, 10);
    file_unref(file);
}

static void more_parts_than_one_call_takes_are_all_written(void **state)
{
    struct place *place = *state;
    const size_t count = 3 * (size_t)IOV_MAX + 5;
    struct bytes *parts = memory_alloc_zero(count, sizeof(*parts));
    uint8_t *data = memory_alloc(count * 3);
    uint8_t *back = memory_alloc(count * 3 + 1);
    struct file *file = place_create_file(place, "many");
    size_t size = 0;
    size_t got;

    for (size_t i = 0; i < count; i++) {
        const size_t part = i % 4; /* empty ones among them */

        parts[i] = bytes_of(data + size, part);
        for (size_t n = 0; n < part; n++) {
            data[size++] = (uint8_t)(i + n);
        }
    }
    assert_int_equal(file_write(file, 0, parts, count), STATUS_OK);
    assert_int_equal(file_read(file, 0, back, count * 3 + 1, &got), STATUS_OK);
    assert_int_equal(got, size);
    assert_memory_equal(back, data, size);
    file_unref(file);
    memory_free(parts);
    memory_free(data);
    memory_free(back);
}

static void truncate_cuts_and_extends_with_zeros(void **state)
{
    struct place *place = *state;
    const struct bytes part = bytes_of("abcdef", 6);
    struct file *file = place_create_file(place, "cut");
    char into[8];
    size_t got;

    assert_int_equal(file_write(file, 0, &part, 1), STATUS_OK);
    assert_int_equal(file_truncate(file, 2), STATUS_OK);
    assert_int_equal(file_truncate(file, 5), STATUS_OK);
    assert_int_equal(file_read(file, 0, into, sizeof(into), &got), STATUS_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(into, "ab\0\0\0", 5);
    file_unref(file);
}

static void allocate_keeps_the_size(void **state)
{
    struct place *place = *state;
    struct file *file = place_create_file(place, "reserved");
    const enum status status = file_allocate(file, 0, 1024 * 1024);
    struct stat facts;
    uint64_t size;

    assert_true(status == STATUS_OK || status == STATUS_UNSUPPORTED);
    assert_int_equal(file_size(file, &size), STATUS_OK);
    assert_int_equal(size, 0);
    if (status == STATUS_OK) {
        assert_int_equal(stat(place->path, &facts), 0);
        assert_true(facts.st_blocks >= 2048);
    }
    file_unref(file);
}

static void errors_say_what_is_wrong(void **state)
{
    struct place *place = *state;
    const struct bytes part = bytes_of("x", 1);
    struct file *file;
    uint64_t size;

    assert_int_equal(disk_open(place->disk, place_path(place, "none"), FILE_READ, &file), STATUS_NOT_FOUND);
    assert_int_equal(disk_open(place->disk, place->path, FILE_WRITE, &file), STATUS_NOT_FOUND);
    assert_int_equal(disk_remove(place->disk, place->path), STATUS_NOT_FOUND);
    assert_int_equal(disk_rename(place->disk, place->path, "/tmp/x"), STATUS_NOT_FOUND);
    assert_int_equal(disk_file_size(place->disk, place->path, &size), STATUS_NOT_FOUND);
    assert_int_equal(disk_sync_directory(place->disk, place->path), STATUS_NOT_FOUND);
    assert_int_equal(disk_list(place->disk, place->path, list_entry, NULL), STATUS_NOT_FOUND);
    assert_int_equal(disk_make_directory(place->disk, place->directory), STATUS_EXISTS);
    file_unref(place_create_file(place, "there"));
    assert_int_equal(disk_open(place->disk, place->path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file),
                     STATUS_EXISTS);
    assert_int_equal(disk_remove_directory(place->disk, place->directory), STATUS_EXISTS);
    /* Opened for reading only. */
    assert_int_equal(disk_open(place->disk, place->path, FILE_READ, &file), STATUS_OK);
    assert_int_equal(file_write(file, 0, &part, 1), STATUS_IO);
    file_unref(file);
}

static void a_full_device_has_no_space(void **state)
{
    struct place *place = *state;
    const struct bytes part = bytes_of("x", 1);
    struct file *file;

    assert_int_equal(disk_open(place->disk, "/dev/full", FILE_WRITE, &file), STATUS_OK);
    assert_int_equal(file_write(file, 0, &part, 1), STATUS_NO_SPACE);
    file_unref(file);
}

static void directories_are_made_listed_and_removed(void **state)
{
    struct place *place = *state;
    struct listing listing = {.place = place};
    struct disk_space space;
    char inner[128];

    file_unref(place_create_file(place, "file"));
    snprintf(inner, sizeof(inner), "%s/a/b/c", place->directory);
    assert_int_equal(disk_make_directories(place->disk, inner), STATUS_OK);
    assert_int_equal(disk_make_directories(place->disk, inner), STATUS_OK);
    assert_int_equal(disk_list(place->disk, place->directory, list_entry, &listing), STATUS_OK);
    assert_int_equal(listing.files, 1);
    assert_int_equal(listing.directories, 1);
    assert_int_equal(disk_sync_directory(place->disk, inner), STATUS_OK);
    assert_int_equal(disk_remove_directory(place->disk, inner), STATUS_OK);
    assert_int_equal(disk_remove_directory(place->disk, place_path(place, "a/b")), STATUS_OK);
    assert_int_equal(disk_remove_directory(place->disk, place_path(place, "a")), STATUS_OK);
    assert_int_equal(disk_space(place->disk, place->directory, &space), STATUS_OK);
    assert_true(space.total > 0);
    assert_true(space.usable <= space.total);
}

static void a_file_is_replaced_as_a_whole(void **state)
{
    struct place *place = *state;
    const char *path = place_path(place, "checkpoint");
    struct listing listing = {.place = place};
    uint8_t *data;
    size_t size;

    assert_int_equal(disk_replace_file(place->disk, path, bytes_of("old contents", 12)), STATUS_OK);
    assert_int_equal(disk_replace_file(place->disk, path, bytes_of("new", 3)), STATUS_OK);
    assert_int_equal(disk_read_file(place->disk, path, 3, &data, &size), STATUS_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "new", 4);
    memory_free(data);
    assert_int_equal(disk_read_file(place->disk, path, 2, &data, &size), STATUS_TOO_LARGE);
    assert_int_equal(disk_list(place->disk, place->directory, list_entry, &listing), STATUS_OK);
    assert_int_equal(listing.files, 1);
}

/* What a second process gets when it asks for the lock. */
static enum status lock_elsewhere(struct place *place)
{
    int result;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct file *file;

        _exit((int)disk_lock(place->disk, place->path, &file));
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return (enum status)WEXITSTATUS(result);
}

static void a_lock_excludes_others_until_it_is_released(void **state)
{
    struct place *place = *state;
    const char *path = place_path(place, ".lock");
    struct file *first;
    struct file *second;

    assert_int_equal(disk_lock(place->disk, path, &first), STATUS_OK);
    assert_int_equal(lock_elsewhere(place), STATUS_LOCKED);
    assert_int_equal(disk_lock(place->disk, path, &second), STATUS_LOCKED);
    assert_int_equal(lock_elsewhere(place), STATUS_LOCKED);
    file_unref(first);
    assert_int_equal(lock_elsewhere(place), STATUS_OK);
    assert_int_equal(disk_lock(place->disk, path, &second), STATUS_OK);
    file_unref(second);
}

static void what_the_system_does_in_pieces_is_done_as_a_whole(void **state)
{
    struct place *place = *state;
    uint8_t bytes[1000];
    uint8_t back[1000];
    const struct bytes parts[] = {{bytes, 400}, {bytes + 400, 599}, {bytes + 999, 1}};
    struct file *file;
    size_t got;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(disk_open(place->disk, place_path(place, "pieces"), FILE_WRITE | FILE_CREATE, &file), STATUS_OK);
    for (stingy_bytes = 1; stingy_bytes < 700; stingy_bytes += 23) {
        memset(back, 0, sizeof(back));
        stingy_calls = 0;
        assert_int_equal(file_truncate(file, 0), STATUS_OK);
        assert_int_equal(file_write(file, 10, parts, ARRAY_COUNT(parts)), STATUS_OK);
        assert_int_equal(file_write(file, 0, parts, 1), STATUS_OK);
        assert_int_equal(file_write(file, 10, parts, 1), STATUS_OK);
        assert_true(stingy_calls > 4);
        assert_int_equal(file_read(file, 10, back, sizeof(back), &got), STATUS_OK);
        assert_int_equal(got, sizeof(back));
        assert_memory_equal(back, bytes, sizeof(bytes));
        /* Short only where the file ends. */
        assert_int_equal(file_read(file, 500, back, sizeof(back), &got), STATUS_OK);
        assert_int_equal(got, 510);
        assert_memory_equal(back, bytes + 490, 510);
    }
    stingy_bytes = 0;
    file_unref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_back, place_open, place_close),
        cmocka_unit_test_setup_teardown(what_was_dropped_from_the_cache_is_cold_until_it_is_read, place_open,
                                        place_close),
        cmocka_unit_test_setup_teardown(more_parts_than_one_call_takes_are_all_written, place_open, place_close),
        cmocka_unit_test_setup_teardown(what_the_system_does_in_pieces_is_done_as_a_whole, place_open, place_close),
        cmocka_unit_test_setup_teardown(truncate_cuts_and_extends_with_zeros, place_open, place_close),
        cmocka_unit_test_setup_teardown(allocate_keeps_the_size, place_open, place_close),
        cmocka_unit_test_setup_teardown(errors_say_what_is_wrong, place_open, place_close),
        cmocka_unit_test_setup_teardown(a_full_device_has_no_space, place_open, place_close),
        cmocka_unit_test_setup_teardown(directories_are_made_listed_and_removed, place_open, place_close),
        cmocka_unit_test_setup_teardown(a_file_is_replaced_as_a_whole, place_open, place_close),
        cmocka_unit_test_setup_teardown(a_lock_excludes_others_until_it_is_released, place_open, place_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
