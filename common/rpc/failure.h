/* An answer that says of everything that was asked: it failed. For administration that could not be passed on. */
#ifndef RPC_FAILURE_H
#define RPC_FAILURE_H

#include "common/rpc/server.h"

/* Fills request->response with `error` for each item of the request, or as a whole, as the API has it. `text` is
 * borrowed for ever. Knows the APIs that controllers answer; for others the response stays as it is. */
void rpc_answer_failure(struct rpc_request *request, int16_t error, const char *text);

#endif
