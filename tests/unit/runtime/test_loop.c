/* Turns, timers, hooks, jobs, messages between loops, signals. */
#include "tests/unit/runtime/world.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SENDERS 2
#define MESSAGES 100000
#define JOBS 1000

struct alarm {
    struct env_timer timer;
    struct world *world;
    char *log;
    char name;
    uint64_t fired_ns;
    uint64_t again_ns; /* restart with this delay once; 0: no */
    bool stop;
};

static void alarm_fire(void *context)
{
    struct alarm *alarm = context;
    const size_t used = strlen(alarm->log);

    alarm->log[used] = alarm->name;
    alarm->log[used + 1] = '\0';
    alarm->fired_ns = env_now_ns(alarm->world->env);
    if (alarm->again_ns > 0) {
        env_timer_start(alarm->world->env, &alarm->timer, alarm->again_ns);
        alarm->again_ns = 0;
    }
    if (alarm->stop) {
        env_stop(alarm->world->env);
    }
}

static void alarm_start(struct alarm *alarm, struct world *world, char *log, char name, uint64_t delay_ns)
{
    *alarm = (struct alarm){.world = world, .log = log, .name = name};
    env_timer_init(&alarm->timer, alarm_fire, alarm);
    env_timer_start(world->env, &alarm->timer, delay_ns);
}

static void timers_fire_in_order_and_not_early(void **state)
{
    struct world *world = *state;
    const uint64_t start_ns = env_now_ns(world->env);
    struct alarm alarms[5];
    char log[16] = "";

    alarm_start(&alarms[0], world, log, 'd', 30 * NS_PER_MS);
    alarm_start(&alarms[1], world, log, 'b', 300000);
    alarm_start(&alarms[2], world, log, 'c', 5 * NS_PER_MS);
    alarm_start(&alarms[3], world, log, 'a', 0);
    alarm_start(&alarms[4], world, log, 'x', NS_PER_MS);
    env_timer_stop(world->env, &alarms[4].timer);
    alarms[0].stop = true;
    world_run(world);
    assert_string_equal(log, "abcd");
    assert_true(alarms[0].fired_ns - start_ns >= 30 * NS_PER_MS);
    assert_true(alarms[1].fired_ns - start_ns >= 300000);
    assert_true(alarms[2].fired_ns - start_ns >= 5 * NS_PER_MS);
}

static void a_timer_can_be_restarted_also_from_its_callback(void **state)
{
    struct world *world = *state;
    struct alarm first;
    struct alarm last;
    char log[16] = "";

    alarm_start(&first, world, log, 'f', NS_PER_MS);
    first.again_ns = 3 * NS_PER_MS;
    alarm_start(&last, world, log, 'l', NS_PER_MS);
    env_timer_start(world->env, &last.timer, 20 * NS_PER_MS);
    last.stop = true;
    world_run(world);
    assert_string_equal(log, "ffl");
    assert_false(env_timer_active(&first.timer));
}

static void short_sleeps_are_precise(void **state)
{
    struct world *world = *state;
    uint64_t late_ns = UINT64_MAX;
    char log[32] = "";

    /* The best of ten: the machine may be busy, but not every time. */
    for (int i = 0; i < 10; i++) {
        struct alarm alarm;
        uint64_t deadline_ns;

        world_run_for(world, 1);
        alarm_start(&alarm, world, log, '.', 200000);
        deadline_ns = alarm.timer.node.key;
        alarm.stop = true;
        world_run(world);
        late_ns = alarm.fired_ns - deadline_ns < late_ns ? alarm.fired_ns - deadline_ns : late_ns;
    }
    assert_in_range(late_ns, 0, 500000);
}

struct chain {
    struct env_hook hook;
    struct world *world;
    uint64_t now_ns;
    unsigned runs;
};

static void chain_run(void *context)
{
    struct chain *chain = context;

    if (chain->runs == 0) {
        chain->now_ns = env_now_ns(chain->world->env);
    }
    assert_int_equal(env_now_ns(chain->world->env), chain->now_ns);
    chain->runs++;
    if (chain->runs < 5) {
        env_at_turn_end(chain->world->env, &chain->hook);
    } else {
        env_stop(chain->world->env);
    }
}

