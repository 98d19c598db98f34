/* millrace dev: a local cluster of plain processes. See dev_cluster.h for its files and dev_process.h for how a process
 * is found again.
 *
 *     up       plan (first time) -> write properties -> start what does not run -> wait until all nodes are listed
 *     restart  SIGTERM, wait, start, wait until the node is back
 *     kill     SIGKILL, as a power cut would                     down  SIGTERM to all, wait, report */
#include "cli/commands.h"
#include "cli/dev_control.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_DEFAULT ".local"
#define KILL_TIMEOUT_MS 5000

/* Sets cluster->directory; false after an error line. */
static bool find_directory(const struct cli *cli, struct dev_cluster *cluster, bool make)
{
    const char *path = arguments_value(&cli->arguments, "dir");
    char absolute[PATH_MAX];

    path = path != NULL ? path : DIRECTORY_DEFAULT;
    if (make && !dev_make_directory(path)) {
        return false;
    }
    /* Room for the longest name below it. */
    if (realpath(path, absolute) == NULL || strlen(absolute) > DEV_PATH_MAX - 64) {
        cli_error("no local cluster in %s", path);
        cli_hint("start one: millrace dev up; or name its directory with --dir");
        return false;
    }
    memcpy(cluster->directory, absolute, strlen(absolute) + 1);
    return true;
}

/* For commands that need a cluster that exists. */
static bool open_cluster(const struct cli *cli, struct dev_cluster *cluster)
{
    if (!find_directory(cli, cluster, false)) {
        return false;
    }
    const enum status status = dev_cluster_load(cluster);

    if (status == STATUS_NOT_FOUND) {
        cli_error("no local cluster in %s", cluster->directory);
        cli_hint("start one: millrace dev up");
    }
    return status == STATUS_OK;
}

static uint64_t random_u64(void *context)
{
    uint64_t value = 0;

    (void)context;
    if (getentropy(&value, sizeof(value)) != 0) {
        value = dev_now_ms();
    }
    return value;
}

/* The lines of --set or --set-controller, each "key=value". */
static bool extra_properties(const struct cli *cli, const char *option, struct buffer *out)
{
    size_t at = 0;

    for (const char *pair; (pair = arguments_next(&cli->arguments, option, &at)) != NULL;) {
        if (strchr(pair, '=') == NULL || strchr(pair, '\n') != NULL) {
            cli_error("--%s: \"%s\" is not KEY=VALUE", option, pair);
            return false;
        }
        buffer_append_format(out, "%s\n", pair);
    }
    return true;
}

static bool write_members(const struct cli *cli, const struct dev_cluster *cluster)
{
    struct buffer extra[2];
    struct buffer text;
    bool ok;

    buffer_init(&extra[DEV_CONTROLLER]);
    buffer_init(&extra[DEV_NODE]);
    buffer_init(&text);
    ok = extra_properties(cli, "set-controller", &extra[DEV_CONTROLLER]) &&
         extra_properties(cli, "set", &extra[DEV_NODE]);
    for (size_t i = 0; i < cluster->member_count && ok; i++) {
        const struct dev_member *member = &cluster->members[i];
        char path[DEV_PATH_MAX];
        char data[DEV_PATH_MAX + 64];

        buffer_clear(&text);
        dev_member_properties(cluster, member,
                              (struct string){(const char *)extra[member->role].data, extra[member->role].size}, &text);
        dev_member_path(cluster, member, ".properties", path);
        snprintf(data, sizeof(data), "%s/data/%s-%d", cluster->directory, dev_role_name(member->role), member->id);
        ok = dev_write_text(path, buffer_bytes(&text)) && dev_make_directory(data);
    }
    buffer_deinit(&text);
    buffer_deinit(&extra[DEV_CONTROLLER]);
    buffer_deinit(&extra[DEV_NODE]);
    return ok;
}

/* The profile comes last in a first `up`, so that it never names ports that nobody chose. */
static bool write_state(const struct cli *cli, const struct dev_cluster *cluster)
{
    char path[DEV_PATH_MAX + 16];
    struct buffer text;
    bool ok;

    buffer_init(&text);
    snprintf(path, sizeof(path), "%s/data", cluster->directory);
    ok = dev_make_directory(path) && write_members(cli, cluster);
    dev_cluster_format(cluster, &text);
    snprintf(path, sizeof(path), "%s/cluster", cluster->directory);
    ok = ok && dev_write_text(path, buffer_bytes(&text));
    buffer_clear(&text);
    buffer_append_format(&text, "# Written by millrace dev up.\nbootstrap=");
    dev_cluster_addresses(cluster, DEV_NODE, &text);
    buffer_append_format(&text, "\ncontrollers=");
    dev_cluster_addresses(cluster, DEV_CONTROLLER, &text);
    buffer_append_format(&text, "\n");
    snprintf(path, sizeof(path), "%s/profile", cluster->directory);
    ok = ok && dev_write_text(path, buffer_bytes(&text));
    buffer_deinit(&text);
    return ok;
}

