/* See chatter.h. A server's conversation has one block at a time, so its back-pressure reaches the client. */
#include "tests/sim/chatter.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdio.h>

#define BLOCK_SIZE 8192
#define RECONNECT_NS (100 * NS_PER_MS)

/* One connection of the server. */
struct conversation {
    struct env_message handover;
    struct net_accepted *accepted;
    struct chatter_server *server;
    unsigned number;
    struct env *env;
    struct stream *stream;
    struct file *file;
    struct env_job job;
    enum status job_status;
    struct send send;
    struct send_part part;
    bool busy; /* a job or a send has the block */
    bool closed;
    size_t size;
    uint8_t block[BLOCK_SIZE];
};

static void conversation_end(struct conversation *conversation)
{
    if (conversation->closed && !conversation->busy) {
        file_unref(conversation->file);
        memory_free(conversation);
    }
}

static void conversation_sent(struct send *send, enum status status)
{
    struct conversation *conversation = CONTAINER_OF(send, struct conversation, send);

    conversation->busy = false;
    if (status == STATUS_OK) {
        conversation->server->echoed += conversation->size;
        stream_resume(conversation->stream);
    }
}

/* On a worker. */
static void conversation_work(struct env_job *job)
{
    struct conversation *conversation = CONTAINER_OF(job, struct conversation, job);
    const struct bytes part = bytes_of(conversation->block, conversation->size);

    conversation->job_status = file_write(conversation->file, 0, &part, 1);
    if (conversation->job_status == STATUS_OK) {
        conversation->job_status = file_sync(conversation->file);
    }
}

/* Half of each answer comes from memory and half from the file. */
static void conversation_worked(struct env_job *job)
{
    struct conversation *conversation = CONTAINER_OF(job, struct conversation, job);

    if (conversation->closed) {
        conversation->busy = false;
        conversation_end(conversation);
        return;
    }
    if (conversation->job_status != STATUS_OK) {
        conversation->busy = false;
        stream_close(conversation->stream);
        return;
    }
    conversation->part = (struct send_part){.data = conversation->block, .size = conversation->size};
    if (env_random(conversation->env) % 2 == 0) {
        conversation->part = (struct send_part){.file = conversation->file, .size = conversation->size};
    }
    conversation->send = (struct send){.parts = &conversation->part, .part_count = 1, .sent = conversation_sent};
    stream_send(conversation->stream, &conversation->send);
}

static struct space conversation_space(void *context)
{
    struct conversation *conversation = context;

    return (struct space){conversation->block, conversation->busy ? 0 : BLOCK_SIZE};
}

static void conversation_received(void *context, size_t size)
{
    struct conversation *conversation = context;

    conversation->busy = true;
    conversation->size = size;
    conversation->job.work = conversation_work;
    conversation->job.done = conversation_worked;
    env_submit(conversation->env, ENV_LANE_SYNC, &conversation->job);
}

static void conversation_closed(void *context, enum status why)
{
    struct conversation *conversation = context;

    (void)why;
    conversation->closed = true;
    conversation_end(conversation);
}

static const struct stream_handler conversation_handler = {
    .space = conversation_space, .received = conversation_received, .closed = conversation_closed};

static void conversation_begin(struct env_message *message)
{
    struct conversation *conversation = CONTAINER_OF(message, struct conversation, handover);
    struct env *env = conversation->env;
    char path[32];

    snprintf(path, sizeof(path), "echo-%u", conversation->number);
    if (disk_open(env->disk, path, FILE_WRITE | FILE_CREATE, &conversation->file) != STATUS_OK) {
        net_refuse(env->net, conversation->accepted);
        memory_free(conversation);
        return;
    }
    conversation->stream = net_adopt(env->net, conversation->accepted, &conversation_handler, conversation);
    ASSERT(conversation->stream != NULL);
}

/* What a running server has. */
struct server_run {
    struct sim_process *process;
    struct chatter_server *server;
    unsigned loops;
};

