/* See ledger.h. Its memory is no process' memory: sim_alloc and realloc. */
#include "tests/sim/ledger.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "tests/sim/process.h"

#include <inttypes.h>
#include <stdlib.h>

/* Of a record in a batch beside its value, about. */
#define RECORD_OVERHEAD 12

void ledger_init(struct ledger *ledger, struct sim_world *world)
{
    *ledger = (struct ledger){.world = world};
    ledger->topics = sim_alloc(LEDGER_TOPICS_MAX * sizeof(*ledger->topics));
}

void ledger_deinit(struct ledger *ledger)
{
    for (int i = 0; i < ledger->topic_count; i++) {
        for (int j = 0; j < LEDGER_PARTITIONS_MAX; j++) {
            free(ledger->topics[i].partitions[j].places);
        }
    }
    sim_free(ledger->topics);
    free(ledger->records);
    free(ledger->producer_ids);
}

struct ledger_topic *ledger_find(struct ledger *ledger, struct uuid id)
{
    for (int i = 0; i < ledger->topic_count; i++) {
        if (uuid_equal(ledger->topics[i].id, id)) {
            return &ledger->topics[i];
        }
    }
    return NULL;
}

struct ledger_topic *ledger_find_name(struct ledger *ledger, const char *name)
{
    for (int i = ledger->topic_count - 1; i >= 0; i--) {
        if (strcmp(ledger->topics[i].name, name) == 0 && !ledger->topics[i].deleting) {
            return &ledger->topics[i];
        }
    }
    return NULL;
}

struct ledger_topic *ledger_topic(struct ledger *ledger, struct string name, struct uuid id)
{
    struct ledger_topic *topic = ledger_find(ledger, id);

    if (topic != NULL) {
        if (!string_is(name, topic->name)) {
            sim_fail(ledger->world, "the id of topic %s is also that of another name", topic->name);
        }
        return topic;
    }
    if (ledger->topic_count == LEDGER_TOPICS_MAX || name.size > LEDGER_NAME_MAX) {
        return NULL;
    }
    topic = &ledger->topics[ledger->topic_count++];
    topic->id = id;
    memcpy(topic->name, name.data, name.size);
    /* Of churn, which is deleted and made anew, every other one: the next must not begin where it ended. */
    topic->trims = strcmp(topic->name, "trim") == 0 ||
                   (strcmp(topic->name, "churn") == 0 && (ledger->churn_trims || ledger->topic_count % 2 == 0));
    for (int i = 0; i < LEDGER_PARTITIONS_MAX; i++) {
        topic->partitions[i].leader = -1;
        topic->partitions[i].leader_epoch = -1;
    }
    return topic;
}

void ledger_leader(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int32_t epoch, int32_t leader)
{
    struct ledger_partition *known = &topic->partitions[partition];

    for (int i = 0; i < known->epoch_count; i++) {
        if (known->epochs[i].epoch == epoch) {
            if (known->epochs[i].leader != leader) {
                sim_fail(ledger->world, "%s-%d: leader epoch %d has two leaders, %d and %d", topic->name, partition,
                         epoch, known->epochs[i].leader, leader);
            }
            return;
        }
    }
    if (known->epoch_count < LEDGER_EPOCHS_MAX) {
        known->epochs[known->epoch_count++] = (struct ledger_epoch){epoch, leader};
    }
    if (epoch > known->leader_epoch) {
        known->leader_epoch = epoch;
        known->leader = leader;
    }
}

uint16_t ledger_session(struct ledger *ledger)
{
    ledger->session_count++;
    ASSERT(ledger->session_count > 0);
    return ledger->session_count;
}

void ledger_producer_id(struct ledger *ledger, int64_t producer_id)
{
    for (size_t i = 0; i < ledger->producer_id_count; i++) {
        if (ledger->producer_ids[i] == producer_id) {
            sim_fail(ledger->world, "two producers were given the id %" PRId64, producer_id);
        }
    }
    ledger->producer_ids = realloc(ledger->producer_ids, (ledger->producer_id_count + 1) * sizeof(int64_t));
    ASSERT(ledger->producer_ids != NULL);
    ledger->producer_ids[ledger->producer_id_count++] = producer_id;
}

