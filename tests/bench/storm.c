/* Many connections at once: how long until each has had an answer, and what they cost while they are idle. */
#include "tests/bench/load.h"

#include "common/base/endian.h"
#include "common/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that are being opened at the same time: below what listeners commonly let wait. */
#define OPENING_MAX 512
#define EVENTS_MAX 512
/* ApiVersions v0, client id null. */
static const uint8_t hello[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff};

struct guest {
    int fd;
    bool asked;
    uint32_t got;
    uint32_t size;
    uint8_t prefix[4];
};

struct storm {
    const struct load_options *options;
    struct sockaddr_in address;
    int epoll;
    struct guest *guests;
    uint32_t opened;
    uint32_t greeted;
};

static void guest_open(struct storm *storm, struct guest *guest)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = guest};

    guest->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (guest->fd < 0 ||
        (connect(guest->fd, (const struct sockaddr *)&storm->address, sizeof(storm->address)) != 0 &&
         errno != EINPROGRESS)) {
        load_fail("connection %u cannot be opened: %s", storm->opened, strerror(errno));
    }
    epoll_ctl(storm->epoll, EPOLL_CTL_ADD, guest->fd, &event);
    storm->opened++;
}

static void guest_ask(struct storm *storm, struct guest *guest)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = guest};

    if (send(guest->fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello)) {
        load_fail("a connection was refused or broke: %s", strerror(errno));
    }
    guest->asked = true;
    epoll_ctl(storm->epoll, EPOLL_CTL_MOD, guest->fd, &event);
}

static void guest_hear(struct storm *storm, struct guest *guest)
{
    uint8_t bytes[4096];
    const ssize_t got = recv(guest->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (got <= 0) {
        load_fail("the broker closed a connection");
    }
    for (ssize_t i = 0; i < got && guest->got + (uint32_t)i < 4; i++) {
        guest->prefix[guest->got + (uint32_t)i] = bytes[i];
    }
    guest->got += (uint32_t)got;
    guest->size = guest->got >= 4 ? load_u32(guest->prefix) + 4 : 0;
    if (guest->size > 0 && guest->got == guest->size) {
        epoll_ctl(storm->epoll, EPOLL_CTL_DEL, guest->fd, NULL);
        storm->greeted++;
    }
}

static double storm_greet(struct storm *storm)
{
    const uint64_t begin = load_now_ns();
    const uint64_t until = begin + (uint64_t)(storm->options->timeout_s * 1e9);
    struct epoll_event events[EVENTS_MAX];

    while (storm->greeted < storm->options->connections) {
        while (storm->opened < storm->options->connections && storm->opened - storm->greeted < OPENING_MAX) {
            guest_open(storm, &storm->guests[storm->opened]);
        }
        const int count = epoll_wait(storm->epoll, events, EVENTS_MAX, 100);

        for (int i = 0; i < count; i++) {
            struct guest *guest = events[i].data.ptr;

            if (guest->asked) {
                guest_hear(storm, guest);
            } else {
                guest_ask(storm, guest);
            }
        }
        if (load_now_ns() > until) {
            load_fail("%u of %u connections have been answered", storm->greeted, storm->options->connections);
        }
    }
    return (double)(load_now_ns() - begin) / 1e9;
}

void storm_run(const struct load_options *options)
{
    struct storm storm = {.options = options, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct rlimit files;
    struct usage before;
    struct usage greeted;
    struct usage after;
    double seconds;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    storm.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options->port)};
    if (inet_pton(AF_INET, options->host, &storm.address.sin_addr) != 1) {
        load_fail("storm wants an address in digits, not %s", options->host);
    }
    storm.guests = memory_alloc_zero(options->connections, sizeof(*storm.guests));
    usage_read(options->pids, options->pid_count, &before);
    seconds = storm_greet(&storm);
    usage_read(options->pids, options->pid_count, &greeted);
    nanosleep(&(struct timespec){.tv_sec = (time_t)options->seconds}, NULL);
    usage_read(options->pids, options->pid_count, &after);
    printf("{\"label\":\"%s\",\"connections\":%u,\"storm_s\":%.4f,\"storm_cpu_s\":%.2f,\"rss_before_bytes\":%llu,"
           "\"rss_after_bytes\":%llu,\"bytes_per_connection\":%.0f,\"idle_cpu_s\":%.2f,\"idle_seconds\":%.0f}\n",
           options->label, options->connections, seconds,
           greeted.user_s + greeted.system_s - before.user_s - before.system_s, (unsigned long long)before.rss_bytes,
           (unsigned long long)after.rss_bytes,
           ((double)after.rss_bytes - (double)before.rss_bytes) / options->connections,
           after.user_s + after.system_s - greeted.user_s - greeted.system_s, options->seconds);
    fprintf(stderr, "%-10s %u connections answered in %.3f s; %.0f bytes each\n", options->label, options->connections,
            seconds, ((double)after.rss_bytes - (double)before.rss_bytes) / options->connections);
    for (uint32_t i = 0; i < options->connections; i++) {
        close(storm.guests[i].fd);
    }
    close(storm.epoll);
    memory_free(storm.guests);
}
