/* See operator.h. */
#include "tests/sim/operator.h"

#include "common/base/memory.h"
#include "common/metadata/image.h"
#include "common/wire/error.h"
#include "tests/sim/agent.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/incremental_alter_configs.h"

#include <inttypes.h>
#include <stdio.h>

#define CREATE_VERSION_MAX 7
#define DELETE_VERSION_MAX 6
#define GROW_VERSION_MAX 3
#define ALTER_VERSION_MAX 1
#define DELETE_RECORDS_VERSION_MAX 2
#define CONFIGS_MAX 8
#define PARTITIONS_MAX 6
#define VALUE_TEXT_SIZE 24

enum operation { CREATE, DELETE, GROW, ALTER, DELETE_RECORDS, OPERATIONS };

struct operator_run {
    struct operator *operator;
    struct agent agent;
    struct env_timer timer;
    struct rpc_call call;
    bool pending;
    const char *create;         /* the name */
    struct ledger_topic *topic; /* what the request is about */
    int32_t count;
    int64_t value;
    struct ledger_floor floor;
};

struct topic_plan {
    const char *name;
    const char *configs[CONFIGS_MAX]; /* "key=value" */
};

/* Clocks jump by up to an hour, which is also how far in the future records may be by default. */
#define LENIENT "message.timestamp.after.max.ms=9223372036854775807"
static const struct topic_plan plans[] = {
    {"storm", {LENIENT, NULL}},
    {"trim",
     {LENIENT, "segment.ms=300", "retention.bytes=20000", "retention.ms=86400000", "file.delete.delay.ms=1000", NULL}},
    {"churn", {LENIENT, "index.interval.bytes=200", "segment.ms=200", NULL}},
    {"final", {LENIENT, NULL}},
};

static void operator_pause(struct operator_run *run)
{
    env_timer_start(run->agent.env, &run->timer,
                    run->operator->finishing ? AGENT_PAUSE_NS
                                             : env_random(run->agent.env) % run->operator->options.pace_most_ns);
}

/* The call is over. True if it was answered; else, or with an error, it counts as failed. */
static bool operator_answered(struct operator_run *run, bool shaped, int16_t code)
{
    run->pending = false;
    operator_pause(run);
    if (run->call.status == STATUS_OK && shaped && code == ERROR_NONE) {
        run->operator->done++;
        return true;
    }
    run->operator->failed++;
    ledger_error(run->operator->options.ledger, code);
    sim_say(run->agent.world, "request %d failed: %s (%d)", run->call.key, status_text(run->call.status), code);
    run->agent.next_host++;
    return false;
}

/* --- create --- */

static const struct topic_plan *plan_find(const char *name)
{
    size_t i = 0;

    while (strcmp(plans[i].name, name) != 0) {
        i++;
    }
    return &plans[i];
}

static void create_done(struct rpc_call *call)
{
    struct operator_run *run = call->context;
    const struct create_topics_response *response = call->response;
    const bool shaped = call->status == STATUS_OK && response->topics_count == 1;
    const int16_t code = shaped ? response->topics[0].error_code : ERROR_NONE;

    if (operator_answered(run, shaped, code)) {
        struct ledger_topic *topic = ledger_topic(run->operator->options.ledger, string_of(run->create),
                                                  response->topics[0].topic_id);

        if (topic != NULL) {
            topic->promised = true;
            topic->partitions_promised = run->count > topic->partitions_promised ? run->count
                                                                                 : topic->partitions_promised;
        }
    }
    rpc_call_deinit(call);
    agent_refresh(&run->agent);
}

