/* See watch.h. Everything here belongs to the simulator, not to a process. */
#include "tests/sim/watch.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/map.h"
#include "common/metadata/image.h"
#include "controller/controller.h"
#include "controller/quorum/quorum.h"
#include "storage-node/node_private.h"
#include "tests/sim/process.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOOK_LEAST_NS (2 * NS_PER_MS)
#define LOOK_MOST_NS (60 * NS_PER_MS)
#define MEMBERS_MAX (CLUSTER_CONTROLLERS_MAX + CLUSTER_NODES_MAX)

/* A committed entry. */
struct committed {
    uint64_t term;      /* 0: not seen, it was in a snapshot already */
    uint32_t crc;
    uint64_t seen_term; /* of who was first seen to know that it is committed */
};

/* What was last seen of a member's incarnation. */
struct member_view {
    uint32_t incarnation;
    uint64_t commit_index;
    uint64_t last_index;
    uint64_t led_term; /* as whose leader its log was looked through */
    int64_t image_offset;
};

struct image_view {
    int64_t offset;
    uint64_t hash;
    const char *who;
};

struct watch {
    struct sim_world *world;
    struct cluster *cluster;
    struct ledger *ledger;
    struct watch_counts counts;
    int *leaders; /* by term: index of the controller, plus 1 */
    uint64_t leader_capacity;
    struct committed *entries; /* by index */
    uint64_t entry_capacity;
    uint64_t commit_index; /* highest anywhere */
    struct image_view *images; /* by offset */
    int64_t image_capacity;
    struct member_view views[MEMBERS_MAX];
};

/* Room for `need` things of `size` bytes, new ones zero. */
static void *watch_grow(void *things, uint64_t *capacity, uint64_t need, size_t size)
{
    const uint64_t more = need * 2 + 64;

    if (need <= *capacity) {
        return things;
    }
    things = realloc(things, (size_t)more * size);
    ASSERT(things != NULL);
    memset((char *)things + (size_t)*capacity * size, 0, (size_t)(more - *capacity) * size);
    *capacity = more;
    return things;
}

/* --- the quorum --- */

static void watch_leader(struct watch *watch, unsigned controller, const struct quorum_glimpse *glimpse)
{
    int *leader;

    if (!glimpse->leading) {
        return;
    }
    watch->leaders = watch_grow(watch->leaders, &watch->leader_capacity, glimpse->term + 1, sizeof(*watch->leaders));
    leader = &watch->leaders[glimpse->term];
    if (*leader == 0) {
        *leader = (int)controller + 1;
        watch->counts.terms++;
    } else if (*leader != (int)controller + 1) {
        sim_fail(watch->world, "term %" PRIu64 " has two leaders, controller-%d and controller-%u", glimpse->term,
                 *leader, controller + 1);
    }
}

/* The entry at `index` is committed, says a controller in `seen_term`. */
static void watch_entry(struct watch *watch, unsigned controller, const struct quorum *quorum, uint64_t index,
                        uint64_t seen_term)
{
    struct committed *entry;
    struct bytes bytes;
    uint64_t term;
    bool durable;

    if (!quorum_look_at(quorum, index, &term, &bytes, &durable)) {
        return;
    }
    watch->entries = watch_grow(watch->entries, &watch->entry_capacity, index + 1, sizeof(*watch->entries));
    entry = &watch->entries[index];
    if (entry->term == 0) {
        *entry = (struct committed){.term = term, .crc = crc32c(bytes.data, bytes.size), .seen_term = seen_term};
        watch->counts.entries++;
    } else if (entry->term != term || entry->crc != crc32c(bytes.data, bytes.size)) {
        sim_fail(watch->world,
                 "entry %" PRIu64 " was committed in term %" PRIu64 ", and controller-%u has another of term %" PRIu64,
                 index, entry->term, controller + 1, term);
    }
}

