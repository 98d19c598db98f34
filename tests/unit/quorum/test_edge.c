/* The guard rules, each by a script against the real library: with the rule all is well, without it the defect
 * shows. */
#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "tests/unit/quorum/bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static struct edge_message append_of(uint64_t term, uint64_t previous_index, uint64_t previous_term, uint64_t commit,
                                     struct edge_entry *entries, uint32_t count)
{
    return (struct edge_message){
        .kind = EDGE_APPEND,
        .term = term,
        .append = {previous_index, previous_term, commit, entries, count},
    };
}

static const struct edge_entry command = {1, LOG_COMMAND, {(const uint8_t *)"command", 7}};

/* A follower with entries 1 to 5 of term 1, durable and committed. */
static void follower_with_five(struct bench *bench, struct edge_rules rules)
{
    struct edge_entry entries[4] = {command, command, command, command};

    bench_init(bench, 0, rules, 1, 0, 0);
    assert_true(bench_deliver(bench, 1, append_of(1, 1, 1, 5, entries, 4)));
    bench_sync(bench);
    assert_int_equal(raft_commit_index(&bench->core.raft), 5);
    assert_int_equal(bench->applied, 4);
    bench_clear(bench);
}

static void a_late_append_does_not_take_the_commit_index_back(void **state)
{
    struct edge_rules rules = EDGE_RULES_ALL;
    struct bench bench;

    (void)state;
    follower_with_five(&bench, rules);
    assert_true(bench_deliver(&bench, 1, append_of(1, 1, 1, 6, NULL, 0)));
    assert_int_equal(raft_commit_index(&bench.core.raft), 5);
    assert_null(bench.fatal);
    assert_int_equal(bench_last(&bench, EDGE_APPEND_RESULT)->append_result.last_index, 5);
    bench_deinit(&bench);

    rules.q1_normalise_append = false;
    follower_with_five(&bench, rules);
    assert_true(bench_deliver(&bench, 1, append_of(1, 1, 1, 6, NULL, 0)));
    assert_string_equal(bench.fatal, "the commit index moved backwards");
    bench_deinit(&bench);
}

static void committed_entries_that_come_again_are_skipped(void **state)
{
    struct edge_entry entries[6] = {command, command, command, command, command, command};
    struct bench bench;

    (void)state;
    follower_with_five(&bench, EDGE_RULES_ALL);
    assert_true(bench_deliver(&bench, 1, append_of(1, 1, 1, 7, entries, 6)));
    assert_int_equal(log_last(&bench.core.log), 7);
    assert_int_equal(bench.applied, 6);
    assert_null(bench.fatal);
    bench_deinit(&bench);
}

/* A voter set behind two commands in one message. */
static void follower_with_change_at_four(struct bench *bench, struct edge_rules rules)
{
    struct buffer configuration = bench_configuration();
    struct edge_entry entries[3] = {command, command, {1, LOG_CONFIGURATION, buffer_bytes(&configuration)}};

    bench_init(bench, 0, rules, 1, 0, 0);
    assert_true(bench_deliver(bench, 1, append_of(1, 1, 1, 1, entries, 3)));
    bench_sync(bench);
    buffer_deinit(&configuration);
}

static void a_configuration_behind_other_entries_keeps_its_index(void **state)
{
    struct edge_rules rules = EDGE_RULES_ALL;
    struct bench bench;

    (void)state;
    follower_with_change_at_four(&bench, rules);
    assert_int_equal(bench.core.raft.configuration_uncommitted_index, 4);
    assert_true(bench_deliver(&bench, 1, append_of(1, 4, 1, 4, NULL, 0)));
    assert_int_equal(bench.core.raft.configuration_committed_index, 4);
    assert_int_equal(bench.core.raft.configuration_uncommitted_index, 0);
    bench_deinit(&bench);

    rules.q2_split_append = false;
    follower_with_change_at_four(&bench, rules);
    assert_int_equal(bench.core.raft.configuration_uncommitted_index, 2);
    assert_true(bench_deliver(&bench, 1, append_of(1, 4, 1, 4, NULL, 0)));
    assert_int_equal(bench.core.raft.configuration_committed_index, 1);
    bench_deinit(&bench);
}

static struct edge_message chunk_of(uint64_t term, uint64_t last_index, uint64_t last_term,
                                    const struct buffer *configuration)
{
    return (struct edge_message){
        .kind = EDGE_SNAPSHOT_CHUNK,
        .term = term,
        .chunk = {.last_index = last_index,
                  .last_term = last_term,
                  .configuration_index = 1,
                  .configuration = buffer_bytes(configuration)},
    };
}

