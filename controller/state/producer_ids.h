/* Blocks of producer ids for nodes (KIP-730). No id is ever handed out twice. */
#ifndef STATE_PRODUCER_IDS_H
#define STATE_PRODUCER_IDS_H

#include "controller/state/decision.h"

#define PRODUCER_ID_BLOCK_SIZE 1000

struct allocate_producer_ids_request;
struct allocate_producer_ids_response;

void producer_ids_allocate(const struct decision *decision, const struct allocate_producer_ids_request *request,
                           struct allocate_producer_ids_response *response);

#endif
