/* What each kind of record changes, with Kafka's meaning. Records come from a log or snapshot whose checksums held, but
 * maybe from another release: nothing in them is asserted. What this release could not write into a snapshot again
 * (reassignments, unclean recovery, cordoned directories, access rules) is refused rather than forgotten. */
#include "common/metadata/replay.h"

#include "common/base/assert.h"

#define FEATURES_MAX 64
/* "Unchanged" in a PartitionChangeRecord. */
#define LEADER_UNCHANGED (-2)

static enum status replay_register_broker(struct image *image, const struct register_broker_record *record,
                                          int64_t offset)
{
    struct endpoint_image endpoints[METADATA_ENDPOINTS_MAX];
    struct feature_range_image features[FEATURES_MAX];
    struct broker_image broker = {
        .id = record->broker_id,
        .epoch = record->broker_epoch >= 0 ? record->broker_epoch : offset,
        .incarnation_id = record->incarnation_id,
        .rack = record->rack,
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .endpoint_count = record->end_points_count,
        .endpoints = endpoints,
        .log_dir_count = record->log_dirs_count,
        .log_dirs = record->log_dirs,
        .feature_count = record->features_count,
        .features = features,
    };

    if (record->broker_id < 0 || record->end_points_count > METADATA_ENDPOINTS_MAX ||
        record->log_dirs_count > METADATA_LOG_DIRS_MAX || record->features_count > FEATURES_MAX ||
        record->cordoned_log_dirs_count > 0) {
        return STATUS_INVALID;
    }
    for (int32_t i = 0; i < record->end_points_count; i++) {
        endpoints[i] = (struct endpoint_image){.name = record->end_points[i].name,
                                               .host = record->end_points[i].host,
                                               .port = record->end_points[i].port,
                                               .security_protocol = record->end_points[i].security_protocol};
    }
    for (int32_t i = 0; i < record->features_count; i++) {
        features[i] = (struct feature_range_image){.name = record->features[i].name,
                                                   .level_min = record->features[i].min_supported_version,
                                                   .level_max = record->features[i].max_supported_version};
    }
    image_put_broker(image, &broker);
    return STATUS_OK;
}

static enum status replay_unregister_broker(struct image *image, const struct unregister_broker_record *record)
{
    const struct broker_image *broker = image_broker(image, record->broker_id);

    if (broker == NULL || broker->epoch != record->broker_epoch) {
        return STATUS_INVALID;
    }
    image_remove_broker(image, record->broker_id);
    return STATUS_OK;
}

static enum status replay_fenced(struct image *image, int32_t id, int64_t epoch, bool fenced)
{
    const struct broker_image *found = image_broker(image, id);

    if (found == NULL || found->epoch != epoch) {
        return STATUS_INVALID;
    }
    image_own_broker(image, id)->fenced = fenced;
    return STATUS_OK;
}

static enum status replay_broker_change(struct image *image, const struct broker_registration_change_record *record)
{
    const struct broker_image *found = image_broker(image, record->broker_id);
    struct broker_image broker;

    if (found == NULL || found->epoch != record->broker_epoch || record->log_dirs_count > METADATA_LOG_DIRS_MAX ||
        record->fenced < -1 || record->fenced > 1 || record->in_controlled_shutdown < 0 ||
        record->in_controlled_shutdown > 1 || record->cordoned_log_dirs_count > 0) {
        return STATUS_INVALID;
    }
    broker = *found;
    if (record->fenced != 0) {
        broker.fenced = record->fenced > 0;
    }
    if (record->in_controlled_shutdown != 0) {
        broker.in_controlled_shutdown = true;
    }
    if (record->log_dirs_count > 0) {
        broker.log_dir_count = record->log_dirs_count;
        broker.log_dirs = record->log_dirs;
    }
    image_put_broker(image, &broker);
    return STATUS_OK;
}

static enum status replay_register_controller(struct image *image, const struct register_controller_record *record)
{
    struct endpoint_image endpoints[METADATA_ENDPOINTS_MAX];
    const struct controller_image controller = {.id = record->controller_id,
                                                .incarnation_id = record->incarnation_id,
                                                .endpoint_count = record->end_points_count,
                                                .endpoints = endpoints};

    if (record->controller_id < 0 || record->end_points_count > METADATA_ENDPOINTS_MAX) {
        return STATUS_INVALID;
    }
    for (int32_t i = 0; i < record->end_points_count; i++) {
        endpoints[i] = (struct endpoint_image){.name = record->end_points[i].name,
                                               .host = record->end_points[i].host,
                                               .port = record->end_points[i].port,
                                               .security_protocol = record->end_points[i].security_protocol};
    }
    image_put_controller(image, &controller);
    return STATUS_OK;
}

