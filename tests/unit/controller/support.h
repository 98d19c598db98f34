/* Controllers on the real runtime, all on one loop, with directories that vanish and ports that the system chose; and a
 * client that asks them one thing at a time. */
#ifndef TESTS_CONTROLLER_SUPPORT_H
#define TESTS_CONTROLLER_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config/config.h"
#include "common/metadata/image.h"
#include "common/rpc/client.h"
#include "common/runtime/runtime.h"
#include "common/wire/error.h"
#include "controller/controller.h"

#include "wire/broker_heartbeat.h"
#include "wire/broker_registration.h"
#include "wire/create_topics.h"
#include "wire/fetch.h"

#define CLUSTER_MAX 3
#define PATIENCE_NS (20 * NS_PER_SECOND)
#define ELECTION_MS 150
#define SESSION_MS 2000

struct cluster {
    struct runtime_workers *workers;
    struct runtime_loop *loop;
    struct env *env;
    struct config *config;
    struct env_timer timer;
    bool timed_out;
    int count;
    char root[64];
    char directories[CLUSTER_MAX][96];
    struct controller_options options[CLUSTER_MAX]; /* may be changed before a start */
    struct controller *controllers[CLUSTER_MAX];    /* NULL: down */
    int failures;                                   /* calls of `fatal` */
};

struct cluster *cluster_open(int count);
void cluster_close(struct cluster *cluster);
void cluster_start(struct cluster *cluster, int index);
void cluster_stop(struct cluster *cluster, int index);
/* Turns the loop until `condition` holds or patience ends, which fails the test. */
void cluster_until(struct cluster *cluster, bool (*condition)(void *context), void *context);
void cluster_run_for(struct cluster *cluster, uint64_t ns);
/* Waits for an active controller and returns its index. */
int cluster_active(struct cluster *cluster);
/* Waits until all running controllers have committed the same offset and more than `offset`. */
void cluster_settle(struct cluster *cluster, int64_t offset);

struct client {
    struct cluster *cluster;
    struct rpc_client *rpc; /* NULL: closed */
    struct rpc_call call;
    bool open;
    bool done;
    bool used;
};

/* Connects to controller `index`. */
void client_open(struct client *client, struct cluster *cluster, int index);
void client_open_as(struct client *client, struct cluster *cluster, int index, const char *client_id);
void client_close(struct client *client);
/* Sends and waits; the response lives until the next call. Fails the test if there is no answer. */
void *client_call(struct client *client, int16_t key, int16_t version, const void *request);
/* In two steps. */
void client_begin(struct client *client, int16_t key, int16_t version, const void *request);
void *client_end(struct client *client);

/* Common steps; each fails the test unless it succeeds. */
int64_t register_broker(struct client *client, int32_t id);
/* Heartbeat; returns whether it is fenced. */
bool heartbeat(struct client *client, int32_t id, int64_t epoch, int64_t metadata_offset);
/* Returns the topic's error. */
int16_t create_topic(struct client *client, const char *name, int32_t partitions);
/* One fetch of the metadata log from behind the image on, replayed into it. Returns the partition's error;
 * *snapshot_end: of the snapshot id, -1 if none. */
int16_t fetch_metadata(struct client *client, struct image **image, int32_t wait_ms, int64_t *snapshot_end,
                       int32_t *snapshot_epoch);
void fetch_request_begin(struct client *client, int64_t offset, int32_t wait_ms);

#endif
