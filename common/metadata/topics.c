/* Topics of an image and their partitions.
 *
 *     topics by name   [ struct topic_image ] -> chunks of up to 256 partitions
 *                               |
 *                          struct topic_key (id, name)
 *                               |
 *     topics by id     [ struct topic_key ]
 *
 * The index by id leads to a name, never to the topic: so a topic hangs on one path only, and a change copies only
 * that. */
#include "common/metadata/parts.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

static struct topic_key *topic_key_create(struct string name, struct uuid id)
{
    struct topic_key *key = memory_alloc(sizeof(*key) + name.size);
    char *at = (char *)(key + 1);

    counted_init(&key->counted);
    key->id = id;
    key->name = pack_string(&at, name);
    return key;
}

static const void *topic_key_id(const void *item)
{
    return &((const struct topic_key *)item)->id;
}

static int topic_key_compare(const void *item, const void *key)
{
    return uuid_compare(((const struct topic_key *)item)->id, *(const struct uuid *)key);
}

/* Keys never change, so nobody asks for one to be changed. */
static void *topic_key_clone(const void *item)
{
    const struct topic_key *key = item;

    return topic_key_create(key->name, key->id);
}

const struct ordered_type topic_keys = {topic_key_id, topic_key_compare, topic_key_clone, memory_free};

static const void *topic_name(const void *item)
{
    return &((const struct topic_image *)item)->key->name;
}

static int topic_compare(const void *item, const void *key)
{
    return string_compare(((const struct topic_image *)item)->key->name, *(const struct string *)key);
}

static void *topic_clone(const void *item)
{
    const struct topic_image *topic = item;
    struct topic_image *copy = memory_alloc(sizeof(*copy));

    *copy = (struct topic_image){
        .key = topic->key, .partition_count = topic->partition_count, .chunk_count = topic->chunk_count};
    counted_init(&copy->counted);
    counted_ref(&copy->key->counted);
    copy->chunks = memory_copy(topic->chunks, topic->chunk_count * sizeof(*topic->chunks));
    for (uint32_t i = 0; i < copy->chunk_count; i++) {
        partition_chunk_ref(copy->chunks[i]);
    }
    return copy;
}

static void topic_destroy(void *item)
{
    struct topic_image *topic = item;

    for (uint32_t i = 0; i < topic->chunk_count; i++) {
        partition_chunk_unref(topic->chunks[i]);
    }
    memory_free(topic->chunks);
    if (counted_unref(&topic->key->counted)) {
        memory_free(topic->key);
    }
    memory_free(topic);
}

const struct ordered_type topic_items = {topic_name, topic_compare, topic_clone, topic_destroy};

bool image_add_topic(struct image *image, struct string name, struct uuid id)
{
    struct topic_image *topic;

    if (ordered_find(&image->topics, &name) != NULL || ordered_find(&image->topics_by_id, &id) != NULL) {
        return false;
    }
    topic = memory_alloc_zero(1, sizeof(*topic));
    counted_init(&topic->counted);
    topic->key = topic_key_create(name, id);
    counted_ref(&topic->key->counted);
    ordered_insert(&image->topics, topic);
    ordered_insert(&image->topics_by_id, topic->key);
    return true;
}

bool image_remove_topic(struct image *image, struct uuid id)
{
    const struct topic_image *topic = image_topic_by_id(image, id);
    struct topic_key *key;

    if (topic == NULL) {
        return false;
    }
    key = topic->key;
    image->partition_count -= (size_t)topic->partition_count;
    image_remove_configs(image, CONFIG_TOPIC, key->name);
    /* The index's reference keeps the name alive through the first removal. */
    ordered_remove(&image->topics, &key->name);
    ordered_remove(&image->topics_by_id, &id);
    return true;
}

/* The chunk that holds partition `index`, for changing it; `index` may be one past the last partition. */
static struct partition_chunk *topic_own_chunk(struct topic_image *topic, int32_t index)
{
    const uint32_t at = (uint32_t)index / PARTITION_CHUNK_SIZE;

    if (at == topic->chunk_count) {
        topic->chunks = memory_resize(topic->chunks, at + 1, sizeof(struct partition_chunk *));
        topic->chunks[at] = partition_chunk_create();
        topic->chunk_count++;
    }
    topic->chunks[at] = partition_chunk_own(topic->chunks[at]);
    return topic->chunks[at];
}

bool image_put_partition(struct image *image, struct uuid id, int32_t index, const struct partition_image *partition)
{
    const struct topic_key *key = ordered_find(&image->topics_by_id, &id);
    struct topic_image *topic;

    if (key == NULL) {
        return false;
    }
    if (index < 0 || index > image_topic_by_id(image, id)->partition_count) {
        return false;
    }
    topic = ordered_own(&image->topics, &key->name);
    partition_chunk_set(topic_own_chunk(topic, index), (uint32_t)index % PARTITION_CHUNK_SIZE, partition);
    if (index == topic->partition_count) {
        topic->partition_count++;
        image->partition_count++;
    }
    return true;
}

size_t image_topic_count(const struct image *image)
{
    return image->topics.count;
}

const struct topic_image *image_topic_at(const struct image *image, size_t index)
{
    return ordered_at(&image->topics, index);
}

const struct topic_image *image_topic_by_name(const struct image *image, struct string name)
{
    return ordered_find(&image->topics, &name);
}

const struct topic_image *image_topic_by_id(const struct image *image, struct uuid id)
{
    const struct topic_key *key = ordered_find(&image->topics_by_id, &id);

    return key != NULL ? ordered_find(&image->topics, &key->name) : NULL;
}

size_t image_topic_lower_bound(const struct image *image, struct string name)
{
    return ordered_lower_bound(&image->topics, &name);
}

size_t image_partition_count(const struct image *image)
{
    return image->partition_count;
}

struct string topic_image_name(const struct topic_image *topic)
{
    return topic->key->name;
}

struct uuid topic_image_id(const struct topic_image *topic)
{
    return topic->key->id;
}

int32_t topic_image_partition_count(const struct topic_image *topic)
{
    return topic->partition_count;
}

bool topic_image_partition(const struct topic_image *topic, int32_t index, struct partition_image *partition)
{
    if (index < 0 || index >= topic->partition_count) {
        return false;
    }
    partition_chunk_get(topic->chunks[index / PARTITION_CHUNK_SIZE], (uint32_t)index % PARTITION_CHUNK_SIZE, partition);
    return true;
}
