/* Fetch (KIP-74, KIP-227, KIP-320, KIP-516, KIP-951): batches from log files to sockets.
 *
 *     home loop     session, resolve, split by owning loop
 *     owning loop   READ: what can be had now, as slices of segment files; nothing is copied
 *     home loop     enough (min_bytes), or an error, or time is up?  -> answer: header bytes and sendfile
 *                   What the page cache does not have a worker reads first: the loop waits for no disk
 *                   else WATCH: every share looks out for a higher high watermark; a sign of it, or the timer: READ
 *
 * A partition that is being opened has nothing yet: the fetch waits for it as for data, but at least for a moment, as
 * produce does, even if its client would not wait at all.
 *
 * A share's READ ends its watch first, and a watch that finds data at once wakes at once, so no append between look-up
 * and watch is missed. Wake-ups that arrive while a READ is under way are ignored: that READ sees what they
 * announced. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/wire/error.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/leader_hint.h"
#include "storage-node/server/shard.h"
#include "wire/fetch.h"

/* An answer never exceeds this, whatever the client allows. */
#define FETCH_BYTES_MAX 57671680
#define FETCH_WARM_STEP ((size_t)128 << 10)

enum fetch_state { FETCH_READING, FETCH_WATCHING, FETCH_WARMING, FETCH_ANSWERED };

struct fetch_part;

/* One partition of the fetch. Lives in the request's arena. */
struct fetch_item {
    struct fetch_watch watch;
    struct load_watch load;
    struct fetch_part *part; /* NULL: `error` was plain at home */
    struct fetch_item *next; /* of the same part */
    struct session_partition *session;
    struct string topic;
    struct uuid topic_id;      /* as the request names it */
    struct uuid real_topic_id; /* for looking it up */
    int64_t fetch_offset;
    int64_t high_watermark;
    int64_t log_start_offset;
    uint64_t readable; /* the partition's bytes_readable when it was read */
    struct log_slice slice;
    int32_t partition;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int32_t bytes_max;
    int32_t diverging_epoch;
    int64_t diverging_end;
    int16_t error;
    bool watching; /* `watch` or, if it is `loading`, `load` is linked */
    bool loading;  /* with `error` for the case that it has to be answered */
};

/* What one loop does of a fetch. */
struct fetch_part {
    struct env_message message; /* the order to read, and the report that it is done */
    struct env_message watch;   /* the order to watch; nothing is reported, the next order to read comes behind it */
    struct env_message wake;    /* something is readable */
    struct fetch *fetch;
    struct shard *shard;
    struct fetch_item *items;
    struct fetch_item *last;
    bool woken; /* since the watch began */
};

struct fetch {
    struct rpc_request *request;
    struct shard *home;
    struct fetch_session *session;
    struct fetch_part *parts; /* one for each shard, used or not */
    struct fetch_item *items;
    size_t item_count;
    struct env_timer timer;
    uint64_t deadline_ns;
    struct wake wake; /* it was woken, and its turn comes */
    int64_t bytes_max;
    int64_t bytes_each; /* while it watches: with less than this from every partition there is not enough */
    int32_t min_bytes;
    struct env_job warming;
    uint32_t pending; /* parts with an order */
    enum fetch_state state;
    bool home_wake; /* a wake-up of the home part is in this loop's queue: the next READ starts when it arrives */
    bool full;
    bool hurry; /* time is up or the connection is gone: answer with what there is */
};

static void fetch_read(struct fetch *fetch);

/* --- on the owning loop --- */

static void fetch_item_unwatch(struct fetch_item *item)
{
    if (item->watching) {
        list_remove(item->loading ? &item->load.link : &item->watch.link);
        item->watching = false;
    }
}

