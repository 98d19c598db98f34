/* Something happens at the N-th allocation: for sweeps that let the process run out of memory there, for all N.
 *
 * A process whose memory is used up ends (memory.h). What that leaves on a disk is what a disk holds that from this
 * allocation on does nothing any more; so the sweeps stop the disk and let the code run on, into errors. */
#ifndef SUPPORT_MEMORY_POINTS_H
#define SUPPORT_MEMORY_POINTS_H

#include "common/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct memory_points {
    struct memory_watch watch;
    uint64_t count; /* allocations so far */
    uint64_t at;    /* 0: never */
    void (*reached)(void *context); /* allocates nothing */
    void *context;
};

/* Counts this thread's allocations from now on; shares `points` until memory_points_end. */
void memory_points_begin(struct memory_points *points, uint64_t at, void (*reached)(void *context), void *context);
/* True if the allocation was reached. */
bool memory_points_end(struct memory_points *points);

#endif
