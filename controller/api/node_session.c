/* Which node speaks on a connection. Its end is the first sign that a node is gone, long before its session would time
 * out. */
#include "controller/api/api.h"

#include "common/base/memory.h"

struct node_session {
    struct machine *machine;
    int32_t broker_id;
};

static void node_session_gone(void *context)
{
    struct node_session *session = context;

    sessions_lost(session->machine, session->broker_id, session);
    memory_free(session);
}

void api_bind_node(struct rpc_request *request, int32_t broker_id)
{
    void **place = rpc_request_session(request, node_session_gone);
    struct node_session *session = *place;

    if (session == NULL) {
        session = memory_alloc_zero(1, sizeof(*session));
        session->machine = api_machine(request);
        *place = session;
    }
    session->broker_id = broker_id;
    heartbeat_table_bind(&session->machine->heartbeats, broker_id, session);
}
