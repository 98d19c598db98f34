/* The small files of a log directory, in Kafka's formats. */
#include "storage-node/cluster/directory_files.h"

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/config/properties.h"
#include "common/env/disk.h"
#include "storage-node/log/text_fields.h"

#include <stdio.h>

#define SMALL_FILE_MAX ((size_t)64 * 1024)
#define CHECKPOINT_FILE_MAX ((size_t)256 * 1024 * 1024)
#define TOPIC_NAME_MAX 249

static enum status meta_parse(struct bytes text, struct directory_meta *meta)
{
    struct arena arena;
    struct properties properties;
    struct config_problem problem;
    enum status status;
    bool cluster = false;
    bool node = false;
    bool directory = false;
    bool version = false;

    arena_init(&arena, 1024 * 1024);
    *meta = (struct directory_meta){.node_id = -1};
    status = properties_parse(text, &arena, &properties, &problem);
    for (size_t i = 0; status == STATUS_OK && i < properties.count; i++) {
        const struct property *item = &properties.items[i];
        int64_t number;

        if (string_is(item->key, "version")) {
            version = string_is(item->value, "1");
        } else if (string_is(item->key, "cluster.id") && item->value.size > 0 &&
                   item->value.size <= DIRECTORY_CLUSTER_ID_MAX) {
            memcpy(meta->cluster_id, item->value.data, item->value.size);
            cluster = true;
        } else if (string_is(item->key, "node.id") && text_number(item->value, INT32_MAX, &number)) {
            meta->node_id = (int32_t)number;
            node = true;
        } else if (string_is(item->key, "directory.id")) {
            directory = uuid_parse(item->value, &meta->directory_id) == STATUS_OK;
        }
    }
    arena_deinit(&arena);
    if (status != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    if (!version) {
        return STATUS_UNSUPPORTED;
    }
    return cluster && node && directory ? STATUS_OK : STATUS_CORRUPT;
}

enum status directory_meta_read(struct disk *disk, const char *path, struct directory_meta *meta)
{
    char name[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status;

    snprintf(name, sizeof(name), "%s/meta.properties", path);
    status = disk_read_file(disk, name, SMALL_FILE_MAX, &data, &size);
    if (status != STATUS_OK) {
        return status;
    }
    status = meta_parse(bytes_of(data, size), meta);
    memory_free(data);
    return status;
}

enum status directory_meta_write(struct disk *disk, const char *path, const struct directory_meta *meta)
{
    char name[DISK_PATH_MAX];
    char id[UUID_TEXT_SIZE + 1];
    struct buffer text;
    enum status status;

    snprintf(name, sizeof(name), "%s/meta.properties", path);
    buffer_init(&text);
    buffer_append_format(&text, "version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", meta->cluster_id, meta->node_id,
                         uuid_format(meta->directory_id, id));
    status = disk_replace_file(disk, name, buffer_bytes(&text));
    buffer_deinit(&text);
    return status;
}

enum status directory_clean_read(struct disk *disk, const char *path, int64_t *broker_epoch)
{
    static const char KEY[] = "\"brokerEpoch\":";
    char name[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    const char *at;
    enum status status;

    *broker_epoch = -1;
    snprintf(name, sizeof(name), "%s/.kafka_cleanshutdown", path);
    status = disk_read_file(disk, name, SMALL_FILE_MAX, &data, &size);
    if (status != STATUS_OK) {
        return status;
    }
    at = strstr((const char *)data, KEY);
    if (at != NULL) {
        struct string digits = {at + sizeof(KEY) - 1, 0};

        while (digits.data[digits.size] >= '0' && digits.data[digits.size] <= '9') {
            digits.size++;
        }
        (void)text_number(digits, INT64_MAX, broker_epoch);
    }
    memory_free(data);
    return STATUS_OK;
}

enum status directory_clean_write(struct disk *disk, const char *path, int64_t broker_epoch)
{
    char name[DISK_PATH_MAX];
    char text[64];
    const int size = snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%lld}", (long long)broker_epoch);

    snprintf(name, sizeof(name), "%s/.kafka_cleanshutdown", path);
    return disk_replace_file(disk, name, bytes_of(text, (size_t)size));
}

enum status directory_clean_remove(struct disk *disk, const char *path)
{
    char name[DISK_PATH_MAX];
    enum status status;

    snprintf(name, sizeof(name), "%s/.kafka_cleanshutdown", path);
    status = disk_remove(disk, name);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    return status != STATUS_OK ? status : disk_sync_directory(disk, path);
}

typedef void (*checkpoint_each)(void *context, struct string topic, int32_t partition, int64_t offset);

/* Goes over the lines; `each` NULL: only checks them. */
static enum status checkpoint_parse(struct string rest, checkpoint_each each, void *context)
{
    int64_t version;
    int64_t count;

    if (!text_take_number(&rest, '\n', INT32_MAX, &version) || !text_take_number(&rest, '\n', INT32_MAX, &count)) {
        return STATUS_CORRUPT;
    }
    if (version != 0) {
        return STATUS_UNSUPPORTED;
    }
    for (int64_t i = 0; i < count; i++) {
        struct string topic;
        int64_t partition;
        int64_t offset;

        if (!text_take(&rest, ' ', &topic) || !text_take_number(&rest, ' ', INT32_MAX, &partition) ||
            !text_take_number(&rest, '\n', INT64_MAX, &offset)) {
            return STATUS_CORRUPT;
        }
        if (each != NULL) {
            each(context, topic, (int32_t)partition, offset);
        }
    }
    return rest.size == 0 ? STATUS_OK : STATUS_CORRUPT;
}

enum status checkpoint_read(struct disk *disk, const char *path, const char *name, checkpoint_each each, void *context)
{
    char full[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status;

    snprintf(full, sizeof(full), "%s/%s", path, name);
    status = disk_read_file(disk, full, CHECKPOINT_FILE_MAX, &data, &size);
    if (status != STATUS_OK) {
        return status;
    }
    status = checkpoint_parse((struct string){(const char *)data, size}, NULL, NULL);
    if (status == STATUS_OK) {
        status = checkpoint_parse((struct string){(const char *)data, size}, each, context);
    }
    memory_free(data);
    return status;
}

enum status checkpoint_write(struct disk *disk, const char *path, const char *name, struct bytes lines, size_t count)
{
    char full[DISK_PATH_MAX];
    struct buffer text;
    enum status status;

    snprintf(full, sizeof(full), "%s/%s", path, name);
    buffer_init(&text);
    buffer_append_format(&text, "0\n%zu\n", count);
    buffer_append(&text, lines.data, lines.size);
    status = disk_replace_file(disk, full, buffer_bytes(&text));
    buffer_deinit(&text);
    return status;
}

bool partition_name_valid(struct string name)
{
    size_t digits = 0;
    int64_t number;
    struct string topic;

    while (digits < name.size && name.data[name.size - digits - 1] >= '0' && name.data[name.size - digits - 1] <= '9') {
        digits++;
    }
    if (digits == 0 || digits + 1 >= name.size || name.data[name.size - digits - 1] != '-') {
        return false;
    }
    topic = (struct string){name.data, name.size - digits - 1};
    if (!text_number((struct string){name.data + name.size - digits, digits}, INT32_MAX, &number) ||
        topic.size > TOPIC_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < topic.size; i++) {
        const char c = topic.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}
