/* See nemesis.h. A victim has at most one disturbance at a time, so that the end of one cannot spoil another; the ends
 * of a link are the exception, which is healed too early now and then. */
#include "tests/sim/nemesis.h"

#include "common/base/assert.h"
#include "tests/sim/disk.h"
#include "tests/sim/process.h"

#define CALM NEMESIS_DISTURBANCES
#define SUPERVISE_NS (300 * NS_PER_MS)
#define CRASHES_MOST 4
#define CRASH_CALLS_MOST 60
#define DRIFT_PPM_MOST 20000
#define ROT_BITS_MOST 10
#define JUMP_MS_MOST 3600000
/* A cut after a promise: which of the next ones, how soon after it, for how long. */
#define PROMISES_MOST 20
#define PROMISE_NS (2 * NS_PER_MS)
#define PROMISE_DOWN_NS NS_PER_SECOND
#define LOST_SYNCS_MOST 20

struct victim {
    struct nemesis *nemesis;
    struct sim_process *process;
    bool member;
    enum disturbance disturbance; /* or CALM */
    unsigned crashes;             /* still to come */
    struct sim_process *other;    /* the end of a link */
    uint32_t stopped;             /* the incarnation that was asked to stop */
};

struct nemesis {
    struct sim_world *world;
    struct nemesis_options options;
    bool resting;
    bool left;
    unsigned count;
    uint64_t promises; /* at the last of so many the nodes lose power; 0: they do not */
    struct victim victims[SIM_PROCESSES_MAX];
    uint64_t counts[NEMESIS_DISTURBANCES];
};

const char *nemesis_name(enum disturbance disturbance)
{
    static const char *const names[NEMESIS_DISTURBANCES] = {
        [NEMESIS_KILL] = "kill",
        [NEMESIS_POWER_CUT] = "power cut",
        [NEMESIS_BLACKOUT] = "blackout",
        [NEMESIS_CRASH_LOOP] = "crash loop",
        [NEMESIS_STOP] = "orderly stop",
        [NEMESIS_PAUSE] = "pause",
        [NEMESIS_ISOLATE] = "isolation",
        [NEMESIS_PART] = "partition",
        [NEMESIS_ONE_WAY] = "one-way loss",
        [NEMESIS_LOSS] = "lossy link",
        [NEMESIS_RESET] = "connection reset",
        [NEMESIS_SLOW_DISK] = "slow disk",
        [NEMESIS_DISK_ERRORS] = "disk errors",
        [NEMESIS_FULL_DISK] = "full disk",
        [NEMESIS_DRIFT] = "clock drift",
        [NEMESIS_JUMP] = "clock jump",
        [NEMESIS_ROT] = "bit rot",
        [NEMESIS_PROMISE] = "cut after a promise",
        [NEMESIS_LOST_SYNC] = "lost sync",
    };

    return names[disturbance];
}

struct nemesis_options nemesis_options_all(void)
{
    struct nemesis_options options = {.gap_most_ns = 4 * NS_PER_SECOND, .duration_most_ns = 15 * NS_PER_SECOND};

    for (int i = 0; i < NEMESIS_DISTURBANCES; i++) {
        options.may[i] = i < NEMESIS_PROMISE && i != NEMESIS_DISK_ERRORS && i != NEMESIS_FULL_DISK && i != NEMESIS_ROT;
    }
    return options;
}

/* --- network --- */

/* The links from the victim, or to it, to one other or (NULL) to all. */
static void victim_links(struct victim *victim, bool to_it, struct sim_process *other, uint32_t loss_per_million,
                         bool blocked)
{
    const struct sim_world *world = victim->nemesis->world;

    for (unsigned i = 0; i < world->process_count; i++) {
        struct sim_process *peer = world->processes[i];
        struct sim_process *from = to_it ? peer : victim->process;
        struct sim_process *to = to_it ? victim->process : peer;
        struct sim_link_options link;

        if (peer != victim->process && (other == NULL || other == peer)) {
            sim_link_get(from, to, &link);
            link.loss_per_million = loss_per_million;
            link.blocked = blocked;
            sim_link_set(from, to, &link);
        }
    }
}

