/* Bump memory with one lifetime: everything taken from an arena lives until arena_reset or arena_deinit, nothing is
 * freed alone. A request has one; decoded structures, decided records and the response live in it.
 *
 * An arena has a limit in bytes. When it is reached arena_alloc returns NULL: the reader turns that into a decoding
 * error, other callers use arena_need, which asserts, for sizes that their limits already bound. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    uint8_t *at;                /* next free byte of the current chunk */
    uint8_t *end;               /* end of the current chunk */
    struct arena_chunk *chunks; /* newest first */
    size_t total;               /* bytes of all chunks */
    size_t limit;               /* `total` never exceeds it */
};

/* `limit`: bytes that all chunks together may take. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t limit);
/* Frees every chunk. */
void arena_deinit(struct arena *arena);
/* Forgets everything; keeps one small chunk for the next use. */
void arena_reset(struct arena *arena);

/* Bytes that were taken since the last reset, and what was left over at the ends of full chunks. */
static inline size_t arena_used(const struct arena *arena)
{
    return arena->total - (size_t)(arena->end - arena->at);
}

/* `size` zeroed bytes aligned for any type, or NULL if the limit would be exceeded. */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* `count` zeroed elements of `size` bytes, or NULL on overflow or limit. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size) MUST_USE;
/* Like arena_alloc_array, for sizes that are bounded by the caller: asserts instead of returning NULL. */
void *arena_need(struct arena *arena, size_t count, size_t size) MUST_USE;
/* A copy of `text` with a zero byte behind it; null stays null. Bounded by the caller as in arena_need. */
struct string arena_copy_string(struct arena *arena, struct string text);
/* Formatted text with a zero byte behind it. Cut behind INT16_MAX bytes, the longest string of the protocol: texts for
 * people often quote what a client sent, which may be that long itself. */
struct string arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
