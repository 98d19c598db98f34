/* Passing a request on: a server that may not decide asks the one that may and hands its answer through. */
#ifndef RPC_FORWARD_H
#define RPC_FORWARD_H

#include "common/rpc/client.h"
#include "common/rpc/server.h"

/* Calls `client` with the body of `request` and completes the request with the answer. The answer's memory lives with
 * the request. If there is no answer `failed` is called with the request, still open, and why: it fills an error and
 * completes. The client must be open and offer the API in the request's version: another could not say all that the
 * request says. */
void rpc_forward(struct rpc_request *request, struct rpc_client *client, uint32_t timeout_ms,
                 void (*failed)(struct rpc_request *request, enum status why));

#endif
