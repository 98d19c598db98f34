/* Configs and finalized features of an image. A resource's configs are one item: there are few per resource, and they
 * are read together. An item whose last config goes is removed. */
#include "common/metadata/parts.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

static const void *config_item_key(const void *item)
{
    return &((const struct config_item *)item)->key;
}

static int config_compare(const void *item, const void *key)
{
    const struct config_key *a = &((const struct config_item *)item)->key;
    const struct config_key *b = key;

    if (a->type != b->type) {
        return a->type < b->type ? -1 : 1;
    }
    return string_compare(a->resource, b->resource);
}

/* An item with these entries, all copied into one allocation: [ item | entries | resource | names and values ]. */
static struct config_item *config_item_create(struct config_key key, const struct config_image *entries, size_t count)
{
    size_t size = sizeof(struct config_item) + count * sizeof(*entries) + key.resource.size;
    struct config_item *item;
    char *at;

    for (size_t i = 0; i < count; i++) {
        size += entries[i].name.size + entries[i].value.size;
    }
    item = memory_alloc(size);
    at = (char *)(item + 1);
    *item = (struct config_item){.key.type = key.type, .count = count, .entries = (struct config_image *)(void *)at};
    counted_init(&item->counted);
    at += count * sizeof(*entries);
    item->key.resource = pack_string(&at, key.resource);
    for (size_t i = 0; i < count; i++) {
        item->entries[i].name = pack_string(&at, entries[i].name);
        item->entries[i].value = pack_string(&at, entries[i].value);
    }
    ASSERT(at == (char *)item + size);
    return item;
}

static void *config_clone(const void *item)
{
    const struct config_item *from = item;

    return config_item_create(from->key, from->entries, from->count);
}

const struct ordered_type config_items = {config_item_key, config_compare, config_clone, memory_free};

static const struct config_item *config_find(const struct image *image, enum config_resource type,
                                             struct string resource)
{
    const struct config_key key = {(int8_t)type, resource};

    return ordered_find(&image->configs, &key);
}

/* Index of the first entry whose name is >= `name`. */
static size_t entry_lower_bound(const struct config_item *item, struct string name)
{
    size_t low = 0;
    size_t high = item->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (string_compare(item->entries[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void image_put_config(struct image *image, enum config_resource type, struct string resource, struct string name,
                      struct string value)
{
    static const struct config_item none;
    const struct config_key key = {(int8_t)type, resource};
    const struct config_item *found = config_find(image, type, resource);
    const struct config_item *old = found != NULL ? found : &none;
    const size_t at = entry_lower_bound(old, name);
    const bool had = at < old->count && string_equal(old->entries[at].name, name);
    struct config_image *entries = memory_alloc((old->count + 1) * sizeof(*entries));
    size_t count = 0;
    struct config_item *item = NULL;

    for (size_t i = 0; i < at; i++) {
        entries[count++] = old->entries[i];
    }
    if (value.data != NULL) {
        entries[count++] = (struct config_image){name, value};
    }
    for (size_t i = had ? at + 1 : at; i < old->count; i++) {
        entries[count++] = old->entries[i];
    }
    if (count > 0) {
        item = config_item_create(key, entries, count);
    }
    memory_free(entries);
    if (item == NULL) {
        ordered_remove(&image->configs, &key);
        return;
    }
    ordered_remove(&image->configs, &item->key);
    ordered_insert(&image->configs, item);
}

void image_remove_configs(struct image *image, enum config_resource type, struct string resource)
{
    ordered_remove(&image->configs, &(struct config_key){(int8_t)type, resource});
}

struct string image_config(const struct image *image, enum config_resource type, struct string resource,
                           struct string key)
{
    const struct config_item *item = config_find(image, type, resource);
    size_t at;

    if (item == NULL) {
        return STRING_NULL;
    }
    at = entry_lower_bound(item, key);
    return at < item->count && string_equal(item->entries[at].name, key) ? item->entries[at].value : STRING_NULL;
}

size_t image_config_count(const struct image *image, enum config_resource type, struct string resource)
{
    const struct config_item *item = config_find(image, type, resource);

    return item != NULL ? item->count : 0;
}

struct config_image image_config_at(const struct image *image, enum config_resource type, struct string resource,
                                    size_t index)
{
    const struct config_item *item = config_find(image, type, resource);

    ASSERT(item != NULL);
    ASSERT(index < item->count);
    return item->entries[index];
}

/* Index of the first resource of `type` or a later type. */
static size_t type_lower_bound(const struct image *image, int8_t type)
{
    return ordered_lower_bound(&image->configs, &(struct config_key){type, STRING("")});
}

size_t image_config_resource_count(const struct image *image, enum config_resource type)
{
    return type_lower_bound(image, (int8_t)(type + 1)) - type_lower_bound(image, (int8_t)type);
}

struct string image_config_resource_at(const struct image *image, enum config_resource type, size_t index)
{
    const struct config_item *item = ordered_at(&image->configs, type_lower_bound(image, (int8_t)type) + index);

    ASSERT(item->key.type == (int8_t)type);
    return item->key.resource;
}

static struct feature_item *feature_item_create(struct string name, int16_t level)
{
    struct feature_item *item = memory_alloc(sizeof(*item) + name.size);
    char *at = (char *)(item + 1);

    counted_init(&item->counted);
    item->image.level = level;
    item->image.name = pack_string(&at, name);
    return item;
}

static const void *feature_name(const void *item)
{
    return &((const struct feature_item *)item)->image.name;
}

static int feature_compare(const void *item, const void *key)
{
    return string_compare(((const struct feature_item *)item)->image.name, *(const struct string *)key);
}

static void *feature_clone(const void *item)
{
    const struct feature_item *from = item;

    return feature_item_create(from->image.name, from->image.level);
}

const struct ordered_type feature_items = {feature_name, feature_compare, feature_clone, memory_free};

void image_put_feature(struct image *image, struct string name, int16_t level)
{
    struct feature_item *item;

    if (level == 0) {
        ordered_remove(&image->features, &name);
        return;
    }
    item = ordered_own(&image->features, &name);
    if (item != NULL) {
        item->image.level = level;
        return;
    }
    item = feature_item_create(name, level);
    ordered_insert(&image->features, item);
}

size_t image_feature_count(const struct image *image)
{
    return image->features.count;
}

struct feature_image image_feature_at(const struct image *image, size_t index)
{
    return ((const struct feature_item *)ordered_at(&image->features, index))->image;
}

int16_t image_feature(const struct image *image, struct string name)
{
    const struct feature_item *item = ordered_find(&image->features, &name);

    return item != NULL ? item->image.level : 0;
}
