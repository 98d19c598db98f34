/* Members of a local cluster, started, watched and stopped: see dev_control.h. */
#include "cli/dev_control.h"

#include "cli/session.h"
#include "common/base/memory.h"
#include "common/metadata/records.h"
#include "common/wire/error.h"
#include "wire/describe_cluster.h"
#include "wire/describe_quorum.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PORT_WAIT_MS 5000
#define PORT_WAIT_STEP_MS 20
#define READY_POLL_MS 50
#define STOP_TIMEOUT_MS 30000
#define STATE_SIZE_MAX 65536

bool dev_make_directory(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST) {
        return true;
    }
    cli_error("cannot make the directory %s: %s", path, strerror(errno));
    cli_hint("choose another one with --dir");
    return false;
}

bool dev_write_text(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "we");

    if (file != NULL && fwrite(text.data, 1, text.size, file) == text.size) {
        if (fclose(file) == 0) {
            return true;
        }
        file = NULL;
    }
    cli_error("cannot write %s: %s", path, strerror(errno));
    cli_hint("check free space and rights of the directory");
    if (file != NULL) {
        (void)fclose(file);
    }
    return false;
}

int dev_lock(const struct dev_cluster *cluster)
{
    char path[DEV_PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s/lock", cluster->directory);
    const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (descriptor < 0 || flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        cli_error("cannot lock %s: %s", path, strerror(errno));
        cli_hint("another millrace dev command is at work there; wait for it");
        if (descriptor >= 0) {
            close(descriptor);
        }
        return -1;
    }
    return descriptor;
}

/* Reads the state file. NOT_FOUND without an error line; else says what is wrong. */
enum status dev_cluster_load(struct dev_cluster *cluster)
{
    char path[DEV_PATH_MAX + 16];
    char *text;

    snprintf(path, sizeof(path), "%s/cluster", cluster->directory);
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return STATUS_NOT_FOUND;
    }
    text = memory_alloc(STATE_SIZE_MAX);
    const size_t size = fread(text, 1, STATE_SIZE_MAX, file);

    (void)fclose(file);
    const enum status status = dev_cluster_parse((struct string){text, size}, cluster);

    memory_free(text);
    if (status != STATUS_OK) {
        cli_error("%s is damaged", path);
        cli_hint("stop the processes by hand and remove the directory");
    }
    return status;
}

/* Whether `path` is a program; false after an error line. */
static bool find_program(enum dev_role role, char path[DEV_PATH_MAX])
{
    const ssize_t size = readlink("/proc/self/exe", path, DEV_PATH_MAX - 64);
    char *slash;

    if (size > 0) {
        path[size] = '\0';
        slash = strrchr(path, '/');
        snprintf(slash + 1, 32, "millrace-%s", dev_role_name(role));
        if (access(path, X_OK) == 0) {
            return true;
        }
    }
    cli_error("there is no program millrace-%s beside this one (%s)", dev_role_name(role), path);
    cli_hint("build it: ninja millrace-%s", dev_role_name(role));
    return false;
}

/* Prints the last `lines` of a file, each behind `prefix`. */
void dev_print_tail(const char *path, const char *prefix, int64_t lines, FILE *out)
{
    FILE *file = fopen(path, "re");
    char piece[1024]; /* of a line, or all of it */
    int64_t count = 0;
    bool begins = true;

    if (file == NULL) {
        return;
    }
    while (fgets(piece, sizeof(piece), file) != NULL) {
        count += strchr(piece, '\n') != NULL;
    }
    rewind(file);
    while (fgets(piece, sizeof(piece), file) != NULL) {
        const bool ends = strchr(piece, '\n') != NULL;

        if (count <= lines) {
            fprintf(out, "%s%s", begins ? prefix : "", piece);
        }
        begins = ends;
        count -= ends;
    }
    (void)fclose(file);
}

/* A killed process may be gone by all signs while one of its threads still waits for the disk, and with it the
 * socket. */
static bool port_becomes_free(uint16_t port)
{
    for (uint32_t waited_ms = 0; dev_port_busy(NULL, port); waited_ms += PORT_WAIT_STEP_MS) {
        const struct timespec step = {.tv_nsec = PORT_WAIT_STEP_MS * 1000000L};

        if (waited_ms >= PORT_WAIT_MS) {
            return false;
        }
        nanosleep(&step, NULL);
    }
    return true;
}

bool dev_start(const struct dev_cluster *cluster, const struct dev_member *member)
{
    char program[DEV_PATH_MAX];
    char config[DEV_PATH_MAX];
    char log[DEV_PATH_MAX];
    char pid_path[DEV_PATH_MAX];
    char name[32];
    struct process_id id;
    int failed;

    dev_member_name(member, name);
    if (!find_program(member->role, program)) {
        return false;
    }
    if (!port_becomes_free(member->port)) {
        cli_error("cannot start %s: port %u is taken", name, member->port);
        cli_hint("find who listens there: ss -ltnp 'sport = :%u'", member->port);
        return false;
    }
    dev_member_path(cluster, member, ".properties", config);
    dev_member_path(cluster, member, ".log", log);
    dev_member_path(cluster, member, ".pid", pid_path);
    char option[] = "--config";
    char *argv[] = {program, option, config, NULL};
    enum status status = process_start(program, argv, log, &id, &failed);

    if (status == STATUS_OK) {
        status = process_file_write(pid_path, id);
    }
    if (status != STATUS_OK) {
        cli_error("cannot start %s: %s", name, failed != 0 ? strerror(failed) : status_text(status));
        cli_hint("its log may say more: %s", log);
        dev_print_tail(log, "    ", LOG_LINES_DEFAULT, stderr);
    }
    return status == STATUS_OK;
}