static void hooks_queued_by_hooks_run_in_the_same_turn(void **state)
{
    struct world *world = *state;
    struct chain chain = {.world = world};

    env_hook_init(&chain.hook, chain_run, &chain);
    env_at_turn_end(world->env, &chain.hook);
    world_run(world);
    assert_int_equal(chain.runs, 5);
}

static void clocks_and_randomness_are_the_systems(void **state)
{
    struct world *world = *state;
    void *other_state;
    struct world *other;
    const int64_t wall_ms = env_wall_ms(world->env);

    assert_true(llabs(wall_ms - (int64_t)time(NULL) * 1000) < 5000);
    assert_true(env_random(world->env) != env_random(world->env));
    world_open(&other_state);
    other = other_state;
    assert_true(env_random(world->env) != env_random(other->env));
    world_close(&other_state);
}

struct task {
    struct env_job job;
    struct world *world;
    pthread_t worker;
    pthread_t *loop_thread;
    unsigned *done;
    unsigned stop_at;
    unsigned input;
    unsigned output;
};

static void task_work(struct env_job *job)
{
    struct task *task = CONTAINER_OF(job, struct task, job);

    task->worker = pthread_self();
    task->output = task->input * 2;
}

static void task_done(struct env_job *job)
{
    struct task *task = CONTAINER_OF(job, struct task, job);

    assert_true(pthread_equal(pthread_self(), *task->loop_thread));
    assert_false(pthread_equal(task->worker, *task->loop_thread));
    assert_int_equal(task->output, task->input * 2);
    if (++*task->done == task->stop_at) {
        env_stop(task->world->env);
    }
}

static void jobs_work_on_workers_and_are_done_on_the_loop(void **state)
{
    struct world *world = *state;
    struct task *tasks = memory_alloc_zero(JOBS, sizeof(*tasks));
    pthread_t self = pthread_self();
    unsigned done = 0;

    for (unsigned i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){.job = {.work = task_work, .done = task_done},
                                 .world = world,
                                 .loop_thread = &self,
                                 .done = &done,
                                 .stop_at = JOBS,
                                 .input = i};
        env_submit(world->env, (enum env_lane)(i % ENV_LANE_COUNT), &tasks[i].job);
    }
    assert_int_equal(done, 0);
    world_run(world);
    assert_int_equal(done, JOBS);
    memory_free(tasks);
}

/* Jobs that end once all of them run, or after a second. */
struct meeting {
    struct env_job job;
    struct world *world;
    unsigned *present;
    unsigned *most;
    unsigned *done;
};

#define MEETING_SIZE 5

