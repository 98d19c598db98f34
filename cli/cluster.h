/* What a cluster tells of itself, gathered for the commands that show it: nodes, topics, controllers. */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include "cli/session.h"
#include "wire/describe_cluster.h"
#include "wire/metadata.h"

/* Asks `server` who is in the cluster. endpoint_type: 1 nodes (fenced ones included where that can be asked), 2
 * controllers. The reply is for reply_deinit in any case; the body is NULL if there is none, and nothing is printed. */
const struct describe_cluster_response *cluster_describe(struct server *server, int8_t endpoint_type,
                                                         struct reply *reply);
#define CLUSTER_NODES 1
#define CLUSTER_CONTROLLERS 2

/* The nodes, or NULL after an error line "cannot WHAT: ...". */
const struct describe_cluster_response *cluster_nodes_or_complain(struct server *server, const char *what,
                                                                  struct reply *reply);

/* Asks for topics: `names` (count of them) or, if NULL, all. As above. */
const struct metadata_response *cluster_topics(struct server *server, const char *const *names, int count,
                                               struct reply *reply);

/* After a change that controllers have made: waits until the nodes of the command line that answer know all the topics,
 * with leaders, or none of them. Two seconds at most: the change stands in any case, this only spares the next command
 * a surprise. */
void cluster_settle(struct session *session, const char *const *names, int count, bool present);

/* Totals over topics. */
struct partition_totals {
    int64_t topics;
    int64_t partitions;
    int64_t leaderless;
    int64_t under_replicated; /* fewer in sync than copies */
    int64_t replicas;
};
void partition_totals_add(struct partition_totals *totals, const struct metadata_response_topics *topic);

/* "1,2,3" */
void id_list_format(const int32_t *ids, int32_t count, struct buffer *out);

#endif
