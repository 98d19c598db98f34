/* Fetch requests of `millrace consume`: see consume.h. Answers are opened and printed as they come; what an error asks
 * for (new leaders, a pause) is noted for the loop. */
#include "cli/consume.h"

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/fetch.h"

#include <inttypes.h>
#include <stdio.h>

#define RETRY_NS (100 * NS_PER_MS)
#define ISOLATION_COMMITTED 1
/* Printed text is handed on when it is this much. */
#define OUT_SIZE 65536

struct fetch_call {
    struct rpc_call call;
    struct consume *consume;
    struct server *server;
    int32_t leader_id;
    uint64_t sent_ns;
    struct consume_partition *current; /* being printed */
};

void consume_flush(struct consume *consume)
{
    if (consume->out.size > 0 && !cli_print(buffer_bytes(&consume->out))) {
        consume->closed = true;
    }
    buffer_clear(&consume->out);
}

bool consume_done(const struct consume *consume)
{
    if (consume->left == 0 || consume->failed || consume->closed) {
        return true;
    }
    for (size_t i = 0; i < consume->partition_count; i++) {
        if (!consume->partitions[i].done) {
            return false;
        }
    }
    return true;
}

static enum consumer_verdict print_record(void *context, const struct batch_header *batch, const struct record *record)
{
    const struct fetch_call *fetch = context;
    struct consume *consume = fetch->consume;
    const struct placed_record placed = {
        .topic = consume->routes.topic,
        .partition = fetch->current->index,
        .append_time = batch->timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
        .leader_id = fetch->leader_id,
        .record = record,
    };

    if (consume->left == 0) {
        return CONSUMER_ENOUGH;
    }
    if (consume->json) {
        format_print_json(&placed, &consume->out);
    } else {
        format_print(&consume->format, &placed, &consume->out);
    }
    if (consume->out.size >= OUT_SIZE) {
        consume_flush(consume);
    }
    consume->printed++;
    consume->left -= consume->left != INT64_MAX;
    return consume->left == 0 || consume->closed ? CONSUMER_ENOUGH : CONSUMER_MORE;
}

static void complain_range(struct consume *consume, struct consume_partition *partition, const char *where,
                           int64_t log_start)
{
    if (partition->touched && log_start > partition->offset) {
        cli_note("offsets %" PRId64 " to %" PRId64 " of %.*s-%d were deleted before they were read", partition->offset,
                 log_start - 1, STRING_ARGS(consume->routes.topic), partition->index);
        partition->offset = log_start;
        return;
    }
    cli_error("cannot read %.*s-%d from offset %" PRId64 ": OFFSET_OUT_OF_RANGE (1): its log begins at %" PRId64
              " on %s",
              STRING_ARGS(consume->routes.topic), partition->index, partition->offset, log_start, where);
    cli_hint("start elsewhere: --from beginning, end, or -10");
    consume->failed = true;
}

static void partition_failed(struct fetch_call *fetch, struct consume_partition *partition, int16_t code,
                             int64_t log_start)
{
    struct consume *consume = fetch->consume;
    char what[320];

    partition->code = code;
    if (code == ERROR_OFFSET_OUT_OF_RANGE) {
        complain_range(consume, partition, fetch->server->name, log_start);
    } else if (kafka_error_retriable(code)) {
        partition->retry_ns = env_now_ns(consume->session->env) + RETRY_NS;
        consume->stale = true;
    } else {
        snprintf(what, sizeof(what), "cannot read %.*s-%d", STRING_ARGS(consume->routes.topic), partition->index);
        cli_server_error(what, fetch->server->name, code, STRING_NULL);
        consume->failed = true;
    }
}

static void complain_damage(struct fetch_call *fetch, const struct consume_partition *partition, enum status status)
{
    struct consume *consume = fetch->consume;

    cli_error("the batch at offset %" PRId64 " of %.*s-%d is damaged: %s, sent by %s", partition->offset,
              STRING_ARGS(consume->routes.topic), partition->index, status_text(status), fetch->server->name);
    cli_hint("check the files of the partition on that node: millrace log verify; read on behind it: --from %" PRId64,
             partition->offset + 1);
    consume->failed = true;
}

static void partition_fetched(struct fetch_call *fetch, struct consume_partition *partition,
                              const struct fetch_response_responses_partitions *answer)
{
    struct consume *consume = fetch->consume;
    const bool committed = consume->properties.read_committed && answer->last_stable_offset >= 0;
    const struct bytes records = {answer->records.data, answer->records.size};
    const size_t aborted_count =
        answer->aborted_transactions_count > 0 ? (size_t)answer->aborted_transactions_count : 0;
    struct aborted_transaction *aborted = NULL;
    struct consumer_limits limits = {.check_crcs = consume->properties.check_crcs,
                                     .offset_stop = partition->offset_stop};

    partition->touched = true;
    partition->code = ERROR_NONE;
    if (consume->properties.read_committed) {
        aborted = memory_alloc_zero(aborted_count + 1, sizeof(*aborted));
        for (size_t i = 0; i < aborted_count; i++) {
            aborted[i].producer_id = answer->aborted_transactions[i].producer_id;
            aborted[i].first_offset = answer->aborted_transactions[i].first_offset;
        }
        limits.aborted = aborted;
        limits.aborted_count = aborted_count;
    }
    fetch->current = partition;
    const enum status status =
        consumer_read(&consume->consumer, records, &limits, &partition->offset, print_record, fetch);

    memory_free(aborted);
    if (status != STATUS_OK) {
        complain_damage(fetch, partition, status);
        return;
    }
    const int64_t end = committed ? answer->last_stable_offset : answer->high_watermark;

    partition->done = partition->offset >= partition->offset_stop || (consume->until_end && partition->offset >= end);
}

