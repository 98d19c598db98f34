/* Servers on two threads and clients on a third, over real sockets: requests that stay, travel and wait, all answered
 * once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/rpc/api_versions.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/runtime/runtime.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

#define SERVERS 2
#define CLIENTS 8
#define CALLS 1500
#define CALLS_AT_ONCE 40
#define RECORDS_SIZE 300000

struct box;

/* One loop with a server. */
struct shop {
    struct box *box;
    size_t index;
    struct runtime_loop *loop;
    struct rpc_server *server;
    struct env_message stop;
    struct list waiting; /* of struct late */
    struct env_timer timer;
};

/* A request that is answered a little later. */
struct late {
    struct list link;
    struct rpc_request *request;
};

struct customer {
    struct box *box;
    struct rpc_client *client;
    struct rpc_call calls[CALLS_AT_ONCE];
    size_t started;
    size_t finished;
    size_t wrong;
};

struct box {
    struct runtime_workers *workers;
    struct runtime_loop *main;
    struct shop shops[SERVERS];
    struct customer customers[CLIENTS];
    struct listener *listener;
    size_t accepted;
    size_t closed;
    uint8_t *records;
};

/* What a connection carries to the loop that adopts it. */
struct handover {
    struct env_message message;
    struct shop *shop;
    struct net_accepted *accepted;
};

static void adopt(struct env_message *message)
{
    struct handover *handover = CONTAINER_OF(message, struct handover, message);

    rpc_server_adopt(handover->shop->server, handover->accepted, 0, NULL);
    memory_free(handover);
}

static void on_accepted(void *context, struct net_accepted *accepted)
{
    struct box *box = context;
    struct handover *handover = memory_alloc_zero(1, sizeof(*handover));

    handover->shop = &box->shops[box->accepted++ % SERVERS];
    handover->accepted = accepted;
    handover->message.deliver = adopt;
    env_post(runtime_loop_env(handover->shop->loop), &handover->message);
}

static void answer_number(struct rpc_request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct init_producer_id_response *response = request->response;

    response->producer_id = body->transaction_timeout_ms;
    rpc_request_complete(request);
}

/* Every third number is answered here, every third elsewhere, every third later. */
static void handle_number(struct rpc_request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct shop *shop = request->service;
    struct late *late;

    switch (body->transaction_timeout_ms % 3) {
    case 0:
        answer_number(request);
        break;
    case 1:
        rpc_request_run_on(request, runtime_loop_env(shop->box->shops[1 - shop->index].loop), answer_number);
        break;
    default:
        late = arena_need(&request->arena, 1, sizeof(*late));
        late->request = request;
        list_append(&shop->waiting, &late->link);
        if (!env_timer_active(&shop->timer)) {
            env_timer_start(request->env, &shop->timer, NS_PER_MS / 2);
        }
        break;
    }
}

static void answer_late(void *context)
{
    struct shop *shop = context;
    struct list *link;

    /* The last first: the connection puts them right. */
    while (!list_empty(&shop->waiting)) {
        link = shop->waiting.previous;
        list_remove(link);
        answer_number(LIST_ENTRY(link, struct late, link)->request);
    }
}

static void handle_produce(struct rpc_request *request)
{
    const struct produce_request *body = request->body;
    struct produce_response *response = request->response;
    const struct records *records = &body->topic_data[0].partition_data[0].records;
    uint64_t sum = 0;

    for (size_t i = 0; i < records->size; i++) {
        sum += records->data[i];
    }
    response->throttle_time_ms = (int32_t)(sum & INT32_MAX);
    rpc_request_complete(request);
}

static void handle_api_versions(struct rpc_request *request);

static const struct rpc_route ROUTES[] = {
    {API_PRODUCE, 3, 9, handle_produce},
    {API_API_VERSIONS, 0, 4, handle_api_versions},
    {API_INIT_PRODUCER_ID, 0, 4, handle_number},
};

static void handle_api_versions(struct rpc_request *request)
{
    rpc_answer_api_versions(request, ROUTES, 3, NULL, 0, -1, STRING("cluster"), 3);
    rpc_request_complete(request);
}

/* --- customers --- */

static void customer_go_on(struct customer *customer);

static void check_number(struct customer *customer, const struct rpc_call *call, size_t number)
{
    if (call->status != STATUS_OK ||
        ((const struct init_producer_id_response *)call->response)->producer_id != (int64_t)number) {
        customer->wrong++;
    }
}

static void on_done(struct rpc_call *call)
{
    struct customer *customer = call->context;

    /* Answers come in order, so this is the oldest. */
    if (call->key == API_INIT_PRODUCER_ID) {
        check_number(customer, call, customer->finished);
    } else if (call->status != STATUS_OK ||
               ((const struct produce_response *)call->response)->throttle_time_ms != RECORDS_SIZE * 3) {
        customer->wrong++;
    }
    customer->finished++;
    rpc_call_deinit(call);
    if (customer->finished == CALLS || call->status != STATUS_OK) {
        rpc_client_close(customer->client);
        return;
    }
    customer_go_on(customer);
}

