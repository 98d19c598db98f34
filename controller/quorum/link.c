/* Outgoing connections between controllers. */
#include "controller/quorum/link.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#define LINK_BACKOFF_MIN_NS (20 * NS_PER_MS)
#define LINK_BACKOFF_MAX_NS NS_PER_SECOND
/* Connecting, not getting rid of any byte, or hearing nothing, for this long: the connection is given up. */
#define LINK_PATIENCE_NS (5 * NS_PER_SECOND)
#define LINK_CHECK_NS NS_PER_SECOND
#define LINK_QUEUE_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Before the connection is up only the newest messages are worth anything. */
#define LINK_CLOSED_BYTES_MAX ((size_t)256 * 1024)

const uint8_t quorum_preamble[QUORUM_PREAMBLE_SIZE] = {'M', 'L', 'R', 'A', 'F', 'T', 0, 1};

/* One connection's life. It outlives the link until the stream says that it is closed. */
struct link_stream {
    struct link *link; /* NULL: the link went away */
    struct stream *stream;
    uint8_t byte;      /* nothing is ever received here */
};

struct link_frame {
    struct send send;
    struct send_part part;
    struct buffer data;
    struct link_stream *owner; /* set when it was given to the stream */
    uint64_t ticket;
    bool chunk;
};

static void link_connect(void *context);
static void link_snapshot_next(struct link *link);

static void link_frame_free(struct link_frame *frame)
{
    buffer_deinit(&frame->data);
    memory_free(frame);
}

static void link_drop_held(struct link *link)
{
    struct list *first;

    while ((first = list_take_first(&link->held)) != NULL) {
        struct link_frame *frame = LIST_ENTRY(first, struct link_frame, send.link);

        link->queued_bytes -= frame->data.size;
        link_frame_free(frame);
    }
}

void link_init(struct link *link, struct env *env, struct edge_identity identity, const struct quorum_voter *voter)
{
    *link = (struct link){.env = env, .identity = identity, .voter = voter, .backoff_ns = LINK_BACKOFF_MIN_NS};
    env_timer_init(&link->timer, link_connect, link);
    list_init(&link->held);
}

void link_start(struct link *link)
{
    env_timer_start(link->env, &link->timer, 1);
}

void link_deinit(struct link *link)
{
    link->closed = true;
    env_timer_stop(link->env, &link->timer);
    link_drop_held(link);
    link_stop_snapshot(link);
    if (link->stream != NULL) {
        link->stream->link = NULL;
        stream_close(link->stream->stream);
        link->stream = NULL;
    }
}

static void link_sent(struct send *send, enum status status)
{
    struct link_frame *frame = CONTAINER_OF(send, struct link_frame, send);
    struct link *link = frame->owner->link;

    if (link != NULL && link->stream == frame->owner) {
        link->queued_bytes -= frame->data.size;
        link->sent_ns = env_now_ns(link->env);
        if (frame->chunk) {
            link->snapshot_busy = false;
            if (status == STATUS_OK) {
                link_snapshot_next(link);
            }
        }
    }
    link_frame_free(frame);
}

static void link_give(struct link *link, struct link_frame *frame)
{
    frame->owner = link->stream;
    frame->part = (struct send_part){.data = frame->data.data, .size = frame->data.size};
    frame->send.parts = &frame->part;
    frame->send.part_count = 1;
    frame->send.sent = link_sent;
    stream_send(link->stream->stream, &frame->send);
}

static void link_release(struct link *link)
{
    while (link->open && !list_empty(&link->held)) {
        struct link_frame *frame = LIST_ENTRY(link->held.next, struct link_frame, send.link);

        if (frame->ticket > link->durable_ticket) {
            break;
        }
        list_remove(&frame->send.link);
        link_give(link, frame);
    }
}

static struct link_frame *link_frame_create(struct buffer *data, uint64_t ticket, bool chunk)
{
    struct link_frame *frame = memory_alloc_zero(1, sizeof(*frame));

    frame->data = *data;
    buffer_init(data);
    frame->ticket = ticket;
    frame->chunk = chunk;
    list_init(&frame->send.link);
    return frame;
}

static void link_enqueue(struct link *link, struct link_frame *frame)
{
    if (link->queued_bytes == 0) {
        link->sent_ns = env_now_ns(link->env);
    }
    if (link->unanswered_ns == 0) {
        link->unanswered_ns = env_now_ns(link->env);
    }
    link->queued_bytes += frame->data.size;
    list_append(&link->held, &frame->send.link);
    link_release(link);
}

void link_send(struct link *link, struct buffer *frame, uint64_t ticket)
{
    if (!link->open && link->queued_bytes + frame->size > LINK_CLOSED_BYTES_MAX) {
        link_drop_held(link);
    }
    if (link->queued_bytes + frame->size > LINK_QUEUE_BYTES_MAX) {
        buffer_deinit(frame);
        return;
    }
    link_enqueue(link, link_frame_create(frame, ticket, false));
}

void link_heard(struct link *link)
{
    link->unanswered_ns = 0;
}

void link_durable(struct link *link, uint64_t ticket)
{
    link->durable_ticket = ticket;
    link_release(link);
}

static void link_opened(void *context)
{
    struct link_stream *stream = context;
    struct link *link = stream->link;
    struct buffer preamble = {0};
    struct link_frame *frame;

    if (link == NULL) {
        return;
    }
    link->open = true;
    link->opened_ns = env_now_ns(link->env);
    link->sent_ns = env_now_ns(link->env);
    buffer_append(&preamble, quorum_preamble, sizeof(quorum_preamble));
    frame = link_frame_create(&preamble, 0, false);
    link->queued_bytes += frame->data.size;
    link_give(link, frame);
    link_release(link);
    link_snapshot_next(link);
}

