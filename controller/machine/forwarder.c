/* One connection to the active controller. */
#include "controller/machine/forwarder.h"

#include "common/base/assert.h"
#include "common/rpc/forward.h"
#include "common/trace/trace.h"

#include <stdio.h>

#define FORWARDER_CONNECT_TIMEOUT_MS 2000
#define FORWARDER_RESPONSE_MAX ((uint32_t)64 * 1024 * 1024)

/* A request that waits for the connection; lives in its arena. */
struct forwarded {
    struct list link;
    struct rpc_request *request;
    void (*failed)(struct rpc_request *request, enum status why);
};

void forwarder_init(struct forwarder *forwarder, struct env *env, const struct forwarder_options *options)
{
    *forwarder = (struct forwarder){.env = env, .options = *options, .target = QUORUM_ID_UNKNOWN};
    list_init(&forwarder->waiting);
}

bool forwarder_has_passed(const struct rpc_request *request)
{
    const size_t size = sizeof(FORWARDER_CLIENT_ID) - 1;

    return request->client_id.size >= size && memcmp(request->client_id.data, FORWARDER_CLIENT_ID, size) == 0;
}

static void fail_waiting(struct forwarder *forwarder)
{
    struct list *link;

    while ((link = list_take_first(&forwarder->waiting)) != NULL) {
        const struct forwarded *forwarded = LIST_ENTRY(link, struct forwarded, link);

        forwarder->waiting_count--;
        forwarded->failed(forwarded->request, STATUS_NOT_LEADER);
    }
}

static void pass(struct forwarder *forwarder, struct rpc_request *request,
                 void (*failed)(struct rpc_request *request, enum status why))
{
    /* Another version could not say all that the request says. */
    if (rpc_client_version(forwarder->client, request->api->key, request->version) != request->version) {
        failed(request, STATUS_NOT_LEADER);
        return;
    }
    rpc_forward(request, forwarder->client, forwarder->options.timeout_ms, failed);
}

static void on_opened(void *context, struct rpc_client *client)
{
    struct forwarder *forwarder = context;
    struct list *link;

    (void)client;
    if (forwarder->leaving) {
        return;
    }
    forwarder->open = true;
    while ((link = list_take_first(&forwarder->waiting)) != NULL) {
        const struct forwarded *forwarded = LIST_ENTRY(link, struct forwarded, link);

        forwarder->waiting_count--;
        pass(forwarder, forwarded->request, forwarded->failed);
    }
}

static void connect_to_target(struct forwarder *forwarder);

static void on_closed(void *context, struct rpc_client *client, enum status why)
{
    struct forwarder *forwarder = context;
    const bool by_us = forwarder->leaving;

    (void)client;
    if (!by_us) {
        trace_info("forwarding_lost", T_INT("controller", forwarder->client_target), T_STATUS("why", why));
    }
    forwarder->client = NULL;
    forwarder->open = false;
    forwarder->leaving = false;
    if (forwarder->closed) {
        forwarder->done(forwarder->context);
        return;
    }
    if (by_us && !list_empty(&forwarder->waiting)) {
        connect_to_target(forwarder);
    } else {
        fail_waiting(forwarder);
    }
}

static const struct rpc_client_handler CLIENT_HANDLER = {.opened = on_opened, .closed = on_closed};

static void connect_to_target(struct forwarder *forwarder)
{
    const struct quorum_voter *voter = NULL;
    char client_id[sizeof(FORWARDER_CLIENT_ID) + 12];

    for (int i = 0; i < forwarder->options.voter_count; i++) {
        if (forwarder->options.voters[i].id == forwarder->target) {
            voter = &forwarder->options.voters[i];
        }
    }
    ASSERT(voter != NULL);
    snprintf(client_id, sizeof(client_id), FORWARDER_CLIENT_ID "%d", (int)forwarder->options.id);
    forwarder->client_target = forwarder->target;
    forwarder->client = rpc_client_open(forwarder->env,
                                        &(struct rpc_client_options){.host = voter->host,
                                                                     .port = voter->port,
                                                                     .client_id = client_id,
                                                                     .connect_timeout_ms = FORWARDER_CONNECT_TIMEOUT_MS,
                                                                     .response_size_max = FORWARDER_RESPONSE_MAX},
                                        &CLIENT_HANDLER, forwarder);
}

void forwarder_aim(struct forwarder *forwarder, int32_t target)
{
    if (target == forwarder->target) {
        return;
    }
    forwarder->target = target;
    fail_waiting(forwarder);
    if (forwarder->client != NULL && !forwarder->leaving) {
        forwarder->leaving = true;
        forwarder->open = false;
        rpc_client_close(forwarder->client);
    }
}

void forwarder_pass(struct forwarder *forwarder, struct rpc_request *request,
                    void (*failed)(struct rpc_request *request, enum status why))
{
    struct forwarded *forwarded;

    if (forwarder->closed || forwarder->target == QUORUM_ID_UNKNOWN || forwarder_has_passed(request) ||
        forwarder->waiting_count >= forwarder->options.waiting_max) {
        failed(request, STATUS_NOT_LEADER);
        return;
    }
    if (forwarder->open) {
        pass(forwarder, request, failed);
        return;
    }
    forwarded = arena_need(&request->arena, 1, sizeof(*forwarded));
    forwarded->request = request;
    forwarded->failed = failed;
    list_append(&forwarder->waiting, &forwarded->link);
    forwarder->waiting_count++;
    if (forwarder->client == NULL) {
        connect_to_target(forwarder);
    }
}

void forwarder_close(struct forwarder *forwarder, void (*done)(void *context), void *context)
{
    forwarder->closed = true;
    forwarder->done = done;
    forwarder->context = context;
    fail_waiting(forwarder);
    if (forwarder->client == NULL) {
        done(context);
        return;
    }
    forwarder->open = false;
    if (!forwarder->leaving) {
        forwarder->leaving = true;
        rpc_client_close(forwarder->client);
    }
}
