/* The process's log: one line per event, an event name and typed fields.
 *
 *     trace_info("partition_opened", T_STRING("topic", name), T_INT("partition", 3));
 *
 *     time=2026-11-21T15:42:10.123Z level=info from=node-1 event=partition_opened topic=hello partition=3
 *
 * An event name is a stable word that people grep for and alerts match; what varies goes into fields. Fields are values
 * of struct trace_field, so the compiler checks their types; nothing is evaluated if the level is off. Lines are
 * bounded (TRACE_LINE_MAX), bytes that would break a line are escaped in both formats, and an event that repeats is
 * written `burst` times per window, then counted: its next line after the window says `suppressed=312`.
 *
 * The current trace is the one exception to "no globals": a process has one standard error, every layer narrates, and
 * passing a sink through every constructor would buy nothing. The pointer is set once at start, before the loops, and
 * cleared at the end; the simulator sets a trace of its own with virtual time. Without a current trace nothing is
 * written. All functions may be called from any thread. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

#define TRACE_LINE_MAX 4096  /* bytes with the newline: a pipe takes that much at once (PIPE_BUF) */
#define TRACE_VALUE_MAX 1024 /* bytes of one text value before escaping; longer ones are cut and end in "..." */

enum trace_level { TRACE_ERROR, TRACE_WARN, TRACE_INFO, TRACE_DEBUG };
enum trace_format { TRACE_LOGFMT, TRACE_JSON };

enum trace_kind { TRACE_END, TRACE_TEXT, TRACE_INTEGER, TRACE_UNSIGNED, TRACE_NUMBER, TRACE_TRUTH, TRACE_UUID };

struct trace_field {
    const char *key; /* a word: a-z 0-9 _ */
    enum trace_kind kind;
    union {
        struct string text;
        int64_t integer;
        uint64_t natural;
        double number;
        bool truth;
        struct uuid uuid;
    } value;
};

/* Borrowed for the call; null shows as null. */
#define T_STRING(key, text) trace_string(key, text)
/* Zero-terminated text, NULL allowed. */
#define T_TEXT(key, text) trace_string(key, string_of(text))
#define T_STATUS(key, status) trace_string(key, string_of(status_text(status)))
#define T_INT(key, number) trace_integer(key, number)
#define T_UINT(key, number) trace_unsigned(key, number)
#define T_DOUBLE(key, number) trace_number(key, number)
#define T_BOOL(key, truth) trace_truth(key, truth)
#define T_UUID(key, uuid) trace_uuid(key, uuid)

#define trace_error(...) TRACE_EVENT(TRACE_ERROR, __VA_ARGS__)
#define trace_warn(...) TRACE_EVENT(TRACE_WARN, __VA_ARGS__)
#define trace_info(...) TRACE_EVENT(TRACE_INFO, __VA_ARGS__)
#define trace_debug(...) TRACE_EVENT(TRACE_DEBUG, __VA_ARGS__)

struct trace_options {
    enum trace_level level; /* lines above it are not written */
    enum trace_format format;
    const char *from;        /* who speaks, as "node-1"; NULL: no such field. Borrowed for the trace's life */
    uint32_t burst;          /* lines per event and window; 0: no limit */
    uint32_t window_ms;
    int64_t (*wall_ms)(void *context); /* NULL: no time field, and no windows: burst is not applied */
    /* Takes one whole line with its newline; false: it was dropped (the next line that is taken says how many were).
     * Called by one thread at a time. Must not block and must not trace. */
    bool (*write)(void *context, const char *line, size_t size);
    void *context; /* of both callbacks */
};

struct trace;

/* Writes to standard error with the system's clock, level info, 20 lines of one event in 10 seconds. A line that
 * standard error would not take at once is dropped and counted (`dropped=3`): the process never waits for its log's
 * reader. */
struct trace_options trace_options_stderr(void);

struct trace *trace_create(const struct trace_options *options);
/* It must not be the current one. */
void trace_destroy(struct trace *trace);
/* Makes `trace` the current one (NULL: none). Before the first loop starts and after the last one ended. */
void trace_install(struct trace *trace);
/* Of the current trace, at run time. */
void trace_set_level(enum trace_level level);
bool trace_enabled(enum trace_level level);
/* "error", "warn", "info", "debug". */
MUST_USE enum status trace_level_parse(struct string text, enum trace_level *level);
/* "logfmt", "json". */
MUST_USE enum status trace_format_parse(struct string text, enum trace_format *format);

/* Use the macros above. `fields` ends with one of kind TRACE_END. */
void trace_write(enum trace_level level, const char *event, const struct trace_field *fields);

static inline struct trace_field trace_string(const char *key, struct string text)
{
    return (struct trace_field){.key = key, .kind = TRACE_TEXT, .value.text = text};
}

static inline struct trace_field trace_integer(const char *key, int64_t number)
{
    return (struct trace_field){.key = key, .kind = TRACE_INTEGER, .value.integer = number};
}

static inline struct trace_field trace_unsigned(const char *key, uint64_t number)
{
    return (struct trace_field){.key = key, .kind = TRACE_UNSIGNED, .value.natural = number};
}

static inline struct trace_field trace_number(const char *key, double number)
{
    return (struct trace_field){.key = key, .kind = TRACE_NUMBER, .value.number = number};
}

static inline struct trace_field trace_truth(const char *key, bool truth)
{
    return (struct trace_field){.key = key, .kind = TRACE_TRUTH, .value.truth = truth};
}

static inline struct trace_field trace_uuid(const char *key, struct uuid uuid)
{
    return (struct trace_field){.key = key, .kind = TRACE_UUID, .value.uuid = uuid};
}

static inline struct trace_field trace_end(void)
{
    return (struct trace_field){.kind = TRACE_END};
}

/* The first argument is the event, the others are fields; an end is put behind them, so that there may be none. */
#define TRACE_FIRST(first, ...) first
#define TRACE_OTHERS(first, ...) __VA_ARGS__
#define TRACE_EVENT(level, ...)                                                                    \
    do {                                                                                           \
        if (trace_enabled(level)) {                                                                \
            trace_write(level, TRACE_FIRST(__VA_ARGS__, 0),                                        \
                        (const struct trace_field[]){TRACE_OTHERS(__VA_ARGS__, trace_end())});     \
        }                                                                                          \
    } while (0)

#endif
