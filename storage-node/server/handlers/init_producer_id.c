/* InitProducerId for idempotent producers (KIP-98): ids come from blocks that the controller hands out, so none is ever
 * given twice, through any crash: what is left of a block is lost with the process. All blocks of a node are the first
 * loop's. */
#include "common/base/memory.h"
#include "common/rpc/client.h"
#include "common/wire/error.h"
#include "storage-node/cluster/controller_link.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"
#include "wire/allocate_producer_ids.h"
#include "wire/init_producer_id.h"

#define PRODUCER_IDS_TIMEOUT_MS 10000

/* A request that waits for a block. In the request's arena. */
struct producer_id_wait {
    struct list link;
    struct rpc_request *request;
};

struct producer_id_call {
    struct rpc_call call;
    struct shard *shard;
};

static bool producer_id_take(struct shard *shard, struct rpc_request *request)
{
    struct init_producer_id_response *response = request->response;

    if (shard->producer_ids.next >= shard->producer_ids.end) {
        return false;
    }
    response->producer_id = shard->producer_ids.next++;
    response->producer_epoch = 0;
    rpc_request_complete(request);
    return true;
}

static void producer_id_fail(struct rpc_request *request, int16_t error)
{
    struct init_producer_id_response *response = request->response;

    response->error_code = error;
    response->producer_id = -1;
    response->producer_epoch = -1;
    rpc_request_complete(request);
}

static void producer_id_ask(struct shard *shard);

static void producer_id_answered(struct rpc_call *base)
{
    struct producer_id_call *call = CONTAINER_OF(base, struct producer_id_call, call);
    struct shard *shard = call->shard;
    const struct allocate_producer_ids_response *response = base->response;
    int16_t error = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    struct list waiting;
    struct list *link;

    shard->producer_ids.asking = false;
    if (base->status == STATUS_OK && response->error_code == ERROR_NONE && response->producer_id_len > 0) {
        shard->producer_ids.next = response->producer_id_start;
        shard->producer_ids.end = response->producer_id_start + response->producer_id_len;
        error = ERROR_NONE;
    }
    rpc_call_deinit(base);
    memory_free(call);
    list_init(&waiting);
    list_move_all(&waiting, &shard->producer_ids.waiting);
    while ((link = list_take_first(&waiting)) != NULL) {
        struct rpc_request *request = LIST_ENTRY(link, struct producer_id_wait, link)->request;

        if (error != ERROR_NONE) {
            producer_id_fail(request, error);
        } else if (!producer_id_take(shard, request)) {
            list_append(&shard->producer_ids.waiting, link);
        }
    }
    if (!list_empty(&shard->producer_ids.waiting)) {
        producer_id_ask(shard);
    }
}

static void producer_id_ask(struct shard *shard)
{
    struct controller_link *link = shard->service->link;
    struct rpc_client *client = controller_link_client(link);
    struct allocate_producer_ids_request ask;
    struct producer_id_call *call;
    struct list *waiting;

    if (shard->producer_ids.asking) {
        return;
    }
    if (client == NULL || rpc_client_version(client, API_ALLOCATE_PRODUCER_IDS, 0) < 0) {
        while ((waiting = list_take_first(&shard->producer_ids.waiting)) != NULL) {
            producer_id_fail(LIST_ENTRY(waiting, struct producer_id_wait, link)->request,
                             ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        }
        return;
    }
    call = memory_alloc_zero(1, sizeof(*call));
    call->shard = shard;
    shard->producer_ids.asking = true;
    allocate_producer_ids_request_init(&ask);
    ask.broker_id = shard->node_id;
    ask.broker_epoch = controller_link_broker_epoch(link);
    rpc_call_init(&call->call, producer_id_answered, NULL);
    rpc_client_call(client, &call->call, API_ALLOCATE_PRODUCER_IDS, 0, &ask, PRODUCER_IDS_TIMEOUT_MS);
}

static void producer_id_start(struct rpc_request *request)
{
    struct shard *shard = shard_at(shard_of_request(request), 0);
    struct producer_id_wait *wait;

    if (producer_id_take(shard, request)) {
        return;
    }
    wait = arena_need(&request->arena, 1, sizeof(*wait));
    wait->request = request;
    list_init(&wait->link);
    list_append(&shard->producer_ids.waiting, &wait->link);
    producer_id_ask(shard);
}

void handle_init_producer_id(struct rpc_request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct shard *shard = shard_of_request(request);

    if (body->transactional_id.data != NULL) {
        /* Whoever asks here with a transactional id skipped FindCoordinator, which is not offered. */
        producer_id_fail(request, ERROR_NOT_COORDINATOR);
        return;
    }
    rpc_request_run_on(request, shard_at(shard, 0)->env, producer_id_start);
}
