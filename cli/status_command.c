/* millrace status: one sentence, then the numbers behind it. Healthy means: every registered node and every known
 * controller answers, controllers have a leader, every partition has a leader and all its copies in sync. */
#include "cli/cluster.h"
#include "cli/commands.h"
#include "common/base/memory.h"
#include "common/wire/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PROBE_MS 2000
#define WATCH_MS 1000
#define WAIT_POLL_MS 200

struct health {
    bool reached;   /* any server answered */
    struct buffer reasons; /* "; "-separated, empty if healthy */
    int64_t controllers;
    int64_t controllers_up;
    int32_t leader; /* of the controllers, -1: none or unknown */
    int64_t nodes;
    int64_t nodes_up;
    struct partition_totals totals;
    char cluster_id[64];
};

static void reason(struct health *health, const char *format, ...) PRINTF_LIKE(2, 3);

static void reason(struct health *health, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    buffer_append_format(&health->reasons, "%s%s", health->reasons.size > 0 ? "; " : "", text);
}

static bool answers(struct session *session, struct server *server)
{
    (void)session;
    return server_wait(server, PROBE_MS);
}

/* Controllers as the active one lists them, or those of the command line. */
static void look_at_controllers(struct session *session, struct health *health)
{
    const struct address_list *known = &session->cli->controllers;

    health->leader = -1;
    /* Connections are opened side by side; waiting for one gives the others time too. */
    for (size_t i = 0; i < known->count; i++) {
        (void)server_at(session, &known->items[i]);
    }
    for (size_t i = 0; i < known->count; i++) {
        struct server *server = server_at(session, &known->items[i]);
        struct reply reply;

        health->controllers++;
        if (!answers(session, server)) {
            reason(health, "controller %s does not answer (%s)", server->name, status_text(server->why));
            continue;
        }
        health->reached = true;
        health->controllers_up++;
        if (health->leader >= 0 || server_version(server, API_DESCRIBE_CLUSTER) < 1) {
            continue;
        }
        const struct describe_cluster_response *body = cluster_describe(server, CLUSTER_CONTROLLERS, &reply);

        if (body != NULL && body->error_code == ERROR_NONE) {
            health->leader = body->controller_id;
            snprintf(health->cluster_id, sizeof(health->cluster_id), "%.*s", STRING_ARGS(body->cluster_id));
        }
        reply_deinit(&reply);
    }
    if (health->controllers_up > 0 && health->leader < 0) {
        reason(health, "the controllers have no leader");
    }
}

static void look_at_node(struct session *session, struct health *health,
                         const struct describe_cluster_response_brokers *node)
{
    struct server *server = server_at_host(session, node->host, node->port);

    health->nodes++;
    if (node->is_fenced) {
        reason(health, "node %d is fenced", node->broker_id);
    } else if (!answers(session, server)) {
        reason(health, "node %d at %s does not answer (%s)", node->broker_id, server->name, status_text(server->why));
    } else {
        health->nodes_up++;
    }
}

static void look_at_topics(struct server *server, struct health *health)
{
    struct reply reply;
    const struct metadata_response *body = cluster_topics(server, NULL, 0, &reply);

    if (body == NULL) {
        reason(health, "%s does not tell of topics", server->name);
    }
    for (int32_t i = 0; body != NULL && i < body->topics_count; i++) {
        partition_totals_add(&health->totals, &body->topics[i]);
    }
    if (health->totals.leaderless > 0) {
        reason(health, "%" PRId64 " partitions have no leader", health->totals.leaderless);
    }
    if (health->totals.under_replicated > 0) {
        reason(health, "%" PRId64 " partitions have copies that are not in sync", health->totals.under_replicated);
    }
    reply_deinit(&reply);
}

