/* The calling side: greeting, calls in a pipeline, answers that are late, wrong, too large; and requests passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/rpc/client.h"
#include "common/rpc/failure.h"
#include "common/rpc/forward.h"
#include "tests/unit/rpc/frames.h"
#include "tests/unit/rpc/world.h"
#include "wire/api_versions.h"
#include "wire/create_topics.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

#define CALLS_MAX 16

struct fixture {
    struct world world;
    struct rpc_client *client; /* NULL once closed */
    struct fake_stream *stream;
    size_t read_at; /* of what the client sent */
    size_t opened;
    size_t closed;
    enum status why;
    struct rpc_call calls[CALLS_MAX];
    size_t done[CALLS_MAX]; /* call indexes in the order they finished */
    size_t done_count;
    bool call_again;
    /* of the server that passes on */
    struct rpc_server *front;
    struct rpc_request *asked; /* at the front */
    enum status forward_failed;
    size_t failures;
    bool stopped;
};

static void on_opened(void *context, struct rpc_client *client)
{
    struct fixture *fixture = context;

    assert_ptr_equal(client, fixture->client);
    fixture->opened++;
}

static void on_closed(void *context, struct rpc_client *client, enum status why)
{
    struct fixture *fixture = context;

    assert_ptr_equal(client, fixture->client);
    fixture->closed++;
    fixture->why = why;
    fixture->client = NULL;
    fixture->stream = NULL;
}

static const struct rpc_client_handler HANDLER = {.opened = on_opened, .closed = on_closed};

static void on_connect(struct world *world, struct fake_stream *stream)
{
    struct fixture *fixture = world->context;

    fixture->stream = stream;
}

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    world_init(&fixture->world);
    fixture->world.on_connect = on_connect;
    fixture->world.context = fixture;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->client != NULL) {
        rpc_client_close(fixture->client);
    }
    world_run(&fixture->world);
    assert_null(fixture->client);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        rpc_call_deinit(&fixture->calls[i]);
    }
    world_deinit(&fixture->world);
    memory_free(fixture);
    return 0;
}

static void open_client(struct fixture *fixture)
{
    const struct rpc_client_options options = {.host = "nowhere",
                                               .port = 9,
                                               .client_id = "tester",
                                               .connect_timeout_ms = 3000,
                                               .response_size_max = 1000000};

    fixture->client = rpc_client_open(world_env(&fixture->world, 0), &options, &HANDLER, fixture);
    fixture->read_at = 0;
}

/* The next request that the client sent. */
static struct request_header assert_request(struct fixture *fixture, struct arena *arena, struct reader *reader)
{
    struct request_header header;
    struct bytes frame;

    assert_true(frame_next(&fixture->stream->out, &fixture->read_at, &frame));
    reader_init(reader, frame, arena);
    request_header_read(&header, reader);
    assert_true(reader_ok(reader));
    return header;
}

static struct request_header take_request(struct fixture *fixture)
{
    struct request_header header;
    struct reader reader;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    header = assert_request(fixture, &arena, &reader);
    arena_deinit(&arena);
    return header;
}

static void answer(struct fixture *fixture, int16_t key, int16_t version, int32_t correlation_id, const void *body)
{
    struct buffer frames;

    buffer_init(&frames);
    frame_answer(&frames, key, version, correlation_id, body);
    stream_push(fixture->stream, frames.data, frames.size);
    buffer_deinit(&frames);
    world_run(&fixture->world);
}

static void answer_number(struct fixture *fixture, int32_t correlation_id, int64_t number)
{
    struct init_producer_id_response response;

    init_producer_id_response_init(&response);
    response.producer_id = number;
    answer(fixture, API_INIT_PRODUCER_ID, 0, correlation_id, &response);
}

static void answer_greeting(struct fixture *fixture, int16_t version, int16_t error)
{
    struct api_versions_response_api_keys keys[] = {
        {.api_key = API_PRODUCE, .min_version = 3, .max_version = 8},
        {.api_key = API_API_VERSIONS, .max_version = 2},
        {.api_key = API_CREATE_TOPICS, .min_version = 2, .max_version = 5},
        {.api_key = API_INIT_PRODUCER_ID, .max_version = 99},
        {.api_key = API_FETCH, .min_version = 30, .max_version = 40},
    };
    const struct request_header header = take_request(fixture);
    struct api_versions_response response;

    assert_int_equal(header.key, API_API_VERSIONS);
    assert_int_equal(header.version, version);
    assert_true(string_is(header.client_id, "tester"));
    api_versions_response_init(&response);
    response.error_code = error;
    response.api_keys = keys;
    response.api_keys_count = 5;
    answer(fixture, API_API_VERSIONS, error == 35 ? 0 : version, header.correlation_id, &response);
}