static void server_accepted(void *context, struct net_accepted *accepted)
{
    struct server_run *run = context;
    struct conversation *conversation = memory_alloc_zero(1, sizeof(*conversation));

    conversation->accepted = accepted;
    conversation->server = run->server;
    conversation->number = run->server->conversations++;
    conversation->env = sim_env(run->process, conversation->number % run->loops);
    conversation->handover.deliver = conversation_begin;
    env_post(conversation->env, &conversation->handover);
}

static enum status server_start(struct sim_process *process, void *context)
{
    struct server_run *run = memory_alloc_zero(1, sizeof(*run));
    struct listener *listener;

    run->process = process;
    run->server = context;
    run->loops = 2;
    return net_listen(sim_env(process, 0)->net, "", CHATTER_PORT, server_accepted, run, &listener);
}

void chatter_server_init(struct chatter_server *server)
{
    *server = (struct chatter_server){.program = {.start = server_start, .context = server}};
}

/* What a running client has. */
struct client_run {
    struct env *env;
    struct sim_process *process;
    struct chatter_client *client;
    struct stream *stream;
    struct env_timer reconnect;
    uint64_t given; /* bytes handed to the stream */
    size_t given_now;
    struct send send;
    struct send_part part;
    uint8_t out[BLOCK_SIZE];
    uint8_t in[BLOCK_SIZE];
};

static uint8_t client_byte(const struct client_run *run, uint64_t position)
{
    return (uint8_t)(position * 131 + position / 256 + run->client->connections);
}

static void client_give(struct client_run *run);

static void client_sent(struct send *send, enum status status)
{
    struct client_run *run = CONTAINER_OF(send, struct client_run, send);

    if (status == STATUS_OK) {
        run->given += run->given_now;
        client_give(run);
    }
}

static void client_give(struct client_run *run)
{
    const uint64_t left = run->client->size - run->given;
    size_t size = 1 + (size_t)(env_random(run->env) % BLOCK_SIZE);

    size = size < left ? size : (size_t)left;
    if (size == 0) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        run->out[i] = client_byte(run, run->given + i);
    }
    run->given_now = size;
    run->part = (struct send_part){.data = run->out, .size = size};
    run->send = (struct send){.parts = &run->part, .part_count = 1, .sent = client_sent};
    stream_send(run->stream, &run->send);
}

static void client_opened(void *context)
{
    struct client_run *run = context;

    run->client->connections++;
    run->client->checked = 0;
    run->given = 0;
    client_give(run);
}

static struct space client_space(void *context)
{
    struct client_run *run = context;

    return (struct space){run->in, run->client->stop_reading ? 0 : BLOCK_SIZE};
}

static void client_received(void *context, size_t size)
{
    struct client_run *run = context;
    struct chatter_client *client = run->client;

    for (size_t i = 0; i < size; i++) {
        if (run->in[i] != client_byte(run, client->checked + i)) {
            sim_fail(sim_process_world(run->process), "byte %llu of connection %u came back changed",
                     (unsigned long long)(client->checked + i), client->connections);
            return;
        }
    }
    client->checked += size;
    if (client->checked == client->size) {
        client->done = true;
        stream_close(run->stream);
    }
}

static void client_closed(void *context, enum status why)
{
    struct client_run *run = context;

    run->client->closes++;
    run->client->last_close = why;
    if (run->client->done) {
        env_stop(run->env);
    } else {
        env_timer_start(run->env, &run->reconnect, RECONNECT_NS);
    }
}

static const struct stream_handler client_handler = {
    .opened = client_opened, .space = client_space, .received = client_received, .closed = client_closed};

static void client_connect(void *context)
{
    struct client_run *run = context;

    run->stream = net_connect(run->env->net, run->client->server, CHATTER_PORT, &client_handler, run);
}

static enum status client_start(struct sim_process *process, void *context)
{
    struct client_run *run = memory_alloc_zero(1, sizeof(*run));

    run->process = process;
    run->env = sim_env(process, 0);
    run->client = context;
    env_timer_init(&run->reconnect, client_connect, run);
    client_connect(run);
    return STATUS_OK;
}

void chatter_client_init(struct chatter_client *client, const char *server, uint64_t size)
{
    *client = (struct chatter_client){
        .program = {.start = client_start, .context = client}, .server = server, .size = size};
}
