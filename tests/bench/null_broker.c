/* The yardstick: what the kernel costs. One thread that takes Kafka frames apart only as far as it must, checks each
 * batch's CRC, appends to a file per partition, answers; and that answers Fetch with a header and sendfile. It decides
 * nothing, checks nothing else, indexes nothing, forgets everything when it ends.
 *
 *     epoll -> recv (per connection) -> frames -> CRC, base offset patched in place -> gathered per partition
 *     end of the turn: one pwritev per partition -> (--fsync: fdatasync of each) -> one send per connection
 *
 * A partition's batches are taken to be alike (same size, same number of records), so that an offset gives a position
 * without an index; a batch of another shape begins the file anew. Files are written over from the start after 300 MB;
 * with --fsync they are small and full from the beginning, so that no sync waits for the file system's bookkeeping, and
 * several are synced at the same time.
 * Produce v9 and Fetch v12 with one topic and one partition per request, nothing sent behind a Fetch before its answer;
 * Metadata v9 and ApiVersions v0 to v3 as clients begin with them. */
#include "tests/bench/null_broker.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define FRAME_MAX (64u << 20)
#define IN_SIZE (256u << 10)
#define PARK_TICK_MS 50

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void connection_close(struct broker *broker, struct connection *connection)
{
    for (uint32_t i = 0; i < broker->parked_count; i++) {
        if (broker->parked[i] == connection) {
            broker->parked[i] = broker->parked[--broker->parked_count];
            break;
        }
    }
    close(connection->fd);
    connection->fd = -1;
    /* Batches of this turn may still point into its memory: freed when the turn is over. */
    connection->next = broker->closed;
    broker->closed = connection;
}

static void connection_watch(struct broker *broker, struct connection *connection, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = connection};

    if (connection->writing != write) {
        connection->writing = write;
        epoll_ctl(broker->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    }
}

/* Sends what is there; false if the connection is gone. */
static bool connection_flush(struct broker *broker, struct connection *connection)
{
    while (connection->out_sent < connection->out_size) {
        const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (connection->file_left > 0 ? MSG_MORE : 0);
        const ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                                  connection->out_size - connection->out_sent, flags);

        if (sent < 0) {
            connection_watch(broker, connection, true);
            return errno == EAGAIN;
        }
        connection->out_sent += (uint32_t)sent;
    }
    connection->out_sent = connection->out_size = 0;
    while (connection->file_left > 0) {
        const ssize_t sent = sendfile(connection->fd, connection->file, &connection->file_at, connection->file_left);

        if (sent <= 0) {
            connection_watch(broker, connection, true);
            return sent < 0 && errno == EAGAIN;
        }
        connection->file_left -= (size_t)sent;
    }
    if (connection->file_tail) {
        connection->file_tail = false;
        memset(connection->out, 0, FETCH_TAIL);
        connection->out_size = FETCH_TAIL;
        return connection_flush(broker, connection);
    }
    connection_watch(broker, connection, false);
    return true;
}

/* Writes the gathered batches of a partition. */
static void partition_write(struct partition *partition)
{
    size_t left = partition->gathered_size;
    uint32_t first = 0;

    while (left > 0) {
        const ssize_t wrote = pwritev(partition->fd, partition->gathered + first,
                                      (int)(partition->gathered_count - first), partition->write_at);
        size_t taken;

        if (wrote < 0) {
            perror("null broker: pwritev");
            exit(1);
        }
        left -= (size_t)wrote;
        partition->write_at += wrote;
        taken = (size_t)wrote;
        while (taken > 0 && taken >= partition->gathered[first].iov_len) {
            taken -= partition->gathered[first++].iov_len;
        }
        if (taken > 0) {
            partition->gathered[first].iov_base = (char *)partition->gathered[first].iov_base + taken;
            partition->gathered[first].iov_len -= taken;
        }
    }
    partition->gathered_count = 0;
    partition->gathered_size = 0;
}

/* So that later writes change data only. */
static void partition_fill(struct partition *partition)
{
    uint8_t *zeros = memory_alloc_zero(1, FSYNC_FILE_BYTES);

    if (pwrite(partition->fd, zeros, FSYNC_FILE_BYTES, 0) != FSYNC_FILE_BYTES || fsync(partition->fd) != 0) {
        perror("null broker: filling a file");
        exit(1);
    }
    memory_free(zeros);
}

