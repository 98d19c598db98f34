/* What the tests of the runtime share: a loop with a guard timer, so that a callback that never comes fails a test
 * instead of hanging it. */
#ifndef TESTS_RUNTIME_WORLD_H
#define TESTS_RUNTIME_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/env/env.h"
#include "common/env/net.h"
#include "common/runtime/runtime.h"

#define WORLD_PATIENCE_NS (20 * NS_PER_SECOND)

struct world {
    struct runtime_workers *workers;
    struct runtime_loop *loop;
    struct env *env;
    struct env_timer guard;
    bool timed_out;
};

static inline void world_lose_patience(void *context)
{
    struct world *world = context;

    world->timed_out = true;
    env_stop(world->env);
}

static inline int world_open(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    world->workers = runtime_workers_create(NULL);
    world->loop = runtime_loop_create(&(struct runtime_options){.workers = world->workers});
    assert_non_null(world->loop);
    world->env = runtime_loop_env(world->loop);
    env_timer_init(&world->guard, world_lose_patience, world);
    *state = world;
    return 0;
}

static inline int world_close(void **state)
{
    struct world *world = *state;

    runtime_loop_destroy(world->loop);
    runtime_workers_destroy(world->workers);
    memory_free(world);
    return 0;
}

/* Runs until a callback calls env_stop. */
static inline void world_run(struct world *world)
{
    env_timer_start(world->env, &world->guard, WORLD_PATIENCE_NS);
    runtime_loop_run(world->loop);
    env_timer_stop(world->env, &world->guard);
    assert_false(world->timed_out);
}

/* Runs for `ns`, whatever happens. */
static inline void world_run_for(struct world *world, uint64_t ns)
{
    env_timer_start(world->env, &world->guard, ns);
    runtime_loop_run(world->loop);
    env_timer_stop(world->env, &world->guard);
    world->timed_out = false;
}

#endif
