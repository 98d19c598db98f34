/* The time index of a segment, Kafka's .timeindex: big-endian, timestamps ascend strictly.
 *
 *     0  the largest timestamp up to here                                      i64
 *     8  last offset of the batch that has it, relative to the segment's base  i32
 *
 * An entry is added with every entry of the offset index if the largest timestamp has grown since, and one when the
 * segment is closed, so the last entry tells the whole segment's largest timestamp. */
#ifndef LOG_TIME_INDEX_H
#define LOG_TIME_INDEX_H

#include "storage-node/log/index_file.h"

#define TIME_INDEX_ENTRY_SIZE 12

struct time_index {
    struct index_file file;
    int64_t last_timestamp; /* of the last entry; TIMESTAMP_NONE if there is none or nobody looked */
    bool last_known;
};

struct time_entry {
    int64_t timestamp;
    int64_t offset;
};

void time_index_init(struct time_index *index, int64_t base_offset);
/* Adds an entry if its timestamp is larger than the last one's. */
MUST_USE enum status time_index_append(struct log_files *files, struct time_index *index, int64_t timestamp,
                                       int64_t offset);
/* NOT_FOUND: no entry, or no file. */
MUST_USE enum status time_index_last(struct log_files *files, struct time_index *index, struct time_entry *entry);
/* The last entry with a timestamp < `timestamp`. NOT_FOUND: there is none, or no file. */
MUST_USE enum status time_index_find_before(struct log_files *files, struct time_index *index, int64_t timestamp,
                                            struct time_entry *entry);
/* The last entry with an offset < `offset`. NOT_FOUND as above. */
MUST_USE enum status time_index_find_below(struct log_files *files, struct time_index *index, int64_t offset,
                                           struct time_entry *entry);
/* Drops entries at and behind `offset`. */
MUST_USE enum status time_index_truncate(struct log_files *files, struct time_index *index, int64_t offset);

#endif
