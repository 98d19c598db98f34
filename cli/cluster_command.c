/* millrace node ls, quorum, disk, api: tables of what servers say of themselves. */
#include "cli/cluster.h"
#include "cli/commands.h"
#include "common/base/memory.h"
#include "common/metadata/records.h"
#include "common/wire/error.h"
#include "wire/api_versions.h"
#include "wire/describe_log_dirs.h"
#include "wire/describe_quorum.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>


/* How many partitions a node leads and holds. */
struct node_load {
    int64_t leads;
    int64_t holds;
};

static struct node_load node_load(const struct metadata_response *topics, int32_t node_id)
{
    struct node_load load = {0};

    for (int32_t t = 0; topics != NULL && t < topics->topics_count; t++) {
        for (int32_t p = 0; p < topics->topics[t].partitions_count; p++) {
            const struct metadata_response_topics_partitions *partition = &topics->topics[t].partitions[p];

            load.leads += partition->leader_id == node_id;
            for (int32_t r = 0; r < partition->replica_nodes_count; r++) {
                load.holds += partition->replica_nodes[r] == node_id;
            }
        }
    }
    return load;
}

static void node_rows(struct cli *cli, const struct describe_cluster_response *body,
                      const struct metadata_response *topics, struct table *table)
{
    struct json_writer *json = &cli->writer;

    for (int32_t i = 0; i < body->brokers_count; i++) {
        const struct describe_cluster_response_brokers *node = &body->brokers[i];
        const struct node_load load = node_load(topics, node->broker_id);

        if (cli->json) {
            json_begin_object(json);
            json_member_number(json, "id", node->broker_id);
            json_member_string(json, "host", node->host);
            json_member_number(json, "port", node->port);
            json_member_string(json, "rack", node->rack);
            json_member_bool(json, "fenced", node->is_fenced);
            json_member_number(json, "leads", load.leads);
            json_member_number(json, "holds", load.holds);
            json_end_object(json);
        }
        table_cell(table, "%d", node->broker_id);
        table_cell(table, "%.*s:%d", STRING_ARGS(node->host), node->port);
        table_cell(table, "%s", node->is_fenced ? "fenced" : "serves");
        table_cell(table, "%" PRId64, load.leads);
        table_cell(table, "%" PRId64, load.holds);
        table_string(table, node->rack.size > 0 ? node->rack : STRING("-"));
    }
}

int node_ls_command(struct cli *cli)
{
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_node(session) : NULL;
    struct reply cluster_reply;
    struct reply topics_reply;
    struct table table;
    int code = EXIT_FAILED;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    const struct describe_cluster_response *body = cluster_nodes_or_complain(server, "list nodes", &cluster_reply);
    const struct metadata_response *topics = cluster_topics(server, NULL, 0, &topics_reply);

    if (body != NULL) {
        code = EXIT_DONE;
        table_init(&table, "ID> ADDRESS STATE LEADS> HOLDS> RACK");
        if (cli->json) {
            json_name(cli_json_begin(cli), "nodes");
            json_begin_array(&cli->writer);
        }
        node_rows(cli, body, topics, &table);
        if (cli->json) {
            json_end_array(&cli->writer);
            cli_json_end(cli);
            table_deinit(&table);
        } else {
            cli_table_end(cli, &table);
        }
    }
    reply_deinit(&cluster_reply);
    reply_deinit(&topics_reply);
    return code;
}

/* "3.2 s ago", or "-". */
static void age_cell(struct table *table, int64_t timestamp_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - timestamp_ms;

    if (timestamp_ms < 0) {
        table_cell(table, "-");
    } else {
        table_cell(table, "%.1f s ago", (double)(age_ms > 0 ? age_ms : 0) / 1000);
    }
}

/* Voters and observers have the same members, but the codec gives each list a type of its own. */
struct quorum_member {
    int32_t id;
    int64_t log_end_offset;
    int64_t caught_up_ms;
    const char *role;
};

static void quorum_row(struct cli *cli, struct table *table, int64_t leader_end, const struct quorum_member *member)
{
    const int64_t lag = member->log_end_offset >= 0 && leader_end >= member->log_end_offset
                            ? leader_end - member->log_end_offset
                            : -1;
    struct json_writer *json = &cli->writer;

    if (cli->json) {
        json_begin_object(json);
        json_member_number(json, "id", member->id);
        json_member_text(json, "role", member->role);
        json_member_number(json, "log_end_offset", member->log_end_offset);
        json_member_number(json, "lag", lag);
        json_member_number(json, "last_caught_up_ms", member->caught_up_ms);
        json_end_object(json);
    }
    table_cell(table, "%d", member->id);
    table_cell(table, "%s", member->role);
    table_cell(table, "%" PRId64, member->log_end_offset);
    table_cell(table, lag >= 0 ? "%" PRId64 : "-", lag);
    age_cell(table, member->caught_up_ms);
}

static void quorum_rows(struct cli *cli, const struct describe_quorum_response_topics_partitions *quorum,
                        struct table *table)
{
    int64_t leader_end = -1;

