/* Topic configs: their definitions, where a topic's value of each comes from, and the values as plain numbers.
 *
 *     set on the topic  >  dynamic, of one broker  >  dynamic, of all brokers  >  the server's file  >  the default
 *
 * Below the topic the keys are the broker's, with its units: retention.ms falls back to log.retention.ms, then
 * log.retention.minutes, then log.retention.hours.
 *
 * Every config that is accepted has its effect. Keys whose effect this release lacks can only be set to their
 * default. */
#ifndef CONFIG_TOPIC_CONFIG_H
#define CONFIG_TOPIC_CONFIG_H

#include "common/config/config.h"
#include "common/metadata/image.h"

#define TOPIC_CONFIG_SYNONYMS_MAX 3

/* A broker key that a topic config falls back to, in the order in which they count. */
struct topic_config_synonym {
    const char *key;   /* NULL: no more */
    int64_t factor;    /* topic value = broker value * factor */
};

struct topic_config_definition {
    struct config_definition definition;
    struct topic_config_synonym synonyms[TOPIC_CONFIG_SYNONYMS_MAX];
    const char *only_default; /* why no other value than the default is accepted; NULL: all in range are */
};

/* All of them, ascending by name. */
size_t topic_config_count(void);
const struct topic_config_definition *topic_config_at(size_t index);
const struct topic_config_definition *topic_config_find(struct string name); /* NULL: unknown */

/* Judges a value to be set on a topic and gives its canonical text, which lives in `arena`. STATUS_INVALID with
 * `problem` set: unknown keys come with the nearest known one. */
MUST_USE enum status topic_config_check(struct string name, struct string value, struct arena *arena,
                                        struct string *canonical, struct config_problem *problem);

/* The numbers are those of DescribeConfigs. */
enum topic_config_source {
    TOPIC_CONFIG_FROM_TOPIC = 1,
    TOPIC_CONFIG_FROM_BROKER = 2,         /* dynamic, of one broker */
    TOPIC_CONFIG_FROM_BROKER_DEFAULT = 3, /* dynamic, of all brokers */
    TOPIC_CONFIG_FROM_FILE = 4,           /* the server's file, environment or flags */
    TOPIC_CONFIG_FROM_DEFAULT = 5,
};

/* Where values are looked for. Everything is borrowed. */
struct topic_config_sources {
    const struct image *image;
    const struct config *config; /* NULL: no file */
    int32_t broker_id;           /* whose dynamic configs count; -1: nobody's */
    struct string topic;
    const struct config_image *overrides; /* if not NULL: what is set on the topic, instead of what the image says */
    size_t override_count;
};

/* One place where a value is set. */
struct topic_config_value {
    struct string key;  /* the topic's or a broker's */
    struct string text; /* canonical, in the topic config's unit */
    enum topic_config_source source;
};

#define TOPIC_CONFIG_VALUES_MAX (1 + 3 * TOPIC_CONFIG_SYNONYMS_MAX + 1)

/* All places where the config has a value, strongest first; the first is the effective one, the last the default. Texts
 * live in `arena` or are borrowed from the sources. Returns their number, at least 1. Values that are out of range now,
 * as a release may change ranges, are passed over. */
size_t topic_config_values(const struct topic_config_sources *sources, const struct topic_config_definition *definition,
                           struct arena *arena, struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX]);

enum topic_durability { TOPIC_DURABILITY_FSYNC, TOPIC_DURABILITY_INTERVAL, TOPIC_DURABILITY_MEMORY };

/* compression.type: the codecs have the numbers of batch attributes. */
enum topic_compression {
    TOPIC_COMPRESSION_PRODUCER = -1, /* keep what the producer chose */
    TOPIC_COMPRESSION_NONE = 0,
    TOPIC_COMPRESSION_GZIP = 1,
    TOPIC_COMPRESSION_SNAPPY = 2,
    TOPIC_COMPRESSION_LZ4 = 3,
    TOPIC_COMPRESSION_ZSTD = 4,
};

/* A topic's effective configs as values. Names, units and meaning as the keys. */
struct topic_config {
    enum topic_durability durability;
    bool cleanup_delete; /* cleanup.policy has delete */
    bool cleanup_compact;
    enum topic_compression compression_type;
    int32_t compression_gzip_level;
    int32_t compression_lz4_level;
    int32_t compression_zstd_level;
    int64_t delete_retention_ms;
    int64_t file_delete_delay_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int32_t index_interval_bytes;
    int32_t max_decompressed_message_bytes;
    int32_t max_message_bytes;
    int64_t max_compaction_lag_ms;
    int64_t message_timestamp_after_max_ms;
    int64_t message_timestamp_before_max_ms;
    bool message_timestamp_append; /* message.timestamp.type is LogAppendTime */
    double min_cleanable_dirty_ratio;
    int64_t min_compaction_lag_ms;
    int32_t min_insync_replicas;
    bool preallocate;
    int64_t retention_bytes;
    int64_t retention_ms;
    int32_t segment_bytes;
    int32_t segment_index_bytes;
    int64_t segment_jitter_ms;
    int64_t segment_ms;
    bool unclean_leader_election_enable;
};

/* The effective configs of sources->topic. A topic that has nothing set, or is not in the image, has the brokers'
 * values. */
void topic_config_effective(const struct topic_config_sources *sources, struct topic_config *config);

#endif