/* KIP-320: the log the reader knows differs from ours where its last epoch ended. */
static bool fetch_item_diverges(struct fetch_item *item, const struct partition *partition)
{
    if (item->last_fetched_epoch < 0) {
        return false;
    }
    partition_log_epoch_end(partition->log, item->last_fetched_epoch, &item->diverging_epoch, &item->diverging_end);
    if (item->diverging_epoch < 0 ||
        (item->diverging_epoch == item->last_fetched_epoch && item->diverging_end >= item->fetch_offset)) {
        item->diverging_epoch = -1;
        item->diverging_end = -1;
        return false;
    }
    return true;
}

static void fetch_item_read(struct fetch_item *item)
{
    struct partition *partition;
    enum status status;

    fetch_item_unwatch(item);
    item->high_watermark = -1;
    item->log_start_offset = -1;
    item->loading = shard_partition_loading(item->part->shard, item->real_topic_id, item->partition) != NULL;
    item->error = shard_partition(item->part->shard, item->real_topic_id, item->partition, &partition);
    if (item->error == ERROR_NONE) {
        item->error = shard_check_epoch(partition, item->current_leader_epoch);
    }
    if (item->error != ERROR_NONE) {
        return;
    }
    item->readable = partition->bytes_readable;
    item->high_watermark = partition->high_watermark;
    item->log_start_offset = partition_log_start_offset(partition->log);
    if (fetch_item_diverges(item, partition)) {
        return;
    }
    if (item->fetch_offset > item->high_watermark && item->fetch_offset <= partition_log_end_offset(partition->log)) {
        /* Between the high watermark and the log's end: nothing yet, but not out of range. */
        return;
    }
    status = partition_log_read(partition->log, item->fetch_offset, partition->high_watermark, (size_t)item->bytes_max,
                                true, &item->slice);
    if (status == STATUS_OUT_OF_RANGE) {
        item->error = ERROR_OFFSET_OUT_OF_RANGE;
    } else if (status != STATUS_OK) {
        item->error = shard_error_of(status);
    }
}

static void fetch_part_report(struct fetch_part *part, void (*deliver)(struct env_message *message))
{
    if (part->shard == part->fetch->home) {
        deliver(&part->message);
        return;
    }
    part->message.deliver = deliver;
    env_post(part->fetch->home->env, &part->message);
}

static void fetch_part_was_read(struct env_message *message);
static void fetch_part_woke(struct env_message *message);

static void fetch_part_read(struct env_message *message)
{
    struct fetch_part *part = CONTAINER_OF(message, struct fetch_part, message);

    for (struct fetch_item *item = part->items; item != NULL; item = item->next) {
        fetch_item_read(item);
    }
    fetch_part_report(part, fetch_part_was_read);
}

static void fetch_item_wake_part(struct fetch_item *item)
{
    struct fetch_part *part = item->part;

    item->watching = false;
    if (part->woken) {
        return;
    }
    part->woken = true;
    part->wake.deliver = fetch_part_woke;
    if (part->shard == part->fetch->home) {
        part->fetch->home_wake = true;
    }
    /* As a message also at home: the turn that moved the high watermark finishes its appends first. */
    env_post(part->fetch->home->env, &part->wake);
}

static void fetch_item_wake(struct fetch_watch *watch)
{
    fetch_item_wake_part(CONTAINER_OF(watch, struct fetch_item, watch));
}

static void fetch_item_loaded(struct load_watch *load)
{
    fetch_item_wake_part(CONTAINER_OF(load, struct fetch_item, load));
}

/* A partition that the fetch names twice is watched once: what comes wakes all of the part. */
static bool fetch_item_is_watched(const struct fetch_item *item, const struct partition *partition)
{
    const struct fetch_watch *last;

    if (list_empty(&partition->watches)) {
        return false;
    }
    last = LIST_ENTRY(partition->watches.previous, struct fetch_watch, link);
    return last->wake == fetch_item_wake && CONTAINER_OF(last, struct fetch_item, watch)->part == item->part;
}

