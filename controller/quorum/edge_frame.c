/* Frames between controllers: encoder and bounded decoder. The layout of the header is in edge.h; bodies:
 *
 *     append           u64 term, previous index, previous term, commit index; u32 count;
 *                      count * {u64 term, u8 kind, u32 size, bytes}
 *     append result    u64 term, rejected, last index
 *     vote             u64 term, last index, last term; u8 disrupt leader, u8 pre-vote
 *     vote result      u64 term; u8 granted, u8 pre-vote
 *     snapshot chunk   u64 term, last index, last term, configuration index, total, offset; u32 crc;
 *                      u32 size, configuration; u32 size, data
 *     timeout now      u64 term, last index, last term
 */
#include "controller/quorum/edge.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <stdio.h>

#define EDGE_FLAG_STALE 1U
#define EDGE_ENTRY_OVERHEAD 13
/* What a body has besides entries or chunk data. */
#define EDGE_BODY_OVERHEAD (1024 + EDGE_CONFIGURATION_BYTES_MAX + EDGE_APPEND_COUNT_MAX * EDGE_ENTRY_OVERHEAD)
#define EDGE_RAFT_ID_OFFSET 1

static void edge_put_u8(struct buffer *into, uint8_t value)
{
    buffer_append(into, &value, sizeof(value));
}

static void edge_put_u32(struct buffer *into, uint32_t value)
{
    store_u32(buffer_reserve(into, sizeof(value)), value);
    into->size += sizeof(value);
}

static void edge_put_u64(struct buffer *into, uint64_t value)
{
    store_u64(buffer_reserve(into, sizeof(value)), value);
    into->size += sizeof(value);
}

static void edge_put_bytes(struct buffer *into, struct bytes data)
{
    edge_put_u32(into, (uint32_t)data.size);
    buffer_append(into, data.data, data.size);
}

static void edge_encode_append(const struct edge_append *append, struct buffer *into)
{
    edge_put_u64(into, append->previous_index);
    edge_put_u64(into, append->previous_term);
    edge_put_u64(into, append->commit_index);
    edge_put_u32(into, append->count);
    for (uint32_t i = 0; i < append->count; i++) {
        edge_put_u64(into, append->entries[i].term);
        edge_put_u8(into, (uint8_t)append->entries[i].kind);
        edge_put_bytes(into, append->entries[i].data);
    }
}

static void edge_encode_chunk(const struct edge_chunk *chunk, struct buffer *into)
{
    edge_put_u64(into, chunk->last_index);
    edge_put_u64(into, chunk->last_term);
    edge_put_u64(into, chunk->configuration_index);
    edge_put_u64(into, chunk->total);
    edge_put_u64(into, chunk->offset);
    edge_put_u32(into, chunk->crc);
    edge_put_bytes(into, chunk->configuration);
    edge_put_bytes(into, chunk->data);
}

static void edge_encode_body(const struct edge_message *message, struct buffer *into)
{
    edge_put_u64(into, message->term);
    switch (message->kind) {
    case EDGE_APPEND:
        edge_encode_append(&message->append, into);
        break;
    case EDGE_APPEND_RESULT:
        edge_put_u64(into, message->append_result.rejected);
        edge_put_u64(into, message->append_result.last_index);
        break;
    case EDGE_VOTE:
        edge_put_u64(into, message->vote.last_index);
        edge_put_u64(into, message->vote.last_term);
        edge_put_u8(into, message->vote.disrupt_leader);
        edge_put_u8(into, message->vote.pre_vote);
        break;
    case EDGE_VOTE_RESULT:
        edge_put_u8(into, message->vote_result.granted);
        edge_put_u8(into, message->vote_result.pre_vote);
        break;
    case EDGE_SNAPSHOT_CHUNK:
        edge_encode_chunk(&message->chunk, into);
        break;
    case EDGE_TIMEOUT_NOW:
        edge_put_u64(into, message->timeout_now.last_index);
        edge_put_u64(into, message->timeout_now.last_term);
        break;
    }
}

void edge_encode(struct edge_identity identity, const struct edge_message *message, struct buffer *into)
{
    const size_t start = into->size;
    uint8_t *header;

    memset(buffer_reserve(into, EDGE_HEADER_SIZE), 0, EDGE_HEADER_SIZE);
    into->size += EDGE_HEADER_SIZE;
    edge_encode_body(message, into);
    header = into->data + start;
    store_u32(header, EDGE_MAGIC);
    header[4] = EDGE_VERSION;
    header[5] = (uint8_t)message->kind;
    store_u16(header + 6, message->stale ? EDGE_FLAG_STALE : 0);
    memcpy(header + 8, identity.cluster_id.data, sizeof(identity.cluster_id.data));
    store_u32(header + 24, (uint32_t)identity.id);
    store_u32(header + 28, (uint32_t)message->receiver);
    store_u64(header + 32, message->sender_term);
    store_u32(header + 40, (uint32_t)(into->size - start - EDGE_HEADER_SIZE));
    store_u32(header + 44, crc32c(header + EDGE_HEADER_SIZE, into->size - start - EDGE_HEADER_SIZE));
    store_u32(header + 60, crc32c(header, 60));
}

