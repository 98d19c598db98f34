/* Writes and reads producer journals. */
#include "storage-node/log/producer_journal.h"

#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/producer_snapshot.h"

#include <stdio.h>

#define JOURNAL_NAME ".millrace_producers"
#define JOURNAL_SIZE_MAX (512U << 20)
#define FRAME_SIZE 8
#define TOPIC_AT 8
#define PARTITION_AT 24
#define OFFSET_AT 28
#define EPOCH_AT 36
#define LAST_AT 40
#define EPOCHS_SIZE_AT 88
#define EPOCHS_AT 92

struct producer_journal {
    struct buffer text; /* all files, one behind the other */
    struct map entries; /* into `text`: the newest of each log */
};

struct journal_key {
    struct uuid topic_id;
    int32_t partition;
};

static uint64_t journal_hash(struct uuid topic_id, int32_t partition)
{
    return hash_u64(hash_bytes(topic_id.data, sizeof(topic_id.data)) + (uint64_t)(uint32_t)partition);
}

static bool journal_entry_is(const void *value, const void *key)
{
    const uint8_t *at = value;
    const struct journal_key *wanted = key;

    return load_i32(at + PARTITION_AT) == wanted->partition &&
           memcmp(at + TOPIC_AT, wanted->topic_id.data, sizeof(wanted->topic_id.data)) == 0;
}

/* The path of a writer's file; PRODUCER_JOURNAL_WRITERS_MAX: of the one for all. */
static enum status journal_path(const char *directory, uint32_t writer, char path[DISK_PATH_MAX])
{
    const int size = writer < PRODUCER_JOURNAL_WRITERS_MAX
                         ? snprintf(path, DISK_PATH_MAX, "%s/" JOURNAL_NAME "-%u", directory, writer)
                         : snprintf(path, DISK_PATH_MAX, "%s/" JOURNAL_NAME, directory);

