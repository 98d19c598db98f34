/* Small files of a log directory, in Kafka's formats. */
#include "storage-node/log/log_directory.h"

#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/text_fields.h"

#include <inttypes.h>
#include <stdio.h>

#define META_NAME "meta.properties"
#define LOCK_NAME ".lock"
#define CLEAN_NAME ".kafka_cleanshutdown"
#define LIFE_NAME ".millrace_life"
#define SMALL_FILE_MAX 65536
#define RETIRED_ENDING "-delete"

static enum status path_join(const char *directory, const char *name, char path[DISK_PATH_MAX])
{
    return snprintf(path, DISK_PATH_MAX, "%s/%s", directory, name) < DISK_PATH_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

static enum status small_file_read(struct disk *disk, const char *directory, const char *name, struct buffer *text)
{
    char path[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status = path_join(directory, name, path);

    if (status == STATUS_OK) {
        status = disk_read_file(disk, path, SMALL_FILE_MAX, &data, &size);
    }
    if (status == STATUS_OK) {
        buffer_append(text, data, size);
        buffer_append(text, "\n", 1); /* so that the last line always ends */
        memory_free(data);
    }
    return status == STATUS_TOO_LARGE ? STATUS_CORRUPT : status;
}

enum status log_directory_lock(struct disk *disk, const char *directory, struct file **lock)
{
    char path[DISK_PATH_MAX];
    const enum status status = path_join(directory, LOCK_NAME, path);

    return status == STATUS_OK ? disk_lock(disk, path, lock) : status;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\n';
}

static struct string text_trim(struct string text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* One "key=value" line of a properties file. False: none, a comment. */
static bool property_take(struct string line, struct string *key, struct string *value)
{
    line = text_trim(line);
    if (line.size == 0 || line.data[0] == '#' || line.data[0] == '!' || !text_take(&line, '=', key)) {
        return false;
    }
    *key = text_trim(*key);
    *value = text_trim(line);
    return true;
}

/* Copies a value without the backslashes that Java puts before some characters. False if it does not fit, or would not
 * be the same once it is written again. */
static bool property_copy(struct string value, char *into, size_t room)
{
    size_t size = 0;

    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == '\\' && i + 1 < value.size) {
            i++;
        }
        if (size + 1 >= room || value.data[i] <= ' ' || value.data[i] == 0x7f || value.data[i] == '\\') {
            return false;
        }
        into[size++] = value.data[i];
    }
    into[size] = '\0';
    return true;
}

/* What a meta.properties has told so far. */
struct meta_seen {
    int64_t version;
    int64_t node_id;
    bool cluster;
    bool wrong;
};

static void meta_take(struct log_directory_meta *meta, struct meta_seen *seen, struct string key, struct string value)
{
    if (string_is(key, "version")) {
        seen->wrong = seen->wrong || !text_number(value, INT32_MAX, &seen->version);
    } else if (string_is(key, "node.id")) {
        seen->wrong = seen->wrong || !text_number(value, INT32_MAX, &seen->node_id);
    } else if (string_is(key, "cluster.id")) {
        seen->cluster = property_copy(value, meta->cluster_id, sizeof(meta->cluster_id));
    } else if (string_is(key, "directory.id")) {
        char id[UUID_TEXT_SIZE + 1];

        seen->wrong = seen->wrong || !property_copy(value, id, sizeof(id)) ||
                      uuid_parse(string_of(id), &meta->directory_id) != STATUS_OK;
    }
}

enum status log_directory_meta_read(struct disk *disk, const char *directory, struct log_directory_meta *meta)
{
    struct meta_seen seen = {.version = -1, .node_id = -1};
    struct string rest;
    struct string line;
    struct string key;
    struct string value;
    struct buffer text;
    enum status status;

    buffer_init(&text);
    status = small_file_read(disk, directory, META_NAME, &text);
    *meta = (struct log_directory_meta){.node_id = -1};
    rest = (struct string){(const char *)text.data, text.size};
    while (status == STATUS_OK && text_take(&rest, '\n', &line)) {
        if (property_take(line, &key, &value)) {
            meta_take(meta, &seen, key, value);
        }
    }
    buffer_deinit(&text);
    if (status != STATUS_OK) {
        return status;
    }
    if (seen.wrong || seen.version < 0) {
        return STATUS_CORRUPT;
    }
    if (seen.version != 1) {
        return STATUS_UNSUPPORTED;
    }
    meta->node_id = (int32_t)seen.node_id;
    return seen.cluster && seen.node_id >= 0 ? STATUS_OK : STATUS_CORRUPT;
}

enum status log_directory_meta_write(struct disk *disk, const char *directory, const struct log_directory_meta *meta)
{
    char path[DISK_PATH_MAX];
    char id[UUID_TEXT_SIZE + 1];
    char text[256];
    int size;
    const enum status status = path_join(directory, META_NAME, path);

