/* millrace consume: reads a topic and prints its records. See consume.h.
 *
 *     positions -> offsets (ListOffsets) -> consume_fetch.c -> consumer -> format -> standard output */
#include "cli/commands.h"
#include "cli/consume.h"
#include "cli/offsets.h"
#include "cli/position.h"
#include "common/base/memory.h"
#include "common/wire/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define TOPIC_PATIENCE_MS 5000
#define ROUTES_AGE_MIN_NS (100 * NS_PER_MS)
#define LOOK_MS 100
#define FORMAT_SIZE_MAX 1024

struct positions {
    struct position start;
    struct position stop;
    bool has_stop;
};

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The -o options: at most one start and one stop, as in kcat. */
static bool take_positions(const struct cli *cli, struct positions *positions)
{
    size_t at = 0;

    *positions = (struct positions){0};
    for (const char *text; (text = arguments_next(&cli->arguments, "from", &at)) != NULL;) {
        struct position position;

        if (position_parse(text, wall_ms(), &position) != STATUS_OK) {
            cli_error("--from: \"%s\" is no position", text);
            cli_hint("beginning, end, 123 (offset), -123 (before the end), s@MS, s@-1h (time), e@MS (up to a time)");
            return false;
        }
        if (position.stop) {
            positions->stop = position;
            positions->has_stop = true;
        } else {
            positions->start = position;
        }
    }
    return true;
}

/* -f, or what -K and -D ask for. */
static bool take_format(const struct cli *cli, struct consume *consume)
{
    const char *text = arguments_value(&cli->arguments, "format");
    const char *delimiter = arguments_value(&cli->arguments, "delimiter");
    const char *key_delimiter = arguments_value(&cli->arguments, "key-delimiter");
    char made[FORMAT_SIZE_MAX];
    size_t error_at;

    consume->json = arguments_has(&cli->arguments, "json") || cli->json;
    if (text == NULL) {
        snprintf(made, sizeof(made), "%s%s%%s%s", key_delimiter != NULL ? "%k" : "",
                 key_delimiter != NULL ? key_delimiter : "", delimiter != NULL ? delimiter : "\\n");
        text = made;
    }
    if (format_compile(&consume->format, text, &error_at) != STATUS_OK) {
        cli_error("--format: \"%s\" is not understood from \"%s\" on", text, text + error_at);
        cli_hint("%%s value, %%S its size, %%k key, %%K its size, %%t topic, %%p partition, %%o offset, %%T time, "
                 "%%h headers, %%%%, \\n \\t \\xNN");
        return false;
    }
    consume->format.null_word = arguments_has(&cli->arguments, "null");
    return true;
}

/* The partitions that -p names, or all. */
static bool take_partitions(struct consume *consume)
{
    const struct cli *cli = consume->cli;
    const int32_t count = consume->routes.partition_count;
    size_t at = 0;

    consume->partitions = memory_alloc_zero((size_t)count + 1, sizeof(*consume->partitions));
    for (const char *text; (text = arguments_next(&cli->arguments, "partition", &at)) != NULL;) {
        int64_t index;
        bool twice = false;

        if (!integer_parse(text, &index) || index < 0 || index >= count) {
            cli_error("topic %.*s has no partition %s", STRING_ARGS(consume->routes.topic), text);
            cli_hint("it has partitions 0 to %d", count - 1);
            return false;
        }
        for (size_t i = 0; i < consume->partition_count; i++) {
            twice = twice || consume->partitions[i].index == index;
        }
        if (!twice) {
            consume->partitions[consume->partition_count++].index = (int32_t)index;
        }
    }
    for (int32_t i = 0; consume->partition_count == 0 && i < count; i++) {
        consume->partitions[i].index = i;
    }
    consume->partition_count = consume->partition_count == 0 ? (size_t)count : consume->partition_count;
    return true;
}

struct offset_lists {
    int32_t *indexes;
    int64_t *start;
    int64_t *other;
};

static bool ask_offsets(struct consume *consume, const struct offset_lists *lists, int64_t timestamp_ms,
                        int64_t *offsets)
{
    return offsets_list(consume->session, &consume->routes, lists->indexes, consume->partition_count, timestamp_ms,
                        consume->properties.read_committed, offsets);
}

/* Where a time, or the lack of records from it on, puts us. */
static bool time_offsets(struct consume *consume, const struct offset_lists *lists, int64_t timestamp_ms,
                         int64_t *offsets,
                         int64_t *scratch)
{
    if (!ask_offsets(consume, lists, timestamp_ms, offsets) || !ask_offsets(consume, lists, OFFSETS_END, scratch)) {
        return false;
    }
    for (size_t i = 0; i < consume->partition_count; i++) {
        offsets[i] = offsets[i] < 0 ? scratch[i] : offsets[i];
    }
    return true;
}

static bool start_offsets(struct consume *consume, const struct position *start, const struct offset_lists *lists)
{
    switch (start->kind) {
    case POSITION_BEGINNING:
        return ask_offsets(consume, lists, OFFSETS_BEGINNING, lists->start);
    case POSITION_END:
        return ask_offsets(consume, lists, OFFSETS_END, lists->start);
    case POSITION_TIME:
        return time_offsets(consume, lists, start->value, lists->start, lists->other);
    case POSITION_OFFSET:
        for (size_t i = 0; i < consume->partition_count; i++) {
            lists->start[i] = start->value;
        }
        return true;
    case POSITION_TAIL:
        if (!ask_offsets(consume, lists, OFFSETS_END, lists->start) ||
            !ask_offsets(consume, lists, OFFSETS_BEGINNING, lists->other)) {
            return false;
        }
        for (size_t i = 0; i < consume->partition_count; i++) {
            const int64_t offset = lists->start[i] - start->value;

            lists->start[i] = offset > lists->other[i] ? offset : lists->other[i];
        }
        return true;
    }
    return false;
}