    for (int32_t i = 0; i < quorum->current_voters_count; i++) {
        if (quorum->current_voters[i].replica_id == quorum->leader_id) {
            leader_end = quorum->current_voters[i].log_end_offset;
        }
    }
    for (int32_t i = 0; i < quorum->current_voters_count; i++) {
        const struct quorum_member member = {
            quorum->current_voters[i].replica_id, quorum->current_voters[i].log_end_offset,
            quorum->current_voters[i].last_caught_up_timestamp,
            quorum->current_voters[i].replica_id == quorum->leader_id ? "leader" : "follower"};

        quorum_row(cli, table, leader_end, &member);
    }
    for (int32_t i = 0; i < quorum->observers_count; i++) {
        const struct quorum_member member = {quorum->observers[i].replica_id, quorum->observers[i].log_end_offset,
                                             quorum->observers[i].last_caught_up_timestamp, "observer"};

        quorum_row(cli, table, leader_end, &member);
    }
}

static void print_quorum(struct cli *cli, const struct describe_quorum_response_topics_partitions *quorum)
{
    struct table table;

    table_init(&table, "ID> ROLE LOG-END> LAG> CAUGHT-UP");
    if (cli->json) {
        struct json_writer *json = cli_json_begin(cli);

        json_member_number(json, "leader", quorum->leader_id);
        json_member_number(json, "epoch", quorum->leader_epoch);
        json_member_number(json, "high_watermark", quorum->high_watermark);
        json_name(json, "members");
        json_begin_array(json);
        quorum_rows(cli, quorum, &table);
        json_end_array(json);
        cli_json_end(cli);
        table_deinit(&table);
        return;
    }
    quorum_rows(cli, quorum, &table);
    cli_table_end(cli, &table);
    buffer_append_format(&cli->text, "\nLeader %d since epoch %d, committed up to offset %" PRId64 "\n",
                         quorum->leader_id,
                         quorum->leader_epoch, quorum->high_watermark);
    (void)cli_print(buffer_bytes(&cli->text));
}

int quorum_command(struct cli *cli)
{
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_admin(session) : NULL;
    struct describe_quorum_request_topics_partitions partition = {.partition_index = 0};
    struct describe_quorum_request_topics topic = {
        .topic_name = STRING(CLUSTER_METADATA_TOPIC), .partitions_count = 1, .partitions = &partition};
    struct describe_quorum_request request = {.topics_count = 1, .topics = &topic};
    struct reply reply;
    int code = EXIT_FAILED;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    if (server_call_or_complain(server, "describe the quorum", API_DESCRIBE_QUORUM, &request, &reply) == STATUS_OK) {
        const struct describe_quorum_response *body = reply_body(&reply);
        const struct describe_quorum_response_topics_partitions *quorum =
            body->topics_count == 1 && body->topics[0].partitions_count == 1 ? &body->topics[0].partitions[0] : NULL;

        if (body->error_code != ERROR_NONE) {
            cli_server_error("cannot describe the quorum", server->name, body->error_code, body->error_message);
        } else if (quorum == NULL || quorum->error_code != ERROR_NONE) {
            cli_server_error("cannot describe the quorum", server->name,
                             quorum != NULL ? quorum->error_code : (int16_t)ERROR_UNKNOWN_SERVER_ERROR,
                             quorum != NULL ? quorum->error_message : STRING_NULL);
        } else {
            print_quorum(cli, quorum);
            code = EXIT_DONE;
        }
    }
    reply_deinit(&reply);
    return code;
}

