/* The clocks of one machine: a monotonic one that may drift and a wall clock that may jump. */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include "common/base/prng.h"

#include <stdint.h>

struct sim_clock {
    uint64_t since_world_ns; /* virtual time of the last change of drift */
    uint64_t since_local_ns; /* what the monotonic clock showed then */
    int32_t ppm;
    int64_t wall_offset_ms;
};

/* A clock as a machine may have it when the world begins: up for a while, its wall clock off by a little. */
struct sim_clock clock_draw(struct prng *prng);
/* What the monotonic clock shows at virtual time `world_ns`. */
uint64_t clock_local_ns(const struct sim_clock *clock, uint64_t world_ns);
int64_t clock_wall_ms(const struct sim_clock *clock, uint64_t world_ns);
/* The virtual time from `world_ns` until the clock shows `local_ns`, at most one nanosecond too early. */
uint64_t clock_until_ns(const struct sim_clock *clock, uint64_t world_ns, uint64_t local_ns);
void clock_set_drift(struct sim_clock *clock, uint64_t world_ns, int32_t ppm);

#endif
