/* Produce (KIP-98, KIP-951, KIP-516): batches from the socket's memory into logs.
 *
 *     home loop     resolve topics, split by owning loop; the checksums of batches that another loop owns
 *     owning loop   judge each batch by its header and checksum, append (offsets patched in place), wait as acks asks
 *     turn's end    one write per log; then fsync by group commit; the waits come back
 *     home loop     when every share has reported: answer
 *
 * Partitions of one request go side by side: all are appended in the same turn, none waits for another. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/compression.h"
#include "common/batch/record_batch.h"
#include "common/wire/error.h"
#include "storage-node/server/convert.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/leader_hint.h"
#include "storage-node/server/shard.h"
#include "wire/produce.h"

struct produce_part;

/* One batch for one partition. Lives in the request's arena. */
struct produce_item {
    struct append_wait wait;
    struct load_watch load;
    struct produce_part *part;
    struct produce_item *next;
    struct uuid topic_id;
    struct space batch;
    struct produce_response_responses_partition_responses *answer;
    struct conversion *conversion; /* NULL: the producer's bytes are stored */
    bool waiting;
    bool parked; /* its partition is loading */
    bool crc_checked; /* it matches; false: not known */
};

/* What one loop does of a request. */
struct produce_part {
    struct env_message message;
    struct produce *produce;
    struct shard *shard;
    struct produce_item *items; /* in the request's order: batches of one partition must not overtake each other */
    struct produce_item *last;
    struct env_timer timer;
    struct env_timer patience; /* with partitions that load */
    uint32_t pending; /* items that wait, and one while the part is being started */
};

struct produce {
    struct rpc_request *request;
    struct shard *home;
    uint32_t pending; /* parts */
    int16_t acks;
    int32_t timeout_ms;
    struct produce_part *parts; /* one for each shard, used or not */
};

/* Who leads the partitions that this node does not. */
static void produce_name_leaders(struct shard *home, struct rpc_request *request)
{
    struct produce_response *response = request->response;
    struct leader_endpoint endpoints[LEADER_HINT_MAX];
    struct leader_hint hint;

    if (request->version < 10) {
        return;
    }
    leader_hint_init(&hint, home, request);
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct produce_response_responses *topic = &response->responses[i];

        for (int32_t j = 0; j < topic->partition_responses_count; j++) {
            struct produce_response_responses_partition_responses *answer = &topic->partition_responses[j];

            leader_hint_partition(&hint, answer->error_code, topic->name, topic->topic_id, answer->index,
                                  &answer->current_leader.leader_id, &answer->current_leader.leader_epoch);
        }
    }
    response->node_endpoints_count = leader_hint_endpoints(&hint, endpoints);
    response->node_endpoints =
        arena_need(&request->arena, (size_t)response->node_endpoints_count, sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        response->node_endpoints[i] = (struct produce_response_node_endpoints){.node_id = endpoints[i].node_id,
                                                                          .host = endpoints[i].host,
                                                                          .port = endpoints[i].port,
                                                                          .rack = endpoints[i].rack};
    }
}

static void produce_finish(struct produce *produce)
{
    struct rpc_request *request = produce->request;
    struct produce_response *response = request->response;
    bool failed = false;

    for (int32_t i = 0; i < response->responses_count; i++) {
        for (int32_t j = 0; j < response->responses[i].partition_responses_count; j++) {
            failed |= response->responses[i].partition_responses[j].error_code != ERROR_NONE;
        }
    }
    if (produce->acks == 0) {
        /* Nobody reads an answer; closing the connection is the only way to say that something failed. */
        if (failed) {
            rpc_request_complete_by_closing(request);
        } else {
            rpc_request_complete_silently(request);
        }
        return;
    }
    if (failed) {
        produce_name_leaders(produce->home, request);
    }
    rpc_request_complete(request);
}

static void produce_part_home(struct env_message *message)
{
    struct produce *produce = CONTAINER_OF(message, struct produce_part, message)->produce;

    produce->pending--;
    if (produce->pending == 0) {
        produce_finish(produce);
    }
}

