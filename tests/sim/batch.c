/* See batch.h. Worker w of n runs the seeds first + w, first + w + n, ... and adds to its totals in memory that it
 * shares with its parent. One that dies of a failed assertion or a bad pointer tells its seed and the end of its
 * narration first; the parent counts that seed as failed and starts another worker behind it. */
#include "tests/sim/batch.h"

#include "tests/sim/narration.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED_TEXT_MAX 96
#define NARRATED_FAILURES_MAX 20

struct totals {
    uint64_t runs;
    uint64_t failures;
    uint64_t simulated_ns;
    struct sim_counters counters;
    struct tally tally;
};

/* Shared by a worker and its parent. */
struct worker {
    pid_t pid;
    bool done;
    uint64_t seed; /* that runs, or will be the next */
    struct totals totals;
};

/* What runs in this process, ready to be written by a signal handler. */
static char seed_text[SEED_TEXT_MAX];
static volatile sig_atomic_t seed_size;
static struct narration_ring ring;

static void write_text(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void tell_seed(int signal_number)
{
    const char *line;

    for (size_t i = 0; (line = narration_ring_line(&ring, i)) != NULL; i++) {
        write_text("    ");
        write_text(line);
        write_text("\n");
    }
    (void)!write(STDERR_FILENO, seed_text, (size_t)seed_size);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* --- one seed --- */

static void tally_counters(struct tally *tally, const struct sim_counters *counters)
{
    tally_add(tally, "crashes", counters->crashes);
    tally_add(tally, "connections", counters->connections);
    tally_add(tally, "disk writes", counters->disk_writes);
    tally_add(tally, "disk syncs", counters->disk_syncs);
    tally_add(tally, "segments made", counters->segments_made);
    tally_add(tally, "segments retired", counters->segments_retired);
    for (size_t i = 0; i < ring.event_count; i++) {
        tally_add(tally, ring.events[i].name, ring.events[i].count);
    }
}

static void totals_add(struct totals *totals, const struct verdict *verdict)
{
    struct tally tally = verdict->tally;

    tally_counters(&tally, &verdict->counters);
    tally_merge(&totals->tally, &tally);
    totals->runs++;
    totals->failures += verdict->failed ? 1 : 0;
    totals->simulated_ns += verdict->simulated_ns;
    totals->counters.events += verdict->counters.events;
    totals->counters.bytes += verdict->counters.bytes;
}

static void tell_failure(const struct batch_options *options, uint64_t seed, const char *text, bool narrate)
{
    const char *line;

    printf("seed %" PRIu64 " failed: %s\n", seed, text);
    for (size_t i = 0; narrate && (line = narration_ring_line(&ring, i)) != NULL; i++) {
        printf("    %s\n", line);
    }
    printf("    again: millrace-sim --workload %s --seed %" PRIu64 " --trace\n", options->workload->name, seed);
    fflush(stdout);
}

static void run_seed(const struct batch_options *options, uint64_t seed, struct totals *totals)
{
    const struct sim_options sim_options = {.seed = seed, .narrate = options->trace, .ring = &ring};
    struct verdict verdict;

    narration_ring_clear(&ring);
    seed_size = 0;
    seed_size = snprintf(seed_text, sizeof(seed_text), "in %s, seed %" PRIu64 "\n", options->workload->name, seed);
    options->workload->run(&sim_options, &verdict);
    if (options->twice) {
        struct verdict second;

        options->workload->run(&(struct sim_options){.seed = seed}, &second);
        if (second.hash != verdict.hash) {
            verdict.failed = true;
            snprintf(verdict.text, sizeof(verdict.text), "two runs differ: after %" PRIu64 " and %" PRIu64 " events",
                     verdict.counters.events, second.counters.events);
        }
    }
    totals_add(totals, &verdict);
    if (verdict.failed) {
        tell_failure(options, seed, verdict.text, !options->trace && totals->failures <= NARRATED_FAILURES_MAX);
    } else if (options->first == options->last) {
        printf("seed %" PRIu64 " passed: hash %016" PRIx64 "\n", seed, verdict.hash);
        fflush(stdout);
    }
}

/* --- workers --- */

static void worker_run(const struct batch_options *options, struct worker *worker)
{
    while (worker->seed <= options->last && worker->seed >= options->first) {
        run_seed(options, worker->seed, &worker->totals);
        worker->seed += options->jobs;
    }
    worker->done = true;
}

static void worker_start(const struct batch_options *options, struct worker *worker)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        worker_run(options, worker);
        fflush(stdout);
        _exit(EXIT_SUCCESS);
    }
    if (pid < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    worker->pid = pid;
}

static struct worker *worker_of(struct worker *workers, unsigned count, pid_t pid)
{
    for (unsigned i = 0; i < count; i++) {
        if (workers[i].pid == pid) {
            return &workers[i];
        }
    }
    return NULL;
}

/* A worker ended: true if another one took its place. */
static bool worker_ended(const struct batch_options *options, struct worker *worker, int status)
{
    char text[SEED_TEXT_MAX];

    if (worker->done) {
        return false;
    }
    snprintf(text, sizeof(text), "the program ended by %s %d",
             WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    tell_failure(options, worker->seed, text, false);
    worker->totals.runs++;
    worker->totals.failures++;
    worker->seed += options->jobs;
    worker_start(options, worker);
    return true;
}

static void workers_run(const struct batch_options *options, struct totals *totals)
{
    const size_t size = options->jobs * sizeof(struct worker);
    struct worker *workers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned running = options->jobs;

    if (workers == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    for (unsigned i = 0; i < options->jobs; i++) {
        workers[i].seed = options->first + i;
        worker_start(options, &workers[i]);
    }
    while (running > 0) {
        int status;
        const pid_t pid = wait(&status);
        struct worker *worker = worker_of(workers, options->jobs, pid);

        if (pid < 0) {
            perror("wait");
            exit(EXIT_FAILURE);
        }
        if (worker != NULL && !worker_ended(options, worker, status)) {
            running--;
        }
    }
    for (unsigned i = 0; i < options->jobs; i++) {
        totals->runs += workers[i].totals.runs;
        totals->failures += workers[i].totals.failures;
        totals->simulated_ns += workers[i].totals.simulated_ns;
        totals->counters.events += workers[i].totals.counters.events;
        totals->counters.bytes += workers[i].totals.counters.bytes;
        tally_merge(&totals->tally, &workers[i].totals.tally);
    }
    munmap(workers, size);
}

static double cpu_seconds(int who)
{
    struct rusage usage;

    (void)getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void totals_print(const struct batch_options *options, const struct totals *totals)
{
    const double simulated = (double)totals->simulated_ns / (double)NS_PER_SECOND;
    const double cpu = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
    const double divisor = cpu > 0 ? cpu : 1;

    if (options->first < options->last) {
        tally_print(&totals->tally);
    }
    printf("%s: %" PRIu64 " runs, %" PRIu64 " failed, %.1f simulated hours in %.1f s of processor (%.0f times as fast)"
           ", %" PRIu64 " events (%.0f per ms), %.1f seeds per s\n",
           options->workload->name, totals->runs, totals->failures, simulated / 3600, cpu, simulated / divisor,
           totals->counters.events, (double)totals->counters.events / divisor / 1000, (double)totals->runs / divisor);
}

bool batch_run(const struct batch_options *options)
{
    struct totals *totals = calloc(1, sizeof(*totals));
    bool well;

    if (totals == NULL) {
        return false;
    }
    signal(SIGABRT, tell_seed);
    signal(SIGSEGV, tell_seed);
    if (options->first == options->last) {
        run_seed(options, options->first, totals);
    } else {
        workers_run(options, totals);
    }
    totals_print(options, totals);
    well = totals->failures == 0;
    free(totals);
    return well;
}
