/* Records of the log on disk. All numbers big-endian.
 *
 *      0  u32  magic "MLWR"        32  u64  term
 *      4  u8   version             40  u32  body size
 *      5  u8   kind                44  u32  CRC-32C of the body
 *      6  u8   entry kind          48  u32  checksum of the previous record's header
 *      7  u8   zero                52  u32  CRC-32C of cluster id and node id
 *      8  u64  sequence            56  u32  low half of the segment's number
 *     16  u64  durable sequence    60  u32  CRC-32C of bytes 0-59, the record's own checksum
 *     24  u64  index
 *
 * index: entry: its index; reset: where the log stands; hard state: the vote; segment: index of the last entry before
 * it. term: entry, hard state, reset: theirs; segment: term of that last entry. body: entry: u64 term of the entry
 * before, its bytes; segment: u64 term, u64 vote, 16 bytes cluster id, i32 node id; else empty. */
#ifndef QUORUM_WAL_RECORD_H
#define QUORUM_WAL_RECORD_H

#include "controller/quorum/wal.h"

#define WAL_HEADER_SIZE 64
#define WAL_SEGMENT_BODY_SIZE 36
/* A log that has more records than this does not start; whatever it appends until its next start is read again. */
#define WAL_SEQUENCE_MAX (UINT64_C(1) << 62)
#define WAL_ENTRY_PREFIX_SIZE 8

struct wal_record {
    enum wal_item_kind kind;
    enum log_entry_kind entry_kind;
    uint64_t sequence;
    uint64_t durable_sequence;
    uint64_t index;
    uint64_t term;
    uint32_t previous; /* checksum of the record before */
    uint32_t checksum; /* its own */
    size_t size;       /* on disk; set by decoding */
    uint64_t previous_term; /* entries */
    struct bytes body; /* borrows; of entries without the term before */
};

uint32_t wal_identity(struct edge_identity identity);
/* Bytes on disk of a record with this body. */
size_t wal_record_size(size_t body_size);
/* Appends a record; sequence and checksum continue `chain`. */
void wal_record_encode(const struct wal_record *record, uint32_t identity, uint64_t segment, struct wal_chain *chain,
                       struct buffer *into);
/* Only the header. STATUS_CORRUPT: not a record of this segment. STATUS_INVALID: a good one, but of another identity
 * (decoded all the same). STATUS_UNSUPPORTED: of a newer version. */
MUST_USE enum status wal_record_decode_header(struct bytes data, uint32_t identity, uint64_t segment,
                                              struct wal_record *record, uint32_t *body_size);
/* A whole record at the start of `data`. STATUS_CORRUPT also if it is cut off or its body does not verify. */
MUST_USE enum status wal_record_decode(struct bytes data, uint32_t identity, uint64_t segment,
                                       struct wal_record *record);

#endif