static struct partition *partition_open(struct broker *broker, struct bytes name, int32_t index)
{
    struct partition *partition;
    char path[512];

    if (broker->partition_count == PARTITIONS_MAX || name.size > 249) {
        return NULL;
    }
    snprintf(path, sizeof(path), "%s/%.*s-%d.log", broker->directory, (int)name.size, (const char *)name.data, index);
    partition = memory_alloc_zero(1, sizeof(*partition));
    partition->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (partition->fd < 0) {
        perror(path);
        exit(1);
    }
    memcpy(partition->name, name.data, name.size);
    partition->name_size = name.size;
    partition->index = index;
    partition->file_bytes = broker->fsync ? FSYNC_FILE_BYTES : FILE_BYTES;
    if (broker->fsync) {
        partition_fill(partition);
    }
    broker->partitions[broker->partition_count++] = partition;
    return partition;
}

static bool partition_is(const struct partition *partition, struct bytes name, int32_t index)
{
    return partition->index == index && partition->name_size == name.size &&
           memcmp(partition->name, name.data, name.size) == 0;
}

/* The connection's last one, or by search: a client that spreads its requests pays for it with a linear one. */
static struct partition *partition_find(struct broker *broker, struct connection *connection, struct bytes name,
                                        int32_t index)
{
    if (connection->partition != NULL && partition_is(connection->partition, name, index)) {
        return connection->partition;
    }
    for (uint32_t i = 0; i < broker->partition_count; i++) {
        if (partition_is(broker->partitions[i], name, index)) {
            connection->partition = broker->partitions[i];
            return connection->partition;
        }
    }
    connection->partition = partition_open(broker, name, index);
    return connection->partition;
}

/* Takes a batch in; its bytes are written at the end of the turn, or earlier if many came together. */
static void partition_append(struct broker *broker, struct partition *partition, uint8_t *batch, size_t size)
{
    const int32_t records = load_i32(batch + BATCH_RECORDS);

    if (size != partition->batch_size || records != partition->batch_records) {
        partition_write(partition);
        partition->batch_size = size;
        partition->batch_records = records;
        partition->slots = partition->file_bytes / size > 0 ? partition->file_bytes / size : 1;
        partition->slot = 0;
        partition->base_offset = partition->next_offset;
    }
    if (partition->slot == partition->slots) {
        partition_write(partition);
        partition->slot = 0;
    }
    if (partition->gathered_count == 0) {
        partition->write_at = (off_t)(partition->slot * size);
    }
    store_i64(batch, partition->next_offset);
    partition->gathered[partition->gathered_count++] = (struct iovec){batch, size};
    partition->gathered_size += size;
    partition->next_offset += records;
    partition->slot++;
    if (!partition->dirty) {
        partition->dirty = true;
        broker->dirty[broker->dirty_count++] = partition;
    }
    if (partition->gathered_count == GATHER_MAX || partition->gathered_size >= GATHER_BYTES) {
        partition_write(partition);
    }
}

static void produce_answer(struct connection *connection, int32_t correlation, const struct partition *partition,
                           int16_t error, int64_t offset)
{
    uint8_t *start = connection_room(connection, PRODUCE_ANSWER_MAX);
    uint8_t *at = start + 4;

    at = put_i32(at, correlation);
    *at++ = 0;
    *at++ = 2;
    at = put_name(at, partition->name, partition->name_size);
    *at++ = 2;
    at = put_i32(at, partition->index);
    at = put_i16(at, error);
    at = put_i64(at, offset);
    at = put_i64(at, -1);
    at = put_i64(at, 0);
    *at++ = 1;
    *at++ = 0;
    *at++ = 0;
    *at++ = 0;
    at = put_i32(at, 0);
    *at++ = 0;
    store_i32(start, (int32_t)(at - start - 4));
    connection->out_size += (uint32_t)(at - start);
}