/* One thing less to wait for; the last one reports home. */
static void produce_part_release(struct produce_part *part)
{
    part->pending--;
    if (part->pending > 0) {
        return;
    }
    env_timer_stop(part->shard->env, &part->timer);
    env_timer_stop(part->shard->env, &part->patience);
    for (struct produce_item *item = part->items; item != NULL; item = item->next) {
        if (item->conversion != NULL) {
            batch_copy_free(&item->conversion->copy);
            memory_free(item->conversion);
        }
    }
    if (part->shard == part->produce->home) {
        produce_part_home(&part->message);
        return;
    }
    part->message.deliver = produce_part_home;
    env_post(part->produce->home->env, &part->message);
}

static void produce_item_done(struct append_wait *wait, enum status status)
{
    struct produce_item *item = CONTAINER_OF(wait, struct produce_item, wait);

    item->waiting = false;
    if (status != STATUS_OK) {
        item->answer->error_code = shard_error_of(status);
        item->answer->base_offset = -1;
    }
    produce_part_release(item->part);
}

/* Nothing was appended: the producer may try again, here or elsewhere. */
static void produce_item_give_up(struct produce_item *item)
{
    list_remove(&item->load.link);
    item->parked = false;
    item->answer->error_code = ERROR_NOT_LEADER_OR_FOLLOWER;
    produce_part_release(item->part);
}

static void produce_part_impatient(void *context)
{
    struct produce_part *part = context;

    part->pending++;
    for (struct produce_item *item = part->items; item != NULL; item = item->next) {
        if (item->parked) {
            produce_item_give_up(item);
        }
    }
    produce_part_release(part);
}

static void produce_part_timeout(void *context)
{
    struct produce_part *part = context;

    part->pending++;
    for (struct produce_item *item = part->items; item != NULL; item = item->next) {
        if (item->parked) {
            produce_item_give_up(item);
        }
        if (item->waiting) {
            list_remove(&item->wait.link);
            produce_item_done(&item->wait, STATUS_TIMEOUT);
        }
    }
    produce_part_release(part);
}

