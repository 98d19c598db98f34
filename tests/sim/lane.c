/* Worker threads. A job waits in its lane for a thread, then for the scheduler; its `work` happens in one instant, and
 * what its disk calls cost passes before `done` is told:
 *
 *     submit --> waiting --> (thread free) --> run --> work --> cost --> loop's finished list --> done */
#include "tests/sim/process.h"

#include "common/base/assert.h"

#define START_LEAST_NS UINT64_C(5000)
#define START_MOST_NS UINT64_C(200000)
#define RETURN_MOST_NS UINT64_C(50000)

struct job_run {
    struct sim_event event;
    struct list link;
    struct sim_process *process;
    struct sim_lane *lane;
    struct env_job *job;
    struct sim_loop *loop; /* gets the job back; NULL if it has no `done` */
    bool worked;
};

static void lane_start_jobs(struct sim_process *process, struct sim_lane *lane);

static void job_call(void *context)
{
    struct env_job *job = context;

    job->work(job);
}

static void job_return(struct job_run *run)
{
    struct sim_process *process = run->process;
    struct sim_lane *lane = run->lane;

    if (run->loop != NULL) {
        list_append(&run->loop->finished, &run->job->link);
        loop_wake(run->loop);
    }
    list_remove(&run->link);
    sim_free(run);
    lane->running--;
    lane_start_jobs(process, lane);
}

static void job_fire(struct sim_event *event)
{
    struct job_run *run = CONTAINER_OF(event, struct job_run, event);
    struct sim_process *process = run->process;
    struct sim_world *world = process->world;

    if (process->paused) {
        /* Stays unscheduled: lanes_resume goes on with it. */
        return;
    }
    if (run->worked) {
        job_return(run);
        return;
    }
    run->worked = true;
    sim_note(world, process->index, UINT64_C(0x10b));
    if (process_execute(process, NULL, true, job_call, run->job)) {
        sim_event_schedule(world, &run->event, world->cost_ns + sim_between(world, 0, RETURN_MOST_NS));
    }
}

static void lane_start_jobs(struct sim_process *process, struct sim_lane *lane)
{
    while (lane->running < lane->threads && !list_empty(&lane->waiting)) {
        struct job_run *run = sim_alloc(sizeof(*run));

        run->process = process;
        run->lane = lane;
        run->job = LIST_ENTRY(list_take_first(&lane->waiting), struct env_job, link);
        run->loop = run->job->done != NULL ? loop_of_env(run->job->env) : NULL;
        sim_event_init(&run->event, job_fire);
        list_append(&lane->runs, &run->link);
        lane->running++;
        sim_event_schedule(process->world, &run->event, sim_between(process->world, START_LEAST_NS, START_MOST_NS));
    }
}

void lane_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    struct sim_loop *loop = loop_of_env(env);
    struct sim_process *process = loop->process;

    loop_assert_owned(loop);
    ASSERT(job->work != NULL);
    if (job->done != NULL) {
        process->jobs++;
    }
    list_append(&process->lanes[lane].waiting, &job->link);
    lane_start_jobs(process, &process->lanes[lane]);
}

void lanes_init(struct sim_process *process)
{
    static const unsigned threads[ENV_LANE_COUNT] = {
        [ENV_LANE_SYNC] = 4, [ENV_LANE_READ] = 2, [ENV_LANE_COMPUTE] = 2, [ENV_LANE_BACKGROUND] = 2};

    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        list_init(&process->lanes[i].waiting);
        list_init(&process->lanes[i].runs);
        process->lanes[i].threads = threads[i];
    }
}

void lanes_abandon(struct sim_process *process)
{
    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        struct sim_lane *lane = &process->lanes[i];
        struct list *link;

        while ((link = list_take_first(&lane->runs)) != NULL) {
            struct job_run *run = LIST_ENTRY(link, struct job_run, link);

            sim_event_cancel(process->world, &run->event);
            sim_free(run);
        }
        lane->running = 0;
        list_init(&lane->waiting);
    }
    process->jobs = 0;
}

void lanes_resume(struct sim_process *process)
{
    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        LIST_EACH(link, &process->lanes[i].runs) {
            struct job_run *run = LIST_ENTRY(link, struct job_run, link);

            if (!sim_event_scheduled(&run->event)) {
                sim_event_schedule(process->world, &run->event, sim_between(process->world, 0, START_MOST_NS));
            }
        }
    }
}
