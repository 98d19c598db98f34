/* Entries of the offset index, on top of the file of equal-sized entries. */
#include "storage-node/log/offset_index.h"

#include "common/base/assert.h"
#include "common/base/endian.h"

void offset_index_init(struct offset_index *index, int64_t base_offset)
{
    index_file_init(&index->file, base_offset, SEGMENT_OFFSET_INDEX, OFFSET_INDEX_ENTRY_SIZE);
}

enum status offset_index_append(struct log_files *files, struct offset_index *index, int64_t last_offset,
                                uint32_t position)
{
    const int64_t relative = last_offset - index->file.base_offset;
    uint8_t entry[OFFSET_INDEX_ENTRY_SIZE];

    ASSERT(relative >= 0 && relative <= INT32_MAX);
    ASSERT(position <= INT32_MAX);
    store_i32(entry, (int32_t)relative);
    store_i32(entry + 4, (int32_t)position);
    return index_file_append(files, &index->file, entry);
}

struct offset_key {
    int64_t relative;
    uint32_t position_max;
};

static bool offset_entry_before(const uint8_t *entry, const void *key_pointer)
{
    const struct offset_key *key = key_pointer;

    return load_i32(entry) <= key->relative && load_u32(entry + 4) <= key->position_max;
}

enum status offset_index_find(struct log_files *files, struct offset_index *index, int64_t offset,
                              uint32_t position_max, uint32_t *near, struct offset_entry *found)
{
    const struct offset_key key = {offset - index->file.base_offset, position_max};
    uint8_t entry[INDEX_ENTRY_SIZE_MAX];
    uint32_t count;
    enum status status =
        index_file_search(files, &index->file, offset_entry_before, &key, *near, &count, entry);

    if (status == STATUS_OK && count == 0) {
        return STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        *near = count;
        found->last_offset = index->file.base_offset + load_i32(entry);
        found->position = load_u32(entry + 4);
    }
    return status;
}

enum status offset_index_truncate(struct log_files *files, struct offset_index *index, int64_t offset)
{
    const struct offset_key key = {offset - index->file.base_offset - 1, INT32_MAX};
    uint8_t entry[INDEX_ENTRY_SIZE_MAX];
    uint32_t count;
    enum status status = index_file_search(files, &index->file, offset_entry_before, &key, 0, &count, entry);

    if (status == STATUS_NOT_FOUND || status == STATUS_CORRUPT) {
        /* Nothing that could be kept: starts anew, look-ups walk the segment until it has entries again. */
        count = 0;
        status = STATUS_OK;
    }
    return status == STATUS_OK ? index_file_truncate(files, &index->file, count) : status;
}
