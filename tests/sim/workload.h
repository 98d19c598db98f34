/* What millrace-sim runs: a workload makes a world from a seed, lives through it and judges. To add one, write a
 * function and put its row into workload.c. */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "tests/sim/sim.h"
#include "tests/sim/tally.h"

#define VERDICT_TEXT_MAX 1024

struct verdict {
    bool failed;
    char text[VERDICT_TEXT_MAX]; /* why, if it failed */
    uint64_t hash;
    uint64_t simulated_ns;
    struct sim_counters counters;
    struct tally tally;
};

struct workload {
    const char *name;
    const char *about;
    void (*run)(const struct sim_options *options, struct verdict *verdict);
};

/* NULL if there is none of that name. */
const struct workload *workload_find(const char *name);
/* Index from 0; NULL at the end. */
const struct workload *workload_at(size_t index);

/* Fills the verdict from the world, at the end of a run. `done` false without another failure is one: something that
 * had to happen did not. */
void verdict_take(struct verdict *verdict, struct sim_world *world, bool done);

void workload_chatter(const struct sim_options *options, struct verdict *verdict);
void workload_majority(const struct sim_options *options, struct verdict *verdict);
void workload_orders(const struct sim_options *options, struct verdict *verdict);
void workload_retention(const struct sim_options *options, struct verdict *verdict);
void workload_cluster(const struct sim_options *options, struct verdict *verdict);

#endif
