/* Streams, listeners and connects over loopback: both ends on one loop, raw sockets where a peer must misbehave. */
#include "tests/unit/runtime/world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MAX 512

/* One end of a connection as the tests use it: collects what comes, remembers the order of its callbacks. */
struct end {
    struct world *world;
    struct stream *stream;
    uint8_t *into;
    size_t into_size;    /* room in all */
    size_t space_max;    /* of one space; 0: no room */
    size_t received;
    size_t stop_at;      /* env_stop when so much was received; 0: never */
    bool echo;
    bool open;
    bool stop_when_open;
    bool stop_when_closed;
    bool close_in_received;
    unsigned spaces;     /* times `space` was asked */
    unsigned drained;
    char log[LOG_MAX];   /* "opened ", "sent(status) ", "closed(status) " */
};

struct message {
    struct send send;
    struct send_part parts[4];
    struct end *end;
    uint8_t *owned;
    bool stop;
    void (*then)(struct end *end);
};

static void end_note(struct end *end, const char *what, const char *detail)
{
    const size_t used = strlen(end->log);

    snprintf(end->log + used, LOG_MAX - used, "%s(%s) ", what, detail);
}

static void message_sent(struct send *send, enum status status)
{
    struct message *message = CONTAINER_OF(send, struct message, send);
    struct end *end = message->end;

    end_note(end, "sent", status_text(status));
    memory_free(message->owned);
    if (message->then != NULL) {
        message->then(end);
    }
    if (message->stop) {
        env_stop(end->world->env);
    }
    memory_free(message);
}

static struct message *message_create(struct end *end, size_t part_count)
{
    struct message *message = memory_alloc_zero(1, sizeof(*message));

    message->send = (struct send){.parts = message->parts, .part_count = part_count, .sent = message_sent};
    message->end = end;
    return message;
}

/* Sends a copy of `size` bytes at `data`. */
static struct message *end_send(struct end *end, const void *data, size_t size)
{
    struct message *message = message_create(end, 1);

    message->owned = memory_copy(data, size);
    message->parts[0] = (struct send_part){.data = message->owned, .size = size};
    stream_send(end->stream, &message->send);
    return message;
}

static void end_opened(void *context)
{
    struct end *end = context;

    end->open = true;
    end_note(end, "opened", "");
    if (end->stop_when_open) {
        env_stop(end->world->env);
    }
}

static struct space end_space(void *context)
{
    struct end *end = context;
    const size_t left = end->into_size - end->received;

    end->spaces++;
    return (struct space){end->into + end->received, left < end->space_max ? left : end->space_max};
}

static void end_received(void *context, size_t size)
{
    struct end *end = context;

    if (end->echo) {
        end_send(end, end->into + end->received, size);
    }
    end->received += size;
    if (end->close_in_received) {
        stream_close(end->stream);
    }
    if (end->stop_at > 0 && end->received >= end->stop_at) {
        env_stop(end->world->env);
    }
}

static void end_drained(void *context)
{
    ((struct end *)context)->drained++;
}

static void end_closed(void *context, enum status why)
{
    struct end *end = context;

    end_note(end, "closed", status_text(why));
    end->stream = NULL;
    end->open = false;
    if (end->stop_when_closed) {
        env_stop(end->world->env);
    }
}

static const struct stream_handler end_handler = {
    .opened = end_opened,
    .space = end_space,
    .received = end_received,
    .drained = end_drained,
    .closed = end_closed,
};

static void end_init(struct end *end, struct world *world, size_t size)
{
    *end = (struct end){.world = world, .into = memory_alloc(size), .into_size = size, .space_max = size};
}

static void end_deinit(struct end *end)
{
    memory_free(end->into);
}

/* Accepts into the end that `context` shows. */
static void accept_end(void *context, struct net_accepted *accepted)
{
    struct end *end = context;

    assert_null(end->stream);
    end->stream = net_adopt(end->world->env->net, accepted, &end_handler, end);
    assert_non_null(end->stream);
    end->open = true;
}

