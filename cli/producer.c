/* The producer's decisions: see producer.h. */
#include "cli/producer.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/batch/murmur2.h"
#include "common/wire/error.h"

/* Places of the batch header that are set when it is sent (record_batch.h). */
#define AT_PRODUCER_ID 43
#define AT_PRODUCER_EPOCH 51
#define AT_BASE_SEQUENCE 53

struct producer_options producer_options_default(void)
{
    return (struct producer_options){
        .batch_size = 16384,
        .request_size_max = 1048576,
        .memory_max = 32u << 20,
        .linger_ns = 5 * UINT64_C(1000000),
        .retry_backoff_ns = 100 * UINT64_C(1000000),
        .delivery_ns = 120 * UINT64_C(1000000000),
        .in_flight_max = 5,
        .idempotent = true,
        .compression = COMPRESSION_NONE,
    };
}

void producer_init(struct producer *producer, const struct producer_options *options, uint64_t seed)
{
    *producer = (struct producer){.options = *options, .sticky = -1, .producer_id = PRODUCER_ID_NONE};
    producer->batch_limit =
        options->batch_size < options->request_size_max ? options->batch_size : options->request_size_max;
    prng_init(&producer->prng, seed);
    producer->compression = compression_context_create();
}

static struct producer_batch *batch_of(struct list *link)
{
    return LIST_ENTRY(link, struct producer_batch, link);
}

static void batch_destroy(struct producer *producer, struct producer_batch *batch)
{
    list_remove(&batch->link);
    producer->memory -= batch_builder_size(&batch->builder);
    batch_builder_deinit(&batch->builder);
    memory_free(batch);
}

void producer_deinit(struct producer *producer)
{
    for (int32_t i = 0; i < producer->partition_count; i++) {
        struct list *lists[2] = {&producer->partitions[i].queued, &producer->partitions[i].in_flight};

        for (int k = 0; k < 2; k++) {
            while (!list_empty(lists[k])) {
                batch_destroy(producer, batch_of(lists[k]->next));
            }
        }
    }
    compression_context_destroy(producer->compression);
    memory_free(producer->partitions);
}

void producer_set_partition_count(struct producer *producer, int32_t count)
{
    struct producer_partition *old = producer->partitions;

    if (count <= producer->partition_count) {
        return;
    }
    producer->partitions = memory_alloc_zero((size_t)count, sizeof(*producer->partitions));
    for (int32_t i = 0; i < count; i++) {
        struct producer_partition *partition = &producer->partitions[i];

        if (i < producer->partition_count) {
            *partition = old[i];
        } else {
            *partition = (struct producer_partition){.index = i, .leader_id = PRODUCER_LEADER_NONE, .first_offset = -1};
        }
        list_init(&partition->queued);
        list_init(&partition->in_flight);
        if (i < producer->partition_count) {
            list_move_all(&partition->queued, &old[i].queued);
            list_move_all(&partition->in_flight, &old[i].in_flight);
            LIST_EACH(link, &partition->queued)
            {
                batch_of(link)->partition = partition;
            }
            LIST_EACH(link, &partition->in_flight)
            {
                batch_of(link)->partition = partition;
            }
        }
    }
    producer->partition_count = count;
    memory_free(old);
}

void producer_set_leader(struct producer *producer, int32_t partition, int32_t leader_id)
{
    ASSERT(partition >= 0 && partition < producer->partition_count);
    producer->partitions[partition].leader_id = leader_id;
}

/* A random partition that is led, or just a random one if none is. */
static int32_t choose_sticky(struct producer *producer)
{
    int32_t led = 0;

    for (int32_t i = 0; i < producer->partition_count; i++) {
        led += producer->partitions[i].leader_id != PRODUCER_LEADER_NONE;
    }
    if (led == 0) {
        return (int32_t)prng_below(&producer->prng, (uint64_t)producer->partition_count);
    }
    int32_t skip = (int32_t)prng_below(&producer->prng, (uint64_t)led);

    for (int32_t i = 0;; i++) {
        if (producer->partitions[i].leader_id != PRODUCER_LEADER_NONE && skip-- == 0) {
            return i;
        }
    }
}

int32_t producer_choose(struct producer *producer, struct bytes key)
{
    ASSERT(producer->partition_count > 0);
    if (key.data != NULL) {
        return murmur2_partition(key, producer->partition_count);
    }
    if (producer->sticky < 0 || producer->sticky_size >= producer->options.batch_size) {
        producer->sticky = choose_sticky(producer);
        producer->sticky_size = 0;
    }
    return producer->sticky;
}

/* Memory goes on being counted by the plain records, which the builder keeps until the batch is gone. */
static void batch_close(struct producer_batch *batch)
{
    if (!batch->closed) {
        batch->closed = true;
        batch->bytes = batch_builder_finish(&batch->builder);
    }
}

