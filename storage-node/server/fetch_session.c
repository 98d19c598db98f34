/* Incremental fetch sessions (KIP-227). */
#include "storage-node/server/fetch_session.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/fetch.h"

struct session_key {
    struct string topic;
    struct uuid topic_id;
    int32_t partition;
};

static bool session_is(const void *value, const void *key)
{
    return ((const struct fetch_session *)value)->id == *(const int32_t *)key;
}

static bool session_partition_is(const void *value, const void *key)
{
    const struct session_partition *partition = value;
    const struct session_key *wanted = key;

    return partition->partition == wanted->partition && uuid_equal(partition->topic_id, wanted->topic_id) &&
           (wanted->topic.data == NULL || string_equal(partition->topic, wanted->topic));
}

static uint64_t session_key_hash(const struct session_key *key)
{
    const uint64_t topic = key->topic.data != NULL ? hash_string(key->topic)
                                                   : hash_bytes(key->topic_id.data, sizeof(key->topic_id.data));

    return hash_u64(topic + (uint64_t)(uint32_t)key->partition);
}

static struct session_key session_key_of(const struct session_partition *partition)
{
    return (struct session_key){partition->topic, partition->topic_id, partition->partition};
}

void fetch_session_cache_init(struct fetch_session_cache *cache, size_t count_max, uint64_t seed)
{
    *cache = (struct fetch_session_cache){.count_max = count_max};
    map_init(&cache->sessions);
    list_init(&cache->recency);
    prng_init(&cache->prng, seed);
}

static void session_remove_partition(struct fetch_session_cache *cache, struct fetch_session *session,
                                     struct session_partition *partition)
{
    const struct session_key key = session_key_of(partition);
    const bool removed = map_remove(&session->by_partition, session_key_hash(&key), partition);

    ASSERT(removed);
    cache->partition_count--;
    list_remove(&partition->link);
    memory_free((void *)(uintptr_t)partition->topic.data);
    memory_free(partition);
}

static void fetch_session_remove(struct fetch_session_cache *cache, struct fetch_session *session)
{
    while (!list_empty(&session->partitions)) {
        session_remove_partition(cache, session, LIST_ENTRY(session->partitions.next, struct session_partition, link));
    }
    map_deinit(&session->by_partition);
    map_remove(&cache->sessions, hash_u64((uint32_t)session->id), session);
    list_remove(&session->link);
    memory_free(session);
}

void fetch_session_cache_deinit(struct fetch_session_cache *cache)
{
    while (!list_empty(&cache->recency)) {
        fetch_session_remove(cache, LIST_ENTRY(cache->recency.next, struct fetch_session, link));
    }
    map_deinit(&cache->sessions);
}

static bool fetch_session_cache_has(const struct fetch_session_cache *cache, size_t sessions, int64_t partitions)
{
    return cache->sessions.count + sessions <= cache->count_max &&
           (int64_t)cache->partition_count + partitions <= FETCH_SESSION_PARTITIONS_MAX;
}

/* Makes room for so many more sessions and partitions: the least recently used sessions go, unless they were used
 * lately. False: there is none. */
static bool fetch_session_make_room(struct fetch_session_cache *cache, size_t sessions, int64_t partitions,
                                    uint64_t now_ns)
{
    struct list *link = cache->recency.next;

    while (!fetch_session_cache_has(cache, sessions, partitions) && link != &cache->recency) {
        struct fetch_session *victim = LIST_ENTRY(link, struct fetch_session, link);

        link = link->next;
        if (now_ns - victim->used_ns < FETCH_SESSION_EVICTION_NS) {
            break;
        }
        if (!victim->busy) {
            fetch_session_remove(cache, victim);
        }
    }
    return fetch_session_cache_has(cache, sessions, partitions);
}

static struct fetch_session *fetch_session_create(struct fetch_session_cache *cache)
{
    struct fetch_session *session;

    session = memory_alloc_zero(1, sizeof(*session));
    do {
        session->id = (int32_t)(prng_next(&cache->prng) & INT32_MAX);
    } while (session->id == 0 ||
             map_find(&cache->sessions, hash_u64((uint32_t)session->id), session_is, &session->id) != NULL);
    map_init(&session->by_partition);
    list_init(&session->partitions);
    list_init(&session->link);
    map_insert(&cache->sessions, hash_u64((uint32_t)session->id), session);
    list_append(&cache->recency, &session->link);
    return session;
}

