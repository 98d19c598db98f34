/* Fetches of one loop that were woken and look again: as many of them in a turn as are cheap, the others in the turns
 * that follow, in the order in which they were woken. One record may wake thousands. */
#ifndef SERVER_WAKES_H
#define SERVER_WAKES_H

#include "common/base/list.h"
#include "common/env/env.h"

/* Partitions that woken fetches look at within a turn: less than a millisecond. */
#define WAKES_PER_TURN 2000

struct wakes {
    struct env *env;
    struct list waiting;    /* of struct wake */
    struct env_timer next;  /* the next turn */
    struct env_hook turned; /* this turn ends */
    size_t looked;          /* in this turn, partitions */
};

/* Embedded in its owner, who initialises the link. */
struct wake {
    struct list link;
    size_t partitions;               /* how many it will look at */
    void (*look)(struct wake *wake); /* called once, in wakes_add or later */
};

void wakes_init(struct wakes *wakes, struct env *env);
/* When nobody waits any more. */
void wakes_deinit(struct wakes *wakes);
/* Adds one that does not wait yet. Who does not want to look any more takes its link out. */
void wakes_add(struct wakes *wakes, struct wake *wake);

#endif