/* False if the item's state changed since it was read. */
static bool fetch_item_watch(struct fetch_item *item)
{
    struct shard *shard = item->part->shard;
    struct partition *partition;

    if (item->loading) {
        partition = shard_partition_loading(shard, item->real_topic_id, item->partition);
        if (partition == NULL) {
            return false;
        }
        list_init(&item->load.link);
        item->load.loaded = fetch_item_loaded;
        item->watching = true;
        partition_watch_load(partition, &item->load);
        return true;
    }
    if (shard_partition(shard, item->real_topic_id, item->partition, &partition) != ERROR_NONE ||
        shard_check_epoch(partition, item->current_leader_epoch) != ERROR_NONE) {
        return false;
    }
    if (fetch_item_is_watched(item, partition)) {
        return true;
    }
    list_init(&item->watch.link);
    item->watch.wake = fetch_item_wake;
    item->watch.appended = item->readable + (uint64_t)item->part->fetch->bytes_each;
    /* From what this reader has seen, not from its offset: a slice that was too small was seen too. */
    item->watch.offset = item->high_watermark;
    item->watching = true;
    partition_watch(partition, &item->watch);
    return true;
}

static void fetch_part_watch(struct env_message *message)
{
    struct fetch_part *part = CONTAINER_OF(message, struct fetch_part, watch);

    part->woken = false;
    for (struct fetch_item *item = part->items; item != NULL; item = item->next) {
        if (!fetch_item_watch(item)) {
            fetch_item_wake_part(item);
        }
    }
}

/* --- at home --- */

static void fetch_release(struct rpc_request *request)
{
    struct fetch *fetch = request->release_context;

    for (size_t i = 0; i < fetch->item_count; i++) {
        file_unref(fetch->items[i].slice.file);
    }
}

static void fetch_drop_slice(struct fetch_item *item)
{
    file_unref(item->slice.file);
    item->slice = (struct log_slice){0};
}

/* Holds the answer within its bytes: in the order of the request, the first batch always goes. */
static void fetch_trim(struct fetch *fetch)
{
    int64_t left = fetch->bytes_max;
    bool first = true;

    for (size_t i = 0; i < fetch->item_count; i++) {
        struct fetch_item *item = &fetch->items[i];

        if (item->slice.size == 0) {
            continue;
        }
        if (!first && (int64_t)item->slice.size > left) {
            fetch_drop_slice(item);
            continue;
        }
        left -= (int64_t)item->slice.size;
        first = false;
    }
}

static bool fetch_item_has_news(const struct fetch_item *item)
{
    const struct session_partition *session = item->session;

    return item->slice.size > 0 || item->error != ERROR_NONE || item->diverging_epoch >= 0 || session->sent_error ||
           session->sent_high_watermark != item->high_watermark ||
           session->sent_log_start_offset != item->log_start_offset;
}

/* Whether the answer names the item. Of a partition that is being opened a session has no news: told of an error, its
 * client would look for another leader again and again. */
static bool fetch_tells(const struct fetch *fetch, const struct fetch_item *item)
{
    return fetch->full || (!item->loading && fetch_item_has_news(item));
}

static void fetch_answer_item(const struct fetch_item *item, struct fetch_response_responses_partitions *answer)
{
    fetch_response_responses_partitions_init(answer);
    answer->partition_index = item->partition;
    answer->error_code = item->error;
    answer->high_watermark = item->high_watermark;
    answer->last_stable_offset = item->high_watermark;
    answer->log_start_offset = item->log_start_offset;
    answer->aborted_transactions_count = -1;
    answer->diverging_epoch.epoch = item->diverging_epoch;
    answer->diverging_epoch.end_offset = item->diverging_end;
    /* Never null: librdkafka takes null records for a broken answer. */
    answer->records = RECORDS_EMPTY;
    if (item->slice.size > 0) {
        answer->records = (struct records){
            .file = item->slice.file, .offset = item->slice.position, .size = item->slice.size};
    }
}

