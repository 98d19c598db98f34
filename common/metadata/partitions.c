/* The packed partitions. Each has a fixed head and a run of 32-bit words in the chunk's pool:
 *
 *     head   leader | leader epoch | partition epoch | counts of the four lists | words at | room | flag
 *     words  [ replicas | isr | elr | last known elr | 4 words per directory id ]
 *
 * With three replicas that is 24 + 72 = 96 bytes. The room is what the words need when the whole replica set is in
 * sync, so that a shrinking and growing ISR stays in its place; what does not fit moves to the pool's end, and the hole
 * is closed when the pool must grow. */
#include "common/metadata/partitions.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <string.h>

#define UUID_WORDS 4
/* All four lists and the directories of one partition. */
#define PARTITION_WORDS_MAX (METADATA_REPLICAS_MAX * (4 + UUID_WORDS))

_Static_assert(sizeof(struct uuid) == UUID_WORDS * sizeof(int32_t), "directory ids are kept as words");
_Static_assert(PARTITION_WORDS_MAX <= UINT16_MAX, "room is 16 bits");

struct partition_head {
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    uint8_t replica_count;
    uint8_t isr_count;
    uint8_t elr_count;
    uint8_t last_known_elr_count;
    uint32_t words_at;
    uint16_t room;
    bool has_directories;
};

_Static_assert(sizeof(struct partition_head) == 24, "the goal is 96 bytes for a partition of three replicas");

struct partition_chunk {
    struct counted counted;
    uint32_t count;
    uint32_t head_capacity;
    uint32_t words_used;
    uint32_t words_capacity;
    struct partition_head *heads;
    int32_t *words;
};

struct partition_chunk *partition_chunk_create(void)
{
    struct partition_chunk *chunk = memory_alloc_zero(1, sizeof(*chunk));

    counted_init(&chunk->counted);
    return chunk;
}

struct partition_chunk *partition_chunk_ref(struct partition_chunk *chunk)
{
    counted_ref(&chunk->counted);
    return chunk;
}

void partition_chunk_unref(struct partition_chunk *chunk)
{
    if (counted_unref(&chunk->counted)) {
        memory_free(chunk->heads);
        memory_free(chunk->words);
        memory_free(chunk);
    }
}

/* Moves the words of all partitions, without holes, to a pool of `capacity` words, or of just what they need if 0. */
static void words_pack(struct partition_chunk *chunk, const int32_t *from, uint32_t capacity)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < chunk->count; i++) {
        used += chunk->heads[i].room;
    }
    ASSERT(capacity == 0 || capacity >= used);
    chunk->words_capacity = capacity > 0 ? capacity : used;
    chunk->words = memory_alloc_zero(chunk->words_capacity, sizeof(int32_t));
    used = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct partition_head *head = &chunk->heads[i];

        if (head->room > 0) {
            memcpy(chunk->words + used, from + head->words_at, head->room * sizeof(int32_t));
        }
        head->words_at = used;
        used += head->room;
    }
    chunk->words_used = used;
}

struct partition_chunk *partition_chunk_own(struct partition_chunk *chunk)
{
    struct partition_chunk *copy;

    if (counted_alone(&chunk->counted)) {
        return chunk;
    }
    copy = partition_chunk_create();
    copy->count = chunk->count;
    copy->head_capacity = chunk->count;
    copy->heads = memory_copy(chunk->heads, chunk->count * sizeof(*chunk->heads));
    words_pack(copy, chunk->words, 0);
    partition_chunk_unref(chunk);
    return copy;
}

uint32_t partition_chunk_count(const struct partition_chunk *chunk)
{
    return chunk->count;
}

void partition_chunk_get(const struct partition_chunk *chunk, uint32_t index, struct partition_image *partition)
{
    const struct partition_head *head = &chunk->heads[index];
    const int32_t *at = chunk->words + head->words_at;

    ASSERT(index < chunk->count);
    *partition = (struct partition_image){
        .leader = head->leader,
        .leader_epoch = head->leader_epoch,
        .partition_epoch = head->partition_epoch,
        .replica_count = head->replica_count,
        .isr_count = head->isr_count,
        .elr_count = head->elr_count,
        .last_known_elr_count = head->last_known_elr_count,
        .replicas = at,
    };
    at += head->replica_count;
    partition->isr = at;
    at += head->isr_count;
    partition->elr = at;
    at += head->elr_count;
    partition->last_known_elr = at;
    at += head->last_known_elr_count;
    partition->directories = head->has_directories ? (const struct uuid *)(const void *)at : NULL;
}

