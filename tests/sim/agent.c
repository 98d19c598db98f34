/* See agent.h. */
#include "tests/sim/agent.h"

#include "common/base/assert.h"
#include "common/wire/error.h"
#include "wire/metadata.h"

#define METADATA_VERSION_MAX 12
#define RESPONSE_SIZE_MAX (16 * 1024 * 1024)

static struct agent_link *agent_link_of(struct agent *agent, const struct rpc_client *rpc)
{
    for (size_t i = 0; i < agent->link_count; i++) {
        if (agent->links[i].rpc == rpc) {
            return &agent->links[i];
        }
    }
    return NULL;
}

static void link_opened(void *context, struct rpc_client *rpc)
{
    struct agent *agent = context;

    agent_link_of(agent, rpc)->open = true;
    agent_wake(agent);
}

static void link_closed(void *context, struct rpc_client *rpc, enum status why)
{
    struct agent *agent = context;
    struct agent_link *link = agent_link_of(agent, rpc);

    (void)why;
    /* What could not be reached, or broke, may have moved. */
    link->rpc = NULL;
    link->open = false;
    agent_refresh(agent);
}

static const struct rpc_client_handler link_handler = {.opened = link_opened, .closed = link_closed};

static struct agent_link *agent_link(struct agent *agent, struct string host, uint16_t port)
{
    struct agent_link *link;

    for (size_t i = 0; i < agent->link_count; i++) {
        if (string_is(host, agent->links[i].host) && agent->links[i].port == port) {
            return &agent->links[i];
        }
    }
    ASSERT(agent->link_count < AGENT_LINKS_MAX);
    ASSERT(host.size <= NET_HOST_MAX);
    link = &agent->links[agent->link_count++];
    *link = (struct agent_link){.agent = agent, .port = port, .id = -1};
    memcpy(link->host, host.data, host.size);
    return link;
}

static struct rpc_client *link_reach(struct agent *agent, struct agent_link *link)
{
    const struct rpc_client_options options = {.host = link->host,
                                               .port = link->port,
                                               .client_id = "simulated",
                                               .connect_timeout_ms = AGENT_TIMEOUT_MS,
                                               .response_size_max = RESPONSE_SIZE_MAX};

    if (link->rpc == NULL) {
        link->rpc = rpc_client_open(agent->env, &options, &link_handler, agent);
    }
    return link->open ? link->rpc : NULL;
}

struct rpc_client *agent_reach(struct agent *agent, struct string host, uint16_t port)
{
    return link_reach(agent, agent_link(agent, host, port));
}

struct rpc_client *agent_reach_any(struct agent *agent)
{
    size_t count = 0;

    while (agent->hosts[count] != NULL) {
        count++;
    }
    return agent_reach(agent, string_of(agent->hosts[agent->next_host % count]), agent->port);
}

struct rpc_client *agent_reach_leader(struct agent *agent, const struct ledger_topic *topic, int32_t partition)
{
    const int32_t leader = topic->partitions[partition].leader;

    for (size_t i = 0; i < agent->link_count && leader >= 0; i++) {
        if (agent->links[i].id == leader) {
            return link_reach(agent, &agent->links[i]);
        }
    }
    agent_refresh(agent);
    return NULL;
}

bool agent_call(struct rpc_client *rpc, struct rpc_call *call, int16_t key, int16_t version_max, const void *request)
{
    const int16_t version = rpc_client_version(rpc, key, version_max);

    if (version < 0) {
        return false;
    }
    rpc_client_call(rpc, call, key, version, request, AGENT_TIMEOUT_MS);
    return true;
}

/* --- metadata --- */

static void agent_take_topic(struct agent *agent, const struct metadata_response_topics *answer)
{
    struct ledger_topic *topic = ledger_topic(agent->ledger, answer->name, answer->topic_id);

    if (topic == NULL) {
        return;
    }
    for (int32_t i = 0; i < answer->partitions_count; i++) {
        const struct metadata_response_topics_partitions *partition = &answer->partitions[i];

        if (partition->partition_index < 0 || partition->partition_index >= answer->partitions_count ||
            answer->partitions_count > LEDGER_PARTITIONS_MAX) {
            sim_fail(agent->world, "metadata of %s names partition %d", topic->name, partition->partition_index);
            return;
        }
        ledger_leader(agent->ledger, topic, partition->partition_index, partition->leader_epoch, partition->leader_id);
    }
    if (answer->partitions_count > topic->partition_count) {
        topic->partition_count = answer->partitions_count;
    }
}

static void agent_take_metadata(struct agent *agent, const struct metadata_response *response)
{
    for (int32_t i = 0; i < response->brokers_count; i++) {
        agent_link(agent, response->brokers[i].host, (uint16_t)response->brokers[i].port)->id =
            response->brokers[i].node_id;
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (response->topics[i].error_code == ERROR_NONE) {
            agent_take_topic(agent, &response->topics[i]);
        }
    }
    agent->metadata_wanted = false;
    agent->metadata_count++;
}

static void metadata_done(struct rpc_call *call)
{
    struct agent *agent = call->context;

    agent->metadata_pending = false;
    if (call->status == STATUS_OK) {
        agent_take_metadata(agent, call->response);
    }
    agent->next_host++;
    rpc_call_deinit(call);
    agent_wake(agent);
}

static void agent_ask_metadata(struct agent *agent)
{
    struct rpc_client *rpc = agent_reach_any(agent);
    struct metadata_request request;

    if (rpc == NULL) {
        /* Not there, or not yet. */
        agent->next_host += env_random(agent->env) % 4 == 0 ? 1 : 0;
        return;
    }
    metadata_request_init(&request);
    request.topics_count = -1;
    request.allow_auto_topic_creation = false;
    rpc_call_init(&agent->metadata_call, metadata_done, agent);
    agent->metadata_pending = agent_call(rpc, &agent->metadata_call, API_METADATA, METADATA_VERSION_MAX, &request);
}

static void metadata_due(void *context)
{
    struct agent *agent = context;

    if (agent->metadata_wanted) {
        if (!agent->metadata_pending) {
            agent_ask_metadata(agent);
        }
        env_timer_start(agent->env, &agent->metadata_timer, AGENT_PAUSE_NS);
    }
}

void agent_refresh(struct agent *agent)
{
    agent->metadata_wanted = true;
    if (!env_timer_active(&agent->metadata_timer)) {
        env_timer_start(agent->env, &agent->metadata_timer, AGENT_PAUSE_NS / 4);
    }
}

void agent_wake(struct agent *agent)
{
    env_at_turn_end(agent->env, &agent->hook);
}

static void agent_step(void *context)
{
    struct agent *agent = context;

    agent->step(agent->context);
}

void agent_init(struct agent *agent, struct sim_process *process, struct ledger *ledger, const char *const *hosts,
                uint16_t port, void (*step)(void *context), void *context)
{
    *agent = (struct agent){.world = sim_process_world(process),
                            .ledger = ledger,
                            .env = sim_env(process, 0),
                            .hosts = hosts,
                            .port = port,
                            .step = step,
                            .context = context};
    env_timer_init(&agent->metadata_timer, metadata_due, agent);
    env_hook_init(&agent->hook, agent_step, agent);
    agent_refresh(agent);
}