static void customer_produce(struct customer *customer, struct rpc_call *call)
{
    struct produce_request_topic_data_partition_data partition;
    struct produce_request_topic_data topic;
    struct produce_request request;

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&partition);
    partition.records = (struct records){.data = customer->box->records, .size = RECORDS_SIZE};
    topic.name = STRING("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    rpc_client_call(customer->client, call, API_PRODUCE, 9, &request, 20000);
}

static void customer_go_on(struct customer *customer)
{
    while (customer->started < CALLS && customer->started - customer->finished < CALLS_AT_ONCE) {
        struct rpc_call *call = &customer->calls[customer->started % CALLS_AT_ONCE];
        struct init_producer_id_request request;

        rpc_call_init(call, on_done, customer);
        if (customer->started % 50 == 49) {
            customer_produce(customer, call);
        } else {
            init_producer_id_request_init(&request);
            request.transaction_timeout_ms = (int32_t)customer->started;
            rpc_client_call(customer->client, call, API_INIT_PRODUCER_ID, 4, &request, 20000);
        }
        customer->started++;
    }
}

static void on_opened(void *context, struct rpc_client *client)
{
    (void)client;
    customer_go_on(context);
}

static void on_closed(void *context, struct rpc_client *client, enum status why)
{
    struct customer *customer = context;
    struct box *box = customer->box;

    (void)client;
    customer->wrong += why != STATUS_OK;
    box->closed++;
    if (box->closed == CLIENTS) {
        listener_close(box->listener);
        env_stop(runtime_loop_env(box->main));
    }
}

static const struct rpc_client_handler CLIENT_HANDLER = {.opened = on_opened, .closed = on_closed};

/* --- shops --- */

static void on_stopped(void *context)
{
    env_stop(runtime_loop_env(((struct shop *)context)->loop));
}

static void stop_shop(struct env_message *message)
{
    struct shop *shop = CONTAINER_OF(message, struct shop, stop);

    rpc_server_stop(shop->server, on_stopped, shop);
}

static void open_shops(struct box *box)
{
    for (size_t i = 0; i < SERVERS; i++) {
        struct shop *shop = &box->shops[i];
        const struct rpc_server_options options = {.routes = ROUTES,
                                                   .route_count = 3,
                                                   .service = shop,
                                                   .frame_size_max = 1000000,
                                                   .requests_in_flight_max = 16,
                                                   .receive_bytes_max = 600000};

        *shop = (struct shop){.box = box, .index = i};
        shop->loop = runtime_loop_create(&(struct runtime_options){.workers = box->workers});
        shop->server = rpc_server_create(runtime_loop_env(shop->loop), &options);
        list_init(&shop->waiting);
        env_timer_init(&shop->timer, answer_late, shop);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(runtime_thread_start(box->shops[i].loop), STATUS_OK);
    }
}

static void requests_that_stay_travel_and_wait_are_answered_once(void **state)
{
    struct box *box = memory_alloc_zero(1, sizeof(*box));
    struct env *env;

    (void)state;
    box->workers = runtime_workers_create(NULL);
    box->main = runtime_loop_create(&(struct runtime_options){.workers = box->workers});
    box->records = memory_alloc(RECORDS_SIZE);
    memset(box->records, 3, RECORDS_SIZE);
    env = runtime_loop_env(box->main);
    open_shops(box);
    assert_int_equal(net_listen(env->net, "127.0.0.1", 0, on_accepted, box, &box->listener), STATUS_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct rpc_client_options options = {.host = "127.0.0.1",
                                                   .port = listener_port(box->listener),
                                                   .client_id = "customer",
                                                   .connect_timeout_ms = 20000,
                                                   .response_size_max = 1000000};

        box->customers[i].box = box;
        box->customers[i].client = rpc_client_open(env, &options, &CLIENT_HANDLER, &box->customers[i]);
    }
    runtime_loop_run(box->main);
    for (size_t i = 0; i < SERVERS; i++) {
        box->shops[i].stop.deliver = stop_shop;
        env_post(runtime_loop_env(box->shops[i].loop), &box->shops[i].stop);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        runtime_thread_join(box->shops[i].loop);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(box->customers[i].finished, CALLS);
        assert_int_equal(box->customers[i].wrong, 0);
    }
    runtime_loop_drain(box->main);
    for (size_t i = 0; i < SERVERS; i++) {
        runtime_loop_drain(box->shops[i].loop);
        rpc_server_destroy(box->shops[i].server);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        runtime_loop_destroy(box->shops[i].loop);
    }
    runtime_loop_destroy(box->main);
    runtime_workers_destroy(box->workers);
    memory_free(box->records);
    memory_free(box);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_stay_travel_and_wait_are_answered_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
