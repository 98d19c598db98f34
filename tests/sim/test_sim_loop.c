/* Loops, timers, messages, jobs, hooks, clocks and memory of simulated processes. */
#include "tests/sim/test_world.h"

#define SEEDS 50
#define MESSAGES 40
#define JOBS 12

/* The test's program: what its callbacks see. Lives outside the process, so a crash leaves it. */
struct probe {
    struct sim_process *process;
    struct env *env;
    struct env_timer timers[3];
    uint64_t fired_ns[3];
    int fired;
    struct env_hook hook;
    int hook_runs;
    struct env_message messages[2][MESSAGES]; /* [sender][number] */
    int delivered[2];
    bool out_of_order;
    bool overtaken;
    struct env_job jobs[JOBS];
    bool worked[JOBS];
    int working;
    int done;
    int finished;
    bool overtaken_job;
    void *kept;
};

static struct sim_world *world_of(uint64_t seed)
{
    return sim_world_create(&(struct sim_options){.seed = seed});
}

static void probe_fire(void *context)
{
    struct probe *probe = context;

    probe->fired_ns[probe->fired++] = env_now_ns(probe->env);
}

static enum status timers_start(struct sim_process *process, void *context)
{
    static const uint64_t delays_ms[3] = {300, 100, 200};
    struct probe *probe = context;

    probe->env = sim_env(process, 0);
    for (int i = 0; i < 3; i++) {
        env_timer_init(&probe->timers[i], probe_fire, probe);
        env_timer_start(probe->env, &probe->timers[i], delays_ms[i] * NS_PER_MS);
    }
    return STATUS_OK;
}

static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct probe probe = {.fired = 0};
        const struct sim_program program = {.start = timers_start, .context = &probe};
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);

        sim_clock_drift(process, (int32_t)seed * 2000 - 50000);
        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(probe.fired, 3);
        assert_true(probe.fired_ns[1] >= probe.fired_ns[0] + 80 * NS_PER_MS);
        assert_true(probe.fired_ns[2] >= probe.fired_ns[1] + 80 * NS_PER_MS);
        assert_true(probe.fired_ns[2] <= probe.fired_ns[0] + 400 * NS_PER_MS);
        sim_world_destroy(world);
    }
}

static void probe_stop_others(void *context)
{
    struct probe *probe = context;

    probe->fired++;
    env_timer_stop(probe->env, &probe->timers[0]);
    env_timer_stop(probe->env, &probe->timers[2]);
}

static enum status stopping_start(struct sim_process *process, void *context)
{
    struct probe *probe = context;
    const enum status status = timers_start(process, context);

    probe->timers[1].fire = probe_stop_others;
    return status;
}

static void a_stopped_timer_does_not_fire(void **state)
{
    struct probe probe = {.fired = 0};
    const struct sim_program program = {.start = stopping_start, .context = &probe};
    struct sim_world *world = world_of(1);

    (void)state;
    test_process(world, "a", 1, &program);
    assert_int_equal(probe.fired, 1);
    sim_world_destroy(world);
}

static void clocks_drift_and_jump_as_told(void **state)
{
    struct sim_world *world = world_of(2);
    struct sim_process *fast = test_process(world, "fast", 1, NULL);
    struct sim_process *slow = test_process(world, "slow", 1, NULL);
    struct probe probes[2] = {{.env = sim_env(fast, 0)}, {.env = sim_env(slow, 0)}};
    int64_t wall_ms;

    (void)state;
    sim_clock_drift(fast, 100000);
    sim_clock_drift(slow, -100000);
    sim_process_run(fast, 0, probe_fire, &probes[0]);
    sim_process_run(slow, 0, probe_fire, &probes[1]);
    sim_run_for(world, 10 * NS_PER_SECOND);
    sim_process_run(fast, 0, probe_fire, &probes[0]);
    sim_process_run(slow, 0, probe_fire, &probes[1]);
    assert_int_equal(probes[0].fired_ns[1] - probes[0].fired_ns[0], 11 * NS_PER_SECOND);
    assert_int_equal(probes[1].fired_ns[1] - probes[1].fired_ns[0], 9 * NS_PER_SECOND);
    wall_ms = env_wall_ms(sim_env(fast, 0));
    assert_true(wall_ms > SIM_WALL_START_MS);
    assert_true(wall_ms < SIM_WALL_START_MS + 20000);
    sim_clock_jump(fast, -3600000);
    assert_int_equal(env_wall_ms(sim_env(fast, 0)), wall_ms - 3600000);
    sim_world_destroy(world);
}

/* The place of a message in the probe. */
static void probe_deliver(struct env_message *message, struct probe *probe)
{
    const int sender = message >= probe->messages[1] ? 1 : 0;
    const int number = (int)(message - probe->messages[sender]);

    probe->out_of_order = probe->out_of_order || number != probe->delivered[sender];
    probe->delivered[sender]++;
    /* The second sender always sends after the first. */
    probe->overtaken =
        probe->overtaken || (sender == 0 && probe->delivered[1] > number / (MESSAGES / 4) * (MESSAGES / 4));
}

