/* The process heap, in one place: sizes are checked, a request that the system refuses ends the process with a
 * line that says so. Nothing that came from a peer is allocated here before it was held against a limit. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "common/base/attributes.h"

#include <stddef.h>

/* `size` bytes, contents undefined; never NULL. Size 0 gives a valid pointer too. */
void *memory_alloc(size_t size) MUST_USE;
/* `count` elements of `size` bytes, all zero; the product is checked against overflow. */
void *memory_alloc_zero(size_t count, size_t size) MUST_USE;
/* Like realloc, never NULL; `count` elements of `size` bytes. */
void *memory_resize(void *memory, size_t count, size_t size) MUST_USE;
/* A copy of `size` bytes at `data`. */
void *memory_copy(const void *data, size_t size) MUST_USE;
/* A zero-terminated copy of `size` characters at `text`. */
char *memory_copy_text(const char *text, size_t size) MUST_USE;
/* NULL is allowed. */
void memory_free(void *memory);

/* Sees every block that its thread gets and gives back. Programs have none; the simulator, which runs many programs in
 * one thread, must know what a crashed one leaves behind. The callbacks must not use this header. */
struct memory_watch {
    void (*allocated)(struct memory_watch *watch, void *memory, size_t size);
    void (*freed)(struct memory_watch *watch, void *memory);
};

/* From now on `watch` sees this thread's blocks; NULL ends it. Shares `watch` until then. */
void memory_set_watch(struct memory_watch *watch);

#endif
