/* Aborted transactions are rare: the file is opened for each use and kept nowhere. */
#include "storage-node/log/txn_index.h"

#include "common/base/endian.h"
#include "common/base/memory.h"

/* Two million aborted transactions in one segment. */
#define TXN_INDEX_SIZE_MAX (64U << 20)

enum status txn_index_append(const struct log_files *files, int64_t base_offset, const struct txn_index_entry *entries,
                             size_t count)
{
    char path[DISK_PATH_MAX];
    struct file *file;
    uint64_t size;
    enum status status;

    segment_path(files, base_offset, SEGMENT_TXN_INDEX, "", path);
    status = disk_open(files->disk, path, FILE_WRITE | FILE_CREATE, &file);
    if (status != STATUS_OK) {
        return status;
    }
    status = file_size(file, &size);
    size -= status == STATUS_OK ? size % TXN_INDEX_ENTRY_SIZE : 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        uint8_t bytes[TXN_INDEX_ENTRY_SIZE] = {0};
        const struct bytes part = bytes_of(bytes, sizeof(bytes));

        store_i64(bytes + 2, entries[i].producer_id);
        store_i64(bytes + 10, entries[i].first_offset);
        store_i64(bytes + 18, entries[i].last_offset);
        store_i64(bytes + 26, entries[i].last_stable_offset);
        status = file_write(file, size, &part, 1);
        size += sizeof(bytes);
    }
    file_unref(file);
    return status;
}

enum status txn_index_read(const struct log_files *files, int64_t base_offset, struct txn_index_entry **entries,
                           size_t *count)
{
    char path[DISK_PATH_MAX];
    uint8_t *contents;
    size_t size;
    enum status status;

    *entries = NULL;
    *count = 0;
    segment_path(files, base_offset, SEGMENT_TXN_INDEX, "", path);
    status = disk_read_file(files->disk, path, TXN_INDEX_SIZE_MAX, &contents, &size);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    *entries = memory_alloc_zero(size / TXN_INDEX_ENTRY_SIZE + 1, sizeof(**entries));
    for (size_t at = 0; at + TXN_INDEX_ENTRY_SIZE <= size; at += TXN_INDEX_ENTRY_SIZE) {
        const struct txn_index_entry entry = {.producer_id = load_i64(contents + at + 2),
                                              .first_offset = load_i64(contents + at + 10),
                                              .last_offset = load_i64(contents + at + 18),
                                              .last_stable_offset = load_i64(contents + at + 26)};

        if (load_i16(contents + at) != 0 || entry.last_offset < base_offset || entry.first_offset > entry.last_offset) {
            break;
        }
        (*entries)[(*count)++] = entry;
    }
    memory_free(contents);
    return STATUS_OK;
}

enum status txn_index_truncate(const struct log_files *files, int64_t base_offset, int64_t offset)
{
    char path[DISK_PATH_MAX];
    struct txn_index_entry *entries;
    struct file *file;
    size_t count;
    size_t kept = 0;
    enum status status = txn_index_read(files, base_offset, &entries, &count);

    while (kept < count && entries[kept].last_offset < offset) {
        kept++;
    }
    memory_free(entries);
    if (status != STATUS_OK) {
        return status;
    }
    segment_path(files, base_offset, SEGMENT_TXN_INDEX, "", path);
    if (kept == 0) {
        status = disk_remove(files->disk, path);
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    status = disk_open(files->disk, path, FILE_WRITE, &file);
    if (status == STATUS_OK) {
        status = file_truncate(file, kept * TXN_INDEX_ENTRY_SIZE);
        file_unref(file);
    }
    return status;
}
