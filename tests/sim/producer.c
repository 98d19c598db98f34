/* See producer.h. A lane is a partition that is produced to:
 *
 *     flights   [oldest ... newest]     sent in this order; acknowledged ones leave at the front
 *     broken    one failed: nothing is sent until all answers are back, then all that is left is sent again */
#include "tests/sim/producer.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/wire/error.h"
#include "tests/sim/agent.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

#include <inttypes.h>

#define PRODUCE_VERSION_MAX 13
#define INIT_VERSION_MAX 4
#define LANES_MAX ((size_t)LEDGER_TOPICS_MAX * LEDGER_PARTITIONS_MAX)
#define RECORDS_MAX 12
#define RETRY_MOST_NS (400 * NS_PER_MS)

struct lane;

struct flight {
    struct lane *lane;
    uint64_t number; /* of the first record */
    int32_t count;
    bool sent;
    unsigned tries;
    bool acknowledged;
    struct space batch; /* owned */
    struct rpc_call call;
};

struct lane {
    struct producer_run *run;
    struct ledger_topic *topic;
    int32_t partition;
    struct flight *flights[PRODUCER_WINDOW_MAX];
    unsigned flight_count;
    unsigned pending; /* calls */
    int32_t next_sequence;
    bool begun;       /* something was acknowledged: the log knows the producer */
    bool broken;
    bool final;       /* the batch that producer_finish asks for is acknowledged */
    uint64_t retry_ns;
};

struct producer_run {
    struct producer *producer;
    struct agent agent;
    struct env_timer timer;
    struct lane *lanes[LANES_MAX];
    size_t lane_count;
    uint16_t session;
    int64_t producer_id; /* -1: not known yet */
    int16_t producer_epoch;
    struct rpc_call init_call;
    bool init_pending;
    bool was_finishing;
    uint64_t final_number; /* records from here on are final ones */
};

/* --- who am I --- */

static void init_done(struct rpc_call *call)
{
    struct producer_run *run = call->context;
    const struct init_producer_id_response *response = call->response;

    run->init_pending = false;
    if (call->status == STATUS_OK && response->error_code == ERROR_NONE) {
        run->producer_id = response->producer_id;
        run->producer_epoch = response->producer_epoch;
        ledger_producer_id(run->producer->options.ledger, response->producer_id);
    } else {
        run->agent.next_host++;
    }
    rpc_call_deinit(call);
}

static void producer_identify(struct producer_run *run)
{
    struct rpc_client *rpc = agent_reach_any(&run->agent);
    struct init_producer_id_request request;

    if (rpc == NULL || run->init_pending) {
        return;
    }
    init_producer_id_request_init(&request);
    request.transactional_id = (struct string){NULL, 0};
    request.producer_id = -1;
    request.producer_epoch = -1;
    rpc_call_init(&run->init_call, init_done, run);
    run->init_pending = agent_call(rpc, &run->init_call, API_INIT_PRODUCER_ID, INIT_VERSION_MAX, &request);
}

/* --- flights --- */

static void flight_free(struct flight *flight)
{
    memory_free(flight->batch.data);
    memory_free(flight);
}

static void lane_drop_first(struct lane *lane)
{
    flight_free(lane->flights[0]);
    lane->flight_count--;
    memmove(lane->flights, lane->flights + 1, lane->flight_count * sizeof(struct flight *));
}

static void lane_break(struct lane *lane)
{
    lane->broken = true;
    lane->retry_ns = env_now_ns(lane->run->agent.env) + env_random(lane->run->agent.env) % RETRY_MOST_NS;
    agent_refresh(&lane->run->agent);
}

/* The error codes that an idempotent producer must never see for the oldest batch that it has not had acknowledged. */
static bool error_breaks_promise(int16_t code)
{
    return code == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER || code == ERROR_DUPLICATE_SEQUENCE_NUMBER ||
           code == ERROR_INVALID_PRODUCER_EPOCH || code == ERROR_UNKNOWN_PRODUCER_ID;
}

static void flight_refused(struct flight *flight, int16_t code)
{
    struct lane *lane = flight->lane;
    struct producer *producer = lane->run->producer;

    producer->refused++;
    ledger_error(producer->options.ledger, code);
    sim_say(lane->run->agent.world, "produce to %s-%d, records %" PRIu64 " and on: error %d", lane->topic->name,
            lane->partition, flight->number, code);
    if (producer->options.idempotent && error_breaks_promise(code) && lane->flights[0] == flight &&
        !lane->topic->trims && !producer->options.ledger->rot) {
        sim_fail(lane->run->agent.world,
                 "%s-%d: an idempotent producer's next batch (records %" PRIu64 " and on) is refused with error %d",
                 lane->topic->name, lane->partition, flight->number, code);
    }
    lane_break(lane);
}

