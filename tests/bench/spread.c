/* A write to every partition of a topic, as fast as they take it: what creating thousands of partitions, or starting
 * with them, really takes. Requests carry many partitions each; what is refused for a reason that passes is sent
 * again. */
#include "tests/bench/load.h"

#include "common/base/memory.h"
#include "common/wire/api.h"
#include "common/wire/error.h"
#include "wire/produce.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK 500
#define PAUSE_NS 500000
#define ARENA_MAX (64u << 20)

struct spread {
    const struct load_options *options;
    struct cluster_view view;
    struct batch batch;
    int fds[BROKERS_MAX];
    bool *acked;
    int32_t left;
    bool stale; /* the view */
    uint64_t since_ns;
    uint64_t created_ns, led_ns, first_ns, all_ns;
    uint64_t refused;
};

static bool passes(int16_t code)
{
    return code == ERROR_NOT_LEADER_OR_FOLLOWER || code == ERROR_LEADER_NOT_AVAILABLE ||
           code == ERROR_UNKNOWN_TOPIC_OR_PARTITION || code == ERROR_NOT_ENOUGH_REPLICAS ||
           code == ERROR_KAFKA_STORAGE_ERROR || code == ERROR_NETWORK_EXCEPTION || code == ERROR_REQUEST_TIMED_OUT;
}

static int spread_socket(struct spread *spread, uint32_t broker)
{
    if (spread->fds[broker] < 0) {
        spread->fds[broker] = client_try_connect(spread->view.brokers[broker].host, spread->view.brokers[broker].port);
    }
    return spread->fds[broker];
}

static void spread_answer(struct spread *spread, const struct produce_response *response)
{
    const uint64_t now = load_now_ns();

    for (int32_t i = 0; i < response->responses[0].partition_responses_count; i++) {
        const struct produce_response_responses_partition_responses *answer =
            &response->responses[0].partition_responses[i];

        if (answer->index < 0 || answer->index >= spread->options->partitions) {
            load_fail("an answer for partition %d, which was not asked", answer->index);
        }
        if (answer->error_code == ERROR_NONE) {
            spread->left -= spread->acked[answer->index] ? 0 : 1;
            spread->acked[answer->index] = true;
            spread->first_ns = spread->first_ns == 0 ? now : spread->first_ns;
        } else if (passes(answer->error_code)) {
            spread->stale = true;
            spread->refused++;
        } else {
            load_fail("partition %d answers error %d", answer->index, answer->error_code);
        }
    }
}

/* One request with up to CHUNK partitions of `broker` from `*next` on. */
static void spread_send(struct spread *spread, uint32_t broker, int32_t *next)
{
    struct produce_request_topic_data_partition_data partitions[CHUNK];
    struct produce_request_topic_data topic;
    struct produce_request request;
    const struct produce_response *response = NULL;
    struct arena arena;

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    request.acks = spread->options->acks;
    request.timeout_ms = 10000;
    request.topic_data_count = 1;
    request.topic_data = &topic;
    topic.name = string_of(spread->options->topic);
    topic.partition_data = partitions;
    for (; *next < spread->options->partitions && topic.partition_data_count < CHUNK; (*next)++) {
        if (spread->view.leaders[*next] == (int32_t)broker && !spread->acked[*next]) {
            struct produce_request_topic_data_partition_data *partition = &partitions[topic.partition_data_count++];

            produce_request_topic_data_partition_data_init(partition);
            partition->index = *next;
            partition->records = (struct records){.data = spread->batch.bytes.data, .size = spread->batch.bytes.size};
        }
    }
    if (topic.partition_data_count == 0) {
        return;
    }
    arena_init(&arena, ARENA_MAX);
    if (spread_socket(spread, broker) >= 0) {
        response = client_call(spread->fds[broker], API_PRODUCE, 9, &request, &arena);
    }
    if (response != NULL && response->responses_count == 1) {
        spread_answer(spread, response);
    } else if (spread->fds[broker] >= 0) {
        close(spread->fds[broker]);
        spread->fds[broker] = -1;
        spread->stale = true;
    }
    arena_deinit(&arena);
}

