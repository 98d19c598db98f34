/* The guard rules between the peers and the Raft library: pure functions, described in edge.h. */
#include "controller/quorum/edge.h"

#include "common/base/assert.h"

/* Q1. The leader of a term >= ours has everything that we know to be committed, so entries up to our commit index carry
 * no news. Without this the library moves its commit index backwards, and probes compacted prefixes one by one. */
static enum edge_verdict edge_normalise_append(const struct edge_view *view, struct edge_append *append)
{
    uint64_t known;

    if (append->previous_index >= view->commit_index) {
        return EDGE_DELIVER;
    }
    if (append->previous_index + append->count < view->commit_index) {
        append->commit_index = view->commit_index;
    }
    if (view->installing || view->commit_term == 0) {
        return EDGE_DELIVER;
    }
    known = view->commit_index - append->previous_index;
    if (known > append->count) {
        known = append->count;
    } else if (append->entries[known - 1].term != view->commit_term) {
        return EDGE_BROKEN;
    }
    append->count -= (uint32_t)known;
    for (uint32_t i = 0; i < append->count; i++) {
        append->entries[i] = append->entries[i + known];
    }
    append->previous_index = view->commit_index;
    append->previous_term = view->commit_term;
    return EDGE_DELIVER;
}

static enum edge_verdict edge_judge_request(const struct edge_rules *rules, const struct edge_view *view,
                                            struct edge_message *message)
{
    if (message->term < view->term) {
        /* Q3: the library would answer "success" with an uninitialised index and our own, newer term. */
        return rules->q3_answer_stale ? EDGE_REPLY_STALE : EDGE_DELIVER;
    }
    if (message->term == view->term && view->role == EDGE_LEADER) {
        /* Two leaders in one term cannot be; the library would treat leader state as follower state. */
        return EDGE_DROP;
    }
    if (message->kind == EDGE_APPEND) {
        return rules->q1_normalise_append ? edge_normalise_append(view, &message->append) : EDGE_DELIVER;
    }
    ASSERT(message->kind == EDGE_SNAPSHOT_CHUNK);
    if (rules->q7_drop_votes && view->installing) {
        return EDGE_DROP;
    }
    /* The library would forget committed entries for it. */
    if (!view->installing && message->chunk.last_index <= view->commit_index &&
        message->chunk.last_index > view->snapshot_index && message->chunk.last_term != view->chunk_term) {
        return EDGE_BROKEN;
    }
    if (rules->q7_drop_votes && view->saving) {
        return EDGE_HOLD;
    }
    return EDGE_DELIVER;
}

static enum edge_verdict edge_judge_append_result(const struct edge_view *view, const struct edge_message *message)
{
    const struct edge_append_result *result = &message->append_result;

    if (message->stale && message->term <= view->term) {
        return EDGE_DROP;
    }
    /* What the peer once had on disk it cannot miss: an old rejection. The library would step back below its own
     * match index and never send entries again. */
    if (view->role == EDGE_LEADER && message->term == view->term && result->rejected > 0 &&
        result->rejected <= view->match_index) {
        return EDGE_DROP;
    }
    return EDGE_DELIVER;
}

static enum edge_verdict edge_judge_vote_result(const struct edge_rules *rules, const struct edge_view *view,
                                                const struct edge_message *message)
{
    const struct edge_vote_result *result = &message->vote_result;

    if (view->role != EDGE_CANDIDATE) {
        return rules->q7_drop_votes ? EDGE_DROP : EDGE_DELIVER;
    }
    /* Q4: the library puts the candidate's own term into a denied pre-vote. Without the real one a longer log with a
     * lower term and a shorter log with a higher term never elect anyone. */
    if (rules->q4_adopt_term && result->pre_vote && !result->granted && message->sender_term > view->term &&
        !view->log_empty) {
        return EDGE_ADOPT_TERM;
    }
    /* A granted pre-vote that claims a later term than the one asked for answers no question of ours. */
    if (result->pre_vote && message->term > view->term + 1) {
        return EDGE_DROP;
    }
    return EDGE_DELIVER;
}

enum edge_verdict edge_judge(const struct edge_rules *rules, const struct edge_view *view, struct edge_message *message)
{
    if (message->sender_term > view->term && message->sender_term - view->term > EDGE_TERM_JUMP_MAX) {
        return EDGE_DROP;
    }
    switch (message->kind) {
    case EDGE_APPEND:
    case EDGE_SNAPSHOT_CHUNK:
        return edge_judge_request(rules, view, message);
    case EDGE_APPEND_RESULT:
        return edge_judge_append_result(view, message);
    case EDGE_VOTE_RESULT:
        return edge_judge_vote_result(rules, view, message);
    case EDGE_VOTE:
    case EDGE_TIMEOUT_NOW:
        return EDGE_DELIVER;
    }
    UNREACHABLE();
}

uint32_t edge_piece(const struct edge_rules *rules, const struct edge_append *append, uint32_t first)
{
    uint32_t count = 0;

    ASSERT(first <= append->count);
    while (first + count < append->count) {
        if (rules->q2_split_append && count > 0 && append->entries[first + count].kind == LOG_CONFIGURATION) {
            break;
        }
        count++;
    }
    return count;
}
