/* From configuration to options. */
#include "controller/controller.h"

#include "common/config/controller_config.h"

/* Batches for nodes that follow the log: a node that was away for minutes still finds its place. */
#define LOG_BYTES_MAX ((size_t)64 * 1024 * 1024)

static bool copy_text(char *into, size_t size, struct string text)
{
    if (text.size >= size) {
        return false;
    }
    if (text.size > 0) {
        memcpy(into, text.data, text.size);
    }
    into[text.size] = '\0';
    return true;
}

static enum status read_voters(const struct config *config, struct arena *arena, struct controller_options *options,
                               struct config_problem *problem)
{
    size_t count;
    const struct config_voter *voters = server_config_voters(config, arena, &count);

    if (count == 0 || count > QUORUM_VOTERS_MAX) {
        config_problem_set(problem, "controller.quorum.voters: %zu controllers are given; 1 to %d can be", count,
                           QUORUM_VOTERS_MAX);
        return STATUS_INVALID;
    }
    options->voter_count = (int)count;
    for (size_t i = 0; i < count; i++) {
        options->voters[i].id = voters[i].id;
        options->voters[i].port = voters[i].address.port;
        if (!copy_text(options->voters[i].host, sizeof(options->voters[i].host), voters[i].address.host)) {
            config_problem_set(problem, "controller.quorum.voters: a host name is too long");
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static enum status read_listeners(const struct config *config, struct arena *arena, struct controller_options *options,
                                  struct config_problem *problem)
{
    size_t count;
    size_t name_count;
    const struct config_listener *listeners = server_config_listeners(config, arena, &count);
    const struct string *names = config_list(config, "controller.listener.names", &name_count);

    if (count > CONTROLLER_LISTENERS_MAX) {
        config_problem_set(problem, "listeners: %zu are given; at most %d can be", count, CONTROLLER_LISTENERS_MAX);
        return STATUS_INVALID;
    }
    options->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        options->listeners[i].port = listeners[i].address.port;
        if (!copy_text(options->listeners[i].host, sizeof(options->listeners[i].host), listeners[i].address.host)) {
            config_problem_set(problem, "listeners: a host name is too long");
            return STATUS_INVALID;
        }
    }
    if (!copy_text(options->listener_name, sizeof(options->listener_name),
                   name_count > 0 ? names[0] : listeners[0].name)) {
        config_problem_set(problem, "controller.listener.names: the name is too long");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status controller_options_read(const struct config *config, struct arena *arena,
                                    struct controller_options *options,
                                    struct config_problem *problem)
{
    const char *cluster_id = config_string(config, "cluster.id");
    const int64_t idle_ms = config_int64(config, "connections.max.idle.ms");
    enum status status;

    *options = (struct controller_options){
        .id = config_int32(config, "node.id"),
        .directory = controller_config_directory(config),
        .config = config,
        .election_timeout_ms = (uint32_t)config_int32(config, "controller.quorum.election.timeout.ms"),
        .heartbeat_ms = (uint32_t)config_int32(config, "quorum.heartbeat.ms"),
        .broker_session_timeout_ms = (uint32_t)config_int32(config, "broker.session.timeout.ms"),
        .snapshot_bytes = (uint64_t)config_int64(config, "metadata.log.max.record.bytes.between.snapshots"),
        .snapshot_interval_ms = (uint32_t)config_int64(config, "metadata.log.max.snapshot.interval.ms"),
        .log_bytes_max = LOG_BYTES_MAX,
        .request_timeout_ms = (uint32_t)config_int32(config, "request.timeout.ms"),
        .frame_size_max = (uint32_t)config_int32(config, "socket.request.max.bytes"),
        .receive_bytes_max = (size_t)config_int64(config, "queued.max.request.bytes"),
        .idle_ms_max = idle_ms > 0 ? (uint64_t)idle_ms : 0,
        .connections_max = (uint32_t)config_int32(config, "max.connections"),
        .connections_per_address_max = server_config_connections_per_address(config),
        .sockets = server_config_sockets(config),
    };
    if (cluster_id != NULL && uuid_parse(string_of(cluster_id), &options->cluster_id) != STATUS_OK) {
        config_problem_set(problem, "cluster.id: \"%s\" is not 22 characters of URL-safe base64", cluster_id);
        return STATUS_INVALID;
    }
    status = read_voters(config, arena, options, problem);
    return status == STATUS_OK ? read_listeners(config, arena, options, problem) : status;
}