static void meeting_work(struct env_job *job)
{
    const struct meeting *meeting = CONTAINER_OF(job, struct meeting, job);
    unsigned seen = __atomic_add_fetch(meeting->present, 1, __ATOMIC_SEQ_CST);

    for (int i = 0; i < 1000 && seen < MEETING_SIZE; i++) {
        usleep(1000);
        seen = __atomic_load_n(meeting->present, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(meeting->most, seen, __ATOMIC_SEQ_CST);
}

static void meeting_done(struct env_job *job)
{
    const struct meeting *meeting = CONTAINER_OF(job, struct meeting, job);

    if (++*meeting->done == MEETING_SIZE) {
        env_stop(meeting->world->env);
    }
}

static void a_lane_has_as_many_threads_as_it_was_given(void **state)
{
    struct world *world = *state;
    struct meeting meetings[MEETING_SIZE];
    unsigned present = 0;
    unsigned most = 0;
    unsigned done = 0;

    runtime_workers_limit(world->workers, ENV_LANE_BACKGROUND, MEETING_SIZE);
    for (unsigned i = 0; i < MEETING_SIZE; i++) {
        meetings[i] = (struct meeting){.job = {.work = meeting_work, .done = meeting_done},
                                       .world = world,
                                       .present = &present,
                                       .most = &most,
                                       .done = &done};
        env_submit(world->env, ENV_LANE_BACKGROUND, &meetings[i].job);
    }
    world_run(world);
    assert_int_equal(most, MEETING_SIZE);
}

static void task_work_slowly(struct env_job *job)
{
    usleep(20000);
    task_work(job);
}

static void drain_waits_for_jobs(void **state)
{
    struct world *world = *state;
    pthread_t self = pthread_self();
    unsigned done = 0;
    struct task tasks[6];

    for (unsigned i = 0; i < ARRAY_COUNT(tasks); i++) {
        tasks[i] = (struct task){.job = {.work = task_work_slowly, .done = task_done},
                                 .world = world,
                                 .loop_thread = &self,
                                 .done = &done,
                                 .input = i};
        env_submit(world->env, ENV_LANE_READ, &tasks[i].job);
    }
    runtime_loop_drain(world->loop);
    assert_int_equal(done, ARRAY_COUNT(tasks));
}

static void task_work_alone(struct env_job *job)
{
    memory_free(CONTAINER_OF(job, struct task, job));
}

static void a_job_without_done_may_free_itself(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 100; i++) {
        struct task *task = memory_alloc_zero(1, sizeof(*task));

        task->job.work = task_work_alone;
        env_submit(world->env, ENV_LANE_BACKGROUND, &task->job);
    }
    /* The leak check of the sanitizer is the assertion: closing the workers waits for all of them. */
}

/* One of several threads that post to the loop of the test. */
struct sender {
    struct world *world;       /* with a loop of its own */
    struct receiver *receiver;
    struct note *notes;
    unsigned next;             /* the receiver expects this one */
    struct env_timer start;
};

struct receiver {
    struct world *world;
    unsigned senders_left;
    unsigned out_of_order;
};

struct note {
    struct env_message message;
    struct sender *sender;
    unsigned number;
};

static void note_deliver(struct env_message *message)
{
    struct note *note = CONTAINER_OF(message, struct note, message);
    struct sender *sender = note->sender;
    struct receiver *receiver = sender->receiver;

    receiver->out_of_order += note->number != sender->next;
    sender->next++;
    if (sender->next == MESSAGES && --receiver->senders_left == 0) {
        env_stop(receiver->world->env);
    }
}

/* Posts everything, with pauses now and then so that the receiver falls asleep in between. */
static void sender_post_all(void *context)
{
    struct sender *sender = context;

    for (unsigned i = 0; i < MESSAGES; i++) {
        sender->notes[i] = (struct note){.message.deliver = note_deliver, .sender = sender, .number = i};
        env_post(sender->receiver->world->env, &sender->notes[i].message);
        if (i % 10000 == 0) {
            usleep(2000);
        }
        if (i % 100 == 0) {
            sched_yield();
        }
    }
    env_stop(sender->world->env);
}

static void messages_between_loops_arrive_once_and_in_order(void **state)
{
    struct world *world = *state;
    struct receiver receiver = {.world = world, .senders_left = SENDERS};
    struct sender senders[SENDERS];
    struct world worlds[SENDERS];

    for (int i = 0; i < SENDERS; i++) {
        /* One of them polls busily. */
        const struct runtime_options options = {.workers = world->workers, .busy_poll_us = i == 0 ? 0 : 50};

        worlds[i] = (struct world){.loop = runtime_loop_create(&options)};
        worlds[i].env = runtime_loop_env(worlds[i].loop);
        senders[i] = (struct sender){.world = &worlds[i],
                                     .receiver = &receiver,
                                     .notes = memory_alloc_zero(MESSAGES, sizeof(struct note))};
        env_timer_init(&senders[i].start, sender_post_all, &senders[i]);
        env_timer_start(worlds[i].env, &senders[i].start, NS_PER_MS);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(runtime_thread_start(worlds[i].loop), STATUS_OK);
    }
    world_run(world);
    assert_int_equal(receiver.out_of_order, 0);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(senders[i].next, MESSAGES);
        runtime_thread_join(worlds[i].loop);
        runtime_loop_destroy(worlds[i].loop);
        memory_free(senders[i].notes);
    }
}

/* A message that two loops throw at each other. */
struct ball {
    struct env_message message;
    struct world *at;
    struct world *to;
    unsigned throws_left;
};

/* A message that ends a loop. */
struct whistle {
    struct env_message message;
    struct world *world;
};

static void whistle_deliver(struct env_message *message)
{
    env_stop(CONTAINER_OF(message, struct whistle, message)->world->env);
}

static void ball_deliver(struct env_message *message)
{
    struct ball *ball = CONTAINER_OF(message, struct ball, message);
    struct world *here = ball->to;

    if (ball->throws_left == 0) {
        env_stop(here->env);
        return;
    }
    ball->throws_left--;
    ball->to = ball->at;
    ball->at = here;
    env_post(ball->to->env, &ball->message);
}