static bool fetch_same_topic(const struct fetch_item *a, const struct fetch_item *b)
{
    return uuid_equal(a->topic_id, b->topic_id) && string_equal(a->topic, b->topic);
}

/* How many items from `first` on go into the answer under its topic. */
static size_t fetch_run(const struct fetch *fetch, size_t first)
{
    size_t count = 0;

    for (size_t i = first; i < fetch->item_count; i++) {
        if (fetch_tells(fetch, &fetch->items[i])) {
            if (!fetch_same_topic(&fetch->items[first], &fetch->items[i])) {
                break;
            }
            count++;
        }
    }
    return count;
}

static void fetch_fill(struct fetch *fetch)
{
    struct fetch_response *response = fetch->request->response;
    struct arena *arena = &fetch->request->arena;
    struct fetch_response_responses *topic = NULL;
    const struct fetch_item *previous = NULL;

    response->responses = arena_need(arena, fetch->item_count, sizeof(*response->responses));
    for (size_t i = 0; i < fetch->item_count; i++) {
        struct fetch_item *item = &fetch->items[i];

        if (!fetch_tells(fetch, item)) {
            continue;
        }
        if (previous == NULL || !fetch_same_topic(previous, item)) {
            topic = &response->responses[response->responses_count++];
            fetch_response_responses_init(topic);
            topic->topic = item->topic;
            topic->topic_id = item->topic_id;
            topic->partitions = arena_need(arena, fetch_run(fetch, i), sizeof(*topic->partitions));
        }
        fetch_answer_item(item, &topic->partitions[topic->partitions_count++]);
        previous = item;
    }
}

/* What the answer says is what the session remembers; partitions that gave data go to the end of its order. */
static void fetch_remember(struct fetch *fetch)
{
    if (fetch->session == NULL) {
        return;
    }
    for (size_t i = 0; i < fetch->item_count; i++) {
        struct fetch_item *item = &fetch->items[i];

        item->session->sent_high_watermark = item->high_watermark;
        item->session->sent_log_start_offset = item->log_start_offset;
        item->session->sent_error = item->error != ERROR_NONE && fetch_tells(fetch, item);
        if (item->slice.size > 0) {
            list_remove(&item->session->link);
            list_append(&fetch->session->partitions, &item->session->link);
        }
    }
    fetch_session_end(&fetch->home->sessions, fetch->session);
}

/* Who leads the partitions that this node does not. */
static void fetch_name_leaders(struct shard *home, struct rpc_request *request)
{
    struct fetch_response *response = request->response;
    struct leader_endpoint endpoints[LEADER_HINT_MAX];
    struct leader_hint hint;

    if (request->version < 16) {
        return;
    }
    leader_hint_init(&hint, home, request);
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct fetch_response_responses *topic = &response->responses[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct fetch_response_responses_partitions *answer = &topic->partitions[j];

            leader_hint_partition(&hint, answer->error_code, topic->topic, topic->topic_id, answer->partition_index,
                                  &answer->current_leader.leader_id, &answer->current_leader.leader_epoch);
        }
    }
    response->node_endpoints_count = leader_hint_endpoints(&hint, endpoints);
    response->node_endpoints =
        arena_need(&request->arena, (size_t)response->node_endpoints_count, sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        response->node_endpoints[i] = (struct fetch_response_node_endpoints){.node_id = endpoints[i].node_id,
                                                                          .host = endpoints[i].host,
                                                                          .port = endpoints[i].port,
                                                                          .rack = endpoints[i].rack};
    }
}

static void fetch_complete(struct fetch *fetch)
{
    struct rpc_request *request = fetch->request;
    struct fetch_response *response = request->response;

    fetch->state = FETCH_ANSWERED;
    fetch_fill(fetch);
    response->session_id = fetch->session != NULL ? fetch->session->id : 0;
    fetch_name_leaders(fetch->home, request);
    fetch_remember(fetch);
    rpc_request_complete(request);
}

