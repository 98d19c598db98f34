/* Reads and writes offset checkpoints. Reading takes two passes, so that of a damaged file nothing is believed. */
#include "storage-node/log/checkpoint.h"

#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_log.h"
#include "storage-node/log/text_fields.h"

#include <inttypes.h>

/* No topic's name has others; such a line is damage. */
static bool topic_is_printable(struct string topic)
{
    for (size_t i = 0; i < topic.size; i++) {
        if (topic.data[i] <= ' ' || topic.data[i] == 0x7f) {
            return false;
        }
    }
    return topic.size > 0;
}

static bool checkpoint_take(struct string *rest, bool owners, struct checkpoint_entry *entry)
{
    struct string id;
    int64_t partition;

    *entry = (struct checkpoint_entry){.owner = UUID_ZERO};
    if (!text_take(rest, ' ', &entry->topic) || !topic_is_printable(entry->topic) ||
        !text_take_number(rest, ' ', INT32_MAX, &partition)) {
        return false;
    }
    entry->partition = (int32_t)partition;
    if (owners) {
        return text_take(rest, '\n', &id) && uuid_parse(id, &entry->owner) == STATUS_OK;
    }
    return text_take_number(rest, '\n', LOG_OFFSET_MAX, &entry->offset);
}

/* Goes over the text; `each` may be NULL. */
static enum status checkpoint_walk(struct string text, bool owners,
                                   void (*each)(void *context, const struct checkpoint_entry *entry), void *context)
{
    int64_t version;
    int64_t count;

    if (!text_take_number(&text, '\n', 0, &version) || !text_take_number(&text, '\n', UINT32_MAX, &count)) {
        return STATUS_CORRUPT;
    }
    for (; count > 0; count--) {
        struct checkpoint_entry entry;

        if (!checkpoint_take(&text, owners, &entry)) {
            return STATUS_CORRUPT;
        }
        if (each != NULL) {
            each(context, &entry);
        }
    }
    return text.size == 0 ? STATUS_OK : STATUS_CORRUPT;
}

static enum status checkpoint_read_kind(struct disk *disk, const char *path, bool owners,
                                        void (*each)(void *context, const struct checkpoint_entry *entry),
                                        void *context)
{
    struct string text;
    uint8_t *data;
    size_t size;
    enum status status = disk_read_file(disk, path, CHECKPOINT_SIZE_MAX, &data, &size);

    if (status != STATUS_OK) {
        return status == STATUS_TOO_LARGE ? STATUS_CORRUPT : status;
    }
    text = (struct string){(const char *)data, size};
    status = checkpoint_walk(text, owners, NULL, NULL);
    if (status == STATUS_OK) {
        status = checkpoint_walk(text, owners, each, context);
    }
    memory_free(data);
    return status;
}

enum status checkpoint_read(struct disk *disk, const char *path,
                            void (*each)(void *context, const struct checkpoint_entry *entry), void *context)
{
    return checkpoint_read_kind(disk, path, false, each, context);
}

enum status checkpoint_read_owners(struct disk *disk, const char *path,
                                   void (*each)(void *context, const struct checkpoint_entry *entry), void *context)
{
    return checkpoint_read_kind(disk, path, true, each, context);
}

void checkpoint_draft_init(struct checkpoint_draft *draft)
{
    buffer_init(&draft->lines);
    draft->count = 0;
}

void checkpoint_draft_deinit(struct checkpoint_draft *draft)
{
    buffer_deinit(&draft->lines);
}

void checkpoint_draft_add(struct checkpoint_draft *draft, const struct checkpoint_entry *entry)
{
    buffer_append_format(&draft->lines, "%.*s %" PRId32 " %" PRId64 "\n", STRING_ARGS(entry->topic), entry->partition,
                         entry->offset);
    draft->count++;
}

void checkpoint_draft_add_owner(struct checkpoint_draft *draft, const struct checkpoint_entry *entry)
{
    char id[UUID_TEXT_SIZE + 1];

    buffer_append_format(&draft->lines, "%.*s %" PRId32 " %s\n", STRING_ARGS(entry->topic), entry->partition,
                         uuid_format(entry->owner, id));
    draft->count++;
}

enum status checkpoint_draft_write(const struct checkpoint_draft *draft, struct disk *disk, const char *path)
{
    struct buffer text;
    enum status status;

    buffer_init(&text);
    buffer_append_format(&text, "0\n%" PRIu32 "\n", draft->count);
    if (draft->lines.size > 0) {
        buffer_append(&text, draft->lines.data, draft->lines.size);
    }
    status = disk_replace_file(disk, path, buffer_bytes(&text));
    buffer_deinit(&text);
    return status;
}
