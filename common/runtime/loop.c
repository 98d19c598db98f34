/* The event loop: turns, time, sleep. One turn, in the words of env.h:
 *
 *     loop_wait            1. collect: uv_run queues turn events on `ready`; sleeps in here if there is nothing to do
 *     loop_handle          2. messages, finished jobs, events, timers
 *     env_run_hooks        3. coalesced work
 *     loop_flush           4. streams write
 *
 * What handlers and callbacks queue during phase 2 on `ready`, or during phase 4 anywhere, belongs to the next turn,
 * which then does not sleep; so no list can keep a turn from ending. */
#include "common/runtime/loop.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/runtime/runtime.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>

/* Work that comes less often than this is not worth polling for. */
#define LIVELY_GAP_NS NS_PER_MS
/* libuv sleeps in whole milliseconds; closer deadlines are waited for with ppoll. */
#define FINE_SLEEP_NS (2 * NS_PER_MS)

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t loop_now_ns(struct env *env)
{
    return loop_of_env(env)->now_ns;
}

/* Asked for once with each batch, read once in a turn. */
static int64_t loop_wall_ms(struct env *env)
{
    struct runtime_loop *loop = loop_of_env(env);

    if (!loop->running || !loop->wall_known) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        loop->wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / (int64_t)NS_PER_MS;
        loop->wall_known = true;
    }
    return loop->wall_ms;
}

static uint64_t loop_random(struct env *env)
{
    return prng_next(&loop_of_env(env)->prng);
}

static void loop_stop(struct env *env)
{
    struct runtime_loop *loop = loop_of_env(env);

    loop_assert_owned(loop);
    loop->stopping = true;
}

static const struct env_ops loop_env_ops = {
    .now_ns = loop_now_ns,
    .wall_ms = loop_wall_ms,
    .random = loop_random,
    .submit = workers_submit,
    .post = message_post,
    .stop = loop_stop,
};

void loop_assert_owned(const struct runtime_loop *loop)
{
    if (loop->running) {
        ASSERT(pthread_equal(loop->owner, pthread_self()));
    }
}

/* Waking is all that wake and alarm do. */
static void loop_on_wake(uv_async_t *wake)
{
    (void)wake;
}

static void loop_on_alarm(uv_timer_t *alarm)
{
    (void)alarm;
}

static bool loop_has_work(struct runtime_loop *loop)
{
    return !list_empty(&loop->ready) || !list_empty(&loop->flush) || !list_empty(&loop->env.turn_hooks) ||
           !inbox_empty(&loop->messages) || !inbox_empty(&loop->finished);
}

static void loop_poll(struct runtime_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    loop->now_ns = clock_ns();
}

/* Polls without sleeping for as long as busy_poll_us says; true if there is something to do. */
static bool loop_busy_poll(struct runtime_loop *loop, uint64_t deadline_ns)
{
    const uint64_t end_ns = loop->worked_ns + loop->busy_poll_ns;

    if (!loop->lively) {
        return false;
    }
    do {
        loop_poll(loop);
        if (loop_has_work(loop) || deadline_ns <= loop->now_ns) {
            return true;
        }
    } while (loop->now_ns < end_ns);
    return false;
}

