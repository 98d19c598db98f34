/* Producer state in a file, Kafka's OFFSET.snapshot: the state in front of that offset. Big-endian:
 *
 *     0  version                   i16  1
 *     2  crc                       u32  CRC-32C of all that follows
 *     6  count of entries          i32
 *        entries of 46 bytes:
 *      0  producer id              i64
 *      8  producer epoch           i16
 *     10  last sequence            i32  -1: none
 *     14  last offset              i64  -1: none
 *     22  offset delta             i32
 *     26  timestamp                i64
 *     34  coordinator epoch        i32
 *     38  current transaction's first offset  i64  -1: none
 *
 * Kafka writes one entry for a producer, with its last batch only, and loses the other four of the window at a restart.
 * Here a producer has an entry for each batch of its window, the oldest first: a reader that keeps one entry for each
 * producer, as Kafka does, ends up with the last batch, and we get the whole window back. */
#ifndef LOG_PRODUCER_SNAPSHOT_H
#define LOG_PRODUCER_SNAPSHOT_H

#include "common/base/buffer.h"
#include "storage-node/log/producer_state.h"

/* Larger files are refused: nearly three million entries. */
#define PRODUCER_SNAPSHOT_SIZE_MAX (128U << 20)

/* Appends the file's contents to `out`. */
void producer_snapshot_encode(const struct producer_state *state, struct buffer *out);
/* Fills the empty `state`, which is that in front of `offset`; producers count as seen at `now_ms`. CORRUPT: it stays
 * empty. */
MUST_USE enum status producer_snapshot_decode(struct bytes contents, int64_t offset, int64_t now_ms,
                                              struct producer_state *state);

#endif
