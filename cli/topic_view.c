/* millrace topic ls and describe: looking at topics. */
#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/offsets.h"
#include "common/base/memory.h"
#include "common/wire/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* All topics or the named ones from a server that tells; NULL after an error line. */
static const struct metadata_response *ask_topics(struct cli *cli, struct reply *reply, struct server **server)
{
    struct session *session = cli_session(cli);
    const struct metadata_response *body = NULL;
    const bool named = cli->arguments.value_count > 0;

    memset(reply, 0, sizeof(*reply));
    *server = session != NULL ? session_metadata(session) : NULL;
    if (*server != NULL) {
        body = cluster_topics(*server, named ? cli->arguments.values : NULL, cli->arguments.value_count, reply);
        if (body == NULL) {
            cli_error("cannot list topics: %s: %s", (*server)->name, status_text(reply->call.status));
            cli_hint("a longer --timeout may help; millrace status tells more");
        }
    }
    return body;
}

static void health_text(const struct partition_totals *totals, char text[64])
{
    if (totals->leaderless > 0) {
        snprintf(text, 64, "%" PRId64 " without leader", totals->leaderless);
    } else if (totals->under_replicated > 0) {
        snprintf(text, 64, "%" PRId64 " under-replicated", totals->under_replicated);
    } else {
        snprintf(text, 64, "ok");
    }
}

static bool topic_wanted(const struct cli *cli, const struct metadata_response_topics *topic,
                         const struct partition_totals *totals)
{
    if (topic->is_internal && !arguments_has(&cli->arguments, "internal")) {
        return false;
    }
    if (arguments_has(&cli->arguments, "under-replicated") && totals->under_replicated == 0) {
        return false;
    }
    return !arguments_has(&cli->arguments, "no-leader") || totals->leaderless > 0;
}

static void topic_row(struct cli *cli, struct table *table, const struct metadata_response_topics *topic,
                      const struct partition_totals *totals)
{
    const int32_t copies = topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0;
    struct json_writer *json = &cli->writer;
    char id[UUID_TEXT_SIZE + 1];
    char health[64];

    if (cli->json) {
        json_begin_object(json);
        json_member_string(json, "name", topic->name);
        json_member_text(json, "topic_id", uuid_format(topic->topic_id, id));
        json_member_bool(json, "internal", topic->is_internal);
        json_member_number(json, "partitions", totals->partitions);
        json_member_number(json, "replicas", copies);
        json_member_number(json, "without_leader", totals->leaderless);
        json_member_number(json, "under_replicated", totals->under_replicated);
        json_end_object(json);
    }
    health_text(totals, health);
    table_string(table, topic->name);
    table_cell(table, "%" PRId64, totals->partitions);
    table_cell(table, "%d", copies);
    table_cell(table, "%s", health);
}

static int compare_topics(const void *a, const void *b)
{
    const struct metadata_response_topics *const *first = a;
    const struct metadata_response_topics *const *second = b;

    return string_compare((*first)->name, (*second)->name);
}

