/* The sparse offset index of a segment, Kafka's .index: big-endian pairs, about one for index.interval.bytes of log.
 *
 *     0  last offset of a batch, relative to the segment's base  i32
 *     4  position of that batch in the .log                      i32
 */
#ifndef LOG_OFFSET_INDEX_H
#define LOG_OFFSET_INDEX_H

#include "storage-node/log/index_file.h"

#define OFFSET_INDEX_ENTRY_SIZE 8

struct offset_index {
    struct index_file file;
};

struct offset_entry {
    int64_t last_offset;
    uint32_t position;
};

void offset_index_init(struct offset_index *index, int64_t base_offset);
/* `last_offset` fits the segment: at most INT32_MAX behind its base. */
MUST_USE enum status offset_index_append(struct log_files *files, struct offset_index *index, int64_t last_offset,
                                         uint32_t position);
/* The last entry with last_offset <= `offset` and position <= `position_max`. NOT_FOUND: there is none, or no file.
 * *near is what the last look-up close by left there, 0 at first. */
MUST_USE enum status offset_index_find(struct log_files *files, struct offset_index *index, int64_t offset,
                                       uint32_t position_max, uint32_t *near, struct offset_entry *entry);
/* Drops entries of batches that end at or behind `offset`. */
MUST_USE enum status offset_index_truncate(struct log_files *files, struct offset_index *index, int64_t offset);

#endif
