/* Intrusive binary min-heap ordered by a 64-bit key: the timers of a loop. Nodes remember their place, so any of them
 * can be removed. The heap owns only its array of pointers. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_NOWHERE SIZE_MAX

struct heap_node {
    uint64_t key;
    size_t place; /* HEAP_NOWHERE when in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap);
/* The heap must be empty of interest: nodes still in it are forgotten. */
void heap_deinit(struct heap *heap);
/* `node` must be in no heap; its key is set by the caller. Equal keys leave in no particular but repeatable order. */
void heap_insert(struct heap *heap, struct heap_node *node);
/* `node` must be in this heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The node with the least key, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

#endif
