/* Bump memory in chunks. Chunks grow with the arena: 4 KiB first, then as much as there is already, so that a large
 * request needs few of them; an allocation larger than that gets a chunk of its own size. */
#include "common/base/arena.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdarg.h>
#include <stdio.h>

#define ARENA_CHUNK_MIN 4096
#define ARENA_CHUNK_MAX (1024 * 1024)
#define ARENA_ALIGNMENT 16

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of the whole chunk with this header */
};

#define ARENA_HEADER ((sizeof(struct arena_chunk) + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT)

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

static void arena_free_chunks(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;

        memory_free(chunk);
        chunk = next;
    }
}

void arena_deinit(struct arena *arena)
{
    arena_free_chunks(arena->chunks);
    arena_init(arena, arena->limit);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = arena->chunks;

    if (kept == NULL) {
        return;
    }
    arena_free_chunks(kept->next);
    if (kept->size > 4 * ARENA_CHUNK_MIN) {
        memory_free(kept);
        arena_init(arena, arena->limit);
        return;
    }
    kept->next = NULL;
    arena->total = kept->size;
    arena->at = (uint8_t *)kept + ARENA_HEADER;
    arena->end = (uint8_t *)kept + kept->size;
}

static bool arena_grow(struct arena *arena, size_t size)
{
    size_t chunk_size = arena->total < ARENA_CHUNK_MIN ? ARENA_CHUNK_MIN : arena->total;
    struct arena_chunk *chunk;

    if (chunk_size > ARENA_CHUNK_MAX) {
        chunk_size = ARENA_CHUNK_MAX;
    }
    if (chunk_size < size + ARENA_HEADER) {
        chunk_size = size + ARENA_HEADER;
    }
    if (arena->total + chunk_size > arena->limit) {
        chunk_size = size + ARENA_HEADER;
    }
    if (chunk_size > arena->limit || arena->total > arena->limit - chunk_size) {
        return false;
    }
    chunk = memory_alloc(chunk_size);
    *chunk = (struct arena_chunk){.next = arena->chunks, .size = chunk_size};
    arena->chunks = chunk;
    arena->total += chunk_size;
    arena->at = (uint8_t *)chunk + ARENA_HEADER;
    arena->end = (uint8_t *)chunk + chunk_size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (arena->chunks == NULL || size > (size_t)(arena->end - arena->at)) {
        if (!arena_grow(arena, size)) {
            return NULL;
        }
    }
    memory = arena->at;
    arena->at += size;
    memset(memory, 0, size);
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size) {
        return NULL;
    }
    return arena_alloc(arena, count * size);
}

void *arena_need(struct arena *arena, size_t count, size_t size)
{
    void *memory = arena_alloc_array(arena, count, size);

    ASSERT(memory != NULL);
    return memory;
}

struct string arena_copy_string(struct arena *arena, struct string text)
{
    char *copy;

    if (text.data == NULL) {
        return STRING_NULL;
    }
    copy = arena_need(arena, text.size + 1, 1);
    memcpy(copy, text.data, text.size);
    return (struct string){copy, text.size};
}

struct string arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    int size;
    char *text;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    size = size < INT16_MAX ? size : INT16_MAX;
    text = arena_need(arena, (size_t)size + 1, 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return (struct string){text, (size_t)size};
}
