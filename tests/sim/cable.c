/* Links: one direction between two machines. A machine reaches itself fast and always. */
#include "tests/sim/socket.h"

#define LATENCY_LEAST_NS (50 * UINT64_C(1000))
#define LATENCY_MOST_NS (2 * NS_PER_MS)
#define LOCAL_LEAST_NS UINT64_C(5000)
#define LOCAL_MOST_NS UINT64_C(50000)
#define RETRY_LEAST_NS (200 * NS_PER_MS)
#define RETRY_DOUBLINGS_MAX 4

void cable_init(struct sim_world *world, unsigned from, unsigned to)
{
    world->links[from][to].options = (struct sim_link_options){
        .latency_least_ns = from == to ? LOCAL_LEAST_NS : LATENCY_LEAST_NS,
        .latency_most_ns = from == to ? LOCAL_MOST_NS : LATENCY_MOST_NS,
    };
}

static struct sim_link_options *link_between(const struct sim_process *from, const struct sim_process *to)
{
    return &from->world->links[from->index][to->index].options;
}

bool cable_open(const struct sim_process *from, const struct sim_process *to)
{
    return !link_between(from, to)->blocked && !from->dark && !to->dark;
}

uint64_t cable_delay_ns(const struct sim_process *from, const struct sim_process *to)
{
    const struct sim_link_options *options = link_between(from, to);
    uint64_t delay_ns = sim_between(from->world, options->latency_least_ns, options->latency_most_ns);

    for (unsigned attempts = 0; sim_chance(from->world, options->loss_per_million); attempts++) {
        delay_ns += cable_retry_ns(from->world, attempts);
        if (attempts == RETRY_DOUBLINGS_MAX) {
            break;
        }
    }
    return delay_ns;
}

bool cable_corrupts(const struct sim_process *from, const struct sim_process *to)
{
    return sim_chance(from->world, link_between(from, to)->corrupt_per_million);
}

uint64_t cable_retry_ns(struct sim_world *world, unsigned attempts)
{
    const uint64_t least_ns = RETRY_LEAST_NS << (attempts < RETRY_DOUBLINGS_MAX ? attempts : RETRY_DOUBLINGS_MAX);

    return least_ns + prng_below(&world->prng, least_ns / 4);
}

void sim_link_get(const struct sim_process *from, const struct sim_process *to, struct sim_link_options *options)
{
    *options = *link_between(from, to);
}

void sim_link_set(struct sim_process *from, struct sim_process *to, const struct sim_link_options *options)
{
    *link_between(from, to) = *options;
}

void sim_partition(struct sim_process *a, struct sim_process *b, bool blocked)
{
    sim_say(a->world, "%s between %s and %s", blocked ? "partition" : "no partition", a->name, b->name);
    link_between(a, b)->blocked = blocked;
    link_between(b, a)->blocked = blocked;
}

void sim_isolate(struct sim_process *process, bool blocked)
{
    for (unsigned i = 0; i < process->world->process_count; i++) {
        if (process->world->processes[i] != process) {
            sim_partition(process, process->world->processes[i], blocked);
        }
    }
}

void sim_heal(struct sim_world *world)
{
    sim_say(world, "the network is whole");
    for (unsigned from = 0; from < world->process_count; from++) {
        for (unsigned to = 0; to < world->process_count; to++) {
            world->links[from][to].options.blocked = false;
        }
    }
}
