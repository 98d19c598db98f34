/* Connections that write: see producer.h.
 *
 *     ring of slots:   oldest .. sent | sent .. next | free
 *     a request:       head (its own copy: correlation id, partition) + batch (everyone's) + tail (three zero bytes)
 */
#include "tests/bench/producer.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/batch/record_batch.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IN_SIZE 65536
#define PARTS 3
#define TAIL_SIZE 3
#define TIMEOUT_MS 30000

struct slot {
    uint64_t due_ns;
    int32_t partition;
    int32_t correlation;
    uint8_t *batch;
    uint8_t head[HEAD_MAX];
};

struct producer {
    enum connection_kind kind;
    int fd;
    bool writing;
    int32_t *partitions; /* it writes to them in turn */
    uint32_t partition_count;
    uint32_t partition_next;
    uint64_t scheduled; /* open loop: its requests so far */
    uint32_t index;
    int32_t correlation;
    struct slot *slots;
    uint64_t oldest, sent, next; /* counters; slots are those modulo depth */
    size_t sent_bytes;           /* of the slot `sent` */
    uint32_t in_size;
    uint8_t in[IN_SIZE];
};

static const uint8_t tail_bytes[TAIL_SIZE];

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* Everything before the batch; returns its size. The places that differ are at fixed offsets: correlation id at 8, the
 * partition in front of the batch's size. */
static size_t head_write(const struct load *load, const struct slot *slot, uint8_t head[HEAD_MAX])
{
    const size_t batch = load->batch.bytes.size;
    const size_t name = strlen(load->options.topic);
    uint8_t *at = head + 4;

    memcpy(at, "\0\0\0\x09", 4);
    store_i32(at + 4, slot->correlation);
    memcpy(at + 8, "\0\x04load\0\0", 8);
    store_i16(at + 16, load->options.acks);
    store_i32(at + 18, TIMEOUT_MS);
    at += 22;
    *at++ = 2;
    at = put_varint(at, name + 1);
    memcpy(at, load->options.topic, name);
    at += name;
    *at++ = 2;
    store_i32(at, slot->partition);
    at = put_varint(at + 4, batch + 1);
    store_u32(head, (uint32_t)((size_t)(at - head - 4) + batch + TAIL_SIZE));
    return (size_t)(at - head);
}

/* The first byte of what is unsent may lie inside a part: iovecs begin there. */
static int gather(const struct load *load, const struct producer *producer, size_t head_size, struct iovec *parts)
{
    size_t skip = producer->sent_bytes;
    int count = 0;

    for (uint64_t i = producer->sent; i < producer->next; i++) {
        const struct slot *slot = &producer->slots[i % load->options.depth];
        const struct iovec whole[PARTS] = {{(void *)(uintptr_t)slot->head, head_size},
                                           {slot->batch, load->batch.bytes.size},
                                           {(void *)(uintptr_t)tail_bytes, TAIL_SIZE}};

        for (int j = 0; j < PARTS; j++) {
            const size_t skipped = skip < whole[j].iov_len ? skip : whole[j].iov_len;

            skip -= skipped;
            if (skipped < whole[j].iov_len) {
                parts[count++] =
                    (struct iovec){(uint8_t *)whole[j].iov_base + skipped, whole[j].iov_len - skipped};
            }
        }
    }
    return count;
}

static void producer_flush(struct load *load, struct producer *producer)
{
    struct iovec parts[PARTS * 256];
    uint8_t head[HEAD_MAX];
    const size_t head_size = head_write(load, &producer->slots[0], head);
    const size_t frame = head_size + load->batch.bytes.size + TAIL_SIZE;
    bool full = false;

    while (producer->sent < producer->next && !full) {
        struct msghdr message = {.msg_iov = parts};
        ssize_t sent;

        message.msg_iovlen = (size_t)gather(load, producer, head_size, parts);
        sent = sendmsg(producer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            load_fail("a connection broke while sending");
        }
        full = sent < 0;
        producer->sent_bytes += sent > 0 ? (size_t)sent : 0;
        producer->sent += producer->sent_bytes / frame;
        producer->sent_bytes %= frame;
    }
    if (full != producer->writing) {
        producer->writing = full;
        engine_watch(load, producer->fd, producer, full, false);
    }
}

/* Puts one more request into the ring. */
static void producer_add(struct load *load, struct producer *producer, uint64_t due_ns)
{
    struct slot *slot = &producer->slots[producer->next % load->options.depth];

    slot->due_ns = due_ns;
    slot->partition = producer->partitions[producer->partition_next];
    slot->correlation = producer->correlation++;
    producer->partition_next = (producer->partition_next + 1) % producer->partition_count;
    head_write(load, slot, slot->head);
    if (slot->batch != load->batch.bytes.data) {
        store_u64(slot->batch + load->batch.stamp_at, due_ns);
        batch_set_crc((struct space){slot->batch, load->batch.bytes.size});
    }
    producer->next++;
    load->in_flight++;
}

/* Fills the ring: closed loop with all it takes, open loop with what is due. */
static void producer_fill(struct load *load, struct producer *producer, uint64_t now)
{
    while (!load->stopping && producer->next - producer->oldest < load->options.depth) {
        uint64_t due = now;

        if (load->options.rate > 0) {
            const double number = (double)(producer->scheduled * load->producer_count + producer->index);

            due = load->begin_ns + (uint64_t)(number * 1e9 / load->options.rate);
            if (due > now) {
                break;
            }
            producer->scheduled++;
        }
        producer_add(load, producer, due);
    }
    if (producer->sent < producer->next && !producer->writing) {
        producer_flush(load, producer);
    }
}