static bool broker_produce(struct broker *broker, struct connection *connection, struct cursor *in, int32_t correlation)
{
    const uint64_t transactional = cursor_uvarint(in);
    struct partition *partition;
    struct bytes name;
    int64_t offset;
    uint8_t *batch;
    size_t size;

    cursor_skip(in, 6);
    if (transactional != 0 || cursor_uvarint(in) != 2) {
        return false;
    }
    name = cursor_name(in);
    if (cursor_uvarint(in) != 2) {
        return false;
    }
    partition = in->failed ? NULL : partition_find(broker, connection, name, cursor_i32(in));
    size = (size_t)cursor_uvarint(in) - 1;
    batch = cursor_take(in, size);
    if (partition == NULL || batch == NULL || size < BATCH_HEADER || load_u32(batch + 8) + 12 != size) {
        return false;
    }
    if (crc32c(batch + BATCH_CRC + 4, size - BATCH_CRC - 4) != load_u32(batch + BATCH_CRC)) {
        produce_answer(connection, correlation, partition, 2, -1);
        return true;
    }
    offset = partition->next_offset;
    partition_append(broker, partition, batch, size);
    produce_answer(connection, correlation, partition, 0, offset);
    return true;
}

/* What there is from the fetch's offset on, in whole batches; false if that is nothing. */
static bool fetch_find(const struct fetch *fetch, int64_t *position, size_t *size)
{
    const struct partition *partition = fetch->partition;
    const int64_t records = partition->batch_records;
    int64_t batches;
    int64_t first;

    *position = 0;
    *size = 0;
    if (records == 0 || fetch->offset >= partition->next_offset) {
        return false;
    }
    first = fetch->offset < partition->base_offset ? 0 : (fetch->offset - partition->base_offset) / records;
    batches = (partition->next_offset - partition->base_offset) / records - first;
    first %= (int64_t)partition->slots;
    if (batches > (int64_t)partition->slots - first) {
        batches = (int64_t)partition->slots - first;
    }
    if (batches > 1 && (uint64_t)batches * partition->batch_size > fetch->max_bytes) {
        const int64_t fit = (int64_t)(fetch->max_bytes / partition->batch_size);

        batches = fit > 0 ? fit : 1;
    }
    *position = first * (int64_t)partition->batch_size;
    *size = (size_t)batches * partition->batch_size;
    return true;
}

/* Answers the connection's fetch with whatever there is. */
static void fetch_answer(struct connection *connection)
{
    const struct fetch *fetch = &connection->fetch;
    const struct partition *partition = fetch->partition;
    uint8_t *start = connection_room(connection, FETCH_ANSWER_MAX);
    uint8_t *at = start + 4;
    int64_t position;
    size_t size;

    fetch_find(fetch, &position, &size);
    at = put_i32(at, fetch->correlation);
    *at++ = 0;
    at = put_i32(at, 0);
    at = put_i16(at, 0);
    at = put_i32(at, 0);
    *at++ = 2;
    at = put_name(at, partition->name, partition->name_size);
    *at++ = 2;
    at = put_i32(at, partition->index);
    at = put_i16(at, 0);
    at = put_i64(at, partition->next_offset);
    at = put_i64(at, partition->next_offset);
    at = put_i64(at, 0);
    *at++ = 1;
    at = put_i32(at, -1);
    at = put_uvarint(at, size + 1);
    store_i32(start, (int32_t)((size_t)(at - start - 4) + size + FETCH_TAIL));
    connection->out_size += (uint32_t)(at - start);
    connection->file = partition->fd;
    connection->file_at = position;
    connection->file_left = size;
    connection->file_tail = true;
    connection->fetch.partition = NULL;
}

static bool broker_fetch(struct broker *broker, struct connection *connection, struct cursor *in, int32_t correlation)
{
    struct fetch fetch = {.correlation = correlation};
    struct bytes name;
    int64_t position;
    size_t size;

    cursor_skip(in, 4);
    fetch.deadline_ms = (uint64_t)cursor_i32(in);
    cursor_skip(in, 4 + 4 + 1 + 4 + 4);
    if (cursor_uvarint(in) != 2) {
        return false;
    }
    name = cursor_name(in);
    if (cursor_uvarint(in) != 2 || in->failed) {
        return false;
    }
    fetch.partition = partition_find(broker, connection, name, cursor_i32(in));
    cursor_skip(in, 4);
    fetch.offset = cursor_i64(in);
    cursor_skip(in, 4 + 8);
    fetch.max_bytes = (uint32_t)cursor_i32(in);
    if (in->failed || fetch.partition == NULL) {
        return false;
    }
    connection->fetch = fetch;
    /* Bytes that are only gathered are not in the file yet. */
    partition_write(fetch.partition);
    if (fetch_find(&fetch, &position, &size) || fetch.deadline_ms == 0) {
        fetch_answer(connection);
        return true;
    }
    connection->fetch.deadline_ms += now_ms();
    if (broker->parked_count == CONNECTIONS_MAX) {
        return false;
    }
    broker->parked[broker->parked_count++] = connection;
    return true;
}

