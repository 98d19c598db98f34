/* The tables of keys that both programs know, and of Kafka's keys that neither has a use for. Names and defaults are
 * Kafka's; where a default differs, its row says why. Texts are ours. */
#include "common/config/server_config.h"

#define NONE CONFIG_FLAG_NONE
#define DYNAMIC CONFIG_FLAG_DYNAMIC
#define OWN CONFIG_FLAG_OWN
#define REQUIRED CONFIG_FLAG_REQUIRED
#define PLAIN CONFIG_UNIT_NONE
#define BYTES CONFIG_UNIT_BYTES
#define MS CONFIG_UNIT_MS
#define HOURS CONFIG_UNIT_HOURS
#define MINUTES CONFIG_UNIT_MINUTES
#define MIB (INT64_C(1) << 20)

static const char *const process_roles[] = {"broker", "controller", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const timestamp_types[] = {"CreateTime", "LogAppendTime", NULL};
static const char *const compression_types[] = {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd", NULL};
static const char *const cleanup_policies[] = {"delete", "compact", NULL};
static const char *const durabilities[] = {"fsync", "interval", "memory", NULL};

static enum status check_cleanup(const struct config_value *value, struct arena *arena UNUSED,
                                 struct config_problem *problem)
{
    for (size_t i = 0; i < value->item_count; i++) {
        if (string_is(value->items[i], "compact")) {
            config_problem_set(problem, "compaction is not in this version; use delete, or nothing to keep all data");
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static const struct config_definition identity_rows[] = {
    CONFIG_INT32("node.id", PLAIN, REQUIRED, NULL, 0, INT32_MAX,
                 "The number of this server; no other storage node (or other controller) of the cluster has the same."),
    CONFIG_LIST("process.roles", NONE, NULL, process_roles, NULL,
                "May say what the program is anyway: broker for a storage node, controller for a controller."),
    CONFIG_TEXT("cluster.id", OWN, NULL, NULL,
                "Refuse to join a cluster with another id than this. Without it the server takes the id it finds on "
                "disk or is told by the controllers."),
    CONFIG_LIST("controller.quorum.voters", NONE, NULL, NULL, config_check_voters,
                "The controllers, as id@host:port. The set is fixed for the life of the cluster in this version."),
    CONFIG_LIST("controller.quorum.bootstrap.servers", NONE, NULL, NULL, config_check_addresses,
                "Addresses where controllers answer, as host:port; a storage node needs these or the voters."),
    CONFIG_LIST("controller.listener.names", NONE, "CONTROLLER", NULL, NULL,
                "Names of the listeners that controllers use."),
    CONFIG_INT32("controller.quorum.request.timeout.ms", MS, NONE, "2000", 1, INT32_MAX,
                 "How long a request to a controller may take before another controller is tried."),
    CONFIG_INT32("controller.quorum.retry.backoff.ms", MS, NONE, "20", 1, 60000,
                 "The pause before a failed request to a controller is sent again."),
    CONFIG_WORD("log.format", OWN, "logfmt", log_formats, "How the process writes its own log to standard error."),
    CONFIG_WORD("log.level", OWN, "info", log_levels, "Which lines of its own log the process writes."),
};

static const struct config_definition network_rows[] = {
    CONFIG_LIST("listener.security.protocol.map", NONE, "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", NULL, NULL,
                "The protocol of each listener, as NAME:PROTOCOL. This version speaks PLAINTEXT only."),
    /* Kafka's defaults are 102400, 102400 and 50: a window that the system cannot widen, and a queue that a burst of
     * new connections overflows. */
    CONFIG_INT32("socket.send.buffer.bytes", BYTES, NONE, "-1", -1, INT32_MAX,
                 "SO_SNDBUF of connections; -1 leaves it to the system."),
    CONFIG_INT32("socket.receive.buffer.bytes", BYTES, NONE, "-1", -1, INT32_MAX,
                 "SO_RCVBUF of connections; -1 leaves it to the system."),
    /* At most 1 GiB: what begins a connection between controllers would be a larger size (decision 2). */
    CONFIG_INT32("socket.request.max.bytes", BYTES, NONE, "104857600", 1024, 1073741824,
                 "The largest request; a connection that announces a larger one is closed."),
    CONFIG_INT32("socket.listen.backlog.size", PLAIN, NONE, "4096", 1, 65535,
                 "Connections that may wait to be accepted."),
    CONFIG_INT64("connections.max.idle.ms", MS, NONE, "600000", -1, INT64_MAX / 1000000,
                 "A connection without traffic for this long is closed; -1: never."),
    CONFIG_INT32("max.connections", PLAIN, NONE, "2147483647", 1, INT32_MAX,
                 "Connections that may be open at once; a part of the open files that the system allows is kept back."),
    CONFIG_INT32("max.connections.per.ip", PLAIN, NONE, "2147483647", 1, INT32_MAX,
                 "Connections that may be open at once from one address."),
    /* Kafka's default is -1, no limit: then requests in memory are bounded by nothing. */
    CONFIG_INT64("queued.max.request.bytes", BYTES, NONE, "268435456", 1048576, INT64_MAX,
                 "Memory for requests that are read or answered; when it is used up no more is read from sockets."),
    CONFIG_INT32("request.timeout.ms", MS, NONE, "30000", 1, INT32_MAX,
                 "How long a request to another server may take before its connection is given up."),
};

static const struct config_definition topic_rows[] = {
    CONFIG_INT32("num.partitions", PLAIN, NONE, "1", 1, 100000,
                 "Partitions of a topic that is created without a number."),
    CONFIG_INT16("default.replication.factor", NONE, "1", 1, 32,
                 "Replicas of a topic that is created without a number."),
    CONFIG_INT32("min.insync.replicas", PLAIN, DYNAMIC, "1", 1, 32,
                 "With acks=all: in-sync replicas that must have a batch before it is acknowledged."),
    CONFIG_BOOLEAN("unclean.leader.election.enable", DYNAMIC, "false",
                   "Let a replica lead that may lack acknowledged records if no other is left. Loses data."),
    CONFIG_INT32("message.max.bytes", BYTES, DYNAMIC, "1048588", 0, INT32_MAX, "The largest record batch."),
    CONFIG_INT32("max.decompressed.message.bytes", BYTES, DYNAMIC, "67108864", 1, INT32_MAX,
                 "The largest record batch after decompression, where a node has to look inside."),
    CONFIG_WORD("compression.type", DYNAMIC, "producer", compression_types,
                "The codec of stored batches; producer keeps what the producer chose."),
    CONFIG_INT32("compression.gzip.level", PLAIN, DYNAMIC, "-1", -1, 9, "Level where the server compresses with gzip."),
    CONFIG_INT32("compression.lz4.level", PLAIN, DYNAMIC, "9", 1, 17, "Level where the server compresses with lz4."),
    CONFIG_INT32("compression.zstd.level", PLAIN, DYNAMIC, "3", -131072, 22,
                 "Level where the server compresses with zstd."),
    CONFIG_WORD("log.message.timestamp.type", DYNAMIC, "CreateTime", timestamp_types,
                "Whether a record's time is the producer's or that of its arrival."),
    CONFIG_INT64("log.message.timestamp.before.max.ms", MS, DYNAMIC, "9223372036854775807", 0, INT64_MAX,
                 "Refuse records whose time lies further back than this."),
    CONFIG_INT64("log.message.timestamp.after.max.ms", MS, DYNAMIC, "3600000", 0, INT64_MAX,
                 "Refuse records whose time lies further ahead than this."),
    CONFIG_LIST("log.cleanup.policy", DYNAMIC, "delete", cleanup_policies, check_cleanup,
                "What happens to old segments: delete by time and size, or nothing if it is empty."),
    CONFIG_INT32("log.segment.bytes", BYTES, DYNAMIC, "1073741824", MIB, INT32_MAX,
                 "Size at which a segment is closed."),
    CONFIG_INT64("log.roll.ms", MS, DYNAMIC, NULL, 1, INT64_MAX,
                 "Age at which a segment is closed; before log.roll.hours."),
    CONFIG_INT32("log.roll.hours", HOURS, NONE, "168", 1, INT32_MAX, "Age at which a segment is closed."),
    CONFIG_INT64("log.roll.jitter.ms", MS, DYNAMIC, NULL, 0, INT64_MAX,
                 "Segments are closed earlier by a random part of this; before log.roll.jitter.hours."),
    CONFIG_INT32("log.roll.jitter.hours", HOURS, NONE, "0", 0, INT32_MAX,
                 "Segments are closed earlier by a random part of this."),
    CONFIG_INT64("log.retention.ms", MS, DYNAMIC, NULL, -1, INT64_MAX,
                 "Age at which a segment is deleted, -1: never; before log.retention.minutes and .hours."),
    CONFIG_INT32("log.retention.minutes", MINUTES, NONE, NULL, -1, INT32_MAX,
                 "Age at which a segment is deleted, -1: never; before log.retention.hours."),
    CONFIG_INT32("log.retention.hours", HOURS, NONE, "168", -1, INT32_MAX,
                 "Age at which a segment is deleted, -1: never."),
    CONFIG_INT64("log.retention.bytes", BYTES, DYNAMIC, "-1", -1, INT64_MAX,
                 "Size of a partition above which its oldest segments are deleted, -1: never."),
    CONFIG_INT64("log.segment.delete.delay.ms", MS, DYNAMIC, "60000", 0, INT64_MAX,
                 "How long a deleted segment's files stay on disk."),
    CONFIG_INT32("log.index.interval.bytes", BYTES, DYNAMIC, "4096", 0, INT32_MAX,
                 "Bytes of a segment between two entries of its indexes."),
    CONFIG_INT32("log.index.size.max.bytes", BYTES, DYNAMIC, "10485760", 4, INT32_MAX,
                 "Size of an index at which its segment is closed."),
    CONFIG_INT64("log.flush.interval.messages", PLAIN, DYNAMIC, "9223372036854775807", 1, INT64_MAX,
                 "Sync a partition to disk after this many records."),
    CONFIG_INT64("log.flush.interval.ms", MS, DYNAMIC, NULL, 0, INT64_MAX,
                 "Sync a partition to disk at the latest this long after a record."),
    CONFIG_WORD("log.durability", DYNAMIC | OWN, "fsync", durabilities,
                "When a record counts as kept: synced to disk before it is acknowledged (fsync), synced every "
                "log.flush.interval (interval), or left to the system's cache (memory, as Kafka's default)."),
    CONFIG_BOOLEAN("auto.create.topics.enable", NONE, "true",
                   "Create a topic when a client that allows it asks for one that is missing."),
    CONFIG_BOOLEAN("delete.topic.enable", NONE, "true", "Let clients delete topics."),
    CONFIG_INT32("producer.id.expiration.ms", MS, DYNAMIC, "86400000", 1, INT32_MAX,
                 "An idempotent producer's state is forgotten when it was silent for this long."),
};

const struct config_table server_identity_keys = {identity_rows, ARRAY_COUNT(identity_rows)};
const struct config_table server_network_keys = {network_rows, ARRAY_COUNT(network_rows)};
const struct config_table server_topic_keys = {topic_rows, ARRAY_COUNT(topic_rows)};

/* The first pattern that fits decides. Refused is what a user would miss without being told: encryption,
 * authentication, quotas, tiering. Accepted is what tunes machinery that Millrace does not have, so that Kafka's sample
 * files can be used. */
const struct config_foreign_key server_foreign_keys[] = {
    {"broker.id", "Kafka's old name: write node.id"},
    {"broker.id.generation.enable", "every server needs a node.id of its own"},
    {"zookeeper.*", "there is no ZooKeeper: name the controllers by controller.quorum.voters"},
    {"ssl.*", "TLS is not in this version: connections are plain text"},
    {"sasl.*", "SASL is not in this version: clients are not authenticated"},
    {"security.*", "security providers and inter-broker protocols are not in this version"},
    {"listener.name.*", "settings of single listeners are not in this version"},
    {"authorizer.class.name", "access control is not in this version: every client may do everything"},
    {"super.users", "access control is not in this version: every client may do everything"},
    {"allow.everyone.if.no.acl.found", "access control is not in this version: every client may do everything"},
    {"principal.builder.class", "access control is not in this version: every client may do everything"},
    {"delegation.token.*", "delegation tokens are not in this version"},
    {"connections.max.reauth.ms", "SASL is not in this version"},
    {"max.connections.per.ip.overrides", "limits for single addresses are not in this version"},
    {"max.connection.creation.rate", "a limit on new connections is not in this version"},
    {"quota.*", "quotas are not in this version"},
    {"client.quota.callback.class", "quotas are not in this version"},
    {"remote.*", "tiered storage is not in this version"},
    {"log.local.retention.*", "tiered storage is not in this version"},
    {"log.remote.*", "tiered storage is not in this version"},
    {"follower.fetch.last.tiered.offset.enable", "tiered storage is not in this version"},
    {"create.topic.policy.class.name", "there is no JVM to load a policy class into"},
    {"alter.config.policy.class.name", "there is no JVM to load a policy class into"},
    {"config.providers*", "there is no JVM to load a config provider into"},
    {"early.start.listeners", "all listeners start when the server is ready"},
    {"inter.broker.listener.name", "replicas use the first listener"},
    {"replica.selector.class", "fetching from the nearest replica is not in this version"},
    {"leader.replication.throttled.*", "throttled replication is not in this version"},
    {"follower.replication.throttled.*", "throttled replication is not in this version"},
    {"cordoned.log.dirs", "cordoned directories are not in this version"},
    {"controller.quorum.auto.join.enable", "the set of controllers is fixed in this version"},
    {"background.threads", NULL},
    {"num.network.threads", NULL},
    {"num.io.threads", NULL},
    {"num.replica.alter.log.dirs.threads", NULL},
    {"queued.max.requests", NULL},
    {"metric.reporters", NULL},
    {"metrics.*", NULL},
    {"auto.include.jmx.reporter", NULL},
    {"kafka.*", NULL},
    {"log.cleaner.*", NULL},
    {"log.flush.scheduler.interval.ms", NULL},
    {"log.flush.start.offset.checkpoint.interval.ms", NULL},
    {"log.message.downconversion.enable", NULL},
    {"log.dir.failure.timeout.ms", NULL},
    {"metadata.log.segment.*", NULL},
    {"metadata.max.*", NULL},
    {"controller.quorum.fetch.*", NULL},
    {"controller.quorum.election.backoff.max.ms", NULL},
    {"controller.quorum.append.linger.ms", NULL},
    {"controller.performance.*", NULL},
    {"controller.socket.timeout.ms", NULL},
    {"server.max.startup.time.ms", NULL},
    {"log.preallocate", NULL},
    {"replica.*", NULL},
    {"num.replica.fetchers", NULL},
    {"auto.leader.rebalance.enable", NULL},
    {"leader.imbalance.*", NULL},
    {"group.*", NULL},
    {"offsets.*", NULL},
    {"offset.metadata.max.bytes", NULL},
    {"transaction.*", NULL},
    {"transactional.id.expiration.ms", NULL},
    {"share.*", NULL},
    {"errors.deadletterqueue.*", NULL},
    {"telemetry.max.bytes", NULL},
    {"internal.*", NULL},
    {NULL, NULL},
};
