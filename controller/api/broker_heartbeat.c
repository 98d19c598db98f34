/* BrokerHeartbeat (KIP-631). That a node was heard of is counted at once and kept in memory; only what changes its
 * state goes through the log. So a quiet cluster of any size writes nothing. */
#include "controller/api/api.h"
#include "controller/state/broker_table.h"
#include "wire/broker_heartbeat.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    const struct broker_heartbeat_request *body = request->body;
    const struct broker_heartbeat_response *response = request->response;

    broker_table_heartbeat(decision, &machine->heartbeats, env_now_ns(machine->env), request->body, request->response);
    if (response->error_code == 0) {
        api_bind_node(request, body->broker_id);
    }
    sessions_arm(machine);
}

static void fail(struct rpc_request *request, int16_t error)
{
    struct broker_heartbeat_response *response = request->response;

    response->error_code = error;
}

const struct api_write api_broker_heartbeat = {
    .key = API_BROKER_HEARTBEAT, .decide = decide, .fail = fail, .hasty = true, .direct = true};
