/* Virtual time: a queue of events, and nothing else moves the clock. The key of an event is
 *
 *     63                              16 15        0
 *     [ when it fires, ns              ] [ seed    ]
 *
 * so events of the same nanosecond come in an order that differs from seed to seed but not from run to run. 2^48 ns are
 * 78 hours, more than one world lives. */
#include "tests/sim/world.h"

#include "common/base/assert.h"
#include "common/base/map.h"
#include "tests/sim/narration.h"
#include "tests/sim/process.h"
#include "tests/sim/socket.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIE_BITS 16
#define FAILURE_TEXT_MAX 1024
#define TCP_TIMEOUT_NS (60 * NS_PER_SECOND)

/* A call that sim_at ordered. */
struct errand {
    struct sim_event event;
    struct list link;
    struct sim_world *world;
    void (*run)(void *context);
    void *context;
};

void *sim_alloc(size_t size)
{
    void *memory = calloc(1, size);

    ASSERT(memory != NULL);
    return memory;
}

void sim_free(void *memory)
{
    free(memory);
}

void sim_event_init(struct sim_event *event, void (*fire)(struct sim_event *event))
{
    *event = (struct sim_event){.node.place = HEAP_NOWHERE, .fire = fire};
}

bool sim_event_scheduled(const struct sim_event *event)
{
    return event->node.place != HEAP_NOWHERE;
}

uint64_t sim_event_at(const struct sim_event *event)
{
    ASSERT(sim_event_scheduled(event));
    return event->node.key >> TIE_BITS;
}

void sim_event_schedule(struct sim_world *world, struct sim_event *event, uint64_t delay_ns)
{
    struct owner *owner = world->ownership.current;
    const uint64_t at_ns = world->now_ns + delay_ns;

    ASSERT(at_ns < UINT64_C(1) << (64 - TIE_BITS));
    sim_event_cancel(world, event);
    event->node.key = at_ns << TIE_BITS | prng_next(&world->prng) >> (64 - TIE_BITS);
    /* The queue's memory is the world's, whoever makes it grow. */
    world->ownership.current = NULL;
    heap_insert(&world->events, &event->node);
    world->ownership.current = owner;
}

void sim_event_cancel(struct sim_world *world, struct sim_event *event)
{
    if (sim_event_scheduled(event)) {
        heap_remove(&world->events, &event->node);
    }
}

void sim_note(struct sim_world *world, uint64_t what, uint64_t detail)
{
    world->hash = hash_u64(world->hash + what) ^ hash_u64(detail + UINT64_C(0x9e3779b97f4a7c15));
}

void sim_charge(struct sim_world *world, uint64_t duration_ns)
{
    world->cost_ns += duration_ns;
}

struct sim_world *sim_world_create(const struct sim_options *options)
{
    struct sim_world *world = sim_alloc(sizeof(*world));

    world->options = *options;
    if (world->options.tcp_timeout_ns == 0) {
        world->options.tcp_timeout_ns = TCP_TIMEOUT_NS;
    }
    prng_init(&world->prng, options->seed);
    world->hash = options->seed;
    heap_init(&world->events);
    list_init(&world->connections);
    list_init(&world->errands);
    ownership_begin(&world->ownership);
    narration_begin(world);
    return world;
}

void sim_world_destroy(struct sim_world *world)
{
    struct list *link;

    ASSERT(world->scene.process == NULL);
    for (unsigned i = 0; i < world->process_count; i++) {
        process_end(world->processes[i], SIM_KILL);
    }
    connection_free_all(world);
    for (unsigned i = 0; i < world->process_count; i++) {
        process_free(world->processes[i]);
    }
    while ((link = list_take_first(&world->errands)) != NULL) {
        sim_free(LIST_ENTRY(link, struct errand, link));
    }
    heap_deinit(&world->events);
    narration_end(world);
    ownership_end(&world->ownership);
    sim_free(world->failure);
    sim_free(world);
}

uint64_t sim_now_ns(const struct sim_world *world)
{
    return world->now_ns;
}

uint64_t sim_trace_hash(const struct sim_world *world)
{
    return world->hash;
}

const struct sim_counters *sim_counters_get(const struct sim_world *world)
{
    return &world->counters;
}

struct prng *sim_prng(struct sim_world *world)
{
    return &world->prng;
}

bool sim_chance(struct sim_world *world, uint32_t per_million)
{
    return per_million > 0 && prng_below(&world->prng, 1000000) < per_million;
}

uint64_t sim_between(struct sim_world *world, uint64_t least, uint64_t most)
{
    uint64_t span = most > least ? most - least : 0;

    /* The lesser of two draws, and now and then the whole span. */
    if (span > 0 && !sim_chance(world, 50000)) {
        span = prng_below(&world->prng, span + 1);
    }
    return least + (span > 0 ? prng_below(&world->prng, span + 1) : 0);
}

/* Lets the first event happen; false if none is due by `end_ns`. */
static bool world_step(struct sim_world *world, uint64_t end_ns)
{
    struct heap_node *node = heap_first(&world->events);
    struct sim_event *event;

    if (node == NULL || node->key >> TIE_BITS > end_ns || world->failure != NULL) {
        return false;
    }
    event = CONTAINER_OF(node, struct sim_event, node);
    ASSERT(sim_event_at(event) >= world->now_ns);
    world->now_ns = sim_event_at(event);
    heap_remove(&world->events, node);
    world->counters.events++;
    sim_note(world, world->now_ns, world->counters.events);
    event->fire(event);
    return true;
}

void sim_run_for(struct sim_world *world, uint64_t duration_ns)
{
    const uint64_t end_ns = world->now_ns + duration_ns;

    ASSERT(world->scene.process == NULL);
    while (world_step(world, end_ns)) {
    }
    if (world->failure == NULL) {
        world->now_ns = end_ns;
    }
}

bool sim_run_until(struct sim_world *world, bool (*reached)(void *context), void *context, uint64_t limit_ns)
{
    const uint64_t end_ns = world->now_ns + limit_ns;

    ASSERT(world->scene.process == NULL);
    do {
        if (reached(context)) {
            return world->failure == NULL;
        }
    } while (world_step(world, end_ns));
    return false;
}

static void errand_fire(struct sim_event *event)
{
    struct errand *errand = CONTAINER_OF(event, struct errand, event);
    void (*run)(void *context) = errand->run;
    void *context = errand->context;

    list_remove(&errand->link);
    sim_free(errand);
    run(context);
}

void sim_at(struct sim_world *world, uint64_t delay_ns, void (*run)(void *context), void *context)
{
    struct errand *errand = sim_alloc(sizeof(*errand));

    sim_event_init(&errand->event, errand_fire);
    errand->world = world;
    errand->run = run;
    errand->context = context;
    list_append(&world->errands, &errand->link);
    sim_event_schedule(world, &errand->event, delay_ns);
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    char text[FAILURE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sim_say(world, "failure: %s", text);
    if (world->failure == NULL) {
        world->failure = sim_alloc(strlen(text) + 1);
        memcpy(world->failure, text, strlen(text));
    }
}

const char *sim_failure(const struct sim_world *world)
{
    return world->failure;
}
