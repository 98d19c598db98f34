/* The programs narrate through common/trace; here their lines get the moment and the process that speaks in front.
 * Narrating changes nothing in a run. */
#include "tests/sim/narration.h"

#include "common/trace/trace.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void narration_head(const struct sim_world *world)
{
    const struct sim_process *speaker = world->scene.process;

    printf("%4" PRIu64 ".%09" PRIu64 " %-14s ", world->now_ns / NS_PER_SECOND, world->now_ns % NS_PER_SECOND,
           speaker != NULL ? sim_process_name(speaker) : "-");
}

static bool narration_write(void *context, const char *line, size_t size)
{
    narration_head(context);
    fwrite(line, 1, size, stdout);
    return true;
}

void narration_begin(struct sim_world *world)
{
    const struct trace_options options = {
        .level = TRACE_DEBUG, .format = TRACE_LOGFMT, .write = narration_write, .context = world};

    if (world->options.narrate) {
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
    va_list arguments;

    if (!world->options.narrate) {
        return;
    }
    narration_head(world);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}
