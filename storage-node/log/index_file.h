/* A file of equal-sized entries in ascending order: what offset and time index share. New entries wait in memory and
 * are written when they are many or the segment rests; look-ups read the file, so an index costs its segment nothing
 * while nobody asks. An index is only ever a hint: it can be rebuilt from the segment. */
#ifndef LOG_INDEX_FILE_H
#define LOG_INDEX_FILE_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/log/segment_name.h"

#define INDEX_ENTRY_SIZE_MAX 12
/* Entries that wait in memory at most: 1 KiB of an offset index, which stands for 512 KiB of log or more. The start
 * after a kill has to walk that much. */
#define INDEX_WAITING_MAX 128
/* `stored` before anybody looked. */
#define INDEX_COUNT_UNKNOWN UINT32_MAX

struct index_file {
    struct file_slot slot;
    int64_t base_offset; /* of the segment, for the file's name */
    uint8_t *waiting;    /* entries that are not in the file yet; NULL if none */
    uint32_t stored;     /* entries in the file that count */
    uint16_t waiting_count;
    uint16_t waiting_capacity;
    uint8_t part;       /* enum segment_part */
    uint8_t entry_size; /* bytes */
};

void index_file_init(struct index_file *index, int64_t base_offset, enum segment_part part, size_t entry_size);
/* Forgets entries that were not written; closes the file. */
void index_file_deinit(struct log_files *files, struct index_file *index);

/* Entries in file and memory. NOT_FOUND if the file is missing. */
MUST_USE enum status index_file_count(struct log_files *files, struct index_file *index, uint32_t *count);
/* Copies entry `at`, which must be below the count. */
MUST_USE enum status index_file_get(struct log_files *files, struct index_file *index, uint32_t at,
                                    uint8_t entry[INDEX_ENTRY_SIZE_MAX]);
/* Adds an entry behind the last; what waits is written first if it is much. On failure nothing was added. */
MUST_USE enum status index_file_append(struct log_files *files, struct index_file *index, const uint8_t *entry);
/* Keeps the first `count` entries. The file is cut too. */
MUST_USE enum status index_file_truncate(struct log_files *files, struct index_file *index, uint32_t count);
/* Writes what waits; makes the file if it is missing. */
MUST_USE enum status index_file_write(struct log_files *files, struct index_file *index);

/* True if `entry` lies before what is looked for. Holds for the first n entries and for none behind them. */
typedef bool (*index_before)(const uint8_t *entry, const void *key);

/* The number of entries for which `before` holds; `last` gets the last of them, if there are any. `near` is a count
 * that a search found before (0: none): one that ends not far behind it costs one read. */
MUST_USE enum status index_file_search(struct log_files *files, struct index_file *index, index_before before,
                                       const void *key, uint32_t near, uint32_t *count,
                                       uint8_t last[INDEX_ENTRY_SIZE_MAX]);

#endif
