/* The load generator's parts. One thread, one epoll, requests encoded once at the start.
 *
 *     load.c     main: options, then one of the modes
 *     options.c  the command line
 *     client.c   waiting calls: Metadata, CreateTopics
 *     batch.c    the record batch that is sent again and again
 *     engine.c   the loop of modes produce and fetch, and the window that is counted
 *     producer.c, fetcher.c   its two kinds of connections
 *     spread.c   a write to every partition of a topic, and how long until all are acknowledged
 *     storm.c    many connections
 *     report.c   one line of JSON, one for people */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/batch/compression.h"
#include "tests/bench/histogram.h"
#include "tests/bench/usage.h"

#include <sys/epoll.h>
#include <time.h>

#define ERROR_CODES_MAX 128
#define BROKERS_MAX 64
#define CREATE_CONFIGS_MAX 16
#define HEAD_MAX 384

enum load_mode {
    MODE_PRODUCE, /* closed loop, or open with a rate; with tail: consumers at the end, too */
    MODE_FETCH,   /* read the log from its start, again and again */
    MODE_FILL,    /* write a given number of bytes */
    MODE_SPREAD,  /* create, write to every partition, until all have acknowledged */
    MODE_STORM,   /* open many connections */
};

struct load_options {
    enum load_mode mode;
    const char *label;
    char host[64];
    uint16_t port;
    const char *topic;
    int32_t partitions;
    bool create;
    int16_t replicas;
    struct string configs[CREATE_CONFIGS_MAX]; /* KEY=VALUE */
    size_t config_count;
    uint32_t connections;
    uint32_t depth;
    uint32_t record_size;
    uint32_t records;
    enum compression codec;
    int16_t acks;
    double warmup_s;
    double seconds;
    double rate;   /* requests per second over all connections; 0: closed loop */
    uint32_t tail; /* connections that read at the end of the log */
    uint32_t max_bytes;
    uint64_t fill_bytes;
    uint64_t since_ns; /* CLOCK_MONOTONIC: durations are counted from here; 0: from the start */
    double timeout_s;
    int pids[USAGE_PIDS_MAX];
    size_t pid_count;
};

struct broker_address {
    int32_t id;
    char host[64];
    uint16_t port;
};

/* Who leads what. */
struct cluster_view {
    struct broker_address brokers[BROKERS_MAX];
    uint32_t broker_count;
    int32_t *leaders; /* for each partition the index of its broker, -1: none */
    int32_t partitions;
};

/* The batch of every request: its bytes but for offsets are the same each time. */
struct batch {
    struct buffer bytes;
    uint32_t records;
    size_t stamp_at; /* place of 8 bytes in the first record's value; 0 if compressed */
};

struct counters {
    uint64_t requests; /* acknowledged */
    uint64_t records;
    uint64_t bytes;
};

struct producer;
struct fetcher;

struct load {
    struct load_options options;
    struct cluster_view view;
    struct batch batch;
    int epoll;
    struct producer *producers;
    uint32_t producer_count;
    struct fetcher *fetchers;
    uint32_t fetcher_count;
    uint64_t begin_ns;  /* of the schedule */
    uint64_t early_until_ns;
    uint64_t scheduled; /* requests that have become due */
    bool counting;     /* inside the window */
    bool stopping;     /* no new requests */
    uint32_t in_flight;
    struct counters done;  /* since the start */
    struct counters tails; /* read at the end of the log */
    struct histogram *acks;
    struct histogram *ends; /* from the scheduled send to the read */
    uint64_t errors[ERROR_CODES_MAX + 1]; /* by code; the last: all others */
    uint64_t error_count;
    uint64_t early_count; /* errors that pass, seen before the window: partitions that were still coming up */
};

/* What was measured. */
struct result {
    double seconds;
    struct counters done;
    struct counters tails;
    struct usage usage; /* CPU of the window, memory at its end */
    double self_s;      /* CPU of the generator */
    double foreign_s;   /* CPU of all others */
};

static inline uint64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ends the program with a line for people. */
NO_RETURN void load_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* Counts a Kafka error code, apart if it is one that passes and nothing is being counted yet. */
void load_error(struct load *load, int16_t code);

/* Ends the program if the arguments make no sense. */
void options_parse(struct load_options *options, int argc, char **argv);

/* A connected socket, TCP_NODELAY; ends the program if there is none after `timeout_s` (0: tries once). */
int client_connect(const char *host, uint16_t port, double timeout_s);
/* -1 instead of ending the program. */
int client_try_connect(const char *host, uint16_t port);
/* Sends a request and waits for its answer, decoded into `arena`; NULL if the connection ended. */
void *client_call(int fd, int16_t key, int16_t version, const void *body, struct arena *arena);
/* Asks for the topic's leaders. False if the connection ended or the topic has not as many partitions yet; partitions
 * without a leader have -1. */
bool client_view(int fd, const struct load_options *options, struct cluster_view *view);
/* Creates the topic; returns the error code. */
int16_t client_create(int fd, const struct load_options *options);

void batch_make(struct batch *batch, const struct load_options *options);

/* The producers' and fetchers' loop: runs warm-up and window. */
void engine_run(struct load *load, struct result *result);
void engine_watch(struct load *load, int fd, void *connection, bool write, bool add);

/* Both kinds of connections begin with this. */
enum connection_kind { CONNECTION_PRODUCER, CONNECTION_FETCHER };

void spread_run(const struct load_options *options);
void storm_run(const struct load_options *options);

void report_print(const struct load *load, const struct result *result);

#endif