static bool fetch_slice_is_cold(const struct log_slice *slice)
{
    return slice->size > 0 && !file_is_cached(slice->file, slice->position, slice->size);
}

/* Brings cold slices into the page cache. A failure shows when they are sent. */
static void fetch_warm(struct env_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, warming);
    uint8_t *scratch = memory_alloc(FETCH_WARM_STEP);

    for (size_t i = 0; i < fetch->item_count; i++) {
        const struct log_slice *slice = &fetch->items[i].slice;
        size_t got = 1;

        if (!fetch_slice_is_cold(slice)) {
            continue;
        }
        for (size_t at = 0; at < slice->size && got > 0; at += got) {
            const size_t size = slice->size - at < FETCH_WARM_STEP ? slice->size - at : FETCH_WARM_STEP;

            if (file_read(slice->file, slice->position + at, scratch, size, &got) != STATUS_OK) {
                break;
            }
        }
    }
    memory_free(scratch);
}

static void fetch_warmed(struct env_job *job)
{
    fetch_complete(CONTAINER_OF(job, struct fetch, warming));
}

static void fetch_answer(struct fetch *fetch)
{
    env_timer_stop(fetch->home->env, &fetch->timer);
    fetch_trim(fetch);
    for (size_t i = 0; i < fetch->item_count; i++) {
        if (fetch_slice_is_cold(&fetch->items[i].slice)) {
            fetch->state = FETCH_WARMING;
            fetch->warming.work = fetch_warm;
            fetch->warming.done = fetch_warmed;
            env_submit(fetch->home->env, ENV_LANE_READ, &fetch->warming);
            return;
        }
    }
    fetch_complete(fetch);
}

/* How many bytes must come to one of the partitions at least before there may be enough: a fetch that waits for much is
 * not woken by each record. A partition gives no more than the client allows for it. */
static int64_t fetch_bytes_each(const struct fetch *fetch, int64_t bytes)
{
    int64_t each = (fetch->min_bytes - bytes) / (int64_t)fetch->item_count;

    for (size_t i = 0; i < fetch->item_count; i++) {
        const struct fetch_item *item = &fetch->items[i];
        const int64_t room = item->bytes_max - (int64_t)item->slice.size;

        each = room < each ? room : each;
    }
    return each > 1 ? each : 1;
}

/* All parts have read: is it enough? */
static void fetch_judge(struct fetch *fetch)
{
    const uint64_t now_ns = env_now_ns(fetch->home->env);
    const uint64_t patience_ns = fetch->request->received_ns + SHARD_LOAD_PATIENCE_NS;
    uint64_t deadline_ns = fetch->deadline_ns;
    int64_t bytes = 0;
    bool urgent = fetch->hurry || fetch->item_count == 0;
    bool loading = false;

    for (size_t i = 0; i < fetch->item_count; i++) {
        const struct fetch_item *item = &fetch->items[i];

        bytes += (int64_t)item->slice.size;
        loading |= item->loading;
        urgent |= !item->loading && (item->error != ERROR_NONE || item->diverging_epoch >= 0);
        /* More is there than one slice may hold, or behind the segment's end: waiting would not make this one
         * larger. */
        urgent |= item->slice.size > 0 && item->slice.next_offset < item->high_watermark;
    }
    if (loading && deadline_ns < patience_ns) {
        deadline_ns = patience_ns;
    }
    if (urgent || (bytes >= fetch->min_bytes && (bytes > 0 || !loading)) || now_ns >= deadline_ns) {
        fetch_answer(fetch);
        return;
    }
    fetch->bytes_each = fetch_bytes_each(fetch, bytes);
    for (size_t i = 0; i < fetch->item_count; i++) {
        fetch_drop_slice(&fetch->items[i]);
    }
    fetch->state = FETCH_WATCHING;
    if (!env_timer_active(&fetch->timer)) {
        env_timer_start(fetch->home->env, &fetch->timer, deadline_ns - now_ns);
    }
    for (uint32_t i = 0; i < fetch->home->count; i++) {
        struct fetch_part *part = &fetch->parts[i];

        if (part->items == NULL) {
            continue;
        }
        if (part->shard == fetch->home) {
            fetch_part_watch(&part->watch);
        } else {
            part->watch.deliver = fetch_part_watch;
            env_post(part->shard->env, &part->watch);
        }
    }
}

