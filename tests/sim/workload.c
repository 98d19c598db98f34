/* The table of workloads. */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <string.h>

static const struct workload workloads[] = {
    {"cluster", "controllers, nodes and clients under crashes, power cuts, pauses, partitions and slow disks",
     workload_cluster},
    {"orders", "a client gives orders to controllers that are being deposed", workload_orders},
    {"majority", "three controllers fall apart; then any two of them must do without the third", workload_majority},
    {"retention", "topics that let go of old records, by age and by size, and of nothing else", workload_retention},
    {"chatter", "an echo server under the same faults: tests the simulator itself", workload_chatter},
};

const struct workload *workload_at(size_t index)
{
    return index < ARRAY_COUNT(workloads) ? &workloads[index] : NULL;
}

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        if (strcmp(workloads[i].name, name) == 0) {
            return &workloads[i];
        }
    }
    return NULL;
}

void verdict_take(struct verdict *verdict, struct sim_world *world, bool done)
{
    const char *failure = sim_failure(world);

    *verdict = (struct verdict){.failed = failure != NULL || !done,
                                .hash = sim_trace_hash(world),
                                .simulated_ns = sim_now_ns(world),
                                .counters = *sim_counters_get(world)};
    if (verdict->failed) {
        snprintf(verdict->text, sizeof(verdict->text), "%s",
                 failure != NULL ? failure : "the world is whole again, but what had to happen does not");
    }
}
