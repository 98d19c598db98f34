/* A loop of a process: turns on virtual time. A turn happens in one instant; what it would have taken keeps the loop
 * busy until `busy_until_ns`. The order of its phases before the hooks, which env.h leaves open, is drawn for each
 * turn; so is how much of the mail is delivered and how long a wake-up takes. */
#include "tests/sim/process.h"

#include "common/base/assert.h"
#include "tests/sim/disk.h"
#include "tests/sim/stream.h"

#define TURN_LEAST_NS UINT64_C(1000)
#define TURN_MOST_NS UINT64_C(20000)
#define WAKE_MOST_NS UINT64_C(50000)
/* The system runs something else for a while. */
#define HICCUP_PER_MILLION 500
#define HICCUP_MOST_NS (20 * NS_PER_MS)
#define LEAVE_MAIL_PER_MILLION 50000
#define PHASES 4

/* A message on its way, with who sent it: only the order of one sender's messages is promised. */
struct sim_mail {
    struct list link;
    struct env_message *message;
    struct sim_loop *sender;
};

struct sim_loop *loop_of_env(struct env *env)
{
    return CONTAINER_OF(env, struct sim_loop, env);
}

void loop_assert_owned(const struct sim_loop *loop)
{
    const struct sim_scene *scene = &loop->process->world->scene;

    ASSERT(scene->process == loop->process);
    ASSERT(!scene->worker);
    /* While a program starts or finishes there is one thread for all loops. */
    ASSERT(scene->loop == loop || scene->loop == NULL);
}

static uint64_t loop_now_ns(struct env *env)
{
    const struct sim_loop *loop = loop_of_env(env);

    loop_assert_owned(loop);
    return clock_local_ns(&loop->process->clock, loop->process->world->now_ns);
}

static int64_t loop_wall_ms(struct env *env)
{
    const struct sim_process *process = loop_of_env(env)->process;

    return clock_wall_ms(&process->clock, process->world->now_ns);
}

static uint64_t loop_random(struct env *env)
{
    return prng_next(&loop_of_env(env)->process->prng);
}

static void loop_stop(struct env *env)
{
    struct sim_loop *loop = loop_of_env(env);

    loop_assert_owned(loop);
    loop->stopped = true;
}

static void loop_post(struct env *env, struct env_message *message)
{
    struct sim_loop *loop = loop_of_env(env);
    struct sim_world *world = loop->process->world;
    struct sim_mail *mail = sim_alloc(sizeof(*mail));
    struct list *before = &loop->mail;

    ASSERT(world->scene.process == loop->process);
    mail->message = message;
    mail->sender = world->scene.loop;
    /* It may overtake other senders' messages, never its own sender's. */
    while (before->previous != &loop->mail &&
           LIST_ENTRY(before->previous, struct sim_mail, link)->sender != mail->sender && sim_chance(world, 300000)) {
        before = before->previous;
    }
    list_insert_before(before, &mail->link);
    loop_wake(loop);
}

static const struct env_ops loop_env_ops = {
    .now_ns = loop_now_ns,
    .wall_ms = loop_wall_ms,
    .random = loop_random,
    .submit = lane_submit,
    .post = loop_post,
    .stop = loop_stop,
};

void sim_task_init(struct sim_task *task, void (*handle)(struct sim_task *task))
{
    list_init(&task->link);
    task->handle = handle;
}

void sim_task_queue(struct sim_loop *loop, struct list *list, struct sim_task *task)
{
    if (list_empty(&task->link)) {
        list_append(list, &task->link);
        loop_wake(loop);
    }
}

bool loop_has_work(const struct sim_loop *loop)
{
    return !list_empty(&loop->mail) || !list_empty(&loop->finished) || !list_empty(&loop->ready) ||
           !list_empty(&loop->flush) || !list_empty(&loop->env.turn_hooks);
}

/* The turns of a loop that was stopped come back for the drain. */
static bool loop_takes_turns(const struct sim_loop *loop)
{
    const struct sim_process *process = loop->process;

    return !process->paused &&
           ((process->state == PROCESS_RUNNING && !loop->stopped) || process->state == PROCESS_DRAINING);
}

/* A turn in `delay_ns`, unless one comes earlier or the loop is busy for longer. */
static void loop_plan(struct sim_loop *loop, uint64_t delay_ns)
{
    struct sim_world *world = loop->process->world;
    uint64_t at_ns = world->now_ns + delay_ns;

    if (at_ns < loop->busy_until_ns) {
        at_ns = loop->busy_until_ns;
    }
    if (!sim_event_scheduled(&loop->turn) || sim_event_at(&loop->turn) > at_ns) {
        sim_event_schedule(world, &loop->turn, at_ns - world->now_ns);
    }
}

void loop_wake(struct sim_loop *loop)
{
    struct sim_world *world = loop->process->world;

    /* The end of a running turn looks for itself. */
    if (loop_takes_turns(loop) && world->scene.loop != loop) {
        loop_plan(loop, sim_between(world, 0, WAKE_MOST_NS));
    }
}

