/* DescribeLogDirs (KIP-113, KIP-827): what lies where, and how much room is left. Visits every loop for its partitions,
 * and ends on the first, which knows the directories. */
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/wire/error.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"
#include "storage-node/server/tour.h"
#include "wire/describe_log_dirs.h"

#include <stdlib.h>

/* One partition found; in the request's arena, as the array of them that doubles as it grows. */
struct log_dir_row {
    uint16_t directory;
    struct string topic;
    int32_t partition;
    int64_t size;
};

struct log_dir_rows {
    struct log_dir_row *rows;
    size_t count;
    size_t capacity;
};

static void log_dirs_add(struct arena *arena, struct log_dir_rows *rows, const struct partition *partition)
{
    if (rows->count == rows->capacity) {
        const size_t capacity = rows->capacity > 0 ? rows->capacity * 2 : 64;
        struct log_dir_row *grown = arena_need(arena, capacity, sizeof(*grown));

        if (rows->count > 0) {
            memcpy(grown, rows->rows, rows->count * sizeof(*grown));
        }
        rows->rows = grown;
        rows->capacity = capacity;
    }
    rows->rows[rows->count++] = (struct log_dir_row){
        .directory = partition->directory,
        .topic = arena_copy_string(arena, string_of(partition->topic->name)),
        .partition = partition->index,
        .size = (int64_t)partition_log_size(partition->log),
    };
}

static void log_dirs_visit_all(struct shard *shard, struct tour *tour)
{
    const struct partition *partition;
    size_t at = 0;

    while ((partition = map_next(&shard->replicas.partitions, &at)) != NULL) {
        if (partition->state == PARTITION_ONLINE) {
            log_dirs_add(&tour->request->arena, tour->context, partition);
        }
    }
}

/* Those that the request names: each is looked up, so that the cost is the request's size. */
static void log_dirs_visit_named(struct shard *shard, struct tour *tour)
{
    const struct describe_log_dirs_request *body = tour->request->body;

    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct topic_image *topic = image_topic_by_name(shard->image, body->topics[i].topic);

        for (int32_t j = 0; topic != NULL && j < body->topics[i].partitions_count; j++) {
            const struct partition *partition =
                replica_set_find(&shard->replicas, topic_image_id(topic), body->topics[i].partitions[j]);

            if (partition != NULL && partition->state == PARTITION_ONLINE) {
                log_dirs_add(&tour->request->arena, tour->context, partition);
            }
        }
    }
}

static void log_dirs_visit(struct shard *shard, struct tour *tour)
{
    const struct describe_log_dirs_request *body = tour->request->body;

    /* While the node stops a worker may have the logs. */
    if (!shard->replicas.stopping) {
        if (body->topics_count < 0) {
            log_dirs_visit_all(shard, tour);
        } else {
            log_dirs_visit_named(shard, tour);
        }
    }
    tour_next(tour);
}

static int log_dirs_compare(const void *a, const void *b)
{
    const struct log_dir_row *x = a;
    const struct log_dir_row *y = b;
    int order;

    if (x->directory != y->directory) {
        return x->directory < y->directory ? -1 : 1;
    }
    order = string_compare(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* How many rows from `first` on are of its directory and topic. */
static size_t log_dirs_run(const struct log_dir_rows *rows, size_t first)
{
    size_t end = first + 1;

    while (end < rows->count && rows->rows[end].directory == rows->rows[first].directory &&
           string_equal(rows->rows[end].topic, rows->rows[first].topic)) {
        end++;
    }
    return end - first;
}

/* The rows are sorted by directory, topic and partition. */
static void log_dirs_fill(struct rpc_request *request, const struct log_dir_rows *rows, uint16_t directory,
                          struct describe_log_dirs_response_results *result)
{
    struct describe_log_dirs_response_results_topics *topic = NULL;

    result->topics = arena_need(&request->arena, rows->count, sizeof(*result->topics));
    for (size_t i = 0; i < rows->count; i++) {
        const struct log_dir_row *row = &rows->rows[i];
        struct describe_log_dirs_response_results_topics_partitions *partition;

        if (row->directory != directory) {
            continue;
        }
        if (topic == NULL || !string_equal(topic->name, row->topic)) {
            topic = &result->topics[result->topics_count++];
            describe_log_dirs_response_results_topics_init(topic);
            topic->name = row->topic;
            topic->partitions = arena_need(&request->arena, log_dirs_run(rows, i), sizeof(*topic->partitions));
        } else if (row->partition == row[-1].partition) {
            continue; /* asked for twice */
        }
        partition = &topic->partitions[topic->partitions_count++];
        describe_log_dirs_response_results_topics_partitions_init(partition);
        partition->partition_index = row->partition;
        partition->partition_size = row->size;
    }
}

static void log_dirs_answer(struct rpc_request *request)
{
    struct tour *tour = request->cancel_context;
    const struct log_dir_rows *rows = tour->context;
    struct describe_log_dirs_response *response = request->response;
    const struct directories *directories = tour->home->service->directories;
    const size_t count = directories_count(directories);

    if (rows->count > 0) {
        qsort(rows->rows, rows->count, sizeof(*rows->rows), log_dirs_compare);
    }
    response->results_count = (int32_t)count;
    response->results = arena_need(&request->arena, count, sizeof(*response->results));
    for (size_t i = 0; i < count; i++) {
        struct describe_log_dirs_response_results *result = &response->results[i];
        struct disk_space space;

        describe_log_dirs_response_results_init(result);
        result->log_dir = string_of(directories_path(directories, i));
        if (directories_failed(directories, i)) {
            result->error_code = ERROR_KAFKA_STORAGE_ERROR;
            continue;
        }
        if (disk_space(tour->home->env->disk, directories_path(directories, i), &space) == STATUS_OK) {
            result->total_bytes = (int64_t)space.total;
            result->usable_bytes = (int64_t)space.usable;
        }
        log_dirs_fill(request, rows, (uint16_t)i, result);
    }
    rpc_request_complete(request);
}

static void log_dirs_finish(struct tour *tour)
{
    rpc_request_run_on(tour->request, shard_at(tour->home, 0)->env, log_dirs_answer);
}

void handle_describe_log_dirs(struct rpc_request *request)
{
    tour_start(request, log_dirs_visit, log_dirs_finish,
               arena_need(&request->arena, 1, sizeof(struct log_dir_rows)));
}
