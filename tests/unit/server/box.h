/* A storage node's loops with their partitions, servers and routes on a disk in memory, without controllers: what
 * clients meet. */
#ifndef TESTS_UNIT_SERVER_BOX_H
#define TESTS_UNIT_SERVER_BOX_H

#include "storage-node/cluster/controller_link.h"
#include "storage-node/server/service.h"
#include "tests/support/memory_disk.h"
#include "tests/unit/rpc/world.h"
#include "tests/unit/server/images.h"

#define BOX_NODE 1
#define BOX_LOOPS WORLD_LOOPS

struct box {
    struct world world;
    struct memory_disk disk;
    struct service service;
    struct shard shards[BOX_LOOPS];
    struct string listeners[2];
    struct config *config;
    struct image_maker maker;
    struct controller_link_listener controller;
    struct controller_link_options link_options;
    size_t stopped;
};

/* Listeners PLAINTEXT and OTHER, directories /a and /b. */
void box_init(struct box *box);
void box_deinit(struct box *box);
/* Replays what was added to the maker, gives the image to the loops and opens partitions that this node leads. */
void box_apply(struct box *box);
/* A partition that this node leads, wherever it is. */
struct partition *box_partition(struct box *box, uint8_t topic, int32_t index);
/* A connection to the first loop by listener `listener`. */
struct fake_stream *box_connect(struct box *box, uint32_t listener);

/* Sends a request and runs until nothing happens; the answer, decoded into `response`. Fails the test if there is
 * none. */
void box_ask(struct box *box, struct fake_stream *stream, int16_t key, int16_t version, const void *request,
             struct arena *arena, void *response);
/* Only sends. */
void box_send(struct box *box, struct fake_stream *stream, int16_t key, int16_t version, const void *request);
/* True and the answer if one is there. */
bool box_take(struct fake_stream *stream, int16_t key, int16_t version, struct arena *arena, void *response);

#endif
