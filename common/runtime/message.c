/* Mail between threads: messages from other loops, finished jobs from workers.
 *
 * An inbox is a stack that any thread pushes to with one compare-and-swap and that the loop empties with one
 * exchange; the loop turns the links round, so what one sender posted comes out in order.
 *
 * A wake-up is a system call, so it is made only for a loop that sleeps. Both sides first write and then read, all
 * sequentially consistent:
 *
 *     sender: push, then read `sleeping`            loop: set `sleeping`, then look into the inboxes
 *
 * One of them must see the other's write, so mail and sleep cannot miss each other. Of several senders only the one
 * that takes `sleeping` back wakes the loop. */
#include "common/runtime/loop.h"

#include "common/base/assert.h"

void inbox_init(struct inbox *inbox)
{
    atomic_init(&inbox->last, NULL);
}

void inbox_push(struct runtime_loop *loop, struct inbox *inbox, struct list *link)
{
    struct list *last = atomic_load_explicit(&inbox->last, memory_order_relaxed);

    do {
        link->next = last;
    } while (!atomic_compare_exchange_weak(&inbox->last, &last, link));
    if (atomic_load(&loop->sleeping) && atomic_exchange(&loop->sleeping, false)) {
        uv_async_send(&loop->wake);
    }
}

bool inbox_empty(struct inbox *inbox)
{
    return atomic_load(&inbox->last) == NULL;
}

void inbox_take(struct inbox *inbox, struct list *to)
{
    struct list *link = atomic_exchange(&inbox->last, NULL);
    struct list batch;

    list_init(&batch);
    while (link != NULL) {
        struct list *before = link->next;

        list_prepend(&batch, link);
        link = before;
    }
    list_move_all(to, &batch);
}

bool inbox_sleep_begin(struct runtime_loop *loop)
{
    atomic_store(&loop->sleeping, true);
    if (inbox_empty(&loop->messages) && inbox_empty(&loop->finished)) {
        return true;
    }
    atomic_store(&loop->sleeping, false);
    return false;
}

void inbox_sleep_end(struct runtime_loop *loop)
{
    atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
}

void message_post(struct env *env, struct env_message *message)
{
    struct runtime_loop *loop = loop_of_env(env);

    ASSERT(message->deliver != NULL);
    inbox_push(loop, &loop->messages, &message->link);
}

bool message_deliver_all(struct runtime_loop *loop)
{
    struct list batch;
    struct list *link;

    if (inbox_empty(&loop->messages)) {
        return false;
    }
    list_init(&batch);
    inbox_take(&loop->messages, &batch);
    while ((link = list_take_first(&batch)) != NULL) {
        struct env_message *message = LIST_ENTRY(link, struct env_message, link);

        message->deliver(message);
    }
    return true;
}