static void look_at_nodes(struct session *session, struct health *health)
{
    struct server *server = session_find_node(session);
    struct reply reply;

    if (server == NULL) {
        health->nodes = (int64_t)session->cli->nodes.count;
        reason(health, "no storage node answers");
        return;
    }
    health->reached = true;
    const struct describe_cluster_response *body = cluster_describe(server, CLUSTER_NODES, &reply);

    if (body == NULL || body->error_code != ERROR_NONE) {
        reason(health, "%s does not tell who is in the cluster", server->name);
    } else {
        snprintf(health->cluster_id, sizeof(health->cluster_id), "%.*s", STRING_ARGS(body->cluster_id));
        for (int32_t i = 0; i < body->brokers_count; i++) {
            (void)server_at_host(session, body->brokers[i].host, body->brokers[i].port);
        }
        for (int32_t i = 0; i < body->brokers_count; i++) {
            look_at_node(session, health, &body->brokers[i]);
        }
        if (body->brokers_count == 0) {
            reason(health, "no node is registered");
        }
    }
    reply_deinit(&reply);
    look_at_topics(server, health);
}

static void print_health(struct cli *cli, const struct health *health)
{
    const bool healthy = health->reasons.size == 0;

    if (cli->json) {
        struct json_writer *json = cli_json_begin(cli);

        json_member_bool(json, "healthy", healthy);
        json_member_string(json, "reasons", (struct string){(const char *)health->reasons.data, health->reasons.size});
        json_member_text(json, "cluster_id", health->cluster_id);
        json_member_number(json, "controllers", health->controllers);
        json_member_number(json, "controllers_up", health->controllers_up);
        json_member_number(json, "controller_leader", health->leader);
        json_member_number(json, "nodes", health->nodes);
        json_member_number(json, "nodes_up", health->nodes_up);
        json_member_number(json, "topics", health->totals.topics);
        json_member_number(json, "partitions", health->totals.partitions);
        json_member_number(json, "partitions_without_leader", health->totals.leaderless);
        json_member_number(json, "partitions_under_replicated", health->totals.under_replicated);
        cli_json_end(cli);
        return;
    }
    buffer_append_format(&cli->text, "%s%.*s\n\n", healthy ? "Healthy" : "Unhealthy: ", (int)health->reasons.size,
                         (const char *)health->reasons.data);
    buffer_append_format(&cli->text, "Cluster       %s\n", health->cluster_id);
    if (health->controllers > 0) {
        buffer_append_format(&cli->text, "Controllers   %" PRId64 " of %" PRId64 " answer, leader ",
                             health->controllers_up,
                             health->controllers);
        buffer_append_format(&cli->text, health->leader >= 0 ? "%d\n" : "unknown\n", health->leader);
    }
    buffer_append_format(&cli->text, "Nodes         %" PRId64 " of %" PRId64 " serve\n", health->nodes_up,
                         health->nodes);
    buffer_append_format(&cli->text,
                         "Topics        %" PRId64 " with %" PRId64 " partitions, %" PRId64 " without leader, %" PRId64
                         " under-replicated\n",
                         health->totals.topics, health->totals.partitions, health->totals.leaderless,
                         health->totals.under_replicated);
    (void)cli_print(buffer_bytes(&cli->text));
    buffer_clear(&cli->text);
}

/* Looks once; true if all is well. */
static bool look(struct cli *cli, struct session *session, bool print)
{
    struct health health = {0};

    buffer_init(&health.reasons);
    look_at_controllers(session, &health);
    look_at_nodes(session, &health);
    const bool healthy = health.reasons.size == 0;

    if (print || healthy) {
        print_health(cli, &health);
    }
    buffer_deinit(&health.reasons);
    return healthy;
}

int status_command(struct cli *cli)
{
    const bool watch = arguments_has(&cli->arguments, "watch");
    const bool wait = arguments_has(&cli->arguments, "wait");
    struct session *session = cli_session(cli);

    if (session == NULL) {
        return EXIT_FAILED;
    }
    if (watch) {
        for (;;) {
            if (isatty(STDOUT_FILENO) && !cli->json) {
                (void)cli_print(bytes_of("\033[H\033[2J", 7));
            }
            (void)look(cli, session, true);
            if (ferror(stdout)) {
                return EXIT_DONE;
            }
            session_sleep(session, WATCH_MS);
        }
    }
    const uint64_t deadline = env_now_ns(session->env) + cli->timeout_ms * NS_PER_MS;

    while (wait && env_now_ns(session->env) < deadline) {
        if (look(cli, session, false)) {
            return EXIT_DONE;
        }
        session_sleep(session, WAIT_POLL_MS);
    }
    return look(cli, session, true) ? EXIT_DONE : EXIT_FAILED;
}