/* Members that were started and run no more: says so with the end of their logs. */
static bool all_alive(const struct dev_cluster *cluster, const bool *expected)
{
    bool alive = true;

    for (size_t i = 0; i < cluster->member_count; i++) {
        const struct dev_member *member = &cluster->members[i];
        struct process_id id;
        char log[DEV_PATH_MAX];
        char name[32];

        if (!expected[i] || dev_member_process(cluster, member, &id)) {
            continue;
        }
        alive = false;
        dev_member_path(cluster, member, ".log", log);
        cli_error("%s has ended; the last lines of %s:", dev_member_name(member, name), log);
        dev_print_tail(log, "    ", LOG_LINES_DEFAULT, stderr);
        dev_member_path(cluster, member, ".properties", log);
        cli_hint("correct the cause (its settings: %s), then: millrace dev up", log);
    }
    return alive;
}

/* How many nodes `member`, a node, lists as alive; -1 if it does not answer yet. */
static int nodes_seen(struct session *session, const struct dev_member *member)
{
    const struct address address = {.host = DEV_HOST, .port = member->port};
    struct server *server = server_at(session, &address);
    struct describe_cluster_request request;
    struct reply reply;
    int seen = -1;

    if (!server_wait(server, 1000)) {
        return -1;
    }
    describe_cluster_request_init(&request);
    if (server_call(server, API_DESCRIBE_CLUSTER, VERSION_ANY, &request, &reply) == STATUS_OK) {
        const struct describe_cluster_response *body = reply_body(&reply);

        /* Without include_fenced_brokers only nodes that serve are listed. */
        seen = body->error_code == ERROR_NONE ? body->brokers_count : -1;
    }
    reply_deinit(&reply);
    return seen;
}

/* True if `member`, a controller, answers, and knows who is active where a majority runs. */
static bool controller_ready(struct session *session, const struct dev_member *member, bool majority)
{
    const struct address address = {.host = DEV_HOST, .port = member->port};
    struct server *server = server_at(session, &address);
    struct describe_quorum_request_topics_partitions partition = {.partition_index = 0};
    struct describe_quorum_request_topics topic = {
        .topic_name = STRING(CLUSTER_METADATA_TOPIC), .partitions_count = 1, .partitions = &partition};
    struct describe_quorum_request request = {.topics_count = 1, .topics = &topic};
    struct reply reply;
    bool ready = false;

    if (!server_wait(server, 1000) || !majority) {
        return server_wait(server, 1000);
    }
    if (server_call(server, API_DESCRIBE_QUORUM, VERSION_ANY, &request, &reply) == STATUS_OK) {
        const struct describe_quorum_response *body = reply_body(&reply);

        ready = body->error_code == ERROR_NONE && body->topics_count == 1 && body->topics[0].partitions_count == 1 &&
                body->topics[0].partitions[0].error_code == ERROR_NONE;
    }
    reply_deinit(&reply);
    return ready;
}

static size_t count_members(const struct dev_cluster *cluster, enum dev_role role, const bool *which)
{
    size_t count = 0;

    for (size_t i = 0; i < cluster->member_count; i++) {
        count += cluster->members[i].role == role && (which == NULL || which[i]);
    }
    return count;
}

/* The first expected member that does not do its part yet, and why; NULL if there is none. */
static const struct dev_member *find_unready(struct session *session, const struct dev_cluster *cluster,
                                             const bool *expected, const char **why)
{
    const size_t nodes = count_members(cluster, DEV_NODE, expected);
    const bool majority =
        count_members(cluster, DEV_CONTROLLER, expected) * 2 > count_members(cluster, DEV_CONTROLLER, NULL);

    for (size_t i = 0; i < cluster->member_count; i++) {
        const struct dev_member *member = &cluster->members[i];

        if (!expected[i]) {
            continue;
        }
        if (member->role == DEV_CONTROLLER) {
            *why = "does not answer, or knows no active controller";
            if (!controller_ready(session, member, majority)) {
                return member;
            }
            continue;
        }
        const int seen = nodes_seen(session, member);

        *why = seen < 0 ? "does not answer" : "does not list all nodes yet";
        if (seen < (int)nodes) {
            return member;
        }
    }
    return NULL;
}

uint64_t dev_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool dev_wait_ready(struct cli *cli, const struct dev_cluster *cluster, const bool *expected)
{
    struct session *session = cli_session(cli);
    const uint64_t deadline = dev_now_ms() + cli->timeout_ms;

    if (session == NULL) {
        return false;
    }
    for (;;) {
        const char *why = "";
        const struct dev_member *unready = find_unready(session, cluster, expected, &why);
        char name[32];

        if (unready == NULL) {
            return true;
        }
        if (!all_alive(cluster, expected)) {
            return false;
        }
        if (dev_now_ms() > deadline) {
            cli_error("the cluster is not ready after %u s: %s %s", cli->timeout_ms / 1000,
                      dev_member_name(unready, name), why);
            cli_hint("look into the logs: millrace dev logs; or wait longer: --timeout");
            return false;
        }
        session_sleep(session, READY_POLL_MS);
    }
}

/* Asks a member to stop and waits; true if it has ended (or never ran). */
bool dev_stop(const struct dev_cluster *cluster, const struct dev_member *member)
{
    struct process_id id;
    char name[32];

    if (!dev_member_process(cluster, member, &id)) {
        return true;
    }
    if (process_signal(id, SIGTERM) == STATUS_OK && process_wait(id, STOP_TIMEOUT_MS)) {
        return true;
    }
    cli_error("%s (process %d) has not ended %d s after SIGTERM", dev_member_name(member, name), id.pid,
              STOP_TIMEOUT_MS / 1000);
    cli_hint("millrace dev kill %s", name);
    return false;
}