static uint8_t *pattern_create(size_t size)
{
    uint8_t *data = memory_alloc(size);
    uint32_t value = 12345;

    for (size_t i = 0; i < size; i++) {
        value = value * 1664525 + 1013904223;
        data[i] = (uint8_t)(value >> 24);
    }
    return data;
}

/* A server end and a client end, connected. */
struct pair {
    struct listener *listener;
    struct end server;
    struct end client;
};

static void pair_open(struct pair *pair, struct world *world, size_t size)
{
    end_init(&pair->server, world, size);
    end_init(&pair->client, world, size);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &pair->server, &pair->listener),
                     STATUS_OK);
    pair->client.stream =
        net_connect(world->env->net, "127.0.0.1", listener_port(pair->listener), &end_handler, &pair->client);
    pair->client.stop_when_open = true;
    world_run(world);
    while (pair->server.stream == NULL) {
        world_run_for(world, NS_PER_MS);
    }
    assert_string_equal(pair->client.log, "opened() ");
    pair->client.log[0] = '\0';
    pair->client.stop_when_open = false;
}

static void pair_close(struct pair *pair, struct world *world)
{
    runtime_loop_drain(world->loop);
    assert_null(pair->client.stream);
    assert_null(pair->server.stream);
    end_deinit(&pair->server);
    end_deinit(&pair->client);
}

/* A connected raw socket with a small receive buffer. */
static int raw_connect(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int small = 4096;
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(descriptor >= 0);
    assert_int_equal(setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(connect(descriptor, (const struct sockaddr *)&address, sizeof(address)), 0);
    return descriptor;
}

static void an_echo_comes_back_byte_by_byte_the_same(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)3 * 1024 * 1024 + 17;
    uint8_t *data = pattern_create(size);
    struct pair pair;

    pair_open(&pair, world, size);
    pair.server.echo = true;
    pair.server.space_max = 1000; /* partial reads */
    pair.client.space_max = 70000;
    pair.client.stop_at = size;
    end_send(&pair.client, data, 10);
    end_send(&pair.client, data + 10, 0);
    end_send(&pair.client, data + 10, size - 10);
    assert_int_equal(stream_unsent(pair.client.stream), size);
    world_run(world);
    assert_int_equal(pair.client.received, size);
    assert_memory_equal(pair.client.into, data, size);
    assert_int_equal(stream_unsent(pair.client.stream), 0);
    assert_string_equal(pair.client.log, "sent(ok) sent(ok) sent(ok) ");
    pair_close(&pair, world);
    memory_free(data);
}

static void without_space_reading_stops_until_it_is_resumed(void **state)
{
    struct world *world = *state;
    const size_t size = 100000;
    uint8_t *data = pattern_create(size);
    struct pair pair;

    pair_open(&pair, world, size);
    pair.server.space_max = 0;
    end_send(&pair.client, data, size);
    world_run_for(world, 30 * NS_PER_MS);
    assert_int_equal(pair.server.received, 0);
    assert_int_equal(pair.server.spaces, 1);
    pair.server.space_max = size;
    pair.server.stop_at = size;
    stream_resume(pair.server.stream);
    assert_int_equal(pair.server.spaces, 1);
    world_run(world);
    assert_memory_equal(pair.server.into, data, size);
    pair_close(&pair, world);
    memory_free(data);
}

static void a_handler_may_resume_before_anyone_noticed_the_pause(void **state)
{
    struct world *world = *state;
    struct pair pair;

    pair_open(&pair, world, 20);
    pair.server.into_size = 10;
    pair.server.stop_at = 10;
    end_send(&pair.client, "0123456789abcdefghij", 20);
    world_run(world);
    assert_int_equal(pair.server.received, 10);
    pair.server.into_size = 20;
    pair.server.stop_at = 20;
    stream_resume(pair.server.stream);
    stream_resume(pair.server.stream);
    world_run(world);
    assert_memory_equal(pair.server.into, "0123456789abcdefghij", 20);
    pair_close(&pair, world);
}

