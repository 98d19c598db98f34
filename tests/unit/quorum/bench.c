/* A core on the bench. */
#include "tests/unit/quorum/bench.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

static const struct uuid bench_cluster = {{7}};
static const struct edge_limits bench_limits = {8 * 1024 * 1024, 64 * 1024 * 1024};

struct buffer bench_configuration(void)
{
    struct buffer encoded = {0};
    /* The library's format, written out so that the test does not depend on the code under test. */
    static const uint8_t bytes[] = {
        1, 3, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, '0', 0, 1,
        2, 0, 0, 0, 0, 0, 0, 0, '1', 0, 1,
        3, 0, 0, 0, 0, 0, 0, 0, '2', 0, 1,
        0, 0, 0, 0, 0, 0,
    };

    buffer_append(&encoded, bytes, sizeof(bytes));
    return encoded;
}

void bench_clear(struct bench *bench)
{
    for (size_t i = 0; i < bench->sent_count; i++) {
        edge_message_deinit(&bench->sent[i]);
        buffer_deinit(&bench->frames[i]);
    }
    bench->sent_count = 0;
}

static void bench_catch(struct bench *bench, struct core_effect *effect)
{
    struct edge_message *message = &bench->sent[bench->sent_count];

    ASSERT(bench->sent_count < BENCH_SENT_MAX);
    bench->frames[bench->sent_count] = effect->frame;
    effect->frame = (struct buffer){0};
    if (edge_decode(buffer_bytes(&bench->frames[bench->sent_count]), bench_limits, message) != STATUS_OK) {
        buffer_deinit(&bench->frames[bench->sent_count]);
        bench->garbled = true;
        return;
    }
    bench->sent_count++;
}

void bench_take(struct bench *bench)
{
    struct core *core = &bench->core;

    for (size_t i = 0; i < core->effect_count; i++) {
        struct core_effect *effect = &core->effects[i];

        bench->ticket = effect->ticket > bench->ticket ? effect->ticket : bench->ticket;
        switch (effect->kind) {
        case CORE_SEND:
            bench_catch(bench, effect);
            break;
        case CORE_APPLY:
            bench->applied++;
            break;
        case CORE_INSTALL:
            bench->installs++;
            break;
        case CORE_RESTORE:
            bench->restores++;
            break;
        case CORE_ROLE:
            bench->leader = effect->leader;
            break;
        case CORE_DONE:
            effect->proposal->done(effect->proposal, effect->status);
            break;
        case CORE_FATAL:
            bench->fatal = effect->what;
            break;
        case CORE_HARD_STATE:
        case CORE_APPEND:
        case CORE_SEND_SNAPSHOT:
            break;
        }
        log_entry_unref(effect->entry);
        effect->entry = NULL;
    }
    core->effect_count = 0;
}

void bench_init(struct bench *bench, int32_t id, struct edge_rules rules, uint64_t term, uint64_t extra,
                uint64_t extra_term)
{
    const struct core_options options = {
        .identity = {bench_cluster, id},
        .voters = {0, 1, 2},
        .voter_count = 3,
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .seed = (uint32_t)id + 1,
        .inflight_bytes_max = 1024 * 1024,
        .inflight_entries_max = 1024,
        .limits = bench_limits,
        .rules = rules,
    };
    struct buffer configuration = bench_configuration();
    struct log log;

    *bench = (struct bench){.now_ms = 1000};
    log_init(&log);
    log_append(&log, log_entry_create(1, LOG_CONFIGURATION, buffer_bytes(&configuration)));
    for (uint64_t i = 0; i < extra; i++) {
        log_append(&log, log_entry_create(extra_term, LOG_COMMAND, bytes_of("x", 1)));
    }
    buffer_deinit(&configuration);
    core_init(&bench->core, &options);
    core_prepare(&bench->core, term, 0, &log, false);
    core_start(&bench->core, bench->now_ms, NULL);
    bench_take(bench);
}

void bench_deinit(struct bench *bench)
{
    core_close(&bench->core);
    bench_take(bench);
    bench_clear(bench);
    core_deinit(&bench->core);
}

bool bench_deliver(struct bench *bench, int32_t sender, struct edge_message message)
{
    const struct edge_identity from = {bench_cluster, sender};
    struct buffer frame = {0};
    struct edge_message decoded;
    size_t size;
    bool good;

    message.receiver = bench->core.options.identity.id;
    if (message.sender_term == 0) {
        message.sender_term = message.term;
    }
    edge_encode(from, &message, &frame);
    good = edge_frame_size(bench->core.options.identity, bench_limits, buffer_bytes(&frame), &size) == STATUS_OK &&
           size == frame.size && edge_decode(buffer_bytes(&frame), bench_limits, &decoded) == STATUS_OK;
    if (good) {
        core_receive(&bench->core, bench->now_ms, &decoded);
        edge_message_deinit(&decoded);
        bench_take(bench);
    }
    buffer_deinit(&frame);
    return good;
}

void bench_sync(struct bench *bench)
{
    core_durable(&bench->core, bench->now_ms, bench->ticket);
    bench_take(bench);
}

void bench_timeout(struct bench *bench)
{
    const uint64_t deadline_ms = core_deadline_ms(&bench->core);

    bench->now_ms = deadline_ms > bench->now_ms ? deadline_ms : bench->now_ms;
    core_timeout(&bench->core, bench->now_ms);
    bench_take(bench);
}

const struct edge_message *bench_last(const struct bench *bench, enum edge_kind kind)
{
    for (size_t i = bench->sent_count; i > 0; i--) {
        if (bench->sent[i - 1].kind == kind) {
            return &bench->sent[i - 1];
        }
    }
    return NULL;
}

const struct edge_message *bench_last_or_garbled(const struct bench *bench, enum edge_kind kind)
{
    const struct edge_message *message = bench_last(bench, kind);

    ASSERT(message != NULL || bench->garbled);
    return message;
}
