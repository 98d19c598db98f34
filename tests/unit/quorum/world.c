/* The small world of the quorum tests. */
#include "tests/unit/quorum/world.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "controller/quorum/core.h"
#include "controller/quorum/edge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define WORLD_DELAY_MIN_NS (100 * 1000)
#define WORLD_DELAY_SPREAD_NS (2 * NS_PER_MS)
#define WORLD_JOB_SPREAD_NS (4 * NS_PER_MS)

struct world_event {
    struct heap_node node; /* key: time, then order */
    struct world *world;
    void (*run)(struct world_event *event);
};

/* A connection from one node to another. Bytes flow one way. */
struct world_connection {
    struct stream stream;
    struct world_connection *next;
    struct world *world;
    int from;
    int to;
    uint64_t to_life;
    const struct stream_handler *handler;
    void *context;
    bool open;
    bool closed;    /* by either side: nothing passes any more */
    bool closed_by_sender;
    bool reported;  /* `closed` was called */
    uint64_t last_ns;
    struct list unsent; /* sends of this turn that wait for `sent` */
    struct buffer received; /* at the receiver, cut into frames */
    size_t preamble_left;
    struct quorum_inbound *inbound;
    int references;
};

PRINTF_LIKE(2, 3) static void world_violate(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->violation[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(world->violation, sizeof(world->violation), format, arguments);
        va_end(arguments);
    }
}

/* Events. Keys are unique: the time in units of 4096 ns, then the order of creation. */

static void world_at(struct world *world, uint64_t time_ns, struct world_event *event,
                     void (*run)(struct world_event *))
{
    event->world = world;
    event->run = run;
    event->node.key = (time_ns >> 12 << 24) | (world->sequence++ & 0xffffff);
    event->node.place = HEAP_NOWHERE;
    heap_insert(&world->events, &event->node);
}

static uint64_t event_time(const struct heap_node *node)
{
    return node->key >> 24 << 12;
}

static struct world_node *node_of(struct env *env)
{
    return CONTAINER_OF(env, struct world_node, env);
}

static bool node_is_paused(const struct world_node *node)
{
    return node->paused_until_ns > node->world->now_ns;
}

/* The env. */

static uint64_t world_now(struct env *env)
{
    return node_of(env)->world->now_ns;
}

static int64_t world_wall(struct env *env)
{
    return (int64_t)(node_of(env)->world->now_ns / NS_PER_MS);
}

static uint64_t world_random(struct env *env)
{
    return prng_next(&node_of(env)->world->prng);
}

struct world_job {
    struct world_event event;
    struct world_node *node;
    struct env_job *job;
    uint64_t life;
    bool worked;
};

static void node_turn(struct world_node *node)
{
    env_run_hooks(&node->env);
}

static void job_done(struct world_event *event)
{
    struct world_job *job = CONTAINER_OF(event, struct world_job, event);
    struct world_node *node = job->node;

    if (node_is_paused(node)) {
        world_at(event->world, node->paused_until_ns + (event->world->done_first ? 0 : 4096), event, job_done);
        return;
    }
    job->job->done(job->job);
    node_turn(node);
    memory_free(job);
}

static void job_work(struct world_event *event)
{
    struct world_job *job = CONTAINER_OF(event, struct world_job, event);

    /* A job of a process that died meanwhile never runs; its memory still wants its `done`. */
    if (job->node->life == job->life && job->node->quorum != NULL) {
        job->job->work(job->job);
    }
    world_at(event->world, event->world->now_ns + prng_below(&event->world->prng, WORLD_JOB_SPREAD_NS), event,
             job_done);
}

static void world_submit(struct env *env, enum env_lane lane, struct env_job *env_job)
{
    struct world_node *node = node_of(env);
    struct world_job *job = memory_alloc_zero(1, sizeof(*job));

    (void)lane;
    job->node = node;
    job->job = env_job;
    job->life = node->life;
    world_at(node->world, node->world->now_ns + prng_below(&node->world->prng, WORLD_JOB_SPREAD_NS), &job->event,
             job_work);
}

static void world_post(struct env *env, struct env_message *message)
{
    (void)env;
    (void)message;
    UNREACHABLE();
}

