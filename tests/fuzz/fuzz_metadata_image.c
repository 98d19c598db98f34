/* The metadata log and its snapshots, as nodes fetch them: batches are replayed into an image, or the input is a
 * snapshot. Whatever image comes out, its own snapshot gives an equal one, and an image that is shared never changes.
 *
 *     byte 0   bit 0: a snapshot, else the log; bit 1: checksums are put right; bit 2: offsets of batches are, too
 *     then record batches; or, with bit 3, values of records, each behind its size u16, a size of 0 ending a batch */
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/metadata/image.h"
#include "tests/fuzz/fuzz.h"

enum flag { FLAG_SNAPSHOT = 1, FLAG_REPAIR = 2, FLAG_OFFSETS = 4, FLAG_VALUES = 8 };

static void repair(struct space bytes, unsigned flags)
{
    int64_t offset = 0;
    size_t at = 0;

    while (bytes.size - at >= RECORD_BATCH_HEADER_SIZE) {
        const uint32_t size = load_u32(bytes.data + at + 8) + RECORD_BATCH_OVERHEAD;
        const struct space batch = {bytes.data + at, size};

        if (bytes.data[at + 16] != RECORD_BATCH_MAGIC || size < RECORD_BATCH_HEADER_SIZE || size > bytes.size - at) {
            return;
        }
        if ((flags & FLAG_OFFSETS) != 0) {
            batch_assign(batch, offset, 1);
            offset += (int64_t)load_u32(bytes.data + at + 23) + 1;
        }
        batch_set_crc(batch);
        at += size;
    }
}

/* Batches made of the values in `input`. */
static void build(struct bytes input, struct buffer *log)
{
    struct batch_options options = batch_options_default();
    struct batch_builder builder;

    options.partition_leader_epoch = 1;
    while (input.size > 0) {
        size_t size;

        batch_builder_init(&builder, &options);
        while ((size = fuzz_u16(&input)) > 0) {
            const struct record_draft draft = {.timestamp = 1, .value = fuzz_take(&input, size)};

            ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
        }
        if (builder.record_count > 0) {
            const struct space batch = batch_builder_finish(&builder);

            buffer_append(log, batch.data, batch.size);
            options.base_offset += builder.record_count;
        }
        batch_builder_deinit(&builder);
    }
}

static void each_topic(void *context, const struct topic_image *topic)
{
    (void)context;
    ASSERT(topic_image_name(topic).size > 0);
}

static void each_partition(void *context, const struct topic_image *topic, int32_t index)
{
    struct partition_image partition;

    (void)context;
    ASSERT(topic_image_partition(topic, index, &partition));
}

static void each_config(void *context, enum config_resource type, struct string resource)
{
    (void)context;
    (void)type;
    (void)resource;
}

static void each_broker(void *context, int32_t id)
{
    (void)context;
    (void)id;
}

static const struct image_changes looks = {.topic_added = each_topic,
                                           .topic_removed = each_topic,
                                           .partition_changed = each_partition,
                                           .config_changed = each_config,
                                           .broker_changed = each_broker};

/* Walks everything that the image answers. */
static void look(const struct image *image)
{
    size_t partitions = 0;

    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;

        ASSERT(image_topic_by_name(image, topic_image_name(topic)) == topic);
        ASSERT(image_topic_by_id(image, topic_image_id(topic)) == topic);
        ASSERT(i == 0 ||
               string_compare(topic_image_name(image_topic_at(image, i - 1)), topic_image_name(topic)) < 0);
        for (int32_t j = 0; j < topic_image_partition_count(topic); j++) {
            partitions++;
            ASSERT(topic_image_partition(topic, j, &partition));
            ASSERT(partition.replica_count <= METADATA_REPLICAS_MAX && partition.isr_count <= METADATA_REPLICAS_MAX);
        }
        ASSERT(!topic_image_partition(topic, topic_image_partition_count(topic), &partition));
    }
    ASSERT(partitions == image_partition_count(image));
    for (size_t i = 0; i < image_broker_count(image); i++) {
        ASSERT(image_broker(image, image_broker_at(image, i)->id) == image_broker_at(image, i));
        ASSERT(i == 0 || image_broker_at(image, i - 1)->id < image_broker_at(image, i)->id);
    }
    image_compare(NULL, image, &looks, NULL);
}

static void check_snapshot(const struct image *image)
{
    struct image *copy = image_create();
    struct buffer snapshot;

    buffer_init(&snapshot);
    image_write_snapshot(image, 1, 1000, &snapshot);
    ASSERT(image_load_snapshot(&copy, buffer_bytes(&snapshot), image_offset(image), image_epoch(image)) == STATUS_OK);
    ASSERT(image_hash(copy) == image_hash(image));
    ASSERT(image_offset(copy) == image_offset(image) && image_epoch(copy) == image_epoch(image));
    image_compare(image, copy, &looks, NULL);
    buffer_deinit(&snapshot);
    image_unref(copy);
}

static void replay(struct image **image, struct bytes log)
{
    struct bytes batch;

    while (batch_next(&log, &batch) == STATUS_OK) {
        struct image *before = image_ref(*image);
        const uint64_t hash = image_hash(before);
        const int64_t offset = image_offset(before);
        const enum status status = image_apply_batch(image, batch);

        ASSERT(image_hash(before) == hash && image_offset(before) == offset);
        ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_INVALID);
        if (status == STATUS_OK) {
            ASSERT(image_offset(*image) > offset);
            image_compare(before, *image, &looks, NULL);
        }
        image_unref(before);
        if (status == STATUS_INVALID) {
            return; /* the process would stop */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t flags = fuzz_byte(&input);
    struct image *image = image_create();
    struct buffer log;
    struct space copy;

    buffer_init(&log);
    if ((flags & FLAG_VALUES) != 0) {
        build(input, &log);
    } else if (input.size > 0) {
        buffer_append(&log, input.data, input.size);
    }
    copy = (struct space){memory_copy(log.data, log.size), log.size};
    buffer_deinit(&log);
    if ((flags & FLAG_REPAIR) != 0) {
        repair(copy, flags);
    }
    if ((flags & FLAG_SNAPSHOT) == 0) {
        replay(&image, bytes_of(copy.data, copy.size));
    } else if (image_load_snapshot(&image, bytes_of(copy.data, copy.size), 100, 3) == STATUS_OK) {
        ASSERT(image_offset(image) == 100 && image_epoch(image) == 3);
    } else {
        ASSERT(image_offset(image) == -1 && image_topic_count(image) == 0);
    }
    look(image);
    check_snapshot(image);
    image_unref(image);
    memory_free(copy.data);
    return 0;
}
