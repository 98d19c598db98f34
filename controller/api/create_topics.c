/* CreateTopics. */
#include "controller/api/api.h"
#include "controller/state/topic_table.h"
#include "wire/create_topics.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    topic_table_create(decision, request->body, request->response);
}

static void fail(struct rpc_request *request, int16_t error)
{
    const struct create_topics_request *body = request->body;
    struct create_topics_response *response = request->response;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        create_topics_response_topics_init(&response->topics[i]);
        response->topics[i].name = body->topics[i].name;
        response->topics[i].error_code = error;
        response->topics[i].configs_count = -1;
    }
}

const struct api_write api_create_topics = {.key = API_CREATE_TOPICS, .decide = decide, .fail = fail};
