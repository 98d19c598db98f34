/* millrace produce: reads records from standard input or files and writes them to a topic. See produce.h.
 *
 *     read (worker) -> input -> records -> producer -> produce_send.c -> leaders
 *
 * Reading stops while the producer's memory is full, so a slow cluster slows the pipe in front of us. */
#include "cli/commands.h"
#include "cli/produce.h"
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/runtime/runtime.h"
#include "common/wire/error.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define READ_SIZE 65536
/* The reading worker looks that often whether it is still wanted. */
#define READ_POLL_MS 100
#define ROUTES_AGE_MIN_NS (100 * NS_PER_MS)
/* A topic just created may be unknown to a node for a moment. */
#define TOPIC_PATIENCE_MS 5000
#define HEADERS_MAX 64

struct source {
    struct env_job job;
    struct produce *produce;
    struct produce_input input;
    bool reading;     /* the job is out */
    bool ended;       /* no more bytes will come */
    ssize_t got;      /* of the last read; < 0: -errno */
    const char *const *files; /* instead of standard input; each is one record */
    int file_count;
    int32_t partition; /* of every record, or PRODUCE_PARTITION_ANY */
    struct bytes key;  /* of file records */
    int64_t malformed;
    uint8_t bytes[READ_SIZE];
};

static void read_work(struct env_job *job)
{
    struct source *source = CONTAINER_OF(job, struct source, job);
    struct pollfd watched = {.fd = STDIN_FILENO, .events = POLLIN};

    if (poll(&watched, 1, READ_POLL_MS) == 0) {
        source->got = -EAGAIN;
        return;
    }
    source->got = read(STDIN_FILENO, source->bytes, sizeof(source->bytes));
    if (source->got < 0) {
        source->got = -errno;
    }
}

static void read_done(struct env_job *job)
{
    struct source *source = CONTAINER_OF(job, struct source, job);

    source->reading = false;
    if (source->got > 0) {
        produce_input_add(&source->input, bytes_of(source->bytes, (size_t)source->got));
    } else if (source->got != -EAGAIN && source->got != -EINTR) {
        if (source->got < 0) {
            cli_error("cannot read standard input: %s", strerror((int)-source->got));
        }
        source->ended = true;
        produce_input_end(&source->input);
    }
    source->produce->woken = true;
    env_stop(source->produce->session->env);
}

static void read_more(struct source *source)
{
    if (!source->reading && !source->ended && source->file_count == 0) {
        source->reading = true;
        source->job.work = read_work;
        source->job.done = read_done;
        env_submit(source->produce->session->env, ENV_LANE_READ, &source->job);
    }
}

static void interrupted(void *context)
{
    struct source *source = context;

    if (source->ended) {
        _exit(130); /* the second time nothing is waited for */
    }
    source->ended = true;
    produce_input_end(&source->input);
    source->produce->woken = true;
    env_stop(source->produce->session->env);
}

static void add_record(struct source *source, const struct produce_record *record)
{
    struct produce *produce = source->produce;
    struct record_draft draft = record->draft;
    int32_t partition = source->partition != PRODUCE_PARTITION_ANY ? source->partition : record->partition;

    if (draft.timestamp == TIMESTAMP_NONE) {
        draft.timestamp = env_wall_ms(produce->session->env);
    }
    if (partition == PRODUCE_PARTITION_ANY) {
        partition = producer_choose(&produce->producer, draft.key);
    }
    if (partition >= produce->producer.partition_count) {
        produce->producer.failed++;
        produce_complain(produce, partition, "the metadata", ERROR_UNKNOWN_TOPIC_OR_PARTITION, STRING_NULL);
        return;
    }
    if (producer_add(&produce->producer, partition, &draft, env_now_ns(produce->session->env)) != STATUS_OK) {
        produce_complain(produce, partition, "this command (max.request.size)", ERROR_MESSAGE_TOO_LARGE, STRING_NULL);
    }
}

