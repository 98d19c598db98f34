/* millrace topic create, delete, grow: changes that the controllers decide. Looking at topics is topic_view.c, trimming
 * topic_trim.c, settings config_command.c. */
#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/session.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"

#include <stdio.h>

#define REPLICAS_MAX 1000
#define PARTITIONS_MAX 1000000

/* Splits the --config options; false after an error line. *configs is for memory_free. */
static bool take_configs(const struct cli *cli, struct create_topics_request_topics_configs **configs, int32_t *count)
{
    size_t at = 0;

    *configs = memory_alloc_zero(cli->arguments.option_count + 1, sizeof(**configs));
    *count = 0;
    for (const char *pair; (pair = arguments_next(&cli->arguments, "config", &at)) != NULL;) {
        const char *equals = strchr(pair, '=');

        if (equals == NULL || equals == pair) {
            cli_error("--config: \"%s\" is not KEY=VALUE", pair);
            cli_hint("for example --config retention.ms=3600000");
            return false;
        }
        (*configs)[*count].name = (struct string){pair, (size_t)(equals - pair)};
        (*configs)[*count].value = string_of(equals + 1);
        (*count)++;
    }
    return true;
}

static int print_created(struct cli *cli, const struct server *server, const struct create_topics_response *body)
{
    const bool keep = arguments_has(&cli->arguments, "if-not-exists");
    const bool dry = arguments_has(&cli->arguments, "dry-run");
    struct json_writer *json = cli->json ? cli_json_begin(cli) : NULL;
    int code = EXIT_DONE;

    if (json != NULL) {
        json_name(json, "topics");
        json_begin_array(json);
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct create_topics_response_topics *topic = &body->topics[i];
        const bool exists = topic->error_code == ERROR_TOPIC_ALREADY_EXISTS && keep;
        char id[UUID_TEXT_SIZE + 1];
        char what[300];

        if (topic->error_code != ERROR_NONE && !exists) {
            snprintf(what, sizeof(what), "cannot create topic %.*s", STRING_ARGS(topic->name));
            cli_server_error(what, server->name, topic->error_code, topic->error_message);
            code = EXIT_FAILED;
        }
        if (json != NULL) {
            json_begin_object(json);
            json_member_string(json, "name", topic->name);
            json_member_text(json, "error", topic->error_code != 0 ? kafka_error_name(topic->error_code) : NULL);
            json_member_string(json, "message", topic->error_message);
            json_member_text(json, "topic_id", uuid_format(topic->topic_id, id));
            json_member_number(json, "partitions", topic->num_partitions);
            json_member_number(json, "replicas", topic->replication_factor);
            json_end_object(json);
        } else if (exists) {
            cli_note("%.*s exists already", STRING_ARGS(topic->name));
        } else if (topic->error_code == ERROR_NONE) {
            cli_note("%.*s %s: %d partition%s, %d cop%s each", STRING_ARGS(topic->name),
                     dry ? "can be created" : "created",
                     topic->num_partitions, topic->num_partitions == 1 ? "" : "s", topic->replication_factor,
                     topic->replication_factor == 1 ? "y" : "ies");
        }
    }
    if (json != NULL) {
        json_end_array(json);
        cli_json_end(cli);
    }
    return code;
}

int topic_create_command(struct cli *cli)
{
    struct create_topics_request request;
    struct create_topics_request_topics_configs *configs = NULL;
    int32_t config_count = 0;
    int64_t partitions;
    int64_t replicas;
    struct reply reply;
    int code = EXIT_FAILED;

    if (!cli_option_integer(cli, "partitions", 1, PARTITIONS_MAX, -1, &partitions) ||
        !cli_option_integer(cli, "replicas", 1, REPLICAS_MAX, -1, &replicas) ||
        !take_configs(cli, &configs, &config_count)) {
        memory_free(configs);
        return EXIT_USAGE;
    }
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_admin(session) : NULL;

    if (server == NULL) {
        memory_free(configs);
        return EXIT_FAILED;
    }
    create_topics_request_init(&request);
    request.timeout_ms = (int32_t)cli->timeout_ms;
    request.validate_only = arguments_has(&cli->arguments, "dry-run");
    request.topics_count = cli->arguments.value_count;
    request.topics = memory_alloc_zero((size_t)request.topics_count, sizeof(*request.topics));
    for (int32_t i = 0; i < request.topics_count; i++) {
        create_topics_request_topics_init(&request.topics[i]);
        request.topics[i].name = string_of(cli->arguments.values[i]);
        request.topics[i].num_partitions = (int32_t)partitions;
        request.topics[i].replication_factor = (int16_t)replicas;
        request.topics[i].configs = configs;
        request.topics[i].configs_count = config_count;
    }
    if (server_call_or_complain(server, "create topics", API_CREATE_TOPICS, &request, &reply) == STATUS_OK) {
        code = print_created(cli, server, reply_body(&reply));
        if (code == EXIT_DONE && !request.validate_only) {
            cluster_settle(session, cli->arguments.values, request.topics_count, true);
        }
    }
    reply_deinit(&reply);
    memory_free(request.topics);
    memory_free(configs);
    return code;
}

