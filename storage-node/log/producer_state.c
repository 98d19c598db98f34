/* The rules, of KIP-98 and KIP-360:
 *
 *   - an unknown producer may begin with any sequence: it was forgotten, or its records were deleted
 *   - a known producer with a larger epoch begins at sequence 0
 *   - within an epoch sequences follow each other, 2^31 - 1 is followed by 0
 *   - a batch equal in epoch and sequences to one of the last five is the same batch sent again
 *   - a smaller epoch is a zombie's */
#include "storage-node/log/producer_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

/* How a producer was before the turn touched it first. */
struct producer_undo {
    struct producer before;
    bool known;
};

void producer_state_init(struct producer_state *state)
{
    *state = (struct producer_state){.turn = 1};
    map_init(&state->producers);
}

void producer_state_clear(struct producer_state *state)
{
    struct producer *producer;
    size_t at = 0;

    while ((producer = map_next(&state->producers, &at)) != NULL) {
        memory_free(producer);
    }
    map_deinit(&state->producers);
    state->open_count = 0;
    state->undo_count = 0;
}

void producer_state_deinit(struct producer_state *state)
{
    producer_state_clear(state);
    memory_free(state->undo);
    state->undo = NULL;
}

static bool producer_has_id(const void *value, const void *key)
{
    return ((const struct producer *)value)->id == *(const int64_t *)key;
}

static struct producer *producer_find(const struct producer_state *state, int64_t id)
{
    return map_find(&state->producers, hash_u64((uint64_t)id), producer_has_id, &id);
}

static struct producer *producer_add(struct producer_state *state, int64_t id)
{
    struct producer *producer = memory_alloc_zero(1, sizeof(*producer));

    producer->id = id;
    producer->epoch = PRODUCER_EPOCH_NONE;
    producer->txn_first_offset = OFFSET_NONE;
    producer->last_timestamp = TIMESTAMP_NONE;
    producer->coordinator_epoch = -1;
    map_insert(&state->producers, hash_u64((uint64_t)id), producer);
    return producer;
}

static void producer_remove(struct producer_state *state, struct producer *producer)
{
    const bool found = map_remove(&state->producers, hash_u64((uint64_t)producer->id), producer);

    ASSERT(found);
    memory_free(producer);
}

static int32_t producer_last_sequence(const struct producer *producer)
{
    return producer->batch_count > 0 ? producer->batches[producer->batch_count - 1].last_sequence : SEQUENCE_NONE;
}

enum append_verdict producer_state_check(const struct producer_state *state, const struct batch_header *header,
                                         struct producer_batch *duplicate)
{
    const struct producer *producer = producer_find(state, header->producer_id);
    int32_t last;

    if (producer == NULL || producer->epoch == PRODUCER_EPOCH_NONE) {
        return APPEND_OK;
    }
    if (header->producer_epoch < producer->epoch) {
        return APPEND_STALE_EPOCH;
    }
    if (header->control) {
        return APPEND_OK;
    }
    if (header->producer_epoch > producer->epoch) {
        return header->base_sequence == 0 ? APPEND_OK : APPEND_OUT_OF_ORDER;
    }
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        const struct producer_batch *batch = &producer->batches[i];

        if (batch->last_sequence == batch_last_sequence(header) && batch->offset_delta == header->last_offset_delta) {
            *duplicate = *batch;
            return APPEND_DUPLICATE;
        }
    }
    last = producer_last_sequence(producer);
    if (header->base_sequence == (last == SEQUENCE_NONE ? 0 : sequence_add(last, 1))) {
        return APPEND_OK;
    }
    return APPEND_OUT_OF_ORDER;
}

/* The producer, made if unknown; how it was before goes aside if this is the turn's first change. */
static struct producer *producer_touch(struct producer_state *state, int64_t id)
{
    struct producer *producer = producer_find(state, id);

    if (producer != NULL && producer->touched_turn == state->turn) {
        return producer;
    }
    if (state->undo_count == state->undo_capacity) {
        state->undo_capacity = state->undo_capacity > 0 ? state->undo_capacity * 2 : 4;
        state->undo = memory_resize(state->undo, state->undo_capacity, sizeof(*state->undo));
    }
    if (producer != NULL) {
        state->undo[state->undo_count++] = (struct producer_undo){.before = *producer, .known = true};
    } else {
        state->undo[state->undo_count++] = (struct producer_undo){.before = {.id = id}, .known = false};
        producer = producer_add(state, id);
    }
    producer->touched_turn = state->turn;
    return producer;
}

/* A new epoch forgets the window: sequences start again. */
static void producer_set_epoch(struct producer *producer, int16_t epoch)
{
    if (producer->epoch != epoch) {
        producer->epoch = epoch;
        producer->batch_count = 0;
    }
}

