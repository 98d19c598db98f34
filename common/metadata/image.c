/* The image as a whole: its life, and replaying batches into it. The parts are brokers.c, topics.c and configs.c; what
 * each kind of record does is replay.c. */
#include "common/metadata/replay.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct image *image_create(void)
{
    struct image *image = memory_alloc_zero(1, sizeof(*image));

    counted_init(&image->counted);
    image->offset = -1;
    image->epoch = -1;
    ordered_init(&image->brokers, &broker_items);
    ordered_init(&image->controllers, &controller_items);
    ordered_init(&image->topics, &topic_items);
    ordered_init(&image->topics_by_id, &topic_keys);
    ordered_init(&image->configs, &config_items);
    ordered_init(&image->features, &feature_items);
    return image;
}

struct image *image_ref(struct image *image)
{
    counted_ref(&image->counted);
    return image;
}

void image_unref(struct image *image)
{
    if (image == NULL || !counted_unref(&image->counted)) {
        return;
    }
    ordered_deinit(&image->brokers);
    ordered_deinit(&image->controllers);
    ordered_deinit(&image->topics);
    ordered_deinit(&image->topics_by_id);
    ordered_deinit(&image->configs);
    ordered_deinit(&image->features);
    memory_free(image);
}

struct image *image_own(struct image *image)
{
    struct image *copy;

    if (counted_alone(&image->counted)) {
        return image;
    }
    copy = memory_alloc(sizeof(*copy));
    counted_init(&copy->counted);
    copy->offset = image->offset;
    copy->epoch = image->epoch;
    copy->next_producer_id = image->next_producer_id;
    copy->partition_count = image->partition_count;
    ordered_copy(&copy->brokers, &image->brokers);
    ordered_copy(&copy->controllers, &image->controllers);
    ordered_copy(&copy->topics, &image->topics);
    ordered_copy(&copy->topics_by_id, &image->topics_by_id);
    ordered_copy(&copy->configs, &image->configs);
    ordered_copy(&copy->features, &image->features);
    image_unref(image);
    return copy;
}

int64_t image_offset(const struct image *image)
{
    return image->offset;
}

int32_t image_epoch(const struct image *image)
{
    return image->epoch;
}

int64_t image_next_producer_id(const struct image *image)
{
    return image->next_producer_id;
}
