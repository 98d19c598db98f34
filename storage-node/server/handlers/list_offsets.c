/* ListOffsets (KIP-79, KIP-207, KIP-734): where a partition begins and ends, and which record is the first at or after
 * a time.
 *
 * A time is looked up in the time index by the owning loop; the batch it names may be compressed and cold, so a worker
 * reads it and looks into its records. A partition that is being opened is waited for a moment, as produce does. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/record.h"
#include "common/env/disk.h"
#include "common/wire/error.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/tour.h"
#include "wire/list_offsets.h"

#define TIME_LATEST (-1)
#define TIME_EARLIEST (-2)
#define TIME_MAX (-3)
#define TIME_EARLIEST_LOCAL (-4)
#define TIME_LATEST_TIERED (-5)
#define TIME_EARLIEST_PENDING_UPLOAD (-6)

struct offsets_item {
    struct offsets_item *next;
    struct uuid topic_id;
    struct load_watch load; /* while its partition is being opened */
    struct env_timer patience;
    struct tour *tour;
    int32_t shard;
    int64_t time;
    int32_t current_leader_epoch;
    struct list_offsets_response_topics_partitions *answer;
};

/* A look into the records of one batch, on a worker. */
struct offsets_job {
    struct env_job job;
    struct tour *tour;
    struct offsets_item *item;
    struct log_slice slice;
    int64_t time; /* TIME_MAX: the record with the largest timestamp */
    size_t decompressed_max;
    int64_t found_offset;
    int64_t found_time;
    int32_t leader_epoch;
    enum status status;
};

static void offsets_continue(struct shard *shard, struct tour *tour, struct offsets_item *item);

/* The records of a batch that nobody had to look into may be larger than is looked into: its header has to do. A reader
 * that starts at its first record misses nothing. */
static void offsets_guess(struct offsets_job *job, const struct batch_header *header)
{
    if (job->time == TIME_MAX || header->max_timestamp >= job->time) {
        job->found_offset = job->time == TIME_MAX ? batch_last_offset(header) : header->base_offset;
        job->found_time = header->max_timestamp;
    }
    job->status = STATUS_OK;
}

static void offsets_scan(struct offsets_job *job, struct bytes batch)
{
    struct batch_header header;
    struct record_iterator iterator;
    struct record record;
    struct buffer scratch;
    struct bytes records;

    buffer_init(&scratch);
    job->status = batch_header_read(batch, &header);
    if (job->status == STATUS_OK) {
        job->status = batch_records(batch, &header, NULL, job->decompressed_max, &scratch, &records);
    }
    if (job->status == STATUS_TOO_LARGE) {
        offsets_guess(job, &header);
    } else if (job->status == STATUS_OK) {
        record_iterator_init(&iterator, &header, records);
        while ((job->status = record_next(&iterator, &record)) == STATUS_OK) {
            if (job->time == TIME_MAX ? record.timestamp > job->found_time || job->found_offset < 0
                                      : record.timestamp >= job->time) {
                job->found_offset = record.offset;
                job->found_time = record.timestamp;
                if (job->time != TIME_MAX) {
                    break;
                }
            }
        }
        if (job->status == STATUS_END) {
            job->status = STATUS_OK;
        }
    }
    buffer_deinit(&scratch);
}

static void offsets_work(struct env_job *base)
{
    struct offsets_job *job = CONTAINER_OF(base, struct offsets_job, job);
    uint8_t *batch = memory_alloc(job->slice.size);
    size_t got = 0;

    job->status = file_read(job->slice.file, job->slice.position, batch, job->slice.size, &got);
    if (job->status == STATUS_OK && got < job->slice.size) {
        job->status = STATUS_TRUNCATED;
    }
    if (job->status == STATUS_OK) {
        offsets_scan(job, bytes_of(batch, got));
    }
    memory_free(batch);
}

static void offsets_done(struct env_job *base)
{
    struct offsets_job *job = CONTAINER_OF(base, struct offsets_job, job);
    struct list_offsets_response_topics_partitions *answer = job->item->answer;
    struct tour *tour = job->tour;
    struct offsets_item *next = job->item->next;

    file_unref(job->slice.file);
    if (job->status != STATUS_OK) {
        answer->error_code = shard_error_of(job->status);
    } else if (job->found_offset >= 0) {
        answer->offset = job->found_offset;
        answer->timestamp = job->found_time;
        answer->leader_epoch = job->leader_epoch;
    }
    memory_free(job);
    offsets_continue(shard_at(tour->home, (tour->home->index + tour->visited) % tour->home->count), tour, next);
}

/* Starts a look-up by time. False: the answer is plain already. */
static bool offsets_find(struct shard *shard, struct tour *tour, struct offsets_item *item, struct partition *partition)
{
    struct offsets_job *job;
    struct log_slice slice = {0};
    enum status status;

    status = item->time == TIME_MAX
                 ? partition_log_find_max_time(partition->log, partition->high_watermark, &slice)
                 : partition_log_find_time(partition->log, item->time, partition->high_watermark, &slice);
    if (status == STATUS_NOT_FOUND) {
        return false;
    }
    if (status != STATUS_OK) {
        item->answer->error_code = shard_error_of(status);
        return false;
    }
    job = memory_alloc_zero(1, sizeof(*job));
    job->tour = tour;
    job->item = item;
    job->slice = slice;
    job->time = item->time;
    job->decompressed_max = (size_t)partition->topic->config.max_decompressed_message_bytes;
    job->found_offset = -1;
    job->found_time = -1;
    job->leader_epoch = partition_log_epoch_of(partition->log, slice.first_offset);
    job->job.work = offsets_work;
    job->job.done = offsets_done;
    env_submit(shard->env, ENV_LANE_READ, &job->job);
    return true;
}