static void open_and_greet(struct fixture *fixture)
{
    open_client(fixture);
    world_run(&fixture->world);
    answer_greeting(fixture, 3, 0);
    assert_int_equal(fixture->opened, 1);
}

static void on_done(struct rpc_call *call);

static void call_number(struct fixture *fixture, size_t index, int32_t number)
{
    struct init_producer_id_request request;

    init_producer_id_request_init(&request);
    request.transaction_timeout_ms = number;
    rpc_call_deinit(&fixture->calls[index]);
    rpc_call_init(&fixture->calls[index], on_done, fixture);
    rpc_client_call(fixture->client, &fixture->calls[index], API_INIT_PRODUCER_ID, 0, &request, 5000);
}

static void on_done(struct rpc_call *call)
{
    struct fixture *fixture = call->context;

    assert_true(fixture->done_count < CALLS_MAX);
    fixture->done[fixture->done_count++] = (size_t)(call - fixture->calls);
    assert_true((call->status == STATUS_OK) == (call->response != NULL));
    if (fixture->call_again) {
        fixture->call_again = false;
        call_number(fixture, CALLS_MAX - 1, 1);
    }
}

static int64_t number_of(const struct fixture *fixture, size_t index)
{
    return ((const struct init_producer_id_response *)fixture->calls[index].response)->producer_id;
}

/* --- opening --- */

static void opening_agrees_on_versions(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    assert_int_equal(rpc_client_version(fixture->client, API_PRODUCE, INT16_MAX), 8);
    assert_int_equal(rpc_client_version(fixture->client, API_PRODUCE, 7), 7);
    assert_int_equal(rpc_client_version(fixture->client, API_PRODUCE, 2), -1);
    assert_int_equal(rpc_client_version(fixture->client, API_INIT_PRODUCER_ID, INT16_MAX), 5);
    assert_int_equal(rpc_client_version(fixture->client, API_FETCH, INT16_MAX), -1);
    assert_int_equal(rpc_client_version(fixture->client, API_METADATA, INT16_MAX), -1);
    assert_int_equal(rpc_client_version(fixture->client, 12345, INT16_MAX), -1);
    assert_int_equal(rpc_client_features(fixture->client)->api_keys_count, 5);
    assert_string_equal(rpc_client_peer(fixture->client), "fake:1");
}

static void an_old_server_is_greeted_again_in_version_0(void **state)
{
    struct fixture *fixture = *state;

    open_client(fixture);
    world_run(&fixture->world);
    answer_greeting(fixture, 3, 35);
    assert_int_equal(fixture->opened, 0);
    answer_greeting(fixture, 0, 0);
    assert_int_equal(fixture->opened, 1);
    assert_int_equal(rpc_client_version(fixture->client, API_PRODUCE, INT16_MAX), 8);
}

static void a_server_that_refuses_the_greeting_is_left(void **state)
{
    struct fixture *fixture = *state;

    open_client(fixture);
    world_run(&fixture->world);
    answer_greeting(fixture, 3, 31);
    assert_int_equal(fixture->opened, 0);
    assert_int_equal(fixture->why, STATUS_UNSUPPORTED);
    open_client(fixture);
    world_run(&fixture->world);
    answer_greeting(fixture, 3, 35);
    answer_greeting(fixture, 0, 35);
    assert_int_equal(fixture->opened, 0);
    assert_int_equal(fixture->closed, 2);
}

static void connecting_and_greeting_have_a_timeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->world.on_connect = NULL;
    open_client(fixture);
    world_sleep(&fixture->world, 2999 * NS_PER_MS);
    assert_int_equal(fixture->closed, 0);
    world_sleep(&fixture->world, NS_PER_MS);
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->why, STATUS_TIMEOUT);
    fixture->world.on_connect = on_connect;
    open_client(fixture);
    world_sleep(&fixture->world, 3001 * NS_PER_MS);
    assert_int_equal(fixture->closed, 2);
    assert_int_equal(fixture->why, STATUS_TIMEOUT);
    assert_int_equal(fixture->opened, 0);
}

static void an_open_client_has_no_connect_timeout(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    world_sleep(&fixture->world, 100 * NS_PER_SECOND);
    assert_int_equal(fixture->closed, 0);
}

