/* The world as pure code sees it. Everything that is not computation comes in through here: time, timers, randomness,
 * disk, network, worker threads, other loops. There are two implementations: common/runtime on libuv and the system's
 * calls, tests/sim on virtual time. Programs are built by the same constructors on either.
 *
 * One `struct env` is one event loop on one thread. Unless a comment says otherwise a function may only be called on
 * the loop's own thread, and callbacks arrive on it, never inside the call that caused them.
 *
 * A loop runs in turns:
 *
 *     1. collect what is ready: sockets, messages from other loops, finished jobs, due timers
 *     2. call the handlers
 *     3. run the turn-end hooks (env_at_turn_end): coalesced log writes happen here; hooks queued by them run too
 *     4. send: everything queued on a stream in this turn leaves in one vectored write
 *     5. sleep until something is ready
 *
 * See env/disk.h for files and env/net.h for streams. */
#ifndef ENV_ENV_H
#define ENV_ENV_H

#include "common/base/attributes.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct env;
struct disk;
struct net;

/* A one-shot timer, embedded in its owner. It must be stopped before the owner goes away. */
struct env_timer {
    struct heap_node node; /* key: deadline in ns of env_now_ns */
    void (*fire)(void *context);
    void *context;
};

/* Work for the end of the current turn. Embedded in its owner. */
struct env_hook {
    struct list link;
    void (*run)(void *context);
    void *context;
};

/* Which worker queue a job waits in. Each lane has its own threads, so cold reads do not wait behind fsyncs. */
enum env_lane {
    ENV_LANE_SYNC,       /* fdatasync and other short durability work */
    ENV_LANE_READ,       /* reads that may miss the page cache */
    ENV_LANE_COMPUTE,    /* compression: work for the processor that a client waits for */
    ENV_LANE_BACKGROUND, /* recovery, retention, snapshots, name look-ups */
    ENV_LANE_COUNT
};

/* Blocking work on a worker thread. `work` sees only what the job carries, which nobody else may touch until `done`
 * runs on the loop that submitted it. `done` may be NULL only if the job's memory needs no owner. Embedded in its
 * owner. */
struct env_job {
    struct list link;
    struct env *env; /* set by env_submit */
    void (*work)(struct env_job *job);
    void (*done)(struct env_job *job);
};

/* A message to another loop of the same process, embedded in its owner. `deliver` runs on the receiving loop. */
struct env_message {
    struct list link;
    void (*deliver)(struct env_message *message);
};

struct env_ops {
    uint64_t (*now_ns)(struct env *env);
    int64_t (*wall_ms)(struct env *env);
    uint64_t (*random)(struct env *env);
    void (*submit)(struct env *env, enum env_lane lane, struct env_job *job);
    void (*post)(struct env *env, struct env_message *message);
    void (*stop)(struct env *env);
};

struct env {
    const struct env_ops *ops;
    struct disk *disk;
    struct net *net;
    struct heap timers;      /* of struct env_timer */
    struct list turn_hooks;  /* of struct env_hook */
};

/* For implementations: sets up what both share. `deinit` expects no timers or hooks of interest. */
void env_init(struct env *env, const struct env_ops *ops, struct disk *disk, struct net *net);
void env_deinit(struct env *env);
/* For implementations: fires every timer due at `now_ns`; timers that the handlers start for now wait for the next
 * turn. */
void env_fire_timers(struct env *env, uint64_t now_ns);
/* For implementations: runs the turn-end hooks until there are none. */
void env_run_hooks(struct env *env);
/* For implementations: the next deadline in ns, or UINT64_MAX. */
uint64_t env_next_deadline(const struct env *env);

/* Monotonic time in nanoseconds; does not change within a turn. Only this clock may drive safety. */
static inline uint64_t env_now_ns(struct env *env)
{
    return env->ops->now_ns(env);
}

/* Wall clock in milliseconds since 1970: record timestamps and retention, nothing else. It may jump from one turn to
 * the next. */
static inline int64_t env_wall_ms(struct env *env)
{
    const int64_t now_ms = env->ops->wall_ms(env);

    /* A clock that is set to before 1970 stands at 1970: a negative time means other things (none, latest). */
    return now_ms > 0 ? now_ms : 0;
}

static inline uint64_t env_random(struct env *env)
{
    return env->ops->random(env);
}

/* `timer` must not be started. */
void env_timer_init(struct env_timer *timer, void (*fire)(void *context), void *context);
/* Starts or restarts: fires once, `delay_ns` from now. */
void env_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns);
/* Stopping a timer that does not run is allowed. */
void env_timer_stop(struct env *env, struct env_timer *timer);
bool env_timer_active(const struct env_timer *timer);

void env_hook_init(struct env_hook *hook, void (*run)(void *context), void *context);
/* Runs the hook once at the end of this turn; queueing it again before that does nothing. */
void env_at_turn_end(struct env *env, struct env_hook *hook);
void env_hook_cancel(struct env_hook *hook);

/* Hands `job` to a worker; jobs of one lane start in order, but may finish in any. */
static inline void env_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    job->env = env;
    env->ops->submit(env, lane, job);
}

/* May be called from any loop's thread of the process: `message` is delivered on `env`. Messages from one sender to
 * one receiver arrive in order. Shares `message` until it is delivered. */
static inline void env_post(struct env *env, struct env_message *message)
{
    env->ops->post(env, message);
}

/* The loop ends after this turn. */
static inline void env_stop(struct env *env)
{
    env->ops->stop(env);
}

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

#endif