static bool plan_cluster(const struct cli *cli, struct dev_cluster *cluster)
{
    int64_t controllers;
    int64_t nodes;
    int64_t port;

    if (!cli_option_integer(cli, "controllers", 1, 9, 3, &controllers) ||
        !cli_option_integer(cli, "nodes", 1, 20, 3, &nodes) ||
        !cli_option_integer(cli, "port", 1024, 60000, 9092, &port)) {
        return false;
    }
    uuid_format(uuid_random(random_u64, NULL), cluster->cluster_id);
    const struct dev_layout layout = {(int)controllers, (int)nodes, (uint16_t)port};

    if (dev_cluster_plan(cluster, &layout, dev_port_busy, NULL) != STATUS_OK) {
        cli_error("no free ports from %u on", layout.port);
        cli_hint("choose others with --port, or start fewer members");
        return false;
    }
    return write_state(cli, cluster);
}

/* An existing cluster keeps its size; asking for another one is an error rather than a surprise. */
static bool sizes_fit(const struct cli *cli, const struct dev_cluster *cluster)
{
    const char *const options[2] = {"controllers", "nodes"};
    int64_t counts[2] = {0, 0};

    for (size_t i = 0; i < cluster->member_count; i++) {
        counts[cluster->members[i].role]++;
    }
    for (int role = 0; role < 2; role++) {
        int64_t asked;

        if (!cli_option_integer(cli, options[role], 1, 100, counts[role], &asked)) {
            return false;
        }
        if (asked != counts[role]) {
            cli_error("the cluster in %s has %d %s, not %d", cluster->directory, (int)counts[role], options[role],
                      (int)asked);
            cli_hint("remove it first (millrace dev down --purge), or choose another directory with --dir");
            return false;
        }
    }
    return true;
}

static void report_cluster(struct cli *cli, const struct dev_cluster *cluster, uint64_t took_ms)
{
    struct buffer nodes;
    struct buffer controllers;

    buffer_init(&nodes);
    buffer_init(&controllers);
    dev_cluster_addresses(cluster, DEV_NODE, &nodes);
    dev_cluster_addresses(cluster, DEV_CONTROLLER, &controllers);
    if (cli->json) {
        struct json_writer *json = cli_json_begin(cli);

        json_member_string(json, "bootstrap", (struct string){(const char *)nodes.data, nodes.size});
        json_member_string(json, "controllers", (struct string){(const char *)controllers.data, controllers.size});
        json_member_text(json, "cluster_id", cluster->cluster_id);
        json_member_text(json, "directory", cluster->directory);
        json_member_number(json, "ready_ms", (int64_t)took_ms);
        cli_json_end(cli);
    } else {
        buffer_append_format(&cli->text,
                             "Ready in %.1f s\nClients      %.*s\nControllers  %.*s\nData, logs   %s\n"
                             "Next         millrace topic create hello --partitions 3\n"
                             "             echo 'Hello, stream!' | millrace produce hello\n"
                             "             millrace consume hello --from beginning --exit\n"
                             "Stop         millrace dev down       remove data too: millrace dev down --purge\n",
                             (double)took_ms / 1000, (int)nodes.size, (const char *)nodes.data, (int)controllers.size,
                             (const char *)controllers.data, cluster->directory);
        (void)cli_print(buffer_bytes(&cli->text));
        if (arguments_has(&cli->arguments, "dir")) {
            cli_note("Other commands find this cluster by: export MILLRACE_BOOTSTRAP=%.*s MILLRACE_CONTROLLERS=%.*s",
                     (int)nodes.size, (const char *)nodes.data, (int)controllers.size, (const char *)controllers.data);
        }
    }
    buffer_deinit(&nodes);
    buffer_deinit(&controllers);
}

static bool start_all(const struct dev_cluster *cluster)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        struct process_id id;

        if (!dev_member_process(cluster, &cluster->members[i], &id) && !dev_start(cluster, &cluster->members[i])) {
            return false;
        }
    }
    return true;
}

