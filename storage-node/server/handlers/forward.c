/* Administration that clients send to a node is passed on to the controllers. The tie to them is the first loop's, so
 * the request goes there; the answer goes back by itself. */
#include "common/rpc/forward.h"

#include "common/rpc/failure.h"
#include "common/wire/error.h"
#include "storage-node/cluster/controller_link.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"

#define FORWARD_TIMEOUT_MS 30000

static void forward_failed(struct rpc_request *request, enum status why)
{
    rpc_answer_failure(request, why == STATUS_TIMEOUT ? ERROR_REQUEST_TIMED_OUT : ERROR_NOT_CONTROLLER,
                   "the controllers cannot be reached now, try again");
    rpc_request_complete(request);
}

static void forward_start(struct rpc_request *request)
{
    struct controller_link *link = shard_of_request(request)->service->link;
    struct rpc_client *client = controller_link_client(link);

    /* Only in the version it came in: another could not say all that the request says. */
    if (client == NULL ||
        rpc_client_version(client, request->api->key, request->version) != request->version) {
        forward_failed(request, STATUS_CLOSED);
        return;
    }
    rpc_forward(request, client, FORWARD_TIMEOUT_MS, forward_failed);
}

void handle_forward(struct rpc_request *request)
{
    rpc_request_run_on(request, shard_at(shard_of_request(request), 0)->env, forward_start);
}
