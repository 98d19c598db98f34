/* What both implementations of the env share: timers in a heap and the turn-end hooks. */
#include "common/env/env.h"

#include "common/base/assert.h"

void env_init(struct env *env, const struct env_ops *ops, struct disk *disk, struct net *net)
{
    *env = (struct env){.ops = ops, .disk = disk, .net = net};
    heap_init(&env->timers);
    list_init(&env->turn_hooks);
}

void env_deinit(struct env *env)
{
    heap_deinit(&env->timers);
}

void env_fire_timers(struct env *env, uint64_t now_ns)
{
    struct heap_node *node;

    /* Ends: a timer started by a handler lies at least 1 ns behind env_now_ns, which stands still within a turn. */
    while ((node = heap_first(&env->timers)) != NULL && node->key <= now_ns) {
        struct env_timer *timer = CONTAINER_OF(node, struct env_timer, node);

        heap_remove(&env->timers, node);
        timer->fire(timer->context);
    }
}

void env_run_hooks(struct env *env)
{
    struct list *link;

    while ((link = list_take_first(&env->turn_hooks)) != NULL) {
        struct env_hook *hook = LIST_ENTRY(link, struct env_hook, link);

        hook->run(hook->context);
    }
}

uint64_t env_next_deadline(const struct env *env)
{
    const struct heap_node *node = heap_first(&env->timers);

    return node != NULL ? node->key : UINT64_MAX;
}

void env_timer_init(struct env_timer *timer, void (*fire)(void *context), void *context)
{
    *timer = (struct env_timer){.node.place = HEAP_NOWHERE, .fire = fire, .context = context};
}

void env_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    env_timer_stop(env, timer);
    /* At least one nanosecond ahead, so that a timer started by a handler never fires in the same turn. */
    timer->node.key = env_now_ns(env) + (delay_ns > 0 ? delay_ns : 1);
    heap_insert(&env->timers, &timer->node);
}

void env_timer_stop(struct env *env, struct env_timer *timer)
{
    if (env_timer_active(timer)) {
        heap_remove(&env->timers, &timer->node);
    }
}

bool env_timer_active(const struct env_timer *timer)
{
    return timer->node.place != HEAP_NOWHERE;
}

void env_hook_init(struct env_hook *hook, void (*run)(void *context), void *context)
{
    *hook = (struct env_hook){.run = run, .context = context};
    list_init(&hook->link);
}

void env_at_turn_end(struct env *env, struct env_hook *hook)
{
    ASSERT(hook->run != NULL);
    if (list_empty(&hook->link)) {
        list_append(&env->turn_hooks, &hook->link);
    }
}

void env_hook_cancel(struct env_hook *hook)
{
    list_remove(&hook->link);
}
