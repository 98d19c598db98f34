/* Three controllers fall apart in every way, fast enough to meddle with elections, while a client gives them orders.
 * Then all is well again, but for one of them, which stays down:
 *
 *     M1 any two of three elect an active controller in a bounded time, whatever was before
 *     M2 ... which carries out orders
 *
 * What three can do one with another's help two may not be able to: a voter with the longer log and an older term needs
 * the vote of one with a newer term. */
#include "tests/sim/stage.h"
#include "tests/sim/watch.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <string.h>

#define CONTROLLERS 3
#define ROUNDS 8
#define STEPS_LEAST 4
#define STEPS_MOST 24
#define STEP_NS (600 * NS_PER_MS)
#define PATIENCE_NS (40 * NS_PER_SECOND)
#define CRASH_CALLS_MOST 8

struct majority {
    struct sim_world *world;
    struct stage *stage;
    struct prng *prng;
    struct ledger ledger;
    struct watch *watch;
    struct errand errand;
    bool asked; /* the errand was begun */
    char topic[32];
    unsigned topic_count;
};

static void majority_told(void *context, uint64_t ms, const char *text)
{
    (void)context;
    (void)ms;
    (void)text;
}

static struct sim_process *majority_pick(struct majority *majority)
{
    return cluster_controller(stage_cluster(majority->stage), (unsigned)prng_below(majority->prng, CONTROLLERS));
}

static bool majority_is_idle(void *context)
{
    const struct majority *majority = context;

    return !majority->asked || majority->errand.done;
}

/* Asks for one more topic, and does not wait; tries again for so long. */
static void majority_order(struct majority *majority, const struct sim_process *controller, uint64_t patience_ns)
{
    static const char *const no_settings[] = {NULL};

    if (!majority_is_idle(majority)) {
        return;
    }
    snprintf(majority->topic, sizeof(majority->topic), "topic-%u", ++majority->topic_count);
    majority->errand = (struct errand){.kind = ERRAND_CREATE_TOPIC,
                                       .topic = majority->topic,
                                       .server = sim_process_name(controller),
                                       .server_port = CLUSTER_CONTROLLER_PORT,
                                       .once = patience_ns == 0,
                                       .patience_ns = patience_ns,
                                       .partitions = 1,
                                       .settings = no_settings};
    majority->asked = true;
    stage_start(majority->stage, &majority->errand);
}

static void majority_block(struct sim_process *from, struct sim_process *to)
{
    struct sim_link_options link;

    sim_link_get(from, to, &link);
    link.blocked = true;
    sim_link_set(from, to, &link);
}

/* Votes and entries are written before they count: a crash at one of the next writes falls into an election or into the
 * beginning of a term. */
static void majority_order_crash(struct majority *majority, struct sim_process *process)
{
    const struct sim_disk_faults faults = {.crash_call = 1 + prng_below(majority->prng, CRASH_CALLS_MOST),
                                           .crash_how = prng_below(majority->prng, 2) == 0 ? SIM_KILL : SIM_POWER_CUT};

    sim_disk_faults_set(process, &faults);
}

/* The active controller goes on alone with an order, while the others begin a term without it and may die of that: a
 * longer log with an older term. */
static void majority_outlive(struct majority *majority)
{
    struct sim_process *active = stage_active_controller(majority->stage);

    if (active == NULL) {
        return;
    }
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        struct sim_process *other = cluster_controller(stage_cluster(majority->stage), i);

        if (other != active) {
            sim_partition(active, other, true);
            majority_order_crash(majority, other);
        }
    }
    majority_order(majority, active, 0);
}