static void world_stop(struct env *env)
{
    (void)env;
    UNREACHABLE();
}

static const struct env_ops world_env_ops = {
    .now_ns = world_now,
    .wall_ms = world_wall,
    .random = world_random,
    .submit = world_submit,
    .post = world_post,
    .stop = world_stop,
};

/* The network. */

struct world_delivery {
    struct world_event event;
    struct world_connection *connection;
    struct buffer data;
};

static void connection_unref(struct world_connection *connection)
{
    struct world_connection **at;

    if (--connection->references > 0) {
        return;
    }
    for (at = &connection->world->connections; *at != connection; at = &(*at)->next) {
    }
    *at = connection->next;
    buffer_deinit(&connection->received);
    memory_free(connection);
}

static uint64_t connection_next_ns(struct world_connection *connection)
{
    struct world *world = connection->world;
    uint64_t time_ns = world->now_ns + WORLD_DELAY_MIN_NS + prng_below(&world->prng, WORLD_DELAY_SPREAD_NS);

    if (time_ns <= connection->last_ns) {
        time_ns = connection->last_ns + 1;
    }
    connection->last_ns = time_ns;
    return time_ns;
}

static void connection_schedule(struct world_connection *connection, uint64_t time_ns,
                                void (*run)(struct world_event *),
                                struct buffer *data)
{
    struct world_delivery *delivery = memory_alloc_zero(1, sizeof(*delivery));

    delivery->connection = connection;
    connection->references++;
    if (data != NULL) {
        delivery->data = *data;
        buffer_init(data);
    }
    world_at(connection->world, time_ns, &delivery->event, run);
}

static void delivery_free(struct world_delivery *delivery)
{
    struct world_connection *connection = delivery->connection;

    buffer_deinit(&delivery->data);
    memory_free(delivery);
    connection_unref(connection);
}

static void connection_drop_sends(struct world_connection *connection, enum status status)
{
    struct list *link;

    while ((link = list_take_first(&connection->unsent)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, status);
    }
}

/* The sender learns of the end. */
static void delivery_closed(struct world_event *event)
{
    struct world_delivery *delivery = CONTAINER_OF(event, struct world_delivery, event);
    struct world_connection *connection = delivery->connection;

    if (!connection->reported) {
        connection->reported = true;
        connection_drop_sends(connection, STATUS_CLOSED);
        connection->handler->closed(connection->context, STATUS_END);
        connection_unref(connection);
    }
    delivery_free(delivery);
}

/* The receiver learns of the end. */
static void delivery_end(struct world_event *event)
{
    struct world_delivery *delivery = CONTAINER_OF(event, struct world_delivery, event);
    struct world_connection *connection = delivery->connection;

    if (connection->inbound != NULL) {
        quorum_inbound_closed(connection->inbound);
        connection->inbound = NULL;
    }
    delivery_free(delivery);
}

static void connection_shut(struct world_connection *connection)
{
    if (!connection->closed) {
        connection->closed = true;
        connection_schedule(connection, connection->world->now_ns + 1, delivery_closed, NULL);
        connection_schedule(connection, connection_next_ns(connection), delivery_end, NULL);
    }
}

static void inbound_close(void *context)
{
    connection_shut(context);
}

static void node_note(struct world_node *node);

/* One frame reaches the quorum. */
static void delivery_frame(struct world_event *event)
{
    struct world_delivery *delivery = CONTAINER_OF(event, struct world_delivery, event);
    struct world_connection *connection = delivery->connection;
    struct world_node *node = &connection->world->nodes[connection->to];

    if (node_is_paused(node) && node->life == connection->to_life && node->quorum != NULL) {
        connection->last_ns = node->paused_until_ns > connection->last_ns ? node->paused_until_ns : connection->last_ns;
        connection->last_ns += 4096;
        world_at(event->world, connection->last_ns, event, delivery_frame);
        return;
    }
    if (connection->inbound != NULL && !connection->world->cut[connection->from][connection->to] &&
        node->life == connection->to_life && node->quorum != NULL) {
        if (!quorum_inbound_bytes(connection->inbound, buffer_bytes(&delivery->data))) {
            connection_shut(connection);
        }
        node_turn(node);
        node_note(node);
    }
    delivery_free(delivery);
}

