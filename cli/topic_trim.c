/* millrace topic trim: moves the beginning of partitions forward (DeleteRecords), which their leaders do. */
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/routes.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/delete_records.h"

#include <inttypes.h>
#include <stdio.h>

#define TOPIC_PATIENCE_MS 5000
#define OFFSET_HIGH_WATERMARK (-1)

struct trim {
    struct cli *cli;
    struct session *session;
    struct routes routes;
    int64_t offset;
    int64_t partition; /* -1: all */
    bool failed;
};

static void print_trimmed(struct trim *trim, const struct delete_records_response_topics_partitions *answer,
                          const char *where)
{
    struct json_writer *json = &trim->cli->writer;
    char what[320];

    if (answer->error_code != ERROR_NONE) {
        snprintf(what, sizeof(what), "cannot trim %.*s-%d", STRING_ARGS(trim->routes.topic), answer->partition_index);
        cli_server_error(what, where, answer->error_code, STRING_NULL);
        trim->failed = true;
    }
    if (trim->cli->json) {
        json_begin_object(json);
        json_member_number(json, "partition", answer->partition_index);
        json_member_text(json, "error", answer->error_code != 0 ? kafka_error_name(answer->error_code) : NULL);
        json_member_number(json, "start_offset", answer->low_watermark);
        json_end_object(json);
    } else if (answer->error_code == ERROR_NONE) {
        cli_note("%.*s-%d begins at offset %" PRId64, STRING_ARGS(trim->routes.topic), answer->partition_index,
                 answer->low_watermark);
    }
}

/* Asks one leader for its partitions. */
static void trim_leader(struct trim *trim, int32_t leader_id)
{
    struct server *server = routes_server(trim->session, &trim->routes, leader_id);
    struct delete_records_request request;
    struct delete_records_request_topics topic;
    struct reply reply;

    delete_records_request_init(&request);
    delete_records_request_topics_init(&topic);
    request.timeout_ms = (int32_t)trim->cli->timeout_ms;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = trim->routes.topic;
    topic.partitions = memory_alloc_zero((size_t)trim->routes.partition_count + 1, sizeof(*topic.partitions));
    for (int32_t i = 0; i < trim->routes.partition_count; i++) {
        if (trim->routes.leaders[i] == leader_id && (trim->partition < 0 || trim->partition == i)) {
            topic.partitions[topic.partitions_count].partition_index = i;
            topic.partitions[topic.partitions_count++].offset = trim->offset;
        }
    }
    if (topic.partitions_count > 0) {
        if (server_call_or_complain(server, "trim partitions", API_DELETE_RECORDS, &request, &reply) == STATUS_OK) {
            const struct delete_records_response *body = reply_body(&reply);

            for (int32_t t = 0; t < body->topics_count; t++) {
                for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
                    print_trimmed(trim, &body->topics[t].partitions[p], server->name);
                }
            }
        } else {
            trim->failed = true;
        }
        reply_deinit(&reply);
    }
    memory_free(topic.partitions);
}

static void trim_all(struct trim *trim)
{
    if (trim->cli->json) {
        json_name(cli_json_begin(trim->cli), "partitions");
        json_begin_array(&trim->cli->writer);
    }
    for (size_t i = 0; i < trim->routes.node_count; i++) {
        trim_leader(trim, trim->routes.nodes[i].id);
    }
    for (int32_t i = 0; i < trim->routes.partition_count; i++) {
        if (trim->routes.leaders[i] < 0 && (trim->partition < 0 || trim->partition == i)) {
            const struct delete_records_response_topics_partitions missing = {
                .partition_index = i, .low_watermark = -1, .error_code = ERROR_LEADER_NOT_AVAILABLE};

            print_trimmed(trim, &missing, "the metadata");
        }
    }
    if (trim->cli->json) {
        json_end_array(&trim->cli->writer);
        cli_json_end(trim->cli);
    }
}

int topic_trim_command(struct cli *cli)
{
    const char *before = arguments_value(&cli->arguments, "before");
    struct trim trim = {.cli = cli, .offset = OFFSET_HIGH_WATERMARK};

    if (before == NULL || (strcmp(before, "end") != 0 && (!integer_parse(before, &trim.offset) || trim.offset < 0))) {
        cli_error("topic trim needs --before OFFSET or --before end");
        cli_hint("millrace topic trim --help");
        return EXIT_USAGE;
    }
    if (!cli_option_integer(cli, "partition", 0, INT32_MAX, -1, &trim.partition)) {
        return EXIT_USAGE;
    }
    if (!confirm(cli, "delete the records of %s before %s%s", cli->arguments.values[0], before,
                 trim.partition < 0 ? " in all partitions" : "")) {
        return EXIT_FAILED;
    }
    trim.session = cli_session(cli);
    if (trim.session == NULL) {
        return EXIT_FAILED;
    }
    routes_init(&trim.routes, string_of(cli->arguments.values[0]));
    trim.failed = !routes_learn(trim.session, &trim.routes, TOPIC_PATIENCE_MS);
    if (!trim.failed && trim.partition >= trim.routes.partition_count) {
        cli_error("topic %s has no partition %" PRId64, cli->arguments.values[0], trim.partition);
        trim.failed = true;
    }
    if (!trim.failed) {
        trim_all(&trim);
    }
    routes_deinit(&trim.routes);
    return trim.failed ? EXIT_FAILED : EXIT_DONE;
}