static void majority_step(struct majority *majority)
{
    struct sim_process *one = majority_pick(majority);
    struct sim_process *other = majority_pick(majority);

    switch (prng_below(majority->prng, 12)) {
    case 10:
    case 11:
        majority_outlive(majority);
        break;
    case 8:
    case 9:
        majority_order_crash(majority, one);
        break;
    case 0:
        if (sim_process_running(one)) {
            sim_process_crash(one, prng_below(majority->prng, 2) == 0 ? SIM_KILL : SIM_POWER_CUT);
        }
        break;
    case 1:
    case 2:
        if (!sim_process_running(one) && !sim_process_starting(one)) {
            sim_process_start(one);
        }
        break;
    case 3:
        if (one != other) {
            majority_block(one, other);
        }
        break;
    case 4:
        for (unsigned i = 0; i < CONTROLLERS; i++) {
            other = cluster_controller(stage_cluster(majority->stage), i);
            if (one != other) {
                sim_partition(one, other, true);
            }
        }
        break;
    case 5:
        sim_heal(majority->world);
        break;
    default:
        majority_order(majority, one, 0);
        break;
    }
}

static bool majority_has_active(void *context)
{
    return stage_active_controller(context) != NULL;
}

/* All is well but for one that is down. */
static bool majority_elects(struct majority *majority)
{
    static const struct sim_disk_faults none = {.crash_call = 0};
    struct sim_process *absent = majority_pick(majority);
    struct cluster *cluster = stage_cluster(majority->stage);

    sim_heal(majority->world);
    if (sim_process_running(absent) || sim_process_starting(absent)) {
        sim_process_crash(absent, SIM_KILL);
    }
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        struct sim_process *controller = cluster_controller(cluster, i);

        sim_disk_faults_set(controller, &none);
        if (controller != absent && !sim_process_running(controller) && !sim_process_starting(controller)) {
            sim_process_start(controller);
        }
    }
    if (!stage_run_until(majority->stage, majority_is_idle, majority, PATIENCE_NS) ||
        !stage_run_until(majority->stage, majority_has_active, majority->stage, PATIENCE_NS)) {
        sim_fail(majority->world, "without %s nobody becomes active within %llu s", sim_process_name(absent),
                 (unsigned long long)(PATIENCE_NS / NS_PER_SECOND));
        return false;
    }
    majority_order(majority, stage_active_controller(majority->stage), PATIENCE_NS);
    /* A second attempt may find what the first has done. */
    if (!stage_run_until(majority->stage, majority_is_idle, majority, 2 * PATIENCE_NS) ||
        !(majority->errand.good || strcmp(majority->errand.refusal, "TOPIC_ALREADY_EXISTS") == 0)) {
        sim_fail(majority->world, "without %s no order is carried out: %s", sim_process_name(absent),
                 majority->errand.refusal);
        return false;
    }
    sim_process_start(absent);
    return true;
}

static bool majority_play(struct majority *majority)
{
    bool well;

    cluster_start(stage_cluster(majority->stage));
    well = stage_run_until(majority->stage, cluster_ready, stage_cluster(majority->stage), PATIENCE_NS);
    for (unsigned i = 0; i < ROUNDS && well && sim_failure(majority->world) == NULL; i++) {
        const uint64_t steps = STEPS_LEAST + prng_below(majority->prng, STEPS_MOST - STEPS_LEAST);

        for (uint64_t j = 0; j < steps && sim_failure(majority->world) == NULL; j++) {
            stage_run_for(majority->stage, sim_between(majority->world, 0, STEP_NS));
            majority_step(majority);
        }
        well = sim_failure(majority->world) == NULL && majority_elects(majority);
    }
    return well;
}

void workload_majority(const struct sim_options *options, struct verdict *verdict)
{
    static const char *const settings[] = {"metadata.log.max.record.bytes.between.snapshots=4000", NULL};
    struct majority majority = {.asked = false};
    const struct stage_options stage_options = {.seed = options->seed,
                                                .trace = options->narrate,
                                                .controllers = CONTROLLERS,
                                                .nodes = 1,
                                                .loops = 1,
                                                .controller_settings = settings,
                                                .tell = majority_told,
                                                .context = &majority};

    majority.stage = stage_create(&stage_options);
    majority.world = stage_world(majority.stage);
    majority.prng = sim_prng(majority.world);
    ledger_init(&majority.ledger, majority.world);
    majority.watch = watch_create(majority.world, stage_cluster(majority.stage), &majority.ledger);
    verdict_take(verdict, majority.world, majority_play(&majority));
    stage_destroy(majority.stage);
    watch_destroy(majority.watch);
    ledger_deinit(&majority.ledger);
}
