/* Bytes from a peer, damaged in every way: the decoder refuses or decodes, the core lives with whatever decodes. */
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "tests/unit/quorum/bench.h"
#include "tests/unit/quorum/world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

static const struct edge_identity sender = {{{7}}, 1};
static const struct edge_identity receiver = {{{7}}, 0};
static const struct edge_limits limits = {8 * 1024 * 1024, 64 * 1024 * 1024};

/* A plausible message for a node whose log ends around 5 in term 2. */
static void random_message(struct prng *prng, struct edge_entry *entries, const struct buffer *configuration,
                           struct edge_message *message)
{
    const uint64_t kind = 1 + prng_below(prng, EDGE_KIND_LAST);
    const uint64_t term = 1 + prng_below(prng, 5);

    *message = (struct edge_message){.kind = (enum edge_kind)kind, .term = term, .sender_term = term + prng_below(prng,
                                                                                                                  3)};
    switch (message->kind) {
    case EDGE_APPEND:
        message->append.previous_index = prng_below(prng, 9);
        message->append.previous_term = message->append.previous_index == 0 ? 0 : 1 + prng_below(prng, term);
        message->append.commit_index = prng_below(prng, 12);
        message->append.entries = entries;
        message->append.count = (uint32_t)prng_below(prng, 6);
        for (uint32_t i = 0; i < message->append.count; i++) {
            const bool change = prng_below(prng, 8) == 0;

            entries[i].term = i > 0 ? entries[i - 1].term
                              : message->append.previous_term > 0 ? message->append.previous_term : 1;
            entries[i].term += entries[i].term < term ? prng_below(prng, 2) : 0;
            entries[i].kind = change ? LOG_CONFIGURATION : LOG_COMMAND;
            entries[i].data = change ? buffer_bytes(configuration) : bytes_of("data", prng_below(prng, 5));
        }
        break;
    case EDGE_APPEND_RESULT:
        message->append_result.rejected = prng_below(prng, 3) == 0 ? prng_below(prng, 12) : 0;
        message->append_result.last_index = prng_below(prng, 12);
        message->stale = prng_below(prng, 6) == 0;
        break;
    case EDGE_VOTE:
        message->vote = (struct edge_vote){prng_below(prng, 12), prng_below(prng, 6), prng_below(prng, 4) == 0,
                                           prng_below(prng, 2) == 0};
        break;
    case EDGE_VOTE_RESULT:
        message->vote_result = (struct edge_vote_result){prng_below(prng, 2) == 0, prng_below(prng, 2) == 0};
        break;
    case EDGE_SNAPSHOT_CHUNK:
        message->chunk.last_index = 1 + prng_below(prng, 12);
        message->chunk.last_term = 1 + prng_below(prng, term);
        message->chunk.configuration_index = 1;
        message->chunk.configuration = buffer_bytes(configuration);
        break;
    case EDGE_TIMEOUT_NOW:
        message->timeout_now = (struct edge_timeout_now){prng_below(prng, 12), prng_below(prng, 6)};
        break;
    }
}

static void frames_with_random_damage_never_crash_the_decoder(void **state)
{
    struct buffer configuration = bench_configuration();
    struct edge_entry entries[8];
    struct prng prng;
    uint64_t decoded = 0;
    uint64_t refused = 0;

    (void)state;
    prng_init(&prng, 1);
    for (int i = 0; i < 60000; i++) {
        struct edge_message message;
        struct buffer frame = {0};
        uint8_t *copy;
        size_t size;
        size_t cut;

        random_message(&prng, entries, &configuration, &message);
        message.receiver = receiver.id;
        edge_encode(sender, &message, &frame);
        for (uint64_t n = prng_below(&prng, 4); n > 0; n--) {
            frame.data[prng_below(&prng, frame.size)] = (uint8_t)prng_next(&prng);
        }
        cut = prng_below(&prng, 8) == 0 ? (size_t)prng_below(&prng, frame.size + 1) : frame.size;
        if (cut >= EDGE_HEADER_SIZE && prng_below(&prng, 2) == 0) {
            /* Checksums that fit: what is behind them must be as careful. */
            store_u32(frame.data + 40, (uint32_t)(cut - EDGE_HEADER_SIZE));
            store_u32(frame.data + 44, crc32c(frame.data + EDGE_HEADER_SIZE, cut - EDGE_HEADER_SIZE));
            store_u32(frame.data + 60, crc32c(frame.data, 60));
        }
        copy = memory_copy(frame.data, cut); /* exactly this long, so that a sanitizer sees the end */
        if (edge_frame_size(receiver, limits, bytes_of(copy, cut), &size) == STATUS_OK && size <= cut &&
            edge_decode(bytes_of(copy, size), limits, &message) == STATUS_OK) {
            decoded++;
            edge_message_deinit(&message);
        } else {
            refused++;
        }
        memory_free(copy);
        buffer_deinit(&frame);
    }
    assert_true(decoded > 5000);
    assert_true(refused > 5000);
    buffer_deinit(&configuration);
}

