/* The simulator: whole programs on virtual time, in one thread, from one seed. The same seed gives the same run, event
 * by event, so a seed is a bug report.
 *
 *     world = sim_world_create(&(struct sim_options){.seed = 42});
 *     node = sim_process_add(world, "node-1", 2, &program);      a program built by its ordinary constructors
 *     sim_process_start(node);
 *     sim_partition(node, other, true);  sim_process_crash(node, SIM_POWER_CUT);  ...
 *     sim_run_for(world, 10 * NS_PER_SECOND);
 *     sim_world_destroy(world);
 *
 * A process is a name in the network, a disk that survives it, a clock, and a number of loops; each start of it is a
 * new incarnation. Its program sees nothing but `struct env`. What an incarnation allocates by common/base/memory.h
 * belongs to it and is gone when it crashes, without any callback. All functions are called from the world's thread: by
 * a test between two runs, by an event of sim_at, or by simulated code of another process. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "common/base/attributes.h"
#include "common/base/prng.h"
#include "common/base/status.h"
#include "common/env/disk.h"
#include "common/env/env.h"
#include "common/env/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PROCESSES_MAX 32
#define SIM_LOOPS_MAX 8
/* The wall clock of an undisturbed process when the world begins: 2026-01-01T00:00:00Z. */
#define SIM_WALL_START_MS INT64_C(1767225600000)
/* Wall clocks of processes differ from it by as much, before any drift or jump. */
#define SIM_CLOCK_SKEW_MS 100

struct sim_world;
struct sim_process;
struct narration_ring;

struct sim_options {
    uint64_t seed;
    bool narrate;            /* the programs' trace lines and the simulator's own go to standard output */
    struct narration_ring *ring; /* if not NULL: keeps the last of them; borrowed for the world's life */
    uint64_t tcp_timeout_ns; /* how long a connection bears a silent peer; 0: one minute */
};

struct sim_counters {
    uint64_t events;
    uint64_t turns;
    uint64_t segments;     /* pieces of data that arrived somewhere */
    uint64_t bytes;        /* in them */
    uint64_t disk_writes;
    uint64_t disk_syncs;
    uint64_t crashes;
    uint64_t connections;
    uint64_t segments_made;    /* files *.log */
    uint64_t segments_retired; /* renamed to *.deleted */
};

/* One world per thread at a time. */
struct sim_world *sim_world_create(const struct sim_options *options);
/* Crashes what still runs and frees everything. */
void sim_world_destroy(struct sim_world *world);

/* Virtual time since the world began, in ns. */
uint64_t sim_now_ns(const struct sim_world *world);
/* Covers every event, its time, and the bytes that moved: equal hashes mean equal runs. */
uint64_t sim_trace_hash(const struct sim_world *world);
const struct sim_counters *sim_counters_get(const struct sim_world *world);
/* For workloads and fault schedules: drawing from it is part of the run. */
struct prng *sim_prng(struct sim_world *world);
/* True with a probability of `per_million` in a million. */
bool sim_chance(struct sim_world *world, uint32_t per_million);
/* A number in [least, most], few of them near `most`. */
uint64_t sim_between(struct sim_world *world, uint64_t least, uint64_t most);

void sim_run_for(struct sim_world *world, uint64_t duration_ns);
/* Runs until `reached` (asked after every event) says so; false if `limit_ns` passed before, or the run has failed. */
MUST_USE bool sim_run_until(struct sim_world *world, bool (*reached)(void *context), void *context, uint64_t limit_ns);
/* Calls `run` once, `delay_ns` from now, outside all processes: fault schedules and checkers. */
void sim_at(struct sim_world *world, uint64_t delay_ns, void (*run)(void *context), void *context);