int dev_up_command(struct cli *cli)
{
    const uint64_t began_ms = dev_now_ms();
    struct dev_cluster cluster;
    bool expected[DEV_MEMBERS_MAX];
    bool ok = false;

    if (!find_directory(cli, &cluster, true)) {
        return EXIT_FAILED;
    }
    const int lock = dev_lock(&cluster);

    if (lock < 0) {
        return EXIT_FAILED;
    }
    const enum status status = dev_cluster_load(&cluster);

    if (status == STATUS_NOT_FOUND) {
        ok = plan_cluster(cli, &cluster);
    } else if (status == STATUS_OK) {
        ok = sizes_fit(cli, &cluster);
    }
    if (ok) {
        memset(expected, true, sizeof(expected));
        ok = start_all(&cluster) && dev_wait_ready(cli, &cluster, expected);
    }
    if (ok) {
        report_cluster(cli, &cluster, dev_now_ms() - began_ms);
    }
    close(lock);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Removes what `up` has made, and nothing else that somebody put into the directory. */
static bool purge(const struct dev_cluster *cluster)
{
    static const char *const suffixes[] = {".properties", ".log", ".pid"};
    static const char *const names[] = {"cluster", "profile", "lock"};
    char path[DEV_PATH_MAX + 16];

    for (size_t i = 0; i < cluster->member_count; i++) {
        for (size_t k = 0; k < ARRAY_COUNT(suffixes); k++) {
            dev_member_path(cluster, &cluster->members[i], suffixes[k], path);
            (void)unlink(path);
        }
    }
    for (size_t k = 0; k < ARRAY_COUNT(names); k++) {
        snprintf(path, sizeof(path), "%s/%s", cluster->directory, names[k]);
        (void)unlink(path);
    }
    snprintf(path, sizeof(path), "%s/data", cluster->directory);
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        cli_error("cannot remove %s: %s", path, strerror(errno));
        return false;
    }
    (void)rmdir(cluster->directory);
    return true;
}

int dev_down_command(struct cli *cli)
{
    struct dev_cluster cluster;
    struct process_id id;
    size_t stopped = 0;
    bool ok = true;

    if (!open_cluster(cli, &cluster)) {
        return EXIT_FAILED;
    }
    const int lock = dev_lock(&cluster);

    if (lock < 0) {
        return EXIT_FAILED;
    }
    /* Nodes before controllers: a node that leaves in order tells them. All nodes are told at once. */
    for (int role = DEV_NODE; role >= DEV_CONTROLLER; role--) {
        for (size_t i = 0; i < cluster.member_count; i++) {
            if ((int)cluster.members[i].role == role && dev_member_process(&cluster, &cluster.members[i], &id)) {
                stopped += process_signal(id, SIGTERM) == STATUS_OK;
            }
        }
        for (size_t i = 0; i < cluster.member_count; i++) {
            if ((int)cluster.members[i].role == role) {
                ok = dev_stop(&cluster, &cluster.members[i]) && ok;
            }
        }
    }
    const bool remove_all = ok && arguments_has(&cli->arguments, "purge");

    if (remove_all) {
        ok = purge(&cluster);
    }
    if (cli->json) {
        struct json_writer *json = cli_json_begin(cli);

        json_member_number(json, "stopped", (int64_t)stopped);
        json_member_bool(json, "purged", remove_all && ok);
        cli_json_end(cli);
    } else {
        cli_note("%zu of %zu processes stopped%s", stopped, cluster.member_count,
                 remove_all ? ", data removed" : ok ? "; data kept (remove it: dev down --purge)" : "");
    }
    close(lock);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int dev_status_command(struct cli *cli)
{
    struct dev_cluster cluster;
    struct table table;
    struct json_writer *json = NULL;
    bool all = true;

    if (!open_cluster(cli, &cluster)) {
        return EXIT_FAILED;
    }
    table_init(&table, "ROLE ID> STATE PID> ADDRESS LOG");
    if (cli->json) {
        json = cli_json_begin(cli);
        json_member_text(json, "cluster_id", cluster.cluster_id);
        json_name(json, "members");
        json_begin_array(json);
    }
    for (size_t i = 0; i < cluster.member_count; i++) {
        const struct dev_member *member = &cluster.members[i];
        struct process_id id;
        const bool runs = dev_member_process(&cluster, member, &id);
        char log[DEV_PATH_MAX];

        all = all && runs;
        dev_member_path(&cluster, member, ".log", log);
        if (json != NULL) {
            json_begin_object(json);
            json_member_text(json, "role", dev_role_name(member->role));
            json_member_number(json, "id", member->id);
            json_member_bool(json, "running", runs);
            json_member_number(json, "pid", runs ? id.pid : -1);
            json_member_number(json, "port", member->port);
            json_member_text(json, "log", log);
            json_end_object(json);
        }
        table_cell(&table, "%s", dev_role_name(member->role));
        table_cell(&table, "%d", member->id);
        table_cell(&table, "%s", runs ? "running" : "stopped");
        table_cell(&table, runs ? "%d" : "-", runs ? id.pid : 0);
        table_cell(&table, DEV_HOST ":%u", member->port);
        table_cell(&table, "%s", log);
    }
    if (json != NULL) {
        json_end_array(json);
        cli_json_end(cli);
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
    return all ? EXIT_DONE : EXIT_FAILED;
}

/* The member that arguments [0] and [1] name: "node 2"; NULL after an error line. */
static const struct dev_member *named_member(const struct cli *cli, const struct dev_cluster *cluster)
{
    const char *role = cli->arguments.values[0];
    int64_t id;

    if (!integer_parse(cli->arguments.values[1], &id)) {
        id = -1;
    }
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].id == id && strcmp(dev_role_name(cluster->members[i].role), role) == 0) {
            return &cluster->members[i];
        }
    }
    cli_error("the cluster has no %s %s", role, cli->arguments.values[1]);
    cli_hint("see its members: millrace dev status");
    return NULL;
}

