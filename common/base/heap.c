/* Intrusive binary min-heap. Invariant: nodes[i]->place == i and nodes[(i-1)/2]->key <= nodes[i]->key. */
#include "common/base/heap.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_deinit(struct heap *heap)
{
    memory_free(heap->nodes);
    heap_init(heap);
}

static void heap_place(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place] = node;
    node->place = place;
}

static void heap_sift_up(struct heap *heap, size_t place, struct heap_node *node)
{
    while (place > 0 && heap->nodes[(place - 1) / 2]->key > node->key) {
        heap_place(heap, place, heap->nodes[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_place(heap, place, node);
}

static void heap_sift_down(struct heap *heap, size_t place, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * place + 1;

        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key) {
            child++;
        }
        if (heap->nodes[child]->key >= node->key) {
            break;
        }
        heap_place(heap, place, heap->nodes[child]);
        place = child;
    }
    heap_place(heap, place, node);
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 16;
        heap->nodes = memory_resize(heap->nodes, heap->capacity, sizeof(struct heap_node *));
    }
    heap->count++;
    heap_sift_up(heap, heap->count - 1, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    const size_t place = node->place;
    struct heap_node *last;

    ASSERT(place < heap->count);
    ASSERT(heap->nodes[place] == node);
    heap->count--;
    last = heap->nodes[heap->count];
    node->place = HEAP_NOWHERE;
    if (last == node) {
        return;
    }
    if (place > 0 && heap->nodes[(place - 1) / 2]->key > last->key) {
        heap_sift_up(heap, place, last);
    } else {
        heap_sift_down(heap, place, last);
    }
}
