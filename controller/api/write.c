/* The way of every write: decide, propose, answer when applied; or pass on. */
#include "controller/api/api.h"

#include "common/base/assert.h"
#include "common/wire/error.h"

/* A write on its way; lives in the request's arena. */
struct api_pending {
    struct machine_write write;
    struct rpc_request *request;
    const struct api_write *kind;
};

static void release_image(struct rpc_request *request)
{
    image_unref(request->release_context);
}

void api_hold_image(struct rpc_request *request, struct image *image)
{
    ASSERT(request->release == NULL);
    request->release = release_image;
    request->release_context = image_ref(image);
}

/* What a client is told if its write did not happen, or perhaps not. NOT_CONTROLLER means that it certainly did not. */
static int16_t error_of(enum status status)
{
    switch (status) {
    case STATUS_NOT_LEADER:
        return ERROR_NOT_CONTROLLER;
    case STATUS_UNKNOWN_OUTCOME:
    case STATUS_FULL:
    case STATUS_CLOSED:
        return ERROR_REQUEST_TIMED_OUT;
    case STATUS_TOO_LARGE:
        return ERROR_POLICY_VIOLATION;
    default:
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
}

static void fail(struct rpc_request *request, int16_t error)
{
    const struct api_write *kind = api_write_find(request->api->key);

    request->api->response.init(request->response);
    if (kind != NULL) {
        kind->fail(request, error);
    } else {
        ASSERT(request->api->key == API_DESCRIBE_QUORUM);
        api_describe_quorum_fail(request, error);
    }
    rpc_request_complete(request);
}

/* Once it was sent, whatever happened to the connection says nothing about the request. */
static void not_passed_on(struct rpc_request *request, enum status why)
{
    fail(request, why == STATUS_NOT_LEADER ? ERROR_NOT_CONTROLLER : ERROR_REQUEST_TIMED_OUT);
}

void api_pass_on(struct rpc_request *request)
{
    forwarder_pass(&api_machine(request)->forwarder, request, not_passed_on);
}

static void committed(struct machine_write *write, enum status status)
{
    const struct api_pending *pending = CONTAINER_OF(write, struct api_pending, write);
    struct rpc_request *request = pending->request;

    if (status != STATUS_OK) {
        fail(request, error_of(status));
        return;
    }
    if (write->offset >= 0 && pending->kind->applied != NULL) {
        pending->kind->applied(api_machine(request), request, write->offset);
    }
    rpc_request_complete(request);
}

void api_write_handle(struct rpc_request *request)
{
    struct machine *machine = api_machine(request);
    struct api_pending *pending;
    struct record_list records;
    struct decision decision;

    if (!machine_is_active(machine)) {
        if (machine->active || api_write_find(request->api->key)->direct) {
            fail(request, ERROR_NOT_CONTROLLER);
        } else {
            api_pass_on(request);
        }
        return;
    }
    pending = arena_need(&request->arena, 1, sizeof(*pending));
    pending->request = request;
    pending->kind = api_write_find(request->api->key);
    pending->write.done = committed;
    api_hold_image(request, machine_newest(machine));
    machine_begin(machine, &request->arena, &records, &decision);
    pending->kind->decide(machine, &decision, request);
    if (records.count > 0) {
        machine_propose(machine, &records, &pending->write);
    } else if (pending->kind->hasty && machine->ahead == NULL) {
        rpc_request_complete(request);
    } else {
        machine_barrier(machine, &pending->write);
    }
}