/* Sleeps until something is ready or `deadline_ns`. */
static void loop_sleep(struct runtime_loop *loop, uint64_t deadline_ns)
{
    uint64_t left_ns;

    loop->now_ns = clock_ns();
    left_ns = deadline_ns > loop->now_ns ? deadline_ns - loop->now_ns : 0;
    if (left_ns >= FINE_SLEEP_NS) {
        if (deadline_ns == UINT64_MAX) {
            uv_timer_stop(&loop->alarm);
        } else {
            uv_update_time(&loop->uv);
            uv_timer_start(&loop->alarm, loop_on_alarm, left_ns / NS_PER_MS + 1, 0);
        }
        uv_run(&loop->uv, UV_RUN_ONCE);
        return;
    }
    /* The first poll hands libuv's pending changes of interest to the kernel, so that ppoll sees them. */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (list_empty(&loop->ready) && left_ns > 0) {
        struct pollfd backend = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
        const struct timespec timeout = {.tv_nsec = (long)left_ns};

        (void)ppoll(&backend, 1, &timeout, NULL);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
}

/* Phase 1. Sets the time of the turn. */
static void loop_wait(struct runtime_loop *loop)
{
    const uint64_t deadline_ns = env_next_deadline(&loop->env);

    if (loop_has_work(loop)) {
        loop_poll(loop);
        return;
    }
    if (loop_busy_poll(loop, deadline_ns)) {
        return;
    }
    if (inbox_sleep_begin(loop)) {
        loop_sleep(loop, deadline_ns);
        inbox_sleep_end(loop);
    } else {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    loop->now_ns = clock_ns();
}

/* Handles the events that are queued now; those that are queued meanwhile stay. True if there was any. */
static bool loop_run_events(struct list *events)
{
    struct list batch;
    struct list *link;

    if (list_empty(events)) {
        return false;
    }
    list_init(&batch);
    list_move_all(&batch, events);
    while ((link = list_take_first(&batch)) != NULL) {
        struct turn_event *event = LIST_ENTRY(link, struct turn_event, link);

        event->handle(event);
    }
    return true;
}

/* Phases 2 to 4. */
static void loop_work(struct runtime_loop *loop, bool timers)
{
    bool worked = message_deliver_all(loop);

    worked |= workers_finish_all(loop);
    worked |= loop_run_events(&loop->ready);
    if (timers) {
        worked |= env_next_deadline(&loop->env) <= loop->now_ns;
        env_fire_timers(&loop->env, loop->now_ns);
    }
    env_run_hooks(&loop->env);
    worked |= loop_run_events(&loop->flush);
    if (worked) {
        loop->lively = loop->now_ns - loop->worked_ns <= LIVELY_GAP_NS && loop->busy_poll_ns > 0;
        loop->worked_ns = loop->now_ns;
    }
}

void runtime_loop_run(struct runtime_loop *loop)
{
    ASSERT(!loop->running);
    loop->running = true;
    loop->owner = pthread_self();
    loop->now_ns = clock_ns();
    while (!loop->stopping) {
        loop_wait(loop);
        loop->wall_known = false;
        loop_work(loop, true);
    }
    loop->stopping = false;
    loop->running = false;
}

/* Nothing is left that could call back. */
static bool loop_quiet(struct runtime_loop *loop)
{
    return list_empty(&loop->streams) && list_empty(&loop->listeners) && loop->jobs == 0 && !loop_has_work(loop);
}

void runtime_loop_drain(struct runtime_loop *loop)
{
    ASSERT(!loop->running);
    loop->running = true;
    loop->owner = pthread_self();
    for (;;) {
        listener_close_all(loop);
        stream_close_all(loop);
        if (loop_quiet(loop)) {
            break;
        }
        if (loop->jobs > 0 && !loop_has_work(loop) && inbox_sleep_begin(loop)) {
            uv_timer_stop(&loop->alarm);
            uv_run(&loop->uv, UV_RUN_ONCE);
            inbox_sleep_end(loop);
        }
        loop_poll(loop);
        loop->wall_known = false;
        loop_work(loop, false);
    }
    loop->stopping = false;
    loop->running = false;
}

static uint64_t loop_seed(void)
{
    uint64_t seed = 0;

    while (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        ASSERT(errno == EINTR);
    }
    return seed;
}

/* False if the system has no descriptors left. */
static bool loop_open(struct runtime_loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0) {
        return false;
    }
    if (uv_async_init(&loop->uv, &loop->wake, loop_on_wake) != 0) {
        ASSERT(uv_loop_close(&loop->uv) == 0);
        return false;
    }
    uv_timer_init(&loop->uv, &loop->alarm);
    return true;
}

struct runtime_loop *runtime_loop_create(const struct runtime_options *options)
{
    struct runtime_loop *loop = memory_alloc_zero(1, sizeof(*loop));

    ASSERT(options->workers != NULL);
    /* sendfile has no flag against it, and a peer that goes away must not end the process. */
    signal(SIGPIPE, SIG_IGN);
    if (!loop_open(loop)) {
        memory_free(loop);
        return NULL;
    }
    loop->net.ops = &runtime_net_ops;
    loop->disk.ops = &runtime_disk_ops;
    env_init(&loop->env, &loop_env_ops, &loop->disk, &loop->net);
    loop->now_ns = clock_ns();
    prng_init(&loop->prng, loop_seed());
    list_init(&loop->ready);
    list_init(&loop->flush);
    list_init(&loop->streams);
    list_init(&loop->listeners);
    list_init(&loop->signals);
    inbox_init(&loop->messages);
    inbox_init(&loop->finished);
    atomic_init(&loop->sleeping, false);
    loop->workers = options->workers;
    loop->busy_poll_ns = (uint64_t)options->busy_poll_us * 1000;
    return loop;
}

void runtime_loop_destroy(struct runtime_loop *loop)
{
    ASSERT(!loop->threaded);
    runtime_loop_drain(loop);
    signal_close_all(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    /* Only handles that are closing are left: this returns when the last one is closed. */
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop->uv) == 0);
    env_deinit(&loop->env);
    memory_free(loop);
}

struct env *runtime_loop_env(struct runtime_loop *loop)
{
    return &loop->env;
}
