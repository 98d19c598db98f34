/* The table of topic configs. Names, defaults and ranges are Kafka 4.4's, and durability, which is ours. */
#include "common/config/topic_config.h"

#include "common/base/assert.h"

#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)
#define NO_TIERING "tiered storage is not in this release"
#define NO_THROTTLE "replication throttles are not in this release"

#define LONG_MAX_TEXT "9223372036854775807"

static const char *const policies[] = {"delete", "compact", NULL};
static const char *const codecs[] = {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd", NULL};
static const char *const timestamp_types[] = {"CreateTime", "LogAppendTime", NULL};
static const char *const durabilities[] = {"fsync", "interval", "memory", NULL};

static enum status check_policy(const struct config_value *value, struct arena *arena, struct config_problem *problem)
{
    (void)arena;
    for (size_t i = 0; i < value->item_count; i++) {
        if (string_is(value->items[i], "compact")) {
            config_problem_set(problem, "compaction is not in this release; use delete, or nothing to keep all data");
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static enum status check_gzip_level(const struct config_value *value, struct arena *arena,
                                    struct config_problem *problem)
{
    (void)arena;
    if (value->integer == 0) {
        config_problem_set(problem, "expected -1 (the codec's default) or 1 to 9, not 0");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

#define SYNONYM(key_text) {{key_text, 1}}
#define DYNAMIC CONFIG_FLAG_DYNAMIC

/* Ascending by name. */
static const struct topic_config_definition definitions[] = {
    {CONFIG_LIST("cleanup.policy", DYNAMIC, "delete", policies, check_policy,
                 "What happens to old data: delete drops whole segments past the retention; empty keeps everything."),
     SYNONYM("log.cleanup.policy"), NULL},
    {{.name = "compression.gzip.level",
      .type = CONFIG_TYPE_INT32,
      .flags = DYNAMIC,
      .standard = "-1",
      .min = -1,
      .max = 9,
      .check = check_gzip_level,
      .doc = "Effort of gzip when compression.type is gzip; -1 is the codec's own default."},
     SYNONYM("compression.gzip.level"), NULL},
    {CONFIG_INT32("compression.lz4.level", CONFIG_UNIT_NONE, DYNAMIC, "9", 1, 17,
                  "Effort of lz4 when compression.type is lz4."),
     SYNONYM("compression.lz4.level"), NULL},
    {CONFIG_WORD("compression.type", DYNAMIC, "producer", codecs,
                 "How batches are stored: as the producer sent them, or all with one codec (nodes recompress)."),
     SYNONYM("compression.type"), NULL},
    {CONFIG_INT32("compression.zstd.level", CONFIG_UNIT_NONE, DYNAMIC, "3", -131072, 22,
                  "Effort of zstd when compression.type is zstd."),
     SYNONYM("compression.zstd.level"), NULL},
    {CONFIG_INT64("delete.retention.ms", CONFIG_UNIT_MS, DYNAMIC, "86400000", 0, INT64_MAX,
                  "How long compaction keeps delete markers. Takes effect where the cleanup policy has compact."),
     SYNONYM("log.cleaner.delete.retention.ms"), NULL},
    {CONFIG_WORD("durability", DYNAMIC | CONFIG_FLAG_OWN, "fsync", durabilities,
                 "When an append counts as kept: fsync waits for the disk, interval syncs every flush.messages or "
                 "flush.ms, memory leaves it to segment rolls and shutdown, as Kafka does."),
     SYNONYM("log.durability"), NULL},
    {CONFIG_BOOLEAN("errors.deadletterqueue.group.enable", DYNAMIC, "false",
                    "Whether share groups may use this topic as a dead letter queue."),
     {{0}}, "dead letter queues are not in this release"},
    {CONFIG_INT64("file.delete.delay.ms", CONFIG_UNIT_MS, DYNAMIC, "60000", 0, INT64_MAX,
                  "How long the files of a deleted segment or topic stay on disk."),
     SYNONYM("log.segment.delete.delay.ms"), NULL},
    {CONFIG_INT64("flush.messages", CONFIG_UNIT_NONE, DYNAMIC, LONG_MAX_TEXT, 1, INT64_MAX,
                  "Sync to disk at the latest after this many records, where durability is interval."),
     SYNONYM("log.flush.interval.messages"), NULL},
    {CONFIG_INT64("flush.ms", CONFIG_UNIT_MS, DYNAMIC, LONG_MAX_TEXT, 0, INT64_MAX,
                  "Sync to disk at the latest after this time, where durability is interval."),
     {{"log.flush.interval.ms", 1}, {"log.flush.scheduler.interval.ms", 1}}, NULL},
    {CONFIG_LIST("follower.replication.throttled.replicas", DYNAMIC, "", NULL, NULL,
                 "Replicas whose fetching is throttled, as partition:broker pairs."),
     {{0}}, NO_THROTTLE},
    {CONFIG_INT32("index.interval.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "4096", 0, INT32_MAX,
                  "Bytes of log between two entries of the offset index."),
     SYNONYM("log.index.interval.bytes"), NULL},
    {CONFIG_LIST("leader.replication.throttled.replicas", DYNAMIC, "", NULL, NULL,
                 "Replicas to which sending is throttled, as partition:broker pairs."),
     {{0}}, NO_THROTTLE},
    {CONFIG_INT64("local.retention.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "-2", -2, INT64_MAX,
                  "Bytes of a tiered partition that stay on local disk; -2 means retention.bytes."),
     SYNONYM("log.local.retention.bytes"), NO_TIERING},
    {CONFIG_INT64("local.retention.ms", CONFIG_UNIT_MS, DYNAMIC, "-2", -2, INT64_MAX,
                  "Time that a tiered partition's segments stay on local disk; -2 means retention.ms."),
     SYNONYM("log.local.retention.ms"), NO_TIERING},
    {CONFIG_INT64("max.compaction.lag.ms", CONFIG_UNIT_MS, DYNAMIC, LONG_MAX_TEXT, 1, INT64_MAX,
                  "Age at which a record is compacted at last. Takes effect where the cleanup policy has compact."),
     SYNONYM("log.cleaner.max.compaction.lag.ms"), NULL},
    {CONFIG_INT32("max.decompressed.message.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "67108864", 1, INT32_MAX,
                  "Largest batch after decompression, where a node has to look inside."),
     SYNONYM("max.decompressed.message.bytes"), NULL},
    {CONFIG_INT32("max.message.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "1048588", 0, INT32_MAX,
                  "Largest batch that is accepted, as it comes over the wire."),
     SYNONYM("message.max.bytes"), NULL},
    {CONFIG_INT64("message.timestamp.after.max.ms", CONFIG_UNIT_MS, DYNAMIC, "3600000", 0, INT64_MAX,
                  "How far a record's time may be ahead of the node's clock."),
     SYNONYM("log.message.timestamp.after.max.ms"), NULL},
    {CONFIG_INT64("message.timestamp.before.max.ms", CONFIG_UNIT_MS, DYNAMIC, LONG_MAX_TEXT, 0, INT64_MAX,
                  "How far a record's time may be behind the node's clock."),
     SYNONYM("log.message.timestamp.before.max.ms"), NULL},
    {CONFIG_WORD("message.timestamp.type", DYNAMIC, "CreateTime", timestamp_types,
                 "Whose clock stamps records: the producer's, or the node's when it appends."),
     SYNONYM("log.message.timestamp.type"), NULL},
    {CONFIG_DOUBLE("min.cleanable.dirty.ratio", DYNAMIC, "0.5", 0, 1,
                   "Share of a log that must be new for it to be compacted. Takes effect if the policy has compact."),
     SYNONYM("log.cleaner.min.cleanable.ratio"), NULL},
    {CONFIG_INT64("min.compaction.lag.ms", CONFIG_UNIT_MS, DYNAMIC, "0", 0, INT64_MAX,
                  "Age below which a record is not compacted. Takes effect where the cleanup policy has compact."),
     SYNONYM("log.cleaner.min.compaction.lag.ms"), NULL},
    {CONFIG_INT32("min.insync.replicas", CONFIG_UNIT_NONE, DYNAMIC, "1", 1, INT32_MAX,
                  "Replicas that must be in sync for a write with acks=all to be accepted."),
     SYNONYM("min.insync.replicas"), NULL},
    {CONFIG_BOOLEAN("preallocate", DYNAMIC, "false", "Reserve a new segment's whole size on disk at once."),
     SYNONYM("log.preallocate"), NULL},
    {CONFIG_INT64("remote.copy.lag.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "-1", -1, INT64_MAX,
                  "Bytes that a segment stays behind the log's end before it is copied to tiered storage."),
     SYNONYM("log.remote.copy.lag.bytes"), NO_TIERING},
    {CONFIG_INT64("remote.copy.lag.ms", CONFIG_UNIT_MS, DYNAMIC, "0", -1, INT64_MAX,
                  "Age of a segment at which it is copied to tiered storage."),
     SYNONYM("log.remote.copy.lag.ms"), NO_TIERING},
    {CONFIG_BOOLEAN("remote.log.copy.disable", DYNAMIC, "false", "Stop copying to tiered storage."), {{0}}, NO_TIERING},
    {CONFIG_BOOLEAN("remote.log.delete.on.disable", DYNAMIC, "false",
                    "Drop what is in tiered storage when tiering is switched off."),
     {{0}}, NO_TIERING},
    {CONFIG_BOOLEAN("remote.storage.enable", DYNAMIC, "false", "Copy old segments to tiered storage."), {{0}},
     NO_TIERING},
    {CONFIG_INT64("retention.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "-1", -1, INT64_MAX,
                  "Bytes that a partition keeps; -1 for no limit."),
     SYNONYM("log.retention.bytes"), NULL},
    {CONFIG_INT64("retention.ms", CONFIG_UNIT_MS, DYNAMIC, "604800000", -1, INT64_MAX,
                  "How long records are kept; -1 for ever."),
     {{"log.retention.ms", 1}, {"log.retention.minutes", MS_PER_MINUTE}, {"log.retention.hours", MS_PER_HOUR}}, NULL},
    {CONFIG_INT32("segment.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "1073741824", 1048576, INT32_MAX,
                  "Size at which a new segment file is begun."),
     SYNONYM("log.segment.bytes"), NULL},
    {CONFIG_INT32("segment.index.bytes", CONFIG_UNIT_BYTES, DYNAMIC, "10485760", 4, INT32_MAX,
                  "Largest size of an offset or time index file."),
     SYNONYM("log.index.size.max.bytes"), NULL},
    {CONFIG_INT64("segment.jitter.ms", CONFIG_UNIT_MS, DYNAMIC, "0", 0, INT64_MAX,
                  "Random part of segment.ms by which a segment is begun earlier, so that not all roll at once."),
     {{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", MS_PER_HOUR}}, NULL},
    {CONFIG_INT64("segment.ms", CONFIG_UNIT_MS, DYNAMIC, "604800000", 1, INT64_MAX,
                  "Age at which a new segment file is begun."),
     {{"log.roll.ms", 1}, {"log.roll.hours", MS_PER_HOUR}}, NULL},
    {CONFIG_BOOLEAN("unclean.leader.election.enable", DYNAMIC, "false",
                    "Whether a replica that is not in sync may lead when no other is left, at the price of data."),
     SYNONYM("unclean.leader.election.enable"), NULL},
};

size_t topic_config_count(void)
{
    return ARRAY_COUNT(definitions);
}

const struct topic_config_definition *topic_config_at(size_t index)
{
    ASSERT(index < ARRAY_COUNT(definitions));
    return &definitions[index];
}

const struct topic_config_definition *topic_config_find(struct string name)
{
    for (size_t i = 0; i < ARRAY_COUNT(definitions); i++) {
        if (string_is(name, definitions[i].definition.name)) {
            return &definitions[i];
        }
    }
    return NULL;
}

static void unknown_key(struct string name, struct config_problem *problem)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < ARRAY_COUNT(definitions); i++) {
        const size_t distance = config_name_distance(name, string_of(definitions[i].definition.name));

        if (distance < least) {
            least = distance;
            nearest = definitions[i].definition.name;
        }
    }
    if (least <= 1 + name.size / 4) {
        config_problem_set(problem, "unknown topic config %.*s; did you mean %s?", STRING_ARGS(name), nearest);
    } else {
        config_problem_set(problem, "unknown topic config %.*s", STRING_ARGS(name));
    }
}

enum status topic_config_check(struct string name, struct string value, struct arena *arena, struct string *canonical,
                               struct config_problem *problem)
{
    const struct topic_config_definition *definition = topic_config_find(name);
    struct config_value parsed;
    enum status status;

    if (definition == NULL) {
        unknown_key(name, problem);
        return STATUS_INVALID;
    }
    if (value.data == NULL) {
        config_problem_set(problem, "%s: a value is needed; delete the config to return to the default",
                           definition->definition.name);
        return STATUS_INVALID;
    }
    status = config_value_parse(&definition->definition, value, arena, &parsed, problem);
    if (status != STATUS_OK) {
        return status;
    }
    if (definition->only_default != NULL && !string_is(parsed.text, definition->definition.standard)) {
        config_problem_set(problem, "%s: only the default \"%s\" is possible, because %s", definition->definition.name,
                           definition->definition.standard, definition->only_default);
        return STATUS_INVALID;
    }
    *canonical = parsed.text;
    return STATUS_OK;
}
