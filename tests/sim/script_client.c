/* See script_client.h. Every attempt goes
 *
 *     [leader's errands: Metadata from any node, which names the leader] --> the request itself --> done
 *          ^                                                                       |
 *          '---------------- refused, or no answer: a pause, the next node --------'
 *
 * Connections are kept until they break. */
#include "tests/sim/script_client.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/rpc/client.h"
#include "common/wire/error.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/fetch.h"
#include "wire/init_producer_id.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/produce.h"

#include <inttypes.h>
#include <stdio.h>

#define METADATA_VERSION_MAX 9
#define CREATE_VERSION_MAX 7
#define DELETE_TOPICS_VERSION_MAX 6
#define DELETE_RECORDS_VERSION_MAX 2
#define PRODUCE_VERSION_MAX 12
#define FETCH_VERSION_MAX 12
#define LIST_OFFSETS_VERSION_MAX 6
#define PRODUCER_ID_VERSION_MAX 4
#define REQUEST_MS 5000
/* The server's own time-out comes first. */
#define ANSWER_MS 6000
#define PAUSE_NS (250 * NS_PER_MS)
/* What passes sooner is not worth a word. */
#define TOLD_AFTER_NS (2 * NS_PER_SECOND)
#define SETTINGS_MAX 8
#define FETCH_BYTES 65536
#define LIST_LATEST (-1)
#define LIST_EARLIEST (-2)

struct script_link {
    char host[NET_HOST_MAX + 1];
    uint16_t port;
    int32_t id; /* of the node; -1: not known */
    struct rpc_client *rpc;
    bool open;
};

struct script_run {
    struct script_client *client;
    struct env *env;
    struct script_link links[SCRIPT_SERVERS_MAX];
    size_t link_count;
    unsigned next_node;
    struct script_link *waiting; /* for this one to open */
    struct script_link *asked;   /* the call is with this one */
    struct rpc_call call;
    bool calling;
    struct env_timer pause;
    struct env_hook step;
    struct batch_builder builder;
    struct errand *errand; /* NULL: idle */
    struct script_link *leader;
    uint64_t began_ns;
    uint64_t deadline_ns;
    int64_t list_which; /* offsets: which end is asked for */
};

static void script_finish(struct script_run *run, bool good)
{
    struct errand *errand = run->errand;

    run->errand = NULL;
    errand->good = good;
    errand->done = true;
}

/* The attempt has failed: the end, or one more. */
static void script_refused(struct script_run *run, bool final, const char *what, const struct script_link *who)
{
    struct errand *errand = run->errand;
    char text[sizeof(errand->refusal)] = "";
    char *dash;

    run->waiting = NULL;
    run->leader = NULL;
    run->next_node++;
    snprintf(text, sizeof(text), "%.100s%s%.100s", what, who != NULL ? " " : "", who != NULL ? who->host : "");
    dash = who != NULL ? strchr(text, '-') : NULL;
    if (dash != NULL) {
        *dash = ' ';
    }
    if (final || errand->once || env_now_ns(run->env) > run->deadline_ns) {
        memcpy(errand->refusal, text, sizeof(text));
        script_finish(run, false);
        return;
    }
    if (env_now_ns(run->env) - run->began_ns > TOLD_AFTER_NS && errand->refusal[0] == '\0') {
        memcpy(errand->refusal, text, sizeof(text));
        run->client->tell(run->client->context, text);
    }
    env_timer_start(run->env, &run->pause, PAUSE_NS);
}

/* An error code of the answer. Some will not change. */
static void script_error(struct script_run *run, int16_t code)
{
    static const int16_t finals[] = {ERROR_TOPIC_ALREADY_EXISTS,        ERROR_OFFSET_OUT_OF_RANGE,
                                     ERROR_INVALID_TOPIC_EXCEPTION,     ERROR_INVALID_CONFIG,
                                     ERROR_INVALID_REPLICATION_FACTOR,  ERROR_POLICY_VIOLATION,
                                     ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, ERROR_INVALID_TIMESTAMP};
    bool final = false;

    for (size_t i = 0; i < ARRAY_COUNT(finals); i++) {
        final = final || finals[i] == code;
    }
    script_refused(run, final, kafka_error_name(code), NULL);
}

static void script_pause_over(void *context)
{
    struct script_run *run = context;

    env_at_turn_end(run->env, &run->step);
}

