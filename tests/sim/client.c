/* See client.h. One request at a time:
 *
 *     no metadata --Metadata--> (no topic: CreateTopics) --> produce to each in turn --> read each in turn --> idle
 *          ^                                                            |
 *          '----------------- any failure, after a pause ---------------'
 *
 * A batch whose outcome is unknown is not sent again: its numbers may turn up once or never, and the next attempt has
 * new ones. */
#include "tests/sim/client.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/rpc/client.h"
#include "common/wire/error.h"
#include "wire/create_topics.h"
#include "wire/fetch.h"
#include "wire/metadata.h"
#include "wire/produce.h"

#include <inttypes.h>
#include <stdlib.h>

#define METADATA_VERSION_MAX 9
#define CREATE_VERSION_MAX 7
#define PRODUCE_VERSION_MAX 12
#define FETCH_VERSION_MAX 12
#define BATCH_RECORDS_MAX 20
#define VALUE_SIZE_MAX 300
#define TIMEOUT_MS 5000
#define PAUSE_NS (200 * NS_PER_MS)
#define SETTINGS_MAX 8
#define FETCH_BYTES 65536

/* A connection to a node. */
struct link {
    char host[NET_HOST_MAX + 1];
    uint16_t port;
    int32_t id; /* -1: not known yet */
    struct rpc_client *rpc;
    bool open;
};

/* How far the reading of everything has come. */
struct reading {
    int32_t partition;
    int64_t offset;   /* next to read */
    size_t promise;   /* next one to keep */
    uint64_t count;
    uint8_t *seen;    /* a bit for each number */
};

struct client_run {
    struct client *client;
    struct sim_world *world;
    struct env *env;
    struct link links[CLIENT_NODES_MAX];
    size_t link_count;
    unsigned next_node; /* of options.nodes */
    bool has_metadata;
    int32_t leaders[CLIENT_PARTITIONS_MAX];
    uint64_t batches;
    struct rpc_call call;
    bool calling;
    struct link *waiting; /* for this one to open */
    struct env_timer pause;
    struct env_hook step;
    struct batch_builder builder;
    struct client_promise attempt;
    struct reading reading;
};

static void client_fail_attempt(struct client_run *run, const char *what, int code)
{
    sim_say(run->world, "%s failed: %d", what, code);
    run->has_metadata = false;
    run->waiting = NULL;
    run->next_node++;
    env_timer_start(run->env, &run->pause, PAUSE_NS);
}

static void client_pause_over(void *context)
{
    struct client_run *run = context;

    env_at_turn_end(run->env, &run->step);
}

static struct link *client_link_of(struct client_run *run, const struct rpc_client *rpc)
{
    for (size_t i = 0; i < run->link_count; i++) {
        if (run->links[i].rpc == rpc) {
            return &run->links[i];
        }
    }
    return NULL;
}

static void link_opened(void *context, struct rpc_client *rpc)
{
    struct client_run *run = context;

    client_link_of(run, rpc)->open = true;
    env_at_turn_end(run->env, &run->step);
}

static void link_closed(void *context, struct rpc_client *rpc, enum status why)
{
    struct client_run *run = context;
    struct link *link = client_link_of(run, rpc);

    link->rpc = NULL;
    link->open = false;
    if (run->waiting == link) {
        client_fail_attempt(run, status_text(why), 0);
    }
}

static const struct rpc_client_handler link_handler = {.opened = link_opened, .closed = link_closed};

/* The link to that node, open, or NULL: then the step comes again when it is. */
static struct rpc_client *client_reach(struct client_run *run, struct link *link)
{
    const struct rpc_client_options options = {.host = link->host,
                                               .port = link->port,
                                               .client_id = "simulated",
                                               .connect_timeout_ms = TIMEOUT_MS,
                                               .response_size_max = 16 * 1024 * 1024};

    if (link->rpc == NULL) {
        link->rpc = rpc_client_open(run->env, &options, &link_handler, run);
    }
    run->waiting = link->open ? NULL : link;
    return link->open ? link->rpc : NULL;
}

static struct link *client_add_link(struct client_run *run, struct string host, uint16_t port)
{
    struct link *link;