void ledger_error(struct ledger *ledger, int16_t code)
{
    if (code > 0 && code < LEDGER_ERRORS_MAX) {
        ledger->errors[code]++;
    }
}

static size_t value_size(uint64_t number)
{
    return 8 + (size_t)(number * 37 % (LEDGER_VALUE_MAX - 8));
}

size_t ledger_value(uint64_t number, uint8_t *value)
{
    const size_t size = value_size(number);

    store_u64(value, number);
    for (size_t i = 8; i < size; i++) {
        value[i] = (uint8_t)(number + i);
    }
    return size;
}

uint64_t ledger_number(struct bytes value)
{
    uint8_t expected[LEDGER_VALUE_MAX];
    uint64_t number;

    if (value.size < 8) {
        return UINT64_MAX;
    }
    number = load_u64(value.data);
    if (value.size != value_size(number)) {
        return UINT64_MAX;
    }
    ledger_value(number, expected);
    return memcmp(value.data, expected, value.size) == 0 ? number : UINT64_MAX;
}

uint64_t ledger_send(struct ledger *ledger, const struct ledger_topic *topic, int32_t partition, uint16_t session,
                     int32_t count, int64_t timestamp)
{
    const uint64_t first = ledger->record_count;

    if (first + (uint64_t)count > ledger->record_capacity) {
        ledger->record_capacity = ledger->record_capacity * 2 + 1024;
        ledger->records = realloc(ledger->records, ledger->record_capacity * sizeof(*ledger->records));
        ASSERT(ledger->records != NULL);
    }
    for (uint64_t number = first; number < first + (uint64_t)count; number++) {
        ledger->records[number] = (struct ledger_record){.topic = (uint8_t)(topic - ledger->topics),
                                                         .partition = (uint8_t)partition,
                                                         .session = session,
                                                         .size = (uint32_t)(value_size(number) + RECORD_OVERHEAD),
                                                         .timestamp = timestamp,
                                                         .offset = -1};
    }
    ledger->record_count += (uint64_t)count;
    return first;
}

static struct ledger_place *partition_place(struct ledger_partition *partition, int64_t offset)
{
    if (offset >= partition->place_capacity) {
        const int64_t capacity = offset * 2 + 256;

        partition->places = realloc(partition->places, (size_t)capacity * sizeof(*partition->places));
        ASSERT(partition->places != NULL);
        memset(partition->places + partition->place_capacity, 0,
               (size_t)(capacity - partition->place_capacity) * sizeof(*partition->places));
        partition->place_capacity = capacity;
    }
    if (offset >= partition->place_count) {
        partition->place_count = offset + 1;
    }
    return &partition->places[offset];
}

/* Record `number` is at `offset`. False after a failure. */
static bool ledger_bind(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t offset,
                        uint64_t number)
{
    struct ledger_record *record = &ledger->records[number];
    struct ledger_place *place;

    if (ledger->rot && (offset < 0 || (uint64_t)offset > ledger->record_count * 2 + 1000)) {
        ledger->rotten++;
        return true;
    }
    /* More than was ever sent cannot lie there. */
    if (offset < 0 || (uint64_t)offset > ledger->record_count * 2 + 1000) {
        sim_fail(ledger->world, "%s-%d: offset %" PRId64 " cannot be", topic->name, partition, offset);
        return false;
    }
    if (&ledger->topics[record->topic] != topic || record->partition != partition) {
        sim_fail(ledger->world, "%s-%d: at offset %" PRId64 " is a record that was sent to %s-%d", topic->name,
                 partition,
                 offset, ledger->topics[record->topic].name, record->partition);
        return false;
    }
    place = partition_place(&topic->partitions[partition], offset);
    if (ledger->rot && ((place->number != 0 && place->number != number + 1) ||
                        (record->offset >= 0 && record->offset != offset))) {
        ledger->rotten++;
        return true;
    }
    if (place->number != 0 && place->number != number + 1) {
        sim_fail(ledger->world, "%s-%d: offset %" PRId64 " was %s record %" PRIu64 " and is record %" PRIu64 " now",
                 topic->name, partition, offset, place->acknowledged ? "promised to" : "read as", place->number - 1,
                 number);
        return false;
    }
    /* What a trimmed log has forgotten it cannot know again: neither the record nor that its producer sent it. */
    if (record->offset >= 0 && record->offset != offset && !topic->trims) {
        sim_fail(ledger->world, "%s-%d: record %" PRIu64 "%s is there twice, at offsets %" PRId64 " and %" PRId64,
                 topic->name, partition, number, record->session > 0 ? " of an idempotent producer" : "",
                 record->offset, offset);
        return false;
    }
    place->number = number + 1;
    record->offset = offset;
    return true;
}

