/* FetchSnapshot (KIP-630): pieces of the snapshot whose id a fetch of the metadata log gave. */
#include "controller/api/api.h"

#include "common/wire/error.h"
#include "wire/fetch_snapshot.h"

#define PIECE_BYTES_MAX 8388608

static void release_snapshot(struct rpc_request *request)
{
    snapshot_bytes_unref(request->release_context);
}

static int16_t read_piece(struct rpc_request *request, const struct fetch_snapshot_request_topics_partitions *wanted,
                          struct fetch_snapshot_response_topics_partitions *partition)
{
    struct machine *machine = api_machine(request);
    const struct fetch_snapshot_request *body = request->body;
    const int32_t bytes_max = body->max_bytes < PIECE_BYTES_MAX ? body->max_bytes : PIECE_BYTES_MAX;
    struct snapshot_bytes *snapshot;
    size_t size;

    if (machine->orphaned) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    snapshot = snapshot_cache_take(&machine->snapshots, wanted->snapshot_id.end_offset, wanted->snapshot_id.epoch);
    if (snapshot == NULL) {
        return ERROR_SNAPSHOT_NOT_FOUND;
    }
    if (wanted->position < 0 || (uint64_t)wanted->position >= snapshot->data.size) {
        snapshot_bytes_unref(snapshot);
        return ERROR_POSITION_OUT_OF_RANGE;
    }
    size = snapshot->data.size - (size_t)wanted->position;
    if (bytes_max < 0 || (uint64_t)bytes_max < size) {
        size = bytes_max > 0 ? (size_t)bytes_max : 1;
    }
    partition->size = (int64_t)snapshot->data.size;
    partition->position = wanted->position;
    partition->unaligned_records = (struct records){.data = snapshot->data.data + wanted->position, .size = size};
    request->release = release_snapshot;
    request->release_context = snapshot;
    return ERROR_NONE;
}

void api_fetch_snapshot(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct fetch_snapshot_request *body = request->body;
    struct fetch_snapshot_response *response = request->response;
    struct fetch_snapshot_response_topics *topic;
    struct fetch_snapshot_response_topics_partitions *partition;

    response->topics_count = 0;
    if (body->cluster_id.data != NULL && !string_is(body->cluster_id, machine->options.cluster_id)) {
        response->error_code = ERROR_INCONSISTENT_CLUSTER_ID;
    } else if (body->topics_count != 1 || body->topics[0].partitions_count != 1) {
        response->error_code = ERROR_INVALID_REQUEST;
    } else {
        const struct fetch_snapshot_request_topics_partitions *wanted = &body->topics[0].partitions[0];

        response->topics_count = 1;
        response->topics = topic = arena_need(&request->arena, 1, sizeof(*topic));
        fetch_snapshot_response_topics_init(topic);
        topic->name = body->topics[0].name;
        topic->partitions_count = 1;
        topic->partitions = partition = arena_need(&request->arena, 1, sizeof(*partition));
        fetch_snapshot_response_topics_partitions_init(partition);
        partition->index = wanted->partition;
        partition->snapshot_id.end_offset = wanted->snapshot_id.end_offset;
        partition->snapshot_id.epoch = wanted->snapshot_id.epoch;
        partition->unaligned_records = RECORDS_EMPTY;
        partition->current_leader.leader_id = machine->leader_id;
        partition->current_leader.leader_epoch = (int32_t)machine->term;
        partition->error_code = !string_is(topic->name, CLUSTER_METADATA_TOPIC) || wanted->partition != 0
                                    ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                    : read_piece(request, wanted, partition);
    }
    rpc_request_complete(request);
}