    for (size_t i = 0; i < run->link_count; i++) {
        if (string_is(host, run->links[i].host) && run->links[i].port == port) {
            return &run->links[i];
        }
    }
    ASSERT(run->link_count < CLIENT_NODES_MAX);
    ASSERT(host.size <= NET_HOST_MAX);
    link = &run->links[run->link_count++];
    *link = (struct link){.port = port, .id = -1};
    memcpy(link->host, host.data, host.size);
    return link;
}

static struct link *client_first_link(struct client_run *run)
{
    size_t count = 0;

    while (run->client->options.nodes[count] != NULL) {
        count++;
    }
    return client_add_link(run, string_of(run->client->options.nodes[run->next_node % count]),
                           run->client->options.port);
}

static void client_call(struct client_run *run, struct rpc_client *rpc, void (*done)(struct rpc_call *call),
                        int16_t key, int16_t version_max, const void *request)
{
    const int16_t version = rpc_client_version(rpc, key, version_max);

    ASSERT(version >= 0);
    rpc_call_init(&run->call, done, run);
    run->calling = true;
    rpc_client_call(rpc, &run->call, key, version, request, TIMEOUT_MS);
}

/* A call is over. NULL and the next attempt planned if there is no answer. */
static void *client_answer(struct client_run *run)
{
    run->calling = false;
    if (run->call.status != STATUS_OK) {
        client_fail_attempt(run, status_text(run->call.status), run->call.key);
        return NULL;
    }
    return run->call.response;
}

/* --- metadata --- */

static void create_done(struct rpc_call *call)
{
    struct client_run *run = call->context;

    const struct create_topics_response *response = client_answer(run);

    if (response != NULL && response->topics_count == 1) {
        sim_say(run->world, "created topic: %d", response->topics[0].error_code);
    }
    rpc_call_deinit(call);
    env_timer_start(run->env, &run->pause, PAUSE_NS);
}

static void client_create_topic(struct client_run *run, struct rpc_client *rpc)
{
    const struct client_options *options = &run->client->options;
    struct create_topics_request_topics_configs configs[SETTINGS_MAX];
    struct create_topics_request_topics topic;
    struct create_topics_request request;

    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = string_of(options->topic);
    topic.num_partitions = options->partitions;
    topic.replication_factor = options->replication;
    topic.configs = configs;
    for (; options->settings != NULL && options->settings[topic.configs_count] != NULL; topic.configs_count++) {
        const char *setting = options->settings[topic.configs_count];
        const size_t size = strcspn(setting, "=");

        ASSERT(topic.configs_count < SETTINGS_MAX);
        create_topics_request_topics_configs_init(&configs[topic.configs_count]);
        configs[topic.configs_count].name = (struct string){setting, size};
        configs[topic.configs_count].value = string_of(setting + size + 1);
    }
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client_call(run, rpc, create_done, API_CREATE_TOPICS, CREATE_VERSION_MAX, &request);
}

static bool client_take_metadata(struct client_run *run, const struct metadata_response *response)
{
    const struct metadata_response_topics *topic = response->topics;

    for (int32_t i = 0; i < response->brokers_count; i++) {
        client_add_link(run, response->brokers[i].host, (uint16_t)response->brokers[i].port)->id =
            response->brokers[i].node_id;
    }
    if (response->topics_count == 1) {
        sim_say(run->world, "topic has error %d and %d partitions", topic->error_code, topic->partitions_count);
    }
    if (response->topics_count != 1 || topic->error_code != ERROR_NONE ||
        topic->partitions_count != run->client->options.partitions) {
        return false;
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (topic->partitions[i].partition_index < 0 ||
            topic->partitions[i].partition_index >= topic->partitions_count) {
            sim_fail(run->world, "metadata names partition %d", topic->partitions[i].partition_index);
            return false;
        }
        run->leaders[topic->partitions[i].partition_index] = topic->partitions[i].leader_id;
    }
    return true;
}

