/* Follows the metadata log (KIP-595, KIP-630). */
#include "storage-node/cluster/metadata_feed.h"

#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/metadata/records.h"
#include "common/batch/record_batch.h"
#include "common/trace/trace.h"
#include "common/wire/error.h"
#include "wire/fetch.h"
#include "wire/fetch_snapshot.h"

#define FEED_CONNECT_TIMEOUT_MS 3000
#define FEED_RESPONSE_MAX (64 * 1024 * 1024)
#define FEED_BYTES_MAX (8 * 1024 * 1024)
#define FEED_WAIT_MS 2000
/* A snapshot larger than this is refused: it is not one of ours. */
#define FEED_SNAPSHOT_MAX ((int64_t)1024 * 1024 * 1024)

static const struct uuid CLUSTER_METADATA_TOPIC_ID = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

struct metadata_feed {
    struct env *env;
    int32_t node_id;
    uint32_t timeout_ms;
    const struct metadata_feed_handler *handler;
    void *context;
    struct rpc_client *client;
    struct rpc_call call;
    struct image *image;
    char *cluster_id; /* NULL: not known yet */
    const char *host;
    uint16_t port;
    bool wanted; /* follow, once the old connection is gone */
    bool closing;
    struct buffer snapshot; /* as far as it has come */
    int64_t snapshot_end;   /* -1: none under way */
    int32_t snapshot_epoch;
};

static void feed_fetch(struct metadata_feed *feed);
static void feed_connect(struct metadata_feed *feed);

static void feed_opened(void *context, struct rpc_client *client)
{
    struct metadata_feed *feed = context;

    (void)client;
    if (!feed->closing) {
        feed_fetch(feed);
    }
}

static void feed_closed(void *context, struct rpc_client *client, enum status why)
{
    struct metadata_feed *feed = context;
    const bool by_us = feed->closing;

    (void)client;
    (void)why;
    feed->client = NULL;
    feed->closing = false;
    feed->snapshot_end = -1;
    buffer_clear(&feed->snapshot);
    if (!by_us) {
        feed->wanted = false;
        feed->handler->lost(feed->context);
    } else if (feed->wanted) {
        feed_connect(feed);
    } else {
        feed->handler->idle(feed->context);
    }
}

static const struct rpc_client_handler FEED_CLIENT_HANDLER = {.opened = feed_opened, .closed = feed_closed};

static void feed_connect(struct metadata_feed *feed)
{
    const struct rpc_client_options options = {
        .host = feed->host,
        .port = feed->port,
        .client_id = "node-feed",
        .connect_timeout_ms = FEED_CONNECT_TIMEOUT_MS,
        .response_size_max = FEED_RESPONSE_MAX,
    };

    feed->client = rpc_client_open(feed->env, &options, &FEED_CLIENT_HANDLER, feed);
}

/* Gives this controller up. */
static void feed_give_up(struct metadata_feed *feed)
{
    feed->wanted = false;
    rpc_client_close(feed->client);
    feed->closing = true;
    feed->handler->lost(feed->context);
}

/* Replays whole batches of `records`; a cut one at the end comes again. */
static enum status feed_replay(struct metadata_feed *feed, struct bytes records)
{
    const int64_t before = image_offset(feed->image);
    struct bytes batch;
    enum status status;