/* Messages carry no context, so this test has its probe here. */
static struct probe *mail_probe;

static void mail_deliver(struct env_message *message)
{
    probe_deliver(message, mail_probe);
}

static void mail_send(void *context)
{
    const int sender = *(int *)context;

    for (int i = 0; i < MESSAGES / 4; i++) {
        struct env_message *message = &mail_probe->messages[sender][mail_probe->fired + i];

        message->deliver = mail_deliver;
        env_post(mail_probe->env, message);
    }
}

static void messages_of_one_sender_arrive_in_order_and_those_of_two_in_any(void **state)
{
    int overtaken = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct probe probe = {.fired = 0};
        struct sim_world *world = world_of(seed);
        struct sim_process *process = test_process(world, "a", 3, NULL);
        int senders[2] = {0, 1};

        probe.env = sim_env(process, 2);
        mail_probe = &probe;
        for (; probe.fired < MESSAGES; probe.fired += MESSAGES / 4) {
            sim_process_run(process, 0, mail_send, &senders[0]);
            sim_process_run(process, 1, mail_send, &senders[1]);
            sim_run_for(world, prng_below(sim_prng(world), 30000));
        }
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(probe.delivered[0], MESSAGES);
        assert_int_equal(probe.delivered[1], MESSAGES);
        assert_false(probe.out_of_order);
        overtaken += probe.overtaken;
        sim_world_destroy(world);
    }
    assert_true(overtaken > 0);
}

static struct probe *job_probe;

static void job_work(struct env_job *job)
{
    const int number = (int)(job - job_probe->jobs);

    job_probe->worked[number] = true;
    job_probe->working++;
}

static void job_done(struct env_job *job)
{
    const int number = (int)(job - job_probe->jobs);

    assert_true(job_probe->worked[number]);
    job_probe->overtaken_job = job_probe->overtaken_job || number != job_probe->done;
    job_probe->done++;
}

static enum status jobs_start(struct sim_process *process, void *context)
{
    struct probe *probe = context;

    job_probe = probe;
    probe->env = sim_env(process, 0);
    for (int i = 0; i < JOBS; i++) {
        probe->jobs[i] = (struct env_job){.work = job_work, .done = job_done};
        env_submit(probe->env, ENV_LANE_SYNC, &probe->jobs[i]);
    }
    return STATUS_OK;
}

static void jobs_work_once_and_come_back_in_any_order(void **state)
{
    int overtaken = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct probe probe = {.fired = 0};
        const struct sim_program program = {.start = jobs_start, .context = &probe};
        struct sim_world *world = world_of(seed);

        test_process(world, "a", 1, &program);
        assert_int_equal(probe.working, JOBS);
        assert_int_equal(probe.done, JOBS);
        overtaken += probe.overtaken_job;
        sim_world_destroy(world);
    }
    assert_true(overtaken > 0);
}

static bool jobs_are_half_done(void *context)
{
    const struct probe *probe = context;

    return probe->done >= JOBS / 2;
}

static void a_crash_takes_jobs_timers_and_memory_with_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct probe probe = {.fired = 0};
        const struct sim_program program = {.start = jobs_start, .context = &probe};
        struct sim_world *world = world_of(seed);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);
        int done;

        sim_process_start(process);
        assert_true(sim_run_until(world, jobs_are_half_done, &probe, NS_PER_SECOND));
        sim_process_crash(process, SIM_KILL);
        done = probe.done;
        assert_int_equal(sim_process_memory(process), 0);
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(probe.done, done);
        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        assert_int_equal(probe.done, done + JOBS);
        sim_world_destroy(world);
    }
}

static void paused_jobs_and_timers_wait(void **state)
{
    struct probe probe = {.fired = 0};
    const struct sim_program program = {.start = jobs_start, .context = &probe};
    struct sim_world *world = world_of(7);
    struct sim_process *process = sim_process_add(world, "a", 1, &program);
    int done;

    (void)state;
    sim_process_start(process);
    assert_true(sim_run_until(world, jobs_are_half_done, &probe, NS_PER_SECOND));
    sim_process_pause(process);
    done = probe.done;
    sim_run_for(world, NS_PER_SECOND);
    assert_int_equal(probe.done, done);
    sim_process_resume(process);
    sim_run_for(world, NS_PER_SECOND);
    assert_int_equal(probe.done, JOBS);
    sim_world_destroy(world);
}

static void hook_run(void *context)
{
    struct probe *probe = context;

    probe->hook_runs++;
    if (probe->hook_runs < 3) {
        env_at_turn_end(probe->env, &probe->hook);
    }
}

