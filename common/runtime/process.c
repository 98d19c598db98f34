/* Threads for loops, signals, and what a program asks of its process. */
#include "common/runtime/loop.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/runtime/runtime.h"

#include <sys/resource.h>

struct signal_watch {
    struct turn_event event;
    struct list link; /* in the loop's `signals` */
    struct runtime_loop *loop;
    uv_signal_t handle;
    void (*callback)(void *context);
    void *context;
};

static void *thread_run(void *context)
{
    runtime_loop_run(context);
    return NULL;
}

enum status runtime_thread_start(struct runtime_loop *loop)
{
    ASSERT(!loop->threaded);
    if (pthread_create(&loop->thread, NULL, thread_run, loop) != 0) {
        return STATUS_BUSY;
    }
    pthread_setname_np(loop->thread, "loop");
    loop->threaded = true;
    return STATUS_OK;
}

void runtime_thread_join(struct runtime_loop *loop)
{
    ASSERT(loop->threaded);
    pthread_join(loop->thread, NULL);
    loop->threaded = false;
}

static void signal_handle(struct turn_event *event)
{
    struct signal_watch *watch = CONTAINER_OF(event, struct signal_watch, event);

    watch->callback(watch->context);
}

static void signal_arrived(uv_signal_t *handle, int signal_number)
{
    struct signal_watch *watch = handle->data;

    (void)signal_number;
    turn_event_queue(&watch->loop->ready, &watch->event);
}

static void signal_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

enum status runtime_on_signal(struct runtime_loop *loop, int signal_number, void (*callback)(void *context),
                              void *context)
{
    struct signal_watch *watch = memory_alloc_zero(1, sizeof(*watch));

    loop_assert_owned(loop);
    *watch = (struct signal_watch){.loop = loop, .callback = callback, .context = context};
    turn_event_init(&watch->event, signal_handle);
    if (uv_signal_init(&loop->uv, &watch->handle) != 0) {
        memory_free(watch);
        return STATUS_NO_DESCRIPTORS;
    }
    watch->handle.data = watch;
    list_append(&loop->signals, &watch->link);
    return uv_signal_start(&watch->handle, signal_arrived, signal_number) == 0 ? STATUS_OK : STATUS_INVALID;
}

void signal_close_all(struct runtime_loop *loop)
{
    struct list *link;

    while ((link = list_take_first(&loop->signals)) != NULL) {
        struct signal_watch *watch = LIST_ENTRY(link, struct signal_watch, link);

        turn_event_cancel(&watch->event);
        uv_close((uv_handle_t *)&watch->handle, signal_closed);
    }
}

uint64_t runtime_raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        const struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return limit.rlim_cur;
}