/* A file with `data` that has no name any more. */
static struct file *temporary_file(struct world *world, const uint8_t *data, size_t size)
{
    char path[] = "/tmp/millrace-runtime-XXXXXX";
    const struct bytes part = bytes_of(data, size);
    const int descriptor = mkstemp(path);
    struct file *file;

    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(disk_open(world->env->disk, path, FILE_WRITE, &file), STATUS_OK);
    assert_int_equal(file_write(file, 0, &part, 1), STATUS_OK);
    assert_int_equal(disk_remove(world->env->disk, path), STATUS_OK);
    return file;
}

static void file_parts_and_memory_parts_arrive_in_order(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)5 * 1024 * 1024;
    uint8_t *data = pattern_create(size);
    struct file *file = temporary_file(world, data, size);
    struct pair pair;
    struct message *message;

    pair_open(&pair, world, size);
    message = message_create(&pair.client, 4);
    message->parts[0] = (struct send_part){.data = data, .size = 100};
    message->parts[1] = (struct send_part){.file = file, .offset = 100, .size = 4000000};
    message->parts[2] = (struct send_part){.data = data + 4000100, .size = 50};
    message->parts[3] = (struct send_part){.file = file, .offset = 1, .size = 0};
    stream_send(pair.client.stream, &message->send);
    message = message_create(&pair.client, 3);
    message->parts[0] = (struct send_part){.file = file, .offset = 4000150, .size = 1};
    message->parts[1] = (struct send_part){.file = file, .offset = 4000151, .size = 100};
    message->parts[2] = (struct send_part){.data = data + 4000251, .size = size - 4000251};
    stream_send(pair.client.stream, &message->send);
    pair.server.stop_at = size;
    world_run(world);
    assert_memory_equal(pair.server.into, data, size);
    assert_string_equal(pair.client.log, "sent(ok) sent(ok) ");
    pair_close(&pair, world);
    file_unref(file);
    memory_free(data);
}

static void a_file_shorter_than_promised_closes_the_stream(void **state)
{
    struct world *world = *state;
    uint8_t *data = pattern_create(100);
    struct file *file = temporary_file(world, data, 100);
    struct pair pair;
    struct message *message;

    pair_open(&pair, world, 1000);
    message = message_create(&pair.client, 1);
    message->parts[0] = (struct send_part){.file = file, .offset = 50, .size = 51};
    stream_send(pair.client.stream, &message->send);
    pair.client.stop_when_closed = true;
    world_run(world);
    assert_string_equal(pair.client.log, "sent(input/output error) closed(input/output error) ");
    pair_close(&pair, world);
    assert_int_equal(pair.server.received, 50);
    file_unref(file);
    memory_free(data);
}

static void closing_calls_back_the_sends_and_then_closed(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)64 * 1024 * 1024;
    uint8_t *data = memory_alloc_zero(1, size);
    struct pair pair;

    pair_open(&pair, world, 1000);
    pair.server.space_max = 0;
    end_send(&pair.client, data, size);
    end_send(&pair.client, data, 1);
    world_run_for(world, 20 * NS_PER_MS);
    assert_true(stream_unsent(pair.client.stream) > 0);
    stream_close(pair.client.stream);
    stream_close(pair.client.stream);
    assert_string_equal(pair.client.log, "");
    pair.client.stop_when_closed = true;
    world_run(world);
    assert_string_equal(pair.client.log, "sent(closed) sent(closed) closed(ok) ");
    pair_close(&pair, world);
    memory_free(data);
}

static void a_stream_closed_in_received_gets_nothing_more(void **state)
{
    struct world *world = *state;
    uint8_t data[1000] = {1};
    struct pair pair;

    pair_open(&pair, world, 1000);
    pair.server.space_max = 1;
    pair.server.close_in_received = true;
    pair.server.stop_when_closed = true;
    end_send(&pair.client, data, sizeof(data));
    world_run(world);
    assert_int_equal(pair.server.received, 1);
    assert_string_equal(pair.server.log, "closed(ok) ");
    pair_close(&pair, world);
}

