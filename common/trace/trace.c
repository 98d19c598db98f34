/* The current trace: level, repeats, and the hand-over of whole lines to the sink.
 *
 * A line is formatted on the caller's stack without a lock; only the count of repeats and the sink's write are under
 * the
 * mutex. The sink does not block, so neither does a loop that narrates.
 *
 * Repeats are counted per event name in a small table that is indexed by the name's hash. Two names that meet in one
 * slot take it from each other: then a repeat may be written too often, never lost without count. */
#include "common/trace/trace.h"

#include "common/base/assert.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/trace/line.h"

#include <pthread.h>
#include <stdatomic.h>

#define TRACE_SLOTS 256

struct trace_slot {
    uint64_t hash;        /* of the event's name */
    int64_t window_start; /* wall clock, ms */
    uint32_t written;     /* lines in this window */
    uint64_t suppressed;  /* lines not written since the last one that was */
};

struct trace {
    struct trace_options options;
    pthread_mutex_t mutex; /* guards what is below, and options.write */
    uint64_t dropped;      /* lines that the sink did not take since the last one that it did */
    struct trace_slot slots[TRACE_SLOTS];
};

/* The exception that trace.h justifies. The level stands beside the pointer so that a line that is off costs one
 * load. */
static struct trace *_Atomic trace_current;
static atomic_int trace_level_current = -1;

static const char *const level_names[] = {
    [TRACE_ERROR] = "error", [TRACE_WARN] = "warn", [TRACE_INFO] = "info", [TRACE_DEBUG] = "debug"};
static const char *const format_names[] = {[TRACE_LOGFMT] = "logfmt", [TRACE_JSON] = "json"};

struct trace *trace_create(const struct trace_options *options)
{
    struct trace *trace = memory_alloc_zero(1, sizeof(*trace));
    const int failed = pthread_mutex_init(&trace->mutex, NULL);

    ASSERT(failed == 0);
    ASSERT(options->write != NULL);
    trace->options = *options;
    return trace;
}

void trace_destroy(struct trace *trace)
{
    ASSERT(trace != atomic_load(&trace_current));
    pthread_mutex_destroy(&trace->mutex);
    memory_free(trace);
}

void trace_install(struct trace *trace)
{
    atomic_store(&trace_current, trace);
    atomic_store(&trace_level_current, trace != NULL ? (int)trace->options.level : -1);
}

void trace_set_level(enum trace_level level)
{
    if (atomic_load(&trace_current) != NULL) {
        atomic_store(&trace_level_current, (int)level);
    }
}

bool trace_enabled(enum trace_level level)
{
    return (int)level <= atomic_load_explicit(&trace_level_current, memory_order_relaxed);
}

enum status trace_level_parse(struct string text, enum trace_level *level)
{
    for (size_t i = 0; i < ARRAY_COUNT(level_names); i++) {
        if (string_is(text, level_names[i])) {
            *level = (enum trace_level)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

enum status trace_format_parse(struct string text, enum trace_format *format)
{
    for (size_t i = 0; i < ARRAY_COUNT(format_names); i++) {
        if (string_is(text, format_names[i])) {
            *format = (enum trace_format)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

/* What a line says about lines before it that nobody saw. */
struct trace_missing {
    uint64_t suppressed; /* of this event, as repeats */
    uint64_t dropped;    /* of any event, by the sink */
};

/* Whether this line may be written. */
static bool trace_admit(struct trace *trace, const char *event, int64_t now_ms, struct trace_missing *missing)
{
    const uint64_t hash = hash_string(string_of(event));
    struct trace_slot *slot = &trace->slots[hash % TRACE_SLOTS];

    missing->dropped = trace->dropped;
    if (trace->options.burst == 0 || trace->options.wall_ms == NULL) {
        return true;
    }
    if (slot->hash != hash) {
        *slot = (struct trace_slot){.hash = hash, .window_start = now_ms};
    }
    /* The wall clock may jump: a window also ends when time went back. */
    if (now_ms < slot->window_start || now_ms - slot->window_start >= (int64_t)trace->options.window_ms) {
        slot->window_start = now_ms;
        slot->written = 0;
    }
    if (slot->written >= trace->options.burst) {
        slot->suppressed++;
        return false;
    }
    slot->written++;
    missing->suppressed = slot->suppressed;
    slot->suppressed = 0;
    return true;
}

static void trace_line_head(const struct trace *trace, struct trace_line *line, enum trace_level level,
                            const char *event, const struct trace_missing *missing)
{
    const struct trace_field level_field = T_TEXT("level", level_names[level]);
    const struct trace_field from = T_TEXT("from", trace->options.from);
    const struct trace_field name = T_TEXT("event", event);
    const struct trace_field suppressed = T_UINT("suppressed", missing->suppressed);
    const struct trace_field dropped = T_UINT("dropped", missing->dropped);

    trace_line_field(line, &level_field);
    if (trace->options.from != NULL) {
        trace_line_field(line, &from);
    }
    trace_line_field(line, &name);
    if (missing->suppressed > 0) {
        trace_line_field(line, &suppressed);
    }
    if (missing->dropped > 0) {
        trace_line_field(line, &dropped);
    }
}

void trace_write(enum trace_level level, const char *event, const struct trace_field *fields)
{
    struct trace *trace = atomic_load(&trace_current);
    struct trace_line line;
    struct trace_missing missing = {0, 0};
    int64_t now_ms = 0;
    bool admitted;

    if (trace == NULL || !trace_enabled(level)) {
        return;
    }
    trace_line_begin(&line, trace->options.format);
    if (trace->options.wall_ms != NULL) {
        now_ms = trace->options.wall_ms(trace->options.context);
        trace_line_time(&line, now_ms);
    }
    pthread_mutex_lock(&trace->mutex);
    admitted = trace_admit(trace, event, now_ms, &missing);
    pthread_mutex_unlock(&trace->mutex);
    if (!admitted) {
        return;
    }
    trace_line_head(trace, &line, level, event, &missing);
    for (; fields->kind != TRACE_END; fields++) {
        trace_line_field(&line, fields);
    }
    trace_line_end(&line);
    pthread_mutex_lock(&trace->mutex);
    if (trace->options.write(trace->options.context, line.text, line.size)) {
        /* Others may have been dropped meanwhile: those are for the next line. */
        trace->dropped -= missing.dropped < trace->dropped ? missing.dropped : trace->dropped;
    } else {
        trace->dropped++;
    }
    pthread_mutex_unlock(&trace->mutex);
}