static void flight_acknowledged(struct flight *flight, int64_t offset)
{
    struct lane *lane = flight->lane;
    struct producer *producer = lane->run->producer;

    producer->acknowledged++;
    producer->acknowledged_again += flight->tries > 1 ? 1 : 0;
    lane->begun = true;
    lane->final = lane->final || (lane->run->was_finishing && flight->number >= lane->run->final_number);
    ledger_acknowledge(producer->options.ledger, lane->topic, lane->partition, offset, flight->number, flight->count);
    flight->acknowledged = true;
    while (lane->flight_count > 0 && lane->flights[0]->acknowledged) {
        lane_drop_first(lane);
    }
}

static void produce_done(struct rpc_call *call)
{
    struct flight *flight = call->context;
    struct lane *lane = flight->lane;
    struct producer_run *run = lane->run;
    const struct produce_response *response = call->response;
    const struct produce_response_responses_partition_responses *answer = NULL;
    int64_t offset;
    int16_t code;

    lane->pending--;
    if (call->status == STATUS_OK) {
        if (response->responses_count != 1 || response->responses[0].partition_responses_count != 1) {
            sim_fail(run->agent.world, "a produce to one partition was answered for another number of them");
        } else {
            answer = &response->responses[0].partition_responses[0];
        }
    }
    code = answer != NULL ? answer->error_code : 0;
    offset = answer != NULL ? answer->base_offset : -1;
    rpc_call_deinit(call);
    if (answer == NULL) {
        run->producer->unanswered++;
        sim_say(run->agent.world, "produce to %s-%d, records %" PRIu64 " and on: no answer", lane->topic->name,
                lane->partition, flight->number);
        lane_break(lane);
    } else if (code == ERROR_NONE) {
        flight_acknowledged(flight, offset);
    } else {
        flight_refused(flight, code);
    }
    agent_wake(&run->agent);
}

static bool flight_send(struct flight *flight, struct rpc_client *rpc)
{
    struct lane *lane = flight->lane;
    struct produce_request_topic_data_partition_data data;
    struct produce_request_topic_data topic;
    struct produce_request request;

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&data);
    data.index = lane->partition;
    data.records = (struct records){.data = flight->batch.data, .size = flight->batch.size};
    topic.name = string_of(lane->topic->name);
    topic.topic_id = lane->topic->id;
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    request.transactional_id = (struct string){NULL, 0};
    request.acks = -1;
    request.timeout_ms = AGENT_TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    rpc_call_init(&flight->call, produce_done, flight);
    if (!agent_call(rpc, &flight->call, API_PRODUCE, PRODUCE_VERSION_MAX, &request)) {
        return false;
    }
    flight->sent = true;
    flight->tries++;
    lane->pending++;
    return true;
}

static struct space flight_build(struct producer_run *run, const struct flight *flight, int32_t sequence,
                                 int64_t timestamp)
{
    struct batch_options options = batch_options_default();
    struct batch_builder builder;
    struct space finished;
    struct space copy;

    if (run->producer->options.idempotent) {
        options.producer_id = run->producer_id;
        options.producer_epoch = run->producer_epoch;
        options.base_sequence = sequence;
    }
    /* Every other batch, each codec in turn; what is sent again is the same. */
    options.compression = flight->number % 2 == 0 ? (enum compression)(flight->number / 2 % COMPRESSION_COUNT)
                                                  : COMPRESSION_NONE;
    options.compression_level = compression_level_default(options.compression);
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < flight->count; i++) {
        uint8_t value[LEDGER_VALUE_MAX];
        const size_t size = ledger_value(flight->number + (uint64_t)i, value);
        const struct record_draft draft = {.timestamp = timestamp, .key = BYTES_NULL, .value = {value, size}};
        const enum status status = batch_builder_append(&builder, &draft);

        ASSERT(status == STATUS_OK);
    }
    finished = batch_builder_finish(&builder);
    copy = (struct space){memory_alloc(finished.size), finished.size};
    memcpy(copy.data, finished.data, finished.size);
    batch_builder_deinit(&builder);
    return copy;
}

/* --- lanes --- */

static struct lane *producer_lane(struct producer_run *run, struct ledger_topic *topic, int32_t partition)
{
    struct lane *lane;

    for (size_t i = 0; i < run->lane_count; i++) {
        if (run->lanes[i]->topic == topic && run->lanes[i]->partition == partition) {
            return run->lanes[i];
        }
    }
    ASSERT(run->lane_count < LANES_MAX);
    lane = memory_alloc_zero(1, sizeof(*lane));
    lane->run = run;
    lane->topic = topic;
    lane->partition = partition;
    run->lanes[run->lane_count++] = lane;
    return lane;
}

/* How many may be under way. Before the first acknowledgement a log does not know the producer and would take any
 * sequence for its first; so would one that was trimmed. */
static unsigned lane_window(const struct lane *lane)
{
    return lane->begun && !lane->topic->trims ? lane->run->producer->options.window : 1;
}