    if (status != STATUS_OK) {
        return status;
    }
    size = snprintf(text, sizeof(text), "version=1\ncluster.id=%s\nnode.id=%" PRId32 "\ndirectory.id=%s\n",
                    meta->cluster_id, meta->node_id, uuid_format(meta->directory_id, id));
    return disk_replace_file(disk, path, bytes_of(text, (size_t)size));
}

/* The number behind "key": in a flat JSON object; false if there is none. */
static bool json_number(struct string text, const char *key, int64_t *number)
{
    const char *found = memmem(text.data, text.size, key, strlen(key));
    struct string rest;
    bool negative = false;
    size_t digits = 0;

    if (found == NULL) {
        return false;
    }
    rest = (struct string){found + strlen(key), text.size - (size_t)(found + strlen(key) - text.data)};
    rest = text_trim(rest);
    if (rest.size == 0 || rest.data[0] != ':') {
        return false;
    }
    rest = text_trim((struct string){rest.data + 1, rest.size - 1});
    if (rest.size > 0 && rest.data[0] == '-') {
        negative = true;
        rest.data++;
        rest.size--;
    }
    while (digits < rest.size && rest.data[digits] >= '0' && rest.data[digits] <= '9') {
        digits++;
    }
    if (!text_number((struct string){rest.data, digits}, INT64_MAX, number)) {
        return false;
    }
    *number = negative ? -*number : *number;
    return true;
}

enum status log_directory_clean_read(struct disk *disk, const char *directory, int64_t *broker_epoch)
{
    struct string text;
    struct buffer buffer;
    int64_t version;
    enum status status;

    buffer_init(&buffer);
    status = small_file_read(disk, directory, CLEAN_NAME, &buffer);
    text = text_trim((struct string){(const char *)buffer.data, buffer.size > 0 ? buffer.size - 1 : 0});
    if (status == STATUS_OK && (text.size < 2 || text.data[0] != '{' || text.data[text.size - 1] != '}' ||
                                !json_number(text, "\"version\"", &version) ||
                                !json_number(text, "\"brokerEpoch\"", broker_epoch))) {
        status = STATUS_CORRUPT;
    }
    buffer_deinit(&buffer);
    return status;
}

enum status log_directory_clean_write(struct disk *disk, const char *directory, int64_t broker_epoch)
{
    char path[DISK_PATH_MAX];
    char text[64];
    const int size = snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%" PRId64 "}", broker_epoch);
    const enum status status = path_join(directory, CLEAN_NAME, path);

    return status == STATUS_OK ? disk_replace_file(disk, path, bytes_of(text, (size_t)size)) : status;
}

enum status log_directory_clean_remove(struct disk *disk, const char *directory)
{
    char path[DISK_PATH_MAX];
    enum status status = path_join(directory, CLEAN_NAME, path);

    if (status == STATUS_OK) {
        status = disk_remove(disk, path);
    }
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        status = disk_sync_directory(disk, directory);
    }
    return status;
}

bool log_directory_life_goes_on(struct disk *disk, const char *directory)
{
    char life[DISK_LIFE_MAX];
    struct buffer text;
    bool same;

    if (disk_life(disk, directory, life) != STATUS_OK) {
        return false;
    }
    buffer_init(&text);
    same = small_file_read(disk, directory, LIFE_NAME, &text) == STATUS_OK &&
           string_is(text_trim((struct string){(const char *)text.data, text.size}), life);
    buffer_deinit(&text);
    return same;
}

enum status log_directory_life_write(struct disk *disk, const char *directory)
{
    char path[DISK_PATH_MAX];
    char life[DISK_LIFE_MAX];
    struct bytes part;
    struct file *file;
    enum status status = disk_life(disk, directory, life);

    if (status == STATUS_OK) {
        status = path_join(directory, LIFE_NAME, path);
    }
    if (status == STATUS_OK) {
        status = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    }
    if (status != STATUS_OK) {
        return status == STATUS_UNSUPPORTED ? STATUS_OK : status;
    }
    part = bytes_of(life, strlen(life));
    status = file_write(file, 0, &part, 1);
    file_unref(file);
    return status;
}

void log_directory_life_forget(struct disk *disk, const char *directory)
{
    char path[DISK_PATH_MAX];

    if (path_join(directory, LIFE_NAME, path) == STATUS_OK) {
        (void)!disk_remove(disk, path);
    }
}

static bool topic_is_legal(struct string topic)
{
    if (topic.size == 0 || topic.size > LOG_TOPIC_SIZE_MAX || string_is(topic, ".") || string_is(topic, "..")) {
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

void log_directory_entry_parse(const char *name, struct log_directory_entry *entry)
{
    const size_t size = strlen(name);
    const size_t ending = sizeof(RETIRED_ENDING) - 1;
    const char *dash = strrchr(name, '-');
    struct string digits;
    int64_t partition;

    *entry = (struct log_directory_entry){.item = LOG_DIRECTORY_OTHER, .name = name, .partition = -1};
    if (size > ending && strcmp(name + size - ending, RETIRED_ENDING) == 0) {
        entry->item = LOG_DIRECTORY_RETIRED;
        return;
    }
    if (dash == NULL) {
        return;
    }
    digits = string_of(dash + 1);
    entry->topic = (struct string){name, (size_t)(dash - name)};
    if (!text_number(digits, INT32_MAX, &partition) || (digits.size > 1 && digits.data[0] == '0') ||
        !topic_is_legal(entry->topic)) {
        entry->topic = STRING_NULL;
        return;
    }
    entry->item = LOG_DIRECTORY_PARTITION;
    entry->partition = (int32_t)partition;
}

struct directory_walk {
    void (*each)(void *context, const struct log_directory_entry *entry);
    void *context;
};

static void directory_name(void *context, const char *name, enum disk_kind kind)
{
    const struct directory_walk *walk = context;
    struct log_directory_entry entry;

    if (kind == DISK_DIRECTORY) {
        log_directory_entry_parse(name, &entry);
        walk->each(walk->context, &entry);
    }
}

enum status log_directory_list(struct disk *disk, const char *directory,
                               void (*each)(void *context, const struct log_directory_entry *entry), void *context)
{
    struct directory_walk walk = {.each = each, .context = context};

    return disk_list(disk, directory, directory_name, &walk);
}