static struct consume_partition *find_partition(struct consume *consume, int32_t index)
{
    for (size_t i = 0; i < consume->partition_count; i++) {
        if (consume->partitions[i].index == index) {
            return &consume->partitions[i];
        }
    }
    return NULL;
}

static void take_answer(struct fetch_call *fetch, const struct fetch_response *body)
{
    struct consume *consume = fetch->consume;

    for (int32_t t = 0; t < body->responses_count; t++) {
        for (int32_t p = 0; p < body->responses[t].partitions_count && !consume_done(consume); p++) {
            const struct fetch_response_responses_partitions *answer = &body->responses[t].partitions[p];
            struct consume_partition *partition = find_partition(consume, answer->partition_index);

            if (partition == NULL || partition->fetch != fetch) {
                continue;
            }
            if (answer->error_code != ERROR_NONE) {
                partition_failed(fetch, partition, answer->error_code, answer->log_start_offset);
            } else {
                consume->progress_ns = env_now_ns(consume->session->env);
                partition_fetched(fetch, partition, answer);
            }
        }
    }
}

static void fetch_done(struct rpc_call *call)
{
    struct fetch_call *fetch = CONTAINER_OF(call, struct fetch_call, call);
    struct consume *consume = fetch->consume;
    const struct fetch_response *body = call->response;

    trace_call(fetch->server, call, fetch->sent_ns);
    if (call->status == STATUS_OK && body->error_code == ERROR_NONE) {
        take_answer(fetch, body);
    } else {
        consume->stale = true;
    }
    for (size_t i = 0; i < consume->partition_count; i++) {
        if (consume->partitions[i].fetch == fetch) {
            consume->partitions[i].fetch = NULL;
        }
    }
    consume_flush(consume);
    rpc_call_deinit(call);
    memory_free(fetch);
    consume->woken = true;
    env_stop(consume->session->env);
}

static bool partition_wanted(const struct consume *consume, const struct consume_partition *partition,
                             int32_t leader_id)
{
    return !partition->done && partition->fetch == NULL && consume->routes.leaders[partition->index] == leader_id &&
           partition->retry_ns <= env_now_ns(consume->session->env);
}

static void send_fetch(struct consume *consume, int32_t leader_id, struct server *server)
{
    struct fetch_request request;
    struct fetch_request_topics topic;
    struct fetch_call *fetch = memory_alloc_zero(1, sizeof(*fetch));
    const uint32_t timeout_ms =
        (uint32_t)consume->properties.request_timeout_ms + (uint32_t)consume->properties.fetch_max_wait_ms;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    request.replica_id = -1;
    request.max_wait_ms = consume->until_end ? 0 : consume->properties.fetch_max_wait_ms;
    request.min_bytes = consume->properties.fetch_min_bytes;
    request.max_bytes = consume->properties.fetch_max_bytes;
    request.isolation_level = consume->properties.read_committed ? ISOLATION_COMMITTED : 0;
    request.rack_id = STRING("");
    request.topics = &topic;
    request.topics_count = 1;
    topic.topic = consume->routes.topic;
    topic.topic_id = consume->routes.topic_id;
    topic.partitions = memory_alloc_zero(consume->partition_count, sizeof(*topic.partitions));
    for (size_t i = 0; i < consume->partition_count; i++) {
        struct consume_partition *partition = &consume->partitions[i];

        if (partition_wanted(consume, partition, leader_id)) {
            struct fetch_request_topics_partitions *asked = &topic.partitions[topic.partitions_count++];

            fetch_request_topics_partitions_init(asked);
            asked->partition = partition->index;
            asked->current_leader_epoch = consume->routes.leader_epochs[partition->index];
            asked->fetch_offset = partition->offset;
            asked->partition_max_bytes = consume->properties.partition_max_bytes;
            partition->fetch = fetch;
        }
    }
    fetch->consume = consume;
    fetch->server = server;
    fetch->leader_id = leader_id;
    fetch->sent_ns = env_now_ns(consume->session->env);
    rpc_call_init(&fetch->call, fetch_done, NULL);
    rpc_client_call(server->client, &fetch->call, API_FETCH, server_version(server, API_FETCH), &request, timeout_ms);
    memory_free(topic.partitions);
}

static bool leader_busy(const struct consume *consume, int32_t leader_id)
{
    for (size_t i = 0; i < consume->partition_count; i++) {
        if (consume->partitions[i].fetch != NULL && consume->partitions[i].fetch->leader_id == leader_id) {
            return true;
        }
    }
    return false;
}

static bool leader_wanted(const struct consume *consume, int32_t leader_id)
{
    for (size_t i = 0; i < consume->partition_count; i++) {
        if (partition_wanted(consume, &consume->partitions[i], leader_id)) {
            return true;
        }
    }
    return false;
}

void consume_fetch(struct consume *consume)
{
    for (size_t i = 0; i < consume->routes.node_count; i++) {
        const int32_t leader_id = consume->routes.nodes[i].id;

        if (!leader_wanted(consume, leader_id) || leader_busy(consume, leader_id)) {
            continue;
        }
        struct server *server = server_if_ready(consume->session, &consume->routes.nodes[i].address);

        if (server != NULL && server->state == SERVER_OPEN) {
            send_fetch(consume, leader_id, server);
        } else if (server == NULL) {
            consume->stale = true;
        }
    }
}