static void operator_create(struct operator_run *run, struct rpc_client *rpc, const char *name)
{
    const struct topic_plan *plan = plan_find(name);
    struct create_topics_request_topics_configs configs[CONFIGS_MAX];
    struct create_topics_request_topics topic;
    struct create_topics_request request;

    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    run->create = plan->name;
    run->count = run->operator->options.partitions;
    topic.name = string_of(name);
    topic.num_partitions = run->count;
    topic.replication_factor = 1;
    topic.configs = configs;
    for (; plan->configs[topic.configs_count] != NULL; topic.configs_count++) {
        const char *setting = plan->configs[topic.configs_count];
        const size_t size = strcspn(setting, "=");

        create_topics_request_topics_configs_init(&configs[topic.configs_count]);
        configs[topic.configs_count].name = (struct string){setting, size};
        configs[topic.configs_count].value = string_of(setting + size + 1);
    }
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = AGENT_TIMEOUT_MS;
    rpc_call_init(&run->call, create_done, run);
    run->pending = agent_call(rpc, &run->call, API_CREATE_TOPICS, CREATE_VERSION_MAX, &request);
}

/* --- delete --- */

static void delete_done(struct rpc_call *call)
{
    struct operator_run *run = call->context;
    const struct delete_topics_response *response = call->response;
    const bool shaped = call->status == STATUS_OK && response->responses_count == 1;

    if (operator_answered(run, shaped, shaped ? response->responses[0].error_code : ERROR_NONE)) {
        run->topic->deleted = true;
    }
    rpc_call_deinit(call);
}

static void operator_delete(struct operator_run *run, struct rpc_client *rpc)
{
    struct delete_topics_request_topics topic;
    struct delete_topics_request request;

    run->topic = ledger_find_name(run->operator->options.ledger, "churn");
    if (run->topic == NULL) {
        return;
    }
    delete_topics_request_init(&request);
    delete_topics_request_topics_init(&topic);
    topic.topic_id = run->topic->id;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = AGENT_TIMEOUT_MS;
    rpc_call_init(&run->call, delete_done, run);
    run->topic->deleting = true;
    run->pending = agent_call(rpc, &run->call, API_DELETE_TOPICS, DELETE_VERSION_MAX, &request);
}

/* --- grow --- */

static void grow_done(struct rpc_call *call)
{
    struct operator_run *run = call->context;
    const struct create_partitions_response *response = call->response;
    const bool shaped = call->status == STATUS_OK && response->results_count == 1;

    if (operator_answered(run, shaped, shaped ? response->results[0].error_code : ERROR_NONE) &&
        run->count > run->topic->partitions_promised) {
        run->topic->partitions_promised = run->count;
    }
    rpc_call_deinit(call);
}

static void operator_grow(struct operator_run *run, struct rpc_client *rpc)
{
    struct create_partitions_request_topics topic;
    struct create_partitions_request request;

    run->topic = ledger_find_name(run->operator->options.ledger, "storm");
    if (run->topic == NULL || run->topic->partition_count >= PARTITIONS_MAX) {
        return;
    }
    create_partitions_request_init(&request);
    create_partitions_request_topics_init(&topic);
    run->count = run->topic->partition_count + 1;
    topic.name = string_of(run->topic->name);
    topic.count = run->count;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = AGENT_TIMEOUT_MS;
    rpc_call_init(&run->call, grow_done, run);
    run->pending = agent_call(rpc, &run->call, API_CREATE_PARTITIONS, GROW_VERSION_MAX, &request);
}

/* --- configs --- */

static void alter_done(struct rpc_call *call)
{
    struct operator_run *run = call->context;
    struct operator *operator = run->operator;
    const struct incremental_alter_configs_response *response = call->response;
    const bool shaped = call->status == STATUS_OK && response->responses_count == 1;

    if (operator_answered(run, shaped, shaped ? response->responses[0].error_code : ERROR_NONE)) {
        /* Older attempts without an answer may still come behind it. */
        operator->values[0] = run->value;
        operator->value_known = true;
        operator->value_count -= operator->value_count > 1 ? 1 : 0;
    }
    rpc_call_deinit(call);
}

