/* Metadata images for tests of a storage node, made record by record. */
#ifndef TESTS_UNIT_SERVER_IMAGES_H
#define TESTS_UNIT_SERVER_IMAGES_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/metadata/image.h"
#include "common/metadata/records.h"

struct image_maker {
    struct image *image; /* after the last apply */
    struct arena arena;
    struct record_list records;
    struct buffer batch;
};

void image_maker_init(struct image_maker *maker);
void image_maker_deinit(struct image_maker *maker);
/* Replays what was added since the last time. */
void maker_apply(struct image_maker *maker);

struct uuid maker_topic_id(uint8_t number);
/* Each adds records. */
void maker_add_topic(struct image_maker *maker, const char *name, uint8_t id, int32_t partitions, int32_t leader);
void maker_add_partition(struct image_maker *maker, uint8_t id, int32_t partition, int32_t leader);
void maker_remove_topic(struct image_maker *maker, uint8_t id);
/* A change of leader, which is an epoch of its own. */
void maker_lead(struct image_maker *maker, uint8_t id, int32_t partition, int32_t leader);
/* An unfenced broker with listeners PLAINTEXT at HOST:9092 and OTHER at other-HOST:9093. */
void maker_add_broker(struct image_maker *maker, int32_t id, const char *host, bool fenced);
void maker_add_config(struct image_maker *maker, enum config_resource type, const char *resource, const char *name,
                      const char *value);

#endif
