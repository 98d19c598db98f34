/* See nemesis.h. A victim has at most one disturbance at a time, so that the end of one cannot spoil another. */
#include "tests/sim/nemesis.h"

#include "common/base/assert.h"
#include "tests/sim/world.h"

enum disturbance { CALM, KILLED, CUT_OFF_POWER, PAUSED, ISOLATED, LOSSY, SLOW, DISTURBANCES };

struct victim {
    struct nemesis *nemesis;
    struct sim_process *process;
    enum disturbance disturbance;
};

struct nemesis {
    struct sim_world *world;
    struct nemesis_options options;
    bool resting;
    unsigned count;
    struct victim victims[SIM_PROCESSES_MAX];
};

struct nemesis_options nemesis_options_all(void)
{
    return (struct nemesis_options){.gap_most_ns = 4 * NS_PER_SECOND,
                                    .duration_most_ns = 15 * NS_PER_SECOND,
                                    .kills = true,
                                    .power_cuts = true,
                                    .pauses = true,
                                    .isolations = true,
                                    .lossy_links = true,
                                    .slow_disks = true,
                                    .clock_jumps = true};
}

static void victim_links(struct victim *victim, uint32_t loss_per_million)
{
    struct nemesis *nemesis = victim->nemesis;

    for (unsigned i = 0; i < nemesis->count; i++) {
        struct sim_process *other = nemesis->victims[i].process;
        struct sim_link_options link;

        if (other != victim->process) {
            sim_link_get(victim->process, other, &link);
            link.loss_per_million = loss_per_million;
            sim_link_set(victim->process, other, &link);
        }
    }
}

static void victim_release(struct victim *victim)
{
    static const struct sim_disk_faults none = {.capacity = 0};

    switch (victim->disturbance) {
    case KILLED:
    case CUT_OFF_POWER:
        sim_process_start(victim->process);
        break;
    case PAUSED:
        if (sim_process_running(victim->process)) {
            sim_process_resume(victim->process);
        }
        break;
    case ISOLATED:
        sim_isolate(victim->process, false);
        break;
    case LOSSY:
        victim_links(victim, 0);
        break;
    case SLOW:
        sim_disk_faults_set(victim->process, &none);
        break;
    case CALM:
    case DISTURBANCES:
        break;
    }
    victim->disturbance = CALM;
    /* A program that gave up in the meantime is started by its supervisor. */
    if (!sim_process_running(victim->process) && !sim_process_starting(victim->process)) {
        sim_process_start(victim->process);
    }
}

static void victim_recovers(void *context)
{
    struct victim *victim = context;

    if (!victim->nemesis->resting) {
        victim_release(victim);
    }
}

static void victim_disturb(struct victim *victim, enum disturbance disturbance)
{
    static const struct sim_disk_faults slow = {.slow_per_million = 200000, .slow_ns = 100 * NS_PER_MS};
    struct sim_process *process = victim->process;

    victim->disturbance = disturbance;
    switch (disturbance) {
    case KILLED:
        sim_process_crash(process, SIM_KILL);
        break;
    case CUT_OFF_POWER:
        sim_process_crash(process, SIM_POWER_CUT);
        break;
    case PAUSED:
        sim_process_pause(process);
        break;
    case ISOLATED:
        sim_isolate(process, true);
        break;
    case LOSSY:
        victim_links(victim, 100000);
        break;
    case SLOW:
        sim_say(victim->nemesis->world, "the disk of %s is slow", sim_process_name(process));
        sim_disk_faults_set(process, &slow);
        break;
    case CALM:
    case DISTURBANCES:
        break;
    }
}

static bool nemesis_may(const struct nemesis_options *options, enum disturbance disturbance)
{
    const bool allowed[DISTURBANCES] = {[KILLED] = options->kills,       [CUT_OFF_POWER] = options->power_cuts,
                                        [PAUSED] = options->pauses,      [ISOLATED] = options->isolations,
                                        [LOSSY] = options->lossy_links, [SLOW] = options->slow_disks};

    return allowed[disturbance];
}

static void nemesis_strike(void *context)
{
    struct nemesis *nemesis = context;
    struct prng *prng = sim_prng(nemesis->world);
    struct victim *victim = &nemesis->victims[prng_below(prng, nemesis->count)];
    const enum disturbance disturbance = (enum disturbance)prng_below(prng, DISTURBANCES);

    if (nemesis->resting) {
        return;
    }
    if (nemesis->options.clock_jumps && sim_chance(nemesis->world, 100000)) {
        sim_clock_jump(victim->process, (int64_t)prng_below(prng, 7200000) - 3600000);
    }
    if (victim->disturbance == CALM && sim_process_running(victim->process) &&
        nemesis_may(&nemesis->options, disturbance)) {
        victim_disturb(victim, disturbance);
        sim_at(nemesis->world, sim_between(nemesis->world, 0, nemesis->options.duration_most_ns), victim_recovers,
               victim);
    }
    sim_at(nemesis->world, sim_between(nemesis->world, 0, nemesis->options.gap_most_ns), nemesis_strike, nemesis);
}

struct nemesis *nemesis_create(struct sim_world *world, struct sim_process *const *processes, unsigned count,
                               const struct nemesis_options *options)
{
    struct nemesis *nemesis = sim_alloc(sizeof(*nemesis));

    ASSERT(count > 0 && count <= SIM_PROCESSES_MAX);
    nemesis->world = world;
    nemesis->options = *options;
    nemesis->count = count;
    for (unsigned i = 0; i < count; i++) {
        nemesis->victims[i] = (struct victim){.nemesis = nemesis, .process = processes[i]};
    }
    sim_at(world, sim_between(world, 0, options->gap_most_ns), nemesis_strike, nemesis);
    return nemesis;
}

void nemesis_rest(struct nemesis *nemesis)
{
    sim_say(nemesis->world, "the nemesis rests");
    nemesis->resting = true;
    for (unsigned i = 0; i < nemesis->count; i++) {
        victim_release(&nemesis->victims[i]);
    }
}

void nemesis_destroy(struct nemesis *nemesis)
{
    sim_free(nemesis);
}