static struct producer_batch *open_batch(struct producer *producer, struct producer_partition *partition,
                                         uint64_t now_ns)
{
    struct batch_options options = batch_options_default();
    struct producer_batch *batch = memory_alloc_zero(1, sizeof(*batch));

    options.compression = producer->options.compression;
    options.compression_level = producer->options.compression_level;
    options.context = producer->compression;
    options.size_max = producer->options.request_size_max;
    batch_builder_init(&batch->builder, &options);
    batch->partition = partition;
    batch->sequence = -1;
    batch->serial = producer->next_serial++;
    batch->created_ns = now_ns;
    list_append(&partition->queued, &batch->link);
    producer->memory += batch_builder_size(&batch->builder);
    return batch;
}

enum status producer_add(struct producer *producer, int32_t index, const struct record_draft *record, uint64_t now_ns)
{
    struct producer_partition *partition = &producer->partitions[index];
    struct producer_batch *batch = list_empty(&partition->queued) ? NULL : batch_of(partition->queued.previous);
    const size_t size = record_size(record, 0, 0);

    ASSERT(index >= 0 && index < producer->partition_count);
    if (batch != NULL && !batch->closed && batch_builder_size(&batch->builder) + size > producer->batch_limit) {
        batch_close(batch);
    }
    if (batch == NULL || batch->closed) {
        batch = open_batch(producer, partition, now_ns);
    }
    const size_t before = batch_builder_size(&batch->builder);

    if (batch_builder_append(&batch->builder, record) != STATUS_OK) {
        if (batch->record_count == 0) {
            batch_destroy(producer, batch);
        }
        producer->failed++;
        return STATUS_TOO_LARGE;
    }
    producer->memory += batch_builder_size(&batch->builder) - before;
    batch->record_count++;
    producer->pending++;
    if (index == producer->sticky && record->key.data == NULL) {
        producer->sticky_size += size;
    }
    if (batch_builder_size(&batch->builder) >= producer->batch_limit) {
        batch_close(batch);
    }
    return STATUS_OK;
}

bool producer_is_full(const struct producer *producer)
{
    return producer->memory >= producer->options.memory_max;
}

void producer_flush(struct producer *producer)
{
    producer->flushing = true;
}

static bool anything_in_flight(const struct producer *producer)
{
    for (int32_t i = 0; i < producer->partition_count; i++) {
        if (producer->partitions[i].in_flight_count > 0) {
            return true;
        }
    }
    return false;
}

bool producer_wants_identity(const struct producer *producer)
{
    if (!producer->options.idempotent) {
        return false;
    }
    return producer->producer_id < 0 || (producer->identity_spent && !anything_in_flight(producer));
}

void producer_set_identity(struct producer *producer, int64_t producer_id, int16_t producer_epoch)
{
    ASSERT(!anything_in_flight(producer));
    producer->producer_id = producer_id;
    producer->producer_epoch = producer_epoch;
    producer->identity_spent = false;
    for (int32_t i = 0; i < producer->partition_count; i++) {
        producer->partitions[i].next_sequence = 0;
        LIST_EACH(link, &producer->partitions[i].queued)
        {
            batch_of(link)->sequence = -1;
        }
    }
}

/* Closes the batch if it is not, numbers it if it is not numbered. */
static void batch_prepare(struct producer *producer, struct producer_batch *batch)
{
    struct producer_partition *partition = batch->partition;

    batch_close(batch);
    if (!producer->options.idempotent || batch->sequence >= 0) {
        return;
    }
    batch->sequence = partition->next_sequence;
    partition->next_sequence = sequence_add(partition->next_sequence, batch->record_count);
    store_i64(batch->bytes.data + AT_PRODUCER_ID, producer->producer_id);
    store_i16(batch->bytes.data + AT_PRODUCER_EPOCH, producer->producer_epoch);
    store_i32(batch->bytes.data + AT_BASE_SEQUENCE, batch->sequence);
    batch_set_crc(batch->bytes);
}

static bool batch_is_due(const struct producer *producer, const struct producer_batch *batch, uint64_t now_ns)
{
    if (batch->retry_ns > now_ns) {
        return false;
    }
    return batch->closed || producer->flushing || now_ns - batch->created_ns >= producer->options.linger_ns;
}

/* A partition sends if it has something due, room in flight, and no retry outstanding that must go first. */
static bool partition_may_send(const struct producer *producer, const struct producer_partition *partition,
                               uint64_t now_ns)
{
    if (list_empty(&partition->queued) || partition->in_flight_count >= producer->options.in_flight_max) {
        return false;
    }
    const struct producer_batch *first = batch_of(partition->queued.next);

    /* A batch that was refused goes alone: behind the others in flight it would be refused again, and without
     * idempotence it would overtake them. */
    if (first->attempts > 0 && partition->in_flight_count > 0) {
        return false;
    }
    if (!list_empty(&partition->in_flight) && batch_of(partition->in_flight.next)->attempts > 1) {
        return false;
    }
    return batch_is_due(producer, first, now_ns);
}

