/* A server on fake streams, with handlers that answer at once, later, elsewhere or at length. */
#ifndef TESTS_UNIT_RPC_SERVER_FIXTURE_H
#define TESTS_UNIT_RPC_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rpc/server.h"
#include "tests/unit/rpc/frames.h"
#include "tests/unit/rpc/world.h"

#define HELD_MAX 2048
#define BIG_NAME 30000

struct fixture {
    struct world world;
    struct rpc_server_options options;
    struct rpc_server *server;
    struct rpc_request *held[HELD_MAX];
    size_t held_count;
    size_t handled;
    size_t cancelled;
    size_t released;
    size_t sessions_gone;
    bool cancel_completes;
    bool hold_back; /* Produce holds back what is behind it */
    bool stopped;
    size_t visits_elsewhere;
    /* of the upgrade */
    struct buffer upgraded;
    void (*upgrade_close)(void *connection);
    void *upgrade_connection;
    size_t upgrades_closed;
    bool upgrade_refuse;
    bool upgrade_bad;
    char big_name[BIG_NAME];
};

/* Of the fixture's server, copied for each test: Produce is held, Metadata gets a large answer, ApiVersions and
 * InitProducerId are answered at once. */
extern struct rpc_route routes[4];
#define ROUTE_NUMBER 3

/* Bytes of one large answer, about. */
#define BIG_ANSWER (10 * BIG_NAME)

#define PREFACE "\xffraft/1\n"
extern const struct rpc_upgrade UPGRADE;

int setup(void **state);
/* Stops the server, and waits for that. */
int teardown(void **state);
/* With the options as they are now. */
void start(struct fixture *fixture);
/* InitProducerId's other handler: travels to the second loop and is completed there with 77. */
void handle_travel(struct rpc_request *request);
void on_stopped(void *context);

struct fake_stream *connect_to(struct fixture *fixture);
void push_frames(struct fake_stream *stream, struct buffer *frames);
void push_number(struct fake_stream *stream, int32_t correlation_id, int32_t number);
void push_produce(struct fake_stream *stream, int32_t correlation_id, size_t size);
void push_big(struct fake_stream *stream, int32_t correlation_id);

/* Asserts that the stream's output from `*at` on begins with answers with these correlation ids; moves `*at`. */
void assert_answers(const struct fake_stream *stream, size_t *at, int32_t first, int32_t last);
void assert_no_more(const struct fake_stream *stream, size_t at);
void assert_number(const struct fake_stream *stream, size_t *at, int32_t id, int64_t number);
struct rpc_server_stats stats_of(const struct fixture *fixture);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int run_flow_tests(void);
int run_share_tests(void);
int run_end_tests(void);

#endif
