/* Reads and writes partition.metadata. */
#include "storage-node/log/partition_metadata.h"

#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/text_fields.h"

#include <inttypes.h>
#include <stdio.h>

#define METADATA_SIZE_MAX 1024
/* Where our own file has what. */
#define FIRST_AT 21
#define SECOND_LINE_END 44
#define SECOND_AT 54
#define SUM_AT 77
#define SUM_DIGITS 8
#define TEXT_SIZE 86
/* As many bits of an id's text may have flipped. */
#define NEAR_BITS 8

static void metadata_format(struct uuid topic_id, char text[TEXT_SIZE + 1])
{
    char id[UUID_TEXT_SIZE + 1];

    uuid_format(topic_id, id);
    snprintf(text, TEXT_SIZE + 1, "version: 0\ntopic_id: %s\nmillrace: %s %08" PRIx32 "\n", id, id,
             crc32c(id, UUID_TEXT_SIZE));
}

/* Kafka's two lines, at least. */
static bool metadata_parse(struct string rest, struct uuid *topic_id)
{
    struct string key;
    struct string value;
    bool found = false;

    while (text_take(&rest, '\n', &value)) {
        /* "key: value" */
        if (!text_take(&value, ':', &key) || value.size == 0 || value.data[0] != ' ') {
            return false;
        }
        value.data++;
        value.size--;
        if (string_is(key, "version") && !string_is(value, "0")) {
            return false;
        }
        if (string_is(key, "topic_id")) {
            found = uuid_parse(value, topic_id) == STATUS_OK;
        }
    }
    return found;
}

static bool metadata_sum(struct string text, uint32_t *sum)
{
    static const char digits[] = "0123456789abcdef";

    *sum = 0;
    for (size_t i = 0; i < SUM_DIGITS; i++) {
        const char *digit = memchr(digits, text.data[SUM_AT + i], sizeof(digits) - 1);

        if (digit == NULL) {
            return false;
        }
        *sum = *sum << 4 | (uint32_t)(digit - digits);
    }
    return true;
}

/* Whether two of the first copy, the second copy and the checksum agree, about what. */
static bool metadata_agrees(struct string text, struct uuid *topic_id)
{
    struct uuid ids[2];
    bool valid[2];
    uint32_t sum;

    if (text.size < SUM_AT + SUM_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct string id = {text.data + (i == 0 ? FIRST_AT : SECOND_AT), UUID_TEXT_SIZE};

        valid[i] = uuid_parse(id, &ids[i]) == STATUS_OK;
        if (valid[i] && metadata_sum(text, &sum) && crc32c(id.data, id.size) == sum) {
            *topic_id = ids[i];
            return true;
        }
    }
    *topic_id = ids[0];
    return valid[0] && valid[1] && uuid_equal(ids[0], ids[1]);
}

/* Whether `at` is the text of `topic_id` but for a few bits. */
static bool metadata_near(struct string text, size_t at, struct uuid topic_id)
{
    char id[UUID_TEXT_SIZE + 1];
    int bits = 0;

    if (text.size < at + UUID_TEXT_SIZE) {
        return false;
    }
    uuid_format(topic_id, id);
    for (size_t i = 0; i < UUID_TEXT_SIZE; i++) {
        bits += __builtin_popcount((unsigned char)id[i] ^ (unsigned char)text.data[at + i]);
    }
    return bits <= NEAR_BITS;
}

static bool metadata_blank(struct string text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\0') {
            return false;
        }
    }
    return true;
}

static void metadata_judge(struct string text, struct uuid expected, struct partition_identity *identity)
{
    char whole[TEXT_SIZE + 1];

    *identity = (struct partition_identity){.owner = OWNER_UNKNOWN};
    if (metadata_blank(text)) {
        identity->owner = OWNER_NOBODY;
    } else if (metadata_agrees(text, &identity->topic_id)) {
        identity->owner = OWNER_PROVEN;
        metadata_format(identity->topic_id, whole);
        identity->damaged = text.size != TEXT_SIZE || memcmp(text.data, whole, TEXT_SIZE) != 0;
    } else if (text.size <= SECOND_LINE_END && metadata_parse(text, &identity->topic_id) &&
               (uuid_is_zero(expected) || uuid_equal(identity->topic_id, expected))) {
        identity->owner = OWNER_CLAIMED;
    } else if (!uuid_is_zero(expected) &&
               (metadata_near(text, FIRST_AT, expected) || metadata_near(text, SECOND_AT, expected))) {
        identity->owner = OWNER_PROVEN;
        identity->topic_id = expected;
        identity->damaged = true;
    } else if (text.size <= SECOND_LINE_END && metadata_parse(text, &identity->topic_id)) {
        identity->owner = OWNER_CLAIMED;
    }
}

enum status partition_metadata_read(struct disk *disk, const char *path, struct uuid expected,
                                    struct partition_identity *identity)
{
    uint8_t *text;
    size_t size;
    const enum status status = disk_read_file(disk, path, METADATA_SIZE_MAX, &text, &size);

    *identity = (struct partition_identity){.owner = OWNER_NOBODY};
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_TOO_LARGE) {
        identity->owner = OWNER_UNKNOWN;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        metadata_judge((struct string){(const char *)text, size}, expected, identity);
        memory_free(text);
    }
    return status;
}

enum status partition_metadata_write(struct disk *disk, const char *path, struct uuid topic_id)
{
    char text[TEXT_SIZE + 1];
    const struct bytes part = bytes_of(text, TEXT_SIZE);
    struct file *file;
    enum status status = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);

    metadata_format(topic_id, text);
    if (status == STATUS_OK) {
        status = file_write(file, 0, &part, 1);
        file_unref(file);
    }
    return status;
}

enum status partition_metadata_replace(struct disk *disk, const char *path, struct uuid topic_id)
{
    char text[TEXT_SIZE + 1];

    metadata_format(topic_id, text);
    return disk_replace_file(disk, path, bytes_of(text, TEXT_SIZE));
}