struct producer_batch *producer_next(struct producer *producer, int32_t leader_id, uint64_t now_ns, size_t size_max,
                                     bool *taken)
{
    ASSERT(leader_id != PRODUCER_LEADER_NONE);
    if (producer->options.idempotent && (producer->producer_id < 0 || producer->identity_spent)) {
        return NULL;
    }
    for (int32_t i = 0; i < producer->partition_count; i++) {
        struct producer_partition *partition = &producer->partitions[i];

        if (taken[i] || partition->leader_id != leader_id || !partition_may_send(producer, partition, now_ns)) {
            continue;
        }
        struct producer_batch *batch = batch_of(partition->queued.next);

        batch_prepare(producer, batch);
        if (batch->bytes.size > size_max) {
            continue;
        }
        taken[i] = true;
        batch->attempts++;
        list_remove(&batch->link);
        list_append(&partition->in_flight, &batch->link);
        partition->in_flight_count++;
        return batch;
    }
    return NULL;
}

void producer_acknowledged(struct producer *producer, struct producer_batch *batch, int64_t base_offset)
{
    struct producer_partition *partition = batch->partition;

    partition->in_flight_count--;
    partition->delivered += batch->record_count;
    producer->delivered += batch->record_count;
    producer->pending -= batch->record_count;
    producer->bytes += (int64_t)batch->bytes.size;
    if (base_offset >= 0) {
        partition->first_offset = partition->first_offset < 0 ? base_offset : partition->first_offset;
        partition->last_offset = base_offset + batch->record_count - 1;
    }
    batch_destroy(producer, batch);
}

/* Its records have failed for good. */
static void batch_fail(struct producer *producer, struct producer_batch *batch)
{
    producer->failed += batch->record_count;
    producer->pending -= batch->record_count;
    if (batch->sequence >= 0) {
        producer->identity_spent = true;
    }
    batch_destroy(producer, batch);
}

/* Back into the queue, before every batch that was begun later. */
static void requeue(struct producer_partition *partition, struct producer_batch *batch)
{
    struct list *position = partition->queued.next;

    while (position != &partition->queued && batch_of(position)->serial < batch->serial) {
        position = position->next;
    }
    list_insert_before(position, &batch->link);
}

bool producer_refused(struct producer *producer, struct producer_batch *batch, int16_t code, bool retriable,
                      uint64_t now_ns)
{
    struct producer_partition *partition = batch->partition;
    const bool first = partition->in_flight.next == &batch->link &&
                       (list_empty(&partition->queued) || batch_of(partition->queued.next)->attempts == 0);

    if (code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
        producer_acknowledged(producer, batch, -1);
        return false;
    }
    partition->in_flight_count--;
    list_remove(&batch->link);
    /* Out of order because an earlier one was refused first: that one's retry mends it, or a new identity does. */
    if (code == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && producer->options.idempotent &&
        (!first || producer->identity_spent)) {
        retriable = true;
    }
    /* Retention has removed all that the partition knew of us: nothing of it can be stored twice (KIP-360). */
    if (code == ERROR_UNKNOWN_PRODUCER_ID && producer->options.idempotent) {
        producer->identity_spent = true;
        retriable = true;
    }
    if (!retriable || now_ns - batch->created_ns >= producer->options.delivery_ns) {
        batch_fail(producer, batch);
        return false;
    }
    batch->retry_ns = now_ns + producer->options.retry_backoff_ns;
    requeue(partition, batch);
    return true;
}

int64_t producer_expire(struct producer *producer, uint64_t now_ns)
{
    const int64_t before = producer->failed;

    for (int32_t i = 0; i < producer->partition_count; i++) {
        struct list *queued = &producer->partitions[i].queued;

        while (!list_empty(queued) && now_ns - batch_of(queued->next)->created_ns >= producer->options.delivery_ns) {
            batch_fail(producer, batch_of(queued->next));
        }
    }
    return producer->failed - before;
}

int64_t producer_abandon(struct producer *producer)
{
    const int64_t before = producer->failed;

    ASSERT(!anything_in_flight(producer));
    for (int32_t i = 0; i < producer->partition_count; i++) {
        while (!list_empty(&producer->partitions[i].queued)) {
            batch_fail(producer, batch_of(producer->partitions[i].queued.next));
        }
    }
    return producer->failed - before;
}

uint64_t producer_wakeup_ns(const struct producer *producer, uint64_t now_ns)
{
    uint64_t soonest = UINT64_MAX;

    for (int32_t i = 0; i < producer->partition_count; i++) {
        const struct producer_partition *partition = &producer->partitions[i];

        if (list_empty(&partition->queued)) {
            continue;
        }
        const struct producer_batch *first = batch_of(partition->queued.next);
        const uint64_t expiry = first->created_ns + producer->options.delivery_ns;
        uint64_t due = first->closed || producer->flushing ? now_ns : first->created_ns + producer->options.linger_ns;

        due = first->retry_ns > due ? first->retry_ns : due;
        /* What is due already waits for an answer, a leader or an identity, not for time. */
        due = due > now_ns ? due : expiry;
        soonest = due < soonest ? due : soonest;
        soonest = expiry < soonest ? expiry : soonest;
    }
    return soonest;
}
