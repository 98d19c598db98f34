/* The file holds `stored` entries, memory the `waiting_count` behind them. */
#include "storage-node/log/index_file.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* The first that wait; INDEX_WAITING_MAX is this times a power of two. */
#define INDEX_WAITING_MIN 4
/* Look-ups halve the file until this many are left, which one read brings in: of an offset index what a slice of
 * 1 MiB in batches of 4 KiB goes by. */
#define BLOCK_ENTRIES 256

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
    index->waiting_capacity = 0;
}

static enum status index_file_open(struct log_files *files, struct index_file *index, unsigned flags,
                                   struct file **file)
{
    UNINITIALIZED char path[DISK_PATH_MAX];

    if (file_cache_find(files->cache, &index->slot, file)) {
        return STATUS_OK;
    }
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
    if (index->waiting_count == index->waiting_capacity) {
        /* Little for a segment that gets little: there may be thousands of them. */
        index->waiting_capacity =
            (uint16_t)(index->waiting_capacity > 0 ? index->waiting_capacity * 2 : INDEX_WAITING_MIN);
        index->waiting = memory_resize(index->waiting, index->waiting_capacity, index->entry_size);
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
        index->waiting_capacity = 0;
        memory_free(index->waiting);
        index->waiting = NULL;
    }
    return status;
}

/* A search under way: `before` holds below `low`, whose last entry is `last`, and does not hold from `high` on. */
struct index_search {
    index_before before;
    const void *key;
    uint32_t low;
    uint32_t high;
    uint8_t last[INDEX_ENTRY_SIZE_MAX];
};

static bool index_search_try(struct index_search *search, const struct index_file *index, const uint8_t *entry)
{
    const bool before = search->before(entry, search->key);

    if (before) {
        memcpy(search->last, entry, index->entry_size);
    }
    return before;
}

/* Looks at `count` stored entries from `first` on by one read; all below `first` are known to lie before the key, or
 * the first one shows that. */
static enum status index_search_block(struct log_files *files, struct index_file *index, struct index_search *search,
                                      uint32_t first, uint32_t count)
{
    UNINITIALIZED uint8_t block[BLOCK_ENTRIES * INDEX_ENTRY_SIZE_MAX];
    const size_t size = (size_t)count * index->entry_size;
    struct file *file;
    uint32_t n = 0;
    size_t got;
    enum status status = index_file_open(files, index, 0, &file);

    if (status == STATUS_OK) {
        status = file_read(file, (uint64_t)first * index->entry_size, block, size, &got);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (got < size) {
        return STATUS_CORRUPT;
    }
    while (n < count && index_search_try(search, index, block + (size_t)n * index->entry_size)) {
        n++;
    }
    if (n < count) {
        search->high = first + n;
    }
    if (n > 0) {
        search->low = first + n;
    }
    return STATUS_OK;
}

/* Halves until one block holds the rest. */
static enum status index_search_run(struct log_files *files, struct index_file *index, struct index_search *search)
{
    while (search->low < search->high) {
        const uint32_t middle = search->low + (search->high - search->low) / 2;
        uint8_t entry[INDEX_ENTRY_SIZE_MAX];
        enum status status;

        if (search->high - search->low <= BLOCK_ENTRIES && search->high <= index->stored) {
            const uint32_t low = search->low;

            status = index_search_block(files, index, search, low, search->high - low);
            search->high = search->low;
            return status;
        }
        status = index_file_get(files, index, middle, entry);
        if (status != STATUS_OK) {
            return status;
        }
        if (index_search_try(search, index, entry)) {
            search->low = middle + 1;
        } else {
            search->high = middle;
        }
    }
    return STATUS_OK;
}

enum status index_file_search(struct log_files *files, struct index_file *index, index_before before, const void *key,
                              uint32_t near, uint32_t *count, uint8_t last[INDEX_ENTRY_SIZE_MAX])
{
    struct index_search search = {.before = before, .key = key};
    enum status status = index_file_count(files, index, &search.high);

    if (status == STATUS_OK && near > 0 && near <= index->stored) {
        const uint32_t left = index->stored - (near - 1);

        status = index_search_block(files, index, &search, near - 1, left < BLOCK_ENTRIES ? left : BLOCK_ENTRIES);
    }
    if (status == STATUS_OK) {
        status = index_search_run(files, index, &search);
    }
    *count = search.low;
    memcpy(last, search.last, sizeof(search.last));
    return status;
}
