/* A controller put together, and its stopping:
 *
 *     RUNNING --controller_stop--> HANDING_OVER --no longer active, or time is up--> CLOSING --all gone--> done
 *
 * CLOSING ends when the server with its connections and the machine with its way to the active controller are
 * closed. */
#include "controller/controller.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/config/controller_config.h"
#include "common/rpc/server.h"
#include "common/trace/trace.h"
#include "controller/api/api.h"
#include "controller/identity.h"
#include "controller/machine/machine.h"

#include <stdio.h>

/* Handing leadership over takes a round trip; a successor that is slower than this will have to be elected. */
#define HAND_OVER_NS (500 * NS_PER_MS)
/* Less room than this and the first preallocated log file would already fail. */
#define SPACE_MIN ((uint64_t)64 * 1024 * 1024)
#define REQUESTS_IN_FLIGHT_MAX 64
#define FORWARDED_MAX 4096

struct controller {
    struct env *env;
    struct controller_options options;
    struct file *lock;
    struct machine *machine;
    struct rpc_server *server;
    struct rpc_gate gate;
    struct rpc_upgrade upgrade;
    struct listener *listeners[CONTROLLER_LISTENERS_MAX];
    char quorum_directory[DISK_PATH_MAX];
    struct config_problem *creating; /* while controller_create runs */
    bool stopping;
    bool closing;
    int closing_left;
    struct env_timer hand_over_timer;
    struct env_hook close_hook;
    struct env_hook closed_hook;
    void (*stopped)(void *context);
    void *stopped_context;
};

/* The port is shared with the other controllers' quorum traffic. */

static void *raft_open(void *service, void (*close)(void *connection), void *connection)
{
    struct machine *machine = service;

    return machine->quorum == NULL ? NULL : quorum_inbound_open(machine->quorum, close, connection);
}

static bool raft_bytes(void *upgraded, struct bytes data)
{
    return quorum_inbound_bytes(upgraded, data);
}

static void raft_closed(void *upgraded)
{
    quorum_inbound_closed(upgraded);
}

static void on_fatal(void *context, const char *what, enum status why)
{
    struct controller *controller = context;

    if (controller->creating != NULL) {
        config_problem_set(controller->creating, "%s: %s", controller->quorum_directory, what);
        return;
    }
    controller->options.fatal(controller->options.context, what, why);
}

static void on_role(void *context)
{
    struct controller *controller = context;

    if (controller->stopping && !controller->closing && !controller->machine->active) {
        env_at_turn_end(controller->env, &controller->close_hook);
    }
}

static const struct machine_handler MACHINE_HANDLER = {.fatal = on_fatal, .role = on_role};

/* Creating. */

static enum status open_directory(struct controller *controller, struct config_problem *problem)
{
    const char *directory = controller->options.directory;
    struct disk *disk = controller->env->disk;
    struct disk_space space;
    char path[DISK_PATH_MAX];
    enum status status = disk_make_directories(disk, directory);

    if (status != STATUS_OK) {
        config_problem_set(problem,
                           "cannot use the directory %s: %s; set metadata.log.dir to one that this user may write to",
                           directory, status_text(status));
        return status;
    }
    snprintf(path, sizeof(path), "%s/.lock", directory);
    status = disk_lock(disk, path, &controller->lock);
    if (status == STATUS_LOCKED) {
        config_problem_set(problem, "%s is used by another process: is this controller running already?", directory);
        return status;
    }
    if (status != STATUS_OK) {
        config_problem_set(problem, "cannot lock %s: %s", path, status_text(status));
        return status;
    }
    status = disk_space(disk, directory, &space);
    if (status == STATUS_OK && space.usable < SPACE_MIN) {
        config_problem_set(problem,
                           "%s has %llu MiB left on its disk, and %llu MiB are needed: make room, or set "
                           "metadata.log.dir to another disk",
                           directory, (unsigned long long)(space.usable >> 20), (unsigned long long)(SPACE_MIN >> 20));
        return STATUS_NO_SPACE;
    }
    return STATUS_OK;
}