static void spread_round(struct spread *spread)
{
    for (uint32_t broker = 0; broker < spread->view.broker_count; broker++) {
        int32_t next = 0;

        while (next < spread->options->partitions) {
            spread_send(spread, broker, &next);
        }
    }
}

/* Looks until every partition has a leader; true if so. */
static bool spread_look(struct spread *spread, int *fd)
{
    bool led;

    if (*fd < 0) {
        *fd = client_try_connect(spread->options->host, spread->options->port);
    }
    led = *fd >= 0 && client_view(*fd, spread->options, &spread->view);
    if (*fd >= 0 && !led) {
        close(*fd);
        *fd = -1;
    }
    for (int32_t i = 0; led && i < spread->options->partitions; i++) {
        led = spread->view.leaders[i] >= 0;
    }
    if (led && spread->led_ns == 0) {
        spread->led_ns = load_now_ns();
    }
    spread->stale = !led;
    return led;
}

static void spread_print(const struct spread *spread)
{
    const struct load_options *options = spread->options;
    struct usage usage = {0};

    usage_read(options->pids, options->pid_count, &usage);
    printf("{\"label\":\"%s\",\"partitions\":%d,\"created_s\":%.4f,\"led_s\":%.4f,\"first_ack_s\":%.4f,"
           "\"all_acked_s\":%.4f,\"refused\":%llu,\"cpu_s\":%.2f,\"rss_bytes\":%llu,\"rss_peak_bytes\":%llu}\n",
           options->label, options->partitions, (double)(spread->created_ns - spread->since_ns) / 1e9,
           (double)(spread->led_ns - spread->since_ns) / 1e9, (double)(spread->first_ns - spread->since_ns) / 1e9,
           (double)(spread->all_ns - spread->since_ns) / 1e9, (unsigned long long)spread->refused,
           usage.user_s + usage.system_s, (unsigned long long)usage.rss_bytes,
           (unsigned long long)usage.rss_peak_bytes);
    fprintf(stderr, "%-10s %d partitions: leaders %.3f s, first ack %.4f s, all acknowledged %.3f s  RSS %.1f MB\n",
            options->label, options->partitions, (double)(spread->led_ns - spread->since_ns) / 1e9,
            (double)(spread->first_ns - spread->since_ns) / 1e9, (double)(spread->all_ns - spread->since_ns) / 1e9,
            (double)usage.rss_bytes / 1e6);
}

void spread_run(const struct load_options *options)
{
    struct spread spread = {.options = options, .left = options->partitions, .stale = true};
    uint64_t until;
    int fd;

    for (size_t i = 0; i < BROKERS_MAX; i++) {
        spread.fds[i] = -1;
    }
    spread.acked = memory_alloc_zero((size_t)options->partitions, sizeof(*spread.acked));
    batch_make(&spread.batch, options);
    spread.since_ns = options->since_ns > 0 ? options->since_ns : load_now_ns();
    until = load_now_ns() + (uint64_t)(options->timeout_s * 1e9);
    fd = client_connect(options->host, options->port, options->timeout_s);
    if (options->create) {
        const int16_t error = client_create(fd, options);

        if (error != 0) {
            load_fail("CreateTopics: error %d", error);
        }
    }
    spread.created_ns = load_now_ns();
    while (spread.left > 0) {
        if (load_now_ns() > until) {
            load_fail("%d of %d partitions have not acknowledged", spread.left, options->partitions);
        }
        if (spread.stale) {
            spread_look(&spread, &fd);
        }
        if (spread.view.partitions > 0) {
            spread_round(&spread);
        }
        if (spread.left > 0) {
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        }
    }
    spread.all_ns = load_now_ns();
    spread_print(&spread);
    memory_free(spread.acked);
    memory_free(spread.view.leaders);
    buffer_deinit(&spread.batch.bytes);
}
