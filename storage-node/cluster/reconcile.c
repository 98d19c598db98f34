/* From a change of the metadata to lists of actions. */
#include "storage-node/cluster/reconcile.h"

#include "common/base/assert.h"
#include "storage-node/replica/topic_log.h"

struct reconciler {
    const struct reconcile_options *options;
    struct arena *arena;
    struct replica_actions *actions;
    /* The effective config of the topic that the last action was for: partitions of a topic come together. */
    struct uuid config_topic;
    struct topic_config *config;
    struct log_config *log;
};

static struct replica_action *reconcile_add(struct reconciler *reconciler, enum replica_action_kind kind,
                                            struct uuid topic_id,
                                            int32_t partition, uint32_t loop)
{
    struct replica_action *action = arena_need(reconciler->arena, 1, sizeof(*action));
    struct replica_actions *actions = &reconciler->actions[loop];

    ASSERT(loop < reconciler->options->loop_count);
    action->kind = kind;
    action->topic_id = topic_id;
    action->partition = partition;
    if (actions->first == NULL) {
        actions->first = action;
    } else {
        actions->last->next = action;
    }
    actions->last = action;
    return action;
}

static void reconcile_config(struct reconciler *reconciler, const struct topic_image *topic)
{
    const struct topic_config_sources sources = {
        .image = reconciler->options->after,
        .config = reconciler->options->config,
        .broker_id = reconciler->options->node_id,
        .topic = topic_image_name(topic),
    };

    if (reconciler->config != NULL && uuid_equal(reconciler->config_topic, topic_image_id(topic))) {
        return;
    }
    reconciler->config_topic = topic_image_id(topic);
    reconciler->config = arena_need(reconciler->arena, 1, sizeof(*reconciler->config));
    reconciler->log = arena_need(reconciler->arena, 1, sizeof(*reconciler->log));
    topic_config_effective(&sources, reconciler->config);
    topic_log_config(reconciler->config, config_int64(reconciler->options->config, "producer.id.expiration.ms"),
                     reconciler->log);
}

static bool reconcile_hosts(const struct reconciler *reconciler, const struct partition_image *row)
{
    for (int16_t i = 0; i < row->replica_count; i++) {
        if (row->replicas[i] == reconciler->options->node_id) {
            return true;
        }
    }
    return false;
}

static bool reconcile_hosted_before(const struct reconciler *reconciler, struct uuid topic_id, int32_t partition)
{
    const struct topic_image *topic =
        reconciler->options->before != NULL ? image_topic_by_id(reconciler->options->before, topic_id) : NULL;
    struct partition_image row;

    return topic != NULL && topic_image_partition(topic, partition, &row) && reconcile_hosts(reconciler, &row);
}

static uint32_t reconcile_loop(const struct reconciler *reconciler, struct uuid topic_id, int32_t partition)
{
    return reconciler->options->loop_of(reconciler->options->context, topic_id, partition);
}

static void reconcile_partition(void *context, const struct topic_image *topic, int32_t partition)
{
    struct reconciler *reconciler = context;
    const struct uuid topic_id = topic_image_id(topic);
    const bool hosted = reconcile_hosted_before(reconciler, topic_id, partition);
    const uint32_t loop = reconcile_loop(reconciler, topic_id, partition);
    struct replica_action *action;
    struct partition_image row;
    bool hosts;

    hosts = topic_image_partition(topic, partition, &row) && reconcile_hosts(reconciler, &row);
    if (!hosts) {
        if (hosted) {
            action = reconcile_add(reconciler, REPLICA_CLOSE, topic_id, partition, loop);
            action->remove = true;
            directories_forget(reconciler->options->directories, topic_image_name(topic), partition);
        }
        return;
    }
    if (hosted) {
        action = reconcile_add(reconciler, REPLICA_ROLE, topic_id, partition, loop);
    } else {
        struct directory_place *place = arena_need(reconciler->arena, 1, sizeof(*place));

        if (!directories_place(reconciler->options->directories, reconciler->arena, topic_id, topic_image_name(topic),
                               partition, place)) {
            return;
        }
        directories_find_producers(reconciler->options->directories, reconciler->arena, topic_id, partition, place);
        reconcile_config(reconciler, topic);
        action = reconcile_add(reconciler, REPLICA_OPEN, topic_id, partition, loop);
        action->topic = arena_copy_string(reconciler->arena, topic_image_name(topic));
        action->config = reconciler->config;
        action->log = reconciler->log;
        action->place = place;
    }
    action->leader = row.leader == reconciler->options->node_id;
    action->leader_epoch = row.leader_epoch;
}

static void reconcile_removed(void *context, const struct topic_image *topic)
{
    struct reconciler *reconciler = context;
    const struct uuid topic_id = topic_image_id(topic);

    for (int32_t i = 0; i < topic_image_partition_count(topic); i++) {
        struct partition_image row;

        if (topic_image_partition(topic, i, &row) && reconcile_hosts(reconciler, &row)) {
            struct replica_action *action =
                reconcile_add(reconciler, REPLICA_CLOSE, topic_id, i, reconcile_loop(reconciler, topic_id, i));

            action->remove = true;
            directories_forget(reconciler->options->directories, topic_image_name(topic), i);
        }
    }
}

static void reconcile_configure(struct reconciler *reconciler, const struct topic_image *topic)
{
    reconciler->config = NULL;
    reconcile_config(reconciler, topic);
    for (uint32_t loop = 0; loop < reconciler->options->loop_count; loop++) {
        struct replica_action *action =
            reconcile_add(reconciler, REPLICA_CONFIGURE, topic_image_id(topic), -1, loop);

        action->config = reconciler->config;
        action->log = reconciler->log;
    }
}

static void reconcile_config_changed(void *context, enum config_resource type, struct string resource)
{
    struct reconciler *reconciler = context;
    const struct image *after = reconciler->options->after;

    if (type == CONFIG_TOPIC) {
        const struct topic_image *topic = image_topic_by_name(after, resource);

        if (topic != NULL) {
            reconcile_configure(reconciler, topic);
        }
    } else if (type == CONFIG_BROKER) {
        /* A default for all topics may have changed. */
        for (size_t i = 0; i < image_topic_count(after); i++) {
            reconcile_configure(reconciler, image_topic_at(after, i));
        }
    }
}

static void reconcile_nothing_topic(void *context, const struct topic_image *topic)
{
    (void)context;
    (void)topic;
}

static void reconcile_nothing_broker(void *context, int32_t id)
{
    (void)context;
    (void)id;
}

void reconcile(const struct reconcile_options *options, struct arena *arena, struct replica_actions *actions)
{
    struct reconciler reconciler = {.options = options, .arena = arena, .actions = actions};
    /* A topic that was deleted and made anew is removed before it is added: its name, and directory, are free by
     * then. */
    const struct image_changes changes = {
        .topic_added = reconcile_nothing_topic,
        .broker_changed = reconcile_nothing_broker,
        .topic_removed = reconcile_removed,
        .partition_changed = reconcile_partition,
        .config_changed = reconcile_config_changed,
    };

    image_compare(options->before, options->after, &changes, &reconciler);
}
