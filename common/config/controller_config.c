/* The controller's own keys and the rules between them. */
#include "common/config/controller_config.h"

#include "common/config/node_config.h"

#define NONE CONFIG_FLAG_NONE
#define OWN CONFIG_FLAG_OWN
#define PLAIN CONFIG_UNIT_NONE
#define BYTES CONFIG_UNIT_BYTES
#define MS CONFIG_UNIT_MS

static const struct config_definition rows[] = {
    CONFIG_LIST("listeners", NONE, "CONTROLLER://localhost:9093", NULL, config_check_listeners,
                "Where storage nodes, other controllers and the command line connect, as NAME://host:port; an empty "
                "host is every interface."),
    CONFIG_LIST("advertised.listeners", NONE, NULL, NULL, config_check_listeners,
                "What others are told to connect to, where that differs from listeners."),
    CONFIG_TEXT("log.dir", NONE, "/var/lib/millrace/controller", NULL,
                "Where the metadata log is kept, if neither metadata.log.dir nor log.dirs is given."),
    CONFIG_LIST("log.dirs", NONE, NULL, NULL, NULL,
                "The first of these holds the metadata log, if metadata.log.dir is not given."),
    CONFIG_TEXT("metadata.log.dir", NONE, NULL, NULL, "Where the metadata log and its snapshots are kept."),
    CONFIG_INT32("controller.quorum.election.timeout.ms", MS, NONE, "1000", 20, 60000,
                 "A controller that hears nothing from a leader for this long stands for election."),
    CONFIG_INT32("quorum.heartbeat.ms", MS, OWN, "100", 5, 30000,
                 "How often the leading controller tells the others that it lives."),
    CONFIG_INT64("metadata.log.max.record.bytes.between.snapshots", BYTES, NONE, "20971520", 1, INT64_MAX,
                 "Write a snapshot of the metadata after this many bytes of new records."),
    CONFIG_INT64("metadata.log.max.snapshot.interval.ms", MS, NONE, "3600000", 0, UINT32_MAX,
                 "Write a snapshot at the latest this long after new records; 0: by size only."),
    CONFIG_INT32("broker.session.timeout.ms", MS, NONE, "9000", 50, INT32_MAX,
                 "A storage node that sends no heartbeat for this long is fenced; its partitions get other leaders."),
};

const struct config_table controller_keys = {rows, ARRAY_COUNT(rows)};

const char *controller_config_directory(const struct config *config)
{
    const char *directory = config_string(config, "metadata.log.dir");
    size_t count;
    const struct string *dirs = config_list(config, "log.dirs", &count);

    if (directory != NULL) {
        return directory;
    }
    return count > 0 ? dirs[0].data : config_string(config, "log.dir");
}

static enum status check_voters(const struct config *config, struct arena *arena, struct config_problem *problem)
{
    const int32_t id = config_int32(config, "node.id");
    size_t count;
    const struct config_voter *voters = server_config_voters(config, arena, &count);

    for (size_t i = 0; i < count; i++) {
        if (voters[i].id == id) {
            return STATUS_OK;
        }
    }
    config_problem_set(problem, "controller.quorum.voters: this controller, node.id %d, is not one of them", (int)id);
    return STATUS_INVALID;
}

static enum status controller_config_check(const struct config *config, struct arena *arena,
                                           struct config_problem *problem)
{
    const int32_t heartbeat_ms = config_int32(config, "quorum.heartbeat.ms");
    const int32_t election_ms = config_int32(config, "controller.quorum.election.timeout.ms");
    enum status status = server_config_check(config, arena, "controller", problem);

    if (status == STATUS_OK) {
        status = check_voters(config, arena, problem);
    }
    if (status == STATUS_OK && (int64_t)heartbeat_ms * 2 > election_ms) {
        config_problem_set(problem,
                           "quorum.heartbeat.ms: %d is more than half of controller.quorum.election.timeout.ms, %d",
                           (int)heartbeat_ms, (int)election_ms);
        return STATUS_INVALID;
    }
    return status;
}

const struct config_schema *controller_config_schema(void)
{
    static const struct config_schema schema = {
        .tables = {&server_identity_keys, &server_network_keys, &server_topic_keys, &controller_keys},
        .other_role = &node_keys,
        .foreign = server_foreign_keys,
        .check = controller_config_check,
    };

    return &schema;
}
