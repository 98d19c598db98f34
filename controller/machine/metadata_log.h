/* The newest committed batches of the metadata log, in memory, as nodes fetch them. The log on disk is the quorum's;
 * this is what of it can be read at once. Who asks for older batches is sent to a snapshot.
 *
 *     block  [ batch | batch | batch ....... ]  ->  [ batch | batch | ....... ]     oldest first
 *              marks: offset, place, quorum index
 *
 * Invariants: batches follow each other without gaps in offsets; a batch lies in one block; bytes in a block never
 * move, so answers on their way show them, holding the block by a reference. */
#ifndef MACHINE_METADATA_LOG_H
#define MACHINE_METADATA_LOG_H

#include "common/base/bytes.h"
#include "common/base/list.h"

#include <stdbool.h>

struct metadata_mark {
    int64_t base_offset;
    uint64_t index; /* of the quorum's entry */
    size_t place;   /* of the batch in its block */
};

struct metadata_block {
    struct list link;
    uint32_t references;
    size_t mark_count;
    size_t mark_capacity;
    struct metadata_mark *marks;
    size_t capacity;
    size_t size;
    uint8_t data[];
};

struct metadata_log {
    struct list blocks;
    size_t bytes;     /* capacities of the blocks in the list */
    size_t bytes_max; /* the oldest blocks go above it; the newest always stays */
    int64_t start_offset;
    int64_t end_offset; /* of the next batch */
};

void metadata_log_init(struct metadata_log *log, size_t bytes_max);
void metadata_log_deinit(struct metadata_log *log);
/* Forgets all batches: the state was restored, and the next batch has `offset`. */
void metadata_log_reset(struct metadata_log *log, int64_t offset);
/* Copies the batch, which begins at end_offset and ends before `end_offset`. */
void metadata_log_append(struct metadata_log *log, struct bytes batch, int64_t end_offset, uint64_t index);

/* Whole batches from the one that holds `offset` on, in one block: at least one, further ones while all fit into
 * `bytes_max`. Null if `offset` is not in [start_offset, end_offset). `*block` gets a reference to be given back. */
struct bytes metadata_log_read(struct metadata_log *log, int64_t offset, size_t bytes_max,
                               struct metadata_block **block);
void metadata_block_unref(struct metadata_block *block);

/* The end offset of a state that has applied the quorum's entries up to `index`; the start offset if that is too long
 * ago to know. */
int64_t metadata_log_end_at(const struct metadata_log *log, uint64_t index);

#endif
