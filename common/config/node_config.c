/* The storage node's own keys and the rules between them. */
#include "common/config/node_config.h"

#include "common/config/controller_config.h"

#define NONE CONFIG_FLAG_NONE
#define OWN CONFIG_FLAG_OWN
#define PLAIN CONFIG_UNIT_NONE
#define BYTES CONFIG_UNIT_BYTES
#define MS CONFIG_UNIT_MS
#define US CONFIG_UNIT_US

static const struct config_definition rows[] = {
    /* Kafka listens on all interfaces by default; without TLS and SASL that is not for us to choose. */
    CONFIG_LIST("listeners", NONE, "PLAINTEXT://localhost:9092", NULL, config_check_listeners,
                "Where clients and other nodes connect, as NAME://host:port; an empty host is every interface."),
    CONFIG_LIST("advertised.listeners", NONE, NULL, NULL, config_check_listeners,
                "What clients are told to connect to, where that differs from listeners."),
    CONFIG_TEXT("broker.rack", NONE, NULL, NULL, "The rack or zone of this node; replicas are spread over racks."),
    /* Kafka's default is a folder below /tmp. */
    CONFIG_TEXT("log.dir", NONE, "/var/lib/millrace/node", NULL,
                "Where partitions are kept, if log.dirs is not given."),
    CONFIG_LIST("log.dirs", NONE, NULL, NULL, NULL, "Directories where partitions are kept, one per disk."),
    CONFIG_INT64("log.retention.check.interval.ms", MS, NONE, "300000", 1, INT64_MAX / 1000000,
                 "How often segments are looked at for retention."),
    CONFIG_INT64("log.flush.offset.checkpoint.interval.ms", MS, NONE, "60000", 1, INT64_MAX / 1000000,
                 "How often recovery points are written: what is synced need not be scanned after a crash."),
    CONFIG_INT32("num.recovery.threads.per.data.dir", PLAIN, NONE, "2", 1, 64,
                 "Threads that open partitions at start, times the number of directories."),
    CONFIG_INT32("num.loops", PLAIN, OWN, "0", 0, 64, "Event loops, each on its own thread; 0: one per core."),
    CONFIG_INT32("busy.poll.us", US, OWN, "0", 0, 1000,
                 "How long a loop looks for work before it sleeps: less latency for more CPU time."),
    CONFIG_INT32("fetch.max.bytes", BYTES, NONE, "57671680", 1024, INT32_MAX, "The largest answer to a fetch."),
    CONFIG_INT32("max.incremental.fetch.session.cache.slots", PLAIN, NONE, "1000", 0, 1000000,
                 "Incremental fetch sessions (KIP-227) that are kept."),
    CONFIG_INT32("broker.heartbeat.interval.ms", MS, NONE, "2000", 10, 60000,
                 "How often the node tells the controller that it lives."),
    CONFIG_INT32("initial.broker.registration.timeout.ms", MS, NONE, "60000", 1, INT32_MAX,
                 "How long the node tries to register before it gives up and exits."),
    CONFIG_BOOLEAN("controlled.shutdown.enable", NONE, "true",
                   "On SIGTERM hand leadership to other replicas before going."),
};

const struct config_table node_keys = {rows, ARRAY_COUNT(rows)};

const struct string *node_config_log_dirs(const struct config *config, size_t *count)
{
    const struct string *dirs = config_list(config, "log.dirs", count);

    if (*count > 0) {
        return dirs;
    }
    *count = 1;
    return &config_find(config, STRING("log.dir"))->value.text;
}

/* A directory given twice would be locked by ourselves; a relative one depends on who starts the process. */
static enum status check_directories(const struct config *config, struct config_problem *problem)
{
    size_t count;
    const struct string *dirs = node_config_log_dirs(config, &count);

    for (size_t i = 0; i < count; i++) {
        if (dirs[i].size == 0 || dirs[i].size > 1024) {
            config_problem_set(problem, "log.dirs: a directory's name is empty or longer than 1024 bytes");
            return STATUS_INVALID;
        }
        for (size_t k = 0; k < i; k++) {
            if (string_equal(dirs[i], dirs[k])) {
                config_problem_set(problem, "log.dirs: %.*s is given twice", STRING_ARGS(dirs[i]));
                return STATUS_INVALID;
            }
        }
    }
    return STATUS_OK;
}

/* Controllers' listeners are not served by a storage node; Kafka lets a broker name them only in
 * controller.listener.names. */
static enum status check_listeners(const struct config *config, struct arena *arena, struct config_problem *problem)
{
    size_t count;
    size_t name_count;
    const struct config_listener *listeners = server_config_listeners(config, arena, &count);
    const struct string *names = config_list(config, "controller.listener.names", &name_count);

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < name_count; k++) {
            if (string_equal(listeners[i].name, names[k])) {
                config_problem_set(problem, "listeners: %.*s is a controllers' listener (controller.listener.names)",
                                   STRING_ARGS(names[k]));
                return STATUS_INVALID;
            }
        }
    }
    return STATUS_OK;
}

static enum status node_config_check(const struct config *config, struct arena *arena, struct config_problem *problem)
{
    enum status status = server_config_check(config, arena, "broker", problem);

    if (status == STATUS_OK) {
        status = check_listeners(config, arena, problem);
    }
    if (status == STATUS_OK) {
        status = check_directories(config, problem);
    }
    return status;
}

const struct config_schema *node_config_schema(void)
{
    static const struct config_schema schema = {
        .tables = {&server_identity_keys, &server_network_keys, &server_topic_keys, &node_keys},
        .other_role = &controller_keys,
        .foreign = server_foreign_keys,
        .check = node_config_check,
    };

    return &schema;
}