/* --- connections --- */

static struct script_link *script_link_of(struct script_run *run, const struct rpc_client *rpc)
{
    for (size_t i = 0; i < run->link_count; i++) {
        if (run->links[i].rpc == rpc) {
            return &run->links[i];
        }
    }
    UNREACHABLE();
}

static void script_opened(void *context, struct rpc_client *rpc)
{
    struct script_run *run = context;

    script_link_of(run, rpc)->open = true;
    env_at_turn_end(run->env, &run->step);
}

static void script_closed(void *context, struct rpc_client *rpc, enum status why)
{
    struct script_run *run = context;
    struct script_link *link = script_link_of(run, rpc);

    (void)why;
    link->rpc = NULL;
    link->open = false;
    if (run->waiting == link && run->errand != NULL) {
        script_refused(run, false, "no connection to", link);
    }
}

static const struct rpc_client_handler script_handler = {.opened = script_opened, .closed = script_closed};

static struct script_link *script_add_link(struct script_run *run, struct string host, uint16_t port)
{
    struct script_link *link;

    for (size_t i = 0; i < run->link_count; i++) {
        if (string_is(host, run->links[i].host) && run->links[i].port == port) {
            return &run->links[i];
        }
    }
    ASSERT(run->link_count < SCRIPT_SERVERS_MAX);
    ASSERT(host.size <= NET_HOST_MAX);
    link = &run->links[run->link_count++];
    *link = (struct script_link){.port = port, .id = -1};
    memcpy(link->host, host.data, host.size);
    return link;
}

/* Any node, another one after a failure; or the server that the errand names. */
static struct script_link *script_first_link(struct script_run *run)
{
    const struct errand *errand = run->errand;
    size_t count = 0;

    if (errand->server != NULL) {
        return script_add_link(run, string_of(errand->server), errand->server_port);
    }
    while (run->client->nodes[count] != NULL) {
        count++;
    }
    return script_add_link(run, string_of(run->client->nodes[run->next_node % count]), run->client->port);
}

/* False: the step comes again when the link is open, or has failed. */
static bool script_reach(struct script_run *run, struct script_link *link)
{
    const struct rpc_client_options options = {.host = link->host,
                                               .port = link->port,
                                               .client_id = "script",
                                               .connect_timeout_ms = REQUEST_MS,
                                               .response_size_max = 16 * 1024 * 1024};

    if (link->rpc == NULL) {
        link->rpc = rpc_client_open(run->env, &options, &script_handler, run);
    }
    run->waiting = link->open ? NULL : link;
    run->asked = link;
    return link->open;
}

static void script_call(struct script_run *run, void (*done)(struct rpc_call *call), int16_t key, int16_t version_max,
                        const void *request)
{
    const int16_t version = rpc_client_version(run->asked->rpc, key, version_max);

    ASSERT(version >= 0);
    rpc_call_init(&run->call, done, run);
    run->calling = true;
    rpc_client_call(run->asked->rpc, &run->call, key, version, request, ANSWER_MS);
}

/* The answer to the call; NULL if there was none: then that has been dealt with. */
static void *script_answer(struct script_run *run)
{
    run->calling = false;
    if (run->call.status != STATUS_OK) {
        script_refused(run, false,
                       run->call.status == STATUS_TIMEOUT ? "no answer from" : "a broken connection to", run->asked);
        return NULL;
    }
    return run->call.response;
}

/* --- metadata --- */

static void script_take_metadata(struct script_run *run, const struct metadata_response *response)
{
    const struct metadata_response_topics *topic = response->topics;

    for (int32_t i = 0; i < response->brokers_count; i++) {
        script_add_link(run, response->brokers[i].host, (uint16_t)response->brokers[i].port)->id =
            response->brokers[i].node_id;
    }
    if (response->topics_count != 1 || topic->error_code != ERROR_NONE) {
        script_error(run, response->topics_count == 1 ? topic->error_code : ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        for (size_t j = 0; topic->partitions[i].partition_index == run->errand->partition && j < run->link_count; j++) {
            if (run->links[j].id >= 0 && run->links[j].id == topic->partitions[i].leader_id) {
                run->leader = &run->links[j];
            }
        }
    }
    if (run->leader == NULL) {
        script_refused(run, false, "the partition has no leader", NULL);
    } else {
        env_at_turn_end(run->env, &run->step);
    }
}

static void metadata_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct metadata_response *response = script_answer(run);

    if (response != NULL) {
        script_take_metadata(run, response);
    }
    rpc_call_deinit(call);
}

