/* The hash of an image: every fact in the order in which every image has it, so that two nodes that hold the same facts
 * agree, however their parts are chunked and shared. */
#include "common/metadata/parts.h"

#include "common/base/map.h"

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = hash_u64(*hash * 0x9e3779b97f4a7c15ULL + value + 1);
}

/* Length first: "ab","c" is not "a","bc"; null is not empty. */
static void mix_string(uint64_t *hash, struct string text)
{
    mix(hash, text.data == NULL ? UINT64_MAX : text.size);
    mix(hash, hash_string(text));
}

static void mix_bytes(uint64_t *hash, const void *data, size_t size)
{
    mix(hash, size);
    mix(hash, hash_bytes(data, size));
}

static void mix_endpoints(uint64_t *hash, const struct endpoint_image *endpoints, int32_t count)
{
    mix(hash, (uint64_t)count);
    for (int32_t i = 0; i < count; i++) {
        mix_string(hash, endpoints[i].name);
        mix_string(hash, endpoints[i].host);
        mix(hash, endpoints[i].port);
        mix(hash, (uint64_t)endpoints[i].security_protocol);
    }
}

static void mix_broker(uint64_t *hash, const struct broker_image *broker)
{
    mix(hash, (uint64_t)broker->id);
    mix(hash, (uint64_t)broker->epoch);
    mix_bytes(hash, broker->incarnation_id.data, sizeof(broker->incarnation_id.data));
    mix_string(hash, broker->rack);
    mix(hash, broker->fenced);
    mix(hash, broker->in_controlled_shutdown);
    mix_endpoints(hash, broker->endpoints, broker->endpoint_count);
    mix_bytes(hash, broker->log_dirs, (size_t)broker->log_dir_count * sizeof(*broker->log_dirs));
    mix(hash, (uint64_t)broker->feature_count);
    for (int32_t i = 0; i < broker->feature_count; i++) {
        mix_string(hash, broker->features[i].name);
        mix(hash, (uint64_t)broker->features[i].level_min);
        mix(hash, (uint64_t)broker->features[i].level_max);
    }
}

static void mix_ids(uint64_t *hash, const int32_t *ids, int16_t count)
{
    mix(hash, (uint64_t)count);
    for (int16_t i = 0; i < count; i++) {
        mix(hash, (uint64_t)ids[i]);
    }
}

static void mix_partition(uint64_t *hash, const struct partition_image *partition)
{
    mix(hash, (uint64_t)partition->leader);
    mix(hash, (uint64_t)partition->leader_epoch);
    mix(hash, (uint64_t)partition->partition_epoch);
    mix_ids(hash, partition->replicas, partition->replica_count);
    mix_ids(hash, partition->isr, partition->isr_count);
    mix_ids(hash, partition->elr, partition->elr_count);
    mix_ids(hash, partition->last_known_elr, partition->last_known_elr_count);
    mix_bytes(hash, partition->directories,
              partition->directories != NULL ? (size_t)partition->replica_count * sizeof(*partition->directories) : 0);
}

static void mix_topic(uint64_t *hash, const struct topic_image *topic)
{
    struct partition_image partition;

    mix_string(hash, topic->key->name);
    mix_bytes(hash, topic->key->id.data, sizeof(topic->key->id.data));
    mix(hash, (uint64_t)topic->partition_count);
    for (int32_t i = 0; topic_image_partition(topic, i, &partition); i++) {
        mix_partition(hash, &partition);
    }
}

static void mix_config(uint64_t *hash, const struct config_item *item)
{
    mix(hash, (uint64_t)item->key.type);
    mix_string(hash, item->key.resource);
    mix(hash, item->count);
    for (size_t i = 0; i < item->count; i++) {
        mix_string(hash, item->entries[i].name);
        mix_string(hash, item->entries[i].value);
    }
}

uint64_t image_hash(const struct image *image)
{
    uint64_t hash = 0;

    mix(&hash, (uint64_t)image->next_producer_id);
    mix(&hash, image->brokers.count);
    for (size_t i = 0; i < image->brokers.count; i++) {
        mix_broker(&hash, image_broker_at(image, i));
    }
    mix(&hash, image->controllers.count);
    for (size_t i = 0; i < image->controllers.count; i++) {
        const struct controller_image *controller = image_controller_at(image, i);

        mix(&hash, (uint64_t)controller->id);
        mix_bytes(&hash, controller->incarnation_id.data, sizeof(controller->incarnation_id.data));
        mix_endpoints(&hash, controller->endpoints, controller->endpoint_count);
    }
    mix(&hash, image->topics.count);
    for (size_t i = 0; i < image->topics.count; i++) {
        mix_topic(&hash, image_topic_at(image, i));
    }
    mix(&hash, image->configs.count);
    for (size_t i = 0; i < image->configs.count; i++) {
        mix_config(&hash, ordered_at(&image->configs, i));
    }
    mix(&hash, image->features.count);
    for (size_t i = 0; i < image->features.count; i++) {
        mix_string(&hash, image_feature_at(image, i).name);
        mix(&hash, (uint64_t)image_feature_at(image, i).level);
    }
    return hash;
}