static void a_snapshot_of_an_older_term_is_not_acknowledged(void **state)
{
    struct buffer configuration = bench_configuration();
    struct edge_rules rules = EDGE_RULES_ALL;
    const struct edge_message *answer;
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, rules, 5, 0, 0);
    assert_true(bench_deliver(&bench, 1, chunk_of(3, 10, 3, &configuration)));
    answer = bench_last(&bench, EDGE_APPEND_RESULT);
    assert_true(answer->stale);
    assert_int_equal(answer->append_result.rejected, 1);
    assert_int_equal(answer->append_result.last_index, 0);
    bench_deinit(&bench);

    rules.q3_answer_stale = false;
    bench_init(&bench, 0, rules, 5, 0, 0);
    assert_true(bench_deliver(&bench, 1, chunk_of(3, 10, 3, &configuration)));
    answer = bench_last_or_garbled(&bench, EDGE_APPEND_RESULT);
    if (answer != NULL) {
        assert_false(answer->stale);
        assert_int_equal(answer->term, 5);
        assert_int_equal(answer->append_result.rejected, 0);
    }
    bench_deinit(&bench);
    buffer_deinit(&configuration);
}

static void an_append_of_an_older_term_is_not_acknowledged(void **state)
{
    struct edge_rules rules = EDGE_RULES_ALL;
    const struct edge_message *answer;
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, rules, 5, 0, 0);
    assert_true(bench_deliver(&bench, 1, append_of(3, 0, 0, 0, NULL, 0)));
    answer = bench_last(&bench, EDGE_APPEND_RESULT);
    assert_true(answer->stale);
    assert_int_equal(answer->append_result.rejected, 1);
    bench_deinit(&bench);

    rules.q3_answer_stale = false;
    bench_init(&bench, 0, rules, 5, 0, 0);
    assert_true(bench_deliver(&bench, 1, append_of(3, 0, 0, 0, NULL, 0)));
    answer = bench_last_or_garbled(&bench, EDGE_APPEND_RESULT);
    if (answer != NULL) {
        assert_false(answer->stale);
        assert_int_equal(answer->term, 5);
        assert_int_equal(answer->append_result.rejected, 0);
    }
    bench_deinit(&bench);
}

/* Makes `bench` (id 0) the leader of term 2 by the votes of 1. */
static void elect(struct bench *bench)
{
    bench_timeout(bench);
    assert_true(bench_deliver(bench, 1, (struct edge_message){.kind = EDGE_VOTE_RESULT,
                                                              .term = raft_current_term(&bench->core.raft) + 1,
                                                              .vote_result = {true, true}}));
    assert_true(bench_deliver(bench, 1, (struct edge_message){.kind = EDGE_VOTE_RESULT,
                                                              .term = raft_current_term(&bench->core.raft),
                                                              .vote_result = {true, false}}));
    assert_int_equal(bench->core.raft.state, RAFT_LEADER);
}

static struct edge_message result_of(uint64_t term, uint64_t rejected, uint64_t last_index, bool stale)
{
    return (struct edge_message){
        .kind = EDGE_APPEND_RESULT, .stale = stale, .term = term, .append_result = {rejected, last_index}};
}

static void a_stale_answer_counts_only_for_its_term(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    elect(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, 1, 0, true)));
    assert_int_equal(bench.core.raft.state, RAFT_LEADER);
    assert_int_equal(core_match_index(&bench.core, 1), 0);
    assert_true(bench_deliver(&bench, 1, result_of(3, 1, 0, true)));
    assert_int_equal(bench.core.raft.state, RAFT_FOLLOWER);
    assert_int_equal(raft_current_term(&bench.core.raft), 3);
    bench_deinit(&bench);
}

/* Passes what `from` has sent to `to`. */
static void exchange(struct bench *from, struct bench *to)
{
    struct bench sent = *from;

    from->sent_count = 0;
    for (size_t i = 0; i < sent.sent_count; i++) {
        if (sent.sent[i].receiver == to->core.options.identity.id) {
            assert_true(bench_deliver(to, sent.sent[i].sender, sent.sent[i]));
        }
    }
    bench_clear(&sent);
}

