/* What changed between two images of one log. Parts that both share are the same objects and are passed over; parts
 * that are not, as after a snapshot was loaded, are compared by content. */
#include "common/metadata/parts.h"

static bool endpoints_equal(const struct broker_image *a, const struct broker_image *b)
{
    if (a->endpoint_count != b->endpoint_count) {
        return false;
    }
    for (int32_t i = 0; i < a->endpoint_count; i++) {
        const struct endpoint_image *x = &a->endpoints[i];
        const struct endpoint_image *y = &b->endpoints[i];

        if (!string_equal(x->name, y->name) || !string_equal(x->host, y->host) || x->port != y->port ||
            x->security_protocol != y->security_protocol) {
            return false;
        }
    }
    return true;
}

static bool features_equal(const struct broker_image *a, const struct broker_image *b)
{
    if (a->feature_count != b->feature_count) {
        return false;
    }
    for (int32_t i = 0; i < a->feature_count; i++) {
        const struct feature_range_image *x = &a->features[i];
        const struct feature_range_image *y = &b->features[i];

        if (!string_equal(x->name, y->name) || x->level_min != y->level_min || x->level_max != y->level_max) {
            return false;
        }
    }
    return true;
}

static bool uuids_equal(const struct uuid *a, const struct uuid *b, int32_t count)
{
    return count == 0 || memcmp(a, b, (size_t)count * sizeof(*a)) == 0;
}

static bool brokers_equal(const struct broker_image *a, const struct broker_image *b)
{
    return a->epoch == b->epoch && uuid_equal(a->incarnation_id, b->incarnation_id) && string_equal(a->rack, b->rack) &&
           a->fenced == b->fenced && a->in_controlled_shutdown == b->in_controlled_shutdown && endpoints_equal(a, b) &&
           features_equal(a, b) && a->log_dir_count == b->log_dir_count &&
           uuids_equal(a->log_dirs, b->log_dirs, a->log_dir_count);
}

static void compare_brokers(const struct image *before, const struct image *after, const struct image_changes *changes,
                            void *context)
{
    struct ordered_walk walk;
    void *a;
    void *b;

    ordered_walk_init(&walk, &before->brokers, &after->brokers);
    while (ordered_walk_next(&walk, &a, &b)) {
        const struct broker_item *old = a;
        const struct broker_item *new = b;

        if (old == NULL || new == NULL || !brokers_equal(&old->image, &new->image)) {
            changes->broker_changed(context, old != NULL ? old->image.id : new->image.id);
        }
    }
}

static bool ids_equal(const int32_t *a, int16_t a_count, const int32_t *b, int16_t b_count)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, (size_t)a_count * sizeof(*a)) == 0);
}

static bool partitions_equal(const struct partition_image *a, const struct partition_image *b)
{
    return a->leader == b->leader && a->leader_epoch == b->leader_epoch && a->partition_epoch == b->partition_epoch &&
           ids_equal(a->replicas, a->replica_count, b->replicas, b->replica_count) &&
           ids_equal(a->isr, a->isr_count, b->isr, b->isr_count) &&
           ids_equal(a->elr, a->elr_count, b->elr, b->elr_count) &&
           ids_equal(a->last_known_elr, a->last_known_elr_count, b->last_known_elr, b->last_known_elr_count) &&
           (a->directories == NULL) == (b->directories == NULL) &&
           (a->directories == NULL || uuids_equal(a->directories, b->directories, a->replica_count));
}

/* `old` is NULL for a new topic. */
static void compare_partitions(const struct topic_image *old, const struct topic_image *new,
                               const struct image_changes *changes, void *context)
{
    for (int32_t i = 0; i < new->partition_count; i++) {
        const uint32_t chunk = (uint32_t)i / PARTITION_CHUNK_SIZE;
        struct partition_image x;
        struct partition_image y;

        if (old != NULL && chunk < old->chunk_count && old->chunks[chunk] == new->chunks[chunk]) {
            i += PARTITION_CHUNK_SIZE - 1;
            continue;
        }
        if (old == NULL || !topic_image_partition(old, i, &x) || !topic_image_partition(new, i, &y) ||
            !partitions_equal(&x, &y)) {
            changes->partition_changed(context, new, i);
        }
    }
}

static void compare_topics(const struct image *before, const struct image *after, const struct image_changes *changes,
                           void *context)
{
    struct ordered_walk walk;
    void *a;
    void *b;

    ordered_walk_init(&walk, &before->topics, &after->topics);
    while (ordered_walk_next(&walk, &a, &b)) {
        const struct topic_image *old = a;
        const struct topic_image *new = b;

        if (old != NULL && (new == NULL || !uuid_equal(old->key->id, new->key->id))) {
            changes->topic_removed(context, old);
            old = NULL;
        }
        if (new == NULL) {
            continue;
        }
        if (old == NULL) {
            changes->topic_added(context, new);
        }
        compare_partitions(old, new, changes, context);
    }
}

static bool configs_equal(const struct config_item *a, const struct config_item *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!string_equal(a->entries[i].name, b->entries[i].name) ||
            !string_equal(a->entries[i].value, b->entries[i].value)) {
            return false;
        }
    }
    return true;
}

static void compare_configs(const struct image *before, const struct image *after, const struct image_changes *changes,
                            void *context)
{
    struct ordered_walk walk;
    void *a;
    void *b;

    ordered_walk_init(&walk, &before->configs, &after->configs);
    while (ordered_walk_next(&walk, &a, &b)) {
        const struct config_item *old = a;
        const struct config_item *new = b;

        if (old == NULL || new == NULL || !configs_equal(old, new)) {
            const struct config_item *item = old != NULL ? old : new;

            changes->config_changed(context, (enum config_resource)item->key.type, item->key.resource);
        }
    }
}

void image_compare(const struct image *before, const struct image *after, const struct image_changes *changes,
                   void *context)
{
    struct image *none = NULL;

    if (before == NULL) {
        none = image_create();
        before = none;
    }
    compare_brokers(before, after, changes, context);
    compare_topics(before, after, changes, context);
    compare_configs(before, after, changes, context);
    image_unref(none);
}