enum status edge_frame_size(struct edge_identity identity, struct edge_limits limits, struct bytes data, size_t *size)
{
    static const uint8_t zero[12];
    const uint8_t *header = data.data;
    uint32_t body_size;

    if (data.size < EDGE_HEADER_SIZE) {
        return STATUS_END;
    }
    if (load_u32(header) != EDGE_MAGIC || load_u32(header + 60) != crc32c(header, 60) ||
        memcmp(header + 48, zero, sizeof(zero)) != 0) {
        return STATUS_CORRUPT;
    }
    if (header[4] != EDGE_VERSION || header[5] == 0 || header[5] > EDGE_KIND_LAST ||
        (load_u16(header + 6) & ~EDGE_FLAG_STALE) != 0) {
        return STATUS_UNSUPPORTED;
    }
    if (memcmp(header + 8, identity.cluster_id.data, sizeof(identity.cluster_id.data)) != 0 ||
        load_i32(header + 28) != identity.id || load_i32(header + 24) == identity.id) {
        return STATUS_INVALID;
    }
    body_size = load_u32(header + 40);
    /* The last entry of a frame may begin before the frame's own bound. */
    if (body_size > limits.entry_bytes_max + EDGE_APPEND_BYTES_MAX + EDGE_BODY_OVERHEAD) {
        return STATUS_TOO_LARGE;
    }
    *size = EDGE_HEADER_SIZE + (size_t)body_size;
    return STATUS_OK;
}

/* A cursor over a body; `failed` sticks. */
struct edge_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static const uint8_t *edge_take(struct edge_cursor *cursor, size_t size)
{
    const uint8_t *at = cursor->at;

    if (cursor->failed || (size_t)(cursor->end - at) < size) {
        cursor->failed = true;
        return NULL;
    }
    cursor->at += size;
    return at;
}

static uint8_t edge_take_u8(struct edge_cursor *cursor)
{
    const uint8_t *at = edge_take(cursor, 1);

    return at != NULL ? *at : 0;
}

static bool edge_take_bool(struct edge_cursor *cursor)
{
    const uint8_t value = edge_take_u8(cursor);

    if (value > 1) {
        cursor->failed = true;
    }
    return value == 1;
}

static uint32_t edge_take_u32(struct edge_cursor *cursor)
{
    const uint8_t *at = edge_take(cursor, sizeof(uint32_t));

    return at != NULL ? load_u32(at) : 0;
}

/* Terms and indexes; bounded so that sums of a few cannot overflow. */
static uint64_t edge_take_u64(struct edge_cursor *cursor)
{
    const uint8_t *at = edge_take(cursor, sizeof(uint64_t));
    const uint64_t value = at != NULL ? load_u64(at) : 0;

    if (value > EDGE_INDEX_MAX) {
        cursor->failed = true;
        return 0;
    }
    return value;
}

static struct bytes edge_take_bytes(struct edge_cursor *cursor, size_t size_max)
{
    const uint32_t size = edge_take_u32(cursor);
    const uint8_t *at;

    if (size > size_max) {
        cursor->failed = true;
    }
    at = edge_take(cursor, size);
    return at != NULL ? (struct bytes){at, size} : (struct bytes){cursor->end, 0};
}

/* Terms never fall along the log and never exceed the sender's; the library asserts that, and its asserts are off. */
static void edge_decode_entries(struct edge_cursor *cursor, struct edge_limits limits, uint64_t term,
                                struct edge_append *append)
{
    uint64_t term_min = append->previous_term > 0 ? append->previous_term : 1;

    for (uint32_t i = 0; i < append->count; i++) {
        struct edge_entry *entry = &append->entries[i];
        const uint64_t entry_term = edge_take_u64(cursor);
        const uint8_t kind = edge_take_u8(cursor);

        if (entry_term < term_min || entry_term > term || kind < LOG_COMMAND || kind > LOG_CONFIGURATION) {
            cursor->failed = true;
            return;
        }
        entry->term = entry_term;
        entry->kind = (enum log_entry_kind)kind;
        entry->data = edge_take_bytes(cursor, limits.entry_bytes_max);
        term_min = entry_term;
    }
}

static void edge_decode_append(struct edge_cursor *cursor, struct edge_limits limits, struct edge_message *message)
{
    struct edge_append *append = &message->append;

    append->previous_index = edge_take_u64(cursor);
    append->previous_term = edge_take_u64(cursor);
    append->commit_index = edge_take_u64(cursor);
    append->count = edge_take_u32(cursor);
    append->entries = NULL;
    if ((append->previous_index == 0) != (append->previous_term == 0) || append->previous_term > message->term ||
        append->count > EDGE_APPEND_COUNT_MAX ||
        append->count > (size_t)(cursor->end - cursor->at) / EDGE_ENTRY_OVERHEAD) {
        cursor->failed = true;
    }
    if (cursor->failed || append->count == 0) {
        return;
    }
    append->entries = memory_alloc_zero(append->count, sizeof(struct edge_entry));
    edge_decode_entries(cursor, limits, message->term, append);
}