/* --- calls --- */

static void calls_in_a_pipeline_get_their_answers_in_order(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    for (size_t i = 0; i < 5; i++) {
        call_number(fixture, i, (int32_t)i);
    }
    world_run(&fixture->world);
    for (size_t i = 0; i < 5; i++) {
        const struct request_header header = take_request(fixture);

        assert_int_equal(header.key, API_INIT_PRODUCER_ID);
        answer_number(fixture, header.correlation_id, 100 + (int64_t)i);
        assert_int_equal(fixture->done_count, i + 1);
        assert_int_equal(number_of(fixture, i), 100 + i);
    }
    /* Each keeps its own answer. */
    assert_int_equal(number_of(fixture, 0), 100);
}

static void answers_may_come_one_byte_at_a_time(void **state)
{
    struct fixture *fixture = *state;

    open_client(fixture);
    world_run(&fixture->world);
    fixture->stream->chunk = 1;
    answer_greeting(fixture, 3, 0);
    call_number(fixture, 0, 1);
    call_number(fixture, 1, 2);
    world_run(&fixture->world);
    answer_number(fixture, take_request(fixture).correlation_id, 10);
    answer_number(fixture, take_request(fixture).correlation_id, 11);
    assert_int_equal(number_of(fixture, 0), 10);
    assert_int_equal(number_of(fixture, 1), 11);
}

static void a_late_answer_finishes_the_call_and_the_connection(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    call_number(fixture, 0, 1);
    world_sleep(&fixture->world, 1000 * NS_PER_MS);
    call_number(fixture, 1, 2);
    fixture->call_again = true;
    world_sleep(&fixture->world, 3999 * NS_PER_MS);
    assert_int_equal(fixture->done_count, 0);
    world_sleep(&fixture->world, NS_PER_MS);
    assert_int_equal(fixture->done_count, 3);
    assert_int_equal(fixture->done[0], 0);
    assert_int_equal(fixture->calls[0].status, STATUS_TIMEOUT);
    assert_int_equal(fixture->calls[1].status, STATUS_TIMEOUT);
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->why, STATUS_TIMEOUT);
}

static void a_wrong_correlation_id_closes(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    call_number(fixture, 0, 1);
    call_number(fixture, 1, 1);
    world_run(&fixture->world);
    (void)take_request(fixture);
    answer_number(fixture, take_request(fixture).correlation_id, 1);
    assert_int_equal(fixture->calls[0].status, STATUS_CORRUPT);
    assert_int_equal(fixture->calls[1].status, STATUS_CORRUPT);
    assert_int_equal(fixture->why, STATUS_CORRUPT);
}

static void an_answer_that_nobody_asked_for_closes(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    answer_number(fixture, 1, 1);
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->why, STATUS_CORRUPT);
}

static void undecodable_answers_close(void **state)
{
    struct fixture *fixture = *state;

    /* Of an answer of 20 bytes fewer and more. */
    for (int32_t size = 4; size <= 21; size++) {
        uint8_t frame[32] = {0};

        if (size == 20) {
            continue;
        }
        open_and_greet(fixture);
        call_number(fixture, 0, 1);
        world_run(&fixture->world);
        store_i32(frame, size);
        store_i32(frame + 4, take_request(fixture).correlation_id);
        stream_push(fixture->stream, frame, 4 + (size_t)size);
        world_run(&fixture->world);
        assert_int_equal(fixture->calls[0].status, STATUS_CORRUPT);
        assert_int_equal(fixture->why, STATUS_CORRUPT);
        assert_null(fixture->client);
        fixture->opened = 0;
        fixture->done_count = 0;
    }
}

static void answers_of_impossible_sizes_close(void **state)
{
    static const int32_t SIZES[] = {-1, 0, 3, 1000001, INT32_MAX, INT32_MIN};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        uint8_t frame[64] = {0};

        open_and_greet(fixture);
        call_number(fixture, 0, 1);
        world_run(&fixture->world);
        store_i32(frame, SIZES[i]);
        stream_push(fixture->stream, frame, sizeof(frame));
        world_run(&fixture->world);
        assert_int_equal(fixture->calls[0].status, STATUS_TOO_LARGE);
        assert_int_equal(fixture->why, STATUS_TOO_LARGE);
        fixture->opened = 0;
        fixture->done_count = 0;
    }
}