static void fetch_part_was_read(struct env_message *message)
{
    struct fetch *fetch = CONTAINER_OF(message, struct fetch_part, message)->fetch;

    fetch->pending--;
    if (fetch->pending == 0) {
        fetch_judge(fetch);
    }
}

/* A READ's reports overtake no wake-up that another loop sent before; one that is in our own queue could be overtaken,
 * and would then find the request gone. So that one is waited for. */
static void fetch_look_again(struct fetch *fetch)
{
    if (fetch->state == FETCH_WATCHING && !fetch->home_wake) {
        list_remove(&fetch->wake.link);
        fetch_read(fetch);
    }
}

static void fetch_woken(struct wake *wake)
{
    fetch_look_again(CONTAINER_OF(wake, struct fetch, wake));
}

static void fetch_part_woke(struct env_message *message)
{
    struct fetch_part *part = CONTAINER_OF(message, struct fetch_part, wake);
    struct fetch *fetch = part->fetch;

    if (part->shard == fetch->home) {
        fetch->home_wake = false;
    }
    if (fetch->state == FETCH_WATCHING && !fetch->home_wake && list_empty(&fetch->wake.link)) {
        wakes_add(&fetch->home->wakes, &fetch->wake);
    }
}

static void fetch_time_is_up(void *context)
{
    struct fetch *fetch = context;

    fetch->hurry = true;
    fetch_look_again(fetch);
}

static void fetch_cancel(struct rpc_request *request)
{
    fetch_time_is_up(request->cancel_context);
}

static void fetch_read(struct fetch *fetch)
{
    fetch->state = FETCH_READING;
    /* One more than the parts, so that none of them ends the round before all have their order. */
    fetch->pending = 1;
    for (uint32_t i = 0; i < fetch->home->count; i++) {
        struct fetch_part *part = &fetch->parts[i];

        if (part->items == NULL) {
            continue;
        }
        fetch->pending++;
        if (part->shard == fetch->home) {
            fetch_part_read(&part->message);
        } else {
            part->message.deliver = fetch_part_read;
            env_post(part->shard->env, &part->message);
        }
    }
    fetch->pending--;
    if (fetch->pending == 0) {
        fetch_judge(fetch);
    }
}

/* Puts one partition to the loop that owns it. */
static void fetch_add(struct fetch *fetch, struct fetch_item *item)
{
    struct shard *home = fetch->home;
    const struct topic_image *topic;
    struct partition_image row;
    struct fetch_part *part;

    item->high_watermark = -1;
    item->log_start_offset = -1;
    item->diverging_epoch = -1;
    item->diverging_end = -1;
    if (item->bytes_max < 0) {
        item->bytes_max = 0;
    }
    if (item->bytes_max > fetch->bytes_max) {
        item->bytes_max = (int32_t)fetch->bytes_max;
    }
    item->error = shard_resolve(home, fetch->request->version >= 13 ? STRING_NULL : item->topic, item->topic_id,
                                item->partition, &topic, &row);
    if (item->error != ERROR_NONE) {
        return;
    }
    item->real_topic_id = topic_image_id(topic);
    part = &fetch->parts[shard_of(home, item->real_topic_id, item->partition)];
    part->fetch = fetch;
    part->shard = shard_at(home, (uint32_t)(part - fetch->parts));
    item->part = part;
    if (part->items == NULL) {
        part->items = item;
    } else {
        part->last->next = item;
    }
    part->last = item;
}

