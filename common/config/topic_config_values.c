/* Where a topic's config values come from, and the values as numbers. */
#include "common/config/topic_config.h"

#include "common/base/assert.h"

#include <inttypes.h>
#include <stdio.h>

/* What one value takes while it is read, with room for its text; see config_value_parse. */
#define VALUE_ARENA_LIMIT ((size_t)1024 * 1024)
#define BROKER_NAME_MAX 16

/* `text` as a value of the topic config: in its unit, in range. False if it is not one. */
static bool value_read(const struct topic_config_definition *definition, int64_t factor, struct string text,
                       struct arena *arena, struct config_value *value)
{
    struct config_problem problem;

    if (factor != 1) {
        const struct config_definition plain = {
            .name = definition->definition.name, .type = CONFIG_TYPE_INT64, .min = INT64_MIN, .max = INT64_MAX};
        int64_t product;

        if (config_value_parse(&plain, text, arena, value, &problem) != STATUS_OK || value->null) {
            return false;
        }
        /* -1 is "no limit" in every unit. */
        if (value->integer == -1) {
            product = -1;
        } else if (__builtin_mul_overflow(value->integer, factor, &product)) {
            product = INT64_MAX;
        }
        text = arena_format(arena, "%" PRId64, product);
    }
    return config_value_parse(&definition->definition, text, arena, value, &problem) == STATUS_OK && !value->null;
}

/* Collects the places in which one config is set. */
struct collector {
    const struct topic_config_definition *definition;
    struct arena *arena;
    struct topic_config_value *values;
    size_t count;
};

static void collect(struct collector *collector, const char *key, int64_t factor, struct string text,
                    enum topic_config_source source)
{
    struct config_value value;

    if (text.data == NULL || !value_read(collector->definition, factor, text, collector->arena, &value)) {
        return;
    }
    ASSERT(collector->count < TOPIC_CONFIG_VALUES_MAX);
    collector->values[collector->count++] =
        (struct topic_config_value){.key = string_of(key), .text = value.text, .source = source};
}

static struct string topic_value(const struct topic_config_sources *sources, struct string key)
{
    if (sources->overrides == NULL) {
        return image_config(sources->image, CONFIG_TOPIC, sources->topic, key);
    }
    for (size_t i = 0; i < sources->override_count; i++) {
        if (string_equal(sources->overrides[i].name, key)) {
            return sources->overrides[i].value;
        }
    }
    return STRING_NULL;
}

/* The broker keys of the config, in one layer. */
static void collect_dynamic(struct collector *collector, const struct topic_config_sources *sources,
                            struct string resource, enum topic_config_source source)
{
    const struct topic_config_synonym *synonyms = collector->definition->synonyms;

    for (size_t i = 0; i < TOPIC_CONFIG_SYNONYMS_MAX && synonyms[i].key != NULL; i++) {
        collect(collector, synonyms[i].key, synonyms[i].factor,
                image_config(sources->image, CONFIG_BROKER, resource, string_of(synonyms[i].key)), source);
    }
}

static void collect_static(struct collector *collector, const struct topic_config_sources *sources)
{
    const struct topic_config_synonym *synonyms = collector->definition->synonyms;

    for (size_t i = 0; i < TOPIC_CONFIG_SYNONYMS_MAX && synonyms[i].key != NULL; i++) {
        const struct config_entry *entry = config_find(sources->config, string_of(synonyms[i].key));

        if (entry != NULL && entry->source != CONFIG_SOURCE_DEFAULT && !entry->value.null) {
            collect(collector, synonyms[i].key, synonyms[i].factor, entry->value.text, TOPIC_CONFIG_FROM_FILE);
        }
    }
}

size_t topic_config_values(const struct topic_config_sources *sources, const struct topic_config_definition *definition,
                           struct arena *arena, struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX])
{
    struct collector collector = {.definition = definition, .arena = arena, .values = values};
    const char *key = definition->definition.name;
    const struct topic_config_synonym *synonyms = definition->synonyms;

    collect(&collector, key, 1, topic_value(sources, string_of(key)), TOPIC_CONFIG_FROM_TOPIC);
    if (sources->broker_id >= 0) {
        char name[BROKER_NAME_MAX];
        const int size = snprintf(name, sizeof(name), "%" PRId32, sources->broker_id);

        collect_dynamic(&collector, sources, (struct string){name, (size_t)size}, TOPIC_CONFIG_FROM_BROKER);
    }
    collect_dynamic(&collector, sources, STRING(""), TOPIC_CONFIG_FROM_BROKER_DEFAULT);
    if (sources->config != NULL) {
        collect_static(&collector, sources);
    }
    collect(&collector, synonyms[0].key != NULL ? synonyms[0].key : key, 1, string_of(definition->definition.standard),
            TOPIC_CONFIG_FROM_DEFAULT);
    ASSERT(collector.count > 0);
    return collector.count;
}