static void operator_alter(struct operator_run *run, struct rpc_client *rpc)
{
    struct operator *operator = run->operator;
    struct incremental_alter_configs_request_resources_configs config;
    struct incremental_alter_configs_request_resources resource;
    struct incremental_alter_configs_request request;
    char text[VALUE_TEXT_SIZE];

    run->topic = ledger_find_name(operator->options.ledger, "trim");
    if (run->topic == NULL || operator->value_count == OPERATOR_VALUES_MAX) {
        return;
    }
    run->value = 5000 + (int64_t)(env_random(run->agent.env) % 30000);
    snprintf(text, sizeof(text), "%" PRId64, run->value);
    operator->value_count += operator->value_count == 0 ? 1 : 0;
    operator->values[operator->value_count++] = run->value;
    incremental_alter_configs_request_init(&request);
    incremental_alter_configs_request_resources_init(&resource);
    incremental_alter_configs_request_resources_configs_init(&config);
    config.name = string_of("retention.bytes");
    config.value = string_of(text);
    resource.resource_type = CONFIG_TOPIC;
    resource.resource_name = string_of(run->topic->name);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    rpc_call_init(&run->call, alter_done, run);
    run->pending = agent_call(rpc, &run->call, API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION_MAX, &request);
}

/* --- records --- */

static void delete_records_done(struct rpc_call *call)
{
    struct operator_run *run = call->context;
    const struct delete_records_response *response = call->response;
    const bool shaped =
        call->status == STATUS_OK && response->topics_count == 1 && response->topics[0].partitions_count == 1;

    if (operator_answered(run, shaped, shaped ? response->topics[0].partitions[0].error_code : ERROR_NONE)) {
        const int64_t low = response->topics[0].partitions[0].low_watermark;

        if (low < run->value && !run->operator->options.ledger->rot) {
            sim_fail(run->agent.world, "%s-%d: records to %" PRId64 " were deleted, but it begins at %" PRId64,
                     run->topic->name, run->count, run->value, low);
        }
        ledger_bounds(run->operator->options.ledger, run->topic, run->count, &run->floor, -1, low);
    } else if (strcmp(run->topic->name, "churn") == 0) {
        run->operator->options.ledger->churn_trims = true;
    }
    rpc_call_deinit(call);
}

