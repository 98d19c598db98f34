/* The program millrace-sim: runs workloads on seeds. A failing seed is the bug report:
 *
 *     millrace-sim --seeds 1..1000 --jobs 2        what failed and what led to it, a summary at the end
 *     millrace-sim --seed 317 --trace              the same run again, narrated
 *     millrace-sim --seed 317 --twice              fails if the two runs differ
 *     millrace-sim --scenario FILE...              replays scenarios, see scenario.h */
#include "tests/sim/batch.h"
#include "tests/sim/scenario.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define JOBS_MAX 64

static int usage(void)
{
    fputs("usage: millrace-sim [--workload NAME] (--seed N | --seeds A..B) [--trace] [--twice] [--jobs N]\n"
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

static bool parse_seeds(const char *text, struct batch_options *arguments)
{
    const char *dots = strstr(text, "..");

    return dots != NULL && parse_number(text, dots, &arguments->first) &&
           parse_number(dots + 2, text + strlen(text), &arguments->last) && arguments->first <= arguments->last;
}

static bool parse_arguments(int count, char **texts, struct batch_options *arguments)
{
    bool seeded = false;
    uint64_t number;

    *arguments = (struct batch_options){.workload = workload_at(0), .jobs = 1};
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
        } else if (strcmp(texts[i], "--jobs") == 0 && parse_number(value, value + strlen(value), &number) &&
                   number > 0 && number <= JOBS_MAX) {
            arguments->jobs = (unsigned)number;
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

int main(int count, char **texts)
{
    struct batch_options arguments;

    if (count > 1 && strcmp(texts[1], "--scenario") == 0) {
        return scenario_main(count - 2, texts + 2);
    }
    if (!parse_arguments(count, texts, &arguments)) {
        return usage();
    }
    return batch_run(&arguments) ? EXIT_SUCCESS : EXIT_FAILURE;
}