/* Frames may be lost, late or come twice; the quorum must live with it although its transport promises better. */
static void connection_pass(struct world_connection *connection, struct bytes frame)
{
    struct world *world = connection->world;
    struct buffer data = {0};

    if (world->faults.lose && prng_below(&world->prng, 20) == 0) {
        return;
    }
    if (world->faults.reorder && prng_below(&world->prng, 20) == 0) {
        buffer_append(&data, frame.data, frame.size);
        connection_schedule(connection, world->now_ns + prng_below(&world->prng, 300 * NS_PER_MS), delivery_frame,
                            &data);
        if (prng_below(&world->prng, 2) == 0) {
            return;
        }
    }
    buffer_append(&data, frame.data, frame.size);
    connection_schedule(connection, connection_next_ns(connection), delivery_frame, &data);
}

/* Cuts what was sent into frames. */
static void connection_cut(struct world_connection *connection)
{
    struct buffer *received = &connection->received;
    size_t at = 0;

    while (at < received->size) {
        const size_t left = received->size - at;
        size_t size;

        if (connection->preamble_left > 0) {
            ASSERT(left >= QUORUM_PREAMBLE_SIZE);
            ASSERT(memcmp(received->data + at, quorum_preamble, QUORUM_PREAMBLE_SIZE) == 0);
            at += QUORUM_PREAMBLE_SIZE;
            connection->preamble_left = 0;
            continue;
        }
        ASSERT(left >= EDGE_HEADER_SIZE);
        size = EDGE_HEADER_SIZE + load_u32(received->data + at + 40);
        ASSERT(size <= left);
        connection_pass(connection, bytes_of(received->data + at, size));
        at += size;
    }
    received->size = 0;
}

/* End of the sender's turn: everything queued is taken by the system. */
static void delivery_flush(struct world_event *event)
{
    struct world_delivery *delivery = CONTAINER_OF(event, struct world_delivery, event);
    struct world_connection *connection = delivery->connection;

    if (!connection->closed) {
        connection_cut(connection);
        connection_drop_sends(connection, STATUS_OK);
    }
    delivery_free(delivery);
}

static void world_send(struct stream *stream, struct send *send)
{
    struct world_connection *connection = CONTAINER_OF(stream, struct world_connection, stream);

    ASSERT(!connection->closed_by_sender);
    if (connection->closed) {
        list_append(&connection->unsent, &send->link);
        return;
    }
    for (size_t i = 0; i < send->part_count; i++) {
        buffer_append(&connection->received, send->parts[i].data, send->parts[i].size);
    }
    if (list_empty(&connection->unsent)) {
        connection_schedule(connection, connection->world->now_ns + 1, delivery_flush, NULL);
    }
    list_append(&connection->unsent, &send->link);
}

static void delivery_open(struct world_event *event)
{
    struct world_delivery *delivery = CONTAINER_OF(event, struct world_delivery, event);
    struct world_connection *connection = delivery->connection;
    struct world *world = connection->world;
    struct world_node *node = &world->nodes[connection->to];

    if (!connection->closed) {
        if (node->quorum == NULL || world->cut[connection->from][connection->to]) {
            connection_shut(connection);
        } else {
            connection->open = true;
            connection->to_life = node->life;
            connection->inbound = quorum_inbound_open(node->quorum, inbound_close, connection);
            connection->handler->opened(connection->context);
            node_turn(&world->nodes[connection->from]);
        }
    }
    delivery_free(delivery);
}

static struct stream *world_connect(struct net *net, const char *host, uint16_t port,
                                    const struct stream_handler *handler,
                                    void *context)
{
    struct world_node *node = CONTAINER_OF(net, struct world_node, net);
    struct world_connection *connection = memory_alloc_zero(1, sizeof(*connection));

    (void)host;
    connection->stream.net = net;
    connection->world = node->world;
    connection->from = (int)(node - node->world->nodes);
    connection->to = port;
    connection->handler = handler;
    connection->context = context;
    connection->preamble_left = QUORUM_PREAMBLE_SIZE;
    connection->references = 1;
    list_init(&connection->unsent);
    connection->next = node->world->connections;
    node->world->connections = connection;
    connection_schedule(connection, connection_next_ns(connection), delivery_open, NULL);
    return &connection->stream;
}