void ledger_acknowledge(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t offset,
                        uint64_t number, int32_t count)
{
    struct ledger_partition *known = &topic->partitions[partition];

    for (int32_t i = 0; i < count; i++) {
        if (!ledger_bind(ledger, topic, partition, offset + i, number + (uint64_t)i)) {
            return;
        }
        if (offset + i >= 0 && offset + i < known->place_count) {
            known->places[offset + i].acknowledged = true;
        }
    }
    if (known->acknowledged_end < offset + count) {
        known->acknowledged_end = offset + count;
    }
    ledger->acknowledged += (uint64_t)count;
    if (ledger->promised != NULL) {
        ledger->promised(ledger->promised_context);
    }
}

bool ledger_observe(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t offset,
                    int64_t timestamp, struct bytes value, uint32_t reading)
{
    const uint64_t number = ledger_number(value);

    if (number >= ledger->record_count || ledger->records[number].timestamp != timestamp) {
        sim_fail(ledger->world, "%s-%d: at offset %" PRId64 " is what nobody sent", topic->name, partition, offset);
        return false;
    }
    if (!ledger_bind(ledger, topic, partition, offset, number)) {
        return false;
    }
    if (reading != 0 && offset >= 0 && offset < topic->partitions[partition].place_count) {
        topic->partitions[partition].places[offset].read = reading;
    }
    return true;
}

/* Counts the starts of nodes. */
static uint64_t ledger_life(const struct ledger *ledger)
{
    uint64_t life = 0;

    for (unsigned i = 0; i < ledger->world->process_count; i++) {
        const struct sim_process *process = ledger->world->processes[i];

        life += strncmp(sim_process_name(process), "node-", 5) == 0 ? process->incarnation : 0;
    }
    return life;
}

struct ledger_floor ledger_floor(const struct ledger *ledger, const struct ledger_topic *topic, int32_t partition)
{
    const struct ledger_partition *known = &topic->partitions[partition];
    const uint64_t life = ledger_life(ledger);

    return (struct ledger_floor){
        .high_watermark =
            known->high_watermark > known->acknowledged_end ? known->high_watermark : known->acknowledged_end,
        .start = known->start_life == life ? known->start : 0,
        .life = life,
    };
}

static void ledger_start(struct ledger *ledger, struct ledger_topic *topic, int32_t partition,
                         const struct ledger_floor *floor, int64_t start)
{
    struct ledger_partition *known = &topic->partitions[partition];

    if (ledger->rot) {
        return;
    }
    if (start < floor->start && floor->life == ledger_life(ledger)) {
        sim_fail(ledger->world, "%s-%d: the log start went back, from %" PRId64 " to %" PRId64, topic->name, partition,
                 floor->start, start);
    } else if (start > 0 && !topic->trims) {
        sim_fail(ledger->world, "%s-%d: the log begins at %" PRId64 ", and nobody asked for that", topic->name,
                 partition, start);
    }
    if (start > known->start || known->start_life < floor->life) {
        known->start = start;
        known->start_life = floor->life;
    }
}