/* One frame; false if it is not what this broker speaks. */
static bool broker_frame(struct broker *broker, struct connection *connection, uint8_t *frame, size_t size)
{
    struct cursor in = {frame, frame + size, false};
    const int16_t key = cursor_i16(&in);
    const int16_t version = cursor_i16(&in);
    const int32_t correlation = cursor_i32(&in);
    const int16_t client = cursor_i16(&in);

    cursor_skip(&in, client > 0 ? (size_t)client : 0);
    if (key == 0 && version == 9) {
        cursor_skip(&in, 1);
        return broker_produce(broker, connection, &in, correlation);
    }
    if (key == 1 && version == 12) {
        cursor_skip(&in, 1);
        return broker_fetch(broker, connection, &in, correlation);
    }
    return null_describe(broker, connection, (struct bytes){frame, size});
}

/* Frames of the connection's input, until one waits (a fetch) or is cut; false if the connection is to be closed. */
static bool broker_frames(struct broker *broker, struct connection *connection)
{
    while (connection->fetch.partition == NULL && connection->file_left == 0 && !connection->file_tail) {
        uint8_t *frame = connection->in + connection->in_start;
        const uint32_t held = connection->in_end - connection->in_start;
        const uint32_t size = held >= 4 ? load_u32(frame) : 0;

        if (held >= 4 && (size > FRAME_MAX || size < 10)) {
            return false;
        }
        if (held < 4 || held - 4 < size) {
            break;
        }
        connection->in_start += size + 4;
        if (!broker_frame(broker, connection, frame + 4, size)) {
            return false;
        }
    }
    return true;
}

/* Room for the rest of the frame that has begun, or for a good many small ones. Called between turns: nothing points
 * into the memory any more. */
static void connection_make_room(struct connection *connection)
{
    const uint32_t held = connection->in_end - connection->in_start;
    uint32_t wanted = IN_SIZE;

    if (held == 0) {
        connection->in_start = connection->in_end = 0;
    } else if (held >= 4 && load_u32(connection->in + connection->in_start) <= FRAME_MAX) {
        const uint32_t frame = load_u32(connection->in + connection->in_start) + 4;

        wanted = frame > wanted ? frame : wanted;
    }
    if (connection->in_start > 0 && connection->in_size - connection->in_start < wanted) {
        memmove(connection->in, connection->in + connection->in_start, held);
        connection->in_start = 0;
        connection->in_end = held;
    }
    if (connection->in_size < wanted) {
        connection->in = memory_resize(connection->in, wanted, 1);
        connection->in_size = wanted;
    }
}

static void connection_ready(struct broker *broker, struct connection *connection)
{
    if (!connection->ready) {
        connection->ready = true;
        connection->next = broker->ready;
        broker->ready = connection;
    }
}