/* Node 0: longer log, lower term. Node 1: shorter log, higher term. Node 2 is dead. Rounds until one leads, or 0. */
static int rounds_to_leader(struct edge_rules rules)
{
    struct bench *a = memory_alloc_zero(1, sizeof(*a));
    struct bench *b = memory_alloc_zero(1, sizeof(*b));
    int result = 0;

    bench_init(a, 0, rules, 2, 1, 2);
    bench_init(b, 1, rules, 7, 0, 0);
    for (int round = 1; round <= 50 && result == 0; round++) {
        bench_timeout(round % 2 == 0 ? a : b);
        for (int i = 0; i < 10; i++) {
            bench_sync(a);
            bench_sync(b);
            exchange(a, b);
            exchange(b, a);
        }
        a->now_ms = a->now_ms > b->now_ms ? a->now_ms : b->now_ms;
        b->now_ms = a->now_ms;
        result = a->leader || b->leader ? round : 0;
    }
    bench_deinit(a);
    bench_deinit(b);
    memory_free(a);
    memory_free(b);
    return result;
}

static void a_longer_log_with_a_lower_term_gets_elected(void **state)
{
    struct edge_rules rules = EDGE_RULES_ALL;

    (void)state;
    assert_in_range(rounds_to_leader(rules), 1, 10);
    rules.q4_adopt_term = false;
    assert_int_equal(rounds_to_leader(rules), 0);
}

static void vote_results_reach_only_candidates(void **state)
{
    struct edge_message late = {.kind = EDGE_VOTE_RESULT, .term = 9, .vote_result = {true, false}};
    struct edge_rules rules = EDGE_RULES_ALL;
    struct edge_view view = {.role = EDGE_FOLLOWER, .term = 9};

    (void)state;
    assert_int_equal(edge_judge(&rules, &view, &late), EDGE_DROP);
    view.role = EDGE_LEADER;
    assert_int_equal(edge_judge(&rules, &view, &late), EDGE_DROP);
    view.role = EDGE_CANDIDATE;
    assert_int_equal(edge_judge(&rules, &view, &late), EDGE_DELIVER);
    view.role = EDGE_FOLLOWER;
    rules.q7_drop_votes = false;
    assert_int_equal(edge_judge(&rules, &view, &late), EDGE_DELIVER);
}

static void a_snapshot_waits_while_our_own_is_written(void **state)
{
    struct buffer configuration = bench_configuration();
    struct core_snapshot own;
    struct bench bench;

    (void)state;
    follower_with_five(&bench, EDGE_RULES_ALL);
    assert_true(core_snapshot_begin(&bench.core, 0, &own));
    assert_int_equal(own.index, 5);
    assert_true(bench_deliver(&bench, 1, chunk_of(1, 50, 1, &configuration)));
    assert_int_equal(bench.installs, 0);
    core_snapshot_saved(&bench.core, bench.now_ms);
    bench_take(&bench);
    assert_int_equal(bench.installs, 1);
    /* Another one while the first is on its way to the disk is dropped: the library would leak it. */
    assert_true(bench_deliver(&bench, 1, chunk_of(1, 60, 1, &configuration)));
    assert_int_equal(bench.installs, 1);
    core_installed(&bench.core, bench.now_ms);
    bench_take(&bench);
    assert_int_equal(bench.restores, 1);
    assert_int_equal(bench.core.applied_index, 50);
    assert_int_equal(log_last(&bench.core.log), 50);
    core_snapshot_deinit(&own);
    bench_deinit(&bench);
    buffer_deinit(&configuration);
}

static void a_snapshot_in_pieces_is_put_together_and_a_damaged_one_dropped(void **state)
{
    struct buffer configuration = bench_configuration();
    struct edge_message chunk = chunk_of(1, 50, 1, &configuration);
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    chunk.chunk.total = 8;
    chunk.chunk.crc = 0x1234;
    chunk.chunk.data = bytes_of("abcd", 4);
    assert_true(bench_deliver(&bench, 1, chunk));
    chunk.chunk.offset = 4;
    chunk.chunk.data = bytes_of("efgh", 4);
    assert_true(bench_deliver(&bench, 1, chunk));
    assert_int_equal(bench.installs, 0);
    chunk.chunk.crc = crc32c("abcdefgh", 8);
    chunk.chunk.offset = 0;
    chunk.chunk.data = bytes_of("abcd", 4);
    assert_true(bench_deliver(&bench, 1, chunk));
    /* A piece that does not follow starts nothing and ends the assembly. */
    chunk.chunk.offset = 5;
    chunk.chunk.data = bytes_of("fgh", 3);
    assert_true(bench_deliver(&bench, 1, chunk));
    assert_int_equal(bench.installs, 0);
    chunk.chunk.offset = 0;
    chunk.chunk.data = bytes_of("abcde", 5);
    assert_true(bench_deliver(&bench, 1, chunk));
    chunk.chunk.offset = 5;
    chunk.chunk.data = bytes_of("fgh", 3);
    assert_true(bench_deliver(&bench, 1, chunk));
    assert_int_equal(bench.installs, 1);
    assert_memory_equal(bench.core.incoming.data.data, "abcdefgh", 8);
    bench_deinit(&bench);
    buffer_deinit(&configuration);
}

