/* Incremental fetch sessions (KIP-227): what a consumer reads is remembered between its fetches, so that a request
 * names only what changed and an answer only what has news. Sessions belong to the loop of the connection that opened
 * them; a client that comes back on another connection starts a new one, as the protocol foresees. */
#ifndef SERVER_FETCH_SESSION_H
#define SERVER_FETCH_SESSION_H

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/prng.h"
#include "common/base/uuid.h"

struct fetch_request;

/* A session makes room for another if it was not used for this long, as Kafka's
 * min.incremental.fetch.session.eviction.ms: else more consumers than sessions would only drive each other out. */
#define FETCH_SESSION_EVICTION_NS (UINT64_C(120) * 1000 * 1000 * 1000)
/* Partitions that all sessions of a loop may hold together; a full fetch that finds no room is answered without a
 * session. */
#define FETCH_SESSION_PARTITIONS_MAX 200000

struct session_partition {
    struct list link; /* in fetch order; those that gave data go to the end, so that each gets its turn */
    struct uuid topic_id; /* zero for requests by name */
    struct string topic;  /* owned; null for requests by id. As the client spelt it, which may be any bytes */
    int32_t partition;
    int32_t current_leader_epoch;
    int64_t fetch_offset;
    int32_t last_fetched_epoch;
    int32_t partition_max_bytes;
    /* What the last answer said; -1 or an error make the next answer repeat it. */
    int64_t sent_high_watermark;
    int64_t sent_log_start_offset;
    bool sent_error;
};

struct fetch_session {
    struct list link; /* in the cache, least recently used first */
    int32_t id;
    int32_t epoch; /* that the next request must have */
    bool uses_topic_ids;
    bool busy; /* a request of it is being answered */
    uint64_t used_ns; /* when its last request came */
    struct map by_partition;
    struct list partitions; /* of struct session_partition */
};

struct fetch_session_cache {
    struct map sessions;
    struct list recency;
    size_t count_max; /* max.incremental.fetch.session.cache.slots of this loop */
    size_t partition_count; /* of all sessions */
    struct prng prng;
};

void fetch_session_cache_init(struct fetch_session_cache *cache, size_t count_max, uint64_t seed);
void fetch_session_cache_deinit(struct fetch_session_cache *cache);

/* What a request that came at `now_ns` means for sessions. `*session` is NULL for a sessionless fetch (the request's
 * own list counts), else the session whose partitions, updated by the request, are to be read. Error codes:
 * FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR; 0. `*full`: the answer names
 * every partition. */
int16_t fetch_session_begin(struct fetch_session_cache *cache, const struct fetch_request *request, int16_t version,
                            uint64_t now_ns, struct fetch_session **session, bool *full);
/* The answer is made: the session waits for its next request. */
void fetch_session_end(struct fetch_session_cache *cache, struct fetch_session *session);

#endif
