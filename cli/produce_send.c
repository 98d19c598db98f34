/* Produce requests of `millrace produce`: see produce.h. One request holds at most one batch of each partition of its
 * leader. */
#include "cli/produce.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

#include <stdio.h>

#define IDENTITY_POLL_MS 100

struct produce_call {
    struct rpc_call call;
    struct list link;
    struct produce *produce;
    struct server *server;
    struct producer_batch **batches;
    size_t count;
    uint64_t sent_ns;
};

void produce_complain(struct produce *produce, int32_t partition, const char *where, int16_t code,
                      struct string message)
{
    char what[320];

    if (produce->complaints++ < PRODUCE_COMPLAINTS_MAX) {
        snprintf(what, sizeof(what), "cannot write to %.*s-%d", STRING_ARGS(produce->routes.topic), partition);
        cli_server_error(what, where, code, message);
    }
}

void produce_take_routes(struct produce *produce)
{
    producer_set_partition_count(&produce->producer, produce->routes.partition_count);
    for (int32_t i = 0; i < produce->routes.partition_count; i++) {
        producer_set_leader(&produce->producer, i, produce->routes.leaders[i]);
    }
}

/* One answer for one batch. */
static void settle(struct produce *produce, const char *where, struct producer_batch *batch,
                   const struct produce_response_responses_partition_responses *answer)
{
    const int32_t partition = batch->partition->index;
    const int16_t code = answer->error_code;
    const uint64_t now_ns = env_now_ns(produce->session->env);

    if (code == ERROR_NONE) {
        producer_acknowledged(&produce->producer, batch, answer->base_offset);
        return;
    }
    const int64_t failed = produce->producer.failed;
    const bool again = producer_refused(&produce->producer, batch, code, kafka_error_retriable(code), now_ns);

    if (again) {
        produce->stale = true;
    } else if (produce->producer.failed > failed) {
        produce_complain(produce, partition, where, code, answer->error_message);
    }
}

static const struct produce_response_responses_partition_responses *find_answer(const struct produce_response *body,
                                                                                int32_t partition)
{
    for (int32_t i = 0; i < body->responses_count; i++) {
        for (int32_t k = 0; k < body->responses[i].partition_responses_count; k++) {
            if (body->responses[i].partition_responses[k].index == partition) {
                return &body->responses[i].partition_responses[k];
            }
        }
    }
    return NULL;
}

static void call_done(struct rpc_call *call)
{
    struct produce_call *sent = CONTAINER_OF(call, struct produce_call, call);
    struct produce *produce = sent->produce;
    const struct produce_response *body = call->response;
    /* No answer: the batch may be stored or not, which its sequence sorts out when it is sent again. */
    struct produce_response_responses_partition_responses lost = {.error_code = ERROR_NETWORK_EXCEPTION};

    if (call->status == STATUS_TIMEOUT) {
        lost.error_code = ERROR_REQUEST_TIMED_OUT;
    }
    trace_call(sent->server, call, sent->sent_ns);
    for (size_t i = 0; i < sent->count; i++) {
        const struct produce_response_responses_partition_responses *answer =
            call->status == STATUS_OK ? find_answer(body, sent->batches[i]->partition->index) : NULL;

        settle(produce, sent->server->name, sent->batches[i], answer != NULL ? answer : &lost);
    }
    list_remove(&sent->link);
    rpc_call_deinit(call);
    memory_free(sent->batches);
    memory_free(sent);
    produce->woken = true;
    env_stop(produce->session->env);
}

static unsigned calls_to(const struct produce *produce, const struct server *server)
{
    unsigned count = 0;

    LIST_EACH(link, &produce->calls)
    {
        count += LIST_ENTRY(link, struct produce_call, link)->server == server;
    }
    return count;
}