static void world_close(struct stream *stream)
{
    struct world_connection *connection = CONTAINER_OF(stream, struct world_connection, stream);

    connection->closed_by_sender = true;
    connection_shut(connection);
}

static size_t world_unsent(const struct stream *stream)
{
    (void)stream;
    return 0;
}

static void world_resume(struct stream *stream)
{
    (void)stream;
}

static const char *world_peer(const struct stream *stream)
{
    (void)stream;
    return "";
}

static const struct net_ops world_net_ops = {
    .connect = world_connect,
    .send = world_send,
    .unsent = world_unsent,
    .resume = world_resume,
    .close = world_close,
    .peer = world_peer,
};

/* The state machine and its checks. */

static void history_check(struct world_node *node)
{
    struct world *world = node->world;
    const size_t index = (size_t)node->applied_index;

    if (index >= world->history_capacity) {
        const size_t capacity = index * 2 + 1024;

        world->history = memory_resize(world->history, capacity, sizeof(uint64_t));
        memset(world->history + world->history_capacity, 0, (capacity - world->history_capacity) * sizeof(uint64_t));
        world->history_capacity = capacity;
    }
    if (world->history[index] == 0) {
        world->history[index] = node->hash;
    } else if (world->history[index] != node->hash) {
        world_violate(world, "node %d applied something else at %zu", (int)node->id, index);
    }
}

static void node_apply(void *context, uint64_t index, uint64_t term, struct bytes entry)
{
    struct world_node *node = context;

    (void)term;
    if (index <= node->applied_index) {
        world_violate(node->world, "node %d applied %" PRIu64 " after %" PRIu64, (int)node->id, index,
                      node->applied_index);
    }
    node->applied_index = index;
    node->hash = hash_u64(node->hash * 31 + hash_bytes(entry.data, entry.size) + index) | 1;
    node->entries++;
    history_check(node);
}

static void node_restore(void *context, uint64_t index, uint64_t term, struct bytes snapshot)
{
    struct world_node *node = context;

    (void)term;
    if (snapshot.size < 24 || load_u64(snapshot.data) > index) {
        world_violate(node->world, "node %d got a strange snapshot", (int)node->id);
        return;
    }
    node->applied_index = load_u64(snapshot.data);
    node->hash = load_u64(snapshot.data + 8);
    node->entries = load_u64(snapshot.data + 16);
    node->world->restores++;
    history_check(node);
}

static void node_snapshot(void *context, struct buffer *into)
{
    struct world_node *node = context;
    uint8_t state[24];
    const size_t size = node->world->snapshot_filler;

    store_u64(state, node->applied_index);
    store_u64(state + 8, node->hash);
    store_u64(state + 16, node->entries);
    buffer_append(into, state, sizeof(state));
    memset(buffer_reserve(into, size), 0xa5, size);
    into->size += size;
}

static void node_role(void *context, bool leader, uint64_t term, int32_t leader_id)
{
    struct world_node *node = context;
    struct world *world = node->world;

    (void)leader_id;
    node->leader = leader;
    node->term = term;
    if (!leader) {
        return;
    }
    world->elections++;
    if (term >= world->leaders_capacity) {
        const size_t capacity = (size_t)term * 2 + 64;

        world->leaders = memory_resize(world->leaders, capacity, sizeof(int32_t));
        memset(world->leaders + world->leaders_capacity, 0, (capacity - world->leaders_capacity) * sizeof(int32_t));
        world->leaders_capacity = capacity;
    }
    if (world->leaders[term] != 0 && world->leaders[term] != node->id + 1) {
        world_violate(world, "two leaders in term %" PRIu64 ": %d and %d", term, (int)world->leaders[term] - 1,
                      (int)node->id);
    }
    world->leaders[term] = node->id + 1;
}

static void node_fatal(void *context, const char *what, enum status why)
{
    struct world_node *node = context;

    node->fatal = true;
    snprintf(node->fatal_text, sizeof(node->fatal_text), "%s: %s", what, status_text(why));
}

static const struct quorum_handler node_handler = {
    .apply = node_apply,
    .restore = node_restore,
    .snapshot = node_snapshot,
    .role = node_role,
    .fatal = node_fatal,
};

