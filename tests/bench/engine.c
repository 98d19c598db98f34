/* The loop of the modes that measure a steady state: warm-up, then a window over which broker CPU, acknowledged bytes
 * and latencies are taken, then the rest of the answers. */
#include "tests/bench/producer.h"
#include "tests/bench/fetcher.h"

#include <unistd.h>

#define EVENTS_MAX 256
#define POLL_MS 5
#define DRAIN_NS 2000000000u
/* A topic that was just created may need this long to come up; errors inside the window count all the same. */
#define EARLY_NS 2000000000u

struct snapshot {
    uint64_t at_ns;
    struct counters done;
    struct counters tails;
    struct usage usage;
    double self_s;
    double machine_s;
};

static struct snapshot snapshot_take(const struct load *load)
{
    struct snapshot snapshot = {.at_ns = load_now_ns(), .done = load->done, .tails = load->tails};

    if (!usage_read(load->options.pids, load->options.pid_count, &snapshot.usage)) {
        load_fail("a broker process has ended");
    }
    snapshot.self_s = usage_self_s();
    snapshot.machine_s = usage_machine_busy_s();
    return snapshot;
}

static struct counters counters_since(const struct counters *now, const struct counters *then)
{
    return (struct counters){now->requests - then->requests, now->records - then->records, now->bytes - then->bytes};
}

static void result_make(const struct snapshot *from, const struct snapshot *to, struct result *result)
{
    *result = (struct result){
        .seconds = (double)(to->at_ns - from->at_ns) / 1e9,
        .done = counters_since(&to->done, &from->done),
        .tails = counters_since(&to->tails, &from->tails),
        .usage = to->usage,
        .self_s = to->self_s - from->self_s,
    };
    result->usage.user_s -= from->usage.user_s;
    result->usage.system_s -= from->usage.system_s;
    result->foreign_s =
        to->machine_s - from->machine_s - result->self_s - result->usage.user_s - result->usage.system_s;
}

void engine_watch(struct load *load, int fd, void *connection, bool write, bool add)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = connection};

    if (epoll_ctl(load->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) {
        load_fail("epoll_ctl failed");
    }
}

/* One turn. An open loop does not sleep: the generator's own wake-up is no part of the broker's latency. */
static void engine_turn(struct load *load)
{
    const bool spin = load->options.rate > 0;
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(load->epoll, events, EVENTS_MAX, spin ? 0 : POLL_MS);

    for (int i = 0; i < count; i++) {
        if (*(const enum connection_kind *)events[i].data.ptr == CONNECTION_PRODUCER) {
            producer_event(load, events[i].data.ptr);
        } else {
            fetcher_event(load, events[i].data.ptr);
        }
    }
    if (spin && !load->stopping && load->producer_count > 0) {
        producers_schedule(load, load_now_ns());
    }
}

static void engine_until(struct load *load, uint64_t until_ns)
{
    while (load_now_ns() < until_ns) {
        engine_turn(load);
    }
}

/* Waits for answers that are owed, and for the readers to have seen all that was acknowledged. */
static void engine_drain(struct load *load)
{
    const uint64_t until = load_now_ns() + DRAIN_NS;

    load->stopping = true;
    while (load_now_ns() < until &&
           (load->in_flight > 0 || (load->options.tail > 0 && load->tails.records < load->done.records))) {
        engine_turn(load);
    }
}

void engine_run(struct load *load, struct result *result)
{
    const struct load_options *options = &load->options;
    struct snapshot from;
    struct snapshot to;

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->early_until_ns = load_now_ns() + EARLY_NS;
    if (options->mode == MODE_FETCH) {
        fetchers_open(load, options->connections);
    } else {
        fetchers_open(load, options->tail);
        if (options->tail > 0) {
            /* Every reader must stand at the log's end before the first write. */
            engine_until(load, load_now_ns() + 200000000u);
        }
        producers_open(load);
    }
    if (options->mode == MODE_FILL) {
        from = snapshot_take(load);
        while (load->done.bytes < options->fill_bytes && load->error_count == 0) {
            engine_turn(load);
        }
    } else {
        engine_until(load, load_now_ns() + (uint64_t)(options->warmup_s * 1e9));
        from = snapshot_take(load);
        load->counting = true;
        engine_until(load, from.at_ns + (uint64_t)(options->seconds * 1e9));
    }
    to = snapshot_take(load);
    load->counting = false;
    result_make(&from, &to, result);
    engine_drain(load);
    producers_close(load);
    fetchers_close(load);
    close(load->epoll);
}