static void metadata_done(struct rpc_call *call)
{
    struct client_run *run = call->context;
    struct rpc_client *rpc = call->client;
    const struct metadata_response *response = client_answer(run);
    bool create = false;

    if (response != NULL) {
        run->has_metadata = client_take_metadata(run, response);
        create = response->topics_count == 1 && response->topics[0].error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    rpc_call_deinit(call);
    if (run->has_metadata) {
        env_at_turn_end(run->env, &run->step);
    } else if (create && client_link_of(run, rpc) != NULL && client_link_of(run, rpc)->open) {
        client_create_topic(run, rpc);
    } else {
        env_timer_start(run->env, &run->pause, PAUSE_NS);
    }
}

static void client_ask_metadata(struct client_run *run)
{
    struct rpc_client *rpc = client_reach(run, client_first_link(run));
    struct metadata_request_topics topic;
    struct metadata_request request;

    if (rpc == NULL) {
        return;
    }
    metadata_request_init(&request);
    metadata_request_topics_init(&topic);
    topic.name = string_of(run->client->options.topic);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    client_call(run, rpc, metadata_done, API_METADATA, METADATA_VERSION_MAX, &request);
}

/* The leader of `partition`, connected, or NULL: then it goes on by itself. */
static struct rpc_client *client_reach_leader(struct client_run *run, int32_t partition)
{
    for (size_t i = 0; i < run->link_count; i++) {
        if (run->links[i].id >= 0 && run->links[i].id == run->leaders[partition]) {
            return client_reach(run, &run->links[i]);
        }
    }
    client_fail_attempt(run, "finding the leader", run->leaders[partition]);
    return NULL;
}

/* --- producing --- */

static void client_promised(struct client_run *run, int64_t offset)
{
    struct client *client = run->client;
    struct client_promise promise = run->attempt;

    promise.offset = offset;
    for (size_t i = 0; i < client->promise_count; i++) {
        const struct client_promise *before = &client->promises[i];

        if (before->partition == promise.partition && before->offset + before->count > offset) {
            sim_fail(run->world, "partition %d: offset %" PRId64 " was promised twice", promise.partition, offset);
            return;
        }
    }
    if (client->promise_count == client->promise_capacity) {
        client->promise_capacity = client->promise_capacity * 2 + 64;
        /* Not the process' memory: it must survive its crashes. */
        client->promises = realloc(client->promises, client->promise_capacity * sizeof(*client->promises));
        ASSERT(client->promises != NULL);
    }
    client->promises[client->promise_count++] = promise;
    client->acknowledged += (uint64_t)promise.count;
    client->produced = client->acknowledged >= client->options.records;
}

static void produce_done(struct rpc_call *call)
{
    struct client_run *run = call->context;
    const struct produce_response *response = client_answer(run);

    if (response == NULL) {
        run->client->produce_errors++;
    } else if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1) {
        sim_fail(run->world, "a produce of one partition was answered with another number of partitions");
    } else if (response->responses[0].partition_responses[0].error_code != ERROR_NONE) {
        run->client->produce_errors++;
        client_fail_attempt(run, "produce", response->responses[0].partition_responses[0].error_code);
    } else {
        client_promised(run, response->responses[0].partition_responses[0].base_offset);
        env_at_turn_end(run->env, &run->step);
    }
    rpc_call_deinit(call);
}

static size_t value_size(uint64_t number)
{
    return 8 + (size_t)(number * 37 % (VALUE_SIZE_MAX - 8));
}

static void value_fill(uint64_t number, uint8_t value[VALUE_SIZE_MAX])
{
    store_u64(value, number);
    for (size_t i = 8; i < VALUE_SIZE_MAX; i++) {
        value[i] = (uint8_t)(number + i);
    }
}

static struct space client_build_batch(struct client_run *run)
{
    const struct batch_options options = batch_options_default();
    struct client_promise *attempt = &run->attempt;
    uint8_t value[VALUE_SIZE_MAX];

