/* Producer ids. */
#include "controller/state/producer_ids.h"

#include "controller/state/broker_table.h"

#include "wire/allocate_producer_ids.h"

void producer_ids_allocate(const struct decision *decision, const struct allocate_producer_ids_request *request,
                           struct allocate_producer_ids_response *response)
{
    const int64_t first = image_next_producer_id(decision->image);
    struct producer_ids_record *record;

    allocate_producer_ids_response_init(response);
    response->error_code =
        (int16_t)broker_table_check_epoch(decision->image, request->broker_id, request->broker_epoch);
    if (response->error_code != ERROR_NONE) {
        return;
    }
    if (first > INT64_MAX - PRODUCER_ID_BLOCK_SIZE) {
        response->error_code = ERROR_UNKNOWN_SERVER_ERROR;
        return;
    }
    record = record_list_add(decision->records, METADATA_PRODUCER_IDS_RECORD);
    record->broker_id = request->broker_id;
    record->broker_epoch = request->broker_epoch;
    record->next_producer_id = first + PRODUCER_ID_BLOCK_SIZE;
    response->producer_id_start = first;
    response->producer_id_len = PRODUCER_ID_BLOCK_SIZE;
}