static void fill_machine_options(const struct controller *controller, struct uuid cluster_id,
                                 struct machine_options *machine)
{
    const struct controller_options *options = &controller->options;
    struct quorum_options *quorum = &machine->quorum;

    *machine = (struct machine_options){
        .config = options->config,
        .session_timeout_ns = options->broker_session_timeout_ms * NS_PER_MS,
        .log_bytes_max = options->log_bytes_max,
        .forward_timeout_ms = options->request_timeout_ms,
        .forwarded_max = FORWARDED_MAX,
    };
    uuid_format(cluster_id, machine->cluster_id);
    memcpy(machine->listener_name, options->listener_name, sizeof(machine->listener_name));
    quorum_options_init(quorum);
    quorum->id = options->id;
    memcpy(quorum->voters, options->voters, sizeof(quorum->voters));
    quorum->voter_count = options->voter_count;
    quorum->cluster_id = cluster_id;
    quorum->directory = controller->quorum_directory;
    quorum->election_timeout_ms = options->election_timeout_ms;
    quorum->heartbeat_ms = options->heartbeat_ms;
    quorum->snapshot_bytes = options->snapshot_bytes;
    quorum->segment_bytes = options->segment_bytes > 0 ? options->segment_bytes : quorum->segment_bytes;
    quorum->snapshot_interval_ms = options->snapshot_interval_ms;
}

static void make_server(struct controller *controller)
{
    const struct controller_options *options = &controller->options;
    struct rpc_server_options server = {
        .service = controller->machine,
        .frame_size_max = options->frame_size_max,
        .requests_in_flight_max = REQUESTS_IN_FLIGHT_MAX,
        .receive_bytes_max = options->receive_bytes_max,
        .idle_ns_max = options->idle_ms_max * NS_PER_MS,
        .upgrade = &controller->upgrade,
    };

    controller->upgrade = (struct rpc_upgrade){
        .preface = bytes_of(quorum_preamble, QUORUM_PREAMBLE_SIZE),
        .open = raft_open,
        .bytes = raft_bytes,
        .closed = raft_closed,
    };
    server.routes = api_routes(&server.route_count);
    controller->server = rpc_server_create(controller->env, &server);
    rpc_gate_init(&controller->gate, controller->env, options->connections_max, options->connections_per_address_max);
}

static void close_now(void *context);
static void all_closed(void *context);

enum status controller_create(struct env *env, const struct controller_options *options, struct controller **out,
                              struct config_problem *problem)
{
    struct controller *controller = memory_alloc_zero(1, sizeof(*controller));
    struct machine_options machine;
    struct uuid cluster_id = options->cluster_id;
    enum status status;

    *out = NULL;
    controller->env = env;
    controller->options = *options;
    controller->creating = problem;
    env_timer_init(&controller->hand_over_timer, close_now, controller);
    env_hook_init(&controller->close_hook, close_now, controller);
    env_hook_init(&controller->closed_hook, all_closed, controller);
    snprintf(controller->quorum_directory, sizeof(controller->quorum_directory), "%.4000s/quorum", options->directory);
    status = open_directory(controller, problem);
    if (status == STATUS_OK) {
        status = identity_settle(env, options->directory, options->id, options->voter_count == 1, &cluster_id, problem);
    }
    if (status == STATUS_OK) {
        controller->options.cluster_id = cluster_id;
        fill_machine_options(controller, cluster_id, &machine);
        status = machine_create(env, &machine, &MACHINE_HANDLER, controller, &controller->machine);
    }
    if (status != STATUS_OK) {
        file_unref(controller->lock);
        memory_free(controller);
        return status;
    }
    make_server(controller);
    controller->creating = NULL;
    *out = controller;
    return STATUS_OK;
}

/* Listening. */

static void on_accepted(void *context, struct net_accepted *accepted)
{
    struct controller *controller = context;

    struct rpc_place *place = rpc_gate_enter(&controller->gate, accepted);

    if (place == NULL) {
        net_refuse(controller->env->net, accepted);
        return;
    }
    rpc_server_adopt(controller->server, accepted, 0, place);
}