static uint32_t words_append(int32_t *words, uint32_t at, const void *from, size_t count)
{
    if (count > 0) {
        memcpy(words + at, from, count * sizeof(int32_t));
    }
    return at + (uint32_t)count;
}

/* Writes the partition's lists to `words` in their order; returns how many words they are. */
static uint32_t words_fill(int32_t words[PARTITION_WORDS_MAX], const struct partition_image *partition)
{
    uint32_t at = 0;

    at = words_append(words, at, partition->replicas, (size_t)partition->replica_count);
    at = words_append(words, at, partition->isr, (size_t)partition->isr_count);
    at = words_append(words, at, partition->elr, (size_t)partition->elr_count);
    at = words_append(words, at, partition->last_known_elr, (size_t)partition->last_known_elr_count);
    if (partition->directories != NULL) {
        at = words_append(words, at, partition->directories, (size_t)partition->replica_count * UUID_WORDS);
    }
    return at;
}

/* What a partition is given room for: now, and when every replica is in sync. */
static uint16_t room_wanted(const struct partition_image *partition, uint32_t used)
{
    uint32_t whole = (uint32_t)partition->replica_count * 2;

    if (partition->directories != NULL) {
        whole += (uint32_t)partition->replica_count * UUID_WORDS;
    }
    return (uint16_t)(used > whole ? used : whole);
}

static void words_reserve(struct partition_chunk *chunk, uint32_t room)
{
    int32_t *old = chunk->words;
    uint32_t live = room;

    if (chunk->words_capacity - chunk->words_used >= room) {
        return;
    }
    for (uint32_t i = 0; i < chunk->count; i++) {
        live += chunk->heads[i].room;
    }
    /* A little slack: partitions of one topic come in a row, and a full chunk should not carry much air. */
    words_pack(chunk, old, live + live / 8);
    memory_free(old);
}

static struct partition_head *head_append(struct partition_chunk *chunk)
{
    ASSERT(chunk->count < PARTITION_CHUNK_SIZE);
    if (chunk->count == chunk->head_capacity) {
        chunk->head_capacity = chunk->head_capacity > 0 ? chunk->head_capacity * 2 : 1;
        chunk->heads = memory_resize(chunk->heads, chunk->head_capacity, sizeof(*chunk->heads));
    }
    chunk->heads[chunk->count] = (struct partition_head){0};
    return &chunk->heads[chunk->count++];
}

void partition_chunk_set(struct partition_chunk *chunk, uint32_t index, const struct partition_image *partition)
{
    int32_t words[PARTITION_WORDS_MAX];
    const uint32_t used = words_fill(words, partition);
    const bool grown = index == chunk->count;
    struct partition_head *head;

    ASSERT(counted_alone(&chunk->counted));
    ASSERT(index <= chunk->count);
    head = grown ? head_append(chunk) : &chunk->heads[index];
    if (used > head->room) {
        const uint16_t room = room_wanted(partition, used);

        head->room = 0;
        words_reserve(chunk, room);
        head->words_at = chunk->words_used;
        head->room = room;
        chunk->words_used += room;
    }
    if (used > 0) {
        memcpy(chunk->words + head->words_at, words, used * sizeof(int32_t));
    }
    head->leader = partition->leader;
    head->leader_epoch = partition->leader_epoch;
    head->partition_epoch = partition->partition_epoch;
    head->replica_count = (uint8_t)partition->replica_count;
    head->isr_count = (uint8_t)partition->isr_count;
    head->elr_count = (uint8_t)partition->elr_count;
    head->last_known_elr_count = (uint8_t)partition->last_known_elr_count;
    head->has_directories = partition->directories != NULL;
    if (grown && chunk->count == PARTITION_CHUNK_SIZE) {
        int32_t *old = chunk->words;

        /* No more will come: the slack goes. */
        words_pack(chunk, old, 0);
        memory_free(old);
    }
}