static void script_ask_metadata(struct script_run *run)
{
    struct metadata_request_topics topic;
    struct metadata_request request;

    if (!script_reach(run, script_first_link(run))) {
        return;
    }
    metadata_request_init(&request);
    metadata_request_topics_init(&topic);
    topic.name = string_of(run->errand->topic);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    script_call(run, metadata_done, API_METADATA, METADATA_VERSION_MAX, &request);
}

/* --- topics and producer ids --- */

static void script_end(struct script_run *run, int16_t code)
{
    if (code == ERROR_NONE) {
        script_finish(run, true);
    } else {
        script_error(run, code);
    }
}

static void create_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct create_topics_response *response = script_answer(run);

    if (response != NULL) {
        script_end(run, response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR);
    }
    rpc_call_deinit(call);
}

static void script_create_topic(struct script_run *run)
{
    const struct errand *errand = run->errand;
    struct create_topics_request_topics_configs configs[SETTINGS_MAX];
    struct create_topics_request_topics topic;
    struct create_topics_request request;

    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = string_of(errand->topic);
    topic.num_partitions = errand->partitions;
    topic.replication_factor = 1;
    topic.configs = configs;
    for (; errand->settings[topic.configs_count] != NULL; topic.configs_count++) {
        const char *setting = errand->settings[topic.configs_count];
        const size_t size = strcspn(setting, "=");

        ASSERT(topic.configs_count < SETTINGS_MAX && setting[size] == '=');
        create_topics_request_topics_configs_init(&configs[topic.configs_count]);
        configs[topic.configs_count].name = (struct string){setting, size};
        configs[topic.configs_count].value = string_of(setting + size + 1);
    }
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = REQUEST_MS;
    script_call(run, create_done, API_CREATE_TOPICS, CREATE_VERSION_MAX, &request);
}

static void delete_topic_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct delete_topics_response *response = script_answer(run);

    if (response != NULL) {
        script_end(run,
                   response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR);
    }
    rpc_call_deinit(call);
}

static void script_delete_topic(struct script_run *run)
{
    struct delete_topics_request_topics topic;
    struct delete_topics_request request;
    struct string name = string_of(run->errand->topic);

    delete_topics_request_init(&request);
    delete_topics_request_topics_init(&topic);
    /* Versions from 6 on name it here, the others there. */
    topic.name = name;
    request.topics = &topic;
    request.topics_count = 1;
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = REQUEST_MS;
    script_call(run, delete_topic_done, API_DELETE_TOPICS, DELETE_TOPICS_VERSION_MAX, &request);
}

static void producer_id_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct init_producer_id_response *response = script_answer(run);

    if (response != NULL) {
        run->errand->producer_id = response->producer_id;
        run->errand->producer_epoch = response->producer_epoch;
        script_end(run, response->error_code);
    }
    rpc_call_deinit(call);
}

static void script_producer_id(struct script_run *run)
{
    struct init_producer_id_request request;

    init_producer_id_request_init(&request);
    request.transactional_id = STRING_NULL;
    script_call(run, producer_id_done, API_INIT_PRODUCER_ID, PRODUCER_ID_VERSION_MAX, &request);
}

/* --- records --- */

static void produce_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct produce_response *response = script_answer(run);

    if (response != NULL) {
        ASSERT(response->responses_count == 1 && response->responses[0].partition_responses_count == 1);
        run->errand->first_offset = response->responses[0].partition_responses[0].base_offset;
        script_end(run, response->responses[0].partition_responses[0].error_code);
    }
    rpc_call_deinit(call);
}

static struct space script_build_batch(struct script_run *run)
{
    const struct errand *errand = run->errand;
    struct batch_options options = batch_options_default();