void ledger_bounds(struct ledger *ledger, struct ledger_topic *topic, int32_t partition,
                   const struct ledger_floor *floor, int64_t high_watermark, int64_t start)
{
    struct ledger_partition *known = &topic->partitions[partition];

    if (start >= 0) {
        ledger_start(ledger, topic, partition, floor, start);
    }
    if (high_watermark < 0 || ledger->rot) {
        return;
    }
    if (high_watermark < floor->high_watermark) {
        sim_fail(ledger->world, "%s-%d: the high watermark went back, from %" PRId64 " to %" PRId64, topic->name,
                 partition, floor->high_watermark, high_watermark);
    } else if (start > high_watermark) {
        sim_fail(ledger->world, "%s-%d: the log begins at %" PRId64 ", behind its high watermark %" PRId64, topic->name,
                 partition, start, high_watermark);
    }
    known->high_watermark = high_watermark > known->high_watermark ? high_watermark : known->high_watermark;
}

void ledger_audit(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t start, int64_t end,
                  uint32_t reading)
{
    const struct ledger_partition *known = &topic->partitions[partition];

    for (int64_t offset = start; offset < known->place_count; offset++) {
        const struct ledger_place *place = &known->places[offset];

        if (place->acknowledged && (place->read != reading || offset >= end)) {
            sim_fail(ledger->world, "%s-%d: acknowledged record %" PRIu64 " at offset %" PRId64 " is lost", topic->name,
                     partition, place->number - 1, offset);
            return;
        }
    }
}

/* Records of a session that were sent before one that is there must be there, too. */
static void ledger_audit_gaps(struct ledger *ledger)
{
    const size_t lanes = (size_t)ledger->session_count + 1;
    const size_t homes = (size_t)LEDGER_TOPICS_MAX * LEDGER_PARTITIONS_MAX;
    uint64_t *missing = sim_alloc(lanes * homes * sizeof(*missing));

    for (uint64_t number = 0; number < ledger->record_count; number++) {
        const struct ledger_record *record = &ledger->records[number];
        const size_t home = (size_t)record->topic * LEDGER_PARTITIONS_MAX + record->partition;
        uint64_t *lane = &missing[home * lanes + record->session];

        if (record->session == 0 || ledger->topics[record->topic].deleting || ledger->topics[record->topic].trims) {
            continue;
        }
        if (record->offset < 0 && *lane == 0) {
            *lane = number + 1;
        } else if (record->offset >= 0 && *lane != 0) {
            sim_fail(ledger->world,
                     "%s-%d: record %" PRIu64 " of an idempotent producer is missing before its record %" PRIu64,
                     ledger->topics[record->topic].name, record->partition, *lane - 1, number);
            break;
        }
    }
    sim_free(missing);
}

void ledger_audit_order(struct ledger *ledger)
{
    uint64_t *last = sim_alloc(((size_t)ledger->session_count + 1) * sizeof(*last));

    for (int i = 0; i < ledger->topic_count; i++) {
        for (int32_t j = 0; j < LEDGER_PARTITIONS_MAX; j++) {
            const struct ledger_partition *known = &ledger->topics[i].partitions[j];

            memset(last, 0, ((size_t)ledger->session_count + 1) * sizeof(*last));
            for (int64_t offset = 0; offset < known->place_count; offset++) {
                const uint64_t number = known->places[offset].number;
                const uint16_t session = number > 0 ? ledger->records[number - 1].session : 0;

                if (session == 0) {
                    continue;
                }
                if (number <= last[session]) {
                    sim_fail(ledger->world,
                             "%s-%d: records of an idempotent producer are out of order: %" PRIu64 " follows %" PRIu64,
                             ledger->topics[i].name, j, number - 1, last[session] - 1);
                }
                last[session] = number;
            }
        }
    }
    sim_free(last);
    ledger_audit_gaps(ledger);
}