/* After every event on a node. */
static void node_note(struct world_node *node)
{
    struct quorum_status status;

    if (node->quorum == NULL) {
        return;
    }
    if (node->fatal) {
        /* A disk fault of ours ends the process; anything else is a violation. */
        if (node->disk.fail_at == 0) {
            world_violate(node->world, "node %d: %s", (int)node->id, node->fatal_text);
        }
        world_crash(node->world, (int)(node - node->world->nodes), MEMORY_CRASH_TEARS);
        return;
    }
    quorum_status_get(node->quorum, &status);
    if (status.commit_index < node->commit_index) {
        world_violate(node->world, "node %d: commit index went from %" PRIu64 " to %" PRIu64, (int)node->id,
                      node->commit_index, status.commit_index);
    }
    node->commit_index = status.commit_index;
}

/* Proposals. */

struct world_proposal {
    struct quorum_proposal proposal;
    struct world_node *node;
    uint64_t must_see; /* barrier: acknowledged when it was asked for */
    bool barrier;
};

static void proposal_done(struct quorum_proposal *base, enum status status)
{
    struct world_proposal *proposal = CONTAINER_OF(base, struct world_proposal, proposal);
    struct world_node *node = proposal->node;
    struct world *world = node->world;

    if (proposal->barrier) {
        world->barriers_ok += status == STATUS_OK;
        if (status == STATUS_OK && node->applied_index < proposal->must_see) {
            world_violate(world, "a barrier at node %d saw %" PRIu64 ", not %" PRIu64, (int)node->id,
                          node->applied_index,
                          proposal->must_see);
        }
    } else if (status == STATUS_OK) {
        world->answered_ok++;
        if (node->applied_index != base->index) {
            world_violate(world, "acknowledged %" PRIu64 " but applied %" PRIu64, base->index, node->applied_index);
        }
        world->acknowledged = base->index > world->acknowledged ? base->index : world->acknowledged;
    } else {
        world->answered_other++;
    }
    memory_free(proposal);
}

static struct world_proposal *proposal_create(struct world_node *node, bool barrier)
{
    struct world_proposal *proposal = memory_alloc_zero(1, sizeof(*proposal));

    proposal->proposal.done = proposal_done;
    proposal->node = node;
    proposal->must_see = node->world->acknowledged;
    proposal->barrier = barrier;
    return proposal;
}

void world_propose(struct world *world, int index, size_t size)
{
    struct world_node *node = &world->nodes[index];
    struct buffer data = {0};

    if (node->quorum == NULL || node_is_paused(node)) {
        return;
    }
    world->proposed++;
    buffer_append_format(&data, "entry %" PRIu64 " at %d", world->proposed, index);
    while (data.size < size) {
        buffer_append(&data, "................................", 32);
    }
    quorum_propose(node->quorum, buffer_bytes(&data), &proposal_create(node, false)->proposal);
    buffer_deinit(&data);
    node_turn(node);
    node_note(node);
}

void world_barrier(struct world *world, int index)
{
    struct world_node *node = &world->nodes[index];

    if (node->quorum != NULL && !node_is_paused(node)) {
        quorum_barrier(node->quorum, &proposal_create(node, true)->proposal);
        node_turn(node);
        node_note(node);
    }
}

/* Life. */

void world_init(struct world *world, uint64_t seed, int nodes)
{
    *world = (struct world){.node_count = nodes, .now_ns = NS_PER_SECOND, .snapshot_filler = 3000};
    prng_init(&world->prng, seed);
    heap_init(&world->events);
    quorum_options_init(&world->options);
    world->options.directory = "/data/quorum";
    world->options.segment_bytes = 32 * 1024;
    world->options.snapshot_bytes = 100 * 1024;
    world->options.election_timeout_ms = 300;
    world->options.heartbeat_ms = 30;
    world->options.inflight_entries_max = 1 + (uint32_t)prng_below(&world->prng, 40);
    world->options.cluster_id.data[0] = 1;
    world->options.voter_count = nodes;
    for (int i = 0; i < nodes; i++) {
        struct world_node *node = &world->nodes[i];

        node->world = world;
        node->id = i;
        node->net.ops = &world_net_ops;
        memory_disk_init(&node->disk, prng_next(&world->prng));
        env_init(&node->env, &world_env_ops, &node->disk.disk, &node->net);
        world->options.voters[i].id = i;
        world->options.voters[i].port = (uint16_t)i;
    }
}

