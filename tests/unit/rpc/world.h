/* Loops and streams for tests of common/rpc: time stands still unless the test moves it, bytes arrive in pieces of the
 * test's choosing, and a slow reader is a number. Two loops, because requests travel.
 *
 *     test --stream_push--> [in] --space, received--> server or client --stream_send--> [out] --> test, or peer's [in]
 */
#ifndef TESTS_UNIT_RPC_WORLD_H
#define TESTS_UNIT_RPC_WORLD_H

#include "common/base/buffer.h"
#include "common/env/env.h"
#include "common/env/net.h"

#define WORLD_LOOPS 2

struct world;

struct fake_loop {
    struct env env;
    struct net net;
    struct world *world;
    struct list messages;
    struct list jobs;    /* of struct env_job: done in a turn, unless the test holds them */
    struct list streams; /* of struct fake_stream */
    size_t refused;
};

struct fake_stream {
    struct stream base;
    struct list link;
    struct fake_loop *loop;
    const struct stream_handler *handler;
    void *context;
    struct fake_stream *peer; /* NULL: the test */
    struct buffer in;         /* what is to be received */
    size_t in_at;
    struct buffer out;        /* what was sent, unless a peer got it */
    struct list sends;
    size_t chunk;             /* bytes of one receive at most */
    size_t window;            /* bytes that the system still takes */
    size_t receives;
    bool *gone;               /* set when the stream ends; may be NULL */
    bool opening;
    bool paused;
    bool ended;   /* the other side closed, behind the bytes in `in` */
    bool closing;
    bool dismissed;
    enum status why;
};

struct world {
    struct fake_loop loops[WORLD_LOOPS];
    uint64_t now_ns;
    struct fake_stream *adopted;   /* the last one */
    struct fake_stream *connected; /* the last one */
    /* Called when a stream connects, with the connecting stream: NULL leaves it to the test. */
    void (*on_connect)(struct world *world, struct fake_stream *stream);
    void *context;
    bool refuse_adopt;
    bool hold_jobs; /* workers are busy with something else */
    bool newest_first; /* of the jobs that wait together the newest is done first */
};

void world_init(struct world *world);
void world_deinit(struct world *world);
struct env *world_env(struct world *world, size_t loop);
/* The disk of all loops; there is none before. */
void world_set_disk(struct world *world, struct disk *disk);
/* One turn of one loop. */
void world_turn(struct world *world, size_t loop);
/* Takes turns on all loops until nothing happens any more. */
void world_run(struct world *world);
/* Runs, then moves the time from one timer to the next, and runs. */
void world_sleep(struct world *world, uint64_t ns);

/* Something to give to rpc_server_adopt. */
struct net_accepted *world_accept(struct world *world);
/* The same from a certain "address:port", which lives as long as the world. */
struct net_accepted *world_accept_from(struct world *world, const char *peer);

void stream_push(struct fake_stream *stream, const void *data, size_t size);
/* The other side closes. */
void stream_end(struct fake_stream *stream);
/* Joins two streams: what one sends the other receives; one that ends, ends the other. */
void stream_join(struct fake_stream *a, struct fake_stream *b);

#endif
