/* Registration of nodes and controllers, as decisions. */
#include "controller/state/broker_table.h"

#include "common/base/assert.h"
#include "controller/state/election.h"

#include "wire/broker_registration.h"
#include "wire/controller_registration.h"

#define FEATURES_MAX 64

static bool duplicates(const struct uuid *ids, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (uuid_equal(ids[i], ids[j])) {
                return true;
            }
        }
    }
    return false;
}

/* True if another node has registered one of the directories: a disk was moved, or copied. */
static bool dirs_taken(const struct image *image, const struct broker_registration_request *request)
{
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);

        for (int32_t j = 0; j < broker->log_dir_count && broker->id != request->broker_id; j++) {
            for (int32_t k = 0; k < request->log_dirs_count; k++) {
                if (uuid_equal(broker->log_dirs[j], request->log_dirs[k])) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* True if the node can run every finalized feature at its level. */
static bool features_supported(const struct image *image, const struct broker_registration_request *request)
{
    for (size_t i = 0; i < image_feature_count(image); i++) {
        const struct feature_image feature = image_feature_at(image, i);
        bool supported = false;

        for (int32_t j = 0; j < request->features_count; j++) {
            supported = supported || (string_equal(request->features[j].name, feature.name) &&
                                      request->features[j].min_supported_version <= feature.level &&
                                      request->features[j].max_supported_version >= feature.level);
        }
        if (!supported) {
            return false;
        }
    }
    return true;
}

static enum kafka_error registration_error(const struct decision *decision, struct string cluster_id,
                                           const struct heartbeat_table *heartbeats, uint64_t now_ns,
                                           const struct broker_registration_request *request)
{
    const struct broker_image *before = image_broker(decision->image, request->broker_id);

    if (!string_equal(request->cluster_id, cluster_id)) {
        return ERROR_INCONSISTENT_CLUSTER_ID;
    }
    /* Whoever has the id keeps it while it lives, unless it is leaving anyway or its connection broke. */
    if (before != NULL && !uuid_equal(before->incarnation_id, request->incarnation_id) &&
        !before->in_controlled_shutdown &&
        heartbeat_table_holds(heartbeats, before->id, before->epoch, now_ns)) {
        return ERROR_DUPLICATE_BROKER_REGISTRATION;
    }
    if (request->broker_id < 0 || request->is_migrating_zk_broker || uuid_is_zero(request->incarnation_id) ||
        request->listeners_count < 1 || request->listeners_count > METADATA_ENDPOINTS_MAX ||
        request->features_count > FEATURES_MAX || request->log_dirs_count < 1 ||
        request->log_dirs_count > METADATA_LOG_DIRS_MAX || duplicates(request->log_dirs, request->log_dirs_count) ||
        dirs_taken(decision->image, request)) {
        return ERROR_INVALID_REGISTRATION;
    }
    return features_supported(decision->image, request) ? ERROR_NONE : ERROR_UNSUPPORTED_VERSION;
}

static void add_register(const struct decision *decision, const struct broker_registration_request *request,
                         const struct broker_image *same)
{
    struct register_broker_record *record = record_list_add(decision->records, METADATA_REGISTER_BROKER_RECORD);

    record->broker_id = request->broker_id;
    record->incarnation_id = request->incarnation_id;
    /* -1 stands for the offset of this record, which is not known yet. */
    record->broker_epoch = same != NULL ? same->epoch : -1;
    record->fenced = same != NULL ? same->fenced : true;
    record->in_controlled_shutdown = same != NULL && same->in_controlled_shutdown;
    record->rack = request->rack;
    record->log_dirs_count = request->log_dirs_count;
    record->log_dirs = request->log_dirs;
    record->end_points_count = request->listeners_count;
    record->end_points = arena_need(decision->arena, (size_t)request->listeners_count, sizeof(*record->end_points));
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record->end_points[i].name = request->listeners[i].name;
        record->end_points[i].host = request->listeners[i].host;
        record->end_points[i].port = request->listeners[i].port;
        record->end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record->features_count = request->features_count;
    record->features = arena_need(decision->arena, (size_t)request->features_count, sizeof(*record->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        record->features[i].name = request->features[i].name;
        record->features[i].min_supported_version = request->features[i].min_supported_version;
        record->features[i].max_supported_version = request->features[i].max_supported_version;
    }
}

void broker_table_register(const struct decision *decision, struct string cluster_id,
                           const struct heartbeat_table *heartbeats, uint64_t now_ns,
                           const struct broker_registration_request *request,
                           struct broker_registration_response *response)
{
    const struct broker_image *before = image_broker(decision->image, request->broker_id);
    const struct broker_image *same;
    struct election_node node;

    broker_registration_response_init(response);
    response->error_code = (int16_t)registration_error(decision, cluster_id, heartbeats, now_ns, request);
    if (response->error_code != ERROR_NONE) {
        return;
    }
    same = before != NULL && uuid_equal(before->incarnation_id, request->incarnation_id) ? before : NULL;
    response->broker_epoch = same != NULL ? same->epoch : -1;
    add_register(decision, request, same);
    if (before == NULL) {
        return;
    }
    node = (struct election_node){.id = before->id,
                                  .active = same != NULL && !same->fenced && !same->in_controlled_shutdown,
                                  .log_dirs = request->log_dirs,
                                  .log_dir_count = request->log_dirs_count};
    election_for_node(decision, &node);
}

void controller_table_register(const struct decision *decision, const struct controller_registration_request *request,
                               struct controller_registration_response *response)
{
    struct register_controller_record *record;

    controller_registration_response_init(response);
    if (request->controller_id < 0 || request->listeners_count < 1 ||
        request->listeners_count > METADATA_ENDPOINTS_MAX || request->features_count > FEATURES_MAX) {
        response->error_code = ERROR_INVALID_REGISTRATION;
        response->error_message = STRING("A controller registers with an id and one to eight listeners.");
        return;
    }
    record = record_list_add(decision->records, METADATA_REGISTER_CONTROLLER_RECORD);
    record->controller_id = request->controller_id;
    record->incarnation_id = request->incarnation_id;
    record->end_points_count = request->listeners_count;
    record->end_points = arena_need(decision->arena, (size_t)request->listeners_count, sizeof(*record->end_points));
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record->end_points[i].name = request->listeners[i].name;
        record->end_points[i].host = request->listeners[i].host;
        record->end_points[i].port = request->listeners[i].port;
        record->end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record->features_count = request->features_count;
    record->features = arena_need(decision->arena, (size_t)request->features_count, sizeof(*record->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        record->features[i].name = request->features[i].name;
        record->features[i].min_supported_version = request->features[i].min_supported_version;
        record->features[i].max_supported_version = request->features[i].max_supported_version;
    }
}
