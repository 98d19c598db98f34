/* Processes: start, crash, pause, and the frame in which their code runs. */
#include "tests/sim/process.h"

#include "common/base/assert.h"
#include "tests/sim/disk.h"
#include "tests/sim/listener.h"
#include "tests/sim/stream.h"

#define BOOT_LEAST_NS (10 * UINT64_C(1000))
#define BOOT_MOST_NS (50 * NS_PER_MS)
#define PORT_FIRST 20000

static void process_boot(struct sim_event *event);

struct sim_process *sim_process_add(struct sim_world *world, const char *name, unsigned loops,
                                    const struct sim_program *program)
{
    struct sim_process *process = sim_alloc(sizeof(*process));
    const unsigned index = world->process_count;

    ASSERT(index < SIM_PROCESSES_MAX);
    ASSERT(loops > 0 && loops <= SIM_LOOPS_MAX);
    world->processes[index] = process;
    world->process_count++;
    process->world = world;
    process->index = index;
    process->name = sim_alloc(strlen(name) + 1);
    memcpy(process->name, name, strlen(name));
    process->program = program;
    process->loop_count = loops;
    process->next_port = PORT_FIRST;
    process->clock = clock_draw(&world->prng);
    process->disk = disk_create(process);
    prng_init(&process->prng, prng_next(&world->prng));
    sim_event_init(&process->boot, process_boot);
    list_init(&process->listeners);
    list_init(&process->accepted);
    for (unsigned i = 0; i < loops; i++) {
        loop_init(&process->loops[i], process, i);
    }
    for (unsigned i = 0; i <= index; i++) {
        cable_init(world, index, i);
        cable_init(world, i, index);
    }
    lanes_init(process);
    return process;
}

void process_free(struct sim_process *process)
{
    ASSERT(process->state == PROCESS_DOWN);
    disk_free(process->disk);
    sim_free(process->name);
    sim_free(process);
}

bool process_execute(struct sim_process *process, struct sim_loop *loop, bool worker, void (*run)(void *context),
                     void *context)
{
    struct sim_world *const world = process->world;

    ASSERT(world->scene.process == NULL);
    world->scene = (struct sim_scene){.process = process, .loop = loop, .worker = worker};
    world->ownership.current = &process->owner;
    world->cost_ns = 0;
    if (setjmp(world->exit) == 0) {
        run(context);
        world->scene.process = NULL;
    }
    /* A process that left keeps its scene until here. */
    world->ownership.current = NULL;
    if (world->scene.process != NULL) {
        world->scene = (struct sim_scene){.process = NULL};
        process_end(process, world->exit_how);
        return false;
    }
    world->scene = (struct sim_scene){.process = NULL};
    return true;
}

void process_leave(struct sim_process *process, enum sim_crash how)
{
    struct sim_world *world = process->world;

    ASSERT(world->scene.process == process);
    world->exit_how = how;
    world->counters.crashes++;
    longjmp(world->exit, 1);
}

static void process_call_start(void *context)
{
    struct sim_process *process = context;

    process->start_status = process->program->start(process, process->program->context);
}

static void process_boot(struct sim_event *event)
{
    struct sim_process *process = CONTAINER_OF(event, struct sim_process, boot);
    struct sim_world *world = process->world;

    process->state = PROCESS_RUNNING;
    process->dark = false;
    process->incarnation++;
    sim_note(world, process->index, process->incarnation);
    sim_say(world, "%s starts for the %u. time", process->name, process->incarnation);
    for (unsigned i = 0; i < process->loop_count; i++) {
        loop_start(&process->loops[i]);
    }
    if (process->program != NULL) {
        if (!process_execute(process, NULL, false, process_call_start, process)) {
            return;
        }
        if (process->start_status != STATUS_OK) {
            sim_say(world, "%s did not start: %s", process->name, status_text(process->start_status));
            process_end(process, SIM_KILL);
            return;
        }
    }
    for (unsigned i = 0; i < process->loop_count; i++) {
        process->loops[i].busy_until_ns = world->now_ns + world->cost_ns;
        loop_settle(&process->loops[i]);
    }
    process_check_end(process);
}

void sim_process_start(struct sim_process *process)
{
    ASSERT(process->state == PROCESS_DOWN);
    process->state = PROCESS_STARTING;
    sim_event_schedule(process->world, &process->boot, sim_between(process->world, BOOT_LEAST_NS, BOOT_MOST_NS));
}

