/* millrace-load: see load.h. */
#include "tests/bench/load.h"

#include "common/base/memory.h"
#include "common/wire/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POLL_NS 2000000

void load_fail(const char *format, ...)
{
    va_list arguments;

    fputs("millrace-load: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void load_error(struct load *load, int16_t code)
{
    const bool passes = code == ERROR_NOT_LEADER_OR_FOLLOWER || code == ERROR_LEADER_NOT_AVAILABLE ||
                        code == ERROR_UNKNOWN_TOPIC_OR_PARTITION;

    if (passes && !load->counting && load_now_ns() < load->early_until_ns) {
        load->early_count++;
        return;
    }
    load->errors[code >= 0 && code < ERROR_CODES_MAX ? code : ERROR_CODES_MAX]++;
    load->error_count++;
}

/* Creates the topic if that is wanted and waits until all its partitions have leaders. */
static void load_prepare(struct load *load)
{
    const struct load_options *options = &load->options;
    const uint64_t until = load_now_ns() + (uint64_t)(options->timeout_s * 1e9);
    const int fd = client_connect(options->host, options->port, options->timeout_s);
    bool led = false;

    if (options->create) {
        const int16_t error = client_create(fd, options);

        if (error != 0 && error != ERROR_TOPIC_ALREADY_EXISTS) {
            load_fail("CreateTopics: error %d", error);
        }
    }
    while (!led) {
        led = client_view(fd, options, &load->view);
        for (int32_t i = 0; led && i < options->partitions; i++) {
            led = load->view.leaders[i] >= 0;
        }
        if (!led && load_now_ns() > until) {
            load_fail("not all of the %d partitions of %s have leaders", options->partitions, options->topic);
        }
        if (!led) {
            nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        }
    }
    close(fd);
}

/* The modes that measure a steady state; the exit code. */
static int load_run(const struct load_options *options)
{
    struct load *load = memory_alloc_zero(1, sizeof(*load));
    struct result result;
    bool failed;

    load->options = *options;
    load->acks = memory_alloc_zero(1, sizeof(*load->acks));
    load->ends = memory_alloc_zero(1, sizeof(*load->ends));
    batch_make(&load->batch, options);
    load_prepare(load);
    engine_run(load, &result);
    report_print(load, &result);
    failed = load->error_count > 0;
    buffer_deinit(&load->batch.bytes);
    memory_free(load->view.leaders);
    memory_free(load->acks);
    memory_free(load->ends);
    memory_free(load);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct load_options options;

    options_parse(&options, argc, argv);
    if (options.mode == MODE_SPREAD) {
        spread_run(&options);
        return 0;
    }
    if (options.mode == MODE_STORM) {
        storm_run(&options);
        return 0;
    }
    return load_run(&options);
}
