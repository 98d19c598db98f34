/* AllocateProducerIds (KIP-730): a block of producer ids for a node to hand out. */
#include "controller/api/api.h"
#include "controller/state/producer_ids.h"
#include "wire/allocate_producer_ids.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    producer_ids_allocate(decision, request->body, request->response);
}

static void fail(struct rpc_request *request, int16_t error)
{
    struct allocate_producer_ids_response *response = request->response;

    response->error_code = error;
}

const struct api_write api_allocate_producer_ids = {.key = API_ALLOCATE_PRODUCER_IDS, .decide = decide, .fail = fail};
