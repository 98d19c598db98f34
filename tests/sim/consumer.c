/* See consumer.h. One request at a time:
 *
 *     choose a partition and where to begin --ListOffsets--> Fetch ... Fetch --> pause, choose again */
#include "tests/sim/consumer.h"

#include "common/base/memory.h"
#include "common/batch/record.h"
#include "common/wire/error.h"
#include "tests/sim/agent.h"
#include "wire/fetch.h"
#include "wire/list_offsets.h"

#include <inttypes.h>

#define FETCH_VERSION_MAX 17
#define LIST_VERSION_MAX 9
#define FETCHES_MAX 6
#define FETCH_BYTES_LEAST 1000
#define FETCH_BYTES_MOST 100000
#define WAIT_MS 300
#define BATCH_BYTES_MOST (1U << 20) /* of records, decompressed */
#define ASK_START (-2)
#define ASK_END (-1)

struct consumer_run {
    struct consumer *consumer;
    struct agent agent;
    struct env_timer timer;
    struct rpc_call call;
    bool pending;
    /* What is being read; NULL: nothing. */
    struct ledger_topic *topic;
    int32_t partition;
    int64_t ask;          /* of ListOffsets first, ASK_... or a time; 0: no longer */
    int64_t offset;       /* next to read */
    int64_t begin;        /* where the reading began */
    int32_t epoch;        /* of the last batch read */
    unsigned fetches;     /* left */
    uint32_t reading;
    bool auditing;        /* it is part of a verification, whose place is: */
    int verify_topic;
    int32_t verify_partition;
    /* What the ledger knew when the request went out. */
    struct ledger_floor floor;
    int64_t place_count;
};

static struct ledger_partition *reading_partition(const struct consumer_run *run)
{
    return &run->topic->partitions[run->partition];
}

/* The reading is over. */
static void reading_end(struct consumer_run *run)
{
    run->topic = NULL;
    env_timer_start(run->agent.env, &run->timer,
                    run->consumer->verifying ? 0 : env_random(run->agent.env) % run->consumer->options.pace_most_ns);
}

/* It failed: a verification tries the same again. */
static void reading_fail(struct consumer_run *run, const char *what, int code)
{
    sim_say(run->agent.world, "%s of %s-%d at %" PRId64 " failed: %s (%d)", run->ask != 0 ? "offset" : "fetch",
            run->topic->name, run->partition, run->ask != 0 ? run->ask : run->offset, what, code);
    ledger_error(run->consumer->options.ledger, (int16_t)code);
    run->topic = NULL;
    agent_refresh(&run->agent);
    run->agent.next_host++;
    env_timer_start(run->agent.env, &run->timer, AGENT_PAUSE_NS);
}

static void reading_note(struct consumer_run *run)
{
    run->floor = ledger_floor(run->consumer->options.ledger, run->topic, run->partition);
    run->place_count = reading_partition(run)->place_count;
}

/* Names are what ListOffsets has: it is no help where a name had several topics. */
static bool topic_name_is_unique(const struct ledger *ledger, const struct ledger_topic *topic)
{
    for (int i = 0; i < ledger->topic_count; i++) {
        if (&ledger->topics[i] != topic && strcmp(ledger->topics[i].name, topic->name) == 0) {
            return false;
        }
    }
    return true;
}

/* --- choosing --- */

static void reading_choose_start(struct consumer_run *run)
{
    struct env *env = run->agent.env;
    const struct ledger_partition *known = reading_partition(run);
    const bool named = topic_name_is_unique(run->consumer->options.ledger, run->topic);

    run->ask = 0;
    switch (env_random(env) % 5) {
    case 0:
        run->offset = known->start;
        break;
    case 1:
        run->ask = named ? ASK_START : 0;
        run->offset = 0;
        break;
    case 2:
        run->ask = named ? ASK_END : 0;
        run->offset = 0;
        break;
    case 3:
        if (named && known->place_count > 0) {
            const uint64_t number = known->places[env_random(env) % (uint64_t)known->place_count].number;

            run->ask = number > 0 ? run->consumer->options.ledger->records[number - 1].timestamp : ASK_END;
        }
        run->offset = 0;
        break;
    default:
        run->offset = known->high_watermark > 0 ? (int64_t)(env_random(env) % (uint64_t)known->high_watermark) : 0;
        break;
    }
}