static void close_stream_of(struct end *end)
{
    stream_close(end->stream);
}

static void a_stream_closed_in_sent_calls_closed_last(void **state)
{
    struct world *world = *state;
    uint8_t data[10] = {1};
    struct pair pair;

    pair_open(&pair, world, 1000);
    end_send(&pair.client, data, sizeof(data))->then = close_stream_of;
    end_send(&pair.client, data, sizeof(data));
    pair.server.stop_when_closed = true;
    world_run(world);
    /* Both were taken by one write, before the first callback. */
    assert_string_equal(pair.client.log, "sent(ok) sent(ok) closed(ok) ");
    pair_close(&pair, world);
    assert_int_equal(pair.server.received, 2 * sizeof(data));
    assert_string_equal(pair.server.log, "closed(end of data) ");
}

static void send_once_more(struct end *end)
{
    end_send(end, "more", 4)->stop = true;
}

static void sent_may_send_again(void **state)
{
    struct world *world = *state;
    struct pair pair;

    pair_open(&pair, world, 1000);
    end_send(&pair.client, "once ", 5)->then = send_once_more;
    world_run(world);
    pair.server.stop_at = 9;
    if (pair.server.received < 9) {
        world_run(world);
    }
    assert_memory_equal(pair.server.into, "once more", 9);
    pair_close(&pair, world);
}

static void drained_is_called_once_after_a_wait(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)32 * 1024 * 1024;
    uint8_t *data = pattern_create(size);
    struct pair pair;

    pair_open(&pair, world, size);
    end_send(&pair.client, data, 100);
    world_run_for(world, 5 * NS_PER_MS);
    assert_int_equal(pair.client.drained, 0);
    pair.server.space_max = 0;
    end_send(&pair.client, data + 100, size - 100);
    world_run_for(world, 20 * NS_PER_MS);
    assert_int_equal(pair.client.drained, 0);
    pair.server.space_max = size;
    pair.server.stop_at = size;
    stream_resume(pair.server.stream);
    world_run(world);
    world_run_for(world, 5 * NS_PER_MS);
    assert_int_equal(pair.client.drained, 1);
    assert_memory_equal(pair.server.into, data, size);
    pair_close(&pair, world);
    memory_free(data);
}

static void a_connect_that_is_refused_closes_with_refused(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct end end;
    uint16_t port;

    end_init(&end, world, 10);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &end, &listener), STATUS_OK);
    port = listener_port(listener);
    listener_close(listener);
    end.stream = net_connect(world->env->net, "127.0.0.1", port, &end_handler, &end);
    end_send(&end, "lost", 4);
    end.stop_when_closed = true;
    assert_string_equal(end.log, "");
    world_run(world);
    assert_string_equal(end.log, "sent(connection refused) closed(connection refused) ");
    end_deinit(&end);
}

static void connecting_streams_can_be_closed(void **state)
{
    struct world *world = *state;
    struct end by_name;
    struct end by_number;

    end_init(&by_name, world, 10);
    end_init(&by_number, world, 10);
    by_name.stream = net_connect(world->env->net, "localhost", 1, &end_handler, &by_name);
    by_number.stream = net_connect(world->env->net, "127.0.0.1", 1, &end_handler, &by_number);
    assert_string_equal(stream_peer(by_name.stream), "localhost:1");
    stream_close(by_name.stream);
    stream_close(by_number.stream);
    assert_string_equal(by_name.log, "");
    runtime_loop_drain(world->loop);
    assert_string_equal(by_name.log, "closed(ok) ");
    assert_string_equal(by_number.log, "closed(ok) ");
    end_deinit(&by_name);
    end_deinit(&by_number);
}