static struct sim_process *victim_choose_other(const struct victim *victim)
{
    struct sim_world *world = victim->nemesis->world;
    struct sim_process *other = world->processes[prng_below(&world->prng, world->process_count)];

    return other != victim->process ? other : NULL;
}

/* --- disks --- */

static void victim_slow_disk(const struct victim *victim)
{
    static const struct sim_disk_faults slow = {.slow_per_million = 200000, .slow_ns = 100 * NS_PER_MS};

    sim_disk_faults_set(victim->process, &slow);
}

static void victim_disk_errors(const struct victim *victim)
{
    struct prng *prng = sim_prng(victim->nemesis->world);
    const uint32_t rate = (uint32_t)(1000 << prng_below(prng, 8));
    const uint64_t kinds = 1 + prng_below(prng, 7);
    const struct sim_disk_faults faults = {.read_error_per_million = (kinds & 1) != 0 ? rate : 0,
                                           .write_error_per_million = (kinds & 2) != 0 ? rate : 0,
                                           .sync_error_per_million = (kinds & 4) != 0 ? rate : 0};

    sim_disk_faults_set(victim->process, &faults);
}

static void victim_fill_disk(const struct victim *victim)
{
    struct sim_disk_faults faults = {.capacity = 0};

    faults.capacity = disk_used_bytes(victim->process->disk) + sim_between(victim->nemesis->world, 0, 100000) + 1;
    sim_disk_faults_set(victim->process, &faults);
}

/* The next crash is within one of its next calls. */
static void victim_order_crash(struct victim *victim)
{
    struct prng *prng = sim_prng(victim->nemesis->world);
    const struct sim_disk_faults faults = {.crash_call = 1 + prng_below(prng, CRASH_CALLS_MOST),
                                           .crash_how = prng_below(prng, 3) == 0 ? SIM_KILL : SIM_POWER_CUT};

    victim->crashes--;
    sim_disk_faults_set(victim->process, &faults);
}

/* --- the life of a disturbance --- */

static bool victim_is_down(const struct victim *victim)
{
    return !sim_process_running(victim->process) && !sim_process_starting(victim->process);
}