/* Reads effective values one by one; each read forgets the memory of the one before. */
struct value_reader {
    const struct topic_config_sources *sources;
    struct arena arena;
    struct config_value value;
};

static const struct config_value *effective(struct value_reader *reader, const char *name)
{
    const struct topic_config_definition *definition = topic_config_find(string_of(name));
    struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX];
    bool read;

    ASSERT(definition != NULL);
    arena_reset(&reader->arena);
    topic_config_values(reader->sources, definition, &reader->arena, values);
    read = value_read(definition, 1, values[0].text, &reader->arena, &reader->value);
    ASSERT(read);
    return &reader->value;
}

static int64_t effective_integer(struct value_reader *reader, const char *name)
{
    return effective(reader, name)->integer;
}

static int32_t effective_int32(struct value_reader *reader, const char *name)
{
    return (int32_t)effective(reader, name)->integer;
}

static bool effective_boolean(struct value_reader *reader, const char *name)
{
    return effective(reader, name)->integer != 0;
}

static bool list_has(const struct config_value *value, const char *item)
{
    for (size_t i = 0; i < value->item_count; i++) {
        if (string_is(value->items[i], item)) {
            return true;
        }
    }
    return false;
}

static enum topic_durability effective_durability(struct value_reader *reader)
{
    const struct string text = effective(reader, "durability")->text;

    if (string_is(text, "memory")) {
        return TOPIC_DURABILITY_MEMORY;
    }
    return string_is(text, "interval") ? TOPIC_DURABILITY_INTERVAL : TOPIC_DURABILITY_FSYNC;
}

static enum topic_compression effective_compression(struct value_reader *reader)
{
    static const struct {
        const char *text;
        enum topic_compression compression;
    } words[] = {{"uncompressed", TOPIC_COMPRESSION_NONE}, {"gzip", TOPIC_COMPRESSION_GZIP},
                 {"snappy", TOPIC_COMPRESSION_SNAPPY},     {"lz4", TOPIC_COMPRESSION_LZ4},
                 {"zstd", TOPIC_COMPRESSION_ZSTD}};
    const struct string text = effective(reader, "compression.type")->text;

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (string_is(text, words[i].text)) {
            return words[i].compression;
        }
    }
    return TOPIC_COMPRESSION_PRODUCER;
}

void topic_config_effective(const struct topic_config_sources *sources, struct topic_config *config)
{
    struct value_reader reader = {.sources = sources};

    arena_init(&reader.arena, VALUE_ARENA_LIMIT);
    config->durability = effective_durability(&reader);
    config->cleanup_delete = list_has(effective(&reader, "cleanup.policy"), "delete");
    config->cleanup_compact = list_has(effective(&reader, "cleanup.policy"), "compact");
    config->compression_type = effective_compression(&reader);
    config->compression_gzip_level = effective_int32(&reader, "compression.gzip.level");
    config->compression_lz4_level = effective_int32(&reader, "compression.lz4.level");
    config->compression_zstd_level = effective_int32(&reader, "compression.zstd.level");
    config->delete_retention_ms = effective_integer(&reader, "delete.retention.ms");
    config->file_delete_delay_ms = effective_integer(&reader, "file.delete.delay.ms");
    config->flush_messages = effective_integer(&reader, "flush.messages");
    config->flush_ms = effective_integer(&reader, "flush.ms");
    config->index_interval_bytes = effective_int32(&reader, "index.interval.bytes");
    config->max_compaction_lag_ms = effective_integer(&reader, "max.compaction.lag.ms");
    config->max_decompressed_message_bytes = effective_int32(&reader, "max.decompressed.message.bytes");
    config->max_message_bytes = effective_int32(&reader, "max.message.bytes");
    config->message_timestamp_after_max_ms = effective_integer(&reader, "message.timestamp.after.max.ms");
    config->message_timestamp_before_max_ms = effective_integer(&reader, "message.timestamp.before.max.ms");
    config->message_timestamp_append = string_is(effective(&reader, "message.timestamp.type")->text, "LogAppendTime");
    config->min_cleanable_dirty_ratio = effective(&reader, "min.cleanable.dirty.ratio")->number;
    config->min_compaction_lag_ms = effective_integer(&reader, "min.compaction.lag.ms");
    config->min_insync_replicas = effective_int32(&reader, "min.insync.replicas");
    config->preallocate = effective_boolean(&reader, "preallocate");
    config->retention_bytes = effective_integer(&reader, "retention.bytes");
    config->retention_ms = effective_integer(&reader, "retention.ms");
    config->segment_bytes = effective_int32(&reader, "segment.bytes");
    config->segment_index_bytes = effective_int32(&reader, "segment.index.bytes");
    config->segment_jitter_ms = effective_integer(&reader, "segment.jitter.ms");
    config->segment_ms = effective_integer(&reader, "segment.ms");
    config->unclean_leader_election_enable = effective_boolean(&reader, "unclean.leader.election.enable");
    arena_deinit(&reader.arena);
}
