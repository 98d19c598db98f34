/* The real world behind common/env: event loops on libuv, worker threads, sockets and files of Linux. Programs
 * create their loops here, everything above sees only `struct env`.
 *
 *     workers = runtime_workers_create(NULL);              one pool of lanes per process
 *     loop = runtime_loop_create(&(struct runtime_options){.workers = workers});
 *     node = node_create(runtime_loop_env(loop), ...);     any constructor that takes an env
 *     runtime_loop_run(loop);                              until env_stop
 *     runtime_loop_drain(loop);                            last callbacks, while `node` still lives
 *     node_destroy(node);
 *     runtime_loop_destroy(loop);
 *     runtime_workers_destroy(workers);
 *
 * With several loops: start a thread per loop, join all, drain all, then destroy. */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "common/base/attributes.h"
#include "common/base/status.h"
#include "common/env/env.h"

#include <stdint.h>

struct runtime_loop;
struct runtime_workers;

struct runtime_options {
    struct runtime_workers *workers; /* shared by the loops of a process; outlives them */
    /* How long to poll for events without sleeping after a turn that had work. 0: sleep at once. The loop stops
     * doing so by itself while work comes less often than once a millisecond, so an idle process costs nothing. */
    uint32_t busy_poll_us;
};

/* The worker threads of a process: at most threads[lane] per lane, started when there is work for them. NULL gives the
 * defaults: SYNC 4, READ 2, BACKGROUND 2. */
struct runtime_workers *runtime_workers_create(const unsigned threads[ENV_LANE_COUNT]);
/* Changes how many threads a lane may have, 1 to 64, before it has had any work. */
void runtime_workers_limit(struct runtime_workers *workers, enum env_lane lane, unsigned threads_max);
/* Finishes what was submitted, then ends the threads. All loops must be gone. */
void runtime_workers_destroy(struct runtime_workers *workers);

/* A loop that does not run yet. NULL if the system has no descriptors left for it. Also makes the process ignore
 * SIGPIPE. */
struct runtime_loop *runtime_loop_create(const struct runtime_options *options);
/* Drains, then frees. The loop must not be running; nobody may post to it any more. */
void runtime_loop_destroy(struct runtime_loop *loop);

/* Borrowed as long as the loop lives. */
struct env *runtime_loop_env(struct runtime_loop *loop);

/* Takes turns on the calling thread until env_stop. May be called again afterwards. */
void runtime_loop_run(struct runtime_loop *loop);

/* Closes the listeners and streams that are still open, waits for submitted jobs, delivers messages, and returns
 * when no callback is outstanding. Timers do not fire. Call it when the loop has ended and the owners of all that
 * still exist. */
void runtime_loop_drain(struct runtime_loop *loop);

/* Runs the loop on a thread of its own, named "loop". STATUS_BUSY if the system refuses the thread. */
MUST_USE enum status runtime_thread_start(struct runtime_loop *loop);
/* Waits until that thread has ended, which env_stop on its loop brings about. */
void runtime_thread_join(struct runtime_loop *loop);

/* Calls `callback` on `loop` whenever the process gets `signal_number` (SIGTERM, SIGINT, SIGHUP), as long as the loop
 * lives. Several that arrive within a turn are one. STATUS_NO_DESCRIPTORS, STATUS_INVALID. */
MUST_USE enum status runtime_on_signal(struct runtime_loop *loop, int signal_number, void (*callback)(void *context),
                                       void *context);

/* Raises the soft limit of open descriptors to the hard one and returns the limit that is now in force. */
uint64_t runtime_raise_descriptor_limit(void);

#endif