void loop_settle(struct sim_loop *loop)
{
    struct sim_world *world = loop->process->world;
    const uint64_t deadline_ns = env_next_deadline(&loop->env);

    sim_event_cancel(world, &loop->turn);
    if (!loop_takes_turns(loop)) {
        return;
    }
    if (loop_has_work(loop)) {
        loop_plan(loop, 0);
    } else if (loop->process->state == PROCESS_RUNNING && deadline_ns != UINT64_MAX) {
        loop_plan(loop, clock_until_ns(&loop->process->clock, world->now_ns, deadline_ns) + 1);
    }
}

/* Delivers what is there now, or less. */
static void loop_deliver_mail(struct sim_loop *loop)
{
    size_t count = 0;

    LIST_EACH(link, &loop->mail) {
        count++;
    }
    for (; count > 0; count--) {
        struct sim_mail *mail = LIST_ENTRY(list_take_first(&loop->mail), struct sim_mail, link);
        struct env_message *message = mail->message;

        sim_free(mail);
        message->deliver(message);
        if (sim_chance(loop->process->world, LEAVE_MAIL_PER_MILLION)) {
            break;
        }
    }
}

static void loop_finish_jobs(struct sim_loop *loop)
{
    struct list batch;
    struct list *link;

    list_init(&batch);
    list_move_all(&batch, &loop->finished);
    while ((link = list_take_first(&batch)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        ASSERT(loop->process->jobs > 0);
        loop->process->jobs--;
        job->done(job);
    }
}

/* The list of the tasks at hand is the loop's, because a crash in one of them leaves the others in it. */
static void loop_run_tasks(struct sim_loop *loop, struct list *tasks)
{
    struct list *link;

    ASSERT(list_empty(&loop->running));
    list_move_all(&loop->running, tasks);
    while ((link = list_take_first(&loop->running)) != NULL) {
        struct sim_task *task = LIST_ENTRY(link, struct sim_task, link);

        task->handle(task);
    }
}

static void loop_phase(struct sim_loop *loop, unsigned phase)
{
    switch (phase) {
    case 0:
        loop_deliver_mail(loop);
        break;
    case 1:
        loop_finish_jobs(loop);
        break;
    case 2:
        loop_run_tasks(loop, &loop->ready);
        break;
    default:
        if (loop->process->state == PROCESS_RUNNING) {
            env_fire_timers(&loop->env, loop_now_ns(&loop->env));
        }
        break;
    }
}

static void loop_handle(void *context)
{
    struct sim_loop *loop = context;
    const uint64_t order = prng_next(&loop->process->world->prng);
    const unsigned first = (unsigned)(order % PHASES);
    const unsigned step = (order >> 32) % 2 == 0 ? 1 : PHASES - 1;

    for (unsigned i = 0; i < PHASES; i++) {
        loop_phase(loop, (first + i * step) % PHASES);
    }
}

struct loop_call {
    struct sim_loop *loop;
    void (*run)(void *context);
    void *context;
};

static void loop_take_turn(void *context)
{
    const struct loop_call *call = context;

    call->run(call->context);
    env_run_hooks(&call->loop->env);
    loop_run_tasks(call->loop, &call->loop->flush);
}

void loop_run(struct sim_loop *loop, void (*run)(void *context), void *context)
{
    struct sim_process *process = loop->process;
    struct sim_world *world = process->world;
    struct loop_call call = {.loop = loop, .run = run, .context = context};
    uint64_t takes_ns;

    world->counters.turns++;
    sim_note(world, process->index, loop->index);
    if (!process_execute(process, loop, false, loop_take_turn, &call)) {
        return;
    }
    takes_ns = sim_between(world, TURN_LEAST_NS, TURN_MOST_NS) + world->cost_ns;
    if (sim_chance(world, HICCUP_PER_MILLION)) {
        takes_ns += sim_between(world, 0, HICCUP_MOST_NS);
    }
    loop->busy_until_ns = world->now_ns + takes_ns;
    loop_settle(loop);
    process_check_end(process);
}

static void loop_turn(struct sim_event *event)
{
    struct sim_loop *loop = CONTAINER_OF(event, struct sim_loop, turn);

    loop_run(loop, loop_handle, loop);
}

void loop_init(struct sim_loop *loop, struct sim_process *process, unsigned index)
{
    loop->process = process;
    loop->index = index;
    sim_event_init(&loop->turn, loop_turn);
    list_init(&loop->mail);
    list_init(&loop->finished);
    list_init(&loop->ready);
    list_init(&loop->flush);
    list_init(&loop->running);
    list_init(&loop->streams);
    loop->net = (struct sim_net){.base = {.ops = &sim_net_ops}, .loop = loop};
    env_init(&loop->env, &loop_env_ops, disk_of(process->disk), &loop->net.base);
}

void loop_start(struct sim_loop *loop)
{
    loop->stopped = false;
    loop->busy_until_ns = 0;
    list_init(&loop->finished);
    list_init(&loop->ready);
    list_init(&loop->flush);
    list_init(&loop->running);
    env_init(&loop->env, &loop_env_ops, disk_of(loop->process->disk), &loop->net.base);
}

void loop_abandon(struct sim_loop *loop)
{
    struct list *link;

    sim_event_cancel(loop->process->world, &loop->turn);
    while ((link = list_take_first(&loop->mail)) != NULL) {
        sim_free(LIST_ENTRY(link, struct sim_mail, link));
    }
    streams_abandon(loop);
    env_deinit(&loop->env);
    loop_start(loop);
}