/* Adds or updates what the request names, drops what it forgets. */
static void fetch_session_update(struct fetch_session_cache *cache, struct fetch_session *session,
                                 const struct fetch_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct fetch_request_topics *topic = &request->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct fetch_request_topics_partitions *wanted = &topic->partitions[j];
            const struct session_key key = {session->uses_topic_ids ? STRING_NULL : topic->topic, topic->topic_id,
                                            wanted->partition};
            const uint64_t hash = session_key_hash(&key);
            struct session_partition *partition =
                map_find(&session->by_partition, hash, session_partition_is, &key);

            if (partition == NULL) {
                partition = memory_alloc_zero(1, sizeof(*partition));
                partition->topic_id = topic->topic_id;
                if (!session->uses_topic_ids) {
                    partition->topic = (struct string){memory_copy(topic->topic.data, topic->topic.size),
                                                       topic->topic.size};
                }
                partition->partition = wanted->partition;
                partition->sent_high_watermark = -1;
                partition->sent_log_start_offset = -1;
                list_append(&session->partitions, &partition->link);
                map_insert(&session->by_partition, hash, partition);
                cache->partition_count++;
            }
            partition->current_leader_epoch = wanted->current_leader_epoch;
            partition->fetch_offset = wanted->fetch_offset;
            partition->last_fetched_epoch = wanted->last_fetched_epoch;
            partition->partition_max_bytes = wanted->partition_max_bytes;
        }
    }
    for (int32_t i = 0; i < request->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topics_data *topic = &request->forgotten_topics_data[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct session_key key = {session->uses_topic_ids ? STRING_NULL : topic->topic, topic->topic_id,
                                            topic->partitions[j]};
            struct session_partition *partition =
                map_find(&session->by_partition, session_key_hash(&key), session_partition_is, &key);

            if (partition != NULL) {
                session_remove_partition(cache, session, partition);
            }
        }
    }
}

static int64_t fetch_request_partitions(const struct fetch_request *request)
{
    int64_t count = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        count += request->topics[i].partitions_count;
    }
    return count;
}

/* Partitions that the request would add. */
static int64_t fetch_session_count_new(const struct fetch_session *session, const struct fetch_request *request)
{
    int64_t count = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct fetch_request_topics *topic = &request->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct session_key key = {session->uses_topic_ids ? STRING_NULL : topic->topic, topic->topic_id,
                                            topic->partitions[j].partition};

            count += map_find(&session->by_partition, session_key_hash(&key), session_partition_is, &key) == NULL;
        }
    }
    return count;
}

static void fetch_session_touch(struct fetch_session_cache *cache, struct fetch_session *session, uint64_t now_ns)
{
    session->used_ns = now_ns;
    list_remove(&session->link);
    list_append(&cache->recency, &session->link);
}

int16_t fetch_session_begin(struct fetch_session_cache *cache, const struct fetch_request *request, int16_t version,
                            uint64_t now_ns, struct fetch_session **session, bool *full)
{
    const bool uses_topic_ids = version >= 13;
    const int64_t named = fetch_request_partitions(request);
    struct fetch_session *found =
        request->session_id != 0
            ? map_find(&cache->sessions, hash_u64((uint32_t)request->session_id), session_is, &request->session_id)
            : NULL;

    *session = NULL;
    *full = true;
    if (request->session_epoch <= 0) {
        /* A full fetch: it ends the session it names, and with epoch 0 opens a new one. */
        if (found != NULL && !found->busy) {
            fetch_session_remove(cache, found);
        }
        if (version < 7 || request->session_epoch < 0 || named == 0 ||
            !fetch_session_make_room(cache, 1, named, now_ns)) {
            return ERROR_NONE;
        }
        found = fetch_session_create(cache);
        found->uses_topic_ids = uses_topic_ids;
        found->epoch = 0;
    } else {
        *full = false;
        if (found == NULL) {
            return ERROR_FETCH_SESSION_ID_NOT_FOUND;
        }
        if (found->busy || found->epoch != request->session_epoch) {
            return ERROR_INVALID_FETCH_SESSION_EPOCH;
        }
        if (found->uses_topic_ids != uses_topic_ids) {
            return ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
        }
        fetch_session_touch(cache, found, now_ns);
        if (!fetch_session_cache_has(cache, 0, named) &&
            !fetch_session_make_room(cache, 0, fetch_session_count_new(found, request), now_ns)) {
            fetch_session_remove(cache, found);
            return ERROR_FETCH_SESSION_ID_NOT_FOUND;
        }
    }
    fetch_session_touch(cache, found, now_ns);
    fetch_session_update(cache, found, request);
    found->epoch = found->epoch == INT32_MAX ? 1 : found->epoch + 1;
    found->busy = true;
    *session = found;
    return ERROR_NONE;
}

void fetch_session_end(struct fetch_session_cache *cache, struct fetch_session *session)
{
    (void)cache;
    ASSERT(session->busy);
    session->busy = false;
}
