/* Starting and finding processes: see dev_process.h. */
#include "cli/dev_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Field 22; the name in field 2 may hold blanks and brackets, so counting starts behind the last bracket, at field
 * 3. */
#define STAT_FIELD_STARTED 22
#define WAIT_STEP_MS 10

bool process_stat_parse(const char *text, uint64_t *started, char *state)
{
    const char *at = strrchr(text, ')');

    if (at == NULL || at[1] != ' ' || at[2] == '\0') {
        return false;
    }
    at += 2;
    *state = *at;
    for (int field = 3; field < STAT_FIELD_STARTED; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return false;
        }
        at++;
    }
    char *end;

    *started = strtoull(at, &end, 10);
    return end != at;
}

/* False if there is no such process or it has ended. */
static bool process_started_at(pid_t pid, uint64_t *started)
{
    char path[64];
    char text[1024];
    char state;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return false;
    }
    const size_t size = fread(text, 1, sizeof(text) - 1, file);

    (void)fclose(file);
    text[size] = '\0';
    return process_stat_parse(text, started, &state) && state != 'Z' && state != 'X';
}

bool process_runs(struct process_id id)
{
    uint64_t started;

    return id.pid > 0 && process_started_at(id.pid, &started) && started == id.started;
}

enum status process_signal(struct process_id id, int signal_number)
{
    /* The descriptor names one process for ever: checked once, the signal cannot reach another. */
    const int descriptor = id.pid > 0 ? (int)syscall(SYS_pidfd_open, id.pid, 0) : -1;
    int result;

    if (!process_runs(id)) {
        if (descriptor >= 0) {
            close(descriptor);
        }
        return STATUS_NOT_FOUND;
    }
    if (descriptor >= 0) {
        result = (int)syscall(SYS_pidfd_send_signal, descriptor, signal_number, NULL, 0);
        close(descriptor);
    } else {
        result = kill(id.pid, signal_number);
    }
    return result == 0 ? STATUS_OK : status_from_errno(errno);
}

bool process_wait(struct process_id id, uint32_t timeout_ms)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};

    for (uint32_t waited = 0; process_runs(id); waited += WAIT_STEP_MS) {
        if (waited >= timeout_ms) {
            return false;
        }
        nanosleep(&step, NULL);
    }
    return true;
}

/* In the new process: becomes the program, or reports errno through `report`. */
NO_RETURN static void process_become(const char *path, char *const *argv, const char *log, int report)
{
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int in = open("/dev/null", O_RDONLY);

    signal(SIGPIPE, SIG_DFL);
    if (out >= 0 && in >= 0 && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0) {
        /* Nothing else of the terminal's process goes along; `report` closes by itself when exec succeeds. */
        (void)syscall(SYS_close_range, 3, ~0U, 1U << 2);
        execv(path, argv);
    }
    const int failed = errno;

    (void)!write(report, &failed, sizeof(failed));
    _exit(127);
}

/* In the child: leaves the terminal's session and starts the process, so that it belongs to init. */
NO_RETURN static void process_detach(const char *path, char *const *argv, const char *log, int pid_pipe, int report)
{
    setsid();
    const pid_t pid = fork();

    if (pid == 0) {
        process_become(path, argv, log, report);
    }
    if (pid < 0) {
        const int failed = errno;

        (void)!write(report, &failed, sizeof(failed));
    } else {
        (void)!write(pid_pipe, &pid, sizeof(pid));
    }
    _exit(0);
}

enum status process_start(const char *path, char *const *argv, const char *log, struct process_id *id,
                          int *failed_errno)
{
    int pid_pipe[2];
    int report[2];
    int wait_status;

    *id = (struct process_id){0};
    *failed_errno = 0;
    if (pipe2(pid_pipe, O_CLOEXEC) != 0) {
        *failed_errno = errno;
        return status_from_errno(errno);
    }
    if (pipe2(report, O_CLOEXEC) != 0) {
        *failed_errno = errno;
        close(pid_pipe[0]);
        close(pid_pipe[1]);
        return status_from_errno(*failed_errno);
    }
    const pid_t child = fork();

    if (child == 0) {
        process_detach(path, argv, log, pid_pipe[1], report[1]);
    }
    if (child < 0) {
        *failed_errno = errno;
    }
    close(pid_pipe[1]);
    close(report[1]);
    if (child > 0) {
        while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
        }
        /* End of file means that exec has closed the pipe: the program runs. */
        if (read(report[0], failed_errno, sizeof(*failed_errno)) != sizeof(*failed_errno)) {
            *failed_errno = 0;
        }
        if (read(pid_pipe[0], &id->pid, sizeof(id->pid)) != sizeof(id->pid)) {
            id->pid = 0;
        }
    }
    close(pid_pipe[0]);
    close(report[0]);
    if (*failed_errno != 0 || id->pid == 0) {
        return *failed_errno != 0 ? status_from_errno(*failed_errno) : STATUS_IO;
    }
    return process_started_at(id->pid, &id->started) ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status process_file_read(const char *path, struct process_id *id)
{
    FILE *file = fopen(path, "re");

    *id = (struct process_id){0};
    if (file == NULL) {
        return status_from_errno(errno);
    }
    const bool whole = fscanf(file, "%d %" SCNu64, &id->pid, &id->started) == 2;

    (void)fclose(file);
    return whole ? STATUS_OK : STATUS_CORRUPT;
}

enum status process_file_write(const char *path, struct process_id id)
{
    FILE *file = fopen(path, "we");

    if (file == NULL) {
        return status_from_errno(errno);
    }
    const bool written = fprintf(file, "%d %" PRIu64 "\n", id.pid, id.started) > 0;

    return fclose(file) == 0 && written ? STATUS_OK : STATUS_IO;
}
