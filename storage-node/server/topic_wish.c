/* Automatic topic creation: asked for on some loop, carried out on the first. */
#include "storage-node/server/topic_wish.h"

#include "common/base/memory.h"
#include "common/rpc/client.h"
#include "common/trace/trace.h"
#include "common/wire/error.h"
#include "storage-node/cluster/controller_link.h"
#include "storage-node/server/service.h"
#include "wire/create_topics.h"

#define CREATE_TOPIC_TIMEOUT_MS 10000
/* Creations under way at once; wishes beyond it are forgotten, their clients ask again. */
#define TOPIC_WISHES_MAX 256

struct topic_wish {
    struct env_message message;
    struct service *service;
    struct rpc_call call;
    char *name;
};

static bool topic_wish_is(const void *value, const void *key)
{
    return string_equal(string_of(((const struct topic_wish *)value)->name), *(const struct string *)key);
}

static void topic_wish_free(struct topic_wish *wish)
{
    memory_free(wish->name);
    memory_free(wish);
}

static void topic_wish_done(struct rpc_call *call)
{
    struct topic_wish *wish = call->context;
    const struct create_topics_response *response = call->response;

    if (call->status == STATUS_OK && response->topics_count == 1 && response->topics[0].error_code != ERROR_NONE &&
        response->topics[0].error_code != ERROR_TOPIC_ALREADY_EXISTS) {
        trace_warn("topic_not_created", T_TEXT("topic", wish->name),
                   T_TEXT("error", kafka_error_name(response->topics[0].error_code)),
                   T_STRING("why", response->topics[0].error_message));
    }
    map_remove(&wish->service->topics_asked, hash_string(string_of(wish->name)), wish);
    rpc_call_deinit(call);
    topic_wish_free(wish);
}

static void topic_wish_arrive(struct env_message *message)
{
    struct topic_wish *wish = CONTAINER_OF(message, struct topic_wish, message);
    struct service *service = wish->service;
    const struct string name = string_of(wish->name);
    struct rpc_client *client = service->link != NULL ? controller_link_client(service->link) : NULL;
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    int16_t version;

    if (client == NULL || service->topics_asked.count >= TOPIC_WISHES_MAX ||
        map_find(&service->topics_asked, hash_string(name), topic_wish_is, &name) != NULL ||
        (version = rpc_client_version(client, API_CREATE_TOPICS, INT16_MAX)) < 4) {
        topic_wish_free(wish);
        return;
    }
    map_insert(&service->topics_asked, hash_string(name), wish);
    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = name;
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    request.topics_count = 1;
    request.topics = &topic;
    request.timeout_ms = CREATE_TOPIC_TIMEOUT_MS;
    rpc_call_init(&wish->call, topic_wish_done, wish);
    rpc_client_call(client, &wish->call, API_CREATE_TOPICS, version, &request, CREATE_TOPIC_TIMEOUT_MS);
}

void topic_wish(struct shard *shard, struct string name)
{
    struct topic_wish *wish = memory_alloc_zero(1, sizeof(*wish));

    wish->service = shard->service;
    wish->name = memory_copy_text(name.data, name.size);
    wish->message.deliver = topic_wish_arrive;
    env_post(shard_at(shard, 0)->env, &wish->message);
}

void topic_wishes_free(struct service *service)
{
    struct topic_wish *wish;
    size_t at = 0;

    while ((wish = map_next(&service->topics_asked, &at)) != NULL) {
        rpc_call_deinit(&wish->call);
        topic_wish_free(wish);
    }
    map_deinit(&service->topics_asked);
}
