/* Placement of replicas. */
#include "controller/state/placement.h"

#include "common/base/assert.h"
#include "common/base/prng.h"

static struct placement_node *node_find(const struct placement *placement, int32_t id)
{
    for (size_t i = 0; i < placement->node_count; i++) {
        if (placement->nodes[i].id == id) {
            return &placement->nodes[i];
        }
    }
    return NULL;
}

static void nodes_find(struct placement *placement, const struct image *image, struct arena *arena)
{
    placement->nodes = arena_need(arena, image_broker_count(image), sizeof(*placement->nodes));
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);

        if (broker->fenced || broker->in_controlled_shutdown) {
            continue;
        }
        placement->nodes[placement->node_count++] = (struct placement_node){
            .id = broker->id,
            .rack = broker->rack,
            .log_dir_count = broker->log_dir_count,
            .log_dirs = broker->log_dirs,
            .log_dir_replicas = arena_need(arena, (size_t)broker->log_dir_count, sizeof(uint32_t)),
        };
    }
}

/* Ties go to the node that comes first: the seed decides who that is. */
static void nodes_shuffle(struct placement *placement, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (size_t i = placement->node_count; i > 1; i--) {
        const size_t j = prng_below(&prng, i);
        const struct placement_node node = placement->nodes[i - 1];

        placement->nodes[i - 1] = placement->nodes[j];
        placement->nodes[j] = node;
    }
}

static void count_directory(struct placement_node *node, struct uuid directory)
{
    for (int32_t i = 0; i < node->log_dir_count; i++) {
        if (uuid_equal(node->log_dirs[i], directory)) {
            node->log_dir_replicas[i]++;
        }
    }
}

/* Preferred leaders count as leaders even while another replica leads: leadership returns. */
static void count_partition(const struct placement *placement, const struct partition_image *partition)
{
    for (int16_t i = 0; i < partition->replica_count; i++) {
        struct placement_node *node = node_find(placement, partition->replicas[i]);

        if (node != NULL) {
            node->leaders += i == 0;
            node->replicas++;
            if (partition->directories != NULL) {
                count_directory(node, partition->directories[i]);
            }
        }
    }
}

void placement_init(struct placement *placement, const struct image *image, uint64_t seed, struct arena *arena)
{
    *placement = (struct placement){0};
    nodes_find(placement, image, arena);
    nodes_shuffle(placement, seed);
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;

        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            count_partition(placement, &partition);
        }
    }
}

void placement_begin_topic(struct placement *placement, const struct topic_image *topic)
{
    struct partition_image partition;

    for (size_t i = 0; i < placement->node_count; i++) {
        placement->nodes[i].topic_leaders = 0;
        placement->nodes[i].topic_replicas = 0;
    }
    for (int32_t j = 0; topic != NULL && topic_image_partition(topic, j, &partition); j++) {
        for (int16_t i = 0; i < partition.replica_count; i++) {
            struct placement_node *node = node_find(placement, partition.replicas[i]);

            if (node != NULL) {
                node->topic_leaders += i == 0;
                node->topic_replicas++;
            }
        }
    }
}

static bool ids_have(const int32_t *ids, int16_t count, int32_t id)
{
    for (int16_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* True if one of the replicas chosen so far is in the node's rack. Nodes without a rack share none. */
static bool rack_taken(const struct placement *placement, const struct placement_node *node, const int32_t *replicas,
                       int16_t count)
{
    for (int16_t i = 0; node->rack.data != NULL && i < count; i++) {
        const struct placement_node *other = node_find(placement, replicas[i]);

        if (other != NULL && string_equal(other->rack, node->rack)) {
            return true;
        }
    }
    return false;
}

#define RANKS 5

/* True if `a` is a better place than `b`; ranks count in their order, less is better. */
static bool ranks_before(const uint32_t a[RANKS], const uint32_t b[RANKS])
{
    for (int i = 0; i < RANKS; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i];
        }
    }
    return false;
}

/* The best node for replica number `position`; the leader is number 0. */
static struct placement_node *node_choose(const struct placement *placement, const int32_t *replicas, int16_t position)
{
    struct placement_node *best = NULL;
    uint32_t best_ranks[RANKS] = {0};

    for (size_t i = 0; i < placement->node_count; i++) {
        struct placement_node *node = &placement->nodes[i];
        const uint32_t ranks[RANKS] = {
            position > 0 && rack_taken(placement, node, replicas, position),
            position == 0 ? node->topic_leaders : 0,
            node->topic_replicas,
            position == 0 ? node->leaders : 0,
            node->replicas,
        };

        if (ids_have(replicas, position, node->id)) {
            continue;
        }
        if (best == NULL || ranks_before(ranks, best_ranks)) {
            best = node;
            memcpy(best_ranks, ranks, sizeof(ranks));
        }
    }
    return best;
}

/* Counts the replica on the node and returns its directory there. */
static struct uuid node_take(struct placement_node *node, int16_t position)
{
    int32_t best = 0;

    node->leaders += position == 0;
    node->topic_leaders += position == 0;
    node->replicas++;
    node->topic_replicas++;
    if (node->log_dir_count == 0) {
        return UUID_ZERO;
    }
    for (int32_t i = 1; i < node->log_dir_count; i++) {
        if (node->log_dir_replicas[i] < node->log_dir_replicas[best]) {
            best = i;
        }
    }
    node->log_dir_replicas[best]++;
    return node->log_dirs[best];
}

bool placement_choose(struct placement *placement, int16_t count, int32_t *replicas, struct uuid *directories)
{
    ASSERT(count >= 1);
    if ((size_t)count > placement->node_count) {
        return false;
    }
    for (int16_t i = 0; i < count; i++) {
        struct placement_node *node = node_choose(placement, replicas, i);

        ASSERT(node != NULL);
        replicas[i] = node->id;
        directories[i] = node_take(node, i);
    }
    return true;
}

void placement_assign(struct placement *placement, int16_t count, const int32_t *replicas, struct uuid *directories)
{
    for (int16_t i = 0; i < count; i++) {
        struct placement_node *node = node_find(placement, replicas[i]);

        directories[i] = node != NULL ? node_take(node, i) : UUID_ZERO;
    }
}

bool placement_has_node(const struct placement *placement, int32_t id)
{
    return node_find(placement, id) != NULL;
}