/* Closes; nothing may be sent until the stream says that it is closed. */
static void link_shut(struct link_stream *stream)
{
    if (stream->link != NULL) {
        stream->link->open = false;
    }
    stream_close(stream->stream);
}

/* The other side never sends; a byte from it is a mistake that link_received ends. */
static struct space link_space(void *context)
{
    struct link_stream *stream = context;

    return (struct space){&stream->byte, sizeof(stream->byte)};
}

static void link_received(void *context, size_t size)
{
    struct link_stream *stream = context;

    (void)size;
    link_shut(stream);
}

static void link_wait(struct link *link)
{
    env_timer_start(link->env, &link->timer, link->backoff_ns);
    link->backoff_ns = link->backoff_ns * 2 < LINK_BACKOFF_MAX_NS ? link->backoff_ns * 2 : LINK_BACKOFF_MAX_NS;
}

static void link_stream_closed(void *context, enum status why)
{
    struct link_stream *stream = context;
    struct link *link = stream->link;

    (void)why;
    if (link != NULL) {
        /* What was on its way is lost; what the receiver has of a snapshot too. */
        if (link->opened_ns != 0 && env_now_ns(link->env) - link->opened_ns >= LINK_BACKOFF_MAX_NS) {
            link->backoff_ns = LINK_BACKOFF_MIN_NS;
        }
        link->stream = NULL;
        link->open = false;
        link_drop_held(link);
        link->queued_bytes = 0;
        link->snapshot_offset = 0;
        link->snapshot_busy = false;
        link->snapshot_sent_index = 0;
        link->unanswered_ns = 0;
        link->opened_ns = 0;
        link_wait(link);
    }
    memory_free(stream);
}

static const struct stream_handler link_handler = {
    .opened = link_opened,
    .space = link_space,
    .received = link_received,
    .closed = link_stream_closed,
};

static bool link_is_stuck(const struct link *link, uint64_t now_ns)
{
    if ((!link->open || link->queued_bytes > 0) && now_ns - link->sent_ns >= LINK_PATIENCE_NS) {
        return true;
    }
    return link->open && link->unanswered_ns != 0 && now_ns - link->unanswered_ns >= LINK_PATIENCE_NS;
}

/* The timer: connects, or gives up a connection that leads nowhere. */
static void link_connect(void *context)
{
    struct link *link = context;

    if (link->stream == NULL) {
        link->stream = memory_alloc_zero(1, sizeof(*link->stream));
        link->stream->link = link;
        link->sent_ns = env_now_ns(link->env);
        link->stream->stream =
            net_connect(link->env->net, link->voter->host, link->voter->port, &link_handler, link->stream);
    } else if (link_is_stuck(link, env_now_ns(link->env))) {
        link_shut(link->stream);
        return;
    }
    env_timer_start(link->env, &link->timer, LINK_CHECK_NS);
}

void link_send_snapshot(struct link *link, struct snapshot *snapshot, uint64_t term)
{
    const uint64_t now_ns = env_now_ns(link->env);

    if (link->snapshot != NULL && link->snapshot->about.index == snapshot->about.index &&
        link->snapshot_term == term) {
        return;
    }
    /* The library repeats itself until the receiver says that it has begun to write. */
    if (link->snapshot_sent_index == snapshot->about.index && link->snapshot_term == term &&
        now_ns - link->snapshot_sent_ns < NS_PER_SECOND) {
        return;
    }
    link_stop_snapshot(link);
    link->snapshot = snapshot_ref(snapshot);
    link->snapshot_term = term;
    link_snapshot_next(link);
}

void link_stop_snapshot(struct link *link)
{
    snapshot_unref(link->snapshot);
    link->snapshot = NULL;
    link->snapshot_offset = 0;
}

/* Queues the next chunk if none is under way. */
static void link_snapshot_next(struct link *link)
{
    const struct snapshot *snapshot = link->snapshot;
    struct edge_message message = {.kind = EDGE_SNAPSHOT_CHUNK};
    struct edge_chunk *chunk = &message.chunk;
    struct buffer frame = {0};
    size_t left;

    if (snapshot == NULL || !link->open || link->snapshot_busy) {
        return;
    }
    left = snapshot->data.size - link->snapshot_offset;
    message.receiver = link->voter->id;
    message.sender_term = link->snapshot_term;
    message.term = link->snapshot_term;
    chunk->last_index = snapshot->about.index;
    chunk->last_term = snapshot->about.term;
    chunk->configuration_index = snapshot->about.configuration_index;
    chunk->total = snapshot->data.size;
    chunk->offset = link->snapshot_offset;
    chunk->crc = snapshot->crc;
    chunk->configuration = buffer_bytes(&snapshot->about.configuration);
    chunk->data = bytes_of(snapshot->data.data + link->snapshot_offset,
                           left < EDGE_CHUNK_BYTES_MAX ? left : EDGE_CHUNK_BYTES_MAX);
    edge_encode(link->identity, &message, &frame);
    link->snapshot_offset += chunk->data.size;
    link->snapshot_busy = true;
    if (link->snapshot_offset == snapshot->data.size) {
        link->snapshot_sent_index = snapshot->about.index;
        link->snapshot_sent_ns = env_now_ns(link->env);
        link_stop_snapshot(link);
    }
    /* The term of a leader is durable since its election. */
    link_enqueue(link, link_frame_create(&frame, 0, true));
}