    return size < DISK_PATH_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

static void segment_rest_write(const struct segment_rest *rest, uint8_t *at)
{
    store_i64(at, rest->base_offset);
    store_u32(at + 8, rest->size);
    store_u32(at + 12, rest->unindexed);
    store_u32(at + 16, rest->offset_entries);
    store_u32(at + 20, rest->time_entries);
    store_i64(at + 24, rest->max_timestamp);
    store_i64(at + 32, rest->max_timestamp_offset);
    store_i64(at + 40, rest->first_timestamp);
}

static struct segment_rest segment_rest_read(const uint8_t *at)
{
    return (struct segment_rest){.base_offset = load_i64(at),
                                 .size = load_u32(at + 8),
                                 .unindexed = load_u32(at + 12),
                                 .offset_entries = load_u32(at + 16),
                                 .time_entries = load_u32(at + 20),
                                 .max_timestamp = load_i64(at + 24),
                                 .max_timestamp_offset = load_i64(at + 32),
                                 .first_timestamp = load_i64(at + 40)};
}

void producer_journal_encode(const struct producer_journal_entry *entry, const struct epoch_cache *epochs,
                             const struct producer_state *state, struct buffer *out)
{
    const size_t start = out->size;
    uint8_t *at = buffer_reserve(out, EPOCHS_AT);

    memcpy(at + TOPIC_AT, entry->topic_id.data, sizeof(entry->topic_id.data));
    store_i32(at + PARTITION_AT, entry->partition);
    store_i64(at + OFFSET_AT, entry->offset);
    store_i32(at + EPOCH_AT, entry->epoch);
    segment_rest_write(&entry->last, at + LAST_AT);
    out->size += EPOCHS_AT;
    epoch_cache_encode(epochs, out);
    store_u32(out->data + start + EPOCHS_SIZE_AT, (uint32_t)(out->size - start - EPOCHS_AT));
    producer_snapshot_encode(state, out);
    at = out->data + start;
    store_u32(at, (uint32_t)(out->size - start - FRAME_SIZE));
    store_u32(at + 4, crc32c(at + FRAME_SIZE, out->size - start - FRAME_SIZE));
}

size_t producer_journal_entry_room(const struct producer_journal_entry *entry)
{
    return entry->epochs.size + entry->snapshot.size;
}

void producer_journal_entry_move(struct producer_journal_entry *entry, uint8_t *room)
{
    memcpy(room, entry->epochs.data, entry->epochs.size);
    memcpy(room + entry->epochs.size, entry->snapshot.data, entry->snapshot.size);
    entry->epochs.data = room;
    entry->snapshot.data = room + entry->epochs.size;
}

enum status producer_journal_write(struct disk *disk, const char *directory, uint32_t writer, struct bytes entries,
                                   uint64_t *size)
{
    const unsigned flags = *size == 0 ? FILE_WRITE | FILE_CREATE | FILE_TRUNCATE : FILE_WRITE;
    char path[DISK_PATH_MAX];
    struct file *file;
    enum status status = journal_path(directory, writer, path);

    if (status == STATUS_OK) {
        status = disk_open(disk, path, flags, &file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = file_write(file, *size, &entries, 1);
    file_unref(file);
    if (status == STATUS_OK) {
        *size += entries.size;
    }
    return status;
}

static enum status journal_sync_file(struct disk *disk, const char *directory, uint32_t writer)
{
    char path[DISK_PATH_MAX];
    struct file *file;
    enum status status = journal_path(directory, writer, path);

    if (status == STATUS_OK) {
        status = disk_open(disk, path, FILE_READ, &file);
    }
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    status = file_sync(file);
    file_unref(file);
    return status;
}

enum status producer_journal_sync(struct disk *disk, const char *directory, uint32_t writer)
{
    const enum status status = journal_sync_file(disk, directory, writer);

    return status == STATUS_OK ? journal_sync_file(disk, directory, PRODUCER_JOURNAL_WRITERS_MAX) : status;
}

static enum status journal_read_file(struct disk *disk, const char *directory, uint32_t writer, struct buffer *text)
{
    char path[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status = journal_path(directory, writer, path);

    if (status == STATUS_OK) {
        status = disk_read_file(disk, path, JOURNAL_SIZE_MAX, &data, &size);
    }
    if (status == STATUS_OK) {
        buffer_append(text, data, size);
        memory_free(data);
    }
    return status == STATUS_NOT_FOUND || status == STATUS_TOO_LARGE ? STATUS_OK : status;
}

/* The size of the sound entry that `text` begins with; 0: there is none. */
static size_t journal_entry_size(struct bytes text)
{
    size_t size;

    if (text.size < EPOCHS_AT) {
        return 0;
    }
    size = load_u32(text.data);
    if (size < EPOCHS_AT - FRAME_SIZE || size > text.size - FRAME_SIZE ||
        load_u32(text.data + 4) != crc32c(text.data + FRAME_SIZE, size) ||
        load_u32(text.data + EPOCHS_SIZE_AT) > FRAME_SIZE + size - EPOCHS_AT) {
        return 0;
    }
    return FRAME_SIZE + size;
}

static void journal_add(struct producer_journal *journal, uint8_t *entry)
{
    struct journal_key key = {.partition = load_i32(entry + PARTITION_AT)};
    uint64_t hash;
    uint8_t *known;

    memcpy(key.topic_id.data, entry + TOPIC_AT, sizeof(key.topic_id.data));
    hash = journal_hash(key.topic_id, key.partition);
    known = map_find(&journal->entries, hash, journal_entry_is, &key);
    if (known != NULL && load_i64(known + OFFSET_AT) > load_i64(entry + OFFSET_AT)) {
        return;
    }
    if (known != NULL) {
        map_remove(&journal->entries, hash, known);
    }
    map_insert(&journal->entries, hash, entry);
}

/* Takes the entries of one file, up to the first that is not whole: the end of the last write. */
static void journal_take(struct producer_journal *journal, size_t from, size_t to)
{
    size_t size;

    while (from < to && (size = journal_entry_size(bytes_of(journal->text.data + from, to - from))) > 0) {
        journal_add(journal, journal->text.data + from);
        from += size;
    }
}

enum status producer_journal_load(struct disk *disk, const char *directory, struct producer_journal **out)
{
    struct producer_journal *journal = memory_alloc_zero(1, sizeof(*journal));
    size_t ends[PRODUCER_JOURNAL_WRITERS_MAX + 1];
    size_t from = 0;
    enum status status = STATUS_OK;

    buffer_init(&journal->text);
    map_init(&journal->entries);
    for (uint32_t i = 0; i <= PRODUCER_JOURNAL_WRITERS_MAX && status == STATUS_OK; i++) {
        status = journal_read_file(disk, directory, i, &journal->text);
        ends[i] = journal->text.size;
    }
    if (status != STATUS_OK) {
        producer_journal_destroy(journal);
        return status;
    }
    /* Only now: the buffer has moved while it grew. */
    for (uint32_t i = 0; i <= PRODUCER_JOURNAL_WRITERS_MAX; i++) {
        journal_take(journal, from, ends[i]);
        from = ends[i];
    }
    *out = journal;
    return STATUS_OK;
}

void producer_journal_destroy(struct producer_journal *journal)
{
    if (journal != NULL) {
        map_deinit(&journal->entries);
        buffer_deinit(&journal->text);
        memory_free(journal);
    }
}

bool producer_journal_find(const struct producer_journal *journal, struct uuid topic_id, int32_t partition,
                           struct producer_journal_entry *entry)
{
    const struct journal_key key = {topic_id, partition};
    const uint8_t *at = map_find(&journal->entries, journal_hash(topic_id, partition), journal_entry_is, &key);
    size_t epochs_size;

    if (at == NULL) {
        return false;
    }
    epochs_size = load_u32(at + EPOCHS_SIZE_AT);
    *entry = (struct producer_journal_entry){
        .topic_id = topic_id,
        .partition = partition,
        .epoch = load_i32(at + EPOCH_AT),
        .offset = load_i64(at + OFFSET_AT),
        .last = segment_rest_read(at + LAST_AT),
        .epochs = bytes_of(at + EPOCHS_AT, epochs_size),
        .snapshot = bytes_of(at + EPOCHS_AT + epochs_size, load_u32(at) + FRAME_SIZE - EPOCHS_AT - epochs_size),
    };
    return entry->offset >= 0;
}

/* Removes the files of writers, and if `all` the common one. */
static enum status journal_remove(struct disk *disk, const char *directory, bool all)
{
    const uint32_t count = PRODUCER_JOURNAL_WRITERS_MAX + (all ? 1 : 0);
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        char path[DISK_PATH_MAX];

        status = journal_path(directory, i, path);
        if (status == STATUS_OK) {
            status = disk_remove(disk, path);
        }
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    return status;
}

enum status producer_journal_remove(struct disk *disk, const char *directory)
{
    return journal_remove(disk, directory, true);
}

static enum status journal_replace(struct disk *disk, const char *directory, struct bytes text)
{
    char path[DISK_PATH_MAX];
    char temporary[DISK_PATH_MAX];
    struct file *file;
    enum status status = journal_path(directory, PRODUCER_JOURNAL_WRITERS_MAX, path);

    if (status != STATUS_OK || snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= DISK_PATH_MAX) {
        return STATUS_TOO_LARGE;
    }
    status = disk_open(disk, temporary, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (status == STATUS_OK) {
        status = file_write(file, 0, &text, 1);
        file_unref(file);
    }
    if (status == STATUS_OK) {
        status = disk_rename(disk, temporary, path);
    }
    if (status != STATUS_OK) {
        (void)!disk_remove(disk, temporary);
    }
    return status;
}

enum status producer_journal_gather(struct disk *disk, const char *directory, const struct producer_journal *journal)
{
    struct buffer text;
    const uint8_t *entry;
    size_t at = 0;
    enum status status;

    buffer_init(&text);
    while ((entry = map_next(&journal->entries, &at)) != NULL) {
        buffer_append(&text, entry, FRAME_SIZE + load_u32(entry));
    }
    status = text.size > 0 ? journal_replace(disk, directory, buffer_bytes(&text)) : STATUS_OK;
    buffer_deinit(&text);
    return journal_remove(disk, directory, status != STATUS_OK || journal->entries.count == 0);
}