/* Nothing of the incarnation is called or read here: the program's memory may be in any state. */
void process_end(struct sim_process *process, enum sim_crash how)
{
    struct sim_world *world = process->world;

    ASSERT(world->scene.process != process);
    sim_event_cancel(world, &process->boot);
    if (process->state == PROCESS_RUNNING || process->state == PROCESS_DRAINING) {
        lanes_abandon(process);
        listeners_abandon(process);
        for (unsigned i = 0; i < process->loop_count; i++) {
            loop_abandon(&process->loops[i]);
        }
        connections_abandon(process, how);
        disk_abandon(process->disk);
        ownership_release(&world->ownership, &process->owner);
    }
    process->state = PROCESS_DOWN;
    process->paused = false;
    if (how == SIM_POWER_CUT) {
        process->dark = true;
        disk_power_cut(process->disk);
    }
    sim_note(world, process->index, UINT64_C(0xdead) + how);
}

void sim_process_crash(struct sim_process *process, enum sim_crash how)
{
    sim_say(process->world, "%s %s", process->name, how == SIM_KILL ? "is killed" : "loses power");
    if (process->world->scene.process == process) {
        process_leave(process, how);
    }
    if (sim_process_running(process)) {
        process->world->counters.crashes++;
    }
    process_end(process, how);
}

void sim_process_exit(struct sim_process *process)
{
    sim_say(process->world, "%s exits", process->name);
    process_leave(process, SIM_KILL);
}

static void process_call_finish(void *context)
{
    struct sim_process *process = context;

    process->program->finish(process, process->program->context);
    for (unsigned i = 0; i < process->loop_count; i++) {
        env_deinit(&process->loops[i].env);
        heap_init(&process->loops[i].env.timers);
    }
}

/* Closes what is open, also what a last callback has opened again. */
static void process_drain(struct sim_process *process)
{
    process->state = PROCESS_DRAINING;
    listeners_close_all(process);
    for (unsigned i = 0; i < process->loop_count; i++) {
        streams_close_all(&process->loops[i]);
        loop_settle(&process->loops[i]);
    }
}

static void process_finish(struct sim_process *process)
{
    if (!process_execute(process, NULL, false, process_call_finish, process)) {
        return;
    }
    if (process->owner.blocks > 0) {
        sim_fail(process->world, "%s ended and left %zu blocks of %zu bytes", process->name, process->owner.blocks,
                 process->owner.bytes);
    } else if (disk_open_files(process->disk) > 0) {
        sim_fail(process->world, "%s ended and left %zu files open", process->name, disk_open_files(process->disk));
    }
    process_end(process, SIM_KILL);
}

/* Nothing is left that could call back. */
static bool process_quiet(const struct sim_process *process)
{
    bool quiet = process->jobs == 0;

    for (unsigned i = 0; i < process->loop_count; i++) {
        quiet = quiet && list_empty(&process->loops[i].streams) && !loop_has_work(&process->loops[i]);
    }
    return quiet;
}

void process_check_end(struct sim_process *process)
{
    bool stopped = true;

    for (unsigned i = 0; i < process->loop_count; i++) {
        stopped = stopped && process->loops[i].stopped;
    }
    if (!stopped) {
        return;
    }
    if (process->program == NULL || process->program->finish == NULL) {
        process_end(process, SIM_KILL);
        return;
    }
    process_drain(process);
    if (process_quiet(process)) {
        process_finish(process);
    }
}

void sim_process_run(struct sim_process *process, unsigned loop, void (*run)(void *context), void *context)
{
    ASSERT(process->state == PROCESS_RUNNING);
    ASSERT(loop < process->loop_count);
    loop_run(&process->loops[loop], run, context);
}

void sim_process_pause(struct sim_process *process)
{
    ASSERT(sim_process_running(process));
    process->paused = true;
    for (unsigned i = 0; i < process->loop_count; i++) {
        sim_event_cancel(process->world, &process->loops[i].turn);
    }
    sim_say(process->world, "%s stands still", process->name);
}

void sim_process_resume(struct sim_process *process)
{
    process->paused = false;
    sim_say(process->world, "%s goes on", process->name);
    lanes_resume(process);
    for (unsigned i = 0; i < process->loop_count; i++) {
        loop_wake(&process->loops[i]);
    }
}

bool sim_process_running(const struct sim_process *process)
{
    return process->state == PROCESS_RUNNING || process->state == PROCESS_DRAINING;
}

struct sim_process *sim_process_find(const struct sim_world *world, const char *name)
{
    for (unsigned i = 0; i < world->process_count; i++) {
        if (strcmp(world->processes[i]->name, name) == 0) {
            return world->processes[i];
        }
    }
    return NULL;
}

bool sim_process_starting(const struct sim_process *process)
{
    return process->state == PROCESS_STARTING;
}

const char *sim_process_name(const struct sim_process *process)
{
    return process->name;
}

struct sim_world *sim_process_world(const struct sim_process *process)
{
    return process->world;
}

struct env *sim_env(struct sim_process *process, unsigned loop)
{
    ASSERT(loop < process->loop_count);
    return &process->loops[loop].env;
}

size_t sim_process_memory(const struct sim_process *process)
{
    return process->owner.bytes;
}
