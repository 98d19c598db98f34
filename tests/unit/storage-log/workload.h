/* What sweeps do with a log, and what must hold afterwards whatever happened: everything confirmed is there, in order,
 * byte for byte, and nothing that was never sent. */
#ifndef TESTS_STORAGE_LOG_WORKLOAD_H
#define TESTS_STORAGE_LOG_WORKLOAD_H

#include "tests/unit/storage-log/world.h"

#define PRODUCERS 3

/* What the owner of the log knows beside the world. */
struct owner {
    struct prng prng;
    int32_t next_sequence[PRODUCERS];
    int64_t start_asked; /* the log start was moved at most here */
};

/* A world with segments of a few batches. */
void world_fresh(struct world **world, void **state);
bool log_is_usable(struct world *world);
/* Opens the log and appends, syncs, rolls, changes epochs, trims, deletes what is old; up to the first failure that
 * lasts. */
void run_workload(struct world *world, struct owner *owner, uint64_t seed);
/* A turn with some batches. */
void step_append(struct world *world, struct owner *owner);
/* After a start: everything confirmed, nothing else than what was sent. */
void check_promises(struct world *world, struct owner *owner);
/* Whoever sends a confirmed batch again is told so, and the next in order is taken. */
void check_windows(struct world *world, struct owner *owner);
/* At the end of a sweep that found nothing: how many points it tried. */
void tell_points(const char *what, uint64_t points);

#endif
