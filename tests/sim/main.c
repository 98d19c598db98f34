/* The program millrace-sim: runs workloads on seeds. A failing seed is the bug report:
 *
 *     millrace-sim --seeds 1..1000                 one line for each failure, a summary at the end
 *     millrace-sim --seed 317 --trace              the same run again, narrated
 *     millrace-sim --seed 317 --twice              fails if the two runs differ
 *     millrace-sim --scenario FILE...              replays scenarios, see scenario.h */
#include "tests/sim/scenario.h"
#include "tests/sim/workload.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define SEED_TEXT_MAX 64

struct arguments {
    const struct workload *workload;
    uint64_t first;
    uint64_t last;
    bool trace;
    bool twice;
};

struct totals {
    uint64_t runs;
    uint64_t failures;
    uint64_t simulated_ns;
    uint64_t events;
    uint64_t crashes;
};

/* Which seed runs, ready to be written by a signal handler: an assertion that fails ends the process. */
static char seed_text[SEED_TEXT_MAX];
static volatile sig_atomic_t seed_size;

static void tell_seed(int signal_number)
{
    (void)!write(STDERR_FILENO, seed_text, (size_t)seed_size);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static int usage(void)
{
    fputs("usage: millrace-sim [--workload NAME] (--seed N | --seeds A..B) [--trace] [--twice]\n"
          "       millrace-sim --scenario FILE... [--accept] [--trace]\n\nworkloads:\n",
          stderr);
    for (size_t i = 0; workload_at(i) != NULL; i++) {
        fprintf(stderr, "  %-10s %s\n", workload_at(i)->name, workload_at(i)->about);
    }
    return EXIT_USAGE;
}

static bool parse_number(const char *text, const char *end, uint64_t *number)
{
    char *stop;

    if (*text < '0' || *text > '9') {
        return false;
    }
    *number = strtoull(text, &stop, 10);
    return stop == end;
}

static bool parse_seeds(const char *text, struct arguments *arguments)
{
    const char *dots = strstr(text, "..");

    return dots != NULL && parse_number(text, dots, &arguments->first) &&
           parse_number(dots + 2, text + strlen(text), &arguments->last) && arguments->first <= arguments->last;
}

static bool parse_arguments(int count, char **texts, struct arguments *arguments)
{
    bool seeded = false;

    *arguments = (struct arguments){.workload = workload_at(0)};
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? texts[i + 1] : "";

        if (strcmp(texts[i], "--trace") == 0) {
            arguments->trace = true;
        } else if (strcmp(texts[i], "--twice") == 0) {
            arguments->twice = true;
        } else if (strcmp(texts[i], "--seed") == 0 && parse_number(value, value + strlen(value), &arguments->first)) {
            arguments->last = arguments->first;
            seeded = true;
            i++;
        } else if (strcmp(texts[i], "--seeds") == 0 && parse_seeds(value, arguments)) {
            seeded = true;
            i++;
        } else if (strcmp(texts[i], "--workload") == 0 && workload_find(value) != NULL) {
            arguments->workload = workload_find(value);
            i++;
        } else {
            return false;
        }
    }
    return seeded;
}

static void run_seed(const struct arguments *arguments, uint64_t seed, struct totals *totals)
{
    const struct sim_options options = {.seed = seed, .narrate = arguments->trace};
    struct verdict verdict;

    seed_size = 0;
    seed_size = snprintf(seed_text, sizeof(seed_text), "in %s, seed %" PRIu64 "\n", arguments->workload->name, seed);
    arguments->workload->run(&options, &verdict);
    if (arguments->twice) {
        struct verdict second;

        arguments->workload->run(&(struct sim_options){.seed = seed}, &second);
        if (second.hash != verdict.hash) {
            verdict.failed = true;
            snprintf(verdict.text, sizeof(verdict.text), "two runs differ: after %" PRIu64 " and %" PRIu64 " events",
                     verdict.counters.events, second.counters.events);
        }
    }
    totals->runs++;
    totals->simulated_ns += verdict.simulated_ns;
    totals->events += verdict.counters.events;
    totals->crashes += verdict.counters.crashes;
    if (verdict.failed) {
        totals->failures++;
        printf("seed %" PRIu64 " failed: %s\n", seed, verdict.text);
    } else if (arguments->first == arguments->last) {
        printf("seed %" PRIu64 " passed: hash %016" PRIx64 "\n", seed, verdict.hash);
    }
    fflush(stdout);
}

int main(int count, char **texts)
{
    struct arguments arguments;
    struct totals totals = {0};

    if (count > 1 && strcmp(texts[1], "--scenario") == 0) {
        return scenario_main(count - 2, texts + 2);
    }
    if (!parse_arguments(count, texts, &arguments)) {
        return usage();
    }
    signal(SIGABRT, tell_seed);
    for (uint64_t seed = arguments.first;; seed++) {
        run_seed(&arguments, seed, &totals);
        if (seed == arguments.last) {
            break;
        }
    }
    printf("%s: %" PRIu64 " runs, %" PRIu64 " failed, %.1f simulated hours, %" PRIu64 " events, %" PRIu64 " crashes\n",
           arguments.workload->name, totals.runs, totals.failures,
           (double)totals.simulated_ns / (double)NS_PER_SECOND / 3600, totals.events, totals.crashes);
    return totals.failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