static void a_name_is_resolved_and_early_sends_arrive(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct end server;
    struct end client;

    end_init(&server, world, 100);
    end_init(&client, world, 100);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &server, &listener), STATUS_OK);
    /* Where localhost is ::1 first, this needs the second address. */
    client.stream = net_connect(world->env->net, "localhost", listener_port(listener), &end_handler, &client);
    end_send(&client, "early", 5);
    server.stop_at = 5;
    world_run(world);
    assert_memory_equal(server.into, "early", 5);
    assert_string_equal(client.log, "opened() sent(ok) ");
    assert_int_equal(strncmp(stream_peer(client.stream), "127.0.0.1:", 10), 0);
    assert_int_equal(strncmp(stream_peer(server.stream), "127.0.0.1:", 10), 0);
    runtime_loop_drain(world->loop);
    end_deinit(&server);
    end_deinit(&client);
}

static void an_empty_host_listens_on_all_interfaces(void **state)
{
    static const char *const hosts[] = {"", "0.0.0.0", "::"};
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct listener *listener;
        struct end server;
        struct end client;

        end_init(&server, world, 10);
        end_init(&client, world, 10);
        assert_int_equal(net_listen(world->env->net, hosts[i], 0, accept_end, &server, &listener), STATUS_OK);
        assert_int_not_equal(listener_port(listener), 0);
        client.stream = net_connect(world->env->net, "127.0.0.1", listener_port(listener), &end_handler, &client);
        end_send(&client, "x", 1);
        server.stop_at = 1;
        world_run(world);
        /* Also when it came in through an IPv6 socket. */
        assert_int_equal(strncmp(stream_peer(server.stream), "127.0.0.1:", 10), 0);
        runtime_loop_drain(world->loop);
        end_deinit(&server);
        end_deinit(&client);
    }
}

static void a_name_can_be_listened_on(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct end server;
    struct end client;

    end_init(&server, world, 10);
    end_init(&client, world, 10);
    assert_int_equal(net_listen(world->env->net, "localhost", 0, accept_end, &server, &listener), STATUS_OK);
    client.stream = net_connect(world->env->net, "127.0.0.1", listener_port(listener), &end_handler, &client);
    end_send(&client, "x", 1);
    server.stop_at = 1;
    world_run(world);
    assert_int_equal(net_listen(world->env->net, "256.1.1.1", 0, accept_end, &server, &listener), STATUS_UNREACHABLE);
    runtime_loop_drain(world->loop);
    end_deinit(&server);
    end_deinit(&client);
}

static void ipv6_addresses_are_shown_in_brackets(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct end server;
    struct end client;

    if (net_listen(world->env->net, "::1", 0, accept_end, &server, &listener) != STATUS_OK) {
        skip(); /* a machine without IPv6 */
    }
    end_init(&server, world, 10);
    end_init(&client, world, 10);
    client.stream = net_connect(world->env->net, "::1", listener_port(listener), &end_handler, &client);
    end_send(&client, "x", 1);
    server.stop_at = 1;
    world_run(world);
    assert_int_equal(strncmp(stream_peer(server.stream), "[::1]:", 6), 0);
    assert_int_equal(strncmp(stream_peer(client.stream), "[::1]:", 6), 0);
    runtime_loop_drain(world->loop);
    end_deinit(&server);
    end_deinit(&client);
}

static void a_port_in_use_is_refused(void **state)
{
    struct world *world = *state;
    struct listener *first;
    struct listener *second;
    struct end end;
    uint16_t port;

    end_init(&end, world, 10);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &end, &first), STATUS_OK);
    port = listener_port(first);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", port, accept_end, &end, &second), STATUS_ADDRESS_IN_USE);
    assert_int_equal(net_listen(world->env->net, "", port, accept_end, &end, &second), STATUS_ADDRESS_IN_USE);
    listener_close(first);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", port, accept_end, &end, &second), STATUS_OK);
    /* Of a network reserved for documentation: not ours to bind. */
    assert_int_equal(net_listen(world->env->net, "192.0.2.1", 0, accept_end, &end, &first), STATUS_UNREACHABLE);
    runtime_loop_drain(world->loop);
    end_deinit(&end);
}