static void producer_push(struct producer *producer, struct producer_batch batch)
{
    if (producer->batch_count == PRODUCER_WINDOW) {
        memmove(&producer->batches[0], &producer->batches[1], (PRODUCER_WINDOW - 1) * sizeof(batch));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = batch;
}

void producer_state_note(struct producer_state *state, const struct batch_header *header, int64_t base_offset,
                         int64_t now_ms)
{
    struct producer *producer = producer_touch(state, header->producer_id);

    ASSERT(!header->control);
    producer_set_epoch(producer, header->producer_epoch);
    producer_push(producer, (struct producer_batch){.last_offset = base_offset + header->last_offset_delta,
                                                    .timestamp = header->max_timestamp,
                                                    .last_sequence = batch_last_sequence(header),
                                                    .offset_delta = header->last_offset_delta});
    producer->last_timestamp = header->max_timestamp;
    producer->seen_ms = now_ms;
    if (header->transactional && producer->txn_first_offset == OFFSET_NONE) {
        producer->txn_first_offset = base_offset;
        state->open_count++;
    }
}

bool producer_state_note_marker(struct producer_state *state, const struct batch_header *header, int64_t offset,
                                enum marker_kind kind, int32_t coordinator_epoch, int64_t now_ms,
                                struct completed_transaction *completed)
{
    struct producer *producer = producer_touch(state, header->producer_id);
    const bool open = producer->txn_first_offset != OFFSET_NONE;

    if (open) {
        *completed = (struct completed_transaction){.producer_id = producer->id,
                                                    .first_offset = producer->txn_first_offset,
                                                    .marker_offset = offset,
                                                    .aborted = kind == MARKER_ABORT};
        ASSERT(state->open_count > 0);
        state->open_count--;
    }
    producer_set_epoch(producer, header->producer_epoch);
    producer->txn_first_offset = OFFSET_NONE;
    producer->coordinator_epoch = coordinator_epoch;
    producer->last_timestamp = header->max_timestamp;
    producer->seen_ms = now_ms;
    return open;
}

void producer_state_commit(struct producer_state *state)
{
    state->undo_count = 0;
    state->turn++;
}

void producer_state_rollback(struct producer_state *state)
{
    for (uint32_t i = 0; i < state->undo_count; i++) {
        const struct producer_undo *undo = &state->undo[i];
        struct producer *producer = producer_find(state, undo->before.id);

        ASSERT(producer != NULL);
        state->open_count -= producer->txn_first_offset != OFFSET_NONE ? 1 : 0;
        if (undo->known) {
            *producer = undo->before;
            state->open_count += producer->txn_first_offset != OFFSET_NONE ? 1 : 0;
        } else {
            producer_remove(state, producer);
        }
    }
    producer_state_commit(state);
}

void producer_state_expire(struct producer_state *state, int64_t now_ms, int64_t expiry_ms)
{
    struct producer *producer;
    size_t at = 0;

    ASSERT(state->undo_count == 0);
    while ((producer = map_next(&state->producers, &at)) != NULL) {
        if (producer->txn_first_offset == OFFSET_NONE && now_ms - producer->seen_ms >= expiry_ms) {
            producer_remove(state, producer);
            /* Removal moves entries back over the hole: look at this place again. One that wrapped around to the
             * table's end is met at the next sweep. */
            at--;
        }
    }
    if (state->producers.count == 0) {
        map_deinit(&state->producers);
        memory_free(state->undo);
        state->undo = NULL;
        state->undo_capacity = 0;
    }
}

int64_t producer_state_first_open(const struct producer_state *state)
{
    const struct producer *producer;
    int64_t first = OFFSET_NONE;
    size_t at = 0;

    if (state->open_count == 0) {
        return OFFSET_NONE;
    }
    while ((producer = map_next(&state->producers, &at)) != NULL) {
        const int64_t offset = producer->txn_first_offset;

        if (offset != OFFSET_NONE && (first == OFFSET_NONE || offset < first)) {
            first = offset;
        }
    }
    return first;
}

void producer_state_restore(struct producer_state *state, const struct producer *restored)
{
    struct producer *producer = producer_find(state, restored->id);

    if (producer == NULL) {
        producer = producer_add(state, restored->id);
    }
    state->open_count -= producer->txn_first_offset != OFFSET_NONE ? 1 : 0;
    producer_set_epoch(producer, restored->epoch);
    if (restored->batch_count > 0) {
        producer_push(producer, restored->batches[0]);
    }
    producer->last_timestamp = restored->last_timestamp;
    producer->seen_ms = restored->seen_ms;
    producer->txn_first_offset = restored->txn_first_offset;
    producer->coordinator_epoch = restored->coordinator_epoch;
    state->open_count += producer->txn_first_offset != OFFSET_NONE ? 1 : 0;
}
