/* The fake loops and streams. A turn is that of env.h: messages, timers, streams, hooks, sending. */
#include "tests/unit/rpc/world.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

#include <stdio.h>

#define TURNS_MAX 1000000

struct net_accepted {
    struct world *world;
    const char *peer;
};

static struct fake_loop *loop_of(struct env *env)
{
    return CONTAINER_OF(env, struct fake_loop, env);
}

static struct fake_stream *fake_of(const struct stream *stream)
{
    return (struct fake_stream *)(uintptr_t)stream;
}

static uint64_t fake_now(struct env *env)
{
    return loop_of(env)->world->now_ns;
}

static int64_t fake_wall(struct env *env)
{
    return (int64_t)(loop_of(env)->world->now_ns / NS_PER_MS);
}

static uint64_t fake_random(struct env *env)
{
    (void)env;
    return 4;
}

static void fake_submit(struct env *env, enum env_lane lane, struct env_job *job)
{
    (void)lane;
    list_append(&loop_of(env)->jobs, &job->link);
}

static void fake_post(struct env *env, struct env_message *message)
{
    /* Not one that is under way already. */
    ASSERT(message->link.next == NULL || list_empty(&message->link));
    list_append(&loop_of(env)->messages, &message->link);
}

static void fake_stop(struct env *env)
{
    (void)env;
}

static const struct env_ops FAKE_ENV_OPS = {
    .now_ns = fake_now,
    .wall_ms = fake_wall,
    .random = fake_random,
    .submit = fake_submit,
    .post = fake_post,
    .stop = fake_stop,
};

/* --- streams --- */

static struct fake_stream *fake_create(struct fake_loop *loop, const struct stream_handler *handler, void *context)
{
    struct fake_stream *stream = memory_alloc_zero(1, sizeof(*stream));

    stream->base.net = &loop->net;
    stream->loop = loop;
    stream->handler = handler;
    stream->context = context;
    stream->chunk = SIZE_MAX;
    stream->window = SIZE_MAX;
    buffer_init(&stream->in);
    buffer_init(&stream->out);
    list_init(&stream->sends);
    list_append(&loop->streams, &stream->link);
    return stream;
}

static void fake_shut(struct fake_stream *stream, enum status why)
{
    if (!stream->closing) {
        stream->closing = true;
        stream->why = why;
    }
}

static struct stream *fake_adopt(struct net *net, struct net_accepted *accepted, const struct stream_handler *handler,
                                 void *context)
{
    struct fake_loop *loop = CONTAINER_OF(net, struct fake_loop, net);

    memory_free(accepted);
    if (loop->world->refuse_adopt) {
        return NULL;
    }
    loop->world->adopted = fake_create(loop, handler, context);
    return &loop->world->adopted->base;
}

static void fake_refuse(struct net_accepted *accepted)
{
    accepted->world->loops[0].refused++;
    memory_free(accepted);
}

static void fake_accepted_peer(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX])
{
    snprintf(text, NET_ADDRESS_TEXT_MAX, "%s", accepted->peer);
}

static struct stream *fake_connect(struct net *net, const char *host, uint16_t port,
                                   const struct stream_handler *handler,
                                   void *context)
{
    struct fake_loop *loop = CONTAINER_OF(net, struct fake_loop, net);
    struct fake_stream *stream = fake_create(loop, handler, context);

    (void)host;
    (void)port;
    stream->opening = true;
    loop->world->connected = stream;
    return &stream->base;
}

static void fake_send(struct stream *base, struct send *send)
{
    struct fake_stream *stream = fake_of(base);

    ASSERT(!stream->dismissed);
    list_append(&stream->sends, &send->link);
}

static size_t fake_unsent(const struct stream *base)
{
    const struct fake_stream *stream = fake_of(base);
    size_t size = 0;

    LIST_EACH(link, &stream->sends) {
        const struct send *send = LIST_ENTRY(link, struct send, link);

        for (size_t i = 0; i < send->part_count; i++) {
            size += send->parts[i].size;
        }
    }
    return size;
}

static void fake_resume(struct stream *base)
{
    fake_of(base)->paused = false;
}

static void fake_close(struct stream *base)
{
    fake_of(base)->dismissed = true;
    fake_shut(fake_of(base), STATUS_OK);
}