    batch_builder_reset(&run->builder, &options);
    attempt->number_first = run->client->next_number;
    attempt->count = 1 + (int32_t)(env_random(run->env) % BATCH_RECORDS_MAX);
    for (int32_t i = 0; i < attempt->count; i++) {
        const uint64_t number = run->client->next_number++;
        const struct record_draft draft = {
            .timestamp = env_wall_ms(run->env), .key = BYTES_NULL, .value = {value, value_size(number)}};
        enum status status;

        value_fill(number, value);
        status = batch_builder_append(&run->builder, &draft);
        ASSERT(status == STATUS_OK);
    }
    return batch_builder_finish(&run->builder);
}

static void client_produce(struct client_run *run)
{
    const int32_t partition = (int32_t)(run->batches % (uint64_t)run->client->options.partitions);
    struct rpc_client *rpc = client_reach_leader(run, partition);
    struct produce_request_topic_data_partition_data data;
    struct produce_request_topic_data topic;
    struct produce_request request;
    struct space batch;

    if (rpc == NULL) {
        return;
    }
    run->batches++;
    run->attempt.partition = partition;
    batch = client_build_batch(run);
    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&data);
    data.index = partition;
    data.records = (struct records){.data = batch.data, .size = batch.size};
    topic.name = string_of(run->client->options.topic);
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    client_call(run, rpc, produce_done, API_PRODUCE, PRODUCE_VERSION_MAX, &request);
}

/* --- reading --- */

static void reading_begin(struct client_run *run)
{
    memory_free(run->reading.seen);
    run->reading = (struct reading){.seen = memory_alloc_zero((size_t)run->client->next_number / 8 + 1, 1)};
}

/* The promise that says what is at the reading's offset, or the next one of the partition; NULL if there is none. */
static const struct client_promise *reading_promise(struct client_run *run)
{
    struct reading *reading = &run->reading;

    for (; reading->promise < run->client->promise_count; reading->promise++) {
        const struct client_promise *promise = &run->client->promises[reading->promise];

        if (promise->partition == reading->partition && promise->offset + promise->count > reading->offset) {
            return promise;
        }
    }
    return NULL;
}

/* False after a failure. */
static bool reading_check(struct client_run *run, const struct record *record)
{
    struct reading *reading = &run->reading;
    const struct client_promise *promise;
    uint8_t value[VALUE_SIZE_MAX];
    uint64_t number;

    if (record->offset != reading->offset) {
        sim_fail(run->world, "partition %d: offset %" PRId64 " follows %" PRId64, reading->partition, record->offset,
                 reading->offset - 1);
        return false;
    }
    number = record->value.size >= 8 ? load_u64(record->value.data) : UINT64_MAX;
    value_fill(number, value);
    if (number >= run->client->next_number || record->value.size != value_size(number) ||
        memcmp(record->value.data, value, record->value.size) != 0) {
        sim_fail(run->world, "partition %d: at offset %" PRId64 " is what nobody sent", reading->partition,
                 record->offset);
        return false;
    }
    promise = reading_promise(run);
    if (promise != NULL && promise->offset <= record->offset &&
        number != promise->number_first + (uint64_t)(record->offset - promise->offset)) {
        sim_fail(run->world, "partition %d: at offset %" PRId64 " is record %" PRIu64 " instead of an acknowledged one",
                 reading->partition, record->offset, number);
        return false;
    }
    if ((reading->seen[number / 8] & 1U << number % 8) != 0) {
        sim_fail(run->world, "partition %d: record %" PRIu64 " is there twice", reading->partition, number);
        return false;
    }
    reading->seen[number / 8] |= (uint8_t)(1U << number % 8);
    reading->offset++;
    reading->count++;
    return true;
}

/* All records of one batch that are not read yet. */
static bool reading_take_batch(struct client_run *run, struct bytes batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct record_iterator iterator;
    struct batch_header header;
    struct record record;
    struct bytes records;
    enum batch_error error = batch_validate(batch, &limits, &header);

    if (error != BATCH_ERROR_NONE) {
        sim_fail(run->world, "partition %d, offset %" PRId64 ": %s", run->reading.partition, run->reading.offset,
                 batch_error_text(error));
        return false;
    }
    records = (struct bytes){batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE};
    record_iterator_init(&iterator, &header, records);
    while (record_next(&iterator, &record) == STATUS_OK) {
        if (record.offset >= run->reading.offset && !reading_check(run, &record)) {
            return false;
        }
    }
    return true;
}