static void the_peers_end_and_reset_are_told_apart(void **state)
{
    struct world *world = *state;
    const struct linger at_once = {.l_onoff = 1};
    struct listener *listener;
    struct end end;
    int raw;

    end_init(&end, world, 10);
    end.stop_when_closed = true;
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &end, &listener), STATUS_OK);
    raw = raw_connect(listener_port(listener));
    close(raw);
    world_run(world);
    assert_string_equal(end.log, "closed(end of data) ");
    end.log[0] = '\0';
    raw = raw_connect(listener_port(listener));
    world_run_for(world, 5 * NS_PER_MS);
    assert_true(end.open);
    assert_int_equal(setsockopt(raw, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(raw);
    world_run(world);
    assert_string_equal(end.log, "closed(closed) ");
    end_deinit(&end);
}

static void a_reset_is_noticed_while_reading_is_paused(void **state)
{
    struct world *world = *state;
    const struct linger at_once = {.l_onoff = 1};
    struct listener *listener;
    struct end end;
    int raw;

    end_init(&end, world, 10);
    end.space_max = 0;
    end.stop_when_closed = true;
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &end, &listener), STATUS_OK);
    raw = raw_connect(listener_port(listener));
    assert_int_equal(write(raw, "x", 1), 1);
    while (end.stream == NULL) {
        world_run_for(world, NS_PER_MS);
    }
    assert_int_equal(setsockopt(raw, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(raw);
    /* Paused by the first event or finding the reset with it: either way the send, or the reset itself, ends it. */
    world_run_for(world, 20 * NS_PER_MS);
    if (end.stream != NULL) {
        end_send(&end, "y", 1);
        world_run(world);
    }
    assert_non_null(strstr(end.log, "closed(closed) "));
    end_deinit(&end);
}

static void a_reader_that_never_reads_does_not_block_others(void **state)
{
    struct world *world = *state;
    const size_t size = (size_t)32 * 1024 * 1024;
    uint8_t *data = pattern_create(size);
    struct listener *listener;
    struct end stuck;
    struct pair pair;
    int raw;

    end_init(&stuck, world, 10);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &stuck, &listener), STATUS_OK);
    raw = raw_connect(listener_port(listener));
    while (stuck.stream == NULL) {
        world_run_for(world, NS_PER_MS);
    }
    end_send(&stuck, data, size);
    pair_open(&pair, world, size);
    pair.server.echo = true;
    pair.client.stop_at = size;
    end_send(&pair.client, data, size);
    world_run(world);
    assert_memory_equal(pair.client.into, data, size);
    assert_true(stream_unsent(stuck.stream) > 0);
    pair_close(&pair, world);
    assert_string_equal(stuck.log, "sent(closed) closed(ok) ");
    end_deinit(&stuck);
    close(raw);
    memory_free(data);
}

/* Bytes and calls of one stream within a turn. */
struct turn_meter {
    struct end end;
    struct env_hook hook;
    size_t bytes;
    size_t bytes_max;
    unsigned calls;
    unsigned calls_max;
};

static void meter_turn_ends(void *context)
{
    struct turn_meter *meter = context;

    meter->bytes_max = meter->bytes > meter->bytes_max ? meter->bytes : meter->bytes_max;
    meter->calls_max = meter->calls > meter->calls_max ? meter->calls : meter->calls_max;
    meter->bytes = 0;
    meter->calls = 0;
}

static void meter_received(void *context, size_t size)
{
    struct turn_meter *meter = context;

    meter->bytes += size;
    meter->calls++;
    env_at_turn_end(meter->end.world->env, &meter->hook);
    end_received(context, size);
}

