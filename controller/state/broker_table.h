/* Decisions about nodes (KIP-631): registration, heartbeats, fencing, controlled shutdown, leaving for good; and
 * controllers' registration (KIP-919).
 *
 *                     register                caught up to its registration
 *     (unknown) ----------------> fenced <-------------------------------> unfenced
 *                                   ^      want_fence, session expired         |
 *                                   |                                          | want_shut_down while it leads
 *                                   +------------- controlled shutdown <-------+
 *                                    leads nothing, others have read of it
 *
 * Whenever a node stops or starts being active, the elections that follow are part of the same decision. */
#ifndef STATE_BROKER_TABLE_H
#define STATE_BROKER_TABLE_H

#include "controller/state/decision.h"
#include "controller/state/heartbeat_table.h"

struct broker_heartbeat_request;
struct broker_heartbeat_response;
struct broker_registration_request;
struct broker_registration_response;
struct controller_registration_request;
struct controller_registration_response;
struct unregister_broker_request;
struct unregister_broker_response;

/* The register record is the first one. If the response's error is NONE and its epoch -1, the epoch is the offset of
 * that record: the caller sets it, and touches the heartbeat table with it, when the batch is committed. A repeated
 * registration of the same incarnation keeps its epoch. */
void broker_table_register(const struct decision *decision, struct string cluster_id,
                           const struct heartbeat_table *heartbeats, uint64_t now_ns,
                           const struct broker_registration_request *request,
                           struct broker_registration_response *response);

/* Counts the contact in `heartbeats`. May add no records. */
void broker_table_heartbeat(const struct decision *decision, struct heartbeat_table *heartbeats, uint64_t now_ns,
                            const struct broker_heartbeat_request *request, struct broker_heartbeat_response *response);

/* Fences a node whose session expired (heartbeat_table_expired). */
void broker_table_expire(const struct decision *decision, int32_t broker_id);

void broker_table_unregister(const struct decision *decision, const struct unregister_broker_request *request,
                             struct unregister_broker_response *response);

/* STALE_BROKER_EPOCH unless a node with this id and epoch is registered, else NONE. */
enum kafka_error broker_table_check_epoch(const struct image *image, int32_t broker_id, int64_t epoch);

void controller_table_register(const struct decision *decision, const struct controller_registration_request *request,
                               struct controller_registration_response *response);

#endif
