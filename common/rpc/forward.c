/* Passing a request on. */
#include "common/rpc/forward.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct rpc_forwarded {
    struct rpc_call call;
    struct rpc_request *request;
    void (*failed)(struct rpc_request *request, enum status why);
};

static void rpc_forward_release(struct rpc_request *request)
{
    struct rpc_forwarded *forwarded = request->release_context;

    rpc_call_deinit(&forwarded->call);
    memory_free(forwarded);
}

static void rpc_forward_done(struct rpc_call *call)
{
    struct rpc_forwarded *forwarded = call->context;
    struct rpc_request *request = forwarded->request;
    const enum status status = call->status;

    if (status != STATUS_OK) {
        void (*failed)(struct rpc_request *request, enum status why) = forwarded->failed;

        rpc_forward_release(&(struct rpc_request){.release_context = forwarded});
        failed(request, status);
        return;
    }
    memcpy(request->response, call->response, request->api->response.size);
    request->release = rpc_forward_release;
    request->release_context = forwarded;
    rpc_request_complete(request);
}

void rpc_forward(struct rpc_request *request, struct rpc_client *client, uint32_t timeout_ms,
                 void (*failed)(struct rpc_request *request, enum status why))
{
    struct rpc_forwarded *forwarded = memory_alloc_zero(1, sizeof(*forwarded));
    const int16_t version = request->version;

    ASSERT(request->release == NULL);
    ASSERT(rpc_client_version(client, request->api->key, version) == version);
    forwarded->request = request;
    forwarded->failed = failed;
    rpc_call_init(&forwarded->call, rpc_forward_done, forwarded);
    rpc_client_call(client, &forwarded->call, request->api->key, version, request->body, timeout_ms);
}
