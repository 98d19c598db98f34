/* Control records: decode any, write transaction markers. */
#include "common/batch/control_record.h"

#include "common/base/assert.h"
#include "common/base/endian.h"

#define KEY_SIZE 4
#define MARKER_SIZE 6

enum status control_record_read(const struct record *record, struct control_record *control)
{
    int16_t type;

    *control = (struct control_record){.type = CONTROL_UNKNOWN, .coordinator_epoch = -1};
    if (record->key.size < KEY_SIZE || load_i16(record->key.data) < 0) {
        return STATUS_CORRUPT;
    }
    type = load_i16(record->key.data + 2);
    if (type < CONTROL_ABORT || type > CONTROL_KRAFT_VOTERS) {
        return STATUS_OK;
    }
    control->type = (enum control_type)type;
    if (control->type != CONTROL_ABORT && control->type != CONTROL_COMMIT) {
        return STATUS_OK;
    }
    if (record->value.size < MARKER_SIZE || load_i16(record->value.data) < 0) {
        return STATUS_CORRUPT;
    }
    control->coordinator_epoch = load_i32(record->value.data + 2);
    return STATUS_OK;
}

void transaction_marker_write(const struct transaction_marker *marker, uint8_t batch[TRANSACTION_MARKER_SIZE])
{
    struct batch_options options = batch_options_default();
    struct batch_builder builder;
    uint8_t key[KEY_SIZE] = {0};
    uint8_t value[MARKER_SIZE] = {0};
    struct space finished;
    enum status status;

    ASSERT(marker->producer_id > PRODUCER_ID_NONE);
    store_i16(key + 2, marker->commit ? CONTROL_COMMIT : CONTROL_ABORT);
    store_i32(value + 2, marker->coordinator_epoch);
    options.transactional = true;
    options.control = true;
    options.producer_id = marker->producer_id;
    options.producer_epoch = marker->producer_epoch;
    batch_builder_init(&builder, &options);
    status = batch_builder_append(&builder, &(struct record_draft){.timestamp = marker->timestamp,
                                                                   .key = bytes_of(key, sizeof(key)),
                                                                   .value = bytes_of(value, sizeof(value))});
    ASSERT(status == STATUS_OK);
    finished = batch_builder_finish(&builder);
    ASSERT(finished.size == TRANSACTION_MARKER_SIZE);
    memcpy(batch, finished.data, finished.size);
    batch_builder_deinit(&builder);
}
