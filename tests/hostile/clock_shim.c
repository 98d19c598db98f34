/* Preloaded into a server under test: another wall clock, and a disk that fails.
 *
 * HOSTILE_SHIM names a file of this layout, which the test changes while the server runs:
 *
 *     0   int64    added to CLOCK_REALTIME, in milliseconds
 *     8   uint32   what fails: bit 0 writing and allocating, bit 1 syncing, bit 2 reading
 *     12  uint32   nothing
 *     16  char[]   for files below this path, at most 255 bytes, zero-terminated
 *
 * CLOCK_MONOTONIC, and with it every timeout, is left alone. The calls go to the system directly: nothing has to be
 * looked up, so that they work from the first instruction on. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SHIM_PATH_MAX 256
#define SHIM_FAIL_WRITE 1U
#define SHIM_FAIL_SYNC 2U
#define SHIM_FAIL_READ 4U
#define NS_PER_S 1000000000L
#define NS_PER_MILLISECOND 1000000L

struct shim {
    volatile int64_t clock_ms;
    volatile uint32_t failing;
    uint32_t unused;
    volatile char path[SHIM_PATH_MAX];
};

static struct shim *shim;

__attribute__((constructor)) static void shim_open(void)
{
    const char *name = getenv("HOSTILE_SHIM");
    const int descriptor = name != NULL ? (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC) : -1;

    if (descriptor >= 0) {
        void *found = mmap(NULL, sizeof(*shim), PROT_READ, MAP_SHARED, descriptor, 0);

        shim = found != MAP_FAILED ? found : NULL;
        syscall(SYS_close, descriptor);
    }
}

/* True, with errno, if a call of this kind on this file is to fail. */
static bool shim_fails(int descriptor, uint32_t kind)
{
    char link[64] = "/proc/self/fd/";
    char name[1024];
    char digits[16];
    size_t at = strlen(link);
    size_t count = 0;
    size_t size = 0;
    ssize_t length;

    if (shim == NULL || (shim->failing & kind) == 0 || descriptor < 0) {
        return false;
    }
    do {
        digits[count++] = (char)('0' + descriptor % 10);
        descriptor /= 10;
    } while (descriptor > 0);
    while (count > 0) {
        link[at++] = digits[--count];
    }
    link[at] = '\0';
    length = readlink(link, name, sizeof(name) - 1);
    if (length <= 0) {
        return false;
    }
    while (size < SHIM_PATH_MAX && shim->path[size] != '\0') {
        if (size >= (size_t)length || name[size] != shim->path[size]) {
            return false;
        }
        size++;
    }
    errno = EIO;
    return size > 0;
}

/* --- the clock --- */

int clock_gettime(clockid_t id, struct timespec *now)
{
    const int result = (int)syscall(SYS_clock_gettime, id, now);

    if (result == 0 && shim != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        const int64_t added = shim->clock_ms;

        now->tv_sec += added / 1000;
        now->tv_nsec += (added % 1000) * NS_PER_MILLISECOND;
        if (now->tv_nsec >= NS_PER_S) {
            now->tv_nsec -= NS_PER_S;
            now->tv_sec++;
        } else if (now->tv_nsec < 0) {
            now->tv_nsec += NS_PER_S;
            now->tv_sec--;
        }
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    const int result = clock_gettime(CLOCK_REALTIME, &exact);

    (void)zone;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *into)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (into != NULL) {
        *into = now.tv_sec;
    }
    return now.tv_sec;
}

/* --- the disk --- */

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return shim_fails(descriptor, SHIM_FAIL_WRITE) ? -1 : syscall(SYS_pwrite64, descriptor, data, size, offset);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset)
{
    return shim_fails(descriptor, SHIM_FAIL_WRITE)
               ? -1
               : syscall(SYS_pwritev, descriptor, parts, (long)count, (long)offset, 0L);
}

ssize_t write(int descriptor, const void *data, size_t size)
{
    return shim_fails(descriptor, SHIM_FAIL_WRITE) ? -1 : syscall(SYS_write, descriptor, data, size);
}

int ftruncate(int descriptor, off_t size)
{
    return shim_fails(descriptor, SHIM_FAIL_WRITE) ? -1 : (int)syscall(SYS_ftruncate, descriptor, size);
}

int fallocate(int descriptor, int mode, off_t offset, off_t size)
{
    return shim_fails(descriptor, SHIM_FAIL_WRITE) ? -1 : (int)syscall(SYS_fallocate, descriptor, mode, offset, size);
}

int fdatasync(int descriptor)
{
    return shim_fails(descriptor, SHIM_FAIL_SYNC) ? -1 : (int)syscall(SYS_fdatasync, descriptor);
}

int fsync(int descriptor)
{
    return shim_fails(descriptor, SHIM_FAIL_SYNC) ? -1 : (int)syscall(SYS_fsync, descriptor);
}

ssize_t pread(int descriptor, void *into, size_t size, off_t offset)
{
    return shim_fails(descriptor, SHIM_FAIL_READ) ? -1 : syscall(SYS_pread64, descriptor, into, size, offset);
}