/* Records of what has been read, until there is none or the producer is full. True: there may be more. */
static bool take_records(struct source *source)
{
    struct produce *produce = source->produce;
    struct produce_record record;
    const char *why;

    while (!producer_is_full(&produce->producer)) {
        const enum status status = produce_input_next(&source->input, &record, &why);

        if (status == STATUS_OK) {
            add_record(source, &record);
            continue;
        }
        if (status == STATUS_END) {
            return false;
        }
        source->malformed++;
        if (produce->complaints++ < PRODUCE_COMPLAINTS_MAX) {
            cli_error("record %" PRId64 " of the input: %s", source->input.number, why);
        }
        if (status == STATUS_TOO_LARGE) {
            source->ended = true;
            return false;
        }
    }
    return true;
}

/* One file, one record. */
static void take_file(struct source *source)
{
    const char *path = *source->files++;
    FILE *file = fopen(path, "re");
    struct buffer text;
    size_t got = 0;

    source->file_count--;
    source->ended = source->file_count == 0;
    buffer_init(&text);
    do {
        text.size += got;
        got = file != NULL ? fread(buffer_reserve(&text, READ_SIZE), 1, READ_SIZE, file) : 0;
    } while (got > 0 && text.size <= PRODUCE_PIECE_MAX);
    if (file == NULL || ferror(file)) {
        source->malformed++;
        cli_error("cannot read %s: %s", path, strerror(errno));
    } else {
        /* An empty file is an empty value, not a null one. */
        const struct bytes value = {text.data != NULL ? text.data : (const uint8_t *)"", text.size};
        const struct produce_record record = {
            .draft = {.timestamp = TIMESTAMP_NONE,
                      .key = source->key,
                      .value = value,
                      .headers = source->input.options.headers,
                      .header_count = source->input.options.header_count},
            .partition = PRODUCE_PARTITION_ANY,
        };

        add_record(source, &record);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    buffer_deinit(&text);
}

static void refresh_routes(struct produce *produce)
{
    const uint64_t now_ns = env_now_ns(produce->session->env);
    int16_t code;

    if (!produce->stale || now_ns - produce->asked_ns < ROUTES_AGE_MIN_NS) {
        return;
    }
    produce->asked_ns = now_ns;
    if (routes_refresh(produce->session, &produce->routes, &code) == STATUS_OK && code == ERROR_NONE) {
        produce->stale = false;
        produce_take_routes(produce);
    }
    for (int32_t i = 0; i < produce->routes.partition_count; i++) {
        /* While somebody is being elected we keep asking. */
        produce->stale = produce->stale || produce->routes.leaders[i] < 0;
    }
}

static void complain_expired(struct produce *produce)
{
    const int64_t failed = producer_expire(&produce->producer, env_now_ns(produce->session->env));

    if (failed > 0 && produce->complaints++ < PRODUCE_COMPLAINTS_MAX) {
        cli_error("%" PRId64 " records were not acknowledged within delivery.timeout.ms", failed);
        cli_hint("look at the cluster: millrace status");
    }
}

static uint32_t sleep_ms(const struct produce *produce)
{
    const uint64_t now_ns = env_now_ns(produce->session->env);
    const uint64_t wakeup_ns = producer_wakeup_ns(&produce->producer, now_ns);
    uint64_t ms = wakeup_ns > now_ns ? (wakeup_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 1;

    if (produce->stale && ms > 100) {
        ms = 100;
    }
    return ms < 1000 ? (uint32_t)ms : 1000;
}

/* False if it had to give up. */
static bool produce_run(struct produce *produce, struct source *source)
{
    for (;;) {
        if (producer_wants_identity(&produce->producer) && !produce_identify(produce)) {
            return false;
        }
        refresh_routes(produce);
        produce->woken = false;
        bool more = take_records(source);

        while (source->file_count > 0 && !producer_is_full(&produce->producer)) {
            take_file(source);
        }
        if (source->ended && !more && source->file_count == 0) {
            producer_flush(&produce->producer);
            if (produce->producer.pending == 0) {
                return true;
            }
        }
        complain_expired(produce);
        produce_send(produce);
        if (!producer_is_full(&produce->producer)) {
            read_more(source);
        }
        if (produce->properties.acks != 0 || !source->ended) {
            (void)session_wait(produce->session, &produce->woken, sleep_ms(produce));
        }
    }
}

/* The partitions that records went to: "hello-1@0" for one record, else their number. */
static void describe_places(const struct produce *produce, struct buffer *out)
{
    const struct producer_partition *only = NULL;
    int count = 0;

    for (int32_t i = 0; i < produce->producer.partition_count; i++) {
        if (produce->producer.partitions[i].delivered > 0) {
            only = &produce->producer.partitions[i];
            count++;
        }
    }
    if (count != 1) {
        buffer_append_format(out, "%.*s (%d partitions)", STRING_ARGS(produce->routes.topic), count);
    } else if (only->first_offset < 0) {
        buffer_append_format(out, "%.*s-%d", STRING_ARGS(produce->routes.topic), only->index);
    } else if (only->delivered == 1) {
        buffer_append_format(out, "%.*s-%d@%" PRId64, STRING_ARGS(produce->routes.topic), only->index,
                             only->first_offset);
    } else {
        buffer_append_format(out, "%.*s-%d@%" PRId64 "..%" PRId64, STRING_ARGS(produce->routes.topic), only->index,
                             only->first_offset, only->last_offset);
    }
}

static void report_json(const struct produce *produce, int64_t failed, uint64_t took_ms)
{
    struct json_writer *json = cli_json_begin(produce->cli);

    json_member_string(json, "topic", produce->routes.topic);
    json_member_number(json, "delivered", produce->producer.delivered);
    json_member_number(json, "failed", failed);
    json_member_number(json, "bytes", produce->producer.bytes);
    json_member_number(json, "took_ms", (int64_t)took_ms);
    json_name(json, "partitions");
    json_begin_array(json);
    for (int32_t i = 0; i < produce->producer.partition_count; i++) {
        const struct producer_partition *partition = &produce->producer.partitions[i];

        if (partition->delivered > 0) {
            json_begin_object(json);
            json_member_number(json, "partition", i);
            json_member_number(json, "delivered", partition->delivered);
            json_member_number(json, "first_offset", partition->first_offset);
            json_member_number(json, "last_offset", partition->first_offset < 0 ? -1 : partition->last_offset);
            json_end_object(json);
        }
    }
    json_end_array(json);
    cli_json_end(produce->cli);
}

static int report(const struct produce *produce, const struct source *source, uint64_t took_ms)
{
    const int64_t failed = produce->producer.failed + source->malformed;
    struct buffer places;

    if (produce->cli->json) {
        report_json(produce, failed, took_ms);
        return failed > 0 ? EXIT_FAILED : EXIT_DONE;
    }
    buffer_init(&places);
    describe_places(produce, &places);
    if (produce->producer.delivered > 0) {
        cli_note("%" PRId64 " record%s delivered to %.*s, %" PRId64 " failed, %" PRIu64 " ms",
                 produce->producer.delivered, produce->producer.delivered == 1 ? "" : "s", (int)places.size,
                 (const char *)places.data, failed, took_ms);
    } else {
        cli_note("0 records delivered, %" PRId64 " failed", failed);
    }
    buffer_deinit(&places);
    return failed > 0 ? EXIT_FAILED : EXIT_DONE;
}

struct produce_setup {
    struct arena arena;
    struct record_header headers[HEADERS_MAX];
    struct produce_input_options input;
    struct bytes key;
    int64_t partition;
};

static bool take_headers(const struct cli *cli, struct produce_setup *setup)
{
    size_t at = 0;

    setup->input.headers = setup->headers;
    for (const char *pair; (pair = arguments_next(&cli->arguments, "header", &at)) != NULL;) {
        const char *equals = strchr(pair, '=');

        if (setup->input.header_count == HEADERS_MAX) {
            cli_error("more than %d headers", HEADERS_MAX);
            return false;
        }
        struct record_header *header = &setup->headers[setup->input.header_count++];

        /* As kcat: without '=' the value is null. */
        header->key = (struct string){pair, equals != NULL ? (size_t)(equals - pair) : strlen(pair)};
        header->value = equals != NULL ? bytes_of(equals + 1, strlen(equals + 1)) : BYTES_NULL;
    }
    return true;
}

static bool take_options(const struct cli *cli, struct produce_setup *setup, struct client_properties *properties)
{
    const char *delimiter = arguments_value(&cli->arguments, "delimiter");
    const char *key_delimiter = arguments_value(&cli->arguments, "key-delimiter");
    const char *key = arguments_value(&cli->arguments, "key");
    const char *compression = arguments_value(&cli->arguments, "compression");
    const char *acks = arguments_value(&cli->arguments, "acks");
    const char *why = "";
    const char *nearest;

    if (!client_properties_read(cli, properties) || !take_headers(cli, setup) ||
        !cli_option_integer(cli, "partition", -1, INT32_MAX, PRODUCE_PARTITION_ANY, &setup->partition)) {
        return false;
    }
    if (compression != NULL &&
        client_property_set(properties, "compression.type", compression, &why, &nearest) != STATUS_OK) {
        cli_error("--compression: \"%s\" is not %s", compression, why);
        return false;
    }
    if (acks != NULL && client_property_set(properties, "acks", acks, &why, &nearest) != STATUS_OK) {
        cli_error("--acks: \"%s\" is not %s", acks, why);
        return false;
    }
    setup->input.delimiter = STRING("\n");
    if ((delimiter != NULL && delimiter_parse(delimiter, &setup->arena, &setup->input.delimiter) != STATUS_OK) ||
        (key_delimiter != NULL &&
         delimiter_parse(key_delimiter, &setup->arena, &setup->input.key_delimiter) != STATUS_OK)) {
        cli_error("a delimiter is text that is not empty, with \\n \\t \\r \\0 \\\\ and \\xNN");
        return false;
    }
    setup->key = key != NULL ? bytes_of(key, strlen(key)) : BYTES_NULL;
    setup->input.key = setup->key;
    setup->input.empty_is_null = arguments_has(&cli->arguments, "null");
    setup->input.json = arguments_has(&cli->arguments, "json");
    return true;
}

/* Runs the prepared command; the exit code. */
static int produce_prepared(struct produce *produce, const struct produce_setup *setup)
{
    const struct arguments *arguments = &produce->cli->arguments;
    struct source *source = memory_alloc_zero(1, sizeof(*source));
    const uint64_t began_ns = env_now_ns(produce->session->env);
    int code = EXIT_FAILED;

    source->produce = produce;
    source->partition = (int32_t)setup->partition;
    source->files = arguments->values + 1;
    source->file_count = arguments->value_count - 1;
    source->key = setup->key;
    produce_input_init(&source->input, &setup->input);
    if (runtime_on_signal(produce->session->loop, SIGINT, interrupted, source) != STATUS_OK) {
        cli_note("interrupting will lose what is not sent yet");
    }
    if (routes_learn(produce->session, &produce->routes, TOPIC_PATIENCE_MS)) {
        produce_take_routes(produce);
        if (source->partition >= produce->routes.partition_count) {
            cli_error("topic %.*s has no partition %d", STRING_ARGS(produce->routes.topic), source->partition);
            cli_hint("it has partitions 0 to %d", produce->routes.partition_count - 1);
        } else {
            const bool whole = produce_run(produce, source);

            code = report(produce, source, (env_now_ns(produce->session->env) - began_ns) / NS_PER_MS);
            code = whole ? code : EXIT_FAILED;
        }
    }
    /* Nothing may call back into memory that is about to go. */
    session_destroy(produce->session);
    produce_input_deinit(&source->input);
    memory_free(source);
    return code;
}

int produce_command(struct cli *cli)
{
    struct produce *produce = memory_alloc_zero(1, sizeof(*produce));
    struct produce_setup *setup = memory_alloc_zero(1, sizeof(*setup));
    int code = EXIT_USAGE;

    arena_init(&setup->arena, READ_SIZE);
    produce->cli = cli;
    list_init(&produce->calls);
    if (take_options(cli, setup, &produce->properties)) {
        code = EXIT_FAILED;
        produce->session = cli_session(cli);
        if (produce->session != NULL) {
            routes_init(&produce->routes, string_of(cli->arguments.values[0]));
            producer_init(&produce->producer, &produce->properties.producer, env_random(produce->session->env));
            code = produce_prepared(produce, setup);
            producer_deinit(&produce->producer);
            routes_deinit(&produce->routes);
        }
    }
    arena_deinit(&setup->arena);
    memory_free(setup);
    memory_free(produce);
    return code;
}