/* Sends the batches in `sent`, whose memory goes on with the call. */
static void send_call(struct produce *produce, struct produce_call *sent)
{
    struct produce_request request;
    struct produce_request_topic_data topic;
    const struct server *server = sent->server;
    const int16_t version = server_version(server, API_PRODUCE);

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    request.acks = produce->properties.acks;
    request.timeout_ms = produce->properties.request_timeout_ms;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = produce->routes.topic;
    topic.topic_id = produce->routes.topic_id;
    topic.partition_data_count = (int32_t)sent->count;
    topic.partition_data = memory_alloc_zero(sent->count, sizeof(*topic.partition_data));
    for (size_t i = 0; i < sent->count; i++) {
        const struct producer_batch *batch = sent->batches[i];

        topic.partition_data[i].index = batch->partition->index;
        topic.partition_data[i].records = (struct records){.data = batch->bytes.data, .size = batch->bytes.size};
    }
    sent->sent_ns = env_now_ns(produce->session->env);
    rpc_call_init(&sent->call, call_done, NULL);
    if (produce->properties.acks == 0) {
        rpc_client_send(server->client, API_PRODUCE, version, &request);
        for (size_t i = 0; i < sent->count; i++) {
            producer_acknowledged(&produce->producer, sent->batches[i], -1);
        }
        rpc_call_deinit(&sent->call);
        memory_free(sent->batches);
        memory_free(sent);
    } else {
        list_append(&produce->calls, &sent->link);
        rpc_client_call(server->client, &sent->call, API_PRODUCE, version, &request,
                        (uint32_t)produce->properties.request_timeout_ms);
    }
    memory_free(topic.partition_data);
}

/* Fills one request for `node`; false if there is nothing to send. */
static bool send_one(struct produce *produce, int32_t node_id, struct server *server)
{
    struct producer *producer = &produce->producer;
    bool *taken = memory_alloc_zero((size_t)producer->partition_count + 1, sizeof(*taken));
    struct produce_call *sent = memory_alloc_zero(1, sizeof(*sent));
    size_t left = producer->options.request_size_max;

    sent->produce = produce;
    sent->server = server;
    sent->batches = memory_alloc_zero((size_t)producer->partition_count + 1, sizeof(struct producer_batch *));
    for (;;) {
        /* The first batch may be a little larger than a request should be: compression can fail to shrink. */
        struct producer_batch *batch =
            producer_next(producer, node_id, env_now_ns(produce->session->env), sent->count == 0 ? SIZE_MAX : left,
                          taken);

        if (batch == NULL) {
            break;
        }
        sent->batches[sent->count++] = batch;
        left -= batch->bytes.size < left ? batch->bytes.size : left;
    }
    memory_free(taken);
    if (sent->count == 0) {
        memory_free(sent->batches);
        memory_free(sent);
        return false;
    }
    send_call(produce, sent);
    return true;
}

void produce_send(struct produce *produce)
{
    for (size_t i = 0; i < produce->routes.node_count; i++) {
        const struct route_node *node = &produce->routes.nodes[i];
        struct server *server = server_if_ready(produce->session, &node->address);

        if (server == NULL) {
            produce->stale = true;
        }
        if (server == NULL || server->state != SERVER_OPEN) {
            continue;
        }
        while (calls_to(produce, server) < produce->producer.options.in_flight_max &&
               send_one(produce, node->id, server)) {
        }
    }
}

/* Whether asking again may help. */
static bool identity_error_passes(enum status status, int16_t code)
{
    return status != STATUS_OK ? status != STATUS_UNSUPPORTED : kafka_error_retriable(code);
}

bool produce_identify(struct produce *produce)
{
    struct session *session = produce->session;
    const uint64_t deadline = env_now_ns(session->env) + produce->producer.options.delivery_ns;
    struct init_producer_id_request request;
    const char *where = "";

    for (;;) {
        struct reply reply;
        enum status status = STATUS_UNREACHABLE;
        int16_t code = ERROR_NONE;

        init_producer_id_request_init(&request);
        request.transactional_id = STRING_NULL;
    request.transaction_timeout_ms = INT32_MAX;
        for (size_t i = 0; i < produce->routes.node_count && status != STATUS_OK; i++) {
            struct server *server = server_at(session, &produce->routes.nodes[i].address);

            where = server->name;
            status = server_call(server, API_INIT_PRODUCER_ID, VERSION_ANY, &request, &reply);
            if (status == STATUS_OK) {
                const struct init_producer_id_response *body = reply_body(&reply);

                code = body->error_code;
                if (code == ERROR_NONE) {
                    producer_set_identity(&produce->producer, body->producer_id, body->producer_epoch);
                }
            }
            reply_deinit(&reply);
        }
        if (status == STATUS_OK && code == ERROR_NONE) {
            return true;
        }
        if (!identity_error_passes(status, code) || env_now_ns(session->env) > deadline) {
            if (status == STATUS_OK) {
                cli_server_error("cannot get a producer id", where, code, STRING_NULL);
            } else {
                cli_error("cannot get a producer id: %s: %s", where, status_text(status));
                cli_hint("look at the cluster: millrace status; or write without: -X enable.idempotence=false");
            }
            return false;
        }
        session_sleep(session, IDENTITY_POLL_MS);
    }
}
