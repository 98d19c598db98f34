/* See offsets.h. */
#include "cli/offsets.h"

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/list_offsets.h"

#include <stdio.h>

#define POLL_MS 100
#define UNASKED INT64_MIN

struct question {
    struct session *session;
    struct routes *routes;
    const int32_t *partitions;
    size_t count;
    int64_t timestamp_ms;
    bool read_committed;
    int64_t *offsets; /* UNASKED until answered */
    int16_t code;     /* the last error that may pass */
    int32_t failed_partition;
    char where[ADDRESS_TEXT_MAX];
};

static void take_answers(struct question *question, const struct list_offsets_response *body)
{
    for (int32_t t = 0; t < body->topics_count; t++) {
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            const struct list_offsets_response_topics_partitions *answer = &body->topics[t].partitions[p];

            for (size_t i = 0; i < question->count; i++) {
                if (question->partitions[i] != answer->partition_index) {
                    continue;
                }
                if (answer->error_code == ERROR_NONE) {
                    question->offsets[i] = answer->offset;
                } else {
                    question->code = answer->error_code;
                    question->failed_partition = answer->partition_index;
                }
            }
        }
    }
}

/* Asks one leader about its partitions that have no answer yet. */
static void ask_leader(struct question *question, int32_t leader_id)
{
    struct server *server = routes_server(question->session, question->routes, leader_id);
    struct list_offsets_request request;
    struct list_offsets_request_topics topic;
    struct reply reply;

    if (server == NULL || !server_wait(server, question->session->cli->timeout_ms)) {
        question->code = ERROR_NETWORK_EXCEPTION;
        return;
    }
    list_offsets_request_init(&request);
    list_offsets_request_topics_init(&topic);
    request.replica_id = -1;
    request.isolation_level = question->read_committed && server_version(server, API_LIST_OFFSETS) >= 2;
    request.timeout_ms = (int32_t)question->session->cli->timeout_ms;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = question->routes->topic;
    topic.partitions = memory_alloc_zero(question->count, sizeof(*topic.partitions));
    for (size_t i = 0; i < question->count; i++) {
        const int32_t index = question->partitions[i];

        if (question->offsets[i] == UNASKED && question->routes->leaders[index] == leader_id) {
            struct list_offsets_request_topics_partitions *asked = &topic.partitions[topic.partitions_count++];

            list_offsets_request_topics_partitions_init(asked);
            asked->partition_index = index;
            asked->timestamp = question->timestamp_ms;
        }
    }
    if (topic.partitions_count > 0) {
        snprintf(question->where, sizeof(question->where), "%s", server->name);
        if (server_call(server, API_LIST_OFFSETS, VERSION_ANY, &request, &reply) == STATUS_OK) {
            take_answers(question, reply_body(&reply));
        } else {
            question->code = ERROR_NETWORK_EXCEPTION;
        }
        reply_deinit(&reply);
    }
    memory_free(topic.partitions);
}

static bool all_answered(struct question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        if (question->offsets[i] == UNASKED) {
            if (question->routes->leaders[question->partitions[i]] < 0) {
                question->code = ERROR_LEADER_NOT_AVAILABLE;
                question->failed_partition = question->partitions[i];
            }
            return false;
        }
    }
    return true;
}

bool offsets_list(struct session *session, struct routes *routes, const int32_t *partitions, size_t count,
                  int64_t timestamp_ms, bool read_committed, int64_t *offsets)
{
    struct question question = {.session = session,
                                .routes = routes,
                                .partitions = partitions,
                                .count = count,
                                .timestamp_ms = timestamp_ms,
                                .read_committed = read_committed,
                                .offsets = offsets};
    const uint64_t deadline = env_now_ns(session->env) + session->cli->timeout_ms * NS_PER_MS;
    int16_t code;

    for (size_t i = 0; i < count; i++) {
        offsets[i] = UNASKED;
    }
    for (;;) {
        question.code = ERROR_NONE;
        for (size_t i = 0; i < routes->node_count; i++) {
            ask_leader(&question, routes->nodes[i].id);
        }
        if (all_answered(&question)) {
            return true;
        }
        if ((question.code != ERROR_NONE && !kafka_error_retriable(question.code)) ||
            env_now_ns(session->env) > deadline) {
            char what[320];

            snprintf(what, sizeof(what), "cannot find offsets of %.*s-%d", STRING_ARGS(routes->topic),
                     question.failed_partition);
            cli_server_error(what, question.where[0] != '\0' ? question.where : "the metadata", question.code,
                             STRING_NULL);
            return false;
        }
        session_sleep(session, POLL_MS);
        (void)!routes_refresh(session, routes, &code);
    }
}