static void a_peer_that_closes_finishes_all_calls(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    call_number(fixture, 0, 1);
    call_number(fixture, 1, 1);
    stream_end(fixture->stream);
    fixture->call_again = true;
    world_run(&fixture->world);
    assert_int_equal(fixture->done_count, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture->calls[i].status, STATUS_CLOSED);
    }
    assert_int_equal(fixture->calls[CALLS_MAX - 1].status, STATUS_CLOSED);
    assert_int_equal(fixture->why, STATUS_CLOSED);
}

static void calls_of_a_client_that_closes_finish_later_never_inside(void **state)
{
    struct fixture *fixture = *state;

    open_and_greet(fixture);
    call_number(fixture, 0, 1);
    rpc_client_close(fixture->client);
    rpc_client_close(fixture->client);
    call_number(fixture, 1, 1);
    assert_int_equal(fixture->done_count, 0);
    assert_int_equal(fixture->closed, 0);
    world_run(&fixture->world);
    assert_int_equal(fixture->done_count, 2);
    assert_int_equal(fixture->calls[1].status, STATUS_CLOSED);
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->why, STATUS_OK);
}

static void spliced_records_are_sent_whole(void **state)
{
    struct produce_request_topic_data_partition_data partition;
    struct produce_request_topic_data topic;
    struct fixture *fixture = *state;
    struct produce_request request;
    struct produce_request back;
    uint8_t *records = memory_alloc(100000);
    struct request_header header;
    struct reader reader;
    struct arena arena;

    memset(records, 'r', 100000);
    open_and_greet(fixture);
    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&partition);
    partition.records = (struct records){.data = records, .size = 100000};
    topic.name = STRING("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    rpc_client_send(fixture->client, API_PRODUCE, 8, &request);
    /* The caller's memory is not needed any more. */
    memory_free(records);
    world_run(&fixture->world);
    arena_init(&arena, 1 << 20);
    header = assert_request(fixture, &arena, &reader);
    assert_int_equal(header.key, API_PRODUCE);
    api_find(API_PRODUCE)->request.init(&back);
    api_find(API_PRODUCE)->request.read(&back, &reader, 8);
    assert_true(reader_done(&reader));
    assert_int_equal(back.topic_data[0].partition_data[0].records.size, 100000);
    assert_int_equal(back.topic_data[0].partition_data[0].records.data[99999], 'r');
    arena_deinit(&arena);
    /* Nothing is expected back: the next answer is the next call's. */
    call_number(fixture, 0, 1);
    world_run(&fixture->world);
    answer_number(fixture, take_request(fixture).correlation_id, 5);
    assert_int_equal(number_of(fixture, 0), 5);
}

/* --- passing on --- */

static void forward_failed(struct rpc_request *request, enum status why)
{
    struct fixture *fixture = request->service;

    fixture->forward_failed = why;
    fixture->failures++;
    rpc_answer_failure(request, 41, "not now");
    rpc_request_complete(request);
}

static void forward_here(struct rpc_request *request)
{
    struct fixture *fixture = request->service;

    rpc_forward(request, fixture->client, 5000, forward_failed);
}

/* The client is of loop 0, the front of loop 1. */
static void handle_create_topics(struct rpc_request *request)
{
    struct fixture *fixture = request->service;

    rpc_request_run_on(request, world_env(&fixture->world, 0), forward_here);
}

static const struct rpc_route FRONT_ROUTES[] = {{API_CREATE_TOPICS, 2, 5, handle_create_topics}};

static struct fake_stream *open_front(struct fixture *fixture)
{
    const struct rpc_server_options options = {.routes = FRONT_ROUTES,
                                               .route_count = 1,
                                               .service = fixture,
                                               .frame_size_max = 1000000,
                                               .requests_in_flight_max = 10,
                                               .receive_bytes_max = 1000000};

    fixture->front = rpc_server_create(world_env(&fixture->world, 1), &options);
    rpc_server_adopt(fixture->front, world_accept(&fixture->world), 0, NULL);
    return fixture->world.adopted;
}

static void on_stopped(void *context)
{
    ((struct fixture *)context)->stopped = true;
}

static void close_front(struct fixture *fixture)
{
    rpc_server_stop(fixture->front, on_stopped, fixture);
    world_run(&fixture->world);
    assert_true(fixture->stopped);
    rpc_server_destroy(fixture->front);
}

