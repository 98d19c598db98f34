/* Connections that read: see fetcher.h. The log is taken to hold batches of the shape that this program writes, so that
 * a size tells how many records came although nobody looked at them. */
#include "tests/bench/fetcher.h"

#include "common/base/endian.h"
#include "common/base/memory.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX_MAX 320
#define TAIL_WAIT_MS 500
#define TAIL_SPARE 65536
#define BATCH_LENGTH_AT 8
#define BATCH_LAST_DELTA_AT 23
#define BATCH_COUNT_AT 57
#define BATCH_HEADER 61

struct fetcher {
    enum connection_kind kind;
    int fd;
    int32_t partition;
    int64_t offset;
    bool placed; /* the offset is the one to read at; before that the first answer tells the log's end */
    uint64_t sent_ns;
    uint32_t prefix_size; /* of the answer, up to the records' size */
    uint32_t got;         /* bytes of the answer so far, its size included */
    uint32_t size;        /* of the answer, its size included; 0: not known */
    uint32_t records_at;
    uint32_t records_size;
    int64_t high_watermark;
    uint8_t *in; /* the prefix, or at the tail the whole answer */
    uint32_t in_capacity;
};

static uint8_t *put_name(uint8_t *at, const char *name)
{
    const size_t size = strlen(name);

    *at = (uint8_t)(size + 1);
    memcpy(at + 1, name, size);
    return at + 1 + size;
}

static void fetcher_send(struct load *load, struct fetcher *fetcher)
{
    const bool wait = load->options.mode != MODE_FETCH && fetcher->placed;
    uint8_t frame[HEAD_MAX];
    uint8_t *at = frame + 4;
    ssize_t sent;

    memcpy(at, "\0\x01\0\x0c\0\0\0\0\0\x04load\0", 15);
    store_i32(at + 15, -1);
    store_i32(at + 19, wait ? TAIL_WAIT_MS : 0);
    store_i32(at + 23, 1);
    store_u32(at + 27, load->options.max_bytes);
    at[31] = 0;
    store_i32(at + 32, 0);
    store_i32(at + 36, -1);
    at[40] = 2;
    at = put_name(at + 41, load->options.topic);
    *at++ = 2;
    store_i32(at, fetcher->partition);
    store_i32(at + 4, -1);
    store_i64(at + 8, fetcher->offset);
    store_i32(at + 16, -1);
    store_i64(at + 20, -1);
    store_u32(at + 28, load->options.max_bytes);
    memcpy(at + 32, "\0\0\x01\x01\0", 5);
    at += 37;
    store_u32(frame, (uint32_t)(at - frame - 4));
    fetcher->got = fetcher->size = 0;
    fetcher->sent_ns = load_now_ns();
    sent = send(fetcher->fd, frame, (size_t)(at - frame), MSG_NOSIGNAL);
    if (sent != at - frame) {
        load_fail("a connection broke while sending");
    }
}

/* Fields in front of the records; false if the answer is an error, which is counted. */
static bool fetcher_prefix(struct load *load, struct fetcher *fetcher)
{
    const size_t name = strlen(load->options.topic);
    const uint8_t *at = fetcher->in + 4 + 4 + 1 + 4;
    uint64_t size = 0;
    int16_t error = load_i16(at);

    /* error, session, topics (one), name, partitions (one), index, error, three offsets, aborted, replica, records */
    if (fetcher->got >= fetcher->prefix_size - 5 && error == 0) {
        at += 6 + 1 + 1 + name + 1 + 4;
        error = load_i16(at);
        fetcher->high_watermark = load_i64(at + 2);
        at += 2 + 24;
        if (*at > 1) {
            load_fail("aborted transactions in the log");
        }
        at += 1 + 4;
        for (int shift = 0; shift < 35; shift += 7) {
            size |= (uint64_t)(*at & 0x7f) << shift;
            if ((*at++ & 0x80) == 0) {
                break;
            }
        }
    }
    fetcher->records_at = (uint32_t)(at - fetcher->in);
    fetcher->records_size = size > 0 ? (uint32_t)size - 1 : 0;
    if (error != 0 || fetcher->records_at + fetcher->records_size > fetcher->size) {
        load_error(load, error != 0 ? error : -1);
        return false;
    }
    return true;
}

/* Counts an answer whose records nobody saw, and moves on. */
static void fetcher_catch_up(struct load *load, struct fetcher *fetcher)
{
    const uint64_t batches = fetcher->records_size / load->batch.bytes.size;
    const int64_t step = (int64_t)(load->options.max_bytes / load->batch.bytes.size + 1) * load->batch.records;

    if (batches == 0) {
        load_fail("partition %d has no whole batch at offset %lld; fill the topic with batches of this shape first",
                  fetcher->partition, (long long)fetcher->offset);
    }
    load->done.requests++;
    load->done.records += batches * load->batch.records;
    load->done.bytes += batches * load->batch.bytes.size;
    if (load->counting) {
        histogram_add(load->acks, load_now_ns() - fetcher->sent_ns);
    }
    fetcher->offset += (int64_t)(batches * load->batch.records);
    if (fetcher->offset + 2 * step > fetcher->high_watermark) {
        fetcher->offset = 0;
    }
}

