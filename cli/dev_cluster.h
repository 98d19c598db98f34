/* A local cluster: its members, their ports and files. Everything about it lies in one directory:
 *
 *     cluster                     what was asked for and chosen: cluster.id, and a port per member
 *     profile                     addresses, for every later command
 *     lock                        held while a command changes something
 *     controller-101.properties   settings of a member        node-1.properties
 *     controller-101.log          its output                  node-1.log
 *     controller-101.pid          its process, while started  node-1.pid
 *     data/controller-101/        what it keeps               data/node-1/
 */
#ifndef CLI_DEV_CLUSTER_H
#define CLI_DEV_CLUSTER_H

#include "cli/address.h"
#include "cli/dev_process.h"
#include "common/base/buffer.h"
#include "common/base/uuid.h"

#define DEV_MEMBERS_MAX 32
/* No two members of a cluster share a node.id, whatever their role: nodes are 1, 2, ...; controllers 101, 102, ... */
#define DEV_CONTROLLER_ID_MIN 101
/* In digits: machines without a hosts file have no "localhost". */
#define DEV_HOST "127.0.0.1"
#define DEV_PATH_MAX 4096

enum dev_role { DEV_CONTROLLER, DEV_NODE };

struct dev_member {
    enum dev_role role;
    int id; /* node.id */
    uint16_t port;
};

struct dev_cluster {
    char directory[DEV_PATH_MAX]; /* absolute */
    char cluster_id[UUID_TEXT_SIZE + 1];
    struct dev_member members[DEV_MEMBERS_MAX]; /* controllers first */
    size_t member_count;
};

const char *dev_role_name(enum dev_role role);
/* "node 2"; `text` is returned. */
char *dev_member_name(const struct dev_member *member, char text[32]);
/* DIRECTORY/ROLE-ID SUFFIX, e.g. suffix ".log". */
void dev_member_path(const struct dev_cluster *cluster, const struct dev_member *member, const char *suffix,
                     char path[DEV_PATH_MAX]);

struct dev_layout {
    int controllers;
    int nodes;
    uint16_t port; /* of the first node; controllers start one above */
};
/* Chooses members and ports: steps of 1000 from the layout's port, a busy one gives way to the next free one. `busy`
 * tells whether a port is taken. STATUS_FULL: too many members, or no port is left. */
MUST_USE enum status dev_cluster_plan(struct dev_cluster *cluster, const struct dev_layout *layout,
                                      bool (*busy)(void *context, uint16_t port), void *context);
/* True if something listens on the port of DEV_HOST or it cannot be bound. */
bool dev_port_busy(void *context, uint16_t port);

/* The file `cluster` of cluster->directory as text, and back. STATUS_CORRUPT. */
void dev_cluster_format(const struct dev_cluster *cluster, struct buffer *out);
MUST_USE enum status dev_cluster_parse(struct string text, struct dev_cluster *cluster);
/* The lines of controller.quorum.voters: "101@127.0.0.1:9093,..."; and addresses: "127.0.0.1:9092,...". */
void dev_cluster_voters(const struct dev_cluster *cluster, struct buffer *out);
void dev_cluster_addresses(const struct dev_cluster *cluster, enum dev_role role, struct buffer *out);
/* A member's server properties. `extra`: more "key=value" lines, or empty. */
void dev_member_properties(const struct dev_cluster *cluster, const struct dev_member *member, struct string extra,
                           struct buffer *out);

/* The member as its pid file knows it; false if it was not started or does not run. */
bool dev_member_process(const struct dev_cluster *cluster, const struct dev_member *member, struct process_id *id);

#endif