static void push_create_topics(struct fixture *fixture, struct fake_stream *stream, int32_t correlation_id)
{
    struct create_topics_request_topics topics[2];
    struct create_topics_request request;
    struct buffer frames;

    create_topics_request_init(&request);
    for (size_t i = 0; i < 2; i++) {
        create_topics_request_topics_init(&topics[i]);
        topics[i].name = i == 0 ? STRING("one") : STRING("two");
    }
    request.topics = topics;
    request.topics_count = 2;
    buffer_init(&frames);
    frame_request(&frames, API_CREATE_TOPICS, 4, correlation_id, &request);
    stream_push(stream, frames.data, frames.size);
    buffer_deinit(&frames);
    world_run(&fixture->world);
}

/* Reads the front's answer: error of the second topic. */
static int16_t front_answer(struct fake_stream *stream, size_t *at, int32_t correlation_id)
{
    struct create_topics_response response;
    struct bytes frame;
    struct arena arena;
    int16_t error;

    arena_init(&arena, 1 << 20);
    assert_true(frame_next(&stream->out, at, &frame));
    assert_int_equal(frame_correlation_id(frame), correlation_id);
    assert_true(frame_decode(frame, API_CREATE_TOPICS, 4, &arena, &response));
    assert_int_equal(response.topics_count, 2);
    assert_true(string_is(response.topics[1].name, "two"));
    error = response.topics[1].error_code;
    arena_deinit(&arena);
    return error;
}

static void a_request_is_passed_on_and_its_answer_handed_through(void **state)
{
    struct create_topics_response_topics topics[2];
    struct create_topics_response response;
    struct fixture *fixture = *state;
    struct fake_stream *front;
    struct request_header header;
    size_t at = 0;

    open_and_greet(fixture);
    front = open_front(fixture);
    push_create_topics(fixture, front, 31);
    header = take_request(fixture);
    assert_int_equal(header.key, API_CREATE_TOPICS);
    assert_int_equal(header.version, 4);
    create_topics_response_init(&response);
    for (size_t i = 0; i < 2; i++) {
        create_topics_response_topics_init(&topics[i]);
        topics[i].name = i == 0 ? STRING("one") : STRING("two");
        topics[i].error_code = 36;
    }
    response.topics = topics;
    response.topics_count = 2;
    answer(fixture, API_CREATE_TOPICS, 4, header.correlation_id, &response);
    assert_int_equal(front_answer(front, &at, 31), 36);
    assert_int_equal(fixture->failures, 0);
    close_front(fixture);
}

static void a_request_that_cannot_be_passed_on_fails_in_its_own_shape(void **state)
{
    struct fixture *fixture = *state;
    struct fake_stream *front;
    size_t at = 0;

    open_and_greet(fixture);
    front = open_front(fixture);
    push_create_topics(fixture, front, 31);
    stream_end(fixture->stream);
    world_run(&fixture->world);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(fixture->forward_failed, STATUS_CLOSED);
    assert_int_equal(front_answer(front, &at, 31), 41);
    close_front(fixture);
}

static void an_answer_for_a_client_that_has_gone_is_dropped(void **state)
{
    struct create_topics_response response;
    struct fixture *fixture = *state;
    struct request_header header;
    struct fake_stream *front;

    open_and_greet(fixture);
    front = open_front(fixture);
    push_create_topics(fixture, front, 31);
    stream_end(front);
    world_run(&fixture->world);
    header = take_request(fixture);
    create_topics_response_init(&response);
    answer(fixture, API_CREATE_TOPICS, 4, header.correlation_id, &response);
    close_front(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(opening_agrees_on_versions),
        TEST(an_old_server_is_greeted_again_in_version_0),
        TEST(a_server_that_refuses_the_greeting_is_left),
        TEST(connecting_and_greeting_have_a_timeout),
        TEST(an_open_client_has_no_connect_timeout),
        TEST(calls_in_a_pipeline_get_their_answers_in_order),
        TEST(answers_may_come_one_byte_at_a_time),
        TEST(a_late_answer_finishes_the_call_and_the_connection),
        TEST(a_wrong_correlation_id_closes),
        TEST(an_answer_that_nobody_asked_for_closes),
        TEST(undecodable_answers_close),
        TEST(answers_of_impossible_sizes_close),
        TEST(a_peer_that_closes_finishes_all_calls),
        TEST(calls_of_a_client_that_closes_finish_later_never_inside),
        TEST(spliced_records_are_sent_whole),
        TEST(a_request_is_passed_on_and_its_answer_handed_through),
        TEST(a_request_that_cannot_be_passed_on_fails_in_its_own_shape),
        TEST(an_answer_for_a_client_that_has_gone_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