static bool connection_read(struct broker *broker, struct connection *connection)
{
    ssize_t got;

    connection_make_room(connection);
    got = recv(connection->fd, connection->in + connection->in_end, connection->in_size - connection->in_end,
               MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    connection->in_end += (uint32_t)got;
    return broker_frames(broker, connection);
}

static void broker_accept(struct broker *broker)
{
    int fd;

    while ((fd = accept4(broker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = memory_alloc_zero(1, sizeof(*connection));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        const int on = 1;

        connection->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(broker->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Fetches that waited: those of partitions that got something, and those whose time is up. */
static void broker_unpark(struct broker *broker)
{
    const uint64_t now = broker->parked_count > 0 ? now_ms() : 0;
    uint32_t i = 0;

    while (i < broker->parked_count) {
        struct connection *connection = broker->parked[i];

        if (connection->fetch.partition->dirty || now >= connection->fetch.deadline_ms) {
            broker->parked[i] = broker->parked[--broker->parked_count];
            fetch_answer(connection);
            connection_ready(broker, connection);
        } else {
            i++;
        }
    }
}

/* One fdatasync for each partition of this turn; several go to the kernel's workers side by side. */
static void broker_sync(struct broker *broker)
{
    struct iocb *pointers[SYNCS_MAX];
    struct iocb requests[SYNCS_MAX];
    struct io_event events[SYNCS_MAX];
    long failed = 0;

    for (uint32_t first = 0; first < broker->dirty_count; first += SYNCS_MAX) {
        const uint32_t left = broker->dirty_count - first;
        const long count = left < SYNCS_MAX ? left : SYNCS_MAX;

        if (count == 1) {
            failed += fdatasync(broker->dirty[first]->fd) != 0;
            continue;
        }
        for (long i = 0; i < count; i++) {
            requests[i] = (struct iocb){.aio_lio_opcode = IOCB_CMD_FDSYNC,
                                        .aio_fildes = (uint32_t)broker->dirty[first + i]->fd};
            pointers[i] = &requests[i];
        }
        failed += syscall(SYS_io_submit, broker->aio, count, pointers) != count;
        failed += syscall(SYS_io_getevents, broker->aio, count, count, events, NULL) != count;
        for (long i = 0; i < count; i++) {
            failed += events[i].res != 0;
        }
    }
    if (failed > 0) {
        perror("null broker: fdatasync");
        exit(1);
    }
}

/* The end of a turn: write, sync, answer. */
static void broker_finish(struct broker *broker)
{
    for (uint32_t i = 0; i < broker->dirty_count; i++) {
        partition_write(broker->dirty[i]);
    }
    if (broker->fsync) {
        broker_sync(broker);
    }
    broker_unpark(broker);
    for (uint32_t i = 0; i < broker->dirty_count; i++) {
        broker->dirty[i]->dirty = false;
    }
    broker->dirty_count = 0;
    while (broker->ready != NULL) {
        struct connection *connection = broker->ready;

        broker->ready = connection->next;
        connection->ready = false;
        if (connection->fd >= 0 && !connection_flush(broker, connection)) {
            connection_close(broker, connection);
        }
    }
    while (broker->closed != NULL) {
        struct connection *connection = broker->closed;

        broker->closed = connection->next;
        memory_free(connection->in);
        memory_free(connection->out);
        memory_free(connection);
    }
}

static void broker_event(struct broker *broker, struct connection *connection, uint32_t events)
{
    bool alive = true;

    if (connection == NULL) {
        broker_accept(broker);
        return;
    }
    /* One or the other: reading may move bytes that were gathered from the frames that are here already. */
    if ((events & EPOLLOUT) != 0) {
        alive = connection_flush(broker, connection) && broker_frames(broker, connection);
    } else {
        alive = connection_read(broker, connection);
    }
    if (alive) {
        connection_ready(broker, connection);
    } else {
        connection_close(broker, connection);
    }
}

static void broker_run(struct broker *broker)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        const int count = epoll_wait(broker->epoll, events, EVENTS_MAX, broker->parked_count > 0 ? PARK_TICK_MS : -1);

        for (int i = 0; i < count; i++) {
            broker_event(broker, events[i].data.ptr, events[i].events);
        }
        broker_finish(broker);
    }
}

static int broker_listen(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0) {
        perror("null broker: listen");
        exit(1);
    }
    return fd;
}

static void usage(void)
{
    fputs("Usage: millrace-null-broker DIRECTORY PORT PARTITIONS [--fsync]\n"
          "A Kafka broker that does nothing but what the kernel must: the yardstick of tests/bench.\n"
          "Every topic that is asked for exists and has PARTITIONS partitions.\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    struct broker *broker;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    if (argc < 4 || (argc == 5 && strcmp(argv[4], "--fsync") != 0) || argc > 5) {
        usage();
    }
    broker = memory_alloc_zero(1, sizeof(*broker));
    broker->directory = argv[1];
    broker->port = (int32_t)strtol(argv[2], NULL, 10);
    broker->topic_partitions = (int32_t)strtol(argv[3], NULL, 10);
    broker->fsync = argc == 5;
    if (broker->port <= 0 || broker->port > UINT16_MAX || broker->topic_partitions <= 0) {
        usage();
    }
    /* sendfile knows no MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    if (broker->fsync && syscall(SYS_io_setup, SYNCS_MAX, &broker->aio) != 0) {
        perror("null broker: io_setup");
        exit(1);
    }
    broker->listener = broker_listen((uint16_t)broker->port);
    broker->epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(broker->epoll, EPOLL_CTL_ADD, broker->listener, &event);
    broker_run(broker);
    return 0;
}
