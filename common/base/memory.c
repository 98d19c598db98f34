/* The process heap with checked sizes. */
#include "common/base/memory.h"

#include "common/base/assert.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NO_RETURN static void memory_exhausted(size_t size)
{
    fprintf(stderr, "fatal: out of memory: %zu bytes were refused by the system\n", size);
    abort();
}

void *memory_alloc(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL) {
        memory_exhausted(size);
    }
    return memory;
}

void *memory_alloc_zero(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    if (memory == NULL) {
        memory_exhausted(size);
    }
    return memory;
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    void *resized;

    ASSERT(size > 0);
    ASSERT(count <= SIZE_MAX / size);
    resized = realloc(memory, count > 0 ? count * size : 1);
    if (resized == NULL) {
        memory_exhausted(count * size);
    }
    return resized;
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
    free(memory);
}
