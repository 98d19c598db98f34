/* Decisions about topics: creating and deleting them, adding partitions. Each request is one atomic batch; each topic
 * in it succeeds or fails by itself. */
#ifndef STATE_TOPIC_TABLE_H
#define STATE_TOPIC_TABLE_H

#include "controller/state/decision.h"

struct create_partitions_request;
struct create_partitions_response;
struct create_topics_request;
struct create_topics_response;
struct delete_topics_request;
struct delete_topics_response;

/* Fields of all versions are filled. With validate_only no record is added, and ids of topics are zero. */
void topic_table_create(const struct decision *decision, const struct create_topics_request *request,
                        struct create_topics_response *response);
/* By name up to version 5, from 6 on by name or id. */
void topic_table_delete(const struct decision *decision, int16_t version, const struct delete_topics_request *request,
                        struct delete_topics_response *response);
void topic_table_grow(const struct decision *decision, const struct create_partitions_request *request,
                      struct create_partitions_response *response);

#endif
