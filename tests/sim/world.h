/* The inside of a world: what the files of the simulator share. See sim.h for what it is. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "tests/sim/sim.h"

#include "common/base/heap.h"
#include "common/base/list.h"
#include "tests/sim/ownership.h"

#include <setjmp.h>

struct sim_disk;
struct sim_loop;
struct trace;

/* Something that will happen. Embedded in its owner. */
struct sim_event {
    struct heap_node node; /* key: see sim_event_schedule */
    void (*fire)(struct sim_event *event);
};

struct sim_link {
    struct sim_link_options options;
};

/* Who runs right now. The simulator itself has all NULL. */
struct sim_scene {
    struct sim_process *process;
    struct sim_loop *loop; /* NULL on a worker and while the process starts */
    bool worker;
};

struct sim_world {
    struct sim_options options;
    uint64_t now_ns;
    struct prng prng;
    struct heap events;
    struct sim_process *processes[SIM_PROCESSES_MAX];
    unsigned process_count;
    struct sim_link links[SIM_PROCESSES_MAX][SIM_PROCESSES_MAX]; /* [from][to] */
    struct list connections; /* of struct sim_connection */
    struct list errands;     /* of sim_at */
    struct ownership ownership;
    struct sim_scene scene;
    uint64_t cost_ns; /* what the code that runs has used up of its loop's or worker's time */
    jmp_buf exit;     /* where a process goes that ends in the middle of its own code */
    enum sim_crash exit_how;
    uint64_t hash;
    struct sim_counters counters;
    struct trace *trace;
    char *failure;
};

/* Zeroed memory of the simulator's own, which no crash takes away; freed by sim_free. */
void *sim_alloc(size_t size);
void sim_free(void *memory);

void sim_event_init(struct sim_event *event, void (*fire)(struct sim_event *event));
/* Fires `delay_ns` from now; moves the event if it is scheduled already. Events of one nanosecond come in an order that
 * the seed decides. */
void sim_event_schedule(struct sim_world *world, struct sim_event *event, uint64_t delay_ns);
void sim_event_cancel(struct sim_world *world, struct sim_event *event);
bool sim_event_scheduled(const struct sim_event *event);
/* When it fires. It must be scheduled. */
uint64_t sim_event_at(const struct sim_event *event);

/* Something happened: it goes into the hash. */
void sim_note(struct sim_world *world, uint64_t what, uint64_t detail);
/* The code that runs has blocked its thread for that long. */
void sim_charge(struct sim_world *world, uint64_t duration_ns);

#endif