static void hook_queue(void *context)
{
    struct probe *probe = context;

    env_at_turn_end(probe->env, &probe->hook);
    env_at_turn_end(probe->env, &probe->hook);
    assert_int_equal(probe->hook_runs, 0);
}

static void hooks_run_at_the_end_of_their_turn(void **state)
{
    struct sim_world *world = world_of(8);
    struct sim_process *process = test_process(world, "a", 1, NULL);
    struct probe probe = {.env = sim_env(process, 0)};

    (void)state;
    env_hook_init(&probe.hook, hook_run, &probe);
    sim_process_run(process, 0, hook_queue, &probe);
    assert_int_equal(probe.hook_runs, 3);
    sim_world_destroy(world);
}

static enum status refusing_start(struct sim_process *process, void *context)
{
    struct probe *probe = context;

    (void)process;
    probe->kept = memory_alloc(1000);
    return STATUS_INVALID;
}

static void a_program_that_does_not_start_leaves_nothing(void **state)
{
    struct probe probe = {.fired = 0};
    const struct sim_program program = {.start = refusing_start, .context = &probe};
    struct sim_world *world = world_of(9);
    struct sim_process *process = sim_process_add(world, "a", 1, &program);

    (void)state;
    sim_process_start(process);
    sim_run_for(world, NS_PER_SECOND);
    assert_false(sim_process_running(process));
    assert_int_equal(sim_process_memory(process), 0);
    sim_world_destroy(world);
}

static void exit_in_a_call(void *context)
{
    struct probe *probe = context;

    probe->kept = memory_alloc(1000);
    probe->fired++;
    sim_process_exit(probe->process);
}

static void a_process_that_exits_in_a_call_never_returns_from_it(void **state)
{
    struct sim_world *world = world_of(10);
    struct sim_process *process = test_process(world, "a", 1, NULL);
    struct probe probe = {.process = process};

    (void)state;
    sim_process_run(process, 0, exit_in_a_call, &probe);
    assert_int_equal(probe.fired, 1);
    assert_false(sim_process_running(process));
    assert_int_equal(sim_process_memory(process), 0);
    sim_world_destroy(world);
}

static enum status ending_start(struct sim_process *process, void *context)
{
    struct probe *probe = context;

    probe->kept = memory_alloc(1000);
    jobs_start(process, context);
    env_stop(sim_env(process, 0));
    return STATUS_OK;
}

static void ending_finish(struct sim_process *process, void *context)
{
    struct probe *probe = context;

    (void)process;
    probe->finished = probe->done;
    if (probe->fired == 0) {
        memory_free(probe->kept);
    }
}

static void an_orderly_end_waits_for_jobs_and_finds_leaks(void **state)
{
    (void)state;
    for (int leaking = 0; leaking < 2; leaking++) {
        struct probe probe = {.fired = leaking};
        const struct sim_program program = {.start = ending_start, .finish = ending_finish, .context = &probe};
        struct sim_world *world = world_of(11);
        struct sim_process *process = sim_process_add(world, "a", 1, &program);

        sim_process_start(process);
        sim_run_for(world, NS_PER_SECOND);
        assert_false(sim_process_running(process));
        assert_int_equal(probe.finished, JOBS);
        assert_int_equal(sim_failure(world) != NULL, leaking);
        sim_world_destroy(world);
    }
}

static void at_call(void *context)
{
    (*(int *)context)++;
}

static void errands_run_when_they_are_due(void **state)
{
    struct sim_world *world = world_of(12);
    int calls = 0;

    (void)state;
    sim_at(world, NS_PER_SECOND, at_call, &calls);
    sim_at(world, 3 * NS_PER_SECOND, at_call, &calls);
    sim_run_for(world, NS_PER_SECOND - 1);
    assert_int_equal(calls, 0);
    sim_run_for(world, 1);
    assert_int_equal(calls, 1);
    sim_world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_never_early),
        cmocka_unit_test(a_stopped_timer_does_not_fire),
        cmocka_unit_test(clocks_drift_and_jump_as_told),
        cmocka_unit_test(messages_of_one_sender_arrive_in_order_and_those_of_two_in_any),
        cmocka_unit_test(jobs_work_once_and_come_back_in_any_order),
        cmocka_unit_test(a_crash_takes_jobs_timers_and_memory_with_it),
        cmocka_unit_test(paused_jobs_and_timers_wait),
        cmocka_unit_test(hooks_run_at_the_end_of_their_turn),
        cmocka_unit_test(a_program_that_does_not_start_leaves_nothing),
        cmocka_unit_test(a_process_that_exits_in_a_call_never_returns_from_it),
        cmocka_unit_test(an_orderly_end_waits_for_jobs_and_finds_leaks),
        cmocka_unit_test(errands_run_when_they_are_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