int dev_kill_command(struct cli *cli)
{
    struct dev_cluster cluster;
    struct process_id id;
    char name[32];

    if (!open_cluster(cli, &cluster)) {
        return EXIT_FAILED;
    }
    const struct dev_member *member = named_member(cli, &cluster);

    if (member == NULL) {
        return EXIT_USAGE;
    }
    dev_member_name(member, name);
    if (!dev_member_process(&cluster, member, &id)) {
        cli_error("%s does not run", name);
        cli_hint("start it: millrace dev restart %s", name);
        return EXIT_FAILED;
    }
    if (process_signal(id, SIGKILL) != STATUS_OK || !process_wait(id, KILL_TIMEOUT_MS)) {
        cli_error("cannot kill %s (process %d)", name, id.pid);
        return EXIT_FAILED;
    }
    cli_note("%s (process %d) killed; look: millrace status; start it again: millrace dev restart %s", name, id.pid,
             name);
    return EXIT_DONE;
}

int dev_restart_command(struct cli *cli)
{
    struct dev_cluster cluster;
    const struct dev_member *member = NULL;
    bool expected[DEV_MEMBERS_MAX];
    bool ok = true;

    if (!open_cluster(cli, &cluster)) {
        return EXIT_FAILED;
    }
    if (cli->arguments.value_count == 1) {
        cli_error("dev restart needs ROLE ID, or nothing for all members");
        return EXIT_USAGE;
    }
    if (cli->arguments.value_count == 2) {
        member = named_member(cli, &cluster);
        if (member == NULL) {
            return EXIT_USAGE;
        }
    }
    const int lock = dev_lock(&cluster);

    if (lock < 0) {
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < cluster.member_count; i++) {
        struct process_id id;

        expected[i] = dev_member_process(&cluster, &cluster.members[i], &id);
    }
    /* One after the other, as in an upgrade: the cluster stays up. */
    for (size_t i = 0; i < cluster.member_count && ok; i++) {
        if (member == NULL || member == &cluster.members[i]) {
            expected[i] = true;
            ok = dev_stop(&cluster, &cluster.members[i]) && dev_start(&cluster, &cluster.members[i]) &&
                 dev_wait_ready(cli, &cluster, expected);
        }
    }
    close(lock);
    if (ok) {
        cli_note("restarted");
    }
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int dev_logs_command(struct cli *cli)
{
    struct dev_cluster cluster;
    const struct dev_member *member = NULL;
    int64_t lines;

    if (!open_cluster(cli, &cluster)) {
        return EXIT_FAILED;
    }
    if (cli->arguments.value_count == 1 || !cli_option_integer(cli, "lines", 1, 1000000, LOG_LINES_DEFAULT, &lines)) {
        cli_hint("millrace dev logs [ROLE ID] [--lines N]");
        return EXIT_USAGE;
    }
    if (cli->arguments.value_count == 2) {
        member = named_member(cli, &cluster);
        if (member == NULL) {
            return EXIT_USAGE;
        }
    }
    for (size_t i = 0; i < cluster.member_count; i++) {
        if (member == NULL || member == &cluster.members[i]) {
            char log[DEV_PATH_MAX];
            char name[32];
            char prefix[40];

            dev_member_path(&cluster, &cluster.members[i], ".log", log);
            snprintf(prefix, sizeof(prefix), "%s | ", dev_member_name(&cluster.members[i], name));
            dev_print_tail(log, prefix, lines, stdout);
        }
    }
    return EXIT_DONE;
}
