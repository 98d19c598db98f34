/* Looks into the storage nodes of a cluster between events for somebody who waits for what is there already. Such a
 * waiter is helped in the end, by a timer or by whoever comes next, so clients only ever notice that it took long; but
 * it is a wake-up that was lost, between two loops or between a loop and its workers.
 *
 *     N1 no fetch waits for records below the high watermark
 *     N2 no produce waits for what is kept
 *     N3 whoever waits for a sync has one under way
 *
 * These hold at the end of every turn, so they hold between events. */
#ifndef SIM_WAKEUPS_H
#define SIM_WAKEUPS_H

#include "tests/sim/cluster.h"

struct wakeups;

/* Looks from now on until it is destroyed; borrows both. */
struct wakeups *wakeups_create(struct sim_world *world, struct cluster *cluster);
/* From now on without N3: a disk may be full, and a sync that found no room for the epoch file is tried again by the
 * log's periodic care. */
void wakeups_spare_syncs(struct wakeups *wakeups);
/* After the world is destroyed. */
void wakeups_destroy(struct wakeups *wakeups);

#endif