static void consumer_choose(struct consumer_run *run)
{
    struct ledger *ledger = run->consumer->options.ledger;
    struct ledger_topic *topic;

    if (ledger->topic_count == 0) {
        return;
    }
    topic = &ledger->topics[env_random(run->agent.env) % (uint64_t)ledger->topic_count];
    if (topic->partition_count == 0 || (topic->deleting && env_random(run->agent.env) % 8 != 0)) {
        return;
    }
    run->topic = topic;
    run->partition = (int32_t)(env_random(run->agent.env) % (uint64_t)topic->partition_count);
    run->fetches = 1 + (unsigned)(env_random(run->agent.env) % FETCHES_MAX);
    reading_choose_start(run);
}

static void consumer_choose_next(struct consumer_run *run)
{
    struct ledger *ledger = run->consumer->options.ledger;

    while (run->verify_topic < ledger->topic_count &&
           (ledger->topics[run->verify_topic].deleting ||
            run->verify_partition >= ledger->topics[run->verify_topic].partition_count)) {
        run->verify_topic++;
        run->verify_partition = 0;
    }
    if (run->verify_topic == ledger->topic_count) {
        run->consumer->verified = true;
        return;
    }
    run->topic = &ledger->topics[run->verify_topic];
    run->auditing = true;
    run->partition = run->verify_partition;
    run->ask = topic_name_is_unique(ledger, run->topic) ? ASK_START : 0;
    run->offset = reading_partition(run)->start;
}

/* --- offsets --- */

/* `offset` (-1: none) is said to be the first one with a time of at least run->ask. Held against what was known when
 * that was asked. */
static void reading_check_time(struct consumer_run *run, int64_t offset)
{
    const struct ledger *ledger = run->consumer->options.ledger;
    const struct ledger_partition *known = reading_partition(run);
    const int64_t end = offset >= 0 && offset < run->place_count ? offset : run->place_count;

    if (run->topic->trims || run->consumer->options.ledger->rot) {
        return;
    }
    for (int64_t i = 0; i < end; i++) {
        const struct ledger_place *place = &known->places[i];

        /* What was not acknowledged nor shown may have come later. */
        if (i < run->floor.high_watermark && place->number > 0 &&
            ledger->records[place->number - 1].timestamp >= run->ask) {
            sim_fail(run->agent.world,
                     "%s-%d: the first offset with time %" PRId64 " is said to be %" PRId64 ", but %" PRId64 " has it",
                     run->topic->name, run->partition, run->ask, offset, i);
            return;
        }
    }
    if (offset >= 0 && offset < known->place_count && known->places[offset].number > 0 &&
        ledger->records[known->places[offset].number - 1].timestamp < run->ask) {
        sim_fail(run->agent.world, "%s-%d: offset %" PRId64 " is given for time %" PRId64 ", but it is older",
                 run->topic->name, run->partition, offset, run->ask);
    }
}

static void reading_take_offset(struct consumer_run *run, int64_t offset)
{
    struct ledger *ledger = run->consumer->options.ledger;

    if (run->ask == ASK_START) {
        ledger_bounds(ledger, run->topic, run->partition, &run->floor, -1, offset);
    } else if (run->ask == ASK_END) {
        ledger_bounds(ledger, run->topic, run->partition, &run->floor, offset, -1);
    } else {
        reading_check_time(run, offset);
    }
    run->ask = 0;
    run->offset = offset;
    if (offset < 0) {
        reading_end(run);
    }
}

static void list_done(struct rpc_call *call)
{
    struct consumer_run *run = call->context;
    const struct list_offsets_response *response = call->response;

    run->pending = false;
    if (call->status != STATUS_OK || response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        reading_fail(run, status_text(call->status), 0);
    } else if (response->topics[0].partitions[0].error_code != ERROR_NONE) {
        reading_fail(run, "error", response->topics[0].partitions[0].error_code);
    } else if (!topic_name_is_unique(run->consumer->options.ledger, run->topic)) {
        run->ask = 0;
    } else {
        reading_take_offset(run, response->topics[0].partitions[0].offset);
    }
    rpc_call_deinit(call);
    agent_wake(&run->agent);
}