static void lane_add(struct lane *lane)
{
    struct producer_run *run = lane->run;
    struct flight *flight;
    const int64_t timestamp = env_wall_ms(run->agent.env);

    if (lane->broken || lane->flight_count >= lane_window(lane)) {
        return;
    }
    flight = memory_alloc_zero(1, sizeof(*flight));
    flight->lane = lane;
    flight->count = 1 + (int32_t)(env_random(run->agent.env) % RECORDS_MAX);
    flight->number = ledger_send(run->producer->options.ledger, lane->topic, lane->partition, run->session,
                                 flight->count, timestamp);
    flight->batch = flight_build(run, flight, lane->next_sequence, timestamp);
    lane->next_sequence += flight->count;
    lane->flights[lane->flight_count++] = flight;
}

/* All answers are back: everything is sent again, or given up. */
static void lane_mend(struct lane *lane)
{
    const bool give_up = !lane->run->producer->options.idempotent || lane->topic->deleting;

    for (unsigned i = lane->flight_count; i > 0; i--) {
        lane->flights[i - 1]->sent = false;
        if (give_up) {
            flight_free(lane->flights[i - 1]);
            lane->flight_count--;
        }
    }
    lane->broken = false;
}

static void lane_pump(struct lane *lane)
{
    struct rpc_client *rpc;

    if (lane->broken) {
        if (lane->pending > 0 || env_now_ns(lane->run->agent.env) < lane->retry_ns) {
            return;
        }
        lane_mend(lane);
    }
    if (lane->flight_count == 0) {
        return;
    }
    rpc = agent_reach_leader(&lane->run->agent, lane->topic, lane->partition);
    for (unsigned i = 0; rpc != NULL && i < lane->flight_count; i++) {
        /* One that was acknowledged out of turn has nothing to wait for. */
        if (!lane->flights[i]->sent && !lane->flights[i]->acknowledged && !flight_send(lane->flights[i], rpc)) {
            lane_break(lane);
            return;
        }
    }
}

/* --- the whole --- */

static void producer_add_somewhere(struct producer_run *run)
{
    struct ledger *ledger = run->producer->options.ledger;
    struct ledger_topic *topic;

    if (ledger->topic_count == 0) {
        return;
    }
    topic = &ledger->topics[env_random(run->agent.env) % (uint64_t)ledger->topic_count];
    if (!topic->deleting && topic->partition_count > 0) {
        lane_add(producer_lane(run, topic, (int32_t)(env_random(run->agent.env) % (uint64_t)topic->partition_count)));
    }
}

/* True when everything is acknowledged. */
static bool producer_wind_up(struct producer_run *run)
{
    struct ledger *ledger = run->producer->options.ledger;
    bool finished = true;

    if (!run->was_finishing) {
        run->was_finishing = true;
        run->final_number = ledger->record_count;
        agent_refresh(&run->agent);
    }
    for (int i = 0; i < ledger->topic_count; i++) {
        for (int32_t j = 0; !ledger->topics[i].deleting && j < ledger->topics[i].partition_count; j++) {
            struct lane *lane = producer_lane(run, &ledger->topics[i], j);

            if (!lane->final && lane->flight_count == 0) {
                lane_add(lane);
            }
            finished = finished && lane->final && lane->flight_count == 0;
        }
    }
    return finished;
}

static void producer_step(void *context)
{
    struct producer_run *run = context;

    if (run->producer->options.idempotent && run->producer_id < 0) {
        producer_identify(run);
        return;
    }
    if (run->producer->finishing && !run->producer->finished) {
        run->producer->finished = producer_wind_up(run);
    }
    for (size_t i = 0; i < run->lane_count; i++) {
        lane_pump(run->lanes[i]);
    }
}

static void producer_due(void *context)
{
    struct producer_run *run = context;

    if (!run->producer->finishing && (!run->producer->options.idempotent || run->producer_id >= 0)) {
        producer_add_somewhere(run);
    }
    /* Topics come and go. */
    if (env_random(run->agent.env) % 32 == 0) {
        agent_refresh(&run->agent);
    }
    agent_wake(&run->agent);
    env_timer_start(run->agent.env, &run->timer, env_random(run->agent.env) % run->producer->options.pace_most_ns);
}

static enum status producer_start(struct sim_process *process, void *context)
{
    struct producer_run *run = memory_alloc_zero(1, sizeof(*run));
    const struct producer_options *options;

    run->producer = context;
    options = &run->producer->options;
    run->producer_id = -1;
    run->session = options->idempotent ? ledger_session(options->ledger) : 0;
    agent_init(&run->agent, process, options->ledger, options->hosts, options->port, producer_step, run);
    env_timer_init(&run->timer, producer_due, run);
    env_timer_start(run->agent.env, &run->timer, 0);
    return STATUS_OK;
}

void producer_init(struct producer *producer, const struct producer_options *options)
{
    ASSERT(options->window > 0 && options->window <= PRODUCER_WINDOW_MAX);
    *producer = (struct producer){.program = {.start = producer_start, .context = producer}, .options = *options};
}

void producer_finish(struct producer *producer)
{
    producer->finishing = true;
}

bool producer_is_finished(void *context)
{
    const struct producer *producer = context;

    return producer->finished;
}
