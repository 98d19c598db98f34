/* Disturbs a set of processes, as its world's seed decides: kills, power cuts, pauses, isolations, slow links and
 * disks, wall clocks that jump. Each disturbance ends by itself after a while; nemesis_rest ends them all. */
#ifndef SIM_NEMESIS_H
#define SIM_NEMESIS_H

#include "tests/sim/sim.h"

struct nemesis;

struct nemesis_options {
    uint64_t gap_most_ns;      /* between two disturbances */
    uint64_t duration_most_ns; /* of one */
    bool kills;
    bool power_cuts;
    bool pauses;
    bool isolations;
    bool lossy_links;
    bool slow_disks;
    bool clock_jumps;
};

/* Everything, at a pace that lets a cluster get on in between. */
struct nemesis_options nemesis_options_all(void);

/* Begins at once. The array is copied; the processes run or are going to. */
struct nemesis *nemesis_create(struct sim_world *world, struct sim_process *const *processes, unsigned count,
                               const struct nemesis_options *options);
/* Heals, resumes and starts everything, and leaves it alone from here on. */
void nemesis_rest(struct nemesis *nemesis);
/* After the world is destroyed. */
void nemesis_destroy(struct nemesis *nemesis);

#endif
