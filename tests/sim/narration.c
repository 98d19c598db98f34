/* The programs narrate through common/trace; here their lines get the moment and the process that speaks in front.
 * Narrating changes nothing in a run. */
#include "tests/sim/narration.h"

#include "common/trace/trace.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define EVENT_KEY "event="

/* Writes the moment and the speaker; returns the size. */
static size_t narration_head(const struct sim_world *world, char text[NARRATION_LINE_SIZE])
{
    const struct sim_process *speaker = world->scene.process;

    return (size_t)snprintf(text, NARRATION_LINE_SIZE, "%4" PRIu64 ".%09" PRIu64 " %-14s ",
                            world->now_ns / NS_PER_SECOND, world->now_ns % NS_PER_SECOND,
                            speaker != NULL ? sim_process_name(speaker) : "-");
}

void narration_ring_clear(struct narration_ring *ring)
{
    ring->written = 0;
    ring->event_count = 0;
}

const char *narration_ring_line(const struct narration_ring *ring, size_t index)
{
    const size_t count = ring->written < NARRATION_LINES ? ring->written : NARRATION_LINES;

    return index < count ? ring->lines[(ring->written - count + index) % NARRATION_LINES] : NULL;
}

static char *ring_next_line(struct narration_ring *ring)
{
    return ring->lines[ring->written++ % NARRATION_LINES];
}

static void ring_count_event(struct narration_ring *ring, const char *line, size_t size)
{
    const char *end = line + size;
    const size_t key_size = sizeof(EVENT_KEY) - 1;
    size_t length = 0;

    while ((size_t)(end - line) > key_size && memcmp(line, EVENT_KEY, key_size) != 0) {
        line++;
    }
    line += key_size;
    while (line + length < end && line[length] != ' ' && line[length] != '\n' && length < NARRATION_EVENT_SIZE - 1) {
        length++;
    }
    for (size_t i = 0; i < ring->event_count; i++) {
        if (strncmp(ring->events[i].name, line, length) == 0 && ring->events[i].name[length] == '\0') {
            ring->events[i].count++;
            return;
        }
    }
    if (ring->event_count < NARRATION_EVENTS_MAX) {
        struct narration_event *event = &ring->events[ring->event_count++];

        *event = (struct narration_event){.count = 1};
        memcpy(event->name, line, length);
    }
}

static bool narration_write(void *context, const char *line, size_t size)
{
    struct sim_world *world = context;
    struct narration_ring *ring = world->options.ring;
    char head[NARRATION_LINE_SIZE];

    if (world->options.narrate) {
        narration_head(world, head);
        fputs(head, stdout);
        fwrite(line, 1, size, stdout);
    }
    if (ring != NULL) {
        char *kept = ring_next_line(ring);
        const size_t used = narration_head(world, kept);

        /* Without its newline. */
        snprintf(kept + used, NARRATION_LINE_SIZE - used, "%.*s", (int)size - 1, line);
        ring_count_event(ring, line, size);
    }
    return true;
}

void narration_begin(struct sim_world *world)
{
    const struct trace_options options = {.level = world->options.narrate ? TRACE_DEBUG : TRACE_INFO,
                                          .format = TRACE_LOGFMT,
                                          .write = narration_write,
                                          .context = world};

    if (world->options.narrate || world->options.ring != NULL) {
        world->trace = trace_create(&options);
        trace_install(world->trace);
    }
}

void narration_end(struct sim_world *world)
{
    if (world->trace != NULL) {
        trace_install(NULL);
        trace_destroy(world->trace);
        world->trace = NULL;
        fflush(stdout);
    }
}

void sim_say(struct sim_world *world, const char *format, ...)
{
    char line[NARRATION_LINE_SIZE];
    va_list arguments;
    size_t used;

    if (!world->options.narrate && world->options.ring == NULL) {
        return;
    }
    used = narration_head(world, line);
    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - used, format, arguments);
    va_end(arguments);
    if (world->options.narrate) {
        puts(line);
    }
    if (world->options.ring != NULL) {
        memcpy(ring_next_line(world->options.ring), line, sizeof(line));
    }
}