    while ((status = batch_next(&records, &batch)) == STATUS_OK) {
        struct batch_header header;

        status = batch_header_read(batch, &header);
        if (status != STATUS_OK || !batch_crc_matches(batch)) {
            return STATUS_CORRUPT;
        }
        if (batch_last_offset(&header) <= image_offset(feed->image)) {
            continue;
        }
        status = image_apply_batch(&feed->image, batch);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (image_offset(feed->image) != before) {
        feed->handler->image(feed->context, feed->image);
    }
    return status == STATUS_END || status == STATUS_TRUNCATED ? STATUS_OK : status;
}

static void feed_got_snapshot(struct rpc_call *call);

static void feed_fetch_snapshot(struct metadata_feed *feed)
{
    struct fetch_snapshot_request_topics_partitions partition;
    struct fetch_snapshot_request_topics topic;
    struct fetch_snapshot_request request;
    const int16_t version = rpc_client_version(feed->client, API_FETCH_SNAPSHOT, INT16_MAX);

    if (version < 0) {
        feed_give_up(feed);
        return;
    }
    fetch_snapshot_request_init(&request);
    fetch_snapshot_request_topics_init(&topic);
    fetch_snapshot_request_topics_partitions_init(&partition);
    request.cluster_id = string_of(feed->cluster_id);
    request.replica_id = feed->node_id;
    request.max_bytes = FEED_BYTES_MAX;
    request.topics_count = 1;
    request.topics = &topic;
    topic.name = STRING(CLUSTER_METADATA_TOPIC);
    topic.partitions_count = 1;
    topic.partitions = &partition;
    partition.snapshot_id.end_offset = feed->snapshot_end;
    partition.snapshot_id.epoch = feed->snapshot_epoch;
    partition.position = (int64_t)feed->snapshot.size;
    rpc_call_init(&feed->call, feed_got_snapshot, feed);
    rpc_client_call(feed->client, &feed->call, API_FETCH_SNAPSHOT, version, &request, feed->timeout_ms);
}

static void feed_load_snapshot(struct metadata_feed *feed)
{
    /* A snapshot's end offset is exclusive, the image names its last record. */
    const enum status status = image_load_snapshot(&feed->image, buffer_bytes(&feed->snapshot), feed->snapshot_end - 1,
                                                   feed->snapshot_epoch);

    trace_info("metadata_snapshot", T_INT("end_offset", feed->snapshot_end), T_UINT("bytes", feed->snapshot.size),
               T_STATUS("status", status));
    feed->snapshot_end = -1;
    buffer_deinit(&feed->snapshot);
    if (status != STATUS_OK) {
        feed_give_up(feed);
        return;
    }
    feed->handler->image(feed->context, feed->image);
    if (!feed->closing) {
        feed_fetch(feed);
    }
}

static void feed_got_snapshot(struct rpc_call *call)
{
    struct metadata_feed *feed = call->context;
    const struct fetch_snapshot_response *response = call->response;
    const struct fetch_snapshot_response_topics_partitions *partition = NULL;
    bool whole = false;
    bool usable = false;

    if (call->status == STATUS_OK && response->error_code == ERROR_NONE && response->topics_count == 1 &&
        response->topics[0].partitions_count == 1) {
        partition = &response->topics[0].partitions[0];
    }
    if (partition != NULL && partition->error_code == ERROR_NONE && partition->size >= 0 &&
        partition->size <= FEED_SNAPSHOT_MAX && partition->position == (int64_t)feed->snapshot.size &&
        (partition->unaligned_records.size > 0 || partition->size == partition->position) &&
        partition->position + (int64_t)partition->unaligned_records.size <= partition->size) {
        usable = true;
        buffer_append(&feed->snapshot, partition->unaligned_records.data, partition->unaligned_records.size);
        whole = (int64_t)feed->snapshot.size == partition->size;
    }
    rpc_call_deinit(call);
    if (feed->client == NULL || feed->closing || call->status != STATUS_OK) {
        return;
    }
    if (!usable) {
        /* The controller has a newer one by now: ask the log again, which will name it. */
        feed->snapshot_end = -1;
        buffer_clear(&feed->snapshot);
        feed_fetch(feed);
    } else if (whole) {
        feed_load_snapshot(feed);
    } else {
        feed_fetch_snapshot(feed);
    }
}

/* What one answer means. False: this controller cannot be followed. */
static bool feed_take(struct metadata_feed *feed, const struct fetch_response *response)
{
    const struct fetch_response_responses_partitions *partition;

    if (response->error_code != ERROR_NONE || response->responses_count != 1 ||
        response->responses[0].partitions_count != 1) {
        return false;
    }
    partition = &response->responses[0].partitions[0];
    if (partition->error_code != ERROR_NONE) {
        return false;
    }
    if (partition->snapshot_id.end_offset >= 0) {
        feed->snapshot_end = partition->snapshot_id.end_offset;
        feed->snapshot_epoch = partition->snapshot_id.epoch;
        buffer_clear(&feed->snapshot);
        return true;
    }
    if (partition->records.size > 0) {
        const enum status status = feed_replay(feed, bytes_of(partition->records.data, partition->records.size));

        if (status != STATUS_OK) {
            trace_error("metadata_replay_failed", T_INT("offset", image_offset(feed->image)), T_STATUS("why", status));
            return false;
        }
    }
    return true;
}

static void feed_got(struct rpc_call *call)
{
    struct metadata_feed *feed = call->context;
    const enum status status = call->status;
    const bool usable = status == STATUS_OK && !feed->closing && feed_take(feed, call->response);

    rpc_call_deinit(call);
    if (feed->client == NULL || feed->closing || status != STATUS_OK) {
        return;
    }
    if (!usable) {
        feed_give_up(feed);
    } else if (feed->snapshot_end >= 0) {
        feed_fetch_snapshot(feed);
    } else {
        feed_fetch(feed);
    }
}

static void feed_fetch(struct metadata_feed *feed)
{
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;
    const int16_t version = rpc_client_version(feed->client, API_FETCH, 17);

    if (version < 15) {
        feed_give_up(feed);
        return;
    }
    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    request.cluster_id = string_of(feed->cluster_id);
    request.replica_state.replica_id = feed->node_id;
    request.max_wait_ms = FEED_WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FEED_BYTES_MAX;
    request.session_epoch = -1;
    request.topics_count = 1;
    request.topics = &topic;
    topic.topic_id = CLUSTER_METADATA_TOPIC_ID;
    topic.partitions_count = 1;
    topic.partitions = &partition;
    partition.fetch_offset = image_offset(feed->image) + 1;
    partition.current_leader_epoch = -1;
    partition.last_fetched_epoch = image_epoch(feed->image);
    partition.partition_max_bytes = FEED_BYTES_MAX;
    rpc_call_init(&feed->call, feed_got, feed);
    rpc_client_call(feed->client, &feed->call, API_FETCH, version, &request, feed->timeout_ms + FEED_WAIT_MS);
}

struct metadata_feed *metadata_feed_create(struct env *env, int32_t node_id, uint32_t timeout_ms,
                                           const struct metadata_feed_handler *handler, void *context)
{
    struct metadata_feed *feed = memory_alloc_zero(1, sizeof(*feed));

    feed->env = env;
    feed->node_id = node_id;
    feed->timeout_ms = timeout_ms;
    feed->handler = handler;
    feed->context = context;
    feed->image = image_create();
    feed->snapshot_end = -1;
    buffer_init(&feed->snapshot);
    return feed;
}

void metadata_feed_destroy(struct metadata_feed *feed)
{
    ASSERT(feed->client == NULL);
    image_unref(feed->image);
    buffer_deinit(&feed->snapshot);
    memory_free(feed->cluster_id);
    memory_free(feed);
}

void metadata_feed_set_cluster(struct metadata_feed *feed, struct string cluster_id)
{
    if (feed->cluster_id == NULL && cluster_id.data != NULL) {
        feed->cluster_id = memory_copy_text(cluster_id.data, cluster_id.size);
    }
}

void metadata_feed_start(struct metadata_feed *feed, struct string cluster_id, const char *host, uint16_t port)
{
    metadata_feed_set_cluster(feed, cluster_id);
    feed->host = host;
    feed->port = port;
    feed->wanted = true;
    if (feed->client == NULL) {
        feed_connect(feed);
    }
}

void metadata_feed_pause(struct metadata_feed *feed)
{
    feed->wanted = false;
    if (feed->client != NULL && !feed->closing) {
        feed->closing = true;
        rpc_client_close(feed->client);
    }
}

bool metadata_feed_idle(const struct metadata_feed *feed)
{
    return feed->client == NULL;
}

struct image *metadata_feed_image(struct metadata_feed *feed)
{
    return feed->image;
}
