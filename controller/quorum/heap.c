/* The Raft library's memory: our own heap instead of the system's, so that refusals end the process in one place and a
 * watch (common/base/memory.h) sees the library's blocks too. */
#include "controller/quorum/quorum.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <raft.h>
#include <stdalign.h>

static void *heap_malloc(void *data, size_t size)
{
    (void)data;
    return memory_alloc(size);
}

static void heap_free(void *data, void *memory)
{
    (void)data;
    memory_free(memory);
}

static void *heap_calloc(void *data, size_t count, size_t size)
{
    (void)data;
    return memory_alloc_zero(count, size);
}

static void *heap_realloc(void *data, void *memory, size_t size)
{
    (void)data;
    return memory_resize(memory, size, 1);
}

/* Only the library's own disk code, which we do not use, wants more than malloc's alignment. */
static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
    (void)data;
    ASSERT(alignment <= alignof(max_align_t));
    return memory_alloc(size);
}

static void heap_aligned_free(void *data, size_t alignment, void *memory)
{
    (void)data;
    (void)alignment;
    memory_free(memory);
}

void quorum_use_memory(void)
{
    static struct raft_heap heap = {.malloc = heap_malloc,
                                    .free = heap_free,
                                    .calloc = heap_calloc,
                                    .realloc = heap_realloc,
                                    .aligned_alloc = heap_aligned_alloc,
                                    .aligned_free = heap_aligned_free};

    raft_heap_set(&heap);
}
