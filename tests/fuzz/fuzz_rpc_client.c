/* The calling side: a server that answers anything at all to the handshake and to calls. Every call ends exactly once,
 * and what it then holds is a decoded response.
 *
 *     byte 0   bit 0: bytes of the server come one by one
 *     steps:   a byte of what happens, with its operands (step below) */
#include "common/base/memory.h"
#include "common/rpc/client.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/net.h"

#define CALLS_MAX 64

struct call {
    struct rpc_call call;
    int done;
};

struct world {
    struct fuzz_loop loop;
    struct fuzz_net net;
    struct rpc_client *client;
    struct call calls[CALLS_MAX];
    size_t call_count;
    size_t chunk_max;
    size_t answered; /* bytes of requests that were answered */
    bool opened;
    bool closed;
};

static void client_opened(void *context, struct rpc_client *client)
{
    struct world *world = context;

    ASSERT(!world->opened && !world->closed && rpc_client_features(client) != NULL);
    world->opened = true;
}

static void client_closed(void *context, struct rpc_client *client, enum status why)
{
    struct world *world = context;

    (void)client;
    (void)why;
    ASSERT(!world->closed);
    world->closed = true;
    for (size_t i = 0; i < world->call_count; i++) {
        ASSERT(world->calls[i].done == 1);
    }
}

static void call_done(struct rpc_call *base)
{
    struct call *call = CONTAINER_OF(base, struct call, call);

    call->done++;
    ASSERT(call->done == 1);
    ASSERT((base->status == STATUS_OK) == (base->response != NULL));
    if (base->status == STATUS_OK) {
        struct buffer text;

        buffer_init(&text);
        api_find(base->key)->response.dump(base->response, &text);
        buffer_deinit(&text);
    }
}

static struct fuzz_stream *stream_of(struct world *world)
{
    return list_empty(&world->net.streams) ? NULL : LIST_ENTRY(world->net.streams.next, struct fuzz_stream, link);
}

static void run(struct world *world)
{
    do {
        fuzz_loop_run(&world->loop);
        if (stream_of(world) != NULL) {
            stream_of(world)->keep_sent = true;
        }
    } while (fuzz_net_run(&world->net));
}

static void feed(struct world *world, struct bytes bytes)
{
    if (stream_of(world) != NULL && !stream_of(world)->connecting) {
        (void)fuzz_net_feed(stream_of(world), bytes, world->chunk_max);
    }
}

/* Answers the oldest unanswered request with `body` behind the right size and correlation id. */
static void answer(struct world *world, struct bytes body)
{
    const struct fuzz_stream *stream = stream_of(world);
    struct buffer frame;
    const uint8_t *request;
    uint8_t head[8];

    if (stream == NULL || stream->sent.size < world->answered + 12) {
        return;
    }
    request = stream->sent.data + world->answered;
    world->answered += 4 + (size_t)load_u32(request);
    store_u32(head, (uint32_t)body.size + 4);
    store_u32(head + 4, load_u32(request + 8));
    buffer_init(&frame);
    buffer_append(&frame, head, sizeof(head));
    if (body.size > 0) {
        buffer_append(&frame, body.data, body.size);
    }
    feed(world, buffer_bytes(&frame));
    buffer_deinit(&frame);
}

static void call(struct world *world, uint8_t choice)
{
    size_t count;
    const struct api *api = &api_all(&count)[choice % count];
    int16_t version;
    void *request;

    if (!world->opened || world->closed || world->call_count == CALLS_MAX) {
        return;
    }
    version = rpc_client_version(world->client, api->key, INT16_MAX);
    if (version < 0) {
        return;
    }
    ASSERT(version >= api->version_min && version <= api->version_max);
    request = memory_alloc_zero(1, api->request.size);
    api->request.init(request);
    rpc_call_init(&world->calls[world->call_count].call, call_done, world);
    rpc_client_call(world->client, &world->calls[world->call_count++].call, api->key, version, request, 1000);
    memory_free(request);
}

static void step(struct world *world, struct bytes *input)
{
    const uint8_t what = fuzz_byte(input);

    switch (what % 8) {
    case 0:
    case 1:
        answer(world, fuzz_take(input, what % 8 == 0 ? fuzz_byte(input) : fuzz_u16(input)));
        break;
    case 2:
        feed(world, fuzz_take(input, fuzz_byte(input)));
        break;
    case 3:
    case 4:
        call(world, what >> 3);
        break;
    case 5:
        fuzz_loop_wait(&world->loop, (what >> 3) * 50 * NS_PER_MS);
        break;
    case 6:
        if ((what >> 3) % 8 == 0 && stream_of(world) != NULL) {
            fuzz_net_end(stream_of(world));
        }
        break;
    default:
        if ((what >> 3) % 8 == 0 && !world->closed) {
            rpc_client_close(world->client);
        }
        break;
    }
    run(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rpc_client_handler handler = {client_opened, client_closed};
    const struct rpc_client_options options = {
        .host = "server", .port = 9092, .client_id = "fuzz", .connect_timeout_ms = 1000, .response_size_max = 20000};
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    struct bytes input = bytes_of(data, size);

    fuzz_net_init(&world->net);
    world->net.opens = true;
    fuzz_loop_init(&world->loop, &world->net.net);
    world->chunk_max = (fuzz_byte(&input) & 1) != 0 ? 1 : SIZE_MAX;
    world->client = rpc_client_open(&world->loop.env, &options, &handler, world);
    run(world);
    while (input.size > 0) {
        step(world, &input);
    }
    if (!world->closed) {
        rpc_client_close(world->client);
    }
    run(world);
    ASSERT(world->closed);
    for (size_t i = 0; i < world->call_count; i++) {
        rpc_call_deinit(&world->calls[i].call);
    }
    fuzz_loop_deinit(&world->loop);
    fuzz_net_deinit(&world->net);
    memory_free(world);
    return 0;
}
