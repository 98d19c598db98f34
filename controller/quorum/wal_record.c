/* Encoding and verifying of one record of the log on disk. */
#include "controller/quorum/wal_record.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/endian.h"

#define WAL_MAGIC 0x4d4c5752U
#define WAL_VERSION 1

uint32_t wal_identity(struct edge_identity identity)
{
    uint8_t id[4];

    store_u32(id, (uint32_t)identity.id);
    return crc32c_extend(crc32c(identity.cluster_id.data, sizeof(identity.cluster_id.data)), id, sizeof(id));
}

size_t wal_record_size(size_t body_size)
{
    return (WAL_HEADER_SIZE + body_size + 7) & ~(size_t)7;
}

void wal_record_encode(const struct wal_record *record, uint32_t identity, uint64_t segment, struct wal_chain *chain,
                       struct buffer *into)
{
    const size_t prefix = record->kind == WAL_ENTRY ? WAL_ENTRY_PREFIX_SIZE : 0;
    const size_t body_size = prefix + record->body.size;
    const size_t size = wal_record_size(body_size);
    uint8_t *at = buffer_reserve(into, size);

    ASSERT(body_size <= UINT32_MAX);
    memset(at + size - 8, 0, 8);
    memset(at, 0, WAL_HEADER_SIZE);
    if (prefix > 0) {
        store_u64(at + WAL_HEADER_SIZE, record->previous_term);
    }
    if (record->body.size > 0) {
        memcpy(at + WAL_HEADER_SIZE + prefix, record->body.data, record->body.size);
    }
    store_u32(at, WAL_MAGIC);
    at[4] = WAL_VERSION;
    at[5] = (uint8_t)record->kind;
    at[6] = (uint8_t)record->entry_kind;
    store_u64(at + 8, chain->sequence + 1);
    store_u64(at + 16, record->durable_sequence);
    store_u64(at + 24, record->index);
    store_u64(at + 32, record->term);
    store_u32(at + 40, (uint32_t)body_size);
    store_u32(at + 44, crc32c(at + WAL_HEADER_SIZE, body_size));
    store_u32(at + 48, chain->checksum);
    store_u32(at + 52, identity);
    store_u32(at + 56, (uint32_t)segment);
    chain->sequence++;
    chain->checksum = crc32c(at, 60);
    store_u32(at + 60, chain->checksum);
    into->size += size;
}

enum status wal_record_decode_header(struct bytes data, uint32_t identity, uint64_t segment, struct wal_record *record,
                                     uint32_t *body_size)
{
    const uint8_t *at = data.data;

    if (data.size < WAL_HEADER_SIZE || load_u32(at) != WAL_MAGIC || load_u32(at + 60) != crc32c(at, 60) ||
        load_u32(at + 56) != (uint32_t)segment) {
        return STATUS_CORRUPT;
    }
    if (at[4] != WAL_VERSION || at[5] == 0 || at[5] > WAL_KIND_LAST) {
        return STATUS_UNSUPPORTED;
    }
    *record = (struct wal_record){
        .kind = (enum wal_item_kind)at[5],
        .entry_kind = (enum log_entry_kind)at[6],
        .sequence = load_u64(at + 8),
        .durable_sequence = load_u64(at + 16),
        .index = load_u64(at + 24),
        .term = load_u64(at + 32),
        .previous = load_u32(at + 48),
        .checksum = load_u32(at + 60),
    };
    *body_size = load_u32(at + 40);
    return load_u32(at + 52) == identity ? STATUS_OK : STATUS_INVALID;
}

/* A checksum says that the bytes are what was written, not that what was written makes sense: bound it as a peer's
 * bytes. */
static bool wal_record_is_sane(const struct wal_record *record)
{
    if (record->index > EDGE_INDEX_MAX || record->term > EDGE_INDEX_MAX ||
        record->previous_term > record->term || record->sequence == 0 ||
        record->sequence > 2 * WAL_SEQUENCE_MAX || record->durable_sequence >= record->sequence) {
        return false;
    }
    switch (record->kind) {
    case WAL_SEGMENT:
        return record->body.size == WAL_SEGMENT_BODY_SIZE && load_u64(record->body.data) <= EDGE_INDEX_MAX;
    case WAL_ENTRY:
        return record->index > 0 && record->term > 0 && record->entry_kind >= LOG_COMMAND &&
               record->entry_kind <= LOG_CONFIGURATION;
    case WAL_RESET:
        return record->body.size == 0 && record->index > 0 && record->term > 0;
    case WAL_HARD_STATE:
    case WAL_MARK:
        return record->body.size == 0;
    }
    UNREACHABLE();
}

enum status wal_record_decode(struct bytes data, uint32_t identity, uint64_t segment, struct wal_record *record)
{
    uint32_t body_size;
    const enum status status = wal_record_decode_header(data, identity, segment, record, &body_size);

    if (status != STATUS_OK) {
        return status;
    }
    if (body_size > data.size - WAL_HEADER_SIZE) {
        return STATUS_CORRUPT;
    }
    record->size = wal_record_size(body_size);
    record->body = bytes_of(data.data + WAL_HEADER_SIZE, body_size);
    if (load_u32(data.data + 44) != crc32c(record->body.data, body_size)) {
        return STATUS_CORRUPT;
    }
    if (record->kind == WAL_ENTRY) {
        if (body_size < WAL_ENTRY_PREFIX_SIZE) {
            return STATUS_CORRUPT;
        }
        record->previous_term = load_u64(record->body.data);
        record->body = bytes_of(record->body.data + WAL_ENTRY_PREFIX_SIZE, body_size - WAL_ENTRY_PREFIX_SIZE);
    }
    return wal_record_is_sane(record) ? STATUS_OK : STATUS_CORRUPT;
}
