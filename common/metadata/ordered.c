/* The shared ordered set. Two levels are enough: a thousand topics fill about ten chunks, a hundred thousand about a
 * thousand, and copying the slots of a set is one allocation and a count per chunk. */
#include "common/metadata/ordered.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <string.h>

#define CHUNK_ITEMS 128

struct ordered_chunk {
    struct counted counted;
    uint32_t count;
    void *items[CHUNK_ITEMS];
};

/* Where an item is, or where it would be put. */
struct place {
    size_t slot;
    uint32_t item;
    bool found;
};

void counted_init(struct counted *counted)
{
    atomic_init(&counted->refs, 1);
}

void counted_ref(struct counted *counted)
{
    const uint32_t before = atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);

    ASSERT(before > 0);
    ASSERT(before < UINT32_MAX);
}

bool counted_unref(struct counted *counted)
{
    /* Release our changes to whoever frees it, acquire everybody's if that is us. */
    const uint32_t before = atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel);

    ASSERT(before > 0);
    return before == 1;
}

void ordered_init(struct ordered *set, const struct ordered_type *type)
{
    *set = (struct ordered){.type = type};
}

static void item_unref(const struct ordered *set, void *item)
{
    if (counted_unref(item)) {
        set->type->destroy(item);
    }
}

static void chunk_unref(const struct ordered *set, struct ordered_chunk *chunk)
{
    if (!counted_unref(&chunk->counted)) {
        return;
    }
    for (uint32_t i = 0; i < chunk->count; i++) {
        item_unref(set, chunk->items[i]);
    }
    memory_free(chunk);
}

static struct ordered_chunk *chunk_create(void)
{
    struct ordered_chunk *chunk = memory_alloc(sizeof(*chunk));

    counted_init(&chunk->counted);
    chunk->count = 0;
    return chunk;
}

void ordered_deinit(struct ordered *set)
{
    for (size_t i = 0; i < set->slot_count; i++) {
        chunk_unref(set, set->slots[i].chunk);
    }
    memory_free(set->slots);
    ordered_init(set, set->type);
}

void ordered_copy(struct ordered *copy, const struct ordered *set)
{
    *copy = (struct ordered){
        .type = set->type, .slot_count = set->slot_count, .slot_capacity = set->slot_count, .count = set->count};
    if (set->slot_count > 0) {
        copy->slots = memory_copy(set->slots, set->slot_count * sizeof(*set->slots));
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        counted_ref(&set->slots[i].chunk->counted);
    }
}

/* The last slot whose first item is not behind `key`, or slot 0; then the item within. */
static struct place place_find(const struct ordered *set, const void *key)
{
    struct place place = {0};
    const struct ordered_chunk *chunk;
    size_t low = 0;
    size_t high = set->slot_count;

