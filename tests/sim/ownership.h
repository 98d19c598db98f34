/* Which incarnation owns which block of memory: a hash table beside the heap, so that the blocks stay exactly what the
 * sanitizers expect, and a block from before the world may be freed in it. */
#ifndef SIM_OWNERSHIP_H
#define SIM_OWNERSHIP_H

#include "common/base/memory.h"

/* The owner of blocks: an incarnation of a process. */
struct owner {
    size_t blocks;
    size_t bytes;
};

struct owned_block {
    void *memory; /* NULL: free place */
    struct owner *owner;
    size_t size;
};

struct ownership {
    struct memory_watch watch;
    struct owner *current; /* of what is allocated now; NULL: nobody's, not watched */
    struct owned_block *table;
    size_t capacity; /* power of two */
    size_t count;
};

/* From here to ownership_end memory.h reports to `ownership`, on this thread. */
void ownership_begin(struct ownership *ownership);
void ownership_end(struct ownership *ownership);
/* Frees all blocks of `owner`. */
void ownership_release(struct ownership *ownership, struct owner *owner);

#endif