bool world_start(struct world *world, int index)
{
    struct world_node *node = &world->nodes[index];
    struct quorum_options options = world->options;

    ASSERT(node->quorum == NULL);
    options.id = node->id;
    node->life++;
    node->fatal = false;
    node->applied_index = 0;
    node->hash = 1;
    node->entries = 0;
    node->leader = false;
    node->commit_index = 0;
    node->paused_until_ns = 0;
    if (quorum_create(&node->env, &options, &node_handler, node, &node->quorum) != STATUS_OK) {
        node->quorum = NULL;
        return false;
    }
    node_turn(node);
    node_note(node);
    return true;
}

void world_start_all(struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        if (world->nodes[i].quorum == NULL && !world_start(world, i)) {
            world_violate(world, "node %d does not start: %s", i, world->nodes[i].fatal_text);
        }
    }
}

void world_crash(struct world *world, int index, enum memory_crash how)
{
    struct world_node *node = &world->nodes[index];
    struct quorum *quorum = node->quorum;

    ASSERT(quorum != NULL);
    world->crashes++;
    node->quorum = NULL;
    node->leader = false;
    /* Its connections break; what is under way at the disk does not happen any more (job_work). */
    for (struct world_connection *at = world->connections; at != NULL; at = at->next) {
        if (at->to == index) {
            connection_shut(at);
        }
    }
    memory_disk_crash(&node->disk, how);
    quorum_destroy(quorum);
    env_run_hooks(&node->env);
}

void world_deinit(struct world *world)
{
    struct heap_node *node;

    for (int i = 0; i < world->node_count; i++) {
        world->faults = (struct world_faults){0};
        world->nodes[i].paused_until_ns = 0;
        if (world->nodes[i].quorum != NULL) {
            world_crash(world, i, MEMORY_CRASH_KEEPS);
        }
    }
    while ((node = heap_first(&world->events)) != NULL) {
        struct world_event *event = CONTAINER_OF(node, struct world_event, node);

        heap_remove(&world->events, node);
        event->run(event);
    }
    ASSERT(world->connections == NULL);
    for (int i = 0; i < world->node_count; i++) {
        memory_disk_deinit(&world->nodes[i].disk);
        env_deinit(&world->nodes[i].env);
    }
    heap_deinit(&world->events);
    memory_free(world->history);
    memory_free(world->leaders);
}

/* The node whose timer is next, and when. A paused node's timers wait. */
static struct world_node *world_next_timer(struct world *world, uint64_t *time_ns)
{
    struct world_node *first = NULL;

    *time_ns = UINT64_MAX;
    for (int i = 0; i < world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        uint64_t deadline = env_next_deadline(&node->env);

        if (deadline != UINT64_MAX && deadline < node->paused_until_ns) {
            deadline = node->paused_until_ns;
        }
        if (deadline < *time_ns) {
            *time_ns = deadline;
            first = node;
        }
    }
    return first;
}

void world_run(struct world *world, uint64_t duration_ns)
{
    const uint64_t end_ns = world->now_ns + duration_ns;

    while (world->violation[0] == '\0') {
        struct heap_node *next = heap_first(&world->events);
        uint64_t timer_ns;
        struct world_node *node = world_next_timer(world, &timer_ns);
        const uint64_t event_ns = next != NULL ? event_time(next) : UINT64_MAX;

        if ((event_ns < timer_ns ? event_ns : timer_ns) > end_ns) {
            break;
        }
        if (event_ns <= timer_ns) {
            struct world_event *event = CONTAINER_OF(next, struct world_event, node);

            world->now_ns = event_ns > world->now_ns ? event_ns : world->now_ns;
            heap_remove(&world->events, next);
            event->run(event);
            for (int i = 0; i < world->node_count; i++) {
                node_note(&world->nodes[i]);
            }
        } else {
            world->now_ns = timer_ns > world->now_ns ? timer_ns : world->now_ns;
            env_fire_timers(&node->env, world->now_ns);
            node_turn(node);
            node_note(node);
        }
    }
    world->now_ns = end_ns > world->now_ns ? end_ns : world->now_ns;
}