static void victim_release(struct victim *victim)
{
    static const struct sim_disk_faults none = {.capacity = 0};

    switch (victim->disturbance) {
    case NEMESIS_PAUSE:
        if (sim_process_running(victim->process)) {
            sim_process_resume(victim->process);
        }
        break;
    case NEMESIS_ISOLATE:
    case NEMESIS_ONE_WAY:
    case NEMESIS_PART:
    case NEMESIS_LOSS:
        victim_links(victim, false, victim->other, 0, false);
        victim_links(victim, true, victim->other, 0, false);
        break;
    case NEMESIS_SLOW_DISK:
    case NEMESIS_DISK_ERRORS:
    case NEMESIS_FULL_DISK:
    case NEMESIS_CRASH_LOOP:
        sim_say(victim->nemesis->world, "the disk of %s is well", sim_process_name(victim->process));
        sim_disk_faults_set(victim->process, &none);
        break;
    case NEMESIS_DRIFT:
        sim_clock_drift(victim->process, 0);
        break;
    case NEMESIS_KILL:
    case NEMESIS_POWER_CUT:
    case NEMESIS_BLACKOUT:
    case NEMESIS_STOP:
    case NEMESIS_PROMISE:
        /* What recovery does must stand another cut. */
        if (!victim->nemesis->resting && prng_below(sim_prng(victim->nemesis->world), 3) == 0) {
            victim->crashes = 1;
            victim_order_crash(victim);
        }
        break;
    case NEMESIS_LOST_SYNC:
    case NEMESIS_RESET:
    case NEMESIS_JUMP:
    case NEMESIS_ROT:
    case NEMESIS_DISTURBANCES:
        break;
    }
    victim->disturbance = CALM;
    if (victim_is_down(victim)) {
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

static void victim_begin(struct victim *victim, enum disturbance disturbance)
{
    struct nemesis *nemesis = victim->nemesis;

    victim->disturbance = disturbance;
    sim_at(nemesis->world, sim_between(nemesis->world, 0, nemesis->options.duration_most_ns), victim_recovers, victim);
}

static void nemesis_cut(void *context)
{
    struct nemesis *nemesis = context;

    for (unsigned i = nemesis->options.promise_first; i < nemesis->options.members && !nemesis->resting; i++) {
        struct victim *victim = &nemesis->victims[i];

        if (victim->disturbance == CALM && sim_process_running(victim->process) &&
            victim->process->state == PROCESS_RUNNING) {
            victim->disturbance = NEMESIS_PROMISE;
            sim_at(nemesis->world, sim_between(nemesis->world, 0, PROMISE_DOWN_NS), victim_recovers, victim);
            sim_process_crash(victim->process, SIM_POWER_CUT);
        }
    }
}

void nemesis_promised(struct nemesis *nemesis)
{
    if (nemesis->promises > 0 && !nemesis->resting) {
        nemesis->promises--;
        if (nemesis->promises == 0) {
            /* Not at once: the promise was just given by somebody who is in the middle of something. */
            sim_at(nemesis->world, sim_between(nemesis->world, 0, PROMISE_NS), nemesis_cut, nemesis);
        }
    }
}

static void nemesis_blackout(struct nemesis *nemesis)
{
    for (unsigned i = 0; i < nemesis->count; i++) {
        struct victim *victim = &nemesis->victims[i];

        if (victim->member && victim->disturbance == CALM && prng_below(sim_prng(nemesis->world), 4) != 0) {
            victim_begin(victim, NEMESIS_BLACKOUT);
            sim_process_crash(victim->process, SIM_POWER_CUT);
        }
    }
}

static void victim_disturb_links(struct victim *victim, enum disturbance disturbance)
{
    struct prng *prng = sim_prng(victim->nemesis->world);

    victim->other = disturbance == NEMESIS_PART ? victim_choose_other(victim) : NULL;
    sim_say(victim->nemesis->world, "%s: %s%s%s", sim_process_name(victim->process), nemesis_name(disturbance),
            victim->other != NULL ? " from " : "", victim->other != NULL ? sim_process_name(victim->other) : "");
    if (disturbance == NEMESIS_LOSS) {
        victim_links(victim, false, NULL, 100000, false);
    } else if (disturbance == NEMESIS_ONE_WAY) {
        victim->other = prng_below(prng, 2) == 0 ? victim_choose_other(victim) : NULL;
        victim_links(victim, prng_below(prng, 2) == 0, victim->other, 0, true);
    } else {
        victim_links(victim, false, victim->other, 0, true);
        victim_links(victim, true, victim->other, 0, true);
    }
}

static void victim_disturb_disk(struct victim *victim, enum disturbance disturbance)
{
    sim_say(victim->nemesis->world, "the disk of %s: %s", sim_process_name(victim->process), nemesis_name(disturbance));
    if (disturbance == NEMESIS_SLOW_DISK) {
        victim_slow_disk(victim);
    } else if (disturbance == NEMESIS_DISK_ERRORS) {
        victim_disk_errors(victim);
    } else if (disturbance == NEMESIS_FULL_DISK) {
        victim_fill_disk(victim);
    } else {
        victim->crashes = 1 + (unsigned)prng_below(sim_prng(victim->nemesis->world), CRASHES_MOST);
        victim_order_crash(victim);
    }
}

/* What lasts. */
static void victim_disturb(struct victim *victim, enum disturbance disturbance)
{
    struct nemesis *nemesis = victim->nemesis;
    struct prng *prng = sim_prng(nemesis->world);

    victim_begin(victim, disturbance);
    switch (disturbance) {
    case NEMESIS_KILL:
        sim_process_crash(victim->process, SIM_KILL);
        break;
    case NEMESIS_POWER_CUT:
        sim_process_crash(victim->process, SIM_POWER_CUT);
        break;
    case NEMESIS_STOP:
        sim_say(nemesis->world, "%s is stopped", sim_process_name(victim->process));
        victim->stopped = victim->process->incarnation;
        nemesis->options.stop(nemesis->options.context, victim->process);
        break;
    case NEMESIS_PAUSE:
        sim_process_pause(victim->process);
        break;
    case NEMESIS_ISOLATE:
    case NEMESIS_PART:
    case NEMESIS_ONE_WAY:
    case NEMESIS_LOSS:
        victim_disturb_links(victim, disturbance);
        break;
    case NEMESIS_SLOW_DISK:
    case NEMESIS_DISK_ERRORS:
    case NEMESIS_FULL_DISK:
    case NEMESIS_CRASH_LOOP:
        victim_disturb_disk(victim, disturbance);
        break;
    case NEMESIS_DRIFT:
        sim_clock_drift(victim->process, (int32_t)prng_below(prng, 2 * DRIFT_PPM_MOST) - DRIFT_PPM_MOST);
        break;
    case NEMESIS_BLACKOUT:
    case NEMESIS_RESET:
    case NEMESIS_JUMP:
    case NEMESIS_ROT:
    case NEMESIS_PROMISE:
    case NEMESIS_LOST_SYNC:
    case NEMESIS_DISTURBANCES:
        break;
    }
}

/* What is over in a moment; false if it is not such a thing. */
static bool victim_strike(struct victim *victim, enum disturbance disturbance)
{
    struct nemesis *nemesis = victim->nemesis;
    struct prng *prng = sim_prng(nemesis->world);
    struct sim_disk_faults faults = {.fail_sync = 0};
    struct sim_process *other;

    switch (disturbance) {
    case NEMESIS_BLACKOUT:
        nemesis_blackout(nemesis);
        return true;
    case NEMESIS_RESET:
        other = victim_choose_other(victim);
        if (other != NULL) {
            sim_reset_connections(victim->process, other);
        }
        return true;
    case NEMESIS_JUMP:
        sim_clock_jump(victim->process, (int64_t)prng_below(prng, 2 * JUMP_MS_MOST) - JUMP_MS_MOST);
        return true;
    case NEMESIS_ROT:
        for (uint64_t i = 1 + prng_below(prng, ROT_BITS_MOST); i > 0; i--) {
            disk_rot(victim->process->disk);
        }
        return true;
    case NEMESIS_LOST_SYNC:
        sim_say(nemesis->world, "the disk of %s loses a sync", sim_process_name(victim->process));
        faults.fail_sync = 1 + prng_below(prng, LOST_SYNCS_MOST);
        sim_disk_faults_set(victim->process, &faults);
        nemesis->promises = 1 + prng_below(prng, PROMISES_MOST);
        return true;
    case NEMESIS_PROMISE:
        nemesis->promises = 1 + prng_below(prng, PROMISES_MOST);
        return true;
    case NEMESIS_KILL:
    case NEMESIS_POWER_CUT:
    case NEMESIS_CRASH_LOOP:
    case NEMESIS_STOP:
    case NEMESIS_PAUSE:
    case NEMESIS_ISOLATE:
    case NEMESIS_PART:
    case NEMESIS_ONE_WAY:
    case NEMESIS_LOSS:
    case NEMESIS_SLOW_DISK:
    case NEMESIS_DISK_ERRORS:
    case NEMESIS_FULL_DISK:
    case NEMESIS_DRIFT:
    case NEMESIS_DISTURBANCES:
        break;
    }
    return false;
}

static bool nemesis_may(const struct nemesis *nemesis, const struct victim *victim, enum disturbance disturbance)
{
    const bool rots = victim - nemesis->victims >= (ptrdiff_t)nemesis->options.rot_first;
    const bool of_members = disturbance == NEMESIS_STOP || disturbance == NEMESIS_CRASH_LOOP ||
                            disturbance == NEMESIS_SLOW_DISK || disturbance == NEMESIS_DISK_ERRORS ||
                            disturbance == NEMESIS_FULL_DISK || disturbance == NEMESIS_ROT ||
                            disturbance == NEMESIS_LOST_SYNC;

    return nemesis->options.may[disturbance] && (victim->member || !of_members) &&
           (rots || disturbance != NEMESIS_ROT) &&
           (disturbance != NEMESIS_STOP ||
            (nemesis->options.stop != NULL && victim->stopped != victim->process->incarnation)) &&
           victim->disturbance == CALM &&
           sim_process_running(victim->process) && victim->process->state == PROCESS_RUNNING;
}

static void nemesis_strike(void *context)
{
    struct nemesis *nemesis = context;
    struct prng *prng = sim_prng(nemesis->world);
    struct victim *victim = &nemesis->victims[prng_below(prng, nemesis->count)];
    enum disturbance disturbance = (enum disturbance)prng_below(prng, NEMESIS_DISTURBANCES);

    if (nemesis->resting) {
        return;
    }
    /* A bit matters seldom. */
    if (nemesis->options.may[NEMESIS_ROT] && prng_below(prng, 3) != 0) {
        disturbance = NEMESIS_ROT;
    }
    if (nemesis->options.sharp && prng_below(prng, 2) != 0) {
        disturbance = prng_below(prng, 3) == 0 ? NEMESIS_LOST_SYNC : NEMESIS_PROMISE;
        if (disturbance == NEMESIS_LOST_SYNC) {
            victim = &nemesis->victims[nemesis->options.promise_first +
                                       prng_below(prng, nemesis->options.members - nemesis->options.promise_first)];
        }
    }
    if (nemesis_may(nemesis, victim, disturbance)) {
        nemesis->counts[disturbance]++;
        if (!victim_strike(victim, disturbance)) {
            victim_disturb(victim, disturbance);
        }
        sim_at(nemesis->world, sim_between(nemesis->world, 0, nemesis->options.gap_most_ns), nemesis_strike, nemesis);
    } else {
        sim_at(nemesis->world, sim_between(nemesis->world, 0, nemesis->options.gap_most_ns / 4), nemesis_strike,
               nemesis);
    }
}

static bool victim_is_held_down(const struct victim *victim)
{
    return victim->disturbance == NEMESIS_KILL || victim->disturbance == NEMESIS_POWER_CUT ||
           victim->disturbance == NEMESIS_BLACKOUT || victim->disturbance == NEMESIS_STOP ||
           victim->disturbance == NEMESIS_PROMISE;
}

/* A program that gave up, or crashed by an order, is started by its supervisor. */
static void nemesis_supervise(void *context)
{
    struct nemesis *nemesis = context;

    if (nemesis->left) {
        return;
    }
    for (unsigned i = 0; i < nemesis->count; i++) {
        struct victim *victim = &nemesis->victims[i];

        if (victim_is_down(victim) && !victim_is_held_down(victim)) {
            if (victim->disturbance == NEMESIS_CRASH_LOOP && victim->crashes > 0) {
                victim_order_crash(victim);
            }
            sim_process_start(victim->process);
        }
    }
    sim_at(nemesis->world, SUPERVISE_NS, nemesis_supervise, nemesis);
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
        nemesis->victims[i] = (struct victim){
            .nemesis = nemesis, .process = processes[i], .member = i < options->members, .disturbance = CALM};
    }
    sim_at(world, sim_between(world, 0, options->gap_most_ns), nemesis_strike, nemesis);
    sim_at(world, SUPERVISE_NS, nemesis_supervise, nemesis);
    return nemesis;
}

void nemesis_rest(struct nemesis *nemesis)
{
    static const struct sim_disk_faults none = {.capacity = 0};

    sim_say(nemesis->world, "the nemesis rests");
    nemesis->resting = true;
    for (unsigned i = 0; i < nemesis->count; i++) {
        victim_release(&nemesis->victims[i]);
        victim_links(&nemesis->victims[i], false, NULL, 0, false);
        if (nemesis->options.sharp && nemesis->victims[i].member) {
            sim_disk_faults_set(nemesis->victims[i].process, &none);
        }
    }
}

void nemesis_leave(struct nemesis *nemesis)
{
    nemesis->left = true;
}

void nemesis_destroy(struct nemesis *nemesis)
{
    sim_free(nemesis);
}

const uint64_t *nemesis_counts(const struct nemesis *nemesis)
{
    return nemesis->counts;
}