static const char *fake_peer(const struct stream *base)
{
    (void)base;
    return "fake:1";
}

static const struct net_ops FAKE_NET_OPS = {
    .adopt = fake_adopt,
    .refuse = fake_refuse,
    .accepted_peer = fake_accepted_peer,
    .connect = fake_connect,
    .send = fake_send,
    .unsent = fake_unsent,
    .resume = fake_resume,
    .close = fake_close,
    .peer = fake_peer,
};

void stream_push(struct fake_stream *stream, const void *data, size_t size)
{
    buffer_append(&stream->in, data, size);
}

void stream_end(struct fake_stream *stream)
{
    stream->ended = true;
}

void stream_join(struct fake_stream *a, struct fake_stream *b)
{
    a->peer = b;
    b->peer = a;
}

static void fake_finish(struct fake_stream *stream)
{
    struct list *link;

    while ((link = list_take_first(&stream->sends)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, STATUS_CLOSED);
    }
    if (stream->peer != NULL) {
        stream->peer->ended = true;
        stream->peer->peer = NULL;
    }
    if (stream->loop->world->adopted == stream) {
        stream->loop->world->adopted = NULL;
    }
    if (stream->loop->world->connected == stream) {
        stream->loop->world->connected = NULL;
    }
    if (stream->gone != NULL) {
        *stream->gone = true;
    }
    list_remove(&stream->link);
    stream->handler->closed(stream->context, stream->why);
    buffer_deinit(&stream->in);
    buffer_deinit(&stream->out);
    memory_free(stream);
}

/* True if something happened. */
static bool fake_receive(struct fake_stream *stream)
{
    bool worked = false;

    while (!stream->closing && !stream->paused && stream->in_at < stream->in.size) {
        const struct space space = stream->handler->space(stream->context);
        size_t size = stream->in.size - stream->in_at;

        worked = true;
        if (stream->closing) {
            return true;
        }
        if (space.size == 0) {
            stream->paused = true;
            return true;
        }
        size = size < space.size ? size : space.size;
        size = size < stream->chunk ? size : stream->chunk;
        memcpy(space.data, stream->in.data + stream->in_at, size);
        stream->in_at += size;
        stream->receives++;
        stream->handler->received(stream->context, size);
    }
    if (!stream->closing && stream->ended && stream->in_at == stream->in.size) {
        fake_shut(stream, STATUS_END);
        worked = true;
    }
    return worked;
}

static bool fake_handle(struct fake_stream *stream)
{
    if (stream->closing) {
        fake_finish(stream);
        return true;
    }
    if (stream->opening) {
        if (stream->loop->world->on_connect == NULL) {
            return false;
        }
        stream->opening = false;
        stream->loop->world->on_connect(stream->loop->world, stream);
        stream->handler->opened(stream->context);
        return true;
    }
    return fake_receive(stream);
}

static void fake_take(struct fake_stream *stream, struct send_part *part, size_t size)
{
    struct buffer *into = stream->peer != NULL ? &stream->peer->in : &stream->out;
    uint8_t *at = buffer_reserve(into, size);
    size_t got = size;

    if (part->file != NULL) {
        const enum status status = file_read(part->file, part->offset, at, size, &got);

        ASSERT(status == STATUS_OK);
        part->offset += size;
    } else {
        memcpy(at, part->data, size);
        part->data += size;
    }
    ASSERT(got == size);
    into->size += size;
    part->size -= size;
}

static bool fake_flush(struct fake_stream *stream)
{
    bool worked = false;

    while (!stream->closing && !list_empty(&stream->sends)) {
        struct send *send = LIST_ENTRY(stream->sends.next, struct send, link);

        for (size_t i = 0; i < send->part_count; i++) {
            struct send_part *part = &send->parts[i];
            const size_t size = part->size < stream->window ? part->size : stream->window;

            worked |= size > 0;
            if (size > 0) {
                fake_take(stream, part, size);
                stream->window -= stream->window == SIZE_MAX ? 0 : size;
            }
            if (part->size > 0) {
                return worked;
            }
        }
        list_remove(&send->link);
        send->sent(send, STATUS_OK);
        worked = true;
    }
    return worked;
}