void world_break(struct world *world, int from, int to)
{
    for (struct world_connection *at = world->connections; at != NULL; at = at->next) {
        if (at->from == from && at->to == to) {
            connection_shut(at);
        }
    }
}

static void world_fault(struct world *world)
{
    struct prng *prng = &world->prng;
    const int index = (int)prng_below(prng, (uint64_t)world->node_count);
    struct world_node *node = &world->nodes[index];
    const uint64_t kind = prng_below(prng, 12);

    if (node->quorum == NULL) {
        if (prng_below(prng, 3) == 0) {
            world_start(world, index);
            if (node->quorum == NULL) {
                world_violate(world, "node %d does not start: %s", index, node->fatal_text);
            }
        }
    } else if (kind == 0 && world->faults.crash) {
        world_crash(world, index, (enum memory_crash)prng_below(prng, 3));
    } else if (kind == 1 && world->faults.crash) {
        node->disk.fail_at = node->disk.operations + 1 + prng_below(prng, 40);
    } else if (kind == 2 && world->faults.pause) {
        node->paused_until_ns = world->now_ns + prng_below(prng, 2 * NS_PER_SECOND);
    } else if (kind <= 4 && world->faults.cut) {
        world->cut[index][prng_below(prng, (uint64_t)world->node_count)] ^= true;
    } else if (kind == 5 && world->faults.cut) {
        memset(world->cut, 0, sizeof(world->cut));
    } else if (kind == 7 && world->faults.crash && prng_below(prng, 3) == 0) {
        /* The power goes everywhere. */
        for (int i = 0; i < world->node_count; i++) {
            if (world->nodes[i].quorum != NULL) {
                world_crash(world, i, prng_below(prng, 2) == 0 ? MEMORY_CRASH_LOSES : MEMORY_CRASH_TEARS);
            }
        }
    } else if (kind == 6 && world->faults.cut) {
        world_break(world, index, (int)prng_below(prng, (uint64_t)world->node_count));
    }
}

void world_shake(struct world *world, uint64_t duration_ns)
{
    const uint64_t end_ns = world->now_ns + duration_ns;

    while (world->now_ns < end_ns && world->violation[0] == '\0') {
        const uint64_t proposals = prng_below(&world->prng, 6);

        if (prng_below(&world->prng, 4) == 0) {
            world_fault(world);
        }
        for (uint64_t i = 0; i < proposals; i++) {
            int index = (int)prng_below(&world->prng, (uint64_t)world->node_count);

            if (prng_below(&world->prng, 4) != 0 && world_leader(world) >= 0) {
                index = world_leader(world);
            }
            world_propose(world, index, prng_below(&world->prng, 2000));
            if (prng_below(&world->prng, 4) == 0) {
                world_barrier(world, index);
            }
        }
        world_run(world, prng_below(&world->prng, 100 * NS_PER_MS));
    }
}

void world_heal(struct world *world)
{
    world->faults = (struct world_faults){0};
    memset(world->cut, 0, sizeof(world->cut));
    for (int i = 0; i < world->node_count; i++) {
        /* A write may have failed already without anybody having noticed. */
        if (world->nodes[i].disk.fail_at != 0 && world->nodes[i].quorum != NULL) {
            world_crash(world, i, MEMORY_CRASH_TEARS);
        }
        world->nodes[i].disk.fail_at = 0;
        world->nodes[i].paused_until_ns = 0;
    }
    world_start_all(world);
}

int world_leader(const struct world *world)
{
    int leader = -1;

    for (int i = 0; i < world->node_count; i++) {
        const struct world_node *node = &world->nodes[i];

        if (node->quorum != NULL && node->leader && (leader < 0 || node->term > world->nodes[leader].term)) {
            leader = i;
        }
    }
    return leader;
}

bool world_is_even(const struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        const struct world_node *node = &world->nodes[i];

        if (node->quorum == NULL || node->applied_index < world->acknowledged ||
            node->applied_index != world->nodes[0].applied_index || node->hash != world->nodes[0].hash) {
            return false;
        }
    }
    return true;
}