int topic_ls_command(struct cli *cli)
{
    struct server *server;
    struct reply reply;
    struct table table;
    const struct metadata_response *body = ask_topics(cli, &reply, &server);

    if (body == NULL) {
        reply_deinit(&reply);
        return EXIT_FAILED;
    }
    const struct metadata_response_topics **sorted =
        memory_alloc_zero((size_t)body->topics_count + 1, sizeof(*sorted));

    for (int32_t i = 0; i < body->topics_count; i++) {
        sorted[i] = &body->topics[i];
    }
    qsort(sorted, (size_t)body->topics_count, sizeof(*sorted), compare_topics);
    table_init(&table, "NAME PARTITIONS> COPIES> HEALTH");
    if (cli->json) {
        json_name(cli_json_begin(cli), "topics");
        json_begin_array(&cli->writer);
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        struct partition_totals totals = {0};

        partition_totals_add(&totals, sorted[i]);
        if (topic_wanted(cli, sorted[i], &totals)) {
            topic_row(cli, &table, sorted[i], &totals);
        }
    }
    if (cli->json) {
        json_end_array(&cli->writer);
        cli_json_end(cli);
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
    memory_free(sorted);
    reply_deinit(&reply);
    return EXIT_DONE;
}

/* First and next offset of each partition; NULL if they were not asked for or are not to be had. */
struct offset_range {
    int64_t *start;
    int64_t *end;
};

static struct offset_range ask_range(struct cli *cli, const struct metadata_response_topics *topic)
{
    struct offset_range range = {NULL, NULL};
    const size_t count = (size_t)topic->partitions_count;
    struct session *session = cli->session;
    struct routes routes;
    int32_t *indexes;

    if (!arguments_has(&cli->arguments, "offsets") || session_node(session) == NULL) {
        return range;
    }
    routes_init(&routes, topic->name);
    indexes = memory_alloc_zero(count + 1, sizeof(*indexes));
    range.start = memory_alloc_zero(count + 1, sizeof(int64_t));
    range.end = memory_alloc_zero(count + 1, sizeof(int64_t));
    for (size_t i = 0; i < count; i++) {
        indexes[i] = topic->partitions[i].partition_index;
    }
    if (!routes_learn(session, &routes, cli->timeout_ms) ||
        !offsets_list(session, &routes, indexes, count, OFFSETS_BEGINNING, false, range.start) ||
        !offsets_list(session, &routes, indexes, count, OFFSETS_END, false, range.end)) {
        memory_free(range.start);
        memory_free(range.end);
        range = (struct offset_range){NULL, NULL};
    }
    memory_free(indexes);
    routes_deinit(&routes);
    return range;
}

static void json_ids(struct json_writer *json, const char *name, const int32_t *ids, int32_t count)
{
    json_name(json, name);
    json_begin_array(json);
    for (int32_t i = 0; i < count; i++) {
        json_number(json, ids[i]);
    }
    json_end_array(json);
}

static void ids_cell(struct table *table, const int32_t *ids, int32_t count)
{
    struct buffer text;

    buffer_init(&text);
    id_list_format(ids, count, &text);
    table_string(table, text.size > 0 ? (struct string){(const char *)text.data, text.size} : STRING("-"));
    buffer_deinit(&text);
}

static void partition_row(struct cli *cli, struct table *table,
                          const struct metadata_response_topics_partitions *partition, int64_t start, int64_t end)
{
    struct json_writer *json = &cli->writer;

    if (cli->json) {
        json_begin_object(json);
        json_member_number(json, "partition", partition->partition_index);
        json_member_number(json, "leader", partition->leader_id);
        json_member_number(json, "leader_epoch", partition->leader_epoch);
        json_ids(json, "replicas", partition->replica_nodes, partition->replica_nodes_count);
        json_ids(json, "isr", partition->isr_nodes, partition->isr_nodes_count);
        json_ids(json, "offline", partition->offline_replicas, partition->offline_replicas_count);
        if (start >= 0) {
            json_member_number(json, "start_offset", start);
            json_member_number(json, "end_offset", end);
        }
        json_end_object(json);
    }
    table_cell(table, "%d", partition->partition_index);
    if (partition->leader_id >= 0) {
        table_cell(table, "%d", partition->leader_id);
    } else {
        table_string(table, STRING("none"));
    }
    table_cell(table, "%d", partition->leader_epoch);
    ids_cell(table, partition->replica_nodes, partition->replica_nodes_count);
    ids_cell(table, partition->isr_nodes, partition->isr_nodes_count);
    ids_cell(table, partition->offline_replicas, partition->offline_replicas_count);
    if (start >= 0) {
        table_cell(table, "%" PRId64, start);
        table_cell(table, "%" PRId64, end);
    }
}

static void describe_topic(struct cli *cli, const struct metadata_response_topics *topic)
{
    const struct offset_range range = ask_range(cli, topic);
    char id[UUID_TEXT_SIZE + 1];
    struct table table;

    table_init(&table, range.start != NULL ? "PARTITION> LEADER> EPOCH> REPLICAS IN-SYNC OFFLINE START> END>"
                                           : "PARTITION> LEADER> EPOCH> REPLICAS IN-SYNC OFFLINE");
    uuid_format(topic->topic_id, id);
    if (cli->json) {
        json_begin_object(&cli->writer);
        json_member_string(&cli->writer, "name", topic->name);
        json_member_text(&cli->writer, "topic_id", id);
        json_member_bool(&cli->writer, "internal", topic->is_internal);
        json_name(&cli->writer, "partitions");
        json_begin_array(&cli->writer);
    } else {
        printf("%.*s  id %s%s\n", STRING_ARGS(topic->name), id, topic->is_internal ? "  internal" : "");
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        partition_row(cli, &table, &topic->partitions[i], range.start != NULL ? range.start[i] : -1,
                      range.end != NULL ? range.end[i] : -1);
    }
    if (cli->json) {
        json_end_array(&cli->writer);
        json_end_object(&cli->writer);
        table_deinit(&table);
    } else {
        cli_table_end(cli, &table);
    }
    memory_free(range.start);
    memory_free(range.end);
}

int topic_describe_command(struct cli *cli)
{
    struct server *server;
    struct reply reply;
    int code = EXIT_DONE;
    const struct metadata_response *body = ask_topics(cli, &reply, &server);

    if (body == NULL) {
        reply_deinit(&reply);
        return EXIT_FAILED;
    }
    if (cli->json) {
        json_name(cli_json_begin(cli), "topics");
        json_begin_array(&cli->writer);
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct metadata_response_topics *topic = &body->topics[i];
        char what[300];

        if (topic->error_code != ERROR_NONE && topic->partitions_count == 0) {
            snprintf(what, sizeof(what), "cannot describe topic %.*s", STRING_ARGS(topic->name));
            cli_server_error(what, server->name, topic->error_code, STRING_NULL);
            code = EXIT_FAILED;
            continue;
        }
        describe_topic(cli, topic);
    }
    if (cli->json) {
        json_end_array(&cli->writer);
        cli_json_end(cli);
    }
    reply_deinit(&reply);
    return code;
}
