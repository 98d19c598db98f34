/* Writes and reads producer snapshots. */
#include "storage-node/log/producer_snapshot.h"

#include "common/base/crc32c.h"
#include "common/base/endian.h"

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEADER_SIZE 10
#define SNAPSHOT_ENTRY_SIZE 46
#define CRC_AT 2
#define COUNT_AT 6

static void snapshot_entry(const struct producer *producer, const struct producer_batch *batch, bool last,
                           struct buffer *out)
{
    uint8_t *at = buffer_reserve(out, SNAPSHOT_ENTRY_SIZE);

    store_i64(at, producer->id);
    store_i16(at + 8, producer->epoch);
    store_i32(at + 10, batch->last_sequence);
    store_i64(at + 14, batch->last_offset);
    store_i32(at + 22, batch->offset_delta);
    store_i64(at + 26, last ? producer->last_timestamp : batch->timestamp);
    store_i32(at + 34, producer->coordinator_epoch);
    store_i64(at + 38, last ? producer->txn_first_offset : OFFSET_NONE);
    out->size += SNAPSHOT_ENTRY_SIZE;
}

void producer_snapshot_encode(const struct producer_state *state, struct buffer *out)
{
    static const struct producer_batch none = {
        .last_offset = OFFSET_NONE, .timestamp = TIMESTAMP_NONE, .last_sequence = SEQUENCE_NONE, .offset_delta = 0};
    const size_t start = out->size;
    const struct producer *producer;
    int32_t count = 0;
    size_t next = 0;

    memset(buffer_reserve(out, SNAPSHOT_HEADER_SIZE), 0, SNAPSHOT_HEADER_SIZE);
    out->size += SNAPSHOT_HEADER_SIZE;
    while ((producer = map_next(&state->producers, &next)) != NULL) {
        for (int i = 0; i < producer->batch_count; i++) {
            snapshot_entry(producer, &producer->batches[i], i + 1 == producer->batch_count, out);
            count++;
        }
        if (producer->batch_count == 0) {
            snapshot_entry(producer, &none, true, out);
            count++;
        }
    }
    store_i16(out->data + start, SNAPSHOT_VERSION);
    store_i32(out->data + start + COUNT_AT, count);
    store_u32(out->data + start + CRC_AT,
              crc32c(out->data + start + COUNT_AT, out->size - start - COUNT_AT));
}

/* False for what no log in front of `offset` could have told. */
static bool snapshot_entry_possible(const struct producer *producer, const struct producer_batch *batch, int64_t offset)
{
    return producer->id >= 0 && producer->epoch >= PRODUCER_EPOCH_NONE && batch->last_offset >= OFFSET_NONE &&
           batch->last_offset < offset && batch->offset_delta >= 0 &&
           (batch->last_sequence < 0 || batch->offset_delta <= batch->last_offset) &&
           producer->txn_first_offset >= OFFSET_NONE && producer->txn_first_offset < offset;
}

enum status producer_snapshot_decode(struct bytes contents, int64_t offset, int64_t now_ms,
                                     struct producer_state *state)
{
    int32_t count;

    if (contents.size < SNAPSHOT_HEADER_SIZE || load_i16(contents.data) != SNAPSHOT_VERSION ||
        load_u32(contents.data + CRC_AT) != crc32c(contents.data + COUNT_AT, contents.size - COUNT_AT)) {
        return STATUS_CORRUPT;
    }
    count = load_i32(contents.data + COUNT_AT);
    if (count < 0 || (size_t)count != (contents.size - SNAPSHOT_HEADER_SIZE) / SNAPSHOT_ENTRY_SIZE ||
        (contents.size - SNAPSHOT_HEADER_SIZE) % SNAPSHOT_ENTRY_SIZE != 0) {
        return STATUS_CORRUPT;
    }
    for (const uint8_t *at = contents.data + SNAPSHOT_HEADER_SIZE; count > 0; at += SNAPSHOT_ENTRY_SIZE, count--) {
        struct producer producer = {.id = load_i64(at),
                                    .epoch = load_i16(at + 8),
                                    .last_timestamp = load_i64(at + 26),
                                    .coordinator_epoch = load_i32(at + 34),
                                    .txn_first_offset = load_i64(at + 38),
                                    .seen_ms = now_ms};
        const struct producer_batch batch = {.last_sequence = load_i32(at + 10),
                                             .last_offset = load_i64(at + 14),
                                             .offset_delta = load_i32(at + 22),
                                             .timestamp = producer.last_timestamp};

        if (!snapshot_entry_possible(&producer, &batch, offset)) {
            producer_state_clear(state);
            return STATUS_CORRUPT;
        }
        if (batch.last_sequence >= 0) {
            producer.batches[0] = batch;
            producer.batch_count = 1;
        }
        producer_state_restore(state, &producer);
    }
    return STATUS_OK;
}
