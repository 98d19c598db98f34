/* Giving up a partition's directory: renamed at once, removed later or kept for the operator. */
#include "common/base/buffer.h"
#include "common/base/uuid.h"
#include "common/batch/record_batch.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_log.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/log/segment_name.h"

#include <stdio.h>

/* Kafka's names put the id of the deletion in 32 hexadecimal digits. */
#define UNIQUE_DIGITS 32
/* A directory's name has at most so many characters. */
#define NAME_MAX_SIZE 255

enum status partition_directory_retire(struct disk *disk, const char *directory, struct uuid unique,
                                       const char *ending, char renamed[4096])
{
    char digits[UNIQUE_DIGITS + 1];
    const char *name = strrchr(directory, '/');
    size_t keep = strlen(directory);
    int size;

    if (name == NULL || name == directory) {
        return STATUS_INVALID;
    }
    /* Long topic names lose their end: the name has to stay a valid one. */
    if (strlen(name + 1) + 1 + UNIQUE_DIGITS + strlen(ending) > NAME_MAX_SIZE) {
        keep = (size_t)(name + 1 - directory) + NAME_MAX_SIZE - 1 - UNIQUE_DIGITS - strlen(ending);
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

struct record_search {
    struct disk *disk;
    const char *directory;
    bool found;
    enum status status;
};

static void search_name(void *context, const char *name, enum disk_kind kind)
{
    struct record_search *search = context;
    uint8_t start[RECORD_BATCH_HEADER_SIZE];
    char path[DISK_PATH_MAX];
    enum segment_part part;
    struct file *file;
    int64_t offset;
    size_t got = 0;

    if (kind != DISK_FILE || !segment_name_parse(name, &offset, &part) || part != SEGMENT_LOG ||
        search->status != STATUS_OK || search->found) {
        return;
    }
    if (snprintf(path, sizeof(path), "%s/%s", search->directory, name) >= (int)sizeof(path)) {
        search->status = STATUS_TOO_LARGE;
        return;
    }
    search->status = disk_open(search->disk, path, FILE_READ, &file);
    if (search->status == STATUS_OK) {
        search->status = file_read(file, 0, start, sizeof(start), &got);
        file_unref(file);
    }
    /* What was only reserved for it is zeros. A log that begins elsewhere than at 0 says so by its name. */
    search->found = offset > 0;
    for (size_t i = 0; i < got; i++) {
        search->found = search->found || start[i] != 0;
    }
}

enum status partition_directory_has_records(struct disk *disk, const char *directory, bool *has)
{
    struct record_search search = {.disk = disk, .directory = directory};
    const enum status status = disk_list(disk, directory, search_name, &search);

    *has = search.found;
    return status == STATUS_OK ? search.status : status;
}

static void remember_name(void *context, const char *name, enum disk_kind kind)
{
    if (kind != DISK_DIRECTORY && strcmp(name, PARTITION_METADATA_NAME) != 0) {
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
    /* Last of all, so that what a removal leaves that gets no further still says whose it is. */
    buffer_append(&names, PARTITION_METADATA_NAME, sizeof(PARTITION_METADATA_NAME));
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
