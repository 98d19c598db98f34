/* See workload.h. */
#include "tests/unit/storage-log/workload.h"

#include "common/base/memory.h"

#define STEPS 40
/* With files that are written over: until that has happened a few times. */
#define STEPS_RECYCLING 100

/* The sequence that a producer has to send next, from what was taken. */
static void owner_count_sequences(struct owner *owner, const struct world *world)
{
    memset(owner->next_sequence, 0, sizeof(owner->next_sequence));
    for (size_t i = 0; i < world->sent_count; i++) {
        struct batch_header header;

        assert_int_equal(batch_header_read(world->sent[i].bytes, &header), STATUS_OK);
        if (batch_has_producer(&header)) {
            owner->next_sequence[header.producer_id] = sequence_add(batch_last_sequence(&header), 1);
        }
    }
}

void step_append(struct world *world, struct owner *owner)
{
    const int64_t before = partition_log_written_end(world->log);
    const uint64_t count = 1 + prng_below(&owner->prng, 3);

    for (uint64_t i = 0; i < count; i++) {
        const int64_t producer = (int64_t)prng_below(&owner->prng, PRODUCERS);
        struct batch_recipe made = recipe_of_producer(producer, 0, owner->next_sequence[producer],
                                                      1 + (int32_t)prng_below(&owner->prng, 3));
        enum append_verdict verdict;

        made.value_size = (size_t)prng_below(&owner->prng, 120);
        if (prng_below(&owner->prng, 3) == 0) {
            made = recipe(made.value_size, 2000);
        }
        verdict = world_append(world, &made, NULL);
        assert_true(verdict == APPEND_OK || verdict == APPEND_FAILED);
        if (verdict == APPEND_OK && made.producer_id != PRODUCER_ID_NONE) {
            owner->next_sequence[producer] = sequence_add(owner->next_sequence[producer], made.records);
        }
    }
    if (partition_log_flush(world->log) != STATUS_OK) {
        /* A roll may have written some of the turn before the failure. */
        assert_true(partition_log_end_offset(world->log) >= before);
        assert_true(partition_log_end_offset(world->log) == partition_log_written_end(world->log));
        if (partition_log_failure(world->log) == STATUS_OK) {
            world_forget_from(world, partition_log_end_offset(world->log));
            owner_count_sequences(owner, world);
        }
    }
}

static void step(struct world *world, struct owner *owner)
{
    const int64_t acked = world->acked;

    switch (prng_below(&owner->prng, 10)) {
    case 0:
    case 1:
        (void)world_sync(world);
        break;
    case 2:
        world->leader_epoch++;
        partition_log_start_epoch(world->log, world->leader_epoch);
        break;
    case 3:
        world_work(world);
        break;
    case 4:
        /* What the owner would checkpoint, some time. */
        world->recovery_point = partition_log_durable_end(world->log);
        world->log_start = partition_log_start_offset(world->log);
        break;
    case 5:
        if (prng_below(&owner->prng, 4) == 0 && acked > 0) {
            const int64_t offset = (int64_t)prng_below(&owner->prng, (uint64_t)acked + 1);

            owner->start_asked = offset > owner->start_asked ? offset : owner->start_asked;
            (void)!partition_log_delete_before(world->log, offset, acked);
        }
        break;
    case 6:
        world->wall_ms += 700;
        if (world->config.retention_bytes >= 0 && acked > owner->start_asked) {
            owner->start_asked = acked;
        }
        partition_log_maintain(world->log, world->wall_ms, acked);
        break;
    default:
        step_append(world, owner);
        break;
    }
}

void world_fresh(struct world **world, void **state)
{
    world_setup(state);
    *world = *state;
    (*world)->config = world_config(700);
}

bool log_is_usable(struct world *world)
{
    return world->log != NULL && partition_log_failure(world->log) == STATUS_OK;
}

void run_workload(struct world *world, struct owner *owner, uint64_t seed)
{
    const bool recycles = world->config.durability == DURABILITY_MEMORY && world->config.retention_bytes >= 0;
    const int steps = recycles ? STEPS_RECYCLING : STEPS;

    *owner = (struct owner){0};
    prng_init(&owner->prng, seed);
    /* Half of them begin as a node begins a new partition, half on an empty directory. */
    assert_int_equal(disk_make_directories(&world->memory.disk, "/data"), STATUS_OK);
    world->fresh = seed % 2 == 1;
    if (world_try_open(world, false) != STATUS_OK) {
        return;
    }
    for (int i = 0; i < steps && log_is_usable(world) && !world->faults.stopped &&
                    !(world->faults.fail_on && world->faults.failed); i++) {
        step(world, owner);
    }
}

/* After a start: everything confirmed, nothing else than what was sent. */
void check_promises(struct world *world, struct owner *owner)
{
    const int64_t end = partition_log_end_offset(world->log);

    assert_true(end >= world->acked);
    assert_true(partition_log_start_offset(world->log) <= owner->start_asked);
    assert_true(partition_log_durable_end(world->log) == end || world->config.durability != DURABILITY_FSYNC);
    world_forget_from(world, end);
    world_check_contents(world);
    for (size_t i = 0; i < world->sent_count; i++) {
        struct batch_header header;

        assert_int_equal(batch_header_read(world->sent[i].bytes, &header), STATUS_OK);
        if (world->sent[i].base_offset >= partition_log_start_offset(world->log)) {
            assert_int_equal(partition_log_epoch_of(world->log, world->sent[i].base_offset),
                             header.partition_leader_epoch);
        }
    }
    owner_count_sequences(owner, world);
}

/* Whoever sends a confirmed batch again is told so, and the next in order is taken. */
void check_windows(struct world *world, struct owner *owner)
{
    for (int64_t producer = 0; producer < PRODUCERS; producer++) {
        int checked = 0;

        for (size_t i = world->sent_count; i > 0 && checked < 5; i--) {
            struct append_result result;
            struct batch_header header;
            struct space again;

            assert_int_equal(batch_header_read(world->sent[i - 1].bytes, &header), STATUS_OK);
            if (header.producer_id != producer ||
                world->sent[i - 1].base_offset < partition_log_start_offset(world->log)) {
                continue;
            }
            again = (struct space){memory_copy(world->sent[i - 1].bytes.data, world->sent[i - 1].bytes.size),
                                   world->sent[i - 1].bytes.size};
            assert_int_equal(world_append_batch(world, again, &result), APPEND_DUPLICATE);
            assert_int_equal(result.base_offset, world->sent[i - 1].base_offset);
            checked++;
        }
    }
    step_append(world, owner);
    assert_true(world_sync(world));
    world_check_contents(world);
}

void tell_points(const char *what, uint64_t points)
{
    print_message("sweep: %s: %llu points, 0 violations\n", what, (unsigned long long)points);
}