static void one_stream_gets_a_bounded_share_of_a_turn(void **state)
{
    static const size_t spaces[] = {1000, 100000, (size_t)16 * 1024 * 1024};
    struct world *world = *state;
    const size_t size = (size_t)16 * 1024 * 1024;
    uint8_t *data = pattern_create(size);

    for (size_t i = 0; i < ARRAY_COUNT(spaces); i++) {
        struct stream_handler handler = end_handler;
        struct turn_meter meter = {0};
        struct listener *listener;
        struct end sender;

        handler.received = meter_received;
        end_init(&meter.end, world, size);
        end_init(&sender, world, 1);
        env_hook_init(&meter.hook, meter_turn_ends, &meter);
        assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &sender, &listener), STATUS_OK);
        meter.end.stream = net_connect(world->env->net, "127.0.0.1", listener_port(listener), &handler, &meter);
        meter.end.stop_when_open = true;
        meter.end.space_max = 0;
        world_run(world);
        while (sender.stream == NULL) {
            world_run_for(world, NS_PER_MS);
        }
        end_send(&sender, data, size);
        world_run_for(world, 20 * NS_PER_MS);
        meter.end.space_max = spaces[i];
        meter.end.stop_at = size;
        stream_resume(meter.end.stream);
        world_run(world);
        assert_in_range(meter.bytes_max, 1, 1024 * 1024);
        assert_in_range(meter.calls_max, 1, 16);
        assert_memory_equal(meter.end.into, data, size);
        runtime_loop_drain(world->loop);
        end_deinit(&meter.end);
        end_deinit(&sender);
    }
    memory_free(data);
}

struct late_sender {
    struct end *end;
    struct env_hook hook;
};

static void send_late(void *context)
{
    struct late_sender *late = context;

    end_note(late->end, "hook", "");
    end_send(late->end, "+hook", 5);
}

static void hooks_run_before_the_sends_of_their_turn(void **state)
{
    struct world *world = *state;
    struct late_sender late;
    struct pair pair;

    pair_open(&pair, world, 100);
    late.end = &pair.client;
    env_hook_init(&late.hook, send_late, &late);
    end_send(&pair.client, "turn", 4);
    env_at_turn_end(world->env, &late.hook);
    env_at_turn_end(world->env, &late.hook);
    pair.server.stop_at = 9;
    world_run(world);
    assert_memory_equal(pair.server.into, "turn+hook", 9);
    assert_string_equal(pair.client.log, "hook() sent(ok) sent(ok) ");
    pair_close(&pair, world);
}

static uint64_t cpu_time_us(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void a_process_out_of_descriptors_rests_and_accepts_later(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct rlimit limit;
    struct rlimit low;
    struct end end;
    uint64_t busy_us;
    int raw;

    end_init(&end, world, 10);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_end, &end, &listener), STATUS_OK);
    raw = raw_connect(listener_port(listener));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)raw + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    busy_us = cpu_time_us();
    world_run_for(world, 350 * NS_PER_MS);
    busy_us = cpu_time_us() - busy_us;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(end.stream);
    assert_in_range(busy_us, 0, 100000);
    world_run_for(world, 200 * NS_PER_MS);
    assert_non_null(end.stream);
    runtime_loop_drain(world->loop);
    close(raw);
    end_deinit(&end);
}

/* A connection on its way to another loop. */
struct parcel {
    struct env_message message;
    struct net_accepted *accepted;
    struct end *end;
};

static void parcel_deliver(struct env_message *message)
{
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);

    accept_end(parcel->end, parcel->accepted);
    memory_free(parcel);
}

static void accept_elsewhere(void *context, struct net_accepted *accepted)
{
    struct end *end = context;
    struct parcel *parcel = memory_alloc_zero(1, sizeof(*parcel));

    *parcel = (struct parcel){.message.deliver = parcel_deliver, .accepted = accepted, .end = end};
    env_post(end->world->env, &parcel->message);
}

static void stop_loop(struct env_message *message)
{
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);

    env_stop(parcel->end->world->env);
    memory_free(parcel);
}

