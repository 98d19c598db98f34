/* Fetch of the metadata log (KIP-595, KIP-630): how storage nodes follow the cluster's metadata. Any controller serves
 * what it has applied, which is committed; so followers of the log never have to cut anything off, and there are no
 * diverging epochs.
 *
 *     offset in memory                 batches from there on
 *     offset older than that           the id of a snapshot to fetch first
 *     offset at the end or above       waits, up to max_wait_ms, for new batches
 *
 * A controller that has lost touch with the quorum says so, and the node asks another one. */
#include "controller/api/api.h"

#include "common/wire/error.h"
#include "wire/fetch.h"

#define FETCH_BYTES_MAX 8388608
#define FETCH_WAIT_MAX_MS 30000

/* A fetch at the end of the log; lives in the request's arena. */
struct fetch_wait {
    struct machine_watch watch;
    struct env_timer timer;
    struct rpc_request *request;
    bool cancelled;
};

static const struct fetch_request_topics_partitions *wanted(const struct rpc_request *request)
{
    const struct fetch_request *body = request->body;

    return &body->topics[0].partitions[0];
}

static int16_t check(const struct rpc_request *request)
{
    const struct fetch_request *body = request->body;
    const struct machine *machine = api_machine(request);
    const bool named = request->version < 13 ? string_is(body->topics[0].topic, CLUSTER_METADATA_TOPIC)
                                             : uuid_equal(body->topics[0].topic_id, metadata_topic_id);

    if (!named) {
        return request->version < 13 ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_UNKNOWN_TOPIC_ID;
    }
    if (wanted(request)->partition != 0) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (wanted(request)->fetch_offset < 0) {
        return ERROR_OFFSET_OUT_OF_RANGE;
    }
    return machine->orphaned || machine->closing ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_NONE;
}

/* Something can be said at once. */
static bool ready(const struct rpc_request *request)
{
    return check(request) != ERROR_NONE || wanted(request)->fetch_offset < api_machine(request)->log.end_offset;
}

static void release_block(struct rpc_request *request)
{
    metadata_block_unref(request->release_context);
}

static size_t bytes_allowed(const struct rpc_request *request)
{
    const struct fetch_request *body = request->body;
    int32_t allowed = body->max_bytes < FETCH_BYTES_MAX ? body->max_bytes : FETCH_BYTES_MAX;

    if (wanted(request)->partition_max_bytes < allowed) {
        allowed = wanted(request)->partition_max_bytes;
    }
    return allowed > 0 ? (size_t)allowed : 0;
}

static void read_log(struct rpc_request *request, struct fetch_response_responses_partitions *partition)
{
    struct machine *machine = api_machine(request);
    const int64_t offset = wanted(request)->fetch_offset;
    struct metadata_block *block;
    struct bytes batches;

    partition->high_watermark = machine->log.end_offset;
    partition->last_stable_offset = machine->log.end_offset;
    partition->log_start_offset = machine->log.start_offset;
    if (offset < machine->log.start_offset) {
        const struct snapshot_bytes *snapshot =
            snapshot_cache_offer(&machine->snapshots, machine->image, machine->log.start_offset);

        partition->snapshot_id.end_offset = snapshot->end_offset;
        partition->snapshot_id.epoch = snapshot->epoch;
        return;
    }
    batches = metadata_log_read(&machine->log, offset, bytes_allowed(request), &block);
    if (batches.data != NULL) {
        partition->records = (struct records){.data = batches.data, .size = batches.size};
        request->release = release_block;
        request->release_context = block;
    }
}

static void answer(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct fetch_request *body = request->body;
    struct fetch_response *response = request->response;
    struct fetch_response_responses *topic = arena_need(&request->arena, 1, sizeof(*topic));
    struct fetch_response_responses_partitions *partition = arena_need(&request->arena, 1, sizeof(*partition));

    response->responses_count = 1;
    response->responses = topic;
    fetch_response_responses_init(topic);
    topic->topic = body->topics[0].topic;
    topic->topic_id = body->topics[0].topic_id;
    topic->partitions_count = 1;
    topic->partitions = partition;
    fetch_response_responses_partitions_init(partition);
    partition->partition_index = wanted(request)->partition;
    partition->aborted_transactions_count = -1;
    partition->records = RECORDS_EMPTY;
    partition->high_watermark = -1;
    partition->error_code = check(request);
    if (partition->error_code == ERROR_NONE) {
        read_log(request, partition);
    }
    if (request->version >= 12) {
        partition->current_leader.leader_id = machine->leader_id;
        partition->current_leader.leader_epoch = (int32_t)machine->term;
    }
    rpc_request_complete(request);
}

static void wait_end(struct fetch_wait *wait)
{
    list_remove(&wait->watch.link);
    env_timer_stop(wait->request->env, &wait->timer);
    wait->request->cancel = NULL;
    answer(wait->request);
}

static void woken(struct machine_watch *watch)
{
    struct fetch_wait *wait = CONTAINER_OF(watch, struct fetch_wait, watch);

    if (wait->cancelled || ready(wait->request)) {
        wait_end(wait);
    } else {
        machine_watch(api_machine(wait->request), watch);
    }
}

static void expired(void *context)
{
    wait_end(context);
}

/* The connection is gone. It is being taken apart, so the request ends with the turn. */
static void cancelled(struct rpc_request *request)
{
    struct fetch_wait *wait = request->cancel_context;

    wait->cancelled = true;
    machine_wake_watches(api_machine(request));
}

static void wait_for_more(struct rpc_request *request)
{
    const struct fetch_request *body = request->body;
    struct fetch_wait *wait = arena_need(&request->arena, 1, sizeof(*wait));
    const int32_t ms = body->max_wait_ms < FETCH_WAIT_MAX_MS ? body->max_wait_ms : FETCH_WAIT_MAX_MS;

    wait->request = request;
    wait->watch.wake = woken;
    list_init(&wait->watch.link);
    env_timer_init(&wait->timer, expired, wait);
    env_timer_start(request->env, &wait->timer, (uint64_t)ms * NS_PER_MS);
    request->cancel = cancelled;
    request->cancel_context = wait;
    machine_watch(api_machine(request), &wait->watch);
}

static void note_reader(const struct rpc_request *request)
{
    struct machine *machine = api_machine(request);
    const struct fetch_request *body = request->body;
    const int32_t id = request->version >= 15 ? body->replica_state.replica_id : body->replica_id;

    if (id >= 0 && image_broker(machine->image, id) != NULL) {
        observers_note(&machine->observers, id, wanted(request)->fetch_offset, machine->log.end_offset,
                       env_wall_ms(request->env));
    }
}

void api_fetch(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct fetch_request *body = request->body;
    struct fetch_response *response = request->response;

    response->responses_count = 0;
    if (body->cluster_id.data != NULL && !string_is(body->cluster_id, machine->options.cluster_id)) {
        response->error_code = ERROR_INCONSISTENT_CLUSTER_ID;
        rpc_request_complete(request);
        return;
    }
    if (body->topics_count != 1 || body->topics[0].partitions_count != 1) {
        response->error_code = ERROR_INVALID_REQUEST;
        rpc_request_complete(request);
        return;
    }
    if (check(request) == ERROR_NONE) {
        note_reader(request);
    }
    if (ready(request) || body->max_wait_ms <= 0 || body->min_bytes <= 0) {
        answer(request);
    } else {
        wait_for_more(request);
    }
}