    if (errand->producer_id >= 0) {
        options.producer_id = errand->producer_id;
        options.producer_epoch = errand->producer_epoch;
        options.base_sequence = errand->sequence;
    }
    batch_builder_reset(&run->builder, &options);
    for (int32_t i = 0; i < errand->count; i++) {
        char text[SCRIPT_TEXT_MAX];
        const int size = errand->count == 1
                             ? snprintf(text, sizeof(text), "%.*s", (int)errand->value.size, errand->value.data)
                             : snprintf(text, sizeof(text), "%.*s %" PRId32, (int)errand->value.size,
                                        errand->value.data, i + 1);
        const struct record_draft draft = {
            .timestamp = env_wall_ms(run->env), .key = BYTES_NULL, .value = bytes_of(text, (size_t)size)};
        enum status status;

        ASSERT(size < SCRIPT_TEXT_MAX);
        status = batch_builder_append(&run->builder, &draft);
        ASSERT(status == STATUS_OK);
    }
    return batch_builder_finish(&run->builder);
}

static void script_produce(struct script_run *run)
{
    const struct space batch = script_build_batch(run);
    struct produce_request_topic_data_partition_data data;
    struct produce_request_topic_data topic;
    struct produce_request request;

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&data);
    data.index = run->errand->partition;
    data.records = (struct records){.data = batch.data, .size = batch.size};
    topic.name = string_of(run->errand->topic);
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    request.acks = run->errand->acks;
    request.timeout_ms = REQUEST_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    script_call(run, produce_done, API_PRODUCE, PRODUCE_VERSION_MAX, &request);
}

static void consume_record(struct errand *errand, const struct record *record)
{
    struct errand_record *into = &errand->records[errand->record_count];

    if (errand->record_count < SCRIPT_RECORDS_MAX) {
        into->offset = record->offset;
        snprintf(into->value, sizeof(into->value), "%.*s", (int)record->value.size, (const char *)record->value.data);
    }
    errand->record_count++;
    errand->offset = record->offset + 1;
}

/* False: what came is no sound batch. */
static bool consume_batches(struct errand *errand, struct bytes rest)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct bytes batch;

    while (batch_next(&rest, &batch) == STATUS_OK) {
        struct record_iterator iterator;
        struct batch_header header;
        struct record record;

        if (batch_validate(batch, &limits, &header) != BATCH_ERROR_NONE) {
            return false;
        }
        record_iterator_init(&iterator, &header,
                             bytes_of(batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE));
        while (record_next(&iterator, &record) == STATUS_OK) {
            if (record.offset >= errand->offset) {
                consume_record(errand, &record);
            }
        }
    }
    return true;
}

static void fetch_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct fetch_response *response = script_answer(run);
    const struct fetch_response_responses_partitions *partition = NULL;

    if (response != NULL && response->responses_count == 1 && response->responses[0].partitions_count == 1) {
        partition = &response->responses[0].partitions[0];
    }
    if (partition != NULL && partition->error_code == ERROR_NONE && response->error_code == ERROR_NONE) {
        run->errand->first_offset = partition->log_start_offset;
        run->errand->end_offset = partition->high_watermark;
        if (!consume_batches(run->errand, bytes_of(partition->records.data, partition->records.size))) {
            script_refused(run, true, "what was read is damaged", NULL);
        } else if (run->errand->offset >= partition->high_watermark) {
            script_finish(run, true);
        } else {
            env_at_turn_end(run->env, &run->step);
        }
    } else if (response != NULL) {
        script_error(run, partition != NULL ? partition->error_code : response->error_code);
    }
    rpc_call_deinit(call);
}

static void script_fetch(struct script_run *run)
{
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    partition.partition = run->errand->partition;
    partition.fetch_offset = run->errand->offset;
    partition.partition_max_bytes = FETCH_BYTES;
    topic.topic = string_of(run->errand->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_wait_ms = 0;
    request.max_bytes = FETCH_BYTES;
    request.topics = &topic;
    request.topics_count = 1;
    script_call(run, fetch_done, API_FETCH, FETCH_VERSION_MAX, &request);
}

static void list_offsets_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct list_offsets_response *response = script_answer(run);

    if (response != NULL) {
        const struct list_offsets_response_topics_partitions *partition = &response->topics[0].partitions[0];

        ASSERT(response->topics_count == 1 && response->topics[0].partitions_count == 1);
        if (partition->error_code == ERROR_NONE && run->list_which == LIST_EARLIEST) {
            run->errand->first_offset = partition->offset;
            run->list_which = LIST_LATEST;
            env_at_turn_end(run->env, &run->step);
        } else {
            run->errand->end_offset = partition->offset;
            script_end(run, partition->error_code);
        }
    }
    rpc_call_deinit(call);
}

