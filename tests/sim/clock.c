/* local = since_local + elapsed * (1 + ppm / 10^6), computed without overflow in whole millions and the rest. */
#include "tests/sim/clock.h"

#include "tests/sim/process.h"

#define MILLION 1000000
#define UPTIME_MOST_NS (1000 * NS_PER_SECOND)

struct sim_clock clock_draw(struct prng *prng)
{
    const uint64_t uptime_ns = NS_PER_SECOND + prng_below(prng, UPTIME_MOST_NS);
    const int64_t skew_ms = (int64_t)prng_below(prng, 2 * SIM_CLOCK_SKEW_MS + 1) - SIM_CLOCK_SKEW_MS;

    return (struct sim_clock){.since_local_ns = uptime_ns,
                              .wall_offset_ms = skew_ms - (int64_t)(uptime_ns / NS_PER_MS)};
}

static int64_t clock_gain(int64_t elapsed_ns, int32_t ppm)
{
    return elapsed_ns / MILLION * ppm + elapsed_ns % MILLION * ppm / MILLION;
}

uint64_t clock_local_ns(const struct sim_clock *clock, uint64_t world_ns)
{
    const int64_t elapsed_ns = (int64_t)(world_ns - clock->since_world_ns);

    return clock->since_local_ns + (uint64_t)(elapsed_ns + clock_gain(elapsed_ns, clock->ppm));
}

int64_t clock_wall_ms(const struct sim_clock *clock, uint64_t world_ns)
{
    return SIM_WALL_START_MS + clock->wall_offset_ms + (int64_t)(clock_local_ns(clock, world_ns) / NS_PER_MS);
}

uint64_t clock_until_ns(const struct sim_clock *clock, uint64_t world_ns, uint64_t local_ns)
{
    const uint64_t shown_ns = clock_local_ns(clock, world_ns);
    uint64_t left_ns;

    if (local_ns <= shown_ns) {
        return 0;
    }
    left_ns = local_ns - shown_ns;
    if (clock->ppm == 0) {
        return left_ns;
    }
    return (uint64_t)((double)left_ns * MILLION / (MILLION + (double)clock->ppm));
}

void clock_set_drift(struct sim_clock *clock, uint64_t world_ns, int32_t ppm)
{
    clock->since_local_ns = clock_local_ns(clock, world_ns);
    clock->since_world_ns = world_ns;
    clock->ppm = ppm;
}

void sim_clock_drift(struct sim_process *process, int32_t ppm)
{
    clock_set_drift(&process->clock, process->world->now_ns, ppm);
    for (unsigned i = 0; i < process->loop_count; i++) {
        loop_wake(&process->loops[i]);
    }
}

void sim_clock_jump(struct sim_process *process, int64_t delta_ms)
{
    process->clock.wall_offset_ms += delta_ms;
}
