/* Record batches from clients, leaders and disks: header, checks, records, headers of records. Byte 0: bit 0 makes
 * length, magic and checksum of the first batch true, so that what lies behind them is reached. */
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/batch/control_record.h"
#include "common/batch/record.h"
#include "tests/fuzz/fuzz.h"

#define DECOMPRESSED_MAX (1U << 20)

static void repair(struct space batch)
{
    if (batch.size >= RECORD_BATCH_HEADER_SIZE) {
        store_i32(batch.data + 8, (int32_t)(batch.size - RECORD_BATCH_OVERHEAD));
        batch.data[16] = RECORD_BATCH_MAGIC;
        batch_set_crc(batch);
    }
}

static void check_headers(const struct record *record)
{
    struct bytes rest = record->headers;
    struct record_header header;
    int32_t count = 0;

    while (record_header_next(&rest, &header)) {
        ASSERT(header.key.data != NULL);
        count++;
    }
    ASSERT(rest.size == 0);
    ASSERT(count == record->header_count);
}

/* The same records in a batch of our own are accepted from a client. */
static void rebuild(const struct batch_header *header, struct bytes records)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_options options = batch_options_default();
    struct record_iterator iterator;
    struct batch_builder builder;
    struct batch_header built;
    struct record record;
    struct space batch;

    batch_builder_init(&builder, &options);
    record_iterator_init(&iterator, header, records);
    while (record_next(&iterator, &record) == STATUS_OK) {
        const struct record_draft draft = {.timestamp = record.timestamp, .key = record.key, .value = record.value};

        ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    }
    batch = batch_builder_finish(&builder);
    ASSERT(batch_validate(bytes_of(batch.data, batch.size), &limits, &built) == BATCH_ERROR_NONE);
    ASSERT(built.record_count == header->record_count);
    ASSERT(batch_validate_records(bytes_of(batch.data, batch.size), &built, &limits, NULL, NULL, NULL) ==
           BATCH_ERROR_NONE);
    batch_builder_deinit(&builder);
}

/* Walks the records; true if they end as the header says. */
static bool walk(const struct batch_header *header, struct bytes records)
{
    struct record_iterator iterator;
    struct record record;
    int64_t offset = header->base_offset - 1;
    int32_t count = 0;
    enum status status;

    record_iterator_init(&iterator, header, records);
    while ((status = record_next(&iterator, &record)) == STATUS_OK) {
        struct control_record control;
        struct bytes value;

        ASSERT(record.offset > offset && record.offset <= batch_last_offset(header));
        offset = record.offset;
        count++;
        check_headers(&record);
        (void)!record_header_find(&record, "a", &value);
        if (header->control && control_record_read(&record, &control) == STATUS_OK) {
            ASSERT(control.type >= CONTROL_UNKNOWN && control.type <= CONTROL_KRAFT_VOTERS);
        }
    }
    ASSERT(count <= header->record_count);
    ASSERT(status == STATUS_END || status == STATUS_CORRUPT);
    ASSERT(status != STATUS_END || count == header->record_count);
    return status == STATUS_END;
}

static void check_contents(struct bytes batch, const struct batch_header *header, enum batch_origin origin)
{
    struct batch_limits limits = batch_limits_none(origin);
    struct records_summary summary;
    struct bytes records;
    struct buffer scratch;
    enum batch_error error;
    enum status status;

    limits.decompressed_size_max = DECOMPRESSED_MAX;
    buffer_init(&scratch);
    error = batch_validate_records(batch, header, &limits, NULL, &scratch, &summary);
    status = batch_records(batch, header, NULL, DECOMPRESSED_MAX, &scratch, &records);
    ASSERT(status == STATUS_OK || error != BATCH_ERROR_NONE);
    if (status == STATUS_OK) {
        const bool whole = walk(header, records);

        ASSERT(scratch.size <= DECOMPRESSED_MAX);
        ASSERT(whole || error != BATCH_ERROR_NONE);
        if (error == BATCH_ERROR_NONE) {
            ASSERT(summary.size == records.size);
            ASSERT(summary.max_timestamp == TIMESTAMP_NONE ||
                   (summary.max_timestamp_offset >= header->base_offset &&
                    summary.max_timestamp_offset <= batch_last_offset(header)));
            if (origin == BATCH_FROM_CLIENT) {
                rebuild(header, records);
            }
        }
    }
    buffer_deinit(&scratch);
}

/* What a leader does to a batch that it accepted leaves it acceptable, as a part of the log. */
static void check_assigned(struct bytes batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct space copy = {memory_copy(batch.data, batch.size), batch.size};
    struct batch_header header;

    batch_assign(copy, 1000, 7);
    ASSERT(batch_validate(bytes_of(copy.data, copy.size), &limits, &header) == BATCH_ERROR_NONE);
    ASSERT(header.base_offset == 1000 && header.partition_leader_epoch == 7);
    batch_set_timestamp(copy, TIMESTAMP_LOG_APPEND_TIME, 12345);
    ASSERT(batch_validate(bytes_of(copy.data, copy.size), &limits, &header) == BATCH_ERROR_NONE);
    ASSERT(header.timestamp_type == TIMESTAMP_LOG_APPEND_TIME && header.max_timestamp == 12345);
    memory_free(copy.data);
}

static void check_batch(struct bytes batch)
{
    bool accepted[3];

    for (int origin = BATCH_FROM_CLIENT; origin <= BATCH_FROM_LOG; origin++) {
        struct batch_limits limits = batch_limits_none((enum batch_origin)origin);
        struct batch_header header;
        enum batch_error error;

        limits.decompressed_size_max = DECOMPRESSED_MAX;
        error = batch_validate(batch, &limits, &header);
        ASSERT(batch_error_text(error)[0] != 0);
        ASSERT((batch_error_code(error) == 0) == (error == BATCH_ERROR_NONE));
        accepted[origin] = error == BATCH_ERROR_NONE;
        if (accepted[origin]) {
            ASSERT(batch_size(&header) == batch.size && batch_crc_matches(batch));
            check_contents(batch, &header, (enum batch_origin)origin);
        }
    }
    ASSERT(!accepted[BATCH_FROM_CLIENT] || accepted[BATCH_FROM_COORDINATOR]);
    ASSERT(!accepted[BATCH_FROM_COORDINATOR] || accepted[BATCH_FROM_LOG]);
    if (accepted[BATCH_FROM_CLIENT]) {
        check_assigned(batch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const bool repaired = (fuzz_byte(&input) & 1) != 0;
    struct space copy = {memory_alloc(input.size), input.size};
    struct bytes rest = bytes_of(copy.data, copy.size);
    struct bytes batch;
    size_t seen = 0;

    memcpy(copy.data, input.data, input.size);
    if (repaired) {
        repair(copy);
    }
    check_batch(rest);
    while (batch_next(&rest, &batch) == STATUS_OK) {
        ASSERT(batch.data == copy.data + seen && batch.size >= RECORD_BATCH_HEADER_SIZE);
        seen += batch.size;
        check_batch(batch);
    }
    ASSERT(seen + rest.size == copy.size);
    memory_free(copy.data);
    return 0;
}