static void a_rejection_below_what_the_peer_has_is_old(void **state)
{
    struct bench bench;
    uint64_t last;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    elect(&bench);
    bench_sync(&bench);
    last = log_last(&bench.core.log);
    assert_true(bench_deliver(&bench, 1, result_of(2, 0, last, false)));
    assert_int_equal(core_match_index(&bench.core, 1), last);
    bench_clear(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, last, last - 1, false)));
    assert_int_equal(core_match_index(&bench.core, 1), last);
    assert_int_equal(bench.sent_count, 0);
    bench_deinit(&bench);
}

static void a_second_leader_of_our_own_term_is_not_followed(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    elect(&bench);
    assert_true(bench_deliver(&bench, 2, append_of(2, 1, 1, 1, NULL, 0)));
    assert_int_equal(bench.core.raft.state, RAFT_LEADER);
    bench_deinit(&bench);
}

static void an_absurd_term_is_ignored(void **state)
{
    struct edge_message far = append_of(UINT64_C(1) << 40, 1, 1, 1, NULL, 0);
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    assert_true(bench_deliver(&bench, 1, far));
    assert_int_equal(raft_current_term(&bench.core.raft), 1);
    bench_deinit(&bench);
}

static void a_strange_voter_set_is_not_taken(void **state)
{
    struct buffer configuration = bench_configuration();
    struct edge_entry entry = {1, LOG_CONFIGURATION, {0}};
    struct bench bench;

    (void)state;
    configuration.data[9] = 9;
    entry.data = buffer_bytes(&configuration);
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    assert_true(bench_deliver(&bench, 1, append_of(1, 1, 1, 1, &entry, 1)));
    assert_int_equal(log_last(&bench.core.log), 1);
    bench_deinit(&bench);
    buffer_deinit(&configuration);
}

static int done_count[STATUS_UNSUPPORTED + 1];

static void proposal_done(struct quorum_proposal *proposal, enum status status)
{
    done_count[status]++;
    if (status == STATUS_OK) {
        assert_int_not_equal(proposal->index, 0);
    }
}

static void large_entries_leave_in_several_frames_that_follow_each_other(void **state)
{
    const size_t size = 700 * 1024;
    uint8_t *data = memory_alloc_zero(1, size);
    struct quorum_proposal proposals[5] = {{0}};
    uint64_t next;
    uint32_t entries = 0;
    size_t frames = 0;
    struct bench *bench = memory_alloc_zero(1, sizeof(*bench));

    (void)state;
    bench_init(bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    bench->core.options.inflight_bytes_max = 64 * 1024 * 1024;
    elect(bench);
    bench_sync(bench);
    assert_true(bench_deliver(bench, 1, result_of(2, 0, log_last(&bench->core.log), false)));
    assert_true(bench->leader);
    bench_clear(bench);
    next = log_last(&bench->core.log);
    for (size_t i = 0; i < ARRAY_COUNT(proposals); i++) {
        proposals[i].done = proposal_done;
        core_propose(&bench->core, bytes_of(data, size), &proposals[i]);
    }
    core_submit(&bench->core, bench->now_ms);
    bench_take(bench);
    for (size_t i = 0; i < bench->sent_count; i++) {
        const struct edge_message *message = &bench->sent[i];

        if (message->receiver == 1 && message->kind == EDGE_APPEND) {
            assert_int_equal(message->append.previous_index, next);
            next += message->append.count;
            entries += message->append.count;
            frames++;
        }
    }
    assert_int_equal(entries, 5);
    assert_int_equal(frames, 3);
    bench_deinit(bench);
    memory_free(bench);
    memory_free(data);
}

static void proposals_in_flight_are_bounded_and_fail_as_unknown(void **state)
{
    uint8_t data[1000] = {0};
    struct quorum_proposal proposals[4] = {{0}};
    struct bench bench;

    (void)state;
    memset(done_count, 0, sizeof(done_count));
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    bench.core.options.inflight_bytes_max = 2500;
    elect(&bench);
    bench_sync(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, 0, log_last(&bench.core.log), false)));
    for (size_t i = 0; i < ARRAY_COUNT(proposals); i++) {
        proposals[i].done = proposal_done;
    }
    for (size_t i = 0; i < 3; i++) {
        core_propose(&bench.core, bytes_of(data, sizeof(data)), &proposals[i]);
    }
    core_submit(&bench.core, bench.now_ms);
    bench_take(&bench);
    assert_int_equal(done_count[STATUS_FULL], 1);
    core_propose(&bench.core, bytes_of(data, 1), &proposals[2]);
    assert_true(bench_deliver(&bench, 1, result_of(3, 1, 0, true)));
    assert_int_equal(done_count[STATUS_UNKNOWN_OUTCOME], 2);
    assert_int_equal(done_count[STATUS_NOT_LEADER], 1);
    core_propose(&bench.core, bytes_of(data, 1), &proposals[3]);
    core_submit(&bench.core, bench.now_ms);
    bench_take(&bench);
    assert_int_equal(done_count[STATUS_NOT_LEADER], 2);
    assert_int_equal(bench.core.inflight_bytes, 0);
    bench_deinit(&bench);
}

