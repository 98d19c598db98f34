/* See memory_points.h. */
#include "tests/support/memory_points.h"

static void memory_points_allocated(struct memory_watch *watch, void *memory, size_t size)
{
    struct memory_points *points = (struct memory_points *)watch;

    (void)memory;
    (void)size;
    if (++points->count == points->at) {
        points->reached(points->context);
    }
}

static void memory_points_freed(struct memory_watch *watch, void *memory)
{
    (void)watch;
    (void)memory;
}

void memory_points_begin(struct memory_points *points, uint64_t at, void (*reached)(void *context), void *context)
{
    *points = (struct memory_points){.watch = {memory_points_allocated, memory_points_freed},
                                     .at = at,
                                     .reached = reached,
                                     .context = context};
    memory_set_watch(&points->watch);
}

bool memory_points_end(struct memory_points *points)
{
    memory_set_watch(NULL);
    return points->at > 0 && points->count >= points->at;
}