static int16_t produce_verdict_error(enum append_verdict verdict)
{
    switch (verdict) {
    case APPEND_OK:
    case APPEND_DUPLICATE:
        return ERROR_NONE;
    case APPEND_OUT_OF_ORDER:
        return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case APPEND_STALE_EPOCH:
        return ERROR_INVALID_PRODUCER_EPOCH;
    case APPEND_UNKNOWN_PRODUCER:
        return ERROR_UNKNOWN_PRODUCER_ID;
    case APPEND_FAILED:
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    return ERROR_UNKNOWN_SERVER_ERROR;
}

/* Why the batch may not be stored, as its header tells, or 0. */
static int16_t produce_judge(struct produce_item *item, const struct topic_config *config, int64_t now_ms,
                             struct batch_header *header, const char **text)
{
    struct batch_limits limits = topic_batch_limits(config, now_ms);
    enum batch_error error;

    limits.crc_checked = item->crc_checked;
    error = batch_validate(bytes_of(item->batch.data, item->batch.size), &limits, header);
    if (error != BATCH_ERROR_NONE) {
        *text = batch_error_text(error);
        return batch_error_code(error);
    }
    if (header->compression == COMPRESSION_ZSTD && item->part->produce->request->version < 7) {
        *text = "zstd needs produce version 7 or newer";
        return ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    if (header->transactional) {
        *text = "transactions are not available on this node";
        return ERROR_INVALID_TXN_STATE;
    }
    return ERROR_NONE;
}

static void produce_item_append(struct produce_item *item, struct partition *partition)
{
    struct produce_part *part = item->part;
    struct produce_response_responses_partition_responses *answer = item->answer;
    struct append_result result;
    enum append_verdict verdict;

    list_init(&item->wait.link);
    item->wait.committed = part->produce->acks == -1;
    item->wait.done = produce_item_done;
    /* acks=0 waits for the write too: the batch is borrowed until then. */
    verdict = partition_append(partition, item->batch, &item->wait, &result);
    answer->error_code = produce_verdict_error(verdict);
    answer->log_start_offset = partition_log_start_offset(partition->log);
    if (answer->error_code == ERROR_NONE) {
        answer->base_offset = result.base_offset;
        item->waiting = true;
        part->pending++;
    }
}

static void produce_item_converted(struct conversion *conversion)
{
    struct produce_item *item = conversion->owner;
    struct produce_response_responses_partition_responses *answer = item->answer;
    struct partition *partition;

    /* The partition may have gone meanwhile. */
    answer->error_code = shard_partition(item->part->shard, item->topic_id, answer->index, &partition);
    if (answer->error_code == ERROR_NONE && conversion->error != BATCH_ERROR_NONE) {
        answer->error_code = batch_error_code(conversion->error);
        answer->error_message = string_of(batch_error_text(conversion->error));
    }
    if (answer->error_code == ERROR_NONE) {
        if (conversion->copy.data != NULL) {
            item->batch = (struct space){conversion->copy.data, conversion->copy.size};
        }
        produce_item_append(item, partition);
    }
    produce_part_release(item->part);
}

static void produce_item_convert(struct produce_item *item, const struct topic_config *config, int64_t now_ms,
                                 const struct batch_header *header)
{
    /* Not of the request's arena: that is the home loop's. */
    struct conversion *conversion = memory_alloc(sizeof(*conversion));

    *conversion = (struct conversion){
        .topic_id = item->topic_id,
        .partition = item->answer->index,
        .config = *config,
        .now_ms = now_ms,
        .header = *header,
        .batch = item->batch,
        .owner = item,
        .done = produce_item_converted,
    };
    item->conversion = conversion;
    item->part->pending++;
    conversion_start(&item->part->shard->conversions, conversion);
}

static void produce_item_start(struct produce_item *item);

static void produce_item_loaded(struct load_watch *load)
{
    struct produce_item *item = CONTAINER_OF(load, struct produce_item, load);

    item->parked = false;
    produce_item_start(item);
    produce_part_release(item->part);
}

/* A partition that is being opened is worth a moment: a client that is sent away comes back after its back-off only. */
static bool produce_item_park(struct produce_item *item)
{
    struct produce_part *part = item->part;
    struct partition *partition = shard_partition_loading(part->shard, item->topic_id, item->answer->index);

    if (partition == NULL) {
        return false;
    }
    item->load.loaded = produce_item_loaded;
    list_init(&item->load.link);
    partition_watch_load(partition, &item->load);
    item->parked = true;
    part->pending++;
    if (!env_timer_active(&part->patience)) {
        env_timer_start(part->shard->env, &part->patience, SHARD_LOAD_PATIENCE_NS);
    }
    return true;
}

static void produce_item_start(struct produce_item *item)
{
    struct shard *shard = item->part->shard;
    struct produce_response_responses_partition_responses *answer = item->answer;
    const int64_t now_ms = env_wall_ms(shard->env);
    const struct topic_config *config;
    struct batch_header header;
    struct partition *partition;
    const char *text = NULL;

    if (produce_item_park(item)) {
        return;
    }
    answer->error_code = shard_partition(shard, item->topic_id, answer->index, &partition);
    if (answer->error_code == ERROR_NONE) {
        answer->error_code = produce_judge(item, &partition->topic->config, now_ms, &header, &text);
    }
    if (answer->error_code != ERROR_NONE) {
        answer->error_message = string_of(text);
        return;
    }
    config = &partition->topic->config;
    answer->log_append_time_ms = config->message_timestamp_append ? now_ms : -1;
    if (conversion_needed(&shard->conversions, config, &header, item->topic_id, answer->index)) {
        produce_item_convert(item, config, now_ms, &header);
        return;
    }
    batch_stamp(config, now_ms, item->batch);
    produce_item_append(item, partition);
}

static void produce_part_start(struct env_message *message)
{
    struct produce_part *part = CONTAINER_OF(message, struct produce_part, message);

    part->pending = 1;
    env_timer_init(&part->timer, produce_part_timeout, part);
    env_timer_init(&part->patience, produce_part_impatient, part);
    for (struct produce_item *item = part->items; item != NULL; item = item->next) {
        produce_item_start(item);
    }
    if (part->pending > 1 && part->produce->acks == -1) {
        env_timer_start(part->shard->env, &part->timer, (uint64_t)part->produce->timeout_ms * NS_PER_MS);
    }
    produce_part_release(part);
}

/* Puts one batch to the loop that owns its partition; an error that is plain already stays here. */
static void produce_add(struct produce *produce, const struct produce_request_topic_data *topic,
                        const struct produce_request_topic_data_partition_data *data,
                        struct produce_response_responses_partition_responses *answer)
{
    struct shard *home = produce->home;
    const struct topic_image *image;
    struct partition_image row;
    struct produce_item *item;
    struct produce_part *part;
    uint32_t owner;

    answer->index = data->index;
    answer->base_offset = -1;
    if (produce->acks != 0 && produce->acks != 1 && produce->acks != -1) {
        answer->error_code = ERROR_INVALID_REQUIRED_ACKS;
        return;
    }
    answer->error_code = shard_resolve(home, produce->request->version >= 13 ? STRING_NULL : topic->name,
                                       topic->topic_id, data->index, &image, &row);
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    if (data->records.data == NULL || data->records.size == 0) {
        answer->error_code = ERROR_INVALID_RECORD;
        answer->error_message = STRING("a produce request needs exactly one batch for each partition");
        return;
    }
    item = arena_need(&produce->request->arena, 1, sizeof(*item));
    owner = shard_of(home, topic_image_id(image), data->index);
    part = &produce->parts[owner];
    item->part = part;
    item->topic_id = topic_image_id(image);
    /* The bytes lie in our receive block: offsets are patched where they are. */
    item->batch = (struct space){(uint8_t *)(uintptr_t)data->records.data, data->records.size};
    item->answer = answer;
    /* The bytes are in this core's caches, not in the owner's. */
    if (shard_at(home, owner) != home) {
        item->crc_checked = batch_crc_matches(bytes_of(item->batch.data, item->batch.size));
    }
    if (part->items == NULL) {
        part->items = item;
    } else {
        part->last->next = item;
    }
    part->last = item;
}

static void produce_dispatch(struct produce *produce)
{
    const uint32_t count = produce->home->count;

    produce->pending = 1;
    for (uint32_t i = 0; i < count; i++) {
        struct produce_part *part = &produce->parts[i];

        if (part->items == NULL) {
            continue;
        }
        part->produce = produce;
        part->shard = shard_at(produce->home, i);
        produce->pending++;
        if (part->shard == produce->home) {
            produce_part_start(&part->message);
        } else {
            part->message.deliver = produce_part_start;
            env_post(part->shard->env, &part->message);
        }
    }
    produce->pending--;
    if (produce->pending == 0) {
        produce_finish(produce);
    }
}

void handle_produce(struct rpc_request *request)
{
    const struct produce_request *body = request->body;
    struct produce_response *response = request->response;
    struct shard *home = shard_of_request(request);
    struct produce *produce = arena_need(&request->arena, 1, sizeof(*produce));

    *produce = (struct produce){.request = request, .home = home, .acks = body->acks, .timeout_ms = body->timeout_ms};
    if (produce->timeout_ms < 0) {
        produce->timeout_ms = 0;
    }
    produce->parts = arena_need(&request->arena, home->count, sizeof(*produce->parts));
    response->responses_count = body->topic_data_count;
    response->responses = arena_need(&request->arena, (size_t)body->topic_data_count, sizeof(*response->responses));
    for (int32_t i = 0; i < body->topic_data_count; i++) {
        const struct produce_request_topic_data *topic = &body->topic_data[i];
        struct produce_response_responses *answer = &response->responses[i];

        produce_response_responses_init(answer);
        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        answer->partition_responses_count = topic->partition_data_count;
        answer->partition_responses =
            arena_need(&request->arena, (size_t)topic->partition_data_count, sizeof(*answer->partition_responses));
        for (int32_t j = 0; j < topic->partition_data_count; j++) {
            produce_response_responses_partition_responses_init(&answer->partition_responses[j]);
            produce_add(produce, topic, &topic->partition_data[j], &answer->partition_responses[j]);
        }
    }
    produce_dispatch(produce);
}