static bool list_has(const int32_t *list, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (list[i] == id) {
            return true;
        }
    }
    return false;
}

static bool list_within(const int32_t *list, int32_t count, const int32_t *whole, int32_t whole_count)
{
    for (int32_t i = 0; i < count; i++) {
        if (!list_has(whole, whole_count, list[i]) || list_has(list, i, list[i])) {
            return false;
        }
    }
    return true;
}

/* The invariants of a partition: replicas without duplicates; ISR and ELR are replicas and have nobody in common; the
 * leader is in the ISR. Counts are checked before they become 16 bits. */
static bool partition_valid(const struct partition_image *partition)
{
    if (partition->replica_count < 1 || partition->leader_epoch < 0 || partition->partition_epoch < 0) {
        return false;
    }
    if (!list_within(partition->replicas, partition->replica_count, partition->replicas, partition->replica_count) ||
        !list_within(partition->isr, partition->isr_count, partition->replicas, partition->replica_count) ||
        !list_within(partition->elr, partition->elr_count, partition->replicas, partition->replica_count)) {
        return false;
    }
    for (int32_t i = 0; i < partition->elr_count; i++) {
        if (list_has(partition->isr, partition->isr_count, partition->elr[i])) {
            return false;
        }
    }
    return partition->leader == -1 || list_has(partition->isr, partition->isr_count, partition->leader);
}

static bool count_valid(int32_t count)
{
    return count <= METADATA_REPLICAS_MAX;
}

static enum status replay_partition(struct image *image, const struct partition_record *record)
{
    struct partition_image partition;

    if (!count_valid(record->replicas_count) || !count_valid(record->isr_count) ||
        !count_valid(record->eligible_leader_replicas_count) || !count_valid(record->last_known_elr_count) ||
        (record->directories_count != 0 && record->directories_count != record->replicas_count) ||
        record->removing_replicas_count > 0 || record->adding_replicas_count > 0 ||
        record->leader_recovery_state != 0) {
        return STATUS_INVALID;
    }
    partition = (struct partition_image){
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .replica_count = (int16_t)record->replicas_count,
        .replicas = record->replicas,
        .isr_count = (int16_t)record->isr_count,
        .isr = record->isr,
        .elr_count = (int16_t)(record->eligible_leader_replicas_count > 0 ? record->eligible_leader_replicas_count : 0),
        .elr = record->eligible_leader_replicas,
        .last_known_elr_count = (int16_t)(record->last_known_elr_count > 0 ? record->last_known_elr_count : 0),
        .last_known_elr = record->last_known_elr,
        .directories = record->directories_count > 0 ? record->directories : NULL,
    };
    if (!partition_valid(&partition) ||
        !image_put_partition(image, record->topic_id, record->partition_id, &partition)) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* Room for what a partition points to while the chunk that it came from is given up: the last holder of a shared chunk
 * may go away on another thread at any time. */
struct partition_lists {
    int32_t replicas[METADATA_REPLICAS_MAX];
    int32_t isr[METADATA_REPLICAS_MAX];
    int32_t elr[METADATA_REPLICAS_MAX];
    int32_t last_known_elr[METADATA_REPLICAS_MAX];
    struct uuid directories[METADATA_REPLICAS_MAX];
};

/* Makes *list the changed list, or if that is absent a copy of what it was, in `copy`. */
static void change_list(const int32_t **list, int16_t *count, const int32_t *changed, int32_t changed_count,
                        int32_t *copy)
{
    if (changed_count >= 0) {
        *list = changed;
        *count = (int16_t)changed_count;
        return;
    }
    memcpy(copy, *list, (size_t)*count * sizeof(*copy));
    *list = copy;
}

/* False if there are not as many directories as replicas. */
static bool change_directories(struct partition_image *partition, const struct partition_change_record *record,
                               struct uuid *copy)
{
    if (record->directories_count >= 0) {
        partition->directories = record->directories_count > 0 ? record->directories : NULL;
        return record->directories_count == 0 || record->directories_count == partition->replica_count;
    }
    if (partition->directories != NULL) {
        if (record->replicas_count >= 0) {
            return false;
        }
        memcpy(copy, partition->directories, (size_t)partition->replica_count * sizeof(*copy));
        partition->directories = copy;
    }
    return true;
}

static enum status replay_partition_change(struct image *image, const struct partition_change_record *record)
{
    const struct topic_image *topic = image_topic_by_id(image, record->topic_id);
    struct partition_image partition;
    struct partition_lists lists;