static void an_accepted_connection_can_move_to_another_loop(void **state)
{
    struct world *world = *state;
    struct world other = {.workers = world->workers};
    struct parcel *stop = memory_alloc_zero(1, sizeof(*stop));
    struct listener *listener;
    struct end server;
    struct end client;

    other.loop = runtime_loop_create(&(struct runtime_options){.workers = world->workers});
    assert_non_null(other.loop);
    other.env = runtime_loop_env(other.loop);
    end_init(&server, &other, 100);
    end_init(&client, world, 100);
    server.echo = true;
    assert_int_equal(runtime_thread_start(other.loop), STATUS_OK);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, accept_elsewhere, &server, &listener), STATUS_OK);
    client.stream = net_connect(world->env->net, "127.0.0.1", listener_port(listener), &end_handler, &client);
    end_send(&client, "across", 6);
    client.stop_at = 6;
    world_run(world);
    assert_memory_equal(client.into, "across", 6);
    *stop = (struct parcel){.message.deliver = stop_loop, .end = &server};
    env_post(other.env, &stop->message);
    runtime_thread_join(other.loop);
    runtime_loop_drain(world->loop);
    runtime_loop_drain(other.loop);
    runtime_loop_destroy(other.loop);
    assert_string_equal(client.log, "opened() sent(ok) closed(ok) ");
    end_deinit(&server);
    end_deinit(&client);
}

static void refuse_all(void *context, struct net_accepted *accepted)
{
    struct listener **listener = context;

    net_refuse((*listener)->net, accepted);
    listener_close(*listener);
}

static void a_refused_connection_ends(void **state)
{
    struct world *world = *state;
    struct listener *listener;
    struct end client;

    end_init(&client, world, 10);
    assert_int_equal(net_listen(world->env->net, "127.0.0.1", 0, refuse_all, &listener, &listener), STATUS_OK);
    client.stream = net_connect(world->env->net, "127.0.0.1", listener_port(listener), &end_handler, &client);
    client.stop_when_closed = true;
    world_run(world);
    assert_string_equal(client.log, "opened() closed(end of data) ");
    end_deinit(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_echo_comes_back_byte_by_byte_the_same, world_open, world_close),
        cmocka_unit_test_setup_teardown(without_space_reading_stops_until_it_is_resumed, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_handler_may_resume_before_anyone_noticed_the_pause, world_open, world_close),
        cmocka_unit_test_setup_teardown(file_parts_and_memory_parts_arrive_in_order, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_file_shorter_than_promised_closes_the_stream, world_open, world_close),
        cmocka_unit_test_setup_teardown(closing_calls_back_the_sends_and_then_closed, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_stream_closed_in_received_gets_nothing_more, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_stream_closed_in_sent_calls_closed_last, world_open, world_close),
        cmocka_unit_test_setup_teardown(sent_may_send_again, world_open, world_close),
        cmocka_unit_test_setup_teardown(drained_is_called_once_after_a_wait, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_connect_that_is_refused_closes_with_refused, world_open, world_close),
        cmocka_unit_test_setup_teardown(connecting_streams_can_be_closed, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_name_is_resolved_and_early_sends_arrive, world_open, world_close),
        cmocka_unit_test_setup_teardown(an_empty_host_listens_on_all_interfaces, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_name_can_be_listened_on, world_open, world_close),
        cmocka_unit_test_setup_teardown(ipv6_addresses_are_shown_in_brackets, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_refused, world_open, world_close),
        cmocka_unit_test_setup_teardown(the_peers_end_and_reset_are_told_apart, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_reset_is_noticed_while_reading_is_paused, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_reader_that_never_reads_does_not_block_others, world_open, world_close),
        cmocka_unit_test_setup_teardown(one_stream_gets_a_bounded_share_of_a_turn, world_open, world_close),
        cmocka_unit_test_setup_teardown(hooks_run_before_the_sends_of_their_turn, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_process_out_of_descriptors_rests_and_accepts_later, world_open, world_close),
        cmocka_unit_test_setup_teardown(an_accepted_connection_can_move_to_another_loop, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_refused_connection_ends, world_open, world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
