/* See consumer.h. Aborted transactions (KIP-98): the leader names producer and first offset; from there on the
 * producer's transactional batches are skipped until its abort marker. */
#include "cli/consumer.h"

#include "common/base/endian.h"
#include "common/base/memory.h"

#define CONTROL_ABORT 0

void consumer_init(struct consumer *consumer)
{
    *consumer = (struct consumer){.compression = compression_context_create()};
    buffer_init(&consumer->scratch);
}

void consumer_deinit(struct consumer *consumer)
{
    compression_context_destroy(consumer->compression);
    buffer_deinit(&consumer->scratch);
    memory_free(consumer->aborting);
}

static size_t aborting_find(const struct consumer *consumer, int64_t producer_id)
{
    size_t i = 0;

    while (i < consumer->aborting_count && consumer->aborting[i] != producer_id) {
        i++;
    }
    return i;
}

/* Takes up the transactions that begin before `offset_end`; *next walks the list. */
static void aborting_begin(struct consumer *consumer, const struct consumer_limits *limits, int64_t offset_end,
                           size_t *next)
{
    while (limits->aborted != NULL && *next < limits->aborted_count &&
           limits->aborted[*next].first_offset < offset_end) {
        const int64_t producer_id = limits->aborted[(*next)++].producer_id;

        if (aborting_find(consumer, producer_id) < consumer->aborting_count) {
            continue;
        }
        if (consumer->aborting_count == consumer->aborting_capacity) {
            consumer->aborting_capacity = consumer->aborting_capacity * 2 + 8;
            consumer->aborting =
                memory_resize(consumer->aborting, consumer->aborting_capacity, sizeof(*consumer->aborting));
        }
        consumer->aborting[consumer->aborting_count++] = producer_id;
    }
}

static void aborting_end(struct consumer *consumer, int64_t producer_id)
{
    const size_t i = aborting_find(consumer, producer_id);

    if (i < consumer->aborting_count) {
        consumer->aborting[i] = consumer->aborting[--consumer->aborting_count];
    }
}

/* The first record of a control batch is the marker: key = version i16, type i16. */
static bool is_abort_marker(struct bytes batch, const struct batch_header *header)
{
    struct record_iterator iterator;
    struct record record;

    if (header->compression != COMPRESSION_NONE) {
        return false;
    }
    record_iterator_init(&iterator, header,
                         bytes_of(batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE));
    return record_next(&iterator, &record) == STATUS_OK && record.key.size >= 4 &&
           load_i16(record.key.data + 2) == CONTROL_ABORT;
}

static enum status read_batch(struct consumer *consumer, struct bytes batch, const struct batch_header *header,
                              const struct consumer_limits *limits, int64_t *offset, consumer_emit emit, void *context,
                              enum consumer_verdict *verdict)
{
    struct record_iterator iterator;
    struct record record;
    struct bytes records;
    enum status status =
        batch_records(batch, header, consumer->compression, CONSUMER_RECORDS_MAX, &consumer->scratch, &records);

    if (status != STATUS_OK) {
        return status;
    }
    record_iterator_init(&iterator, header, records);
    while ((status = record_next(&iterator, &record)) == STATUS_OK) {
        if (record.offset < *offset) {
            continue;
        }
        if (record.offset >= limits->offset_stop) {
            *offset = limits->offset_stop;
            *verdict = CONSUMER_ENOUGH;
            return STATUS_OK;
        }
        *offset = record.offset + 1;
        *verdict = emit(context, header, &record);
        if (*verdict == CONSUMER_ENOUGH) {
            return STATUS_OK;
        }
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* Whether the batch's records are for the reader; keeps the list of aborted producers. */
static bool batch_wanted(struct consumer *consumer, struct bytes batch, const struct batch_header *header,
                         const struct consumer_limits *limits, size_t *aborted_next)
{
    const int64_t end = batch_last_offset(header) + 1;

    if (limits->aborted != NULL) {
        aborting_begin(consumer, limits, end, aborted_next);
    }
    if (header->control) {
        if (is_abort_marker(batch, header)) {
            aborting_end(consumer, header->producer_id);
        }
        return false;
    }
    return !(header->transactional && limits->aborted != NULL &&
             aborting_find(consumer, header->producer_id) < consumer->aborting_count);
}

enum status consumer_read(struct consumer *consumer, struct bytes records, const struct consumer_limits *limits,
                          int64_t *offset, consumer_emit emit, void *context)
{
    enum consumer_verdict verdict = CONSUMER_MORE;
    size_t aborted_next = 0;
    struct bytes batch;
    enum status status = STATUS_OK;

    /* The leader names every transaction that reaches into these bytes, so nothing is carried over. */
    consumer->aborting_count = 0;
    while (verdict == CONSUMER_MORE && (status = batch_next(&records, &batch)) == STATUS_OK) {
        struct batch_header header;

        if (batch_header_read(batch, &header) != STATUS_OK || (limits->check_crcs && !batch_crc_matches(batch))) {
            return STATUS_CORRUPT;
        }
        if (header.base_offset < 0 || header.last_offset_delta < 0 ||
            header.base_offset > INT64_MAX - 1 - header.last_offset_delta) {
            return STATUS_CORRUPT;
        }
        if (batch_last_offset(&header) < *offset) {
            continue;
        }
        if (header.base_offset >= limits->offset_stop) {
            *offset = limits->offset_stop;
            return STATUS_OK;
        }
        if (batch_wanted(consumer, batch, &header, limits, &aborted_next)) {
            status = read_batch(consumer, batch, &header, limits, offset, emit, context, &verdict);
            if (status != STATUS_OK) {
                return status;
            }
        }
        if (verdict == CONSUMER_MORE) {
            /* Compaction may have taken the last records of the batch, which still spans their offsets. */
            *offset = batch_last_offset(&header) + 1;
        }
    }
    if (verdict == CONSUMER_ENOUGH || status == STATUS_END || status == STATUS_TRUNCATED) {
        return STATUS_OK;
    }
    return STATUS_CORRUPT;
}
