/* Changes of the metadata reach every loop: the first loop compares, each loop opens, closes and configures its
 * partitions and then serves by the new image. Rounds are started in order and loops take messages in order, so every
 * loop sees every image once. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/trace/trace.h"
#include "storage-node/cluster/reconcile.h"
#include "storage-node/node_private.h"

struct publication {
    struct arena arena;
    struct image *image; /* one reference for each loop is taken when it arrives */
    struct replica_actions *actions;
    bool caught_up;
};

static uint32_t node_loop_of(void *context, struct uuid topic_id, int32_t partition)
{
    const struct node *node = context;

    return shard_of(&node->service.shards[0], topic_id, partition);
}

/* Whether a directory is there is known of topics that came up while this process ran. What a start replays may name
 * topics of long ago before the one that the directory is of: then the disk is asked. */
static void shard_open(struct shard *shard, const struct replica_action *action, bool caught_up)
{
    const struct replica_options options = {
        .topic_id = action->topic_id,
        .topic = action->topic,
        .config = action->config,
        .log = action->log,
        .partition = action->partition,
        .leader = action->leader,
        .leader_epoch = action->leader_epoch,
        .directory = action->place->directory,
        .path = action->place->path,
        .recovery_point = action->place->recovery_point,
        .log_start_offset = action->place->log_start_offset,
        .clean = action->place->clean,
        .kept = action->place->kept,
        .producers = action->place->producers,
        .fresh = caught_up && !action->place->exists,
    };

    if (replica_set_find(&shard->replicas, action->topic_id, action->partition) == NULL) {
        replica_set_open(&shard->replicas, &options);
    }
}

static void shard_act(struct shard *shard, const struct replica_action *action, bool caught_up)
{
    struct partition *partition = replica_set_find(&shard->replicas, action->topic_id, action->partition);

    switch (action->kind) {
    case REPLICA_OPEN:
        shard_open(shard, action, caught_up);
        break;
    case REPLICA_ROLE:
        if (partition != NULL && partition->state == PARTITION_ONLINE) {
            partition_set_role(partition, action->leader, action->leader_epoch);
        } else if (partition != NULL) {
            /* Taken up when its log is open. */
            partition->leader = action->leader;
            partition->leader_epoch = action->leader_epoch;
        }
        break;
    case REPLICA_CLOSE:
        if (partition != NULL) {
            replica_set_close(&shard->replicas, partition, action->remove);
        }
        break;
    case REPLICA_CONFIGURE:
        replica_set_configure(&shard->replicas, action->topic_id, action->config, action->log);
        break;
    }
}

static void shard_take_publication(struct shard *shard, struct round *round)
{
    const struct publication *publication = round->context;

    for (const struct replica_action *action = publication->actions[shard->index].first; action != NULL;
         action = action->next) {
        shard_act(shard, action, publication->caught_up);
    }
    image_unref(shard->image);
    shard->image = image_ref(publication->image);
    round_done(shard, round);
}

static void publication_finish(struct round *round)
{
    struct publication *publication = round->context;

    image_unref(publication->image);
    arena_deinit(&publication->arena);
    memory_free(publication);
    round_destroy(round);
}

void node_publish(struct node *node, struct image *image)
{
    struct publication *publication = memory_alloc_zero(1, sizeof(*publication));
    const struct reconcile_options options = {
        .before = node->image,
        .after = image,
        .node_id = node->id,
        .config = node->options.config,
        .directories = node->service.directories,
        .loop_count = node->service.shard_count,
        .loop_of = node_loop_of,
        .context = node,
    };

    arena_init(&publication->arena, SIZE_MAX / 2);
    publication->image = image_ref(image);
    publication->caught_up = node->ready;
    publication->actions = arena_need(&publication->arena, node->service.shard_count, sizeof(*publication->actions));
    reconcile(&options, &publication->arena, publication->actions);
    image_unref(node->image);
    node->image = image_ref(image);
    round_start(&node->service, shard_take_publication, publication_finish, publication);
}