static bool set_offsets(struct consume *consume, const struct positions *positions)
{
    const size_t count = consume->partition_count;
    struct offset_lists lists = {
        .indexes = memory_alloc_zero(count + 1, sizeof(int32_t)),
        .start = memory_alloc_zero(count + 1, sizeof(int64_t)),
        .other = memory_alloc_zero(count + 1, sizeof(int64_t)),
    };
    bool ok;

    for (size_t i = 0; i < count; i++) {
        lists.indexes[i] = consume->partitions[i].index;
        consume->partitions[i].offset_stop = INT64_MAX;
    }
    ok = start_offsets(consume, &positions->start, &lists);
    for (size_t i = 0; i < count && ok; i++) {
        consume->partitions[i].offset = lists.start[i];
    }
    if (ok && positions->has_stop) {
        ok = time_offsets(consume, &lists, positions->stop.value, lists.start, lists.other);
        for (size_t i = 0; i < count && ok; i++) {
            consume->partitions[i].offset_stop = lists.start[i];
            consume->partitions[i].done = consume->partitions[i].offset >= lists.start[i];
        }
    }
    memory_free(lists.indexes);
    memory_free(lists.start);
    memory_free(lists.other);
    return ok;
}

static void refresh_routes(struct consume *consume)
{
    const uint64_t now_ns = env_now_ns(consume->session->env);
    int16_t code;

    if (!consume->stale || now_ns - consume->asked_ns < ROUTES_AGE_MIN_NS) {
        return;
    }
    consume->asked_ns = now_ns;
    consume->stale = false;
    if (routes_refresh(consume->session, &consume->routes, &code) != STATUS_OK || code != ERROR_NONE) {
        consume->stale = true;
    }
    for (size_t i = 0; i < consume->partition_count; i++) {
        const struct consume_partition *partition = &consume->partitions[i];

        consume->stale = consume->stale || (!partition->done && consume->routes.leaders[partition->index] < 0);
    }
}

/* When the end is awaited, a partition that cannot be read must not keep us for ever. */
static void complain_stuck(struct consume *consume)
{
    const uint64_t waited_ns = env_now_ns(consume->session->env) - consume->progress_ns;

    if (!consume->until_end || waited_ns < consume->cli->timeout_ms * NS_PER_MS) {
        return;
    }
    for (size_t i = 0; i < consume->partition_count; i++) {
        const struct consume_partition *partition = &consume->partitions[i];

        if (!partition->done && !consume->failed) {
            cli_error("cannot read %.*s-%d: no answer for %u s, last error %s", STRING_ARGS(consume->routes.topic),
                      partition->index, consume->cli->timeout_ms / 1000,
                      consume->routes.leaders[partition->index] < 0 ? "LEADER_NOT_AVAILABLE"
                                                                    : kafka_error_name(partition->code));
            cli_hint("look at the cluster: millrace status");
            consume->failed = true;
        }
    }
}

static void consume_run(struct consume *consume)
{
    consume->progress_ns = env_now_ns(consume->session->env);
    while (!consume_done(consume)) {
        refresh_routes(consume);
        consume->woken = false;
        consume_fetch(consume);
        (void)session_wait(consume->session, &consume->woken, LOOK_MS);
        complain_stuck(consume);
    }
    consume_flush(consume);
}

static int consume_prepared(struct consume *consume, const struct positions *positions)
{
    const bool quiet = arguments_has(&consume->cli->arguments, "quiet");

    if (!routes_learn(consume->session, &consume->routes, TOPIC_PATIENCE_MS)) {
        return EXIT_FAILED;
    }
    if (!take_partitions(consume)) {
        return EXIT_USAGE;
    }
    if (!set_offsets(consume, positions)) {
        return EXIT_FAILED;
    }
    consume_run(consume);
    if (consume->until_end && !quiet && !consume->failed) {
        cli_note("%" PRId64 " record%s", consume->printed, consume->printed == 1 ? "" : "s");
    }
    return consume->failed ? EXIT_FAILED : EXIT_DONE;
}

static void consume_free(struct consume *consume)
{
    if (consume->session != NULL) {
        session_destroy(consume->session);
    }
    consumer_deinit(&consume->consumer);
    routes_deinit(&consume->routes);
    format_deinit(&consume->format);
    buffer_deinit(&consume->out);
    memory_free(consume->partitions);
    memory_free(consume);
}

int consume_command(struct cli *cli)
{
    struct consume *consume = memory_alloc_zero(1, sizeof(*consume));
    struct positions positions;
    int code = EXIT_USAGE;

    consume->cli = cli;
    consume->until_end = arguments_has(&cli->arguments, "exit");
    buffer_init(&consume->out);
    consumer_init(&consume->consumer);
    routes_init(&consume->routes, string_of(cli->arguments.values[0]));
    if (client_properties_read(cli, &consume->properties) && take_positions(cli, &positions) &&
        take_format(cli, consume) &&
        cli_option_integer(cli, "count", 1, INT64_MAX - 1, INT64_MAX, &consume->left)) {
        consume->session = cli_session(cli);
        code = consume->session != NULL ? consume_prepared(consume, &positions) : EXIT_FAILED;
    }
    consume_free(consume);
    return code;
}