static void close_listeners(struct controller *controller)
{
    for (size_t i = 0; i < controller->options.listener_count; i++) {
        if (controller->listeners[i] != NULL) {
            listener_close(controller->listeners[i]);
            controller->listeners[i] = NULL;
        }
    }
}

enum status controller_start(struct controller *controller, struct config_problem *problem)
{
    const struct controller_options *options = &controller->options;

    for (size_t i = 0; i < options->listener_count; i++) {
        const struct controller_listener *wanted = &options->listeners[i];
        const enum status status = net_listen(controller->env->net, wanted->host, wanted->port, on_accepted, controller,
                                              &controller->listeners[i]);

        if (status != STATUS_OK) {
            config_problem_set(problem, "cannot listen on %s:%u: %s; %s", wanted->host, (unsigned)wanted->port,
                               status_text(status),
                               status == STATUS_ADDRESS_IN_USE ? "stop that process, or change the port in listeners"
                                                               : "check the host in listeners");
            controller->listeners[i] = NULL;
            close_listeners(controller);
            return status;
        }
        listener_tune(controller->listeners[i], &options->sockets);
    }
    trace_info("controller_started", T_INT("node", options->id), T_UUID("cluster", options->cluster_id),
               T_UINT("voters", (uint64_t)options->voter_count), T_UINT("port", controller_port(controller, 0)),
               T_INT("offset", image_offset(controller->machine->image)));
    return STATUS_OK;
}

/* Stopping. */

static void all_closed(void *context)
{
    struct controller *controller = context;

    trace_info("controller_stopped", T_INT("node", controller->options.id));
    controller->stopped(controller->stopped_context);
}

/* May come from inside of what was closed, so the owner hears of it at the end of the turn. */
static void part_closed(void *context)
{
    struct controller *controller = context;

    ASSERT(controller->closing_left > 0);
    if (--controller->closing_left == 0) {
        env_at_turn_end(controller->env, &controller->closed_hook);
    }
}

static void close_now(void *context)
{
    struct controller *controller = context;

    if (controller->closing) {
        return;
    }
    controller->closing = true;
    controller->closing_left = 2;
    env_timer_stop(controller->env, &controller->hand_over_timer);
    close_listeners(controller);
    machine_close(controller->machine, part_closed, controller);
    rpc_server_stop(controller->server, part_closed, controller);
}

void controller_stop(struct controller *controller, void (*done)(void *context), void *context)
{
    ASSERT(!controller->stopping);
    controller->stopping = true;
    controller->stopped = done;
    controller->stopped_context = context;
    if (controller->machine->active && controller->options.voter_count > 1) {
        env_timer_start(controller->env, &controller->hand_over_timer, HAND_OVER_NS);
        quorum_resign(controller->machine->quorum);
    } else {
        env_at_turn_end(controller->env, &controller->close_hook);
    }
}

void controller_destroy(struct controller *controller)
{
    ASSERT(controller->closing_left == 0);
    env_hook_cancel(&controller->close_hook);
    env_hook_cancel(&controller->closed_hook);
    env_timer_stop(controller->env, &controller->hand_over_timer);
    rpc_server_destroy(controller->server);
    rpc_gate_deinit(&controller->gate);
    machine_destroy(controller->machine);
    file_unref(controller->lock);
    memory_free(controller);
}

/* Queries. */

uint16_t controller_port(const struct controller *controller, size_t index)
{
    ASSERT(index < controller->options.listener_count);
    return listener_port(controller->listeners[index]);
}

bool controller_is_active(const struct controller *controller)
{
    return machine_is_active(controller->machine);
}

const struct image *controller_image(const struct controller *controller)
{
    return controller->machine->image;
}

struct uuid controller_cluster_id(const struct controller *controller)
{
    return controller->options.cluster_id;
}

void controller_quorum_status(const struct controller *controller, struct quorum_status *status)
{
    quorum_status_get(controller->machine->quorum, status);
}

const struct quorum *controller_quorum(const struct controller *controller)
{
    return controller->machine->quorum;
}
