/* The process heap with checked sizes. The watch is per thread and NULL in programs, so it costs them one load and a
 * branch that is always foreseen. */
#include "common/base/memory.h"

#include "common/base/assert.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct memory_watch *memory_watch;

NO_RETURN static void memory_exhausted(size_t size)
{
    fprintf(stderr, "fatal: out of memory: %zu bytes were refused by the system\n", size);
    abort();
}

static void *memory_seen(void *memory, size_t size)
{
    if (UNLIKELY(memory_watch != NULL)) {
        memory_watch->allocated(memory_watch, memory, size);
    }
    return memory;
}

static void memory_unseen(void *memory)
{
    if (UNLIKELY(memory_watch != NULL) && memory != NULL) {
        memory_watch->freed(memory_watch, memory);
    }
}

void memory_set_watch(struct memory_watch *watch)
{
    memory_watch = watch;
}

void *memory_alloc(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL) {
        memory_exhausted(size);
    }
    return memory_seen(memory, size);
}

void *memory_alloc_zero(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    if (memory == NULL) {
        memory_exhausted(size);
    }
    return memory_seen(memory, count * size);
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    void *resized;

    ASSERT(size > 0);
    ASSERT(count <= SIZE_MAX / size);
    memory_unseen(memory);
    resized = realloc(memory, count > 0 ? count * size : 1);
    if (resized == NULL) {
        memory_exhausted(count * size);
    }
    return memory_seen(resized, count * size);
}

void *memory_copy(const void *data, size_t size)
{
    void *copy = memory_alloc(size);

    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *memory_copy_text(const char *text, size_t size)
{
    char *copy = memory_alloc(size + 1);

    if (size > 0) {
        memcpy(copy, text, size);
    }
    copy[size] = '\0';
    return copy;
}

void memory_free(void *memory)
{
    memory_unseen(memory);
    free(memory);
}
