/* What every implementation of the disk shares: reference counts and whole-file helpers. */
#include "common/env/disk.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdio.h>

struct file *file_ref(struct file *file)
{
    const int before = __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);

    ASSERT(before > 0);
    return file;
}

void file_unref(struct file *file)
{
    if (file != NULL && __atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) == 0) {
        file->ops->destroy(file);
    }
}

bool file_is_shared(const struct file *file)
{
    return __atomic_load_n(&file->references, __ATOMIC_ACQUIRE) > 1;
}

enum status disk_read_file(struct disk *disk, const char *path, size_t size_max, uint8_t **data, size_t *size)
{
    struct file *file;
    uint64_t file_bytes;
    enum status status = disk_open(disk, path, FILE_READ, &file);

    if (status != STATUS_OK) {
        return status;
    }
    *data = NULL;
    status = file_size(file, &file_bytes);
    if (status == STATUS_OK && file_bytes > size_max) {
        status = STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        *data = memory_alloc((size_t)file_bytes + 1);
        status = file_read(file, 0, *data, (size_t)file_bytes, size);
    }
    file_unref(file);
    if (status != STATUS_OK) {
        memory_free(*data);
        *data = NULL;
        return status;
    }
    (*data)[*size] = 0;
    return STATUS_OK;
}

/* The directory part of `path` in `directory`; false if the path is too long. */
static bool disk_parent(const char *path, char directory[DISK_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);

    if (size + 2 > DISK_PATH_MAX) {
        return false;
    }
    if (size == 0) {
        memcpy(directory, slash == NULL ? "." : "/", 2);
    } else {
        memcpy(directory, path, size);
        directory[size] = '\0';
    }
    return true;
}

enum status disk_sync_parent(struct disk *disk, const char *path)
{
    char directory[DISK_PATH_MAX];

    return disk_parent(path, directory) ? disk_sync_directory(disk, directory) : STATUS_TOO_LARGE;
}

enum status disk_replace_file(struct disk *disk, const char *path, struct bytes contents)
{
    char temporary[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary)) {
        return STATUS_TOO_LARGE;
    }
    status = disk_open(disk, temporary, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (status != STATUS_OK) {
        return status;
    }
    status = file_write(file, 0, &contents, 1);
    if (status == STATUS_OK) {
        status = file_sync(file);
    }
    file_unref(file);
    if (status == STATUS_OK) {
        status = disk_rename(disk, temporary, path);
    }
    return status == STATUS_OK ? disk_sync_parent(disk, path) : status;
}

enum status disk_make_directories(struct disk *disk, const char *path)
{
    char parent[DISK_PATH_MAX];
    enum status status = disk_make_directory(disk, path);

    if (status == STATUS_EXISTS) {
        return STATUS_OK;
    }
    if (!disk_parent(path, parent)) {
        return STATUS_TOO_LARGE;
    }
    if (status == STATUS_NOT_FOUND && strcmp(parent, ".") != 0 && strcmp(parent, "/") != 0) {
        status = disk_make_directories(disk, parent);
        if (status == STATUS_OK) {
            status = disk_make_directory(disk, path);
        }
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(disk, parent);
    }
    return status;
}