static void fetch_add_request(struct fetch *fetch, const struct fetch_request *body)
{
    struct arena *arena = &fetch->request->arena;
    size_t at = 0;

    for (int32_t i = 0; i < body->topics_count; i++) {
        fetch->item_count += (size_t)body->topics[i].partitions_count;
    }
    fetch->items = arena_need(arena, fetch->item_count, sizeof(*fetch->items));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct fetch_request_topics *topic = &body->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct fetch_request_topics_partitions *partition = &topic->partitions[j];
            struct fetch_item *item = &fetch->items[at++];

            item->topic = topic->topic;
            item->topic_id = topic->topic_id;
            item->partition = partition->partition;
            item->fetch_offset = partition->fetch_offset;
            item->current_leader_epoch = partition->current_leader_epoch;
            item->last_fetched_epoch = partition->last_fetched_epoch;
            item->bytes_max = partition->partition_max_bytes;
            fetch_add(fetch, item);
        }
    }
}

static void fetch_add_session(struct fetch *fetch)
{
    size_t at = 0;

    fetch->item_count = fetch->session->by_partition.count;
    fetch->items = arena_need(&fetch->request->arena, fetch->item_count, sizeof(*fetch->items));
    LIST_EACH(link, &fetch->session->partitions)
    {
        struct session_partition *partition = LIST_ENTRY(link, struct session_partition, link);
        struct fetch_item *item = &fetch->items[at++];

        item->session = partition;
        item->topic = partition->topic;
        item->topic_id = partition->topic_id;
        item->partition = partition->partition;
        item->fetch_offset = partition->fetch_offset;
        item->current_leader_epoch = partition->current_leader_epoch;
        item->last_fetched_epoch = partition->last_fetched_epoch;
        item->bytes_max = partition->partition_max_bytes;
        fetch_add(fetch, item);
    }
    ASSERT(at == fetch->item_count);
}

void handle_fetch(struct rpc_request *request)
{
    const struct fetch_request *body = request->body;
    struct fetch_response *response = request->response;
    struct shard *home = shard_of_request(request);
    struct fetch *fetch = arena_need(&request->arena, 1, sizeof(*fetch));

    fetch->request = request;
    fetch->home = home;
    fetch->bytes_max = body->max_bytes < FETCH_BYTES_MAX ? body->max_bytes : FETCH_BYTES_MAX;
    if (fetch->bytes_max < 0) {
        fetch->bytes_max = 0;
    }
    /* Waiting for more than an answer may hold would only ever end with the time. */
    fetch->min_bytes = body->min_bytes < fetch->bytes_max ? body->min_bytes : (int32_t)fetch->bytes_max;
    fetch->deadline_ns = request->received_ns + (body->max_wait_ms > 0 ? (uint64_t)body->max_wait_ms * NS_PER_MS : 0);
    if (body->replica_id >= 0 || body->replica_state.replica_id >= 0) {
        /* Replicas do not exist here yet: whoever says to be one is not of this cluster. */
        response->error_code = ERROR_CLUSTER_AUTHORIZATION_FAILED;
        rpc_request_complete(request);
        return;
    }
    response->error_code = fetch_session_begin(&home->sessions, body, request->version, env_now_ns(home->env),
                                               &fetch->session, &fetch->full);
    if (response->error_code != ERROR_NONE) {
        rpc_request_complete(request);
        return;
    }
    rpc_request_hold_back(request);
    list_init(&fetch->wake.link);
    fetch->wake.look = fetch_woken;
    env_timer_init(&fetch->timer, fetch_time_is_up, fetch);
    fetch->parts = arena_need(&request->arena, home->count, sizeof(*fetch->parts));
    request->release = fetch_release;
    request->release_context = fetch;
    request->cancel = fetch_cancel;
    request->cancel_context = fetch;
    if (fetch->session != NULL) {
        fetch_add_session(fetch);
    } else {
        fetch_add_request(fetch, body);
    }
    fetch->wake.partitions = fetch->item_count;
    fetch_read(fetch);
}
