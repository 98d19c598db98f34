/* Entries of the time index. The offset of an entry may be far before the place of its offset index entry: the largest
 * timestamp need not be the newest. Offsets ascend all the same, because timestamps do. */
#include "storage-node/log/time_index.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/batch/record_batch.h"

void time_index_init(struct time_index *index, int64_t base_offset)
{
    index_file_init(&index->file, base_offset, SEGMENT_TIME_INDEX, TIME_INDEX_ENTRY_SIZE);
    index->last_timestamp = TIMESTAMP_NONE;
    index->last_known = false;
}

static void time_entry_read(const struct time_index *index, const uint8_t *entry, struct time_entry *found)
{
    found->timestamp = load_i64(entry);
    found->offset = index->file.base_offset + load_i32(entry + 8);
}

enum status time_index_append(struct log_files *files, struct time_index *index, int64_t timestamp, int64_t offset)
{
    const int64_t relative = offset - index->file.base_offset;
    uint8_t entry[TIME_INDEX_ENTRY_SIZE];
    enum status status;

    ASSERT(relative >= 0 && relative <= INT32_MAX);
    if (!index->last_known) {
        struct time_entry last;

        status = time_index_last(files, index, &last);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        index->last_timestamp = status == STATUS_OK ? last.timestamp : TIMESTAMP_NONE;
        index->last_known = true;
    }
    if (timestamp <= index->last_timestamp) {
        return STATUS_OK;
    }
    store_i64(entry, timestamp);
    store_i32(entry + 8, (int32_t)relative);
    status = index_file_append(files, &index->file, entry);
    if (status == STATUS_OK) {
        index->last_timestamp = timestamp;
    }
    return status;
}

enum status time_index_last(struct log_files *files, struct time_index *index, struct time_entry *entry)
{
    uint8_t found[INDEX_ENTRY_SIZE_MAX];
    uint32_t count;
    enum status status = index_file_count(files, &index->file, &count);

    if (status == STATUS_OK && count == 0) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = index_file_get(files, &index->file, count - 1, found);
    }
    if (status == STATUS_OK) {
        time_entry_read(index, found, entry);
    }
    return status;
}

static bool time_entry_before(const uint8_t *entry, const void *key)
{
    return load_i64(entry) < *(const int64_t *)key;
}

static bool time_entry_below(const uint8_t *entry, const void *key)
{
    return load_i32(entry + 8) < *(const int64_t *)key;
}

static enum status time_index_find(struct log_files *files, struct time_index *index, index_before before, int64_t key,
                                   struct time_entry *entry)
{
    uint8_t found[INDEX_ENTRY_SIZE_MAX];
    uint32_t count;
    enum status status = index_file_search(files, &index->file, before, &key, 0, &count, found);

    if (status == STATUS_OK && count == 0) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        time_entry_read(index, found, entry);
    }
    return status;
}

enum status time_index_find_before(struct log_files *files, struct time_index *index, int64_t timestamp,
                                   struct time_entry *entry)
{
    return time_index_find(files, index, time_entry_before, timestamp, entry);
}

enum status time_index_find_below(struct log_files *files, struct time_index *index, int64_t offset,
                                  struct time_entry *entry)
{
    return time_index_find(files, index, time_entry_below, offset - index->file.base_offset, entry);
}

enum status time_index_truncate(struct log_files *files, struct time_index *index, int64_t offset)
{
    const int64_t key = offset - index->file.base_offset;
    uint8_t last[INDEX_ENTRY_SIZE_MAX];
    uint32_t count;
    enum status status = index_file_search(files, &index->file, time_entry_below, &key, 0, &count, last);

    index->last_known = false;
    if (status == STATUS_NOT_FOUND || status == STATUS_CORRUPT) {
        count = 0;
        status = STATUS_OK;
    }
    return status == STATUS_OK ? index_file_truncate(files, &index->file, count) : status;
}
