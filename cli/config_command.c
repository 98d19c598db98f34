/* millrace config get, set, unset, and topic set: settings of topics, nodes, and the cluster's defaults for nodes.
 *
 *     topic NAME   node ID   cluster */
#include "cli/cluster.h"
#include "cli/commands.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/describe_configs.h"
#include "wire/incremental_alter_configs.h"

#include <stdio.h>

#define RESOURCE_TOPIC 2
#define RESOURCE_NODE 4
#define OPERATION_SET 0
#define OPERATION_UNSET 1
#define SOURCE_DEFAULT 5

struct resource {
    int8_t type;
    const char *name; /* "" for the cluster's defaults */
    int used;         /* arguments that name it */
};

/* What the first arguments name; false after an error line. */
static bool take_resource(const struct cli *cli, struct resource *resource)
{
    const struct arguments *arguments = &cli->arguments;
    const char *kind = arguments->values[0];

    if (strcmp(kind, "cluster") == 0) {
        *resource = (struct resource){RESOURCE_NODE, "", 1};
        return true;
    }
    if (strcmp(kind, "topic") != 0 && strcmp(kind, "node") != 0) {
        const char *const kinds[] = {"topic", "node", "cluster", NULL};
        const char *nearest = nearest_word(kind, kinds);

        cli_error("there are no settings of \"%s\"%s%s%s", kind, nearest != NULL ? "; did you mean " : "",
                  nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
        cli_hint("topic NAME, node ID, or cluster");
        return false;
    }
    if (arguments->value_count < 2) {
        cli_error("%s needs a name: %s %s", arguments->command->name, kind, kind[0] == 't' ? "NAME" : "ID");
        return false;
    }
    *resource = (struct resource){kind[0] == 't' ? RESOURCE_TOPIC : RESOURCE_NODE, arguments->values[1], 2};
    return true;
}

/* A node's own values are known to itself; everything else may be asked where administration goes. NULL after an error
 * line. */
static struct server *config_server(struct session *session, const struct resource *resource)
{
    struct server *server = NULL;
    struct reply reply;
    int64_t id;

    if (resource->type != RESOURCE_NODE || resource->name[0] == '\0') {
        server = session_admin(session);
        return server == NULL || server_version(server, API_DESCRIBE_CONFIGS) >= 0 ? server : session_node(session);
    }
    struct server *any = session_node(session);

    if (any == NULL) {
        return NULL;
    }
    const struct describe_cluster_response *body = cluster_describe(any, CLUSTER_NODES, &reply);

    for (int32_t i = 0; body != NULL && i < body->brokers_count; i++) {
        if (integer_parse(resource->name, &id) && body->brokers[i].broker_id == id) {
            server = server_at_host(session, body->brokers[i].host, body->brokers[i].port);
        }
    }
    reply_deinit(&reply);
    if (server == NULL) {
        cli_error("the cluster has no node %s", resource->name);
        cli_hint("see its nodes: millrace node ls");
    }
    return server;
}

static const char *source_name(int8_t source)
{
    static const char *const names[] = {"unknown", "topic", "node", "cluster", "node's file", "default", "logger"};

    return source > 0 && (size_t)source < ARRAY_COUNT(names) ? names[source] : names[0];
}

static void print_configs(struct cli *cli, const struct describe_configs_response_results *result)
{
    const bool all = arguments_has(&cli->arguments, "all") || cli->json;
    struct json_writer *json = &cli->writer;
    struct table table;

    table_init(&table, "KEY SOURCE VALUE");
    if (cli->json) {
        json_name(cli_json_begin(cli), "configs");
        json_begin_array(json);
    }
    for (int32_t i = 0; i < result->configs_count; i++) {
        const struct describe_configs_response_results_configs *config = &result->configs[i];

        if (!all && config->config_source == SOURCE_DEFAULT && cli->arguments.value_count <= 2) {
            continue;
        }
        if (cli->json) {
            json_begin_object(json);
            json_member_string(json, "key", config->name);
            json_member_string(json, "value", config->value);
            json_member_text(json, "source", source_name(config->config_source));
            json_member_bool(json, "sensitive", config->is_sensitive);
            json_member_bool(json, "read_only", config->read_only);
            json_end_object(json);
        }
        table_string(&table, config->name);
        table_cell(&table, "%s", source_name(config->config_source));
        table_string(&table, config->value.data != NULL ? config->value : STRING("(hidden)"));
    }
    if (cli->json) {
        json_end_array(json);
        cli_json_end(cli);
        table_deinit(&table);
    } else if (table_rows(&table) == 0) {
        cli_note("all settings have their defaults; see them with --all");
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
}

int config_get_command(struct cli *cli)
{
    struct describe_configs_request request;
    struct describe_configs_request_resources asked;
    struct resource resource;
    struct reply reply;
    int code = EXIT_FAILED;

    if (!take_resource(cli, &resource)) {
        return EXIT_USAGE;
    }
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? config_server(session, &resource) : NULL;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    describe_configs_request_init(&request);
    describe_configs_request_resources_init(&asked);
    request.resources = &asked;
    request.resources_count = 1;
    asked.resource_type = resource.type;
    asked.resource_name = string_of(resource.name);
    asked.configuration_keys_count = cli->arguments.value_count - resource.used;
    asked.configuration_keys = memory_alloc_zero((size_t)cli->arguments.value_count, sizeof(struct string));
    for (int i = resource.used; i < cli->arguments.value_count; i++) {
        asked.configuration_keys[i - resource.used] = string_of(cli->arguments.values[i]);
    }
    if (asked.configuration_keys_count == 0) {
        asked.configuration_keys_count = -1;
    }
    if (server_call_or_complain(server, "read settings", API_DESCRIBE_CONFIGS, &request, &reply) == STATUS_OK) {
        const struct describe_configs_response *body = reply_body(&reply);

        if (body->results_count == 1 && body->results[0].error_code == ERROR_NONE) {
            print_configs(cli, &body->results[0]);
            code = EXIT_DONE;
        } else {
            const bool told = body->results_count == 1;

            cli_server_error("cannot read settings", server->name,
                             told ? body->results[0].error_code : (int16_t)ERROR_UNKNOWN_SERVER_ERROR,
                             told ? body->results[0].error_message : STRING_NULL);
        }
    }
    reply_deinit(&reply);
    memory_free(asked.configuration_keys);
    return code;
}

/* Sends `configs` and prints the result. */
static int alter(struct cli *cli, const struct resource *resource,
                 struct incremental_alter_configs_request_resources_configs *configs, int32_t count)
{
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_admin(session) : NULL;
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_resources altered;
    struct reply reply;
    int code = EXIT_FAILED;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    incremental_alter_configs_request_init(&request);
    incremental_alter_configs_request_resources_init(&altered);
    request.resources = &altered;
    request.resources_count = 1;
    request.validate_only = arguments_has(&cli->arguments, "dry-run");
    altered.resource_type = resource->type;
    altered.resource_name = string_of(resource->name);
    altered.configs = configs;
    altered.configs_count = count;
    if (server_call_or_complain(server, "change settings", API_INCREMENTAL_ALTER_CONFIGS, &request,
                                &reply) == STATUS_OK) {
        const struct incremental_alter_configs_response *body = reply_body(&reply);
        const int16_t error =
            body->responses_count == 1 ? body->responses[0].error_code : (int16_t)ERROR_UNKNOWN_SERVER_ERROR;

        code = error == ERROR_NONE ? EXIT_DONE : EXIT_FAILED;
        if (error != ERROR_NONE) {
            cli_server_error("cannot change settings", server->name, error,
                             body->responses_count == 1 ? body->responses[0].error_message : STRING_NULL);
        } else if (cli->json) {
            json_member_number(cli_json_begin(cli), "changed", count);
            cli_json_end(cli);
        } else {
            cli_note("%d setting%s %s", count, count == 1 ? "" : "s",
                     request.validate_only ? "can be changed" : "changed");
        }
    }
    reply_deinit(&reply);
    return code;
}

/* The arguments from `first` on as KEY=VALUE or, to unset, KEY. */
static int alter_arguments(struct cli *cli, const struct resource *resource, int first, bool set)
{
    const int count = cli->arguments.value_count - first;
    struct incremental_alter_configs_request_resources_configs *configs;
    int code = EXIT_USAGE;
    int taken = 0;

    if (count <= 0) {
        cli_error("%s needs %s", cli->arguments.command->name, set ? "KEY=VALUE" : "KEY");
        return EXIT_USAGE;
    }
    configs = memory_alloc_zero((size_t)count, sizeof(*configs));
    for (; taken < count; taken++) {
        const char *text = cli->arguments.values[first + taken];
        const char *equals = strchr(text, '=');

        if (set == (equals == NULL) || equals == text) {
            cli_error("\"%s\" is not %s", text, set ? "KEY=VALUE" : "KEY");
            break;
        }
        configs[taken].name = (struct string){text, set ? (size_t)(equals - text) : strlen(text)};
        configs[taken].value = set ? string_of(equals + 1) : STRING_NULL;
        configs[taken].config_operation = set ? OPERATION_SET : OPERATION_UNSET;
    }
    if (taken == count) {
        code = alter(cli, resource, configs, count);
    }
    memory_free(configs);
    return code;
}

int config_set_command(struct cli *cli)
{
    struct resource resource;

    return take_resource(cli, &resource) ? alter_arguments(cli, &resource, resource.used, true) : EXIT_USAGE;
}

int config_unset_command(struct cli *cli)
{
    struct resource resource;

    return take_resource(cli, &resource) ? alter_arguments(cli, &resource, resource.used, false) : EXIT_USAGE;
}

int topic_set_command(struct cli *cli)
{
    const struct resource resource = {RESOURCE_TOPIC, cli->arguments.values[0], 1};

    return alter_arguments(cli, &resource, 1, true);
}
