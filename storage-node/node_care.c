/* What a node does beside serving: checkpoints of recovery points and log starts. Every loop writes down its partitions, a worker
 * writes the files. */
#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/trace/trace.h"
#include "storage-node/node_private.h"

struct checkpoint_lines {
    struct buffer recovery;
    size_t recovery_count;
    struct buffer start;
    size_t start_count;
};

/* One for each loop and directory: loops fill their own. */
struct checkpoint {
    struct env_job job;
    struct node *node;
    void (*done)(struct node *node);
    size_t directory_count;
    struct checkpoint_lines *lines; /* [loop][directory] */
    bool *skip;                     /* [directory] */
    enum status status;
};

static struct checkpoint_lines *checkpoint_lines_of(struct checkpoint *checkpoint, uint32_t loop, size_t directory)
{
    return &checkpoint->lines[loop * checkpoint->directory_count + directory];
}

static void shard_collect_checkpoint(struct shard *shard, struct round *round)
{
    struct checkpoint *checkpoint = round->context;
    const struct partition *partition;
    size_t at = 0;

    while ((partition = map_next(&shard->replicas.partitions, &at)) != NULL) {
        struct checkpoint_lines *lines = checkpoint_lines_of(checkpoint, shard->index, partition->directory);

        if (partition->state != PARTITION_ONLINE) {
            continue;
        }
        buffer_append_format(&lines->recovery, "%s %d %lld\n", partition->topic->name, partition->index,
                             (long long)partition_log_durable_end(partition->log));
        lines->recovery_count++;
        if (partition_log_start_offset(partition->log) > 0) {
            buffer_append_format(&lines->start, "%s %d %lld\n", partition->topic->name, partition->index,
                                 (long long)partition_log_start_offset(partition->log));
            lines->start_count++;
        }
    }
    round_done(shard, round);
}

static void checkpoint_work(struct env_job *job)
{
    struct checkpoint *checkpoint = CONTAINER_OF(job, struct checkpoint, job);

    for (size_t directory = 0; directory < checkpoint->directory_count; directory++) {
        struct checkpoint_lines *all = checkpoint_lines_of(checkpoint, 0, directory);
        struct directory_checkpoint file = {.disk = checkpoint->node->env->disk,
                                            .path = directories_path(checkpoint->node->service.directories, directory)};
        enum status status;

        if (checkpoint->skip[directory]) {
            continue;
        }
        for (uint32_t loop = 1; loop < checkpoint->node->service.shard_count; loop++) {
            const struct checkpoint_lines *lines = checkpoint_lines_of(checkpoint, loop, directory);

            buffer_append(&all->recovery, lines->recovery.data, lines->recovery.size);
            buffer_append(&all->start, lines->start.data, lines->start.size);
            all->recovery_count += lines->recovery_count;
            all->start_count += lines->start_count;
        }
        file.recovery_lines = buffer_bytes(&all->recovery);
        file.recovery_count = all->recovery_count;
        file.start_lines = buffer_bytes(&all->start);
        file.start_count = all->start_count;
        status = directory_checkpoint_write(&file);
        if (status != STATUS_OK) {
            checkpoint->status = status;
        }
    }
}

static void checkpoint_finished(struct env_job *job)
{
    struct checkpoint *checkpoint = CONTAINER_OF(job, struct checkpoint, job);
    struct node *node = checkpoint->node;
    void (*done)(struct node *node) = checkpoint->done;

    if (checkpoint->status != STATUS_OK) {
        /* Not fatal: an old checkpoint only makes recovery read more. */
        trace_warn("checkpoint_failed", T_STATUS("why", checkpoint->status));
    }
    for (size_t i = 0; i < node->service.shard_count * checkpoint->directory_count; i++) {
        buffer_deinit(&checkpoint->lines[i].recovery);
        buffer_deinit(&checkpoint->lines[i].start);
    }
    memory_free(checkpoint->lines);
    memory_free(checkpoint->skip);
    memory_free(checkpoint);
    node->checkpointing = false;
    if (done != NULL) {
        done(node);
    } else if (node->state == NODE_STARTING || node->state == NODE_RUNNING) {
        env_timer_start(node->env, &node->checkpoint_timer,
                        (uint64_t)config_int64(node->options.config, "log.flush.offset.checkpoint.interval.ms") * NS_PER_MS);
    }
}

static void checkpoint_collected(struct round *round)
{
    struct checkpoint *checkpoint = round->context;

    checkpoint->job.work = checkpoint_work;
    checkpoint->job.done = checkpoint_finished;
    env_submit(checkpoint->node->env, ENV_LANE_BACKGROUND, &checkpoint->job);
    round_destroy(round);
}

void node_checkpoint_start(struct node *node, void (*done)(struct node *node))
{
    struct checkpoint *checkpoint = memory_alloc_zero(1, sizeof(*checkpoint));

    node->checkpointing = true;
    checkpoint->node = node;
    checkpoint->done = done;
    checkpoint->directory_count = directories_count(node->service.directories);
    checkpoint->lines = memory_alloc_zero(node->service.shard_count * checkpoint->directory_count, sizeof(*checkpoint->lines));
    checkpoint->skip = memory_alloc_zero(checkpoint->directory_count, sizeof(*checkpoint->skip));
    for (size_t i = 0; i < checkpoint->directory_count; i++) {
        checkpoint->skip[i] = directories_failed(node->service.directories, i);
    }
    round_start(&node->service, shard_collect_checkpoint, checkpoint_collected, checkpoint);
}

static void node_checkpoint_due(void *context)
{
    struct node *node = context;

    if (!node->checkpointing) {
        node_checkpoint_start(node, NULL);
    }
}

void node_checkpoint_init(struct node *node)
{
    env_timer_init(&node->checkpoint_timer, node_checkpoint_due, node);
    env_timer_start(node->env, &node->checkpoint_timer,
                    (uint64_t)config_int64(node->options.config, "log.flush.offset.checkpoint.interval.ms") * NS_PER_MS);
}