/* A promise is broken: the first report is kept, and the runs above return. */
void sim_fail(struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
/* The report, or NULL. */
const char *sim_failure(const struct sim_world *world);
/* A line of narration. */
void sim_say(struct sim_world *world, const char *format, ...) PRINTF_LIKE(2, 3);

/* What a process runs. */
struct sim_program {
    /* Builds the program, as main.c does before its loops run; may use every loop's env. A status other than STATUS_OK
     * ends the process. */
    enum status (*start)(struct sim_process *process, void *context);
    /* After all loops were stopped (env_stop) and no callback is outstanding: destroys what `start` built; memory that
     * is left then is reported as a leak. NULL: the process ends like a crash. */
    void (*finish)(struct sim_process *process, void *context);
    void *context;
};

/* Adds a process that does not run yet. Its host name is `name`. Borrows `program` and its context for the world's
 * life. */
struct sim_process *sim_process_add(struct sim_world *world, const char *name, unsigned loops,
                                    const struct sim_program *program);
/* The process of that name, or NULL. */
struct sim_process *sim_process_find(const struct sim_world *world, const char *name);
/* Starts it in the next moments; also again after a crash, on the same disk. */
void sim_process_start(struct sim_process *process);
bool sim_process_running(const struct sim_process *process);
/* sim_process_start was called and its program has not begun. */
bool sim_process_starting(const struct sim_process *process);
const char *sim_process_name(const struct sim_process *process);
struct sim_world *sim_process_world(const struct sim_process *process);
struct env *sim_env(struct sim_process *process, unsigned loop);

/* Runs `run` on a loop of a running process, now: how a test reaches into it. */
void sim_process_run(struct sim_process *process, unsigned loop, void (*run)(void *context), void *context);

enum sim_crash {
    SIM_KILL,      /* kill -9: the system closes its connections and keeps its unsynced writes */
    SIM_POWER_CUT, /* the machine stops: peers hear nothing, unsynced writes are lost or torn */
};

/* Ends it at once; does not return if `process` is the one that runs. Does nothing to one that is down, except that a
 * power cut then hits its disk. */
void sim_process_crash(struct sim_process *process, enum sim_crash how);
/* For programs: the process exits by itself (exit in main.c). Does not return. */
NO_RETURN void sim_process_exit(struct sim_process *process);
/* SIGSTOP and SIGCONT: the program stands still, time and the network go on. */
void sim_process_pause(struct sim_process *process);
void sim_process_resume(struct sim_process *process);
/* Bytes that the incarnation has allocated and not freed. */
size_t sim_process_memory(const struct sim_process *process);

/* The monotonic clock of the process gains `ppm` millionths (loses if negative). */
void sim_clock_drift(struct sim_process *process, int32_t ppm);
/* The wall clock jumps by `delta_ms`. */
void sim_clock_jump(struct sim_process *process, int64_t delta_ms);

/* One direction of the network between two processes. */
struct sim_link_options {
    uint64_t latency_least_ns;
    uint64_t latency_most_ns;
    uint32_t loss_per_million;    /* of segments; each costs its connection a retransmission */
    uint32_t corrupt_per_million; /* of segments: one bit is flipped, as some hardware does behind TCP's checksum */
    bool blocked;                 /* nothing gets through */
};

void sim_link_get(const struct sim_process *from, const struct sim_process *to, struct sim_link_options *options);
void sim_link_set(struct sim_process *from, struct sim_process *to, const struct sim_link_options *options);
/* Both directions. */
void sim_partition(struct sim_process *a, struct sim_process *b, bool blocked);
/* `process` from and to all others. */
void sim_isolate(struct sim_process *process, bool blocked);
void sim_heal(struct sim_world *world);
/* Resets every connection between two processes. */
void sim_reset_connections(struct sim_process *a, struct sim_process *b);

/* What a disk does beyond its duty. All zero: nothing. */
struct sim_disk_faults {
    uint32_t read_error_per_million;
    uint32_t write_error_per_million;
    uint32_t sync_error_per_million; /* a failed sync drops part of what it should have written */
    uint32_t slow_per_million;       /* of calls: take slow_ns more */
    uint64_t slow_ns;
    uint64_t capacity;               /* bytes; 0: a terabyte */
    uint64_t fail_call;              /* sweeps: the fail_call-th call from now fails with STATUS_IO; 0: none */
    uint64_t fail_sync;              /* the fail_sync-th sync from now fails as above; 0: none */
    /* sweeps: the process crashes within the crash_call-th changing call from now; 0: none */
    uint64_t crash_call;
    enum sim_crash crash_how;
};

struct disk *sim_disk(struct sim_process *process);
void sim_disk_faults_set(struct sim_process *process, const struct sim_disk_faults *faults);
/* Calls of any kind, and those that change something, since the world began: what a sweep can count up to. */
uint64_t sim_disk_calls(const struct sim_process *process);
uint64_t sim_disk_changes(const struct sim_process *process);
/* Flips one bit of the file at `path`, as it is on the platter and in the cache. STATUS_NOT_FOUND,
 * STATUS_OUT_OF_RANGE. */
MUST_USE enum status sim_disk_flip(struct sim_process *process, const char *path, uint64_t offset, unsigned bit);
/* The disk is replaced by an empty one. The process must be down. */
void sim_disk_replace(struct sim_process *process);

#endif
