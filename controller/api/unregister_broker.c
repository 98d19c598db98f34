/* UnregisterBroker: a node is taken out of the cluster for good. */
#include "controller/api/api.h"
#include "controller/state/broker_table.h"
#include "wire/unregister_broker.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    broker_table_unregister(decision, request->body, request->response);
}

static void applied(struct machine *machine, struct rpc_request *request, int64_t offset)
{
    const struct unregister_broker_request *body = request->body;

    (void)offset;
    heartbeat_table_remove(&machine->heartbeats, body->broker_id);
}

static void fail(struct rpc_request *request, int16_t error)
{
    struct unregister_broker_response *response = request->response;

    response->error_code = error;
}

const struct api_write api_unregister_broker = {
    .key = API_UNREGISTER_BROKER, .decide = decide, .applied = applied, .fail = fail};
