/* CPU and memory of processes: see usage.h. */
#include "tests/bench/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The whole small file as text; false if it cannot be read. */
static bool file_text(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        got = read(fd, text, size - 1);
        close(fd);
    }
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Adds one process: fields 14 and 15 are its CPU, 24 its pages; counted from behind the name, which ends with ')'. */
static bool usage_add(int pid, struct usage *usage)
{
    char path[64];
    char text[4096];
    double ticks[2] = {0, 0};
    char *at;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (!file_text(path, text, sizeof(text)) || (at = strrchr(text, ')')) == NULL) {
        return false;
    }
    at++;
    for (int field = 3; field <= 24 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
        if (at != NULL && (field == 14 || field == 15)) {
            ticks[field - 14] = (double)strtoull(at, NULL, 10);
        } else if (at != NULL && field == 24) {
            usage->rss_bytes += strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
        }
    }
    usage->user_s += ticks[0] / (double)sysconf(_SC_CLK_TCK);
    usage->system_s += ticks[1] / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (file_text(path, text, sizeof(text)) && (at = strstr(text, "VmHWM:")) != NULL) {
        usage->rss_peak_bytes += strtoull(at + 6, NULL, 10) * 1024;
    }
    return true;
}

bool usage_read(const int *pids, size_t count, struct usage *usage)
{
    bool all = true;

    *usage = (struct usage){0};
    for (size_t i = 0; i < count; i++) {
        all = usage_add(pids[i], usage) && all;
    }
    return all;
}

double usage_machine_busy_s(void)
{
    char text[4096];
    double busy = 0;
    char *at = text + 4;

    if (!file_text("/proc/stat", text, sizeof(text))) {
        return 0;
    }
    /* user nice system idle iowait irq softirq steal; guest time is in user already */
    for (int field = 0; field < 8; field++) {
        const double ticks = (double)strtoull(at, &at, 10);

        busy += field == 3 || field == 4 ? 0 : ticks;
    }
    return busy / (double)sysconf(_SC_CLK_TCK);
}

double usage_self_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