static void operator_delete_records(struct operator_run *run)
{
    struct delete_records_request_topics_partitions partition;
    struct delete_records_request_topics topic;
    struct delete_records_request request;
    struct rpc_client *rpc;
    int64_t end;

    run->topic =
        ledger_find_name(run->operator->options.ledger, env_random(run->agent.env) % 2 == 0 ? "trim" : "churn");
    if (run->topic == NULL || run->topic->partition_count == 0 || !run->topic->trims) {
        return;
    }
    run->count = (int32_t)(env_random(run->agent.env) % (uint64_t)run->topic->partition_count);
    rpc = agent_reach_leader(&run->agent, run->topic, run->count);
    end = run->topic->partitions[run->count].high_watermark;
    if (rpc == NULL || end == 0) {
        return;
    }
    run->value = (int64_t)(env_random(run->agent.env) % (uint64_t)(end + 1));
    run->floor = ledger_floor(run->operator->options.ledger, run->topic, run->count);
    delete_records_request_init(&request);
    delete_records_request_topics_init(&topic);
    delete_records_request_topics_partitions_init(&partition);
    partition.partition_index = run->count;
    partition.offset = run->value;
    topic.name = string_of(run->topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = AGENT_TIMEOUT_MS;
    rpc_call_init(&run->call, delete_records_done, run);
    run->pending = agent_call(rpc, &run->call, API_DELETE_RECORDS, DELETE_RECORDS_VERSION_MAX, &request);
}

/* --- the whole --- */

/* Any node, or any controller. */
static struct rpc_client *operator_reach(struct operator_run *run)
{
    const struct operator_options *options = &run->operator->options;
    size_t count = 0;

    if (env_random(run->agent.env) % 3 != 0) {
        return agent_reach_any(&run->agent);
    }
    while (options->controllers[count] != NULL) {
        count++;
    }
    return agent_reach(&run->agent, string_of(options->controllers[env_random(run->agent.env) % count]),
                       options->controller_port);
}

/* The name of a topic that has to be there and is not known to be, or NULL. */
static const char *operator_missing(const struct operator_run *run)
{
    struct ledger *ledger = run->operator->options.ledger;

    if (ledger_find_name(ledger, "storm") == NULL) {
        return "storm";
    }
    if (ledger_find_name(ledger, "trim") == NULL) {
        return "trim";
    }
    return run->operator->finishing && ledger_find_name(ledger, "final") == NULL ? "final" : NULL;
}

static void operator_act(struct operator_run *run, struct rpc_client *rpc)
{
    switch ((enum operation)(env_random(run->agent.env) % OPERATIONS)) {
    case CREATE:
        if (ledger_find_name(run->operator->options.ledger, "churn") == NULL) {
            operator_create(run, rpc, "churn");
        }
        break;
    case DELETE:
        operator_delete(run, rpc);
        break;
    case GROW:
        operator_grow(run, rpc);
        break;
    case ALTER:
        operator_alter(run, rpc);
        break;
    case DELETE_RECORDS:
    case OPERATIONS:
        operator_delete_records(run);
        break;
    }
}

static void operator_due(void *context)
{
    struct operator_run *run = context;
    const char *missing = operator_missing(run);
    struct rpc_client *rpc;

    if (run->pending || run->operator->finished) {
        return;
    }
    rpc = operator_reach(run);
    if (rpc == NULL) {
        run->agent.next_host += env_random(run->agent.env) % 4 == 0 ? 1 : 0;
    } else if (missing != NULL) {
        operator_create(run, rpc, missing);
    } else if (run->operator->finishing) {
        run->operator->finished = true;
    } else {
        operator_act(run, rpc);
    }
    if (!run->pending) {
        operator_pause(run);
    }
}

static void operator_step(void *context)
{
    (void)context;
}

static enum status operator_start(struct sim_process *process, void *context)
{
    struct operator_run *run = memory_alloc_zero(1, sizeof(*run));
    const struct operator_options *options;

    run->operator = context;
    options = &run->operator->options;
    agent_init(&run->agent, process, options->ledger, options->hosts, options->port, operator_step, run);
    env_timer_init(&run->timer, operator_due, run);
    env_timer_start(run->agent.env, &run->timer, 0);
    return STATUS_OK;
}

void operator_init(struct operator *operator, const struct operator_options *options)
{
    *operator = (struct operator){.program = {.start = operator_start, .context = operator}, .options = *options};
}

void operator_finish(struct operator *operator)
{
    operator->finishing = true;
}

bool operator_is_finished(void *context)
{
    const struct operator *operator = context;

    return operator->finished;
}

static void audit_topic(struct sim_world *world, const struct ledger_topic *topic, const struct image *image)
{
    const struct topic_image *found = image_topic_by_id(image, topic->id);

    if (topic->deleted && found != NULL) {
        sim_fail(world, "topic %s was deleted and is there", topic->name);
    } else if (topic->promised && !topic->deleting && found == NULL) {
        sim_fail(world, "topic %s was created and is not there", topic->name);
    } else if (!topic->deleting && found != NULL && topic_image_partition_count(found) < topic->partitions_promised) {
        sim_fail(world, "topic %s has %d partitions, and %d were promised", topic->name,
                 topic_image_partition_count(found), topic->partitions_promised);
    }
}

void operator_audit(const struct operator *operator, const struct image *image)
{
    const struct ledger *ledger = operator->options.ledger;
    struct string found;
    char text[VALUE_TEXT_SIZE];

    for (int i = 0; i < ledger->topic_count; i++) {
        audit_topic(ledger->world, &ledger->topics[i], image);
    }
    found = image_config(image, CONFIG_TOPIC, string_of("trim"), string_of("retention.bytes"));
    for (int i = 0; operator->value_known && i < operator->value_count; i++) {
        snprintf(text, sizeof(text), "%" PRId64, operator->values[i]);
        if (string_is(found, text)) {
            return;
        }
    }
    if (operator->value_known) {
        sim_fail(ledger->world, "retention.bytes of trim is %.*s, and %" PRId64 " was promised", (int)found.size,
                 found.data, operator->values[0]);
    }
}
