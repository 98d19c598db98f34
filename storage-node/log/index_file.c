/* The file holds `stored` entries, memory the `waiting_count` behind them. */
#include "storage-node/log/index_file.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* Look-ups halve the file until this many are left, which one read brings in. */
#define BLOCK_ENTRIES 128

void index_file_init(struct index_file *index, int64_t base_offset, enum segment_part part, size_t entry_size)
{
    ASSERT(entry_size <= INDEX_ENTRY_SIZE_MAX);
    *index = (struct index_file){.base_offset = base_offset,
                                 .stored = INDEX_COUNT_UNKNOWN,
                                 .part = (uint8_t)part,
                                 .entry_size = (uint8_t)entry_size};
    file_slot_init(&index->slot);
}

void index_file_deinit(struct log_files *files, struct index_file *index)
{
    if (files->cache != NULL) {
        file_cache_drop(files->cache, &index->slot);
    }
    ASSERT(index->slot.file == NULL);
    memory_free(index->waiting);
    index->waiting = NULL;
    index->waiting_count = 0;
}

static enum status index_file_open(struct log_files *files, struct index_file *index, unsigned flags,
                                   struct file **file)
{
    char path[DISK_PATH_MAX];

    segment_path(files, index->base_offset, (enum segment_part)index->part, "", path);
    return file_cache_use(files->cache, &index->slot, path, FILE_WRITE | flags, file);
}

enum status index_file_count(struct log_files *files, struct index_file *index, uint32_t *count)
{
    if (index->stored == INDEX_COUNT_UNKNOWN) {
        struct file *file;
        uint64_t size;
        enum status status = index_file_open(files, index, 0, &file);

        if (status == STATUS_OK) {
            status = file_size(file, &size);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (size / index->entry_size >= INDEX_COUNT_UNKNOWN) {
            return STATUS_CORRUPT;
        }
        index->stored = (uint32_t)(size / index->entry_size);
    }
    *count = index->stored + index->waiting_count;
    return STATUS_OK;
}

enum status index_file_get(struct log_files *files, struct index_file *index, uint32_t at,
                           uint8_t entry[INDEX_ENTRY_SIZE_MAX])
{
    struct file *file;
    size_t got;
    enum status status;

    ASSERT(index->stored != INDEX_COUNT_UNKNOWN);
    ASSERT(at < index->stored + index->waiting_count);
    if (at >= index->stored) {
        memcpy(entry, index->waiting + (size_t)(at - index->stored) * index->entry_size, index->entry_size);
        return STATUS_OK;
    }
    status = index_file_open(files, index, 0, &file);
    if (status == STATUS_OK) {
        status = file_read(file, (uint64_t)at * index->entry_size, entry, index->entry_size, &got);
    }
    if (status == STATUS_OK && got < index->entry_size) {
        status = STATUS_CORRUPT;
    }
    return status;
}

enum status index_file_append(struct log_files *files, struct index_file *index, const uint8_t *entry)
{
    if (index->stored == INDEX_COUNT_UNKNOWN) {
        uint32_t count;
        enum status status = index_file_count(files, index, &count);

        if (status == STATUS_NOT_FOUND) {
            index->stored = 0;
        } else if (status != STATUS_OK) {
            return status;
        }
    }
    if (index->waiting_count == INDEX_WAITING_MAX) {
        enum status status = index_file_write(files, index);

        if (status != STATUS_OK) {
            return status;
        }
    }
    if (index->waiting == NULL) {
        index->waiting = memory_alloc((size_t)INDEX_WAITING_MAX * index->entry_size);
    }
    memcpy(index->waiting + (size_t)index->waiting_count * index->entry_size, entry, index->entry_size);
    index->waiting_count++;
    return STATUS_OK;
}

enum status index_file_truncate(struct log_files *files, struct index_file *index, uint32_t count)
{
    struct file *file;
    enum status status;

    if (index->stored != INDEX_COUNT_UNKNOWN && count >= index->stored) {
        const uint32_t kept = count - index->stored;

        index->waiting_count = kept < index->waiting_count ? (uint16_t)kept : index->waiting_count;
        return STATUS_OK;
    }
    status = index_file_open(files, index, FILE_CREATE, &file);
    if (status == STATUS_OK) {
        status = file_truncate(file, (uint64_t)count * index->entry_size);
    }
    if (status == STATUS_OK) {
        index->stored = count;
        index->waiting_count = 0;
    }
    return status;
}

enum status index_file_write(struct log_files *files, struct index_file *index)
{
    struct file *file;
    uint32_t count;
    enum status status = index_file_open(files, index, FILE_CREATE, &file);

    if (status == STATUS_OK) {
        status = index_file_count(files, index, &count);
    }
    if (status == STATUS_OK && index->waiting_count > 0) {
        const struct bytes part = bytes_of(index->waiting, (size_t)index->waiting_count * index->entry_size);

        status = file_write(file, (uint64_t)index->stored * index->entry_size, &part, 1);
    }
    if (status == STATUS_OK) {
        index->stored += index->waiting_count;
        index->waiting_count = 0;
        memory_free(index->waiting);
        index->waiting = NULL;
    }
    return status;
}

enum status index_file_search(struct log_files *files, struct index_file *index, index_before before, const void *key,
                              uint32_t *count)
{
    uint8_t block[BLOCK_ENTRIES * INDEX_ENTRY_SIZE_MAX];
    uint8_t entry[INDEX_ENTRY_SIZE_MAX];
    uint32_t low = 0; /* `before` holds below */
    uint32_t high;    /* and does not hold from here on */
    struct file *file;
    size_t got;
    enum status status = index_file_count(files, index, &high);

    while (status == STATUS_OK && low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (high - low <= BLOCK_ENTRIES && high <= index->stored) {
            break;
        }
        status = index_file_get(files, index, middle, entry);
        if (status == STATUS_OK && before(entry, key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (status != STATUS_OK || low == high) {
        *count = low;
        return status;
    }
    status = index_file_open(files, index, 0, &file);
    if (status == STATUS_OK) {
        status = file_read(file, (uint64_t)low * index->entry_size, block, (size_t)(high - low) * index->entry_size,
                           &got);
    }
    if (status == STATUS_OK && got < (size_t)(high - low) * index->entry_size) {
        status = STATUS_CORRUPT;
    }
    for (const uint8_t *at = block; status == STATUS_OK && low < high && before(at, key); at += index->entry_size) {
        low++;
    }
    *count = low;
    return status;
}