static void one_barrier_entry_serves_all_that_wait(void **state)
{
    struct quorum_proposal proposals[3] = {{0}};
    struct bench bench;
    uint64_t before;

    (void)state;
    memset(done_count, 0, sizeof(done_count));
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    elect(&bench);
    bench_sync(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, 0, log_last(&bench.core.log), false)));
    before = log_last(&bench.core.log);
    for (size_t i = 0; i < 2; i++) {
        proposals[i].done = proposal_done;
        core_barrier(&bench.core, &proposals[i]);
    }
    core_submit(&bench.core, bench.now_ms);
    /* One that comes later must not be satisfied by an entry that was appended before it. */
    proposals[2].done = proposal_done;
    core_barrier(&bench.core, &proposals[2]);
    core_submit(&bench.core, bench.now_ms);
    bench_take(&bench);
    assert_int_equal(log_last(&bench.core.log), before + 1);
    bench_sync(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, 0, before + 1, false)));
    assert_int_equal(done_count[STATUS_OK], 2);
    assert_true(core_has_work(&bench.core));
    core_submit(&bench.core, bench.now_ms);
    bench_take(&bench);
    bench_sync(&bench);
    assert_true(bench_deliver(&bench, 1, result_of(2, 0, before + 2, false)));
    assert_int_equal(done_count[STATUS_OK], 3);
    bench_deinit(&bench);
}

static void a_leader_that_stood_still_steps_down_with_a_new_term(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 0, EDGE_RULES_ALL, 1, 0, 0);
    elect(&bench);
    core_step_down(&bench.core, bench.now_ms + 5000);
    bench_take(&bench);
    assert_int_equal(bench.core.raft.state, RAFT_FOLLOWER);
    assert_int_equal(raft_current_term(&bench.core.raft), 3);
    assert_int_equal(bench.core.hard_term, 3);
    bench_deinit(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_append_does_not_take_the_commit_index_back),
        cmocka_unit_test(committed_entries_that_come_again_are_skipped),
        cmocka_unit_test(a_configuration_behind_other_entries_keeps_its_index),
        cmocka_unit_test(a_snapshot_of_an_older_term_is_not_acknowledged),
        cmocka_unit_test(an_append_of_an_older_term_is_not_acknowledged),
        cmocka_unit_test(a_stale_answer_counts_only_for_its_term),
        cmocka_unit_test(a_longer_log_with_a_lower_term_gets_elected),
        cmocka_unit_test(vote_results_reach_only_candidates),
        cmocka_unit_test(a_snapshot_waits_while_our_own_is_written),
        cmocka_unit_test(a_snapshot_in_pieces_is_put_together_and_a_damaged_one_dropped),
        cmocka_unit_test(a_rejection_below_what_the_peer_has_is_old),
        cmocka_unit_test(a_second_leader_of_our_own_term_is_not_followed),
        cmocka_unit_test(an_absurd_term_is_ignored),
        cmocka_unit_test(a_strange_voter_set_is_not_taken),
        cmocka_unit_test(large_entries_leave_in_several_frames_that_follow_each_other),
        cmocka_unit_test(proposals_in_flight_are_bounded_and_fail_as_unknown),
        cmocka_unit_test(one_barrier_entry_serves_all_that_wait),
        cmocka_unit_test(a_leader_that_stood_still_steps_down_with_a_new_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
