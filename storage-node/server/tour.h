/* A request that concerns partitions of several loops and is not worth splitting: it visits every loop in turn, its
 * home first, and at each one `visit` does that loop's share. Only the loop that has the request touches it, so visits
 * may use its arena. */
#ifndef SERVER_TOUR_H
#define SERVER_TOUR_H

#include "storage-node/server/shard.h"

struct tour;

/* Does `shard`'s share, then calls tour_next: at once, or later from the same loop. */
typedef void (*tour_visit)(struct shard *shard, struct tour *tour);

struct tour {
    struct rpc_request *request;
    struct shard *home;
    void *context; /* the handler's */
    tour_visit visit;
    void (*finish)(struct tour *tour); /* completes the request; may run on any loop */
    uint32_t visited;
};

/* Starts; the tour lives in the request's arena. */
void tour_start(struct rpc_request *request, tour_visit visit, void (*finish)(struct tour *tour), void *context);
void tour_next(struct tour *tour);

#endif
