/* The aborted transactions of a segment, Kafka's .txnindex: those whose abort marker lies in it, in the order of
 * markers. The file exists only if there are any. Big-endian entries of 34 bytes:
 *
 *     0  version             i16  0
 *     2  producer id         i64
 *    10  first offset        i64  of the transaction
 *    18  last offset         i64  its marker
 *    26  last stable offset  i64  when the marker was written */
#ifndef LOG_TXN_INDEX_H
#define LOG_TXN_INDEX_H

#include "common/base/attributes.h"
#include "common/base/status.h"
#include "storage-node/log/segment_name.h"

#define TXN_INDEX_ENTRY_SIZE 34

enum txn_index_presence { TXN_INDEX_UNSEEN, TXN_INDEX_MISSING, TXN_INDEX_THERE };

struct txn_index_entry {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

/* Adds entries behind the last, making the file if there is none. Not synced. */
MUST_USE enum status txn_index_append(const struct log_files *files, int64_t base_offset,
                                      const struct txn_index_entry *entries, size_t count);
/* All entries; *entries is allocated (memory_free), NULL if there is no file. A damaged tail is left out. */
MUST_USE enum status txn_index_read(const struct log_files *files, int64_t base_offset,
                                    struct txn_index_entry **entries, size_t *count);
/* Drops entries with markers at or behind `offset`. */
MUST_USE enum status txn_index_truncate(const struct log_files *files, int64_t base_offset, int64_t offset);

#endif