static void script_list_offsets(struct script_run *run)
{
    struct list_offsets_request_topics_partitions partition;
    struct list_offsets_request_topics topic;
    struct list_offsets_request request;

    list_offsets_request_init(&request);
    list_offsets_request_topics_init(&topic);
    list_offsets_request_topics_partitions_init(&partition);
    partition.partition_index = run->errand->partition;
    partition.timestamp = run->list_which;
    topic.name = string_of(run->errand->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    script_call(run, list_offsets_done, API_LIST_OFFSETS, LIST_OFFSETS_VERSION_MAX, &request);
}

static void delete_records_done(struct rpc_call *call)
{
    struct script_run *run = call->context;
    const struct delete_records_response *response = script_answer(run);

    if (response != NULL) {
        ASSERT(response->topics_count == 1 && response->topics[0].partitions_count == 1);
        run->errand->first_offset = response->topics[0].partitions[0].low_watermark;
        script_end(run, response->topics[0].partitions[0].error_code);
    }
    rpc_call_deinit(call);
}

static void script_delete_records(struct script_run *run)
{
    struct delete_records_request_topics_partitions partition;
    struct delete_records_request_topics topic;
    struct delete_records_request request;

    delete_records_request_init(&request);
    delete_records_request_topics_init(&topic);
    delete_records_request_topics_partitions_init(&partition);
    partition.partition_index = run->errand->partition;
    partition.offset = run->errand->offset;
    topic.name = string_of(run->errand->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = REQUEST_MS;
    script_call(run, delete_records_done, API_DELETE_RECORDS, DELETE_RECORDS_VERSION_MAX, &request);
}

/* --- the whole --- */

static void script_request(struct script_run *run)
{
    switch (run->errand->kind) {
    case ERRAND_CREATE_TOPIC:
        script_create_topic(run);
        break;
    case ERRAND_DELETE_TOPIC:
        script_delete_topic(run);
        break;
    case ERRAND_PRODUCER_ID:
        script_producer_id(run);
        break;
    case ERRAND_PRODUCE:
        script_produce(run);
        break;
    case ERRAND_CONSUME:
        script_fetch(run);
        break;
    case ERRAND_OFFSETS:
        script_list_offsets(run);
        break;
    case ERRAND_DELETE_RECORDS:
        script_delete_records(run);
        break;
    }
}

static void script_step(void *context)
{
    struct script_run *run = context;
    const bool needs_leader = run->errand != NULL && run->errand->kind >= ERRAND_PRODUCE;

    if (run->errand == NULL || run->calling || env_timer_active(&run->pause)) {
        return;
    }
    if (needs_leader && run->leader == NULL) {
        script_ask_metadata(run);
    } else if (script_reach(run, needs_leader ? run->leader : script_first_link(run))) {
        script_request(run);
    }
}

static enum status script_start(struct sim_process *process, void *context)
{
    struct script_run *run = memory_alloc_zero(1, sizeof(*run));
    const struct batch_options options = batch_options_default();

    run->client = context;
    run->env = sim_env(process, 0);
    env_timer_init(&run->pause, script_pause_over, run);
    env_hook_init(&run->step, script_step, run);
    batch_builder_init(&run->builder, &options);
    run->client->run = run;
    return STATUS_OK;
}

void script_client_init(struct script_client *client, const char *const *nodes, uint16_t port,
                        void (*tell)(void *context, const char *text), void *context)
{
    *client = (struct script_client){.program = {.start = script_start, .context = client},
                                     .nodes = nodes,
                                     .port = port,
                                     .tell = tell,
                                     .context = context};
}

static void script_begin(void *context)
{
    struct script_run *run = context;

    run->leader = NULL;
    run->list_which = LIST_EARLIEST;
    run->began_ns = env_now_ns(run->env);
    run->deadline_ns = run->began_ns + run->errand->patience_ns;
    env_at_turn_end(run->env, &run->step);
}

void script_client_start(struct script_client *client, struct sim_process *process, struct errand *errand)
{
    struct script_run *run = client->run;

    ASSERT(run != NULL && run->errand == NULL);
    errand->done = false;
    errand->refusal[0] = '\0';
    errand->record_count = 0;
    run->errand = errand;
    sim_process_run(process, 0, script_begin, run);
}