/* --- turns --- */

/* The jobs that were submitted up to now. */
static bool fake_work(struct fake_loop *loop)
{
    struct list batch;
    struct list *link;
    bool worked = false;

    if (loop->world->hold_jobs) {
        return false;
    }
    list_init(&batch);
    list_move_all(&batch, &loop->jobs);
    while (!list_empty(&batch)) {
        struct env_job *job;

        link = loop->world->newest_first ? batch.previous : batch.next;
        list_remove(link);
        job = LIST_ENTRY(link, struct env_job, link);

        const bool owned = job->done != NULL;

        job->work(job);
        if (owned) {
            job->done(job);
        }
        worked = true;
    }
    return worked;
}

static bool fake_turn(struct fake_loop *loop)
{
    bool worked = fake_work(loop);
    struct list batch;
    struct list *link;

    list_init(&batch);
    list_move_all(&batch, &loop->messages);
    while ((link = list_take_first(&batch)) != NULL) {
        struct env_message *message = LIST_ENTRY(link, struct env_message, link);

        message->deliver(message);
        worked = true;
    }
    worked |= env_next_deadline(&loop->env) <= loop->world->now_ns;
    env_fire_timers(&loop->env, loop->world->now_ns);
    for (struct list *at = loop->streams.next; at != &loop->streams;) {
        struct list *next = at->next;

        worked |= fake_handle(LIST_ENTRY(at, struct fake_stream, link));
        at = next;
    }
    worked |= !list_empty(&loop->env.turn_hooks);
    env_run_hooks(&loop->env);
    LIST_EACH(at, &loop->streams) {
        worked |= fake_flush(LIST_ENTRY(at, struct fake_stream, link));
    }
    return worked || !list_empty(&loop->messages) || !list_empty(&loop->env.turn_hooks) ||
           (!list_empty(&loop->jobs) && !loop->world->hold_jobs);
}

void world_turn(struct world *world, size_t loop)
{
    (void)fake_turn(&world->loops[loop]);
}

void world_set_disk(struct world *world, struct disk *disk)
{
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        world->loops[i].env.disk = disk;
    }
}

void world_run(struct world *world)
{
    bool worked = true;

    for (int turn = 0; worked; turn++) {
        ASSERT(turn < TURNS_MAX);
        worked = false;
        for (size_t i = 0; i < WORLD_LOOPS; i++) {
            worked |= fake_turn(&world->loops[i]);
        }
    }
}

void world_sleep(struct world *world, uint64_t ns)
{
    const uint64_t end_ns = world->now_ns + ns;

    world_run(world);
    for (;;) {
        uint64_t next_ns = end_ns;

        for (size_t i = 0; i < WORLD_LOOPS; i++) {
            const uint64_t deadline_ns = env_next_deadline(&world->loops[i].env);

            next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
        }
        world->now_ns = next_ns > world->now_ns ? next_ns : world->now_ns;
        world_run(world);
        if (world->now_ns >= end_ns) {
            return;
        }
    }
}

struct net_accepted *world_accept(struct world *world)
{
    return world_accept_from(world, "fake:1");
}

struct net_accepted *world_accept_from(struct world *world, const char *peer)
{
    struct net_accepted *accepted = memory_alloc(sizeof(*accepted));

    *accepted = (struct net_accepted){world, peer};
    return accepted;
}

struct env *world_env(struct world *world, size_t loop)
{
    return &world->loops[loop].env;
}

void world_init(struct world *world)
{
    *world = (struct world){.now_ns = NS_PER_SECOND};
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        struct fake_loop *loop = &world->loops[i];

        loop->world = world;
        loop->net.ops = &FAKE_NET_OPS;
        env_init(&loop->env, &FAKE_ENV_OPS, NULL, &loop->net);
        list_init(&loop->messages);
        list_init(&loop->jobs);
        list_init(&loop->streams);
    }
}

void world_deinit(struct world *world)
{
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        ASSERT(list_empty(&world->loops[i].streams));
        ASSERT(list_empty(&world->loops[i].messages));
        ASSERT(list_empty(&world->loops[i].jobs));
        env_deinit(&world->loops[i].env);
    }
}
