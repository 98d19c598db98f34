/* See routes.h. */
#include "cli/routes.h"

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/metadata.h"

#include <stdio.h>

#define POLL_MS 100

void routes_init(struct routes *routes, struct string topic)
{
    *routes = (struct routes){.topic = topic};
}

void routes_deinit(struct routes *routes)
{
    memory_free(routes->leaders);
    memory_free(routes->leader_epochs);
    memory_free(routes->nodes);
}

static void take_nodes(struct routes *routes, const struct metadata_response *body)
{
    const int32_t count = body->brokers_count < ROUTES_NODES_MAX ? body->brokers_count : ROUTES_NODES_MAX;

    memory_free(routes->nodes);
    routes->nodes = memory_alloc_zero((size_t)count + 1, sizeof(*routes->nodes));
    routes->node_count = (size_t)count;
    for (int32_t i = 0; i < count; i++) {
        routes->nodes[i].id = body->brokers[i].node_id;
        routes->nodes[i].address.port = (uint16_t)body->brokers[i].port;
        snprintf(routes->nodes[i].address.host, sizeof(routes->nodes[i].address.host), "%.*s",
                 STRING_ARGS(body->brokers[i].host));
    }
}

static void take_partitions(struct routes *routes, const struct metadata_response_topics *topic)
{
    /* Never less than before, whatever the answer says: callers hold partition numbers. */
    int32_t count = routes->partition_count;

    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const int32_t index = topic->partitions[i].partition_index;

        if (index >= count && index < ROUTES_PARTITIONS_MAX) {
            count = index + 1;
        }
    }
    memory_free(routes->leaders);
    memory_free(routes->leader_epochs);
    routes->leaders = memory_alloc((size_t)(count + 1) * sizeof(int32_t));
    routes->leader_epochs = memory_alloc((size_t)(count + 1) * sizeof(int32_t));
    routes->partition_count = count;
    for (int32_t i = 0; i < count; i++) {
        routes->leaders[i] = -1;
        routes->leader_epochs[i] = -1;
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const int32_t index = topic->partitions[i].partition_index;

        if (index >= 0 && index < count) {
            routes->leaders[index] = topic->partitions[i].leader_id;
            routes->leader_epochs[index] = topic->partitions[i].leader_epoch;
        }
    }
}

static enum status ask(struct server *server, struct routes *routes, int16_t *code)
{
    struct metadata_request_topics wanted;
    struct metadata_request request;
    struct reply reply;

    metadata_request_init(&request);
    metadata_request_topics_init(&wanted);
    wanted.name = routes->topic;
    request.topics = &wanted;
    request.topics_count = 1;
    /* Old versions cannot ask for no creation. */
    request.allow_auto_topic_creation = server_version(server, API_METADATA) < 4;
    const enum status status = server_call(server, API_METADATA, VERSION_ANY, &request, &reply);

    if (status == STATUS_OK) {
        const struct metadata_response *body = reply_body(&reply);

        *code = body->topics_count == 1 ? body->topics[0].error_code : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        /* A topic whose leaders are being elected is told with that error beside its partitions. */
        if (*code == ERROR_NONE || (*code == ERROR_LEADER_NOT_AVAILABLE && body->topics[0].partitions_count > 0)) {
            *code = ERROR_NONE;
            routes->topic_id = body->topics[0].topic_id;
            take_partitions(routes, &body->topics[0]);
        }
        if (body->brokers_count > 0) {
            take_nodes(routes, body);
        }
    }
    reply_deinit(&reply);
    return status;
}

/* An open connection to any node that we know, else to a node of the command line. */
static struct server *any_server(struct session *session, const struct routes *routes)
{
    for (size_t i = 0; i < routes->node_count; i++) {
        struct server *server = server_at(session, &routes->nodes[i].address);

        if (server->state == SERVER_OPEN) {
            return server;
        }
    }
    for (size_t i = 0; i < session->cli->nodes.count; i++) {
        struct server *server = server_at(session, &session->cli->nodes.items[i]);

        if (server_wait(server, POLL_MS * 10)) {
            return server;
        }
    }
    for (size_t i = 0; i < routes->node_count; i++) {
        struct server *server = server_at(session, &routes->nodes[i].address);

        if (server_wait(server, POLL_MS * 10)) {
            return server;
        }
    }
    return NULL;
}

enum status routes_refresh(struct session *session, struct routes *routes, int16_t *code)
{
    struct server *server = any_server(session, routes);

    return server != NULL ? ask(server, routes, code) : STATUS_UNREACHABLE;
}

bool routes_learn(struct session *session, struct routes *routes, uint32_t patience_ms)
{
    const uint64_t deadline = env_now_ns(session->env) + patience_ms * NS_PER_MS;
    struct server *server = session_node(session);
    int16_t code = ERROR_NONE;
    char what[300];

    if (server == NULL) {
        return false;
    }
    for (;;) {
        const enum status status = routes_refresh(session, routes, &code);

        if (status == STATUS_OK && code == ERROR_NONE && routes->partition_count > 0) {
            return true;
        }
        if ((status == STATUS_OK && !kafka_error_retriable(code)) || env_now_ns(session->env) > deadline) {
            snprintf(what, sizeof(what), "cannot use topic %.*s", STRING_ARGS(routes->topic));
            if (status != STATUS_OK) {
                cli_error("%s: %s: %s", what, server->name, status_text(status));
                cli_hint("look at the cluster: millrace status");
            } else {
                cli_server_error(what, server->name, code, STRING_NULL);
            }
            if (code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
                cli_hint("or create it: millrace topic create %.*s", STRING_ARGS(routes->topic));
            }
            return false;
        }
        session_sleep(session, POLL_MS);
    }
}

struct server *routes_server(struct session *session, const struct routes *routes, int32_t node_id)
{
    for (size_t i = 0; i < routes->node_count; i++) {
        if (routes->nodes[i].id == node_id) {
            return server_at(session, &routes->nodes[i].address);
        }
    }
    return NULL;
}
