/* Conversion of batches on workers: see conversion.h. */
#include "storage-node/server/conversion.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct conversion_queue {
    struct conversions *conversions;
    uint64_t hash;
    struct uuid topic_id;
    int32_t partition;
    struct list batches; /* of struct conversion, as they came */
};

struct queue_key {
    struct uuid topic_id;
    int32_t partition;
};

static uint64_t queue_hash(struct uuid topic_id, int32_t partition)
{
    return hash_bytes(&topic_id, sizeof(topic_id)) ^ hash_u64((uint64_t)(uint32_t)partition);
}

static bool queue_is(const void *value, const void *key)
{
    const struct conversion_queue *queue = value;
    const struct queue_key *wanted = key;

    return queue->partition == wanted->partition && uuid_equal(queue->topic_id, wanted->topic_id);
}

static struct conversion_queue *queue_find(const struct conversions *conversions, struct uuid topic_id,
                                           int32_t partition)
{
    const struct queue_key key = {topic_id, partition};

    return conversions->queues.count == 0
               ? NULL
               : map_find(&conversions->queues, queue_hash(topic_id, partition), queue_is, &key);
}

void conversions_init(struct conversions *conversions, struct env *env)
{
    conversions->env = env;
    map_init(&conversions->queues);
}

void conversions_deinit(struct conversions *conversions)
{
    ASSERT(conversions->queues.count == 0);
    map_deinit(&conversions->queues);
}

bool conversion_needed(const struct conversions *conversions, const struct topic_config *config,
                       const struct batch_header *header, struct uuid topic_id, int32_t partition)
{
    return batch_needs_conversion(config, header) || queue_find(conversions, topic_id, partition) != NULL;
}

/* Those at the head that are ready. A `done` may start new ones for the same partition: they queue behind. */
static void queue_drain(struct conversion_queue *queue)
{
    while (!list_empty(&queue->batches)) {
        struct conversion *first = LIST_ENTRY(queue->batches.next, struct conversion, link);

        if (!first->ready) {
            return;
        }
        list_remove(&first->link);
        first->done(first);
    }
    (void)map_remove(&queue->conversions->queues, queue->hash, queue);
    memory_free(queue);
}

static void conversion_work(struct env_job *job)
{
    struct conversion *conversion = CONTAINER_OF(job, struct conversion, job);

    conversion->error = batch_convert(&conversion->config, conversion->now_ms, &conversion->header, conversion->batch,
                                      &conversion->copy);
}

static void conversion_done(struct env_job *job)
{
    struct conversion *conversion = CONTAINER_OF(job, struct conversion, job);

    conversion->ready = true;
    queue_drain(conversion->queue);
}

void conversion_start(struct conversions *conversions, struct conversion *conversion)
{
    struct conversion_queue *queue = queue_find(conversions, conversion->topic_id, conversion->partition);

    if (queue == NULL) {
        queue = memory_alloc_zero(1, sizeof(*queue));
        queue->conversions = conversions;
        queue->hash = queue_hash(conversion->topic_id, conversion->partition);
        queue->topic_id = conversion->topic_id;
        queue->partition = conversion->partition;
        list_init(&queue->batches);
        map_insert(&conversions->queues, queue->hash, queue);
    }
    conversion->queue = queue;
    conversion->ready = false;
    list_append(&queue->batches, &conversion->link);
    conversion->job.work = conversion_work;
    conversion->job.done = conversion_done;
    env_submit(conversions->env, ENV_LANE_COMPUTE, &conversion->job);
}
