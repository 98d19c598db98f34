/* Giving up a partition's directory: renamed at once, removed later. */
#include "common/base/buffer.h"
#include "common/base/uuid.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_log.h"

#include <stdio.h>

/* Kafka's names put the id of the deletion in 32 hexadecimal digits. */
#define UNIQUE_DIGITS 32
/* A directory's name has at most so many characters. */
#define NAME_MAX_SIZE 255

enum status partition_directory_retire(struct disk *disk, const char *directory, struct uuid unique,
                                       char renamed[4096])
{
    static const char ending[] = "-delete";
    char digits[UNIQUE_DIGITS + 1];
    const char *name = strrchr(directory, '/');
    size_t keep = strlen(directory);
    int size;

    if (name == NULL || name == directory) {
        return STATUS_INVALID;
    }
    /* Long topic names lose their end: the name has to stay a valid one. */
    if (strlen(name + 1) + 1 + UNIQUE_DIGITS + sizeof(ending) - 1 > NAME_MAX_SIZE) {
        keep = (size_t)(name + 1 - directory) + NAME_MAX_SIZE - 1 - UNIQUE_DIGITS - (sizeof(ending) - 1);
    }
    for (size_t i = 0; i < sizeof(unique.data); i++) {
        snprintf(digits + 2 * i, 3, "%02x", unique.data[i]);
    }
    size = snprintf(renamed, DISK_PATH_MAX, "%.*s.%s%s", (int)keep, directory, digits, ending);
    if (size >= DISK_PATH_MAX) {
        return STATUS_TOO_LARGE;
    }
    return disk_rename(disk, directory, renamed);
}

static void remember_name(void *context, const char *name, enum disk_kind kind)
{
    if (kind != DISK_DIRECTORY) {
        buffer_append(context, name, strlen(name) + 1);
    }
}

enum status partition_directory_remove(struct disk *disk, const char *directory)
{
    struct buffer names;
    enum status status;

    buffer_init(&names);
    /* The new name first: a power cut that brings the old one back must find all files under it, or nobody knows whose
     * they were. */
    status = disk_sync_parent(disk, directory);
    if (status == STATUS_OK) {
        status = disk_list(disk, directory, remember_name, &names);
    }
    for (size_t at = 0; status == STATUS_OK && at < names.size;) {
        const char *name = (const char *)names.data + at;
        char path[DISK_PATH_MAX];

        at += strlen(name) + 1;
        if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path)) {
            status = STATUS_TOO_LARGE;
            break;
        }
        status = disk_remove(disk, path);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    buffer_deinit(&names);
    if (status == STATUS_OK) {
        status = disk_remove_directory(disk, directory);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
