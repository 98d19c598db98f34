/* Processes of a local cluster: started so that they outlive the terminal, found again by a pid file. A pid alone
 * proves nothing, the system gives it to others later; so the file also holds the process's start time, and nothing is
 * signalled whose start time is another. */
#ifndef CLI_DEV_PROCESS_H
#define CLI_DEV_PROCESS_H

#include "common/base/attributes.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_id {
    pid_t pid;
    uint64_t started; /* clock ticks since the system's start: field 22 of /proc/PID/stat */
};

/* Starts `path` with `argv` (NULL-ended) in a session of its own, its output appended to the file `log`, its input
 * empty. On failure *failed_errno says what fork, open or exec met. */
MUST_USE enum status process_start(const char *path, char *const *argv, const char *log, struct process_id *id,
                                   int *failed_errno);
/* True if exactly this process runs; a zombie does not. */
bool process_runs(struct process_id id);
/* Sends `signal_number` to exactly this process; NOT_FOUND if it does not run. */
MUST_USE enum status process_signal(struct process_id id, int signal_number);
/* Looks every 10 ms, up to `timeout_ms`, whether it has ended; true if so. */
bool process_wait(struct process_id id, uint32_t timeout_ms);

/* The contents of /proc/PID/stat to its start time and state letter; false if it is not such a line. */
bool process_stat_parse(const char *text, uint64_t *started, char *state);
/* "PID START\n". */
MUST_USE enum status process_file_read(const char *path, struct process_id *id);
MUST_USE enum status process_file_write(const char *path, struct process_id id);

#endif
