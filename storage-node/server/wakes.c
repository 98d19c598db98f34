/* Woken fetches take turns: see wakes.h. */
#include "storage-node/server/wakes.h"

#include "common/base/assert.h"

static void wakes_look(struct wakes *wakes, struct wake *wake)
{
    if (wakes->looked == 0) {
        env_at_turn_end(wakes->env, &wakes->turned);
    }
    wakes->looked += wake->partitions + 1;
    wake->look(wake);
}

static void wakes_turned(void *context)
{
    struct wakes *wakes = context;

    wakes->looked = 0;
}

static void wakes_go_on(void *context)
{
    struct wakes *wakes = context;

    while (wakes->looked < WAKES_PER_TURN && !list_empty(&wakes->waiting)) {
        wakes_look(wakes, LIST_ENTRY(list_take_first(&wakes->waiting), struct wake, link));
    }
    if (!list_empty(&wakes->waiting)) {
        /* Not 0: that would be this turn. */
        env_timer_start(wakes->env, &wakes->next, 1);
    }
}

void wakes_init(struct wakes *wakes, struct env *env)
{
    *wakes = (struct wakes){.env = env};
    list_init(&wakes->waiting);
    env_timer_init(&wakes->next, wakes_go_on, wakes);
    env_hook_init(&wakes->turned, wakes_turned, wakes);
}

void wakes_deinit(struct wakes *wakes)
{
    ASSERT(list_empty(&wakes->waiting));
    env_timer_stop(wakes->env, &wakes->next);
    env_hook_cancel(&wakes->turned);
}

void wakes_add(struct wakes *wakes, struct wake *wake)
{
    if (wakes->looked < WAKES_PER_TURN && list_empty(&wakes->waiting)) {
        wakes_look(wakes, wake);
        return;
    }
    list_append(&wakes->waiting, &wake->link);
    if (!env_timer_active(&wakes->next)) {
        env_timer_start(wakes->env, &wakes->next, 1);
    }
}
