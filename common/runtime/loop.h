/* What the files of this folder know of each other's loop. Private to common/runtime.
 *
 * libuv collects, we handle: callbacks of libuv only queue a turn event on `ready`; users' handlers run after
 * uv_run has returned, when the time of the turn is fixed. So a handler may close anything without pulling it away
 * under libuv. */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include "common/base/list.h"
#include "common/base/prng.h"
#include "common/env/disk.h"
#include "common/env/env.h"
#include "common/env/net.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct runtime_workers;

/* Something to do in a turn. Embedded in its owner; `handle` may free it. */
struct turn_event {
    struct list link;
    void (*handle)(struct turn_event *event);
};

/* Links pushed by any thread, taken all at once by the loop (Treiber stack; `next` is the only field used in here). */
struct inbox {
    _Atomic(struct list *) last;
};

struct runtime_loop {
    struct env env;
    struct net net;
    struct disk disk;

    uv_loop_t uv;
    uv_async_t wake;   /* only a full descriptor: its callback does nothing */
    uv_timer_t alarm;  /* ends a sleep at the next deadline of env.timers */
    bool running;
    bool stopping;
    bool threaded;     /* `thread` is to be joined */
    pthread_t owner;   /* the thread inside runtime_loop_run, if running */
    pthread_t thread;

    uint64_t now_ns;
    int64_t wall_ms; /* of this turn, if known */
    bool wall_known;
    struct prng prng;

    struct list ready;     /* turn events: for the handlers' phase of the next turn */
    struct list flush;     /* turn events: for the sending phase of this turn */
    struct list streams;   /* all of this loop, for drain */
    struct list listeners;
    struct list signals;

    struct runtime_workers *workers;
    size_t jobs;           /* submitted with `done`, not called back yet */

    uint64_t busy_poll_ns;
    uint64_t worked_ns;    /* time of the last turn that had work */
    bool lively;           /* work came twice within a millisecond: polling is worth it */

    /* Written by other threads: kept off the cache lines above. */
    char padding[64];
    struct inbox messages;
    struct inbox finished; /* jobs */
    /* The loop sleeps or is about to: who pushes now must wake it. See message.c. */
    atomic_bool sleeping;
};

static inline struct runtime_loop *loop_of_env(struct env *env)
{
    return CONTAINER_OF(env, struct runtime_loop, env);
}

static inline struct runtime_loop *loop_of_net(struct net *net)
{
    return CONTAINER_OF(net, struct runtime_loop, net);
}

/* Asserts that the caller may touch the loop: it is on its thread, or the loop is not running. */
void loop_assert_owned(const struct runtime_loop *loop);

static inline void turn_event_init(struct turn_event *event, void (*handle)(struct turn_event *event))
{
    list_init(&event->link);
    event->handle = handle;
}

/* Queues `event` at `list` (ready or flush); doing it twice is doing it once. */
static inline void turn_event_queue(struct list *list, struct turn_event *event)
{
    if (list_empty(&event->link)) {
        list_append(list, &event->link);
    }
}

static inline void turn_event_cancel(struct turn_event *event)
{
    list_remove(&event->link);
}

/* message.c */
void inbox_init(struct inbox *inbox);
/* Any thread. Wakes `loop` if it sleeps. */
void inbox_push(struct runtime_loop *loop, struct inbox *inbox, struct list *link);
bool inbox_empty(struct inbox *inbox);
/* Moves all that was pushed, oldest first, to the end of `to`. */
void inbox_take(struct inbox *inbox, struct list *to);
/* Announces sleep; false if there is mail, then the loop must not sleep. */
bool inbox_sleep_begin(struct runtime_loop *loop);
void inbox_sleep_end(struct runtime_loop *loop);
void message_post(struct env *env, struct env_message *message);
/* Delivers what has arrived up to now; true if there was any. */
bool message_deliver_all(struct runtime_loop *loop);

/* workers.c */
void workers_submit(struct env *env, enum env_lane lane, struct env_job *job);
/* Calls `done` of what has finished up to now; true if there was any. */
bool workers_finish_all(struct runtime_loop *loop);

/* disk.c */
extern const struct disk_ops runtime_disk_ops;
/* The descriptor of a file that this folder opened. */
int disk_file_descriptor(const struct file *file);

/* stream.c, listener.c, signal.c */
extern const struct net_ops runtime_net_ops;
void stream_close_all(struct runtime_loop *loop);
void listener_close_all(struct runtime_loop *loop);
void signal_close_all(struct runtime_loop *loop);

#endif
