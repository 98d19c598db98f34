/* Life of a node in the cluster, as decisions. */
#include "controller/state/broker_table.h"

#include "common/base/assert.h"
#include "controller/state/election.h"

#include "wire/broker_heartbeat.h"
#include "wire/unregister_broker.h"

/* Values of a BrokerRegistrationChangeRecord. */
#define CHANGE_FENCE 1
#define CHANGE_UNFENCE (-1)
#define CHANGE_SHUTTING_DOWN 1

enum broker_state { BROKER_FENCED, BROKER_UNFENCED, BROKER_CONTROLLED_SHUTDOWN, BROKER_SHUTDOWN_NOW };

enum kafka_error broker_table_check_epoch(const struct image *image, int32_t broker_id, int64_t epoch)
{
    const struct broker_image *broker = image_broker(image, broker_id);

    return broker == NULL || broker->epoch != epoch ? ERROR_STALE_BROKER_EPOCH : ERROR_NONE;
}

static struct broker_registration_change_record *add_change(const struct decision *decision,
                                                            const struct broker_image *broker)
{
    struct broker_registration_change_record *record =
        record_list_add(decision->records, METADATA_BROKER_REGISTRATION_CHANGE_RECORD);

    record->broker_id = broker->id;
    record->broker_epoch = broker->epoch;
    return record;
}

void broker_table_expire(const struct decision *decision, int32_t broker_id)
{
    const struct broker_image *broker = image_broker(decision->image, broker_id);

    ASSERT(broker != NULL);
    ASSERT(!broker->fenced);
    add_change(decision, broker)->fenced = CHANGE_FENCE;
    election_for_node(decision, &(struct election_node){.id = broker_id});
}

/* What the node shall be next. Kafka's BrokerHeartbeatManager has the same rules. */
static enum broker_state next_state(const struct decision *decision, const struct heartbeat_table *heartbeats,
                                    const struct broker_image *broker, const struct broker_heartbeat_request *request)
{
    const struct heartbeat *row = heartbeat_table_find(heartbeats, broker->id);

    if (broker->fenced) {
        if (request->want_shut_down) {
            return BROKER_SHUTDOWN_NOW;
        }
        return !request->want_fence && request->current_metadata_offset >= broker->epoch ? BROKER_UNFENCED
                                                                                         : BROKER_FENCED;
    }
    if (broker->in_controlled_shutdown) {
        if (election_leads_any(decision->image, broker->id)) {
            return BROKER_CONTROLLED_SHUTDOWN;
        }
        ASSERT(row != NULL);
        /* The others must know the new leaders before this one stops to answer. */
        return heartbeat_table_lowest_offset(heartbeats, decision->image) >= row->shutdown_offset
                   ? BROKER_SHUTDOWN_NOW
                   : BROKER_CONTROLLED_SHUTDOWN;
    }
    if (request->want_fence) {
        return request->want_shut_down ? BROKER_SHUTDOWN_NOW : BROKER_FENCED;
    }
    if (request->want_shut_down) {
        return election_leads_any(decision->image, broker->id) ? BROKER_CONTROLLED_SHUTDOWN : BROKER_SHUTDOWN_NOW;
    }
    return BROKER_UNFENCED;
}

static bool listed(const struct uuid *ids, int32_t count, struct uuid id)
{
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(ids[i], id)) {
            return true;
        }
    }
    return false;
}

/* The node's directories without those that it says have failed; they come back with its next registration. A node that
 * lost them all stops by itself, and keeps what it registered. */
static int32_t online_dirs(const struct decision *decision, const struct broker_image *broker,
                           const struct broker_heartbeat_request *request, struct uuid **dirs)
{
    int32_t count = 0;

    *dirs = arena_need(decision->arena, (size_t)broker->log_dir_count, sizeof(**dirs));
    for (int32_t i = 0; i < broker->log_dir_count; i++) {
        if (!listed(request->offline_log_dirs, request->offline_log_dirs_count, broker->log_dirs[i])) {
            (*dirs)[count++] = broker->log_dirs[i];
        }
    }
    if (count == 0) {
        *dirs = broker->log_dirs;
        return broker->log_dir_count;
    }
    return count;
}

