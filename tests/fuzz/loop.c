/* See loop.h. */
#include "tests/fuzz/loop.h"

#include "common/base/assert.h"

static struct fuzz_loop *loop_of(struct env *env)
{
    return CONTAINER_OF(env, struct fuzz_loop, env);
}

static uint64_t loop_now_ns(struct env *env)
{
    return loop_of(env)->now_ns;
}

static int64_t loop_wall_ms(struct env *env)
{
    return (int64_t)(1000000 + loop_of(env)->now_ns / NS_PER_MS);
}

static uint64_t loop_random(struct env *env)
{
    return prng_next(&loop_of(env)->memory.prng);
}

static void loop_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    (void)lane;
    list_init(&job->link);
    list_append(&loop_of(env)->jobs, &job->link);
}

static const struct env_ops loop_ops = {
    .now_ns = loop_now_ns, .wall_ms = loop_wall_ms, .random = loop_random, .submit = loop_submit};

void fuzz_loop_init(struct fuzz_loop *loop, struct net *net)
{
    memory_disk_init(&loop->memory, 1);
    env_init(&loop->env, &loop_ops, &loop->memory.disk, net);
    list_init(&loop->jobs);
    loop->now_ns = NS_PER_SECOND;
}

void fuzz_loop_deinit(struct fuzz_loop *loop)
{
    fuzz_loop_run(loop);
    memory_disk_deinit(&loop->memory);
    env_deinit(&loop->env);
}

void fuzz_loop_run(struct fuzz_loop *loop)
{
    struct list *link;

    env_run_hooks(&loop->env);
    while ((link = list_take_first(&loop->jobs)) != NULL) {
        struct env_job *job = LIST_ENTRY(link, struct env_job, link);

        job->work(job);
        if (job->done != NULL) {
            job->done(job);
        }
        env_run_hooks(&loop->env);
    }
}

void fuzz_loop_wait(struct fuzz_loop *loop, uint64_t ns)
{
    loop->now_ns += ns;
    env_fire_timers(&loop->env, loop->now_ns);
    fuzz_loop_run(loop);
}

void fuzz_loop_file(struct fuzz_loop *loop, const char *path, struct bytes contents)
{
    struct file *file;

    ASSERT(disk_open(&loop->memory.disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file) == STATUS_OK);
    ASSERT(file_write(file, 0, &contents, 1) == STATUS_OK);
    ASSERT(file_sync(file) == STATUS_OK);
    file_unref(file);
}