static void reading_list(struct consumer_run *run, struct rpc_client *rpc)
{
    struct list_offsets_request_topics_partitions partition;
    struct list_offsets_request_topics topic;
    struct list_offsets_request request;

    list_offsets_request_init(&request);
    list_offsets_request_topics_init(&topic);
    list_offsets_request_topics_partitions_init(&partition);
    partition.partition_index = run->partition;
    partition.timestamp = run->ask;
    topic.name = string_of(run->topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    reading_note(run);
    rpc_call_init(&run->call, list_done, run);
    run->pending = agent_call(rpc, &run->call, API_LIST_OFFSETS, LIST_VERSION_MAX, &request);
}

/* --- records --- */

static bool reading_take_records(struct consumer_run *run, const struct batch_header *header, struct bytes records)
{
    struct ledger *ledger = run->consumer->options.ledger;
    struct record_iterator iterator;
    struct record record;

    record_iterator_init(&iterator, header, records);
    while (record_next(&iterator, &record) == STATUS_OK) {
        if (record.offset < run->offset) {
            continue;
        }
        if (record.offset != run->offset && !ledger->rot) {
            sim_fail(run->agent.world, "%s-%d: offset %" PRId64 " follows %" PRId64, run->topic->name, run->partition,
                     record.offset, run->offset - 1);
            return false;
        }
        if (!ledger_observe(ledger, run->topic, run->partition, record.offset, record.timestamp, record.value,
                            run->auditing ? run->reading : 0)) {
            return false;
        }
        run->offset = record.offset + 1;
        run->consumer->records++;
    }
    return true;
}

/* All records of a batch that were not read yet. False: no more of this answer. */
static bool reading_take_batch(struct consumer_run *run, struct bytes batch)
{
    struct ledger *ledger = run->consumer->options.ledger;
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct batch_header header;
    struct buffer buffer;
    struct bytes records;
    bool well = false;
    enum status status;
    const enum batch_error error = batch_validate(batch, &limits, &header);

    if (error != BATCH_ERROR_NONE) {
        if (!ledger->rot) {
            sim_fail(run->agent.world, "%s-%d, offset %" PRId64 ": %s", run->topic->name, run->partition, run->offset,
                     batch_error_text(error));
        }
        run->consumer->damaged++;
        return false;
    }
    if (header.partition_leader_epoch < run->epoch && !ledger->rot) {
        sim_fail(run->agent.world, "%s-%d, offset %" PRId64 ": leader epoch %d follows %d", run->topic->name,
                 run->partition, run->offset, header.partition_leader_epoch, run->epoch);
    }
    run->epoch = header.partition_leader_epoch;
    buffer_init(&buffer);
    status = batch_records(batch, &header, NULL, BATCH_BYTES_MOST, &buffer, &records);
    if (status == STATUS_OK) {
        well = reading_take_records(run, &header, records);
    } else {
        /* The checksum has said that these are the bytes that were sent. */
        sim_fail(run->agent.world, "%s-%d, offset %" PRId64 ": %s", run->topic->name, run->partition, run->offset,
                 status_text(status));
    }
    buffer_deinit(&buffer);
    return well;
}

static void reading_verified(struct consumer_run *run)
{
    if (run->consumer->options.ledger->rot) {
        run->verify_partition++;
        reading_end(run);
        return;
    }
    ledger_audit(run->consumer->options.ledger, run->topic, run->partition, run->begin, run->offset, run->reading);
    run->verify_partition++;
    reading_end(run);
}

static void reading_take(struct consumer_run *run, const struct fetch_response_responses_partitions *answer)
{
    struct ledger *ledger = run->consumer->options.ledger;
    struct bytes rest = {answer->records.data, answer->records.size};
    const int64_t before = run->offset;
    struct bytes batch;

    ledger_bounds(ledger, run->topic, run->partition, &run->floor, answer->high_watermark, answer->log_start_offset);
    while (batch_next(&rest, &batch) == STATUS_OK) {
        if (!reading_take_batch(run, batch)) {
            break;
        }
    }
    if (run->offset > answer->high_watermark && run->offset > before && !ledger->rot) {
        sim_fail(run->agent.world, "%s-%d was read to %" PRId64 ", beyond its high watermark %" PRId64,
                 run->topic->name, run->partition, run->offset, answer->high_watermark);
    }
    run->fetches -= run->fetches > 0 ? 1 : 0;
    if (run->auditing) {
        if (run->offset >= answer->high_watermark) {
            reading_verified(run);
        }
    } else if (run->fetches == 0) {
        reading_end(run);
    }
}

/* The offset is not there. That is right only for one from before the log's start. */
static void reading_out_of_range(struct consumer_run *run)
{
    run->consumer->out_of_range++;
    if (!run->topic->trims && run->offset <= run->floor.high_watermark && !run->consumer->options.ledger->rot) {
        sim_fail(run->agent.world, "%s-%d: offset %" PRId64 " is out of range, and %" PRId64 " was the high watermark",
                 run->topic->name, run->partition, run->offset, run->floor.high_watermark);
    }
    reading_fail(run, "error", ERROR_OFFSET_OUT_OF_RANGE);
}

static void fetch_done(struct rpc_call *call)
{
    struct consumer_run *run = call->context;
    const struct fetch_response *response = call->response;

    run->pending = false;
    if (call->status != STATUS_OK || response->error_code != ERROR_NONE || response->responses_count != 1 ||
        response->responses[0].partitions_count != 1) {
        reading_fail(run, status_text(call->status), call->status == STATUS_OK ? response->error_code : 0);
    } else if (response->responses[0].partitions[0].error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        reading_out_of_range(run);
    } else if (response->responses[0].partitions[0].error_code != ERROR_NONE) {
        reading_fail(run, "error", response->responses[0].partitions[0].error_code);
    } else {
        reading_take(run, &response->responses[0].partitions[0]);
    }
    rpc_call_deinit(call);
    agent_wake(&run->agent);
}

static void reading_fetch(struct consumer_run *run, struct rpc_client *rpc)
{
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;
    const uint64_t spread = env_random(run->agent.env) % (FETCH_BYTES_MOST - FETCH_BYTES_LEAST);

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    partition.partition = run->partition;
    partition.fetch_offset = run->offset;
    partition.partition_max_bytes = (int32_t)(FETCH_BYTES_LEAST + spread);
    topic.topic = string_of(run->topic->name);
    topic.topic_id = run->topic->id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MOST;
    request.topics = &topic;
    request.topics_count = 1;
    reading_note(run);
    rpc_call_init(&run->call, fetch_done, run);
    run->pending = agent_call(rpc, &run->call, API_FETCH, FETCH_VERSION_MAX, &request);
}

/* --- the whole --- */

static void consumer_step(void *context)
{
    struct consumer_run *run = context;
    struct rpc_client *rpc;

    if (run->pending || run->topic == NULL) {
        return;
    }
    rpc = agent_reach_leader(&run->agent, run->topic, run->partition);
    if (rpc == NULL) {
        return;
    }
    if (run->ask != 0) {
        reading_list(run, rpc);
    } else {
        if (run->reading == 0) {
            run->consumer->readings++;
            run->reading = run->consumer->readings;
            run->begin = run->offset;
            run->epoch = -1;
        }
        reading_fetch(run, rpc);
    }
}

static void consumer_due(void *context)
{
    struct consumer_run *run = context;

    if (run->topic == NULL && !run->consumer->verified) {
        run->reading = 0;
        run->auditing = false;
        if (run->consumer->verifying) {
            consumer_choose_next(run);
        } else {
            consumer_choose(run);
        }
        agent_wake(&run->agent);
    }
    if (env_random(run->agent.env) % 16 == 0) {
        agent_refresh(&run->agent);
        /* It waits for a leader that may never come: the topic can be gone. */
        if (run->topic != NULL && !run->pending) {
            reading_fail(run, "no leader", 0);
        }
    }
    /* Also looks whether a reading waits for a leader that does not come. */
    if (!env_timer_active(&run->timer)) {
        agent_wake(&run->agent);
        env_timer_start(run->agent.env, &run->timer, AGENT_PAUSE_NS);
    }
}

static enum status consumer_start(struct sim_process *process, void *context)
{
    struct consumer_run *run = memory_alloc_zero(1, sizeof(*run));
    const struct consumer_options *options;

    run->consumer = context;
    options = &run->consumer->options;
    agent_init(&run->agent, process, options->ledger, options->hosts, options->port, consumer_step, run);
    env_timer_init(&run->timer, consumer_due, run);
    env_timer_start(run->agent.env, &run->timer, 0);
    return STATUS_OK;
}

void consumer_init(struct consumer *consumer, const struct consumer_options *options)
{
    *consumer = (struct consumer){.program = {.start = consumer_start, .context = consumer}, .options = *options};
}

void consumer_verify(struct consumer *consumer)
{
    consumer->verifying = true;
    consumer->verified = false;
}

bool consumer_has_verified(void *context)
{
    const struct consumer *consumer = context;

    return consumer->verified;
}