/* 1.5 GiB and the like. */
static void size_cell(struct table *table, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < ARRAY_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    if (bytes < 0) {
        table_cell(table, "-");
    } else {
        table_cell(table, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    }
}

static void disk_row(struct cli *cli, struct table *table, int32_t node_id,
                     const struct describe_log_dirs_response_results *dir)
{
    struct json_writer *json = &cli->writer;
    int64_t size = 0;
    int64_t replicas = 0;

    if (cli->json) {
        json_begin_object(json);
        json_member_number(json, "node", node_id);
        json_member_string(json, "directory", dir->log_dir);
        json_member_text(json, "error", dir->error_code != ERROR_NONE ? kafka_error_name(dir->error_code) : NULL);
        json_member_number(json, "total_bytes", dir->total_bytes);
        json_member_number(json, "usable_bytes", dir->usable_bytes);
        json_name(json, "replicas");
        json_begin_array(json);
    }
    for (int32_t t = 0; t < dir->topics_count; t++) {
        for (int32_t p = 0; p < dir->topics[t].partitions_count; p++) {
            const struct describe_log_dirs_response_results_topics_partitions *replica = &dir->topics[t].partitions[p];

            size += replica->partition_size;
            replicas++;
            if (cli->json) {
                json_begin_object(json);
                json_member_string(json, "topic", dir->topics[t].name);
                json_member_number(json, "partition", replica->partition_index);
                json_member_number(json, "bytes", replica->partition_size);
                json_member_number(json, "offset_lag", replica->offset_lag);
                json_member_bool(json, "future", replica->is_future_key);
                json_end_object(json);
            }
        }
    }
    if (cli->json) {
        json_end_array(json);
        json_end_object(json);
    }
    table_cell(table, "%d", node_id);
    table_cell(table, "%s", dir->error_code == ERROR_NONE ? "online" : kafka_error_name(dir->error_code));
    table_cell(table, "%" PRId64, replicas);
    size_cell(table, size);
    size_cell(table, dir->usable_bytes);
    size_cell(table, dir->total_bytes);
    table_string(table, dir->log_dir);
}

static bool disk_of_node(struct cli *cli, struct server *server, int32_t node_id, struct table *table)
{
    struct describe_log_dirs_request request;
    struct reply reply;
    bool ok = false;

    describe_log_dirs_request_init(&request);
    request.topics_count = -1;
    if (server_call_or_complain(server, "list directories", API_DESCRIBE_LOG_DIRS, &request, &reply) == STATUS_OK) {
        const struct describe_log_dirs_response *body = reply_body(&reply);

        ok = body->error_code == ERROR_NONE;
        if (!ok) {
            cli_server_error("cannot list directories", server->name, body->error_code, STRING_NULL);
        }
        for (int32_t i = 0; i < body->results_count; i++) {
            disk_row(cli, table, node_id, &body->results[i]);
            ok = ok && body->results[i].error_code == ERROR_NONE;
        }
    }
    reply_deinit(&reply);
    return ok;
}

int disk_command(struct cli *cli)
{
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? session_node(session) : NULL;
    struct reply reply;
    struct table table;
    bool ok = true;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    const struct describe_cluster_response *body = cluster_nodes_or_complain(server, "list nodes", &reply);

    if (body == NULL) {
        reply_deinit(&reply);
        return EXIT_FAILED;
    }
    table_init(&table, "NODE> STATE REPLICAS> SIZE> FREE> TOTAL> DIRECTORY");
    if (cli->json) {
        json_name(cli_json_begin(cli), "directories");
        json_begin_array(&cli->writer);
    }
    for (int32_t i = 0; i < body->brokers_count; i++) {
        const struct describe_cluster_response_brokers *node = &body->brokers[i];

        ok = disk_of_node(cli, server_at_host(session, node->host, node->port), node->broker_id, &table) && ok;
    }
    if (cli->json) {
        json_end_array(&cli->writer);
        cli_json_end(cli);
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
    reply_deinit(&reply);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

/* The server that `api` is about: the argument, or any. */
static struct server *api_server(struct cli *cli, struct session *session)
{
    struct address_list list;

    if (cli->arguments.value_count == 0) {
        return session_node(session);
    }
    if (address_list_parse(string_of(cli->arguments.values[0]), 9092, &list) != STATUS_OK) {
        cli_error("\"%s\" is not HOST:PORT", cli->arguments.values[0]);
        return NULL;
    }
    struct server *server = server_at(session, &list.items[0]);

    if (!server_wait(server, cli->timeout_ms)) {
        cli_error("cannot reach %s: %s", server->name, status_text(server->why));
        cli_hint("check address and port");
        return NULL;
    }
    return server;
}

int api_command(struct cli *cli)
{
    struct session *session = cli_session(cli);
    struct server *server = session != NULL ? api_server(cli, session) : NULL;
    struct json_writer *json = &cli->writer;
    struct table table;

    if (server == NULL) {
        return EXIT_FAILED;
    }
    const struct api_versions_response *body = rpc_client_features(server->client);

    table_init(&table, "KEY> NAME SERVER-MIN> SERVER-MAX> USED>");
    if (cli->json) {
        (void)cli_json_begin(cli);
        json_member_text(json, "server", server->name);
        json_name(json, "apis");
        json_begin_array(json);
    }
    for (int32_t i = 0; i < body->api_keys_count; i++) {
        const struct api *api = api_find(body->api_keys[i].api_key);
        const int16_t used = server_version(server, body->api_keys[i].api_key);

        if (cli->json) {
            json_begin_object(json);
            json_member_number(json, "key", body->api_keys[i].api_key);
            json_member_text(json, "name", api != NULL ? api->name : NULL);
            json_member_number(json, "min", body->api_keys[i].min_version);
            json_member_number(json, "max", body->api_keys[i].max_version);
            json_member_number(json, "used", used);
            json_end_object(json);
        }
        table_cell(&table, "%d", body->api_keys[i].api_key);
        table_cell(&table, "%s", api != NULL ? api->name : "?");
        table_cell(&table, "%d", body->api_keys[i].min_version);
        table_cell(&table, "%d", body->api_keys[i].max_version);
        table_cell(&table, used >= 0 ? "%d" : "-", used);
    }
    if (cli->json) {
        json_end_array(json);
        cli_json_end(cli);
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
    return EXIT_DONE;
}