static void no_wake_up_is_lost(void **state)
{
    static const uint32_t polls_us[] = {0, 20};
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_COUNT(polls_us); i++) {
        const struct runtime_options options = {.workers = world->workers, .busy_poll_us = polls_us[i]};
        struct world other = {.loop = runtime_loop_create(&options)};
        struct whistle whistle = {.message.deliver = whistle_deliver, .world = &other};
        /* An odd number of throws after the first ends here. */
        struct ball ball = {.message.deliver = ball_deliver, .at = world, .to = &other, .throws_left = 20001};

        other.env = runtime_loop_env(other.loop);
        assert_int_equal(runtime_thread_start(other.loop), STATUS_OK);
        env_post(other.env, &ball.message);
        world_run(world);
        assert_int_equal(ball.throws_left, 0);
        env_post(other.env, &whistle.message);
        runtime_thread_join(other.loop);
        runtime_loop_destroy(other.loop);
    }
}

struct signals {
    struct world *world;
    unsigned hangups;
    unsigned terminations;
};

static void on_hangup(void *context)
{
    struct signals *signals = context;

    signals->hangups++;
    kill(getpid(), SIGTERM);
}

static void on_termination(void *context)
{
    struct signals *signals = context;

    signals->terminations++;
    env_stop(signals->world->env);
}

static void signals_arrive_on_the_loop(void **state)
{
    struct world *world = *state;
    struct signals signals = {.world = world};

    assert_int_equal(runtime_on_signal(world->loop, SIGHUP, on_hangup, &signals), STATUS_OK);
    assert_int_equal(runtime_on_signal(world->loop, SIGTERM, on_termination, &signals), STATUS_OK);
    assert_int_equal(runtime_on_signal(world->loop, 0, on_termination, &signals), STATUS_INVALID);
    kill(getpid(), SIGHUP);
    world_run(world);
    assert_int_equal(signals.hangups, 1);
    assert_int_equal(signals.terminations, 1);
}

static uint64_t cpu_time_us(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void an_idle_loop_costs_nothing_even_if_it_may_poll(void **state)
{
    struct world *world = *state;
    struct world busy = {.loop = runtime_loop_create(
                             &(struct runtime_options){.workers = world->workers, .busy_poll_us = 1000000})};
    struct alarm alarms[20];
    char log[32] = "";
    uint64_t busy_us;

    busy.env = runtime_loop_env(busy.loop);
    for (int i = 0; i < 20; i++) {
        alarm_start(&alarms[i], &busy, log, '.', 10 * NS_PER_MS * (uint64_t)(i + 1));
    }
    alarms[19].stop = true;
    busy_us = cpu_time_us();
    runtime_loop_run(busy.loop);
    busy_us = cpu_time_us() - busy_us;
    assert_int_equal(strlen(log), 20);
    assert_in_range(busy_us, 0, 50000);
    runtime_loop_destroy(busy.loop);
}

static void the_descriptor_limit_is_raised_to_the_hard_one(void **state)
{
    struct rlimit before;
    struct rlimit low;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(runtime_raise_descriptor_limit(), before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(low.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_order_and_not_early, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_timer_can_be_restarted_also_from_its_callback, world_open, world_close),
        cmocka_unit_test_setup_teardown(short_sleeps_are_precise, world_open, world_close),
        cmocka_unit_test_setup_teardown(hooks_queued_by_hooks_run_in_the_same_turn, world_open, world_close),
        cmocka_unit_test_setup_teardown(clocks_and_randomness_are_the_systems, world_open, world_close),
        cmocka_unit_test_setup_teardown(jobs_work_on_workers_and_are_done_on_the_loop, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_lane_has_as_many_threads_as_it_was_given, world_open, world_close),
        cmocka_unit_test_setup_teardown(drain_waits_for_jobs, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_job_without_done_may_free_itself, world_open, world_close),
        cmocka_unit_test_setup_teardown(messages_between_loops_arrive_once_and_in_order, world_open, world_close),
        cmocka_unit_test_setup_teardown(no_wake_up_is_lost, world_open, world_close),
        cmocka_unit_test_setup_teardown(signals_arrive_on_the_loop, world_open, world_close),
        cmocka_unit_test_setup_teardown(an_idle_loop_costs_nothing_even_if_it_may_poll, world_open, world_close),
        cmocka_unit_test_setup_teardown(the_descriptor_limit_is_raised_to_the_hard_one, world_open, world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
