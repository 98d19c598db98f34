/* BrokerRegistration (KIP-631). The epoch of a registration is the offset of its first record; a node that registers
 * again with the same incarnation, as after a change of the active controller, keeps the epoch it has. */
#include "controller/api/api.h"
#include "controller/state/broker_table.h"
#include "wire/broker_registration.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    broker_table_register(decision, string_of(machine->options.cluster_id), &machine->heartbeats,
                          env_now_ns(machine->env), request->body, request->response);
}

static void applied(struct machine *machine, struct rpc_request *request, int64_t offset)
{
    const struct broker_registration_request *body = request->body;
    struct broker_registration_response *response = request->response;

    const struct broker_image *broker = image_broker(machine->image, body->broker_id);

    (void)offset;
    response->broker_epoch = broker->epoch;
    heartbeat_table_touch(&machine->heartbeats, body->broker_id, broker->epoch, -1, env_now_ns(machine->env));
    api_bind_node(request, body->broker_id);
}

static void fail(struct rpc_request *request, int16_t error)
{
    struct broker_registration_response *response = request->response;

    response->error_code = error;
}

const struct api_write api_broker_registration = {
    .key = API_BROKER_REGISTRATION, .decide = decide, .applied = applied, .fail = fail, .direct = true};