void producers_schedule(struct load *load, uint64_t now)
{
    while (load->begin_ns + (uint64_t)((double)load->scheduled * 1e9 / load->options.rate) <= now) {
        producer_fill(load, &load->producers[load->scheduled % load->producer_count], now);
        load->scheduled++;
    }
}

/* One answer: size, correlation id, tags, topics (one), name, partitions (one), index, error, ... */
static void producer_answer(struct load *load, struct producer *producer, const uint8_t *answer, uint32_t size,
                            uint64_t now)
{
    const struct slot *slot = &producer->slots[producer->oldest % load->options.depth];
    const size_t name = strlen(load->options.topic);
    const size_t at = 4 + 1 + 1 + 1 + name + 1;

    if (producer->oldest == producer->sent || size < at + 6 || load_i32(answer) != slot->correlation ||
        answer[5] != 2 || load_i32(answer + at) != slot->partition) {
        load_fail("an answer to Produce is not the one that was expected");
    }
    producer->oldest++;
    load->in_flight--;
    if (load_i16(answer + at + 4) != 0) {
        load_error(load, load_i16(answer + at + 4));
        return;
    }
    load->done.requests++;
    load->done.records += load->batch.records;
    load->done.bytes += load->batch.bytes.size;
    if (load->counting) {
        histogram_add(load->acks, now - slot->due_ns);
    }
}

static void producer_read(struct load *load, struct producer *producer, uint64_t now)
{
    const ssize_t got =
        recv(producer->fd, producer->in + producer->in_size, IN_SIZE - producer->in_size, MSG_DONTWAIT);
    uint32_t at = 0;

    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        load_fail("the broker closed a connection");
    }
    producer->in_size += got > 0 ? (uint32_t)got : 0;
    while (producer->in_size - at >= 4) {
        const uint32_t size = load_u32(producer->in + at);

        if (size > IN_SIZE - 4) {
            load_fail("an answer to Produce of %u bytes", size);
        }
        if (producer->in_size - at - 4 < size) {
            break;
        }
        producer_answer(load, producer, producer->in + at + 4, size, now);
        at += size + 4;
    }
    producer->in_size -= at;
    memmove(producer->in, producer->in + at, producer->in_size);
}

void producer_event(struct load *load, struct producer *producer)
{
    uint64_t now;

    if (producer->writing) {
        producer_flush(load, producer);
    }
    now = load_now_ns();
    producer_read(load, producer, now);
    producer_fill(load, producer, now);
}

/* The partitions that connection `number` of `count` to broker `broker` writes to: every count-th of those it leads, or
 * one if there are fewer partitions than connections. */
static void producer_assign(const struct load *load, struct producer *producer, uint32_t broker, uint32_t number,
                            uint32_t count)
{
    const struct cluster_view *view = &load->view;
    int32_t *led = memory_alloc_zero((size_t)view->partitions, sizeof(*led));
    uint32_t led_count = 0;

    for (int32_t i = 0; i < load->options.partitions; i++) {
        if (view->leaders[i] == (int32_t)broker) {
            led[led_count++] = i;
        }
    }
    if (led_count == 0) {
        load_fail("broker %d leads no partition of %s", view->brokers[broker].id, load->options.topic);
    }
    producer->partitions = memory_alloc_zero(led_count, sizeof(*led));
    for (uint32_t i = number % led_count; i < led_count; i += count) {
        producer->partitions[producer->partition_count++] = led[i];
    }
    memory_free(led);
}

static void producer_open(struct load *load, uint32_t index)
{
    const uint32_t brokers = load->view.broker_count;
    const uint32_t broker = index % brokers;
    const uint32_t total = load->options.connections;
    struct producer *producer = &load->producers[index];

    producer->kind = CONNECTION_PRODUCER;
    producer->index = index;
    producer->fd = client_connect(load->view.brokers[broker].host, load->view.brokers[broker].port, 0);
    producer_assign(load, producer, broker, index / brokers, total / brokers + (broker < total % brokers ? 1 : 0));
    producer->slots = memory_alloc_zero(load->options.depth, sizeof(*producer->slots));
    for (uint32_t i = 0; i < load->options.depth; i++) {
        producer->slots[i].batch = load->batch.bytes.data;
        if (load->options.tail > 0) {
            producer->slots[i].batch = memory_copy(load->batch.bytes.data, load->batch.bytes.size);
        }
    }
    engine_watch(load, producer->fd, producer, false, true);
}

void producers_open(struct load *load)
{
    load->producer_count = load->options.connections;
    load->producers = memory_alloc_zero(load->producer_count, sizeof(*load->producers));
    for (uint32_t i = 0; i < load->producer_count; i++) {
        producer_open(load, i);
    }
    load->begin_ns = load_now_ns();
    for (uint32_t i = 0; i < load->producer_count && load->options.rate == 0; i++) {
        producer_fill(load, &load->producers[i], load->begin_ns);
    }
}

void producers_close(struct load *load)
{
    for (uint32_t i = 0; i < load->producer_count; i++) {
        struct producer *producer = &load->producers[i];

        for (uint32_t j = 0; j < load->options.depth; j++) {
            if (producer->slots[j].batch != load->batch.bytes.data) {
                memory_free(producer->slots[j].batch);
            }
        }
        memory_free(producer->slots);
        memory_free(producer->partitions);
        close(producer->fd);
    }
    memory_free(load->producers);
}