/* Looks into every whole batch. */
static void fetcher_tail(struct load *load, struct fetcher *fetcher)
{
    const uint64_t now = load_now_ns();
    const uint8_t *at = fetcher->in + fetcher->records_at;
    size_t left = fetcher->records_size;

    while (left >= BATCH_HEADER && left >= load_u32(at + BATCH_LENGTH_AT) + 12u) {
        const size_t size = load_u32(at + BATCH_LENGTH_AT) + 12u;
        const int64_t base = load_i64(at);

        if (base + load_i32(at + BATCH_LAST_DELTA_AT) >= fetcher->offset) {
            fetcher->offset = base + load_i32(at + BATCH_LAST_DELTA_AT) + 1;
            load->tails.requests++;
            load->tails.records += load_u32(at + BATCH_COUNT_AT);
            load->tails.bytes += size;
            if (load->counting && size == load->batch.bytes.size) {
                histogram_add(load->ends, now - load_u64(at + load->batch.stamp_at));
            }
        }
        at += size;
        left -= size;
    }
}

static void fetcher_finish(struct load *load, struct fetcher *fetcher)
{
    if (load->options.mode == MODE_FETCH) {
        fetcher_catch_up(load, fetcher);
    } else if (fetcher->placed) {
        fetcher_tail(load, fetcher);
    } else {
        fetcher->offset = fetcher->high_watermark;
        fetcher->placed = true;
    }
    if (!load->stopping || load->options.mode != MODE_FETCH) {
        fetcher_send(load, fetcher);
    }
}

/* Receives as far as it is to be looked at, throws the rest away. False: no more for now. */
static bool fetcher_receive(const struct load *load, struct fetcher *fetcher)
{
    const bool whole = load->options.mode != MODE_FETCH;
    uint32_t wanted = fetcher->prefix_size;
    ssize_t got;

    if (whole && fetcher->size > 0) {
        wanted = fetcher->size;
    } else if (fetcher->size > 0 && fetcher->size < wanted) {
        wanted = fetcher->size;
    }
    if (fetcher->got < wanted) {
        got = recv(fetcher->fd, fetcher->in + fetcher->got, wanted - fetcher->got, MSG_DONTWAIT);
    } else {
        got = recv(fetcher->fd, NULL, fetcher->size - fetcher->got, MSG_DONTWAIT | MSG_TRUNC);
    }
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        load_fail("the broker closed a connection");
    }
    fetcher->got += got > 0 ? (uint32_t)got : 0;
    return got > 0;
}

void fetcher_event(struct load *load, struct fetcher *fetcher)
{
    while (fetcher_receive(load, fetcher)) {
        if (fetcher->size == 0 && fetcher->got >= 4) {
            fetcher->size = load_u32(fetcher->in) + 4;
            if (fetcher->size < 4 + 4 + 1 + 4 + 2 || fetcher->size > load->options.max_bytes + (64u << 20)) {
                load_fail("an answer to Fetch of %u bytes", fetcher->size);
            }
            if (load->options.mode != MODE_FETCH && fetcher->size > fetcher->in_capacity) {
                fetcher->in = memory_resize(fetcher->in, fetcher->size, 1);
                fetcher->in_capacity = fetcher->size;
            }
        }
        if (fetcher->size > 0 && fetcher->got == fetcher->size) {
            if (fetcher_prefix(load, fetcher)) {
                fetcher_finish(load, fetcher);
            } else if (!load->stopping) {
                fetcher_send(load, fetcher);
            }
            return;
        }
    }
}

void fetchers_open(struct load *load, uint32_t count)
{
    const size_t name = strlen(load->options.topic);

    load->fetcher_count = count;
    load->fetchers = memory_alloc_zero(count > 0 ? count : 1, sizeof(*load->fetchers));
    for (uint32_t i = 0; i < count; i++) {
        struct fetcher *fetcher = &load->fetchers[i];
        const struct broker_address *broker;

        fetcher->kind = CONNECTION_FETCHER;
        fetcher->partition = (int32_t)(i % (uint32_t)load->options.partitions);
        broker = &load->view.brokers[load->view.leaders[fetcher->partition]];
        fetcher->fd = client_connect(broker->host, broker->port, 0);
        fetcher->prefix_size = (uint32_t)(4 + 4 + 1 + 4 + 2 + 4 + 1 + 1 + name + 1 + 4 + 2 + 24 + 1 + 4 + 5);
        fetcher->placed = load->options.mode == MODE_FETCH;
        fetcher->in_capacity = load->options.mode == MODE_FETCH ? PREFIX_MAX : load->options.max_bytes + TAIL_SPARE;
        fetcher->in = memory_alloc(fetcher->in_capacity);
        engine_watch(load, fetcher->fd, fetcher, false, true);
        fetcher_send(load, fetcher);
    }
}

void fetchers_close(struct load *load)
{
    for (uint32_t i = 0; i < load->fetcher_count; i++) {
        close(load->fetchers[i].fd);
        memory_free(load->fetchers[i].in);
    }
    memory_free(load->fetchers);
}
