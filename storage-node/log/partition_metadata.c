/* Reads and writes partition.metadata. */
#include "storage-node/log/partition_metadata.h"

#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/text_fields.h"

#include <stdio.h>

#define METADATA_SIZE_MAX 1024

enum status partition_metadata_read(struct disk *disk, const char *path, struct uuid *topic_id)
{
    struct string rest;
    struct string key;
    struct string value;
    uint8_t *text;
    size_t size;
    bool found = false;
    enum status status = disk_read_file(disk, path, METADATA_SIZE_MAX, &text, &size);

    if (status != STATUS_OK) {
        return status == STATUS_TOO_LARGE ? STATUS_CORRUPT : status;
    }
    rest = (struct string){(const char *)text, size};
    while (text_take(&rest, '\n', &value)) {
        /* "key: value" */
        if (!text_take(&value, ':', &key) || value.size == 0 || value.data[0] != ' ') {
            break;
        }
        value.data++;
        value.size--;
        if (string_is(key, "version") && !string_is(value, "0")) {
            found = false;
            break;
        }
        if (string_is(key, "topic_id")) {
            found = uuid_parse(value, topic_id) == STATUS_OK;
        }
    }
    memory_free(text);
    return found ? STATUS_OK : STATUS_CORRUPT;
}

enum status partition_metadata_write(struct disk *disk, const char *path, struct uuid topic_id)
{
    char id[UUID_TEXT_SIZE + 1];
    char text[64];
    const int size = snprintf(text, sizeof(text), "version: 0\ntopic_id: %s\n", uuid_format(topic_id, id));

    const struct bytes part = bytes_of(text, (size_t)size);
    struct file *file;
    enum status status = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);

    if (status == STATUS_OK) {
        status = file_write(file, 0, &part, 1);
        file_unref(file);
    }
    return status;
}