    if (topic == NULL || !topic_image_partition(topic, record->partition_id, &partition) ||
        !count_valid(record->isr_count) || !count_valid(record->replicas_count) ||
        !count_valid(record->eligible_leader_replicas_count) || !count_valid(record->last_known_elr_count) ||
        record->removing_replicas_count > 0 || record->adding_replicas_count > 0 || record->leader_recovery_state > 0) {
        return STATUS_INVALID;
    }
    change_list(&partition.replicas, &partition.replica_count, record->replicas, record->replicas_count,
                lists.replicas);
    change_list(&partition.isr, &partition.isr_count, record->isr, record->isr_count, lists.isr);
    change_list(&partition.elr, &partition.elr_count, record->eligible_leader_replicas,
                record->eligible_leader_replicas_count, lists.elr);
    change_list(&partition.last_known_elr, &partition.last_known_elr_count, record->last_known_elr,
                record->last_known_elr_count, lists.last_known_elr);
    if (!change_directories(&partition, record, lists.directories)) {
        return STATUS_INVALID;
    }
    /* A leader said again is a new term of the same leader. */
    if (record->leader != LEADER_UNCHANGED) {
        partition.leader = record->leader;
        partition.leader_epoch++;
    }
    partition.partition_epoch++;
    if (!partition_valid(&partition) ||
        !image_put_partition(image, record->topic_id, record->partition_id, &partition)) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static bool config_type_known(int8_t type)
{
    return type == CONFIG_TOPIC || type == CONFIG_BROKER || type == CONFIG_BROKER_LOGGER ||
           type == CONFIG_CLIENT_METRICS || type == CONFIG_GROUP;
}

static enum status replay_config(struct image *image, const struct config_record *record)
{
    if (!config_type_known(record->resource_type) || record->name.size == 0) {
        return STATUS_INVALID;
    }
    image_put_config(image, (enum config_resource)record->resource_type, record->resource_name, record->name,
                     record->value);
    return STATUS_OK;
}

static enum status replay_feature_level(struct image *image, const struct feature_level_record *record)
{
    if (record->name.size == 0 || record->feature_level < 0) {
        return STATUS_INVALID;
    }
    image_put_feature(image, record->name, record->feature_level);
    return STATUS_OK;
}

static enum status replay_producer_ids(struct image *image, const struct producer_ids_record *record)
{
    if (record->next_producer_id < image->next_producer_id) {
        return STATUS_INVALID;
    }
    image->next_producer_id = record->next_producer_id;
    return STATUS_OK;
}

static enum status replay_topic(struct image *image, const struct topic_record *record)
{
    if (record->name.size == 0 || uuid_is_zero(record->topic_id)) {
        return STATUS_INVALID;
    }
    return image_add_topic(image, record->name, record->topic_id) ? STATUS_OK : STATUS_INVALID;
}

static enum status replay_remove_topic(struct image *image, const struct remove_topic_record *record)
{
    return image_remove_topic(image, record->topic_id) ? STATUS_OK : STATUS_INVALID;
}

enum status image_replay(struct image *image, const struct metadata_record *record, int64_t offset)
{
    const struct fence_broker_record *fence = record->message;
    const struct unfence_broker_record *unfence = record->message;

    switch (record->type) {
    case METADATA_REGISTER_BROKER_RECORD:
        return replay_register_broker(image, record->message, offset);
    case METADATA_UNREGISTER_BROKER_RECORD:
        return replay_unregister_broker(image, record->message);
    case METADATA_TOPIC_RECORD:
        return replay_topic(image, record->message);
    case METADATA_PARTITION_RECORD:
        return replay_partition(image, record->message);
    case METADATA_CONFIG_RECORD:
        return replay_config(image, record->message);
    case METADATA_PARTITION_CHANGE_RECORD:
        return replay_partition_change(image, record->message);
    case METADATA_FENCE_BROKER_RECORD:
        return replay_fenced(image, fence->id, fence->epoch, true);
    case METADATA_UNFENCE_BROKER_RECORD:
        return replay_fenced(image, unfence->id, unfence->epoch, false);
    case METADATA_REMOVE_TOPIC_RECORD:
        return replay_remove_topic(image, record->message);
    case METADATA_FEATURE_LEVEL_RECORD:
        return replay_feature_level(image, record->message);
    case METADATA_PRODUCER_IDS_RECORD:
        return replay_producer_ids(image, record->message);
    case METADATA_BROKER_REGISTRATION_CHANGE_RECORD:
        return replay_broker_change(image, record->message);
    case METADATA_REGISTER_CONTROLLER_RECORD:
        return replay_register_controller(image, record->message);
    case METADATA_NO_OP_RECORD:
        return STATUS_OK;
    case METADATA_ACCESS_CONTROL_ENTRY_RECORD:
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY_RECORD:
    case METADATA_BEGIN_TRANSACTION_RECORD:
    case METADATA_END_TRANSACTION_RECORD:
    case METADATA_ABORT_TRANSACTION_RECORD:
        return STATUS_INVALID;
    }
    return STATUS_INVALID;
}
