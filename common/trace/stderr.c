/* The log's way out: standard error. A reader that hangs must not stop a loop, and the descriptor may be shared with
 * other programs, so it is not made non-blocking: a line goes out only if the system says it takes one now. A pipe that
 * says so has room for PIPE_BUF bytes, which is what the longest line has. */
#include "common/base/assert.h"
#include "common/trace/trace.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

_Static_assert(TRACE_LINE_MAX <= PIPE_BUF, "a line must fit into a pipe at once");

static bool stderr_ready(void)
{
    struct pollfd poll_stderr = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&poll_stderr, 1, 0) == 1 && (poll_stderr.revents & POLLOUT) != 0;
}

static bool stderr_put(const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, text, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text += written;
        size -= (size_t)written;
    }
    return true;
}

static bool stderr_write(void *context UNUSED, const char *line, size_t size)
{
    return stderr_ready() && stderr_put(line, size);
}

static int64_t stderr_wall_ms(void *context UNUSED)
{
    struct timespec now;

    const int failed = clock_gettime(CLOCK_REALTIME, &now);

    ASSERT(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct trace_options trace_options_stderr(void)
{
    return (struct trace_options){
        .level = TRACE_INFO,
        .format = TRACE_LOGFMT,
        .burst = 20,
        .window_ms = 10000,
        .wall_ms = stderr_wall_ms,
        .write = stderr_write,
    };
}
