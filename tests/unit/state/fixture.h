/* A controller's state: an image that decisions are replayed into, a liveness table, and time. */
#ifndef TESTS_STATE_FIXTURE_H
#define TESTS_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "controller/state/broker_table.h"
#include "controller/state/config_table.h"
#include "controller/state/feature_table.h"
#include "controller/state/producer_ids.h"
#include "controller/state/topic_table.h"

#include "wire/allocate_producer_ids.h"
#include "wire/alter_configs.h"
#include "wire/broker_heartbeat.h"
#include "wire/broker_registration.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/incremental_alter_configs.h"
#include "wire/unregister_broker.h"

#define SESSION_NS UINT64_C(9000000000)
#define CLUSTER STRING("cluster")

struct fixture {
    struct image *image;
    struct config *config;
    struct heartbeat_table heartbeats;
    uint64_t now_ns;
    struct arena arena;         /* of the current decision */
    struct record_list records; /* what it decided */
    struct decision decision;
    struct buffer batch; /* the last one replayed */
    uint64_t seed;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The controller's config with up to two settings, "key=value" or NULL. */
void fixture_configure(struct fixture *fixture, const char *first, const char *second);

/* A new decision on the present image; the one before, with its response, is gone. */
const struct decision *decide(struct fixture *fixture);
/* Replays what was decided; returns the batch's base offset, or -1 if nothing was decided. */
int64_t commit(struct fixture *fixture);

struct uuid uuid_of(uint8_t number);
/* Registers a node with one directory (uuid_of(100 + id)); `incarnation` 0 stands for the id. Returns its epoch. */
int64_t register_node(struct fixture *fixture, int32_t id, uint8_t incarnation);
struct broker_registration_request registration_of(struct fixture *fixture, int32_t id, uint8_t incarnation);
/* Sends a heartbeat that has read everything, and commits. */
struct broker_heartbeat_response heartbeat(struct fixture *fixture, int32_t id, bool want_fence, bool want_shut_down);
/* Registers and unfences nodes 1 to `count`. */
void start_nodes(struct fixture *fixture, int32_t count);

/* A request for one topic, to be changed before it is sent. */
struct create_topics_request topic_request(struct fixture *fixture, const char *name, int32_t partitions);
/* Decides; *response is the topic's row. */
struct create_topics_response_topics create_topic(struct fixture *fixture, const struct create_topics_request *request);
/* Creates and commits; asserts success. */
void must_create(struct fixture *fixture, const char *name, int32_t partitions);
struct partition_image partition_of(const struct fixture *fixture, const char *topic, int32_t index);

int run_broker_tests(void);
int run_config_tests(void);
int run_election_tests(void);
int run_model_tests(void);
int run_placement_tests(void);
int run_topic_tests(void);

#endif