/* Adds one record for all that changes about the node, and the elections that follow. */
static void change(const struct decision *decision, const struct broker_image *broker, enum broker_state next,
                   const struct broker_heartbeat_request *request)
{
    const bool fenced = next == BROKER_FENCED || next == BROKER_SHUTDOWN_NOW;
    const bool leaving = broker->in_controlled_shutdown || next == BROKER_CONTROLLED_SHUTDOWN;
    struct broker_registration_change_record *record;
    struct uuid *dirs;
    const int32_t dir_count = online_dirs(decision, broker, request, &dirs);

    if (fenced == broker->fenced && leaving == broker->in_controlled_shutdown && dir_count == broker->log_dir_count) {
        return;
    }
    record = add_change(decision, broker);
    if (fenced != broker->fenced) {
        record->fenced = fenced ? CHANGE_FENCE : CHANGE_UNFENCE;
    }
    if (leaving != broker->in_controlled_shutdown) {
        record->in_controlled_shutdown = CHANGE_SHUTTING_DOWN;
    }
    if (dir_count != broker->log_dir_count) {
        record->log_dirs_count = dir_count;
        record->log_dirs = dirs;
    }
    election_for_node(decision, &(struct election_node){.id = broker->id,
                                                        .active = !fenced && !leaving,
                                                        .log_dirs = dirs,
                                                        .log_dir_count = dir_count});
}

void broker_table_heartbeat(const struct decision *decision, struct heartbeat_table *heartbeats, uint64_t now_ns,
                            const struct broker_heartbeat_request *request, struct broker_heartbeat_response *response)
{
    const struct broker_image *broker = image_broker(decision->image, request->broker_id);
    enum broker_state next;

    broker_heartbeat_response_init(response);
    response->error_code = (int16_t)broker_table_check_epoch(decision->image, request->broker_id,
                                                             request->broker_epoch);
    if (response->error_code != ERROR_NONE) {
        return;
    }
    if (request->cordoned_log_dirs_count > 0) {
        response->error_code = ERROR_INVALID_REQUEST;
        return;
    }
    heartbeat_table_touch(heartbeats, broker->id, broker->epoch, request->current_metadata_offset, now_ns);
    if (broker->in_controlled_shutdown) {
        /* After a change of the active controller the row is new: wait for what is known now. */
        heartbeat_table_leave(heartbeats, broker->id, image_offset(decision->image));
    }
    next = next_state(decision, heartbeats, broker, request);
    change(decision, broker, next, request);
    if (next == BROKER_CONTROLLED_SHUTDOWN) {
        /* The batch gets an offset behind all that is decided: whoever has read so many records more has read it. */
        heartbeat_table_leave(heartbeats, broker->id,
                              image_offset(decision->image) + (int64_t)decision->records->count);
    }
    response->is_caught_up = request->current_metadata_offset >= broker->epoch;
    response->is_fenced = next == BROKER_FENCED || next == BROKER_SHUTDOWN_NOW;
    response->should_shut_down = next == BROKER_SHUTDOWN_NOW;
}

void broker_table_unregister(const struct decision *decision, const struct unregister_broker_request *request,
                             struct unregister_broker_response *response)
{
    const struct broker_image *broker = image_broker(decision->image, request->broker_id);
    struct unregister_broker_record *record;

    unregister_broker_response_init(response);
    if (broker == NULL) {
        response->error_code = ERROR_BROKER_ID_NOT_REGISTERED;
        response->error_message = arena_format(decision->arena, "No node with id %d is registered.",
                                               request->broker_id);
        return;
    }
    election_for_node(decision, &(struct election_node){.id = broker->id});
    record = record_list_add(decision->records, METADATA_UNREGISTER_BROKER_RECORD);
    record->broker_id = broker->id;
    record->broker_epoch = broker->epoch;
}
