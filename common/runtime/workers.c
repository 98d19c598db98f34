/* Worker threads: a few per lane, shared by the loops of a process. A job waits in its lane's queue, runs on one of the
 * lane's threads, and returns through the `finished` inbox of the loop that submitted it. */
#include "common/runtime/loop.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/runtime/runtime.h"

#include <signal.h>

#define LANE_THREADS_MAX 64

struct lane {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct list jobs;   /* of struct env_job, first in first out */
    size_t waiting;     /* jobs in the list */
    unsigned idle;      /* threads that wait for `filled` */
    unsigned started;
    unsigned threads_max;
    bool ending;
    const char *name;   /* of its threads, for people who look at them */
    pthread_t threads[LANE_THREADS_MAX];
};

struct runtime_workers {
    struct lane lanes[ENV_LANE_COUNT];
};

static void job_run(struct env_job *job)
{
    struct runtime_loop *loop = loop_of_env(job->env);

    /* A job without `done` may free itself in `work`. */
    if (job->done == NULL) {
        job->work(job);
        return;
    }
    job->work(job);
    inbox_push(loop, &loop->finished, &job->link);
}

static void *lane_run(void *context)
{
    struct lane *lane = context;

    pthread_mutex_lock(&lane->mutex);
    for (;;) {
        struct list *link = list_take_first(&lane->jobs);

        if (link != NULL) {
            lane->waiting--;
            pthread_mutex_unlock(&lane->mutex);
            job_run(LIST_ENTRY(link, struct env_job, link));
            pthread_mutex_lock(&lane->mutex);
        } else if (lane->ending) {
            break;
        } else {
            lane->idle++;
            pthread_cond_wait(&lane->filled, &lane->mutex);
            lane->idle--;
        }
    }
    pthread_mutex_unlock(&lane->mutex);
    return NULL;
}

/* One more thread, with the lane locked. Signals are for the loops: a worker has them blocked. */
static void lane_start_thread(struct lane *lane)
{
    pthread_t *thread = &lane->threads[lane->started];
    sigset_t all;
    sigset_t before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, NULL, lane_run, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        pthread_setname_np(*thread, lane->name);
        lane->started++;
    }
    /* Fewer threads than wished are slower, none is the end: jobs would wait for ever. */
    ASSERT(lane->started > 0);
}

struct runtime_workers *runtime_workers_create(const unsigned threads[ENV_LANE_COUNT])
{
    static const unsigned defaults[ENV_LANE_COUNT] = {
        [ENV_LANE_SYNC] = 4, [ENV_LANE_READ] = 2, [ENV_LANE_COMPUTE] = 2, [ENV_LANE_BACKGROUND] = 2};
    static const char *const names[ENV_LANE_COUNT] = {
        [ENV_LANE_SYNC] = "sync",
        [ENV_LANE_READ] = "read",
        [ENV_LANE_COMPUTE] = "compute",
        [ENV_LANE_BACKGROUND] = "background",
    };
    struct runtime_workers *workers = memory_alloc_zero(1, sizeof(*workers));

    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        struct lane *lane = &workers->lanes[i];

        lane->name = names[i];
        lane->threads_max = threads != NULL ? threads[i] : defaults[i];
        ASSERT(lane->threads_max > 0);
        ASSERT(lane->threads_max <= LANE_THREADS_MAX);
        pthread_mutex_init(&lane->mutex, NULL);
        pthread_cond_init(&lane->filled, NULL);
        list_init(&lane->jobs);
    }
    return workers;
}

void runtime_workers_limit(struct runtime_workers *workers, enum env_lane lane_index, unsigned threads_max)
{
    struct lane *lane = &workers->lanes[lane_index];

    ASSERT(threads_max > 0);
    ASSERT(threads_max <= LANE_THREADS_MAX);
    pthread_mutex_lock(&lane->mutex);
    ASSERT(lane->started == 0);
    lane->threads_max = threads_max;
    pthread_mutex_unlock(&lane->mutex);
}

void runtime_workers_destroy(struct runtime_workers *workers)
{
    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        struct lane *lane = &workers->lanes[i];

        pthread_mutex_lock(&lane->mutex);
        lane->ending = true;
        pthread_cond_broadcast(&lane->filled);
        pthread_mutex_unlock(&lane->mutex);
        for (unsigned n = 0; n < lane->started; n++) {
            pthread_join(lane->threads[n], NULL);
        }
        pthread_cond_destroy(&lane->filled);
        pthread_mutex_destroy(&lane->mutex);
    }
    memory_free(workers);
}

void workers_submit(struct env *env, enum env_lane lane_index, struct env_job *job)
{
    struct runtime_loop *loop = loop_of_env(env);
    struct lane *lane = &loop->workers->lanes[lane_index];
    bool wake;

    loop_assert_owned(loop);
    ASSERT(job->work != NULL);
    if (job->done != NULL) {
        loop->jobs++;
    }
    pthread_mutex_lock(&lane->mutex);
    list_append(&lane->jobs, &job->link);
    lane->waiting++;
    /* `idle` still counts threads that were signalled and did not run yet, hence the comparison. */
    if (lane->waiting > lane->idle && lane->started < lane->threads_max) {
        lane_start_thread(lane);
    }
    wake = lane->idle > 0;
    pthread_mutex_unlock(&lane->mutex);
    if (wake) {
        pthread_cond_signal(&lane->filled);
    }
}

bool workers_finish_all(struct runtime_loop *loop)
{
    struct list batch;
    struct list *link;

    if (inbox_empty(&loop->finished)) {
        return false;
    }
    list_init(&batch);
    inbox_take(&loop->finished, &batch);
    while ((link = list_take_first(&batch)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        ASSERT(loop->jobs > 0);
        loop->jobs--;
        job->done(job);
    }
    return true;
}
