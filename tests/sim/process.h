/* The inside of a process: its loops, worker lanes, clock; what of them belongs to one incarnation and what survives
 * it.
 *
 *     state       DOWN --sim_process_start--> STARTING --program.start--> RUNNING --all loops stopped--> DRAINING
 *                  ^                             |                           |                              |
 *                  '--------- process_end -------+---------------------------+---- program.finish ----------'
 *
 * Whatever code of the program runs, runs inside process_execute: there the scene is set, memory is the incarnation's,
 * and a crash in the middle of a call unwinds to it. */
#ifndef SIM_PROCESS_H
#define SIM_PROCESS_H

#include "common/env/net.h"
#include "tests/sim/clock.h"
#include "tests/sim/world.h"

enum process_state { PROCESS_DOWN, PROCESS_STARTING, PROCESS_RUNNING, PROCESS_DRAINING };

/* Something for the handlers' or the flush phase of a turn. Embedded in its owner. */
struct sim_task {
    struct list link;
    void (*handle)(struct sim_task *task);
};

struct sim_net {
    struct net base;
    struct sim_loop *loop;
};

struct sim_loop {
    struct env env;
    struct sim_net net;
    struct sim_process *process;
    unsigned index;
    struct sim_event turn;
    uint64_t busy_until_ns; /* the last turn, and what it blocked on, takes until then */
    bool stopped;
    struct list mail;     /* of struct sim_mail */
    struct list finished; /* of struct env_job */
    struct list ready;    /* of struct sim_task */
    struct list flush;    /* of struct sim_task */
    struct list running;  /* of struct sim_task: those of the phase that runs */
    struct list streams;  /* of struct sim_stream */
};

struct sim_lane {
    struct list waiting; /* of struct env_job */
    struct list runs;    /* of struct job_run: on a worker thread now */
    unsigned running;
    unsigned threads;
};

struct sim_process {
    struct sim_world *world;
    unsigned index;
    char *name;
    const struct sim_program *program;
    enum process_state state;
    bool paused;
    bool dark; /* since a power cut: the machine does not even answer */
    uint32_t incarnation;
    enum status start_status;
    struct sim_event boot;
    struct owner owner; /* of the incarnation's memory */
    struct prng prng;
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_lane lanes[ENV_LANE_COUNT];
    unsigned jobs;          /* submitted, `done` not called */
    struct list listeners;  /* of struct sim_listener */
    struct list accepted;   /* of struct net_accepted: belong to no loop yet */
    uint16_t next_port;
    unsigned loop_count;
    struct sim_loop loops[SIM_LOOPS_MAX];
};

/* Runs code of the program; false if the process has ended in it. */
bool process_execute(struct sim_process *process, struct sim_loop *loop, bool worker, void (*run)(void *context),
                     void *context);
/* Ends the incarnation, if there is one, and does to the disk what `how` says. */
void process_end(struct sim_process *process, enum sim_crash how);
/* Leaves the code of the running process for good. */
NO_RETURN void process_leave(struct sim_process *process, enum sim_crash how);
/* After a turn: if the loops are stopped, on with the end of the program. */
void process_check_end(struct sim_process *process);
void process_free(struct sim_process *process);

/* loop.c */
void loop_init(struct sim_loop *loop, struct sim_process *process, unsigned index);
void loop_start(struct sim_loop *loop);
/* Drops everything without a callback. */
void loop_abandon(struct sim_loop *loop);
/* There is something for it to do. */
void loop_wake(struct sim_loop *loop);
/* Plans the next turn after code of the loop has run. */
void loop_settle(struct sim_loop *loop);
bool loop_has_work(const struct sim_loop *loop);
/* `run`, then the end of a turn. */
void loop_run(struct sim_loop *loop, void (*run)(void *context), void *context);
void loop_assert_owned(const struct sim_loop *loop);
struct sim_loop *loop_of_env(struct env *env);

void sim_task_init(struct sim_task *task, void (*handle)(struct sim_task *task));
/* Queues it if it is not queued, and wakes the loop. */
void sim_task_queue(struct sim_loop *loop, struct list *list, struct sim_task *task);

/* lane.c */
void lanes_init(struct sim_process *process);
void lanes_abandon(struct sim_process *process);
void lanes_resume(struct sim_process *process);
void lane_submit(struct env *env, enum env_lane lane, struct env_job *job);

#endif
