/* What every client of the simulated cluster does alike: connections to nodes and controllers, made when they are
 * needed and again when they broke, and the cluster's metadata, which goes into the ledger. It lives in a process. */
#ifndef SIM_AGENT_H
#define SIM_AGENT_H

#include "common/rpc/client.h"
#include "tests/sim/ledger.h"

#define AGENT_LINKS_MAX 16
#define AGENT_TIMEOUT_MS 5000
#define AGENT_PAUSE_NS (200 * NS_PER_MS)

struct agent;

struct agent_link {
    struct agent *agent;
    char host[NET_HOST_MAX + 1];
    uint16_t port;
    int32_t id; /* of the node; -1: not known yet */
    struct rpc_client *rpc;
    bool open;
};

struct agent {
    struct sim_world *world;
    struct ledger *ledger;
    struct env *env;
    const char *const *hosts; /* nodes to ask first, NULL at the end */
    uint16_t port;
    struct agent_link links[AGENT_LINKS_MAX];
    size_t link_count;
    unsigned next_host;
    struct rpc_call metadata_call;
    bool metadata_pending;
    bool metadata_wanted;
    struct env_timer metadata_timer;
    uint64_t metadata_count;     /* answers */
    /* At the end of the turn after anything has changed: a connection, the metadata. */
    void (*step)(void *context);
    void *context;
    struct env_hook hook;
};

void agent_init(struct agent *agent, struct sim_process *process, struct ledger *ledger, const char *const *hosts,
                uint16_t port, void (*step)(void *context), void *context);
/* Asks for metadata soon, and then until there is an answer. */
void agent_refresh(struct agent *agent);
/* The step comes at the end of this turn. */
void agent_wake(struct agent *agent);
/* An open connection to that address, or NULL: then it is being made, and the step will come. */
struct rpc_client *agent_reach(struct agent *agent, struct string host, uint16_t port);
/* Likewise to the leader of a partition; NULL also if it is not known: then metadata is asked for. */
struct rpc_client *agent_reach_leader(struct agent *agent, const struct ledger_topic *topic, int32_t partition);
/* Likewise to any node. */
struct rpc_client *agent_reach_any(struct agent *agent);
/* Sends; false if the server does not know the API. */
bool agent_call(struct rpc_client *rpc, struct rpc_call *call, int16_t key, int16_t version_max, const void *request);

#endif