/* A new leader has everything that was known to be committed when its term was not newer than this one. */
static void watch_completeness(struct watch *watch, unsigned controller, const struct quorum *quorum,
                               const struct quorum_glimpse *glimpse)
{
    for (uint64_t index = glimpse->base_index + 1; index <= watch->commit_index && index < watch->entry_capacity;
         index++) {
        const struct committed *entry = &watch->entries[index];
        struct bytes bytes;
        uint64_t term;
        bool durable;

        if (entry->term != 0 && entry->seen_term <= glimpse->term &&
            (!quorum_look_at(quorum, index, &term, &bytes, &durable) || term != entry->term)) {
            sim_fail(watch->world,
                     "controller-%u leads in term %" PRIu64 " without entry %" PRIu64 ", committed by term %" PRIu64,
                     controller + 1, glimpse->term, index, entry->seen_term);
            return;
        }
    }
}

static struct member_view *watch_view(struct watch *watch, unsigned member, const struct sim_process *process)
{
    struct member_view *view = &watch->views[member];

    if (view->incarnation != process->incarnation) {
        *view = (struct member_view){.incarnation = process->incarnation, .image_offset = -1};
    }
    return view;
}

static void watch_controller(struct watch *watch, unsigned index, const struct quorum *quorum)
{
    struct member_view *view = watch_view(watch, index, cluster_controller(watch->cluster, index));
    const struct quorum_glimpse glimpse = quorum_look(quorum);
    uint64_t first;

    watch_leader(watch, index, &glimpse);
    if (glimpse.commit_index < view->commit_index || glimpse.applied_index > glimpse.commit_index ||
        glimpse.commit_index > glimpse.last_index) {
        sim_fail(watch->world,
                 "controller-%u: applied %" PRIu64 ", committed %" PRIu64 " after %" PRIu64 ", last %" PRIu64,
                 index + 1, glimpse.applied_index, glimpse.commit_index, view->commit_index, glimpse.last_index);
        return;
    }
    /* Its log begins behind what it had: it was given a snapshot. */
    watch->counts.installs += view->last_index > 0 && glimpse.base_index > view->last_index ? 1 : 0;
    first = (view->commit_index > glimpse.base_index ? view->commit_index : glimpse.base_index) + 1;
    for (uint64_t i = first; i <= glimpse.commit_index; i++) {
        watch_entry(watch, index, quorum, i, glimpse.term);
    }
    view->commit_index = glimpse.commit_index;
    view->last_index = glimpse.last_index;
    watch->commit_index = glimpse.commit_index > watch->commit_index ? glimpse.commit_index : watch->commit_index;
    if (glimpse.leading && view->led_term != glimpse.term) {
        view->led_term = glimpse.term;
        watch_completeness(watch, index, quorum, &glimpse);
    }
}

static const struct quorum *watch_quorum(const struct watch *watch, unsigned index)
{
    const struct controller *controller = cluster_controller_running(watch->cluster, index);

    return controller != NULL ? controller_quorum(controller) : NULL;
}

/* False: this voter, which runs, certainly does not have the entry on its disk. */
static bool voter_may_have(const struct quorum *quorum, uint64_t index, uint64_t entry_term)
{
    struct bytes bytes;
    uint64_t term;
    bool durable;

    if (quorum == NULL || quorum_look(quorum).base_index >= index) {
        return true;
    }
    return quorum_look_at(quorum, index, &term, &bytes, &durable) && durable && (entry_term == 0 || term == entry_term);
}

static void watch_majority(struct watch *watch)
{
    const unsigned count = cluster_controller_count(watch->cluster);
    const uint64_t index = watch->commit_index;
    unsigned with = 0;

    if (index == 0 || index >= watch->entry_capacity) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        with += voter_may_have(watch_quorum(watch, i), index, watch->entries[index].term) ? 1 : 0;
    }
    if (with < count / 2 + 1) {
        sim_fail(watch->world, "entry %" PRIu64 " is committed and on the disks of at most %u of %u controllers", index,
                 with, count);
    }
}

/* --- images --- */

