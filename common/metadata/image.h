/* The cluster's metadata at one offset of the metadata log: what replaying its records gives. Controllers and storage
 * nodes build the same image from the same records.
 *
 * An image is shared by reference count and does not change while more than one holds it. Applying records takes the
 * caller's reference and returns the next image: parts that only this reference sees are changed in place, parts that
 * others share are copied first. So a controller, alone with its image, never copies; a node that has handed the image
 * to its loops copies only what a record touches. Counting is atomic; everything returned is borrowed from the
 * image. */
#ifndef METADATA_IMAGE_H
#define METADATA_IMAGE_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

#define METADATA_REPLICAS_MAX 32     /* replicas of one partition */
#define METADATA_ENDPOINTS_MAX 8     /* listeners of one node */
#define METADATA_LOG_DIRS_MAX 64     /* log directories of one node */

struct image;

struct endpoint_image {
    struct string name; /* of the listener */
    struct string host;
    uint16_t port;
    int16_t security_protocol;
};

/* The levels of a feature that a broker can work with. */
struct feature_range_image {
    struct string name;
    int16_t level_min;
    int16_t level_max;
};

struct broker_image {
    int32_t id;
    int64_t epoch; /* metadata offset of its registration record */
    struct uuid incarnation_id;
    struct string rack; /* null if none */
    bool fenced;
    bool in_controlled_shutdown;
    int32_t endpoint_count;
    struct endpoint_image *endpoints;
    int32_t log_dir_count;
    struct uuid *log_dirs;
    int32_t feature_count;
    struct feature_range_image *features;
};

struct controller_image {
    int32_t id;
    struct uuid incarnation_id;
    int32_t endpoint_count;
    struct endpoint_image *endpoints;
};

struct partition_image {
    int32_t leader;       /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int16_t replica_count;
    int16_t isr_count;
    int16_t elr_count;
    int16_t last_known_elr_count;
    const int32_t *replicas;
    const int32_t *isr;
    const int32_t *elr;
    const int32_t *last_known_elr;
    const struct uuid *directories; /* replica_count entries, or NULL if unassigned */
};

struct topic_image; /* opaque; ask below */

struct config_image {
    struct string name;
    struct string value;
};

/* Kafka's config resource types. */
enum config_resource {
    CONFIG_TOPIC = 2,
    CONFIG_BROKER = 4,
    CONFIG_BROKER_LOGGER = 8,
    CONFIG_CLIENT_METRICS = 16,
    CONFIG_GROUP = 32
};

struct feature_image {
    struct string name;
    int16_t level;
};

/* An empty image at offset -1, with one reference. */
struct image *image_create(void);
struct image *image_ref(struct image *image);
void image_unref(struct image *image); /* NULL is allowed */

/* Replays one batch of the metadata log (a record batch v2, its base offset set). Takes the reference `*image` and
 * replaces it with the next image. STATUS_CORRUPT if a record cannot be decoded, STATUS_INVALID if one contradicts the
 * image (then the log is not what we wrote: the process must stop). Records between BeginTransaction and EndTransaction
 * are not used by our controllers: a batch is atomic by itself. */
MUST_USE enum status image_apply_batch(struct image **image, struct bytes batch);
/* Writes the whole image as record batches: SnapshotHeader control batch, data batches of at most `batch_bytes_max`,
 * SnapshotFooter. Replaying them into an empty image gives an equal one. */
struct buffer;
void image_write_snapshot(const struct image *image, int64_t now_ms, size_t batch_bytes_max, struct buffer *into);
/* Replaces *image by what a snapshot holds; `offset` and `epoch`: the last record it contains. */
MUST_USE enum status image_load_snapshot(struct image **image, struct bytes snapshot, int64_t offset, int32_t epoch);
/* A hash of everything in it but offset and epoch: equal images have equal hashes, on any node. */
uint64_t image_hash(const struct image *image);

int64_t image_offset(const struct image *image); /* of the last record applied, -1 if none */
int32_t image_epoch(const struct image *image);  /* partition leader epoch of the batch that held it */

/* Brokers, ascending by id. */
size_t image_broker_count(const struct image *image);
const struct broker_image *image_broker_at(const struct image *image, size_t index);
const struct broker_image *image_broker(const struct image *image, int32_t id); /* NULL: not registered */
size_t image_controller_count(const struct image *image);
const struct controller_image *image_controller_at(const struct image *image, size_t index);

/* Topics, ascending by name. */
size_t image_topic_count(const struct image *image);
const struct topic_image *image_topic_at(const struct image *image, size_t index);
const struct topic_image *image_topic_by_name(const struct image *image, struct string name);
const struct topic_image *image_topic_by_id(const struct image *image, struct uuid id);
/* The index of the first topic whose name is >= `name`. */
size_t image_topic_lower_bound(const struct image *image, struct string name);
size_t image_partition_count(const struct image *image); /* of all topics */

struct string topic_image_name(const struct topic_image *topic);
struct uuid topic_image_id(const struct topic_image *topic);
int32_t topic_image_partition_count(const struct topic_image *topic);
/* False if the index is out of range. */
bool topic_image_partition(const struct topic_image *topic, int32_t index, struct partition_image *partition);
/* Equal pointers mean "nothing in it changed" between two images; a different pointer may still be equal. */

/* Configs: what was set, not the defaults. `name` "" is the cluster-wide default for brokers. */
/* null: not set */
struct string image_config(const struct image *image, enum config_resource type, struct string resource,
                           struct string key);
size_t image_config_count(const struct image *image, enum config_resource type, struct string resource);
/* ascending by name */
struct config_image image_config_at(const struct image *image, enum config_resource type, struct string resource,
                                    size_t index);
/* Resources of a type that have any config set, ascending. */
size_t image_config_resource_count(const struct image *image, enum config_resource type);
struct string image_config_resource_at(const struct image *image, enum config_resource type, size_t index);

size_t image_feature_count(const struct image *image);
struct feature_image image_feature_at(const struct image *image, size_t index);
int16_t image_feature(const struct image *image, struct string name); /* 0: not finalized */
int64_t image_next_producer_id(const struct image *image);

/* What changed between two images of one log, `before` may be NULL (all is new). Calls are made topic by topic; a topic
 * deleted and created again under its name appears as both. */
struct image_changes {
    void (*topic_added)(void *context, const struct topic_image *topic);
    void (*topic_removed)(void *context, const struct topic_image *topic); /* from `before` */
    void (*partition_changed)(void *context, const struct topic_image *topic, int32_t partition); /* new or different */
    void (*config_changed)(void *context, enum config_resource type, struct string resource);
    void (*broker_changed)(void *context, int32_t id);
};
void image_compare(const struct image *before, const struct image *after, const struct image_changes *changes,
                   void *context);

#endif
