/* DescribeQuorum (KIP-595, KIP-836): who leads the metadata quorum and how far everybody has got, as the leader knows
 * it. Other controllers pass the question on.
 *
 * The quorum counts its own entries, the metadata log counts records. A voter's log end offset is where the metadata
 * log ends once the entries are applied that the voter is known to have on its disk; for times too long ago to know,
 * where the log in memory begins. Observers are the registered storage nodes: what they fetched from this controller,
 * or said in heartbeats if that is newer. */
#include "controller/api/api.h"

#include "common/wire/error.h"
#include "wire/describe_quorum.h"

static int64_t wall_ms_of(const struct rpc_request *request, uint64_t at_ns)
{
    return at_ns == 0 ? -1 : env_wall_ms(request->env) - (int64_t)((env_now_ns(request->env) - at_ns) / NS_PER_MS);
}

static void fill_voters(struct rpc_request *request, struct describe_quorum_response_topics_partitions *answer)
{
    const struct machine *machine = api_machine(request);
    struct quorum_status status;

    quorum_status_get(machine->quorum, &status);
    answer->current_voters_count = status.voter_count;
    answer->current_voters = arena_need(&request->arena, (size_t)status.voter_count, sizeof(*answer->current_voters));
    for (int i = 0; i < status.voter_count; i++) {
        const struct quorum_voter_status *voter = &status.voters[i];
        struct describe_quorum_response_topics_partitions_current_voters *row = &answer->current_voters[i];

        describe_quorum_response_topics_partitions_current_voters_init(row);
        row->replica_id = voter->id;
        row->log_end_offset = voter->id == status.id ? machine->log.end_offset
                                                     : metadata_log_end_at(&machine->log, voter->match_index);
        row->last_fetch_timestamp = wall_ms_of(request, voter->last_contact_ns);
        row->last_caught_up_timestamp = wall_ms_of(request, voter->last_caught_up_ns);
    }
}

static void fill_observers(struct rpc_request *request, struct describe_quorum_response_topics_partitions *answer)
{
    const struct machine *machine = api_machine(request);
    const size_t count = image_broker_count(machine->image);

    answer->observers_count = (int32_t)count;
    answer->observers = arena_need(&request->arena, count, sizeof(*answer->observers));
    for (size_t i = 0; i < count; i++) {
        struct describe_quorum_response_topics_partitions_observers *row = &answer->observers[i];
        const int32_t id = image_broker_at(machine->image, i)->id;
        const struct observer *observer = observers_find(&machine->observers, id);
        const struct heartbeat *heartbeat = heartbeat_table_find(&machine->heartbeats, id);

        describe_quorum_response_topics_partitions_observers_init(row);
        row->replica_id = id;
        if (observer != NULL) {
            row->log_end_offset = observer->end_offset;
            row->last_fetch_timestamp = observer->fetch_ms;
            row->last_caught_up_timestamp = observer->caught_up_ms;
        }
        if (heartbeat != NULL && heartbeat->metadata_offset + 1 > row->log_end_offset) {
            row->log_end_offset = heartbeat->metadata_offset + 1;
            row->last_fetch_timestamp = wall_ms_of(request, heartbeat->contact_ns);
            if (row->log_end_offset == machine->log.end_offset) {
                row->last_caught_up_timestamp = row->last_fetch_timestamp;
            }
        }
    }
}

static void fill_nodes(struct rpc_request *request, struct describe_quorum_response *response)
{
    const struct machine *machine = api_machine(request);
    const struct quorum_options *quorum = &machine->options.quorum;

    response->nodes_count = quorum->voter_count;
    response->nodes = arena_need(&request->arena, (size_t)quorum->voter_count, sizeof(*response->nodes));
    for (int i = 0; i < quorum->voter_count; i++) {
        struct describe_quorum_response_nodes *node = &response->nodes[i];

        describe_quorum_response_nodes_init(node);
        node->node_id = quorum->voters[i].id;
        node->listeners_count = 1;
        node->listeners = arena_need(&request->arena, 1, sizeof(*node->listeners));
        describe_quorum_response_nodes_listeners_init(node->listeners);
        node->listeners->name = string_of(machine->options.listener_name);
        node->listeners->host = string_of(quorum->voters[i].host);
        node->listeners->port = quorum->voters[i].port;
    }
}

static void fill_partition(struct rpc_request *request, struct string topic, int32_t index,
                           struct describe_quorum_response_topics_partitions *answer)
{
    const struct machine *machine = api_machine(request);

    describe_quorum_response_topics_partitions_init(answer);
    answer->partition_index = index;
    answer->current_voters_count = 0;
    answer->observers_count = 0;
    if (!string_is(topic, CLUSTER_METADATA_TOPIC) || index != 0) {
        answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    answer->leader_id = machine->leader_id;
    answer->leader_epoch = (int32_t)machine->term;
    answer->high_watermark = machine->log.end_offset;
    fill_voters(request, answer);
    fill_observers(request, answer);
}

void api_describe_quorum_fail(struct rpc_request *request, int16_t error)
{
    struct describe_quorum_response *response = request->response;

    /* The codes of the quorum's own API: Kafka's clients look for another leader on this one. */
    response->error_code = error == ERROR_NOT_CONTROLLER ? ERROR_NOT_LEADER_OR_FOLLOWER : error;
    response->topics_count = 0;
    response->nodes_count = 0;
}

void api_describe_quorum(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct describe_quorum_request *body = request->body;
    struct describe_quorum_response *response = request->response;

    if (!machine->active) {
        api_pass_on(request);
        return;
    }
    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct describe_quorum_request_topics *wanted = &body->topics[i];
        struct describe_quorum_response_topics *topic = &response->topics[i];

        describe_quorum_response_topics_init(topic);
        topic->topic_name = wanted->topic_name;
        topic->partitions_count = wanted->partitions_count;
        topic->partitions = arena_need(&request->arena, (size_t)wanted->partitions_count, sizeof(*topic->partitions));
        for (int32_t k = 0; k < wanted->partitions_count; k++) {
            fill_partition(request, topic->topic_name, wanted->partitions[k].partition_index, &topic->partitions[k]);
        }
    }
    fill_nodes(request, response);
    rpc_request_complete(request);
}
