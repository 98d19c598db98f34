/* One loop of a storage node: the partitions it owns, the connections it serves, the metadata it sees. Nothing here is
 * shared with another loop; what concerns another loop's partition goes there as a message.
 *
 * A connection stays on the loop that adopted it (its home). A request that names partitions of several loops is split:
 * each loop does its share and reports back home, where the answer is put together. */
#ifndef SERVER_SHARD_H
#define SERVER_SHARD_H

#include "common/metadata/image.h"
#include "common/rpc/api_versions.h"
#include "common/rpc/server.h"
#include "storage-node/replica/replica_set.h"
#include "storage-node/server/conversion.h"
#include "storage-node/server/fetch_session.h"
#include "storage-node/server/wakes.h"

struct service;

struct shard {
    struct service *service;
    struct env *env;
    uint32_t index;
    uint32_t count; /* of all shards */
    int32_t node_id;
    struct image *image;  /* one reference; never NULL */
    struct replica_set replicas;
    struct rpc_server *server;
    struct fetch_session_cache sessions;
    struct conversions conversions;
    struct wakes wakes;
    struct producer_id_block {
        int64_t next; /* first unused id */
        int64_t end;
        struct list waiting; /* of requests that wait for a new block */
        bool asking;
    } producer_ids;
};

/* The loop that owns a partition, on every node that hosts it. */
uint32_t shard_of(const struct shard *shard, struct uuid topic_id, int32_t partition);
/* The shard with this index of the same node. */
struct shard *shard_at(const struct shard *shard, uint32_t index);

static inline struct shard *shard_of_request(const struct rpc_request *request)
{
    return request->service;
}

/* How long a request waits for its partition to be opened: as long as its client would wait if it were sent away, which
 * would also make it ask for metadata that does not help. */
#define SHARD_LOAD_PATIENCE_NS (100 * NS_PER_MS)

/* What a request's topic and partition are: a topic of the image, the partition's row and whether we lead it. Error
 * codes as produce and fetch give them: UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER. `name`
 * null: by id. */
int16_t shard_resolve(const struct shard *shard, struct string name, struct uuid topic_id, int32_t partition,
                      const struct topic_image **topic, struct partition_image *row);
/* Checks the epoch that a client believes in (KIP-320): FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or 0. -1: it does not
 * say. */
int16_t shard_check_epoch(const struct partition *partition, int32_t current_leader_epoch);
/* The partition that this shard owns if it is online and leads; else an error code: NOT_LEADER_OR_FOLLOWER while it is
 * loading or gone, KAFKA_STORAGE_ERROR if its directory failed. */
int16_t shard_partition(const struct shard *shard, struct uuid topic_id, int32_t index, struct partition **partition);
/* The partition that this shard owns if it is loading and worth waiting for, else NULL. */
struct partition *shard_partition_loading(const struct shard *shard, struct uuid topic_id, int32_t index);
/* The error that a client gets for what happened to its append. */
int16_t shard_error_of(enum status status);

#endif