    if (set->slot_count == 0) {
        return place;
    }
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (set->type->compare(set->slots[middle].chunk->items[0], key) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    place.slot = low;
    chunk = set->slots[low].chunk;
    low = 0;
    high = chunk->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (set->type->compare(chunk->items[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    place.item = (uint32_t)low;
    place.found = low < chunk->count && set->type->compare(chunk->items[low], key) == 0;
    return place;
}

void *ordered_find(const struct ordered *set, const void *key)
{
    const struct place place = place_find(set, key);

    return place.found ? set->slots[place.slot].chunk->items[place.item] : NULL;
}

void *ordered_at(const struct ordered *set, size_t index)
{
    size_t low = 0;
    size_t high = set->slot_count;

    ASSERT(index < set->count);
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (set->slots[middle].first <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return set->slots[low].chunk->items[index - set->slots[low].first];
}

size_t ordered_lower_bound(const struct ordered *set, const void *key)
{
    const struct place place = place_find(set, key);

    return set->slot_count == 0 ? 0 : set->slots[place.slot].first + place.item;
}

/* The slot's chunk for changing it: a copy takes its place if others hold it. */
static struct ordered_chunk *chunk_own(struct ordered *set, size_t slot)
{
    struct ordered_chunk *old = set->slots[slot].chunk;
    struct ordered_chunk *chunk;

    if (counted_alone(&old->counted)) {
        return old;
    }
    chunk = chunk_create();
    chunk->count = old->count;
    for (uint32_t i = 0; i < old->count; i++) {
        chunk->items[i] = old->items[i];
        counted_ref(chunk->items[i]);
    }
    set->slots[slot].chunk = chunk;
    chunk_unref(set, old);
    return chunk;
}

static void slots_renumber(struct ordered *set, size_t from)
{
    size_t first = from > 0 ? set->slots[from - 1].first + set->slots[from - 1].chunk->count : 0;

    for (size_t i = from; i < set->slot_count; i++) {
        set->slots[i].first = first;
        first += set->slots[i].chunk->count;
    }
}

static void slot_insert(struct ordered *set, size_t slot, struct ordered_chunk *chunk)
{
    if (set->slot_count == set->slot_capacity) {
        set->slot_capacity = set->slot_capacity > 0 ? set->slot_capacity * 2 : 1;
        set->slots = memory_resize(set->slots, set->slot_capacity, sizeof(*set->slots));
    }
    memmove(&set->slots[slot + 1], &set->slots[slot], (set->slot_count - slot) * sizeof(*set->slots));
    set->slots[slot] = (struct ordered_slot){.chunk = chunk};
    set->slot_count++;
}

static void slot_remove(struct ordered *set, size_t slot)
{
    chunk_unref(set, set->slots[slot].chunk);
    set->slot_count--;
    memmove(&set->slots[slot], &set->slots[slot + 1], (set->slot_count - slot) * sizeof(*set->slots));
}

/* Makes room in a full chunk and moves `place` to where its key goes now. Keys that come in ascending order, as they do
 * from a snapshot, start a new chunk and leave full ones behind. */
static void chunk_split(struct ordered *set, struct place *place)
{
    struct ordered_chunk *left = set->slots[place->slot].chunk;
    struct ordered_chunk *right = chunk_create();
    const bool at_end = place->slot == set->slot_count - 1 && place->item == left->count;
    const uint32_t kept = at_end ? left->count : left->count / 2;

    right->count = left->count - kept;
    memcpy(right->items, left->items + kept, right->count * sizeof(right->items[0]));
    left->count = kept;
    slot_insert(set, place->slot + 1, right);
    if (place->item > kept || at_end) {
        place->slot++;
        place->item -= kept;
    }
}

void ordered_insert(struct ordered *set, void *item)
{
    struct place place = place_find(set, set->type->key(item));
    const size_t slot = place.slot;
    struct ordered_chunk *chunk;

    ASSERT(!place.found);
    if (set->slot_count == 0) {
        slot_insert(set, 0, chunk_create());
    }
    chunk = chunk_own(set, place.slot);
    if (chunk->count == CHUNK_ITEMS) {
        chunk_split(set, &place);
        chunk = set->slots[place.slot].chunk;
    }
    memmove(chunk->items + place.item + 1, chunk->items + place.item,
            (chunk->count - place.item) * sizeof(chunk->items[0]));
    chunk->items[place.item] = item;
    chunk->count++;
    set->count++;
    slots_renumber(set, slot);
}

bool ordered_remove(struct ordered *set, const void *key)
{
    const struct place place = place_find(set, key);
    struct ordered_chunk *chunk;
    void *item;

    if (!place.found) {
        return false;
    }
    chunk = chunk_own(set, place.slot);
    item = chunk->items[place.item];
    chunk->count--;
    memmove(chunk->items + place.item, chunk->items + place.item + 1,
            (chunk->count - place.item) * sizeof(chunk->items[0]));
    if (chunk->count == 0) {
        slot_remove(set, place.slot);
    }
    set->count--;
    slots_renumber(set, place.slot);
    /* `key` may lie in the item: last. */
    item_unref(set, item);
    return true;
}

void *ordered_own(struct ordered *set, const void *key)
{
    const struct place place = place_find(set, key);
    struct ordered_chunk *chunk;
    void *item;

    if (!place.found) {
        return NULL;
    }
    chunk = chunk_own(set, place.slot);
    item = chunk->items[place.item];
    if (!counted_alone(item)) {
        chunk->items[place.item] = set->type->clone(item);
        item_unref(set, item);
    }
    return chunk->items[place.item];
}

void ordered_walk_init(struct ordered_walk *walk, const struct ordered *before, const struct ordered *after)
{
    *walk = (struct ordered_walk){.sets = {before, after}};
}

/* The item that side `i` stands at, NULL at its end. */
static void *walk_item(const struct ordered_walk *walk, int i)
{
    const struct ordered *set = walk->sets[i];

    return walk->slots[i] < set->slot_count ? set->slots[walk->slots[i]].chunk->items[walk->items[i]] : NULL;
}

static void walk_step(struct ordered_walk *walk, int i)
{
    walk->items[i]++;
    if (walk->items[i] == walk->sets[i]->slots[walk->slots[i]].chunk->count) {
        walk->slots[i]++;
        walk->items[i] = 0;
    }
}

static bool walk_at_shared_chunk(const struct ordered_walk *walk)
{
    for (int i = 0; i < 2; i++) {
        if (walk->items[i] != 0 || walk->slots[i] == walk->sets[i]->slot_count) {
            return false;
        }
    }
    return walk->sets[0]->slots[walk->slots[0]].chunk == walk->sets[1]->slots[walk->slots[1]].chunk;
}

bool ordered_walk_next(struct ordered_walk *walk, void **before, void **after)
{
    for (;;) {
        int order;

        if (walk_at_shared_chunk(walk)) {
            walk->slots[0]++;
            walk->slots[1]++;
            continue;
        }
        *before = walk_item(walk, 0);
        *after = walk_item(walk, 1);
        if (*before == NULL && *after == NULL) {
            return false;
        }
        if (*before == NULL || *after == NULL) {
            order = *before == NULL ? 1 : -1;
        } else {
            order = walk->sets[0]->type->compare(*before, walk->sets[1]->type->key(*after));
        }
        if (order <= 0) {
            walk_step(walk, 0);
        }
        if (order >= 0) {
            walk_step(walk, 1);
        }
        if (order == 0 && *before == *after) {
            continue;
        }
        if (order < 0) {
            *after = NULL;
        } else if (order > 0) {
            *before = NULL;
        }
        return true;
    }
}
