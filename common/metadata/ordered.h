/* An ordered set of counted items that copies of it share: the container that every part of a metadata image is kept
 * in.
 *
 *     set A   slots [ chunk 0 | chunk 1 | chunk 2 ]        set B, copied from A, then one item of chunk 1 changed
 *                        |         |         |
 *     set B   slots [    0'   |    1'   |    2'  ]         0' = 0 and 2' = 2 are shared, 1' is B's own and holds
 *                                                          the same items as chunk 1 but for the changed one
 *
 * Invariants: items ascend by key; no chunk is empty; slot.first is the index of the chunk's first item in the set.
 * Chunks and items are counted by whoever points to them. A chunk or item with one reference, reached through parts
 * with one reference each, is changed in place; any other is copied first. */
#ifndef METADATA_ORDERED_H
#define METADATA_ORDERED_H

#include "common/base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First member of whatever is shared by reference count. */
struct counted {
    _Atomic uint32_t refs;
};

void counted_init(struct counted *counted); /* one reference */
void counted_ref(struct counted *counted);
/* True if that was the last reference: the caller frees the object. */
MUST_USE bool counted_unref(struct counted *counted);

/* True if nobody but the caller holds it. */
static inline bool counted_alone(struct counted *counted)
{
    return atomic_load_explicit(&counted->refs, memory_order_acquire) == 1;
}

/* What a set must know about its items, each of which begins with a struct counted. */
struct ordered_type {
    const void *(*key)(const void *item);              /* borrowed from the item */
    int (*compare)(const void *item, const void *key); /* <0: the item comes before `key` */
    void *(*clone)(const void *item);                  /* an equal item with one reference; may share its parts */
    void (*destroy)(void *item);                       /* frees an item without references */
};

struct ordered_chunk;

struct ordered_slot {
    struct ordered_chunk *chunk;
    size_t first;
};

struct ordered {
    const struct ordered_type *type;
    struct ordered_slot *slots;
    size_t slot_count;
    size_t slot_capacity;
    size_t count;
};

/* An empty set; `type` is borrowed for ever. */
void ordered_init(struct ordered *set, const struct ordered_type *type);
void ordered_deinit(struct ordered *set);
/* Makes `copy` a set that shares everything with `set`. */
void ordered_copy(struct ordered *copy, const struct ordered *set);

/* Borrowed from the set; NULL if there is none. */
void *ordered_find(const struct ordered *set, const void *key);
/* `index` below the set's count. */
void *ordered_at(const struct ordered *set, size_t index);
/* Index of the first item not before `key`. */
size_t ordered_lower_bound(const struct ordered *set, const void *key);

/* Takes `item`, whose key is not in the set. */
void ordered_insert(struct ordered *set, void *item);
/* False if it was not there. */
bool ordered_remove(struct ordered *set, const void *key);
/* The item for changing it: if it or its chunk is shared, a copy takes its place first. NULL if there is none. The key
 * must not be changed. */
void *ordered_own(struct ordered *set, const void *key);

/* Walks two sets side by side. Chunks that both share are passed over unseen, so the cost is that of what changed. */
struct ordered_walk {
    const struct ordered *sets[2];
    size_t slots[2];
    uint32_t items[2];
};

void ordered_walk_init(struct ordered_walk *walk, const struct ordered *before, const struct ordered *after);
/* The next item that is only in one of them (the other pointer is NULL), or in both under the same key but not the same
 * object. Ascending by key; false at the end. The sets must not change meanwhile. */
bool ordered_walk_next(struct ordered_walk *walk, void **before, void **after);

#endif
