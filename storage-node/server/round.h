/* Something that every loop of the node does, once, in no particular order; then something at the first loop. */
#ifndef SERVER_ROUND_H
#define SERVER_ROUND_H

#include "storage-node/server/shard.h"

struct round;

struct round {
    struct service *service;
    void *context;
    /* On each loop. Calls round_done when its share is done: at once, or later from that loop. */
    void (*each)(struct shard *shard, struct round *round);
    /* On the first loop when all are done; frees the round with round_destroy. */
    void (*finish)(struct round *round);
    uint32_t pending;
    struct round_visit *visits;
};

/* Starts a round; call it on the first loop. */
void round_start(struct service *service, void (*each)(struct shard *shard, struct round *round),
                 void (*finish)(struct round *round), void *context);
void round_done(struct shard *shard, struct round *round);
void round_destroy(struct round *round);

#endif
