/* One client gives orders, one after the other, to controllers that are being deposed: a topic is created, deleted,
 * created... Whom it asks is chance, and so is what happens to the active controller meanwhile: it is cut off from the
 * others, stands still, dies, or its clock runs slow, so that it steps down late.
 *
 *     O1 what was answered as done is done, and stays
 *     O2 no answer is older than its question: since orders do not overlap, "exists already" and "unknown topic" must
 *        be true of what was answered last
 *
 * An order whose outcome is unknown may be carried out at any later time; its topic is given up for a new one. */
#include "tests/sim/stage.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <string.h>

#define CONTROLLERS 3
#define ROUNDS 6
#define ORDERS_MOST 8
#define PATIENCE_NS (120 * NS_PER_SECOND)
#define SETTLE_NS (3 * NS_PER_SECOND)
#define DRIFT_PPM_MOST 600000

struct orders {
    struct sim_world *world;
    struct stage *stage;
    struct prng *prng;
    struct errand errand;
    char topic[32];
    unsigned topic_count;
    bool exists;
    uint64_t done;
};

static void orders_told(void *context, uint64_t ms, const char *text)
{
    (void)context;
    (void)ms;
    (void)text;
}

static void orders_new_topic(struct orders *orders)
{
    snprintf(orders->topic, sizeof(orders->topic), "topic-%u", ++orders->topic_count);
    orders->exists = false;
}

static void orders_give(struct orders *orders, const struct sim_process *controller)
{
    static const char *const no_settings[] = {NULL};
    struct errand *errand = &orders->errand;

    *errand = (struct errand){.kind = orders->exists ? ERRAND_DELETE_TOPIC : ERRAND_CREATE_TOPIC,
                              .topic = orders->topic,
                              .server = sim_process_name(controller),
                              .server_port = CLUSTER_CONTROLLER_PORT,
                              .once = true,
                              .partitions = 1,
                              .settings = no_settings};
    stage_do(orders->stage, errand);
    stage_say(orders->stage, "%s of %s at %s: %s", orders->exists ? "deletion" : "creation", orders->topic,
              errand->server, errand->good ? "done" : errand->refusal);
    if (errand->good) {
        orders->exists = !orders->exists;
        orders->done++;
    } else if (strcmp(errand->refusal, "TOPIC_ALREADY_EXISTS") == 0 ||
               strcmp(errand->refusal, "UNKNOWN_TOPIC_OR_PARTITION") == 0) {
        sim_fail(orders->world, "%s says %s of %s, which %s", errand->server, errand->refusal, orders->topic,
                 orders->exists ? "was created" : "was deleted, or never created");
    } else if (strcmp(errand->refusal, "NOT_CONTROLLER") != 0 &&
               strncmp(errand->refusal, "no connection", strlen("no connection")) != 0) {
        orders_new_topic(orders);
    }
}

static void orders_disturb(struct orders *orders, struct sim_process *active)
{
    struct cluster *cluster = stage_cluster(orders->stage);

    sim_clock_drift(active, -(int32_t)prng_below(orders->prng, DRIFT_PPM_MOST));
    switch (prng_below(orders->prng, 8)) {
    case 0:
    case 1:
        sim_process_pause(active);
        break;
    case 2:
        sim_process_crash(active, SIM_POWER_CUT);
        break;
    default:
        for (unsigned i = 0; i < CONTROLLERS; i++) {
            if (cluster_controller(cluster, i) != active) {
                sim_partition(cluster_controller(cluster, i), active, true);
            }
        }
        break;
    }
}

static bool orders_recover(struct orders *orders, struct sim_process *active)
{
    if (!sim_process_running(active)) {
        sim_process_start(active);
    } else {
        sim_process_resume(active);
    }
    sim_heal(orders->world);
    sim_clock_drift(active, 0);
    if (!stage_run_until(orders->stage, cluster_ready, stage_cluster(orders->stage), PATIENCE_NS)) {
        return false;
    }
    stage_run_for(orders->stage, SETTLE_NS);
    if (stage_has_topic(orders->stage, orders->topic) != orders->exists) {
        sim_fail(orders->world, "%s is %s, although the opposite was answered", orders->topic,
                 orders->exists ? "not there" : "there");
    }
    return sim_failure(orders->world) == NULL;
}

static bool orders_round(struct orders *orders)
{
    struct cluster *cluster = stage_cluster(orders->stage);
    struct sim_process *active = stage_active_controller(orders->stage);
    const unsigned count = 1 + (unsigned)prng_below(orders->prng, ORDERS_MOST);
    const uint64_t done = orders->done;

    if (active == NULL) {
        return true; /* an election is on: the next round */
    }
    orders_disturb(orders, active);
    for (unsigned i = 0; i < count && sim_failure(orders->world) == NULL; i++) {
        struct sim_process *other = cluster_controller(cluster, (unsigned)prng_below(orders->prng, CONTROLLERS));

        stage_run_for(orders->stage, sim_between(orders->world, 0, NS_PER_SECOND));
        if (prng_below(orders->prng, 4) == 0 && sim_process_running(active)) {
            sim_process_resume(active);
        }
        /* The old one is of most interest when the new one has done something. */
        orders_give(orders, prng_below(orders->prng, orders->done > done ? 2 : 6) == 0 ? active : other);
    }
    return orders_recover(orders, active);
}

static bool orders_play(struct orders *orders)
{
    bool well;

    cluster_start(stage_cluster(orders->stage));
    well = stage_run_until(orders->stage, cluster_ready, stage_cluster(orders->stage), PATIENCE_NS);
    for (unsigned i = 0; i < ROUNDS && well; i++) {
        well = orders_round(orders);
    }
    return well;
}

void workload_orders(const struct sim_options *options, struct verdict *verdict)
{
    struct orders orders = {.done = 0};
    const struct stage_options stage_options = {.seed = options->seed,
                                                .trace = options->narrate,
                                                .controllers = CONTROLLERS,
                                                .nodes = 1,
                                                .loops = 1,
                                                .tell = orders_told,
                                                .context = &orders};

    orders.stage = stage_create(&stage_options);
    orders.world = stage_world(orders.stage);
    orders.prng = sim_prng(orders.world);
    orders_new_topic(&orders);
    verdict_take(verdict, orders.world, orders_play(&orders));
    sim_say(orders.world, "%llu orders were carried out", (unsigned long long)orders.done);
    stage_destroy(orders.stage);
}
