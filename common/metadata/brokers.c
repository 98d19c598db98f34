/* Brokers and controllers of an image. An item and all it points to is one allocation:
 *
 *     [ struct broker_item | log directory ids | features | endpoints | strings ]
 *
 * Whatever needs alignment comes before the first string.
 */
#include "common/metadata/parts.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct string pack_string(char **at, struct string text)
{
    struct string copy = {*at, text.size};

    if (text.data == NULL) {
        return STRING_NULL;
    }
    memcpy(*at, text.data, text.size);
    *at += text.size;
    return copy;
}

static size_t endpoints_size(const struct endpoint_image *endpoints, int32_t count)
{
    size_t size = (size_t)count * sizeof(*endpoints);

    for (int32_t i = 0; i < count; i++) {
        size += endpoints[i].name.size + endpoints[i].host.size;
    }
    return size;
}

/* Fills `copy`; the strings go to *at, which moves behind them. */
static void pack_endpoints(char **at, struct endpoint_image *copy, const struct endpoint_image *endpoints,
                           int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        copy[i] = endpoints[i];
        copy[i].name = pack_string(at, endpoints[i].name);
        copy[i].host = pack_string(at, endpoints[i].host);
    }
}

static size_t features_size(const struct broker_image *broker)
{
    size_t size = (size_t)broker->feature_count * sizeof(*broker->features);

    for (int32_t i = 0; i < broker->feature_count; i++) {
        size += broker->features[i].name.size;
    }
    return size;
}

static struct broker_item *broker_item_create(const struct broker_image *broker)
{
    const size_t dirs_size = (size_t)broker->log_dir_count * sizeof(struct uuid);
    const size_t size = sizeof(struct broker_item) + dirs_size + features_size(broker) +
                        endpoints_size(broker->endpoints, broker->endpoint_count) + broker->rack.size;
    struct broker_item *item = memory_alloc(size);
    char *at = (char *)(item + 1);

    counted_init(&item->counted);
    item->image = *broker;
    item->image.log_dirs = (struct uuid *)(void *)at;
    if (dirs_size > 0) {
        memcpy(at, broker->log_dirs, dirs_size);
    }
    at += dirs_size;
    item->image.features = (struct feature_range_image *)(void *)at;
    at += (size_t)broker->feature_count * sizeof(*broker->features);
    item->image.endpoints = (struct endpoint_image *)(void *)at;
    at += (size_t)broker->endpoint_count * sizeof(*broker->endpoints);
    for (int32_t i = 0; i < broker->feature_count; i++) {
        item->image.features[i] = broker->features[i];
        item->image.features[i].name = pack_string(&at, broker->features[i].name);
    }
    pack_endpoints(&at, item->image.endpoints, broker->endpoints, broker->endpoint_count);
    item->image.rack = pack_string(&at, broker->rack);
    ASSERT(at == (char *)item + size);
    return item;
}

static const void *broker_key(const void *item)
{
    return &((const struct broker_item *)item)->image.id;
}

static int broker_compare(const void *item, const void *key)
{
    const int32_t a = ((const struct broker_item *)item)->image.id;
    const int32_t b = *(const int32_t *)key;

    return (a > b) - (a < b);
}

static void *broker_clone(const void *item)
{
    return broker_item_create(&((const struct broker_item *)item)->image);
}

const struct ordered_type broker_items = {broker_key, broker_compare, broker_clone, memory_free};

static struct controller_item *controller_item_create(const struct controller_image *controller)
{
    const size_t size =
        sizeof(struct controller_item) + endpoints_size(controller->endpoints, controller->endpoint_count);
    struct controller_item *item = memory_alloc(size);
    char *at = (char *)(item + 1);

    counted_init(&item->counted);
    item->image = *controller;
    item->image.endpoints = (struct endpoint_image *)(void *)at;
    at += (size_t)controller->endpoint_count * sizeof(*controller->endpoints);
    pack_endpoints(&at, item->image.endpoints, controller->endpoints, controller->endpoint_count);
    ASSERT(at == (char *)item + size);
    return item;
}

static const void *controller_key(const void *item)
{
    return &((const struct controller_item *)item)->image.id;
}

static int controller_compare(const void *item, const void *key)
{
    const int32_t a = ((const struct controller_item *)item)->image.id;
    const int32_t b = *(const int32_t *)key;

    return (a > b) - (a < b);
}

static void *controller_clone(const void *item)
{
    return controller_item_create(&((const struct controller_item *)item)->image);
}

const struct ordered_type controller_items = {controller_key, controller_compare, controller_clone, memory_free};

void image_put_broker(struct image *image, const struct broker_image *broker)
{
    /* Copied first: `broker` may be a view of what is replaced. */
    struct broker_item *item = broker_item_create(broker);

    ordered_remove(&image->brokers, &item->image.id);
    ordered_insert(&image->brokers, item);
}

bool image_remove_broker(struct image *image, int32_t id)
{
    return ordered_remove(&image->brokers, &id);
}

struct broker_image *image_own_broker(struct image *image, int32_t id)
{
    struct broker_item *item = ordered_own(&image->brokers, &id);

    return item != NULL ? &item->image : NULL;
}

void image_put_controller(struct image *image, const struct controller_image *controller)
{
    struct controller_item *item = controller_item_create(controller);

    ordered_remove(&image->controllers, &item->image.id);
    ordered_insert(&image->controllers, item);
}

bool image_remove_controller(struct image *image, int32_t id)
{
    return ordered_remove(&image->controllers, &id);
}

size_t image_broker_count(const struct image *image)
{
    return image->brokers.count;
}

const struct broker_image *image_broker_at(const struct image *image, size_t index)
{
    return &((const struct broker_item *)ordered_at(&image->brokers, index))->image;
}

const struct broker_image *image_broker(const struct image *image, int32_t id)
{
    const struct broker_item *item = ordered_find(&image->brokers, &id);

    return item != NULL ? &item->image : NULL;
}

size_t image_controller_count(const struct image *image)
{
    return image->controllers.count;
}

const struct controller_image *image_controller_at(const struct image *image, size_t index)
{
    return &((const struct controller_item *)ordered_at(&image->controllers, index))->image;
}
