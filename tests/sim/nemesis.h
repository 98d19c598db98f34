/* Disturbs a set of processes, as its world's seed decides. Each disturbance ends by itself after a while; nemesis_rest
 * ends them all. A process that goes down without being held down is started again soon, as by a supervisor, also when
 * the nemesis rests. */
#ifndef SIM_NEMESIS_H
#define SIM_NEMESIS_H

#include "tests/sim/sim.h"

struct nemesis;

/* What it does; how often each was done is counted. */
enum disturbance {
    NEMESIS_KILL,        /* and a start after a while */
    NEMESIS_POWER_CUT,   /* likewise */
    NEMESIS_BLACKOUT,    /* power cut of several members in one moment */
    NEMESIS_CRASH_LOOP,  /* a crash within one of the next calls of the disk, again in the start after it, and again */
    NEMESIS_STOP,        /* orderly, and a start after a while */
    NEMESIS_PAUSE,       /* SIGSTOP, SIGCONT: also a peer that does not read what it is sent */
    NEMESIS_ISOLATE,     /* from all others */
    NEMESIS_PART,        /* from one other */
    NEMESIS_ONE_WAY,     /* what it sends, or what it is sent, gets lost */
    NEMESIS_LOSS,        /* some of what it sends is lost and sent again */
    NEMESIS_RESET,       /* its connections to one other */
    NEMESIS_SLOW_DISK,
    NEMESIS_DISK_ERRORS, /* some of the reads, writes, or syncs */
    NEMESIS_FULL_DISK,   /* for a while */
    NEMESIS_DRIFT,       /* of the monotonic clock */
    NEMESIS_JUMP,        /* of the wall clock, by up to an hour */
    NEMESIS_ROT,         /* a bit of a file that was synced */
    NEMESIS_PROMISE,     /* power cut of all nodes a moment after one of the next acknowledgements, and of some of them
                            again while they recover */
    NEMESIS_LOST_SYNC,   /* one of the next syncs fails, and then the same */
    NEMESIS_DISTURBANCES
};

/* A word for each. */
const char *nemesis_name(enum disturbance disturbance);

struct nemesis_options {
    uint64_t gap_most_ns;      /* between two disturbances */
    uint64_t duration_most_ns; /* of one */
    bool may[NEMESIS_DISTURBANCES];
    bool sharp; /* every other disturbance aims at what was just promised: for whom nemesis_promised is called */
    /* The first `members` of the processes have a disk and an orderly stop; only to them happens what concerns
     * these. */
    unsigned members;
    unsigned rot_first;     /* disks rot of members from this one on */
    unsigned promise_first; /* members from this one on make the promises */
    void (*stop)(void *context, struct sim_process *process); /* NULL: no NEMESIS_STOP */
    void *context;
};

/* What no promise is weakened by, at a pace that lets a cluster get on in between: all but disk errors, full disks, and
 * rot; and not sharp. */
struct nemesis_options nemesis_options_all(void);

/* Begins at once. The array is copied; the processes run or are going to. */
struct nemesis *nemesis_create(struct sim_world *world, struct sim_process *const *processes, unsigned count,
                               const struct nemesis_options *options);
/* A client was promised something. */
void nemesis_promised(struct nemesis *nemesis);
/* Heals, resumes and starts everything, and leaves it alone from here on. */
void nemesis_rest(struct nemesis *nemesis);
/* No more supervision either: what goes down stays down. */
void nemesis_leave(struct nemesis *nemesis);
/* After the world is destroyed. */
void nemesis_destroy(struct nemesis *nemesis);
/* NEMESIS_DISTURBANCES counts. */
const uint64_t *nemesis_counts(const struct nemesis *nemesis);

#endif