/* One line of result per item of a change that has nothing more to tell. */
static void print_items(struct cli *cli, const char *list, const char *done, const struct string *names,
                        const int16_t *codes,
                        const struct string *messages, int32_t count)
{
    if (!cli->json) {
        for (int32_t i = 0; i < count; i++) {
            if (codes[i] == ERROR_NONE) {
                cli_note("%.*s %s", STRING_ARGS(names[i]), done);
            }
        }
        return;
    }
    struct json_writer *json = cli_json_begin(cli);

    json_name(json, list);
    json_begin_array(json);
    for (int32_t i = 0; i < count; i++) {
        json_begin_object(json);
        json_member_string(json, "name", names[i]);
        json_member_text(json, "error", codes[i] != ERROR_NONE ? kafka_error_name(codes[i]) : NULL);
        json_member_string(json, "message", messages[i]);
        json_end_object(json);
    }
    json_end_array(json);
    cli_json_end(cli);
}

struct item_lists {
    struct string *names;
    int16_t *codes;
    struct string *messages;
};

static struct item_lists item_lists_make(int32_t count)
{
    return (struct item_lists){
        .names = memory_alloc_zero((size_t)count + 1, sizeof(struct string)),
        .codes = memory_alloc_zero((size_t)count + 1, sizeof(int16_t)),
        .messages = memory_alloc_zero((size_t)count + 1, sizeof(struct string)),
    };
}

static void item_lists_free(struct item_lists *lists)
{
    memory_free(lists->names);
    memory_free(lists->codes);
    memory_free(lists->messages);
}

/* Prints error lines, then the results; EXIT_FAILED if any item failed. */
static int finish_items(struct cli *cli, const struct server *server, const char *verb, const char *done,
                        struct item_lists *lists, int32_t count)
{
    int code = EXIT_DONE;

    for (int32_t i = 0; i < count; i++) {
        if (lists->codes[i] != ERROR_NONE) {
            char what[300];

            snprintf(what, sizeof(what), "cannot %s topic %.*s", verb, STRING_ARGS(lists->names[i]));
            cli_server_error(what, server->name, lists->codes[i], lists->messages[i]);
            code = EXIT_FAILED;
        }
    }
    print_items(cli, "topics", done, lists->names, lists->codes, lists->messages, count);
    item_lists_free(lists);
    return code;
}

int topic_delete_command(struct cli *cli)
{
    const int32_t count = cli->arguments.value_count;
    struct delete_topics_request request;
    struct reply reply;
    int code = EXIT_FAILED;
    struct session *session = cli_session(cli);

    if (!confirm(cli, "delete %d topic%s (%s%s) with all records", count, count == 1 ? "" : "s",
                 cli->arguments.values[0], count > 1 ? ", ..." : "")) {
        return EXIT_FAILED;
    }
    struct server *server = session != NULL ? session_admin(session) : NULL;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    delete_topics_request_init(&request);
    request.timeout_ms = (int32_t)cli->timeout_ms;
    request.topics_count = count;
    request.topics = memory_alloc_zero((size_t)count, sizeof(*request.topics));
    request.topic_names_count = count;
    request.topic_names = memory_alloc_zero((size_t)count, sizeof(*request.topic_names));
    for (int32_t i = 0; i < count; i++) {
        request.topics[i].name = string_of(cli->arguments.values[i]);
        request.topic_names[i] = string_of(cli->arguments.values[i]);
    }
    /* Version 5 and older name topics in another field; those fields are ours to choose once the version is known. */
    if (server_version(server, API_DELETE_TOPICS) < 6) {
        request.topics_count = 0;
    }
    if (server_call_or_complain(server, "delete topics", API_DELETE_TOPICS, &request, &reply) == STATUS_OK) {
        const struct delete_topics_response *body = reply_body(&reply);
        struct item_lists lists = item_lists_make(body->responses_count);

        for (int32_t i = 0; i < body->responses_count; i++) {
            lists.names[i] = body->responses[i].name;
            lists.codes[i] = body->responses[i].error_code;
            lists.messages[i] = body->responses[i].error_message;
        }
        code = finish_items(cli, server, "delete", "deleted", &lists, body->responses_count);
        if (code == EXIT_DONE) {
            cluster_settle(session, cli->arguments.values, count, false);
        }
    }
    reply_deinit(&reply);
    memory_free(request.topics);
    memory_free(request.topic_names);
    return code;
}

int topic_grow_command(struct cli *cli)
{
    struct create_partitions_request request;
    struct create_partitions_request_topics topic;
    int64_t partitions;
    struct reply reply;
    int code = EXIT_FAILED;

    if (!cli_option_integer(cli, "partitions", 1, PARTITIONS_MAX, 0, &partitions)) {
        return EXIT_USAGE;
    }
    if (partitions == 0) {
        cli_error("topic grow needs --partitions N, the new total");
        return EXIT_USAGE;
    }
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_admin(session) : NULL;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    create_partitions_request_init(&request);
    create_partitions_request_topics_init(&topic);
    topic.name = string_of(cli->arguments.values[0]);
    topic.count = (int32_t)partitions;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = (int32_t)cli->timeout_ms;
    request.validate_only = arguments_has(&cli->arguments, "dry-run");
    if (server_call_or_complain(server, "add partitions", API_CREATE_PARTITIONS, &request, &reply) == STATUS_OK) {
        const struct create_partitions_response *body = reply_body(&reply);
        struct item_lists lists = item_lists_make(body->results_count);

        for (int32_t i = 0; i < body->results_count; i++) {
            lists.names[i] = body->results[i].name;
            lists.codes[i] = body->results[i].error_code;
            lists.messages[i] = body->results[i].error_message;
        }
        code = finish_items(cli, server, "grow", request.validate_only ? "can be grown" : "grown", &lists,
                            body->results_count);
    }
    reply_deinit(&reply);
    return code;
}
