/* DeleteTopics. */
#include "controller/api/api.h"
#include "controller/state/topic_table.h"
#include "wire/delete_topics.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    topic_table_delete(decision, request->version, request->body, request->response);
}

static void fail(struct rpc_request *request, int16_t error)
{
    const struct delete_topics_request *body = request->body;
    struct delete_topics_response *response = request->response;
    const int32_t count = request->version >= 6 ? body->topics_count : body->topic_names_count;

    response->responses_count = count;
    response->responses = arena_need(&request->arena, (size_t)count, sizeof(*response->responses));
    for (int32_t i = 0; i < count; i++) {
        delete_topics_response_responses_init(&response->responses[i]);
        response->responses[i].error_code = error;
        if (request->version >= 6) {
            response->responses[i].name = body->topics[i].name;
            response->responses[i].topic_id = body->topics[i].topic_id;
        } else {
            response->responses[i].name = body->topic_names[i];
        }
    }
}

const struct api_write api_delete_topics = {.key = API_DELETE_TOPICS, .decide = decide, .fail = fail};
