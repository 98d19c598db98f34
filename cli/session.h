/* Connections of one command to the servers of a cluster, on one loop. Administration is written as straight lines: a
 * call runs the loop until its answer is there. Produce and consume are driven by events and share the same
 * connections. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/address.h"
#include "cli/cli.h"
#include "common/base/list.h"
#include "common/env/env.h"
#include "common/rpc/client.h"

enum server_state { SERVER_CONNECTING, SERVER_OPEN, SERVER_CLOSED };

/* One server and the connection to it. Lives as long as the session; a closed one is connected anew by server_at. */
struct server {
    struct list link;
    struct session *session;
    struct address address;
    char name[ADDRESS_TEXT_MAX];
    enum server_state state;
    enum status why;       /* CLOSED: what ended it */
    uint64_t closed_at_ns; /* CLOSED: when, of env_now_ns */
    struct rpc_client *client;
};

struct session {
    struct cli *cli;
    struct runtime_workers *workers;
    struct runtime_loop *loop;
    struct env *env;
    struct list servers;
    /* Called after a server has opened or closed; NULL: nobody cares. */
    void (*changed)(void *context, struct server *server);
    void *context;
    bool expired; /* of the running session_wait */
};

/* The session of this command, made if need be. NULL, after an error line, if the system refuses a loop. */
struct session *cli_session(struct cli *cli);
void session_destroy(struct session *session);

/* The connection to `address`: starts connecting unless it is open or under way. Never NULL. */
struct server *server_at(struct session *session, const struct address *address);
/* The same, but NULL if it was closed a moment ago: a server that is down is not knocked at without pause. */
struct server *server_if_ready(struct session *session, const struct address *address);
struct server *server_at_host(struct session *session, struct string host, int32_t port);

/* Runs the loop until *flag is true; false if that took longer than timeout_ms. */
bool session_wait(struct session *session, const bool *flag, uint32_t timeout_ms);
/* Runs the loop for `ms` milliseconds. */
void session_sleep(struct session *session, uint32_t ms);
/* Waits until the server is open; else false, with the cause in server->why. */
bool server_wait(struct server *server, uint32_t timeout_ms);

/* The newest version of `key` that both sides have; -1 if the server does not offer it. The server must be open. */
int16_t server_version(const struct server *server, int16_t key);

/* A call and its answer. */
struct reply {
    struct rpc_call call;
    bool done;
    uint64_t sent_ns;
};

/* Calls API `key` at the newest version that both sides have, at most `version_max`, and waits. STATUS_UNSUPPORTED: the
 * server does not offer it. On STATUS_OK reply_body is the decoded answer until reply_deinit, which must follow in any
 * case. */
MUST_USE enum status server_call(struct server *server, int16_t key, int16_t version_max, const void *request,
                                 struct reply *reply);
#define VERSION_ANY INT16_MAX
static inline const void *reply_body(const struct reply *reply)
{
    return reply->call.response;
}
void reply_deinit(struct reply *reply);

/* A line of --trace about a call that has ended, if asked for. */
void trace_call(const struct server *server, const struct rpc_call *call, uint64_t sent_ns);

/* The active controller of those that are known; a node that answers, asking controllers where nodes are if none is
 * known. Both wait for the command's timeout at most, print nothing, and return NULL if there is none. */
struct server *session_find_controller(struct session *session);
struct server *session_find_node(struct session *session);
/* The server for administration: the active controller if controllers are known, else a node. NULL after an error
 * line that names every server tried. */
struct server *session_admin(struct session *session);
/* session_find_node; NULL as above. */
struct server *session_node(struct session *session);

/* A server that answers Metadata: the controller if it does, else a node. NULL as above. */
struct server *session_metadata(struct session *session);

/* server_call that has printed its error line when it is not STATUS_OK: "cannot WHAT: ..." */
MUST_USE enum status server_call_or_complain(struct server *server, const char *what, int16_t key, const void *request,
                                             struct reply *reply);

#endif
