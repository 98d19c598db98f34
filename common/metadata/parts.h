/* The parts of an image, for the files of this folder that change or walk them. */
#ifndef METADATA_PARTS_H
#define METADATA_PARTS_H

#include "common/base/buffer.h"
#include "common/metadata/image.h"
#include "common/metadata/ordered.h"
#include "common/metadata/partitions.h"

struct broker_item {
    struct counted counted;
    struct broker_image image; /* everything it points to lies behind this struct, in one allocation */
};

struct controller_item {
    struct counted counted;
    struct controller_image image;
};

/* A topic's name and id never change: topics and the index by id share them. */
struct topic_key {
    struct counted counted;
    struct uuid id;
    struct string name;
};

struct topic_image {
    struct counted counted;
    struct topic_key *key;
    int32_t partition_count;
    uint32_t chunk_count;
    struct partition_chunk **chunks; /* all but the last are full */
};

struct config_key {
    int8_t type; /* an enum config_resource */
    struct string resource;
};

struct config_item {
    struct counted counted;
    struct config_key key;
    size_t count;
    struct config_image *entries; /* ascending by name */
};

struct feature_item {
    struct counted counted;
    struct feature_image image;
};

struct image {
    struct counted counted;
    int64_t offset;
    int32_t epoch;
    int64_t next_producer_id;
    size_t partition_count;
    struct ordered brokers;        /* of struct broker_item, by id */
    struct ordered controllers;    /* of struct controller_item, by id */
    struct ordered topics;         /* of struct topic_image, by name */
    struct ordered topics_by_id;   /* of struct topic_key, by id */
    struct ordered configs;        /* of struct config_item, by type and resource */
    struct ordered features;       /* of struct feature_item, by name */
};

extern const struct ordered_type broker_items;
extern const struct ordered_type controller_items;
extern const struct ordered_type topic_items;
extern const struct ordered_type topic_keys;
extern const struct ordered_type config_items;
extern const struct ordered_type feature_items;

/* Changes. The image belongs to the caller alone; what arguments point to is copied. */

/* Adds the broker or replaces what was registered under its id. */
void image_put_broker(struct image *image, const struct broker_image *broker);
bool image_remove_broker(struct image *image, int32_t id);
/* For changing numbers and flags in place; NULL if not registered. */
struct broker_image *image_own_broker(struct image *image, int32_t id);
void image_put_controller(struct image *image, const struct controller_image *controller);
bool image_remove_controller(struct image *image, int32_t id);

/* False if the name or the id is taken. */
MUST_USE bool image_add_topic(struct image *image, struct string name, struct uuid id);
/* Its configs go with it. False if there is none. */
MUST_USE bool image_remove_topic(struct image *image, struct uuid id);
/* Sets partition `index` or appends it; `partition` must not point into the image. False if there is no such topic,
 * or if `index` is above its partition count. */
MUST_USE bool image_put_partition(struct image *image, struct uuid topic, int32_t index,
                                  const struct partition_image *partition);

/* A null value removes the entry. */
void image_put_config(struct image *image, enum config_resource type, struct string resource, struct string name,
                      struct string value);
void image_remove_configs(struct image *image, enum config_resource type, struct string resource);
/* Level 0 removes it. */
void image_put_feature(struct image *image, struct string name, int16_t level);

/* Copies `text` to *at, the next free byte of the one allocation that an item lives in with all it points to, and moves
 * *at behind it. */
struct string pack_string(char **at, struct string text);

#endif
