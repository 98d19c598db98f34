/* What processes cost, as the kernel accounts for it: /proc/PID/stat and /proc/stat. Ticks of 10 ms, so a window should
 * last seconds. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_PIDS_MAX 16

struct usage {
    double user_s;
    double system_s;
    uint64_t rss_bytes;      /* resident now */
    uint64_t rss_peak_bytes; /* VmHWM */
};

/* The sum over `pids`. False if one of them is gone. */
bool usage_read(const int *pids, size_t count, struct usage *usage);
/* CPU seconds that all processes and the kernel have used since boot. */
double usage_machine_busy_s(void);
/* CPU seconds of this process. */
double usage_self_s(void);

#endif