static void edge_decode_chunk(struct edge_cursor *cursor, struct edge_limits limits, struct edge_message *message)
{
    struct edge_chunk *chunk = &message->chunk;

    chunk->last_index = edge_take_u64(cursor);
    chunk->last_term = edge_take_u64(cursor);
    chunk->configuration_index = edge_take_u64(cursor);
    chunk->total = edge_take_u64(cursor);
    chunk->offset = edge_take_u64(cursor);
    chunk->crc = edge_take_u32(cursor);
    chunk->configuration = edge_take_bytes(cursor, EDGE_CONFIGURATION_BYTES_MAX);
    chunk->data = edge_take_bytes(cursor, EDGE_CHUNK_BYTES_MAX);
    if (chunk->last_index == 0 || chunk->last_term == 0 || chunk->last_term > message->term ||
        chunk->configuration_index == 0 || chunk->configuration_index > chunk->last_index ||
        chunk->total > limits.snapshot_bytes_max || chunk->offset > chunk->total ||
        chunk->data.size > chunk->total - chunk->offset) {
        cursor->failed = true;
    }
}

static void edge_decode_body(struct edge_cursor *cursor, struct edge_limits limits, struct edge_message *message)
{
    message->term = edge_take_u64(cursor);
    if (message->term == 0) {
        cursor->failed = true;
    }
    switch (message->kind) {
    case EDGE_APPEND:
        edge_decode_append(cursor, limits, message);
        break;
    case EDGE_APPEND_RESULT:
        message->append_result.rejected = edge_take_u64(cursor);
        message->append_result.last_index = edge_take_u64(cursor);
        break;
    case EDGE_VOTE:
        message->vote.last_index = edge_take_u64(cursor);
        message->vote.last_term = edge_take_u64(cursor);
        message->vote.disrupt_leader = edge_take_bool(cursor);
        message->vote.pre_vote = edge_take_bool(cursor);
        break;
    case EDGE_VOTE_RESULT:
        message->vote_result.granted = edge_take_bool(cursor);
        message->vote_result.pre_vote = edge_take_bool(cursor);
        break;
    case EDGE_SNAPSHOT_CHUNK:
        edge_decode_chunk(cursor, limits, message);
        break;
    case EDGE_TIMEOUT_NOW:
        message->timeout_now.last_index = edge_take_u64(cursor);
        message->timeout_now.last_term = edge_take_u64(cursor);
        break;
    }
}

enum status edge_decode(struct bytes frame, struct edge_limits limits, struct edge_message *message)
{
    const uint8_t *header = frame.data;
    struct edge_cursor cursor = {header + EDGE_HEADER_SIZE, header + frame.size, false};

    ASSERT(frame.size >= EDGE_HEADER_SIZE);
    if (load_u32(header + 44) != crc32c(cursor.at, frame.size - EDGE_HEADER_SIZE)) {
        return STATUS_CORRUPT;
    }
    *message = (struct edge_message){
        .kind = (enum edge_kind)header[5],
        .stale = (load_u16(header + 6) & EDGE_FLAG_STALE) != 0,
        .sender = load_i32(header + 24),
        .receiver = load_i32(header + 28),
        .sender_term = load_u64(header + 32),
    };
    edge_decode_body(&cursor, limits, message);
    if (message->sender_term > EDGE_INDEX_MAX || cursor.failed || cursor.at != cursor.end ||
        (message->stale && message->kind != EDGE_APPEND_RESULT)) {
        edge_message_deinit(message);
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

void edge_message_deinit(struct edge_message *message)
{
    if (message->kind == EDGE_APPEND) {
        memory_free(message->append.entries);
        message->append.entries = NULL;
    }
}

static uint64_t edge_little_u64(const uint8_t *at)
{
    return at != NULL ? __builtin_bswap64(load_u64(at)) : 0;
}

/* True if an address and its zero byte follow, and it is the decimal of `id`, as all our addresses are. Any other must
 * not reach the library: of two servers with one address it frees its half-read configuration twice. */
static bool edge_take_address(struct edge_cursor *cursor, int32_t id)
{
    char address[16];
    const int size = snprintf(address, sizeof(address), "%d", (int)id) + 1;
    const uint8_t *found = edge_take(cursor, (size_t)size);

    return found != NULL && memcmp(found, address, (size_t)size) == 0;
}

/* The library's format: u8 version 1, u64 count, count * {u64 id, address and zero byte, u8 role}, zeros up to a
 * multiple of 8; little-endian. */
bool edge_configuration_is(struct bytes encoded, const int32_t *ids, int count)
{
    struct edge_cursor cursor = {encoded.data, encoded.data + encoded.size, false};
    const uint8_t voter_role = 1;

    if (edge_take_u8(&cursor) != 1 || edge_little_u64(edge_take(&cursor, 8)) != (uint64_t)count) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        const uint64_t raft_id = edge_little_u64(edge_take(&cursor, 8));

        if (raft_id != (uint64_t)ids[i] + EDGE_RAFT_ID_OFFSET || !edge_take_address(&cursor, ids[i]) ||
            edge_take_u8(&cursor) != voter_role) {
            return false;
        }
    }
    return !cursor.failed;
}