static void watch_partitions(struct watch *watch, const struct image *image)
{
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct ledger_topic *known = ledger_topic(watch->ledger, topic_image_name(topic), topic_image_id(topic));

        for (int32_t j = 0; known != NULL && j < topic_image_partition_count(topic) && j < LEDGER_PARTITIONS_MAX; j++) {
            struct partition_image partition;

            if (topic_image_partition(topic, j, &partition)) {
                ledger_leader(watch->ledger, known, j, partition.leader_epoch, partition.leader);
            }
        }
    }
}

static void watch_image(struct watch *watch, unsigned member, const struct sim_process *process,
                        const struct image *image)
{
    struct member_view *view = watch_view(watch, member, process);
    const int64_t offset = image != NULL ? image_offset(image) : -1;
    uint64_t capacity = (uint64_t)watch->image_capacity;
    struct image_view *known;
    uint64_t hash;

    if (offset < 0 || offset == view->image_offset) {
        return;
    }
    if (offset < view->image_offset) {
        sim_fail(watch->world, "%s: its metadata went back, from offset %" PRId64 " to %" PRId64,
                 sim_process_name(process), view->image_offset, offset);
        return;
    }
    view->image_offset = offset;
    watch->images = watch_grow(watch->images, &capacity, (uint64_t)offset + 1, sizeof(*watch->images));
    watch->image_capacity = (int64_t)capacity;
    known = &watch->images[offset];
    hash = image_hash(image);
    if (known->who == NULL) {
        *known = (struct image_view){.offset = offset, .hash = hash, .who = sim_process_name(process)};
        watch->counts.images++;
        watch_partitions(watch, image);
    } else if (known->hash != hash) {
        sim_fail(watch->world, "the metadata at offset %" PRId64 " is not the same at %s and %s", offset, known->who,
                 sim_process_name(process));
    }
}

static const struct image *watch_image_of(const struct watch *watch, unsigned member)
{
    const unsigned controllers = cluster_controller_count(watch->cluster);

    if (member < controllers) {
        const struct controller *controller = cluster_controller_running(watch->cluster, member);

        return controller != NULL ? controller_image(controller) : NULL;
    }
    return cluster_node_running(watch->cluster, member - controllers) != NULL
               ? cluster_node_running(watch->cluster, member - controllers)->image
               : NULL;
}

static struct sim_process *watch_process(const struct watch *watch, unsigned member)
{
    const unsigned controllers = cluster_controller_count(watch->cluster);

    return member < controllers ? cluster_controller(watch->cluster, member)
                                : cluster_node(watch->cluster, member - controllers);
}

static unsigned watch_member_count(const struct watch *watch)
{
    return cluster_controller_count(watch->cluster) + cluster_node_count(watch->cluster);
}

bool watch_images_agree(void *context)
{
    const struct watch *watch = context;
    const struct image *first = watch_image_of(watch, 0);

    for (unsigned i = 0; i < watch_member_count(watch); i++) {
        const struct image *image = watch_image_of(watch, i);

        if (image == NULL || first == NULL || image_offset(image) != image_offset(first)) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

static void watch_look(void *context)
{
    struct watch *watch = context;

    watch->counts.looks++;
    for (unsigned i = 0; i < cluster_controller_count(watch->cluster); i++) {
        const struct quorum *quorum = watch_quorum(watch, i);

        if (quorum != NULL) {
            watch_controller(watch, i, quorum);
        }
    }
    watch_majority(watch);
    for (unsigned i = 0; i < watch_member_count(watch); i++) {
        watch_image(watch, i, watch_process(watch, i), watch_image_of(watch, i));
    }
    sim_at(watch->world, sim_between(watch->world, LOOK_LEAST_NS, LOOK_MOST_NS), watch_look, watch);
}

struct watch *watch_create(struct sim_world *world, struct cluster *cluster, struct ledger *ledger)
{
    struct watch *watch = sim_alloc(sizeof(*watch));

    watch->world = world;
    watch->cluster = cluster;
    watch->ledger = ledger;
    sim_at(world, 0, watch_look, watch);
    return watch;
}

void watch_destroy(struct watch *watch)
{
    free(watch->leaders);
    free(watch->entries);
    free(watch->images);
    sim_free(watch);
}

const struct watch_counts *watch_counts_get(const struct watch *watch)
{
    return &watch->counts;
}
