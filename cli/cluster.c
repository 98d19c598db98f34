/* See cluster.h. */
#include "cli/cluster.h"

#include "common/base/memory.h"
#include "common/wire/error.h"

#include <stdio.h>

#define SETTLE_MS 2000
#define SETTLE_POLL_MS 20
#define SETTLE_CONNECT_MS 200

const struct describe_cluster_response *cluster_describe(struct server *server, int8_t endpoint_type,
                                                         struct reply *reply)
{
    struct describe_cluster_request request;
    const int16_t version = server_version(server, API_DESCRIBE_CLUSTER);

    describe_cluster_request_init(&request);
    if (version >= 1) {
        request.endpoint_type = endpoint_type;
    }
    if (version >= 2 && endpoint_type == CLUSTER_NODES) {
        request.include_fenced_brokers = true;
    }
    return server_call(server, API_DESCRIBE_CLUSTER, VERSION_ANY, &request, reply) == STATUS_OK ? reply_body(reply)
                                                                                               : NULL;
}

const struct describe_cluster_response *cluster_nodes_or_complain(struct server *server, const char *what,
                                                                  struct reply *reply)
{
    const struct describe_cluster_response *body = cluster_describe(server, CLUSTER_NODES, reply);
    char text[128];

    if (body == NULL && server_version(server, API_DESCRIBE_CLUSTER) < 0 && server->state == SERVER_OPEN) {
        cli_error("cannot %s: %s does not offer DescribeCluster", what, server->name);
        cli_hint("see what it offers: millrace api %s", server->name);
    } else if (body == NULL) {
        cli_error("cannot %s: %s: %s", what, server->name, status_text(reply->call.status));
        cli_hint("a longer --timeout may help; millrace status tells more");
    } else if (body->error_code != ERROR_NONE) {
        snprintf(text, sizeof(text), "cannot %s", what);
        cli_server_error(text, server->name, body->error_code, body->error_message);
        body = NULL;
    }
    return body;
}

const struct metadata_response *cluster_topics(struct server *server, const char *const *names, int count,
                                               struct reply *reply)
{
    struct metadata_request request;
    const struct metadata_response *body = NULL;
    const int16_t version = server_version(server, API_METADATA);

    metadata_request_init(&request);
    request.allow_auto_topic_creation = version < 4;
    request.topics_count = names != NULL ? count : version == 0 ? 0 : -1;
    request.topics = memory_alloc_zero((size_t)count + 1, sizeof(*request.topics));
    for (int i = 0; names != NULL && i < count; i++) {
        metadata_request_topics_init(&request.topics[i]);
        request.topics[i].name = string_of(names[i]);
    }
    if (server_call(server, API_METADATA, VERSION_ANY, &request, reply) == STATUS_OK) {
        body = reply_body(reply);
    }
    memory_free(request.topics);
    return body;
}

static bool topic_settled(const struct metadata_response_topics *topic, bool present)
{
    struct partition_totals totals = {0};

    partition_totals_add(&totals, topic);
    if (present) {
        return topic->error_code == ERROR_NONE && totals.leaderless == 0;
    }
    return topic->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* What one node knows. One that does not answer keeps nobody waiting. */
static bool server_settled(struct server *server, const char *const *names, int count, bool present)
{
    struct reply reply;
    bool settled = true;

    if (!server_wait(server, SETTLE_CONNECT_MS)) {
        return true;
    }
    const struct metadata_response *body = cluster_topics(server, names, count, &reply);

    for (int32_t i = 0; body != NULL && i < body->topics_count; i++) {
        settled = settled && topic_settled(&body->topics[i], present);
    }
    reply_deinit(&reply);
    return settled;
}

void cluster_settle(struct session *session, const char *const *names, int count, bool present)
{
    const uint64_t deadline = env_now_ns(session->env) + SETTLE_MS * NS_PER_MS;
    const struct address_list *nodes = &session->cli->nodes;

    for (size_t i = 0; i < nodes->count; i++) {
        (void)server_at(session, &nodes->items[i]);
    }
    for (size_t i = 0; i < nodes->count;) {
        if (server_settled(server_at(session, &nodes->items[i]), names, count, present) ||
            env_now_ns(session->env) > deadline) {
            i++;
        } else {
            session_sleep(session, SETTLE_POLL_MS);
        }
    }
}

void partition_totals_add(struct partition_totals *totals, const struct metadata_response_topics *topic)
{
    totals->topics++;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const struct metadata_response_topics_partitions *partition = &topic->partitions[i];

        totals->partitions++;
        totals->replicas += partition->replica_nodes_count;
        totals->leaderless += partition->leader_id < 0;
        totals->under_replicated += partition->isr_nodes_count < partition->replica_nodes_count;
    }
}

void id_list_format(const int32_t *ids, int32_t count, struct buffer *out)
{
    for (int32_t i = 0; i < count; i++) {
        buffer_append_format(out, "%s%d", i > 0 ? "," : "", ids[i]);
    }
}