/* Its partition is opened, or time is up: on the loop of the partition. */
static void offsets_go_on(struct offsets_item *item)
{
    struct shard *shard = shard_at(item->tour->home, (uint32_t)item->shard);

    list_remove(&item->load.link);
    env_timer_stop(shard->env, &item->patience);
    offsets_continue(shard, item->tour, item);
}

static void offsets_loaded(struct load_watch *load)
{
    offsets_go_on(CONTAINER_OF(load, struct offsets_item, load));
}

static void offsets_impatient(void *context)
{
    offsets_go_on(context);
}

/* All partitions of a request are waited for together, not one after the other. */
static bool offsets_park(struct shard *shard, struct tour *tour, struct offsets_item *item)
{
    struct partition *partition = shard_partition_loading(shard, item->topic_id, item->answer->partition_index);
    const uint64_t now_ns = env_now_ns(shard->env);
    const uint64_t end_ns = tour->request->received_ns + SHARD_LOAD_PATIENCE_NS;

    if (partition == NULL || now_ns >= end_ns) {
        return false;
    }
    item->tour = tour;
    item->load.loaded = offsets_loaded;
    list_init(&item->load.link);
    partition_watch_load(partition, &item->load);
    env_timer_init(&item->patience, offsets_impatient, item);
    env_timer_start(shard->env, &item->patience, end_ns - now_ns);
    return true;
}

/* False: it goes on when the partition is opened, or when a worker is through with it. */
static bool offsets_answer(struct shard *shard, struct tour *tour, struct offsets_item *item)
{
    struct list_offsets_response_topics_partitions *answer = item->answer;
    struct partition *partition;

    if (offsets_park(shard, tour, item)) {
        return false;
    }
    answer->error_code = shard_partition(shard, item->topic_id, answer->partition_index, &partition);
    if (answer->error_code == ERROR_NONE) {
        answer->error_code = shard_check_epoch(partition, item->current_leader_epoch);
    }
    if (answer->error_code != ERROR_NONE) {
        return true;
    }
    switch (item->time) {
    case TIME_LATEST:
        answer->offset = partition->high_watermark;
        answer->leader_epoch = partition->leader_epoch;
        return true;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        answer->offset = partition_log_start_offset(partition->log);
        answer->leader_epoch = partition_log_epoch_of(partition->log, answer->offset);
        return true;
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING_UPLOAD:
        /* Nothing is tiered: as Kafka says where tiering is off. */
        return true;
    default:
        return !offsets_find(shard, tour, item, partition);
    }
}

static void offsets_continue(struct shard *shard, struct tour *tour, struct offsets_item *item)
{
    for (; item != NULL; item = item->next) {
        if (item->shard == (int32_t)shard->index && item->answer->error_code == ERROR_NONE &&
            !offsets_answer(shard, tour, item)) {
            return;
        }
    }
    tour_next(tour);
}

static void offsets_visit(struct shard *shard, struct tour *tour)
{
    offsets_continue(shard, tour, tour->context);
}

static void offsets_finish(struct tour *tour)
{
    if (tour->request->version < 4) {
        /* Those versions have no place for the epoch. */
        for (struct offsets_item *item = tour->context; item != NULL; item = item->next) {
            item->answer->leader_epoch = -1;
        }
    }
    rpc_request_complete(tour->request);
}

void handle_list_offsets(struct rpc_request *request)
{
    const struct list_offsets_request *body = request->body;
    struct list_offsets_response *response = request->response;
    struct shard *home = shard_of_request(request);
    struct offsets_item *items = NULL;
    struct offsets_item **last = &items;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct list_offsets_request_topics *topic = &body->topics[i];
        struct list_offsets_response_topics *answer = &response->topics[i];

        list_offsets_response_topics_init(answer);
        answer->name = topic->name;
        answer->partitions_count = topic->partitions_count;
        answer->partitions = arena_need(&request->arena, (size_t)topic->partitions_count, sizeof(*answer->partitions));
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct offsets_item *item = arena_need(&request->arena, 1, sizeof(*item));
            const struct topic_image *image;
            struct partition_image row;

            item->answer = &answer->partitions[j];
            list_offsets_response_topics_partitions_init(item->answer);
            item->answer->partition_index = topic->partitions[j].partition_index;
            item->answer->timestamp = -1;
            item->answer->offset = -1;
            item->time = topic->partitions[j].timestamp;
            item->current_leader_epoch = topic->partitions[j].current_leader_epoch;
            item->shard = -1;
            item->answer->error_code =
                item->time < TIME_EARLIEST_PENDING_UPLOAD
                    ? ERROR_INVALID_REQUEST
                    : shard_resolve(home, topic->name, UUID_ZERO, item->answer->partition_index, &image, &row);
            if (item->answer->error_code == ERROR_NONE) {
                item->topic_id = topic_image_id(image);
                item->shard = (int32_t)shard_of(home, item->topic_id, item->answer->partition_index);
            }
            *last = item;
            last = &item->next;
        }
    }
    tour_start(request, offsets_visit, offsets_finish, items);
}