static void reading_next_partition(struct client_run *run)
{
    struct reading *reading = &run->reading;

    reading->partition++;
    reading->offset = 0;
    reading->promise = 0;
    if (reading->partition == run->client->options.partitions) {
        run->client->verified = true;
        run->client->read_count = reading->count;
    }
}

static void reading_take(struct client_run *run, const struct fetch_response_responses_partitions *partition)
{
    struct bytes rest = {partition->records.data, partition->records.size};
    struct bytes batch;

    while (batch_next(&rest, &batch) == STATUS_OK) {
        if (!reading_take_batch(run, batch)) {
            return;
        }
    }
    if (run->reading.offset > partition->high_watermark) {
        sim_fail(run->world, "partition %d was read to %" PRId64 ", beyond its high watermark %" PRId64,
                 run->reading.partition, run->reading.offset, partition->high_watermark);
    }
    if (run->reading.offset >= partition->high_watermark && reading_promise(run) == NULL) {
        reading_next_partition(run);
    }
}

static void fetch_done(struct rpc_call *call)
{
    struct client_run *run = call->context;
    const struct fetch_response *response = client_answer(run);

    if (response != NULL) {
        const struct fetch_response_responses_partitions *partition =
            response->responses_count == 1 && response->responses[0].partitions_count == 1
                ? &response->responses[0].partitions[0]
                : NULL;

        if (partition != NULL && response->error_code == ERROR_NONE && partition->error_code == ERROR_NONE) {
            reading_take(run, partition);
            env_at_turn_end(run->env, &run->step);
        } else {
            client_fail_attempt(run, "fetch", partition != NULL ? partition->error_code : response->error_code);
        }
    }
    rpc_call_deinit(call);
}

static void client_fetch(struct client_run *run)
{
    struct rpc_client *rpc = client_reach_leader(run, run->reading.partition);
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;

    if (rpc == NULL) {
        return;
    }
    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    partition.partition = run->reading.partition;
    partition.fetch_offset = run->reading.offset;
    partition.partition_max_bytes = FETCH_BYTES;
    topic.topic = string_of(run->client->options.topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_wait_ms = 100;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES;
    request.topics = &topic;
    request.topics_count = 1;
    client_call(run, rpc, fetch_done, API_FETCH, FETCH_VERSION_MAX, &request);
}

/* --- the whole --- */

static void client_step(void *context)
{
    struct client_run *run = context;

    if (run->calling || env_timer_active(&run->pause)) {
        return;
    }
    if (!run->has_metadata) {
        client_ask_metadata(run);
    } else if (!run->client->produced) {
        client_produce(run);
    } else if (!run->client->verified) {
        if (run->reading.seen == NULL || run->reading.partition == run->client->options.partitions) {
            reading_begin(run);
        }
        client_fetch(run);
    } else {
        /* Looks now and then whether there is something to do again. */
        env_timer_start(run->env, &run->pause, PAUSE_NS);
    }
}

static enum status client_start(struct sim_process *process, void *context)
{
    struct client_run *run = memory_alloc_zero(1, sizeof(*run));
    const struct batch_options options = batch_options_default();

    run->client = context;
    run->world = sim_process_world(process);
    run->env = sim_env(process, 0);
    env_timer_init(&run->pause, client_pause_over, run);
    env_hook_init(&run->step, client_step, run);
    batch_builder_init(&run->builder, &options);
    env_at_turn_end(run->env, &run->step);
    return STATUS_OK;
}

void client_init(struct client *client, const struct client_options *options)
{
    ASSERT(options->partitions > 0 && options->partitions <= CLIENT_PARTITIONS_MAX);
    *client = (struct client){.program = {.start = client_start, .context = client}, .options = *options};
}

void client_deinit(struct client *client)
{
    free(client->promises);
}

bool client_is_done(void *context)
{
    const struct client *client = context;

    return client->produced && client->verified;
}

bool client_has_produced(void *context)
{
    const struct client *client = context;

    return client->produced;
}

void client_verify_again(struct client *client)
{
    client->verified = false;
}