/* Whatever well-formed messages come from a peer gone mad, the core ends in an orderly way or lives. */
static void a_core_survives_a_peer_gone_mad(void **state)
{
    struct buffer configuration = bench_configuration();
    struct edge_entry entries[8];
    struct bench *bench = memory_alloc_zero(1, sizeof(*bench));
    uint64_t leaders = 0;
    uint64_t fatals = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct prng prng;

        prng_init(&prng, seed);
        bench_init(bench, 0, EDGE_RULES_ALL, 2, 4, 2);
        for (int i = 0; i < 150 && bench->fatal == NULL; i++) {
            const uint64_t what = prng_below(&prng, 12);
            struct edge_message message;

            if (what == 0) {
                bench_timeout(bench);
            } else if (what == 1) {
                bench_sync(bench);
            } else if (what == 2 && bench->core.raft.snapshot.installing) {
                core_installed(&bench->core, bench->now_ms);
                bench_take(bench);
            } else {
                random_message(&prng, entries, &configuration, &message);
                message.term += raft_current_term(&bench->core.raft) > 4 ? raft_current_term(&bench->core.raft) - 4 : 0;
                message.sender_term = message.term;
                bench_deliver(bench, 1 + (int32_t)prng_below(&prng, 2), message);
            }
            leaders += bench->core.raft.state == RAFT_LEADER;
            assert_true(bench->core.applied_index <= log_last(&bench->core.log));
            bench_clear(bench);
        }
        fatals += bench->fatal != NULL;
        bench_deinit(bench);
    }
    assert_true(leaders > 100);
    assert_true(fatals < 1500);
    memory_free(bench);
    buffer_deinit(&configuration);
}

static bool closed;

static void close_it(void *context)
{
    (void)context;
    closed = true;
}

/* Bytes cut anywhere, then garbage: good frames get through, bad ones close the connection. */
static void a_connection_takes_bytes_cut_anywhere_and_ends_with_garbage(void **state)
{
    const struct edge_message message = {
        .kind = EDGE_VOTE, .term = 50, .sender_term = 50, .vote = {.last_index = 1000, .last_term = 49,
                                                                   .disrupt_leader = true}};
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    struct quorum_status status;
    struct buffer frame = {0};

    (void)state;
    world_init(world, 1, 3);
    world_start_all(world);
    edge_encode((struct edge_identity){world->options.cluster_id, 1}, &message, &frame);
    for (size_t step = 1; step <= frame.size; step += 7) {
        struct quorum_inbound *inbound = quorum_inbound_open(world->nodes[0].quorum, close_it, NULL);

        closed = false;
        for (size_t at = 0; at < frame.size; at += step) {
            const size_t size = frame.size - at < step ? frame.size - at : step;

            assert_true(quorum_inbound_bytes(inbound, bytes_of(frame.data + at, size)));
        }
        assert_false(closed);
        assert_false(quorum_inbound_bytes(inbound,
                                          bytes_of("................................................................",
                                                   64)));
        quorum_inbound_closed(inbound);
    }
    quorum_status_get(world->nodes[0].quorum, &status);
    assert_int_equal(status.term, 50);
    buffer_deinit(&frame);
    world_deinit(world);
    memory_free(world);
}

static void a_new_connection_of_a_sender_ends_the_older_one(void **state)
{
    const struct edge_message message = {.kind = EDGE_VOTE_RESULT, .term = 1, .sender_term = 1};
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    struct quorum_inbound *older;
    struct quorum_inbound *newer;
    struct buffer frame = {0};

    (void)state;
    world_init(world, 1, 3);
    world_start_all(world);
    edge_encode((struct edge_identity){world->options.cluster_id, 1}, &message, &frame);
    older = quorum_inbound_open(world->nodes[0].quorum, close_it, NULL);
    assert_true(quorum_inbound_bytes(older, buffer_bytes(&frame)));
    closed = false;
    newer = quorum_inbound_open(world->nodes[0].quorum, close_it, NULL);
    assert_false(closed);
    assert_true(quorum_inbound_bytes(newer, buffer_bytes(&frame)));
    assert_true(closed);
    assert_false(quorum_inbound_bytes(older, buffer_bytes(&frame)));
    quorum_inbound_closed(older);
    assert_true(quorum_inbound_bytes(newer, buffer_bytes(&frame)));
    quorum_inbound_closed(newer);
    buffer_deinit(&frame);
    world_deinit(world);
    memory_free(world);
}

static void frames_of_other_clusters_and_for_other_nodes_are_refused(void **state)
{
    struct edge_message message = {.kind = EDGE_VOTE_RESULT, .receiver = 0, .term = 1, .sender_term = 1};
    struct edge_identity stranger = sender;
    struct buffer frame = {0};
    size_t size;

    (void)state;
    edge_encode(sender, &message, &frame);
    assert_int_equal(edge_frame_size(receiver, limits, buffer_bytes(&frame), &size), STATUS_OK);
    buffer_clear(&frame);
    stranger.cluster_id.data[3] = 1;
    edge_encode(stranger, &message, &frame);
    assert_int_equal(edge_frame_size(receiver, limits, buffer_bytes(&frame), &size), STATUS_INVALID);
    buffer_clear(&frame);
    message.receiver = 2;
    edge_encode(sender, &message, &frame);
    assert_int_equal(edge_frame_size(receiver, limits, buffer_bytes(&frame), &size), STATUS_INVALID);
    buffer_clear(&frame);
    message.receiver = 0;
    edge_encode(receiver, &message, &frame);
    assert_int_equal(edge_frame_size(receiver, limits, buffer_bytes(&frame), &size), STATUS_INVALID);
    buffer_deinit(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_with_random_damage_never_crash_the_decoder),
        cmocka_unit_test(a_core_survives_a_peer_gone_mad),
        cmocka_unit_test(a_connection_takes_bytes_cut_anywhere_and_ends_with_garbage),
        cmocka_unit_test(a_new_connection_of_a_sender_ends_the_older_one),
        cmocka_unit_test(frames_of_other_clusters_and_for_other_nodes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
