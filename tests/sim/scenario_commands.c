/* The commands of scenarios. Each takes its words from the left; what is left over is a mistake. */
#include "tests/sim/scenario.h"

#include "common/base/assert.h"
#include "tests/sim/stage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_NS (120 * NS_PER_SECOND)
#define PATIENCE_NS (60 * NS_PER_SECOND)
/* Records of a reading that are told one by one. */
#define SHOWN_MAX 12
#define TOPIC_SETTINGS_MAX 8
#define BATCH_RECORDS_MAX 10000
/* How far from the end of a log it is torn. */
#define TORN_BYTES 20

static bool fail(struct scenario *scenario, const char *format, ...) PRINTF_LIKE(2, 3);

static bool fail(struct scenario *scenario, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(scenario->problem, sizeof(scenario->problem), format, arguments);
    va_end(arguments);
    return false;
}

/* --- words --- */

static const char *peek(const struct words *words)
{
    return words->at < words->count ? words->words[words->at] : "";
}

/* Takes the word if it is this one. */
static bool take(struct words *words, const char *word)
{
    if (words->at == words->count || strcmp(peek(words), word) != 0) {
        return false;
    }
    words->at++;
    return true;
}

/* Takes one of two forms. */
static bool take_either(struct words *words, const char *one, const char *other)
{
    return take(words, one) || take(words, other);
}

static bool need(struct scenario *scenario, struct words *words, const char *word)
{
    return take(words, word) || fail(scenario, "expected `%s`, found `%s`", word, peek(words));
}

static bool need_end(struct scenario *scenario, const struct words *words)
{
    return words->at == words->count || fail(scenario, "`%s` is one word too many", peek(words));
}

static bool need_text(struct scenario *scenario, struct words *words, const char **text)
{
    if (words->at == words->count) {
        return fail(scenario, "a word is missing at the end");
    }
    *text = words->words[words->at++];
    return true;
}

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0' && strlen(text) < 18;
}

static bool need_number(struct scenario *scenario, struct words *words, int64_t *number)
{
    if (!is_number(peek(words))) {
        return fail(scenario, "expected a number, found `%s`", peek(words));
    }
    *number = strtoll(words->words[words->at++], NULL, 10);
    return true;
}

/* As 300ms, 5s, 10m, 2h, 8d, also with a minus in front. */
static bool need_duration(struct scenario *scenario, struct words *words, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    const long long count = strtoll(peek(words), &end, 10);

    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (end != peek(words) && strcmp(end, units[i].unit) == 0 && llabs(count) <= INT64_MAX / units[i].ms / 1000) {
            *ms = count * units[i].ms;
            words->at++;
            return true;
        }
    }
    return fail(scenario, "expected a time such as 5s, found `%s`", peek(words));
}

static bool need_partition(struct scenario *scenario, struct words *words, const char **topic, int32_t *partition)
{
    int64_t number;

    if (!need_text(scenario, words, topic) || !need_number(scenario, words, &number)) {
        return false;
    }
    *partition = (int32_t)number;
    return true;
}

static bool member_at(struct scenario *scenario, bool controller, int64_t number, struct sim_process **process)
{
    struct cluster *cluster = stage_cluster(scenario->stage);
    const unsigned count = controller ? cluster_controller_count(cluster) : cluster_node_count(cluster);

    if (number < 1 || number > count) {
        return fail(scenario, "there is no %s %" PRId64, controller ? "controller" : "node", number);
    }
    *process = controller ? cluster_controller(cluster, (unsigned)number - 1)
                          : cluster_node(cluster, (unsigned)number - 1);
    return true;
}

/* `node 2`, `controller 1`, `active controller`, `leader of TOPIC PARTITION`, `client`. */
static bool need_member(struct scenario *scenario, struct words *words, struct sim_process **process)
{
    const char *topic;
    int32_t partition;
    int64_t number;

    if (take(words, "active")) {
        *process = stage_active_controller(scenario->stage);
        return need(scenario, words, "controller") &&
               (*process != NULL || fail(scenario, "no controller is active"));
    }
    if (take(words, "leader")) {
        if (!need(scenario, words, "of") || !need_partition(scenario, words, &topic, &partition)) {
            return false;
        }
        *process = stage_leader(scenario->stage, topic, partition);
        return *process != NULL || fail(scenario, "%s %" PRId32 " has no leader", topic, partition);
    }
    if (take(words, "client")) {
        *process = stage_client(scenario->stage);
        return true;
    }
    if (take(words, "node")) {
        return need_number(scenario, words, &number) && member_at(scenario, false, number, process);
    }
    return need(scenario, words, "controller") && need_number(scenario, words, &number) &&
           member_at(scenario, true, number, process);
}

/* --- the cluster --- */

static bool command_seed(struct scenario *scenario, struct words *words)
{
    int64_t number;

    if (scenario->stage != NULL) {
        return fail(scenario, "the seed comes before `start`");
    }
    if (!need_number(scenario, words, &number)) {
        return false;
    }
    scenario->seed = (uint64_t)number;
    return true;
}

/* set node|controller KEY=VALUE */
static bool command_set(struct scenario *scenario, struct words *words)
{
    const bool node = take(words, "node");
    const char **settings = node ? scenario->node_settings : scenario->controller_settings;
    const char *text;
    size_t count = 0;

    if (scenario->stage != NULL) {
        return fail(scenario, "settings come before `start`");
    }
    if ((!node && !need(scenario, words, "controller")) || !need_text(scenario, words, &text)) {
        return false;
    }
    while (settings[count] != NULL) {
        count++;
    }
    if (scenario->setting_count == SCENARIO_SETTINGS_MAX || strchr(text, '=') == NULL ||
        strlen(text) >= SCENARIO_SETTING_SIZE) {
        return fail(scenario, "expected KEY=VALUE, at most %d of them", SCENARIO_SETTINGS_MAX);
    }
    snprintf(scenario->setting_texts[scenario->setting_count], SCENARIO_SETTING_SIZE, "%s", text);
    settings[count] = scenario->setting_texts[scenario->setting_count++];
    return true;
}

static bool command_start(struct scenario *scenario, struct words *words)
{
    struct stage_options options = {.seed = scenario->seed,
                                    .trace = scenario->trace,
                                    .loops = 2,
                                    .controller_settings = scenario->controller_settings,
                                    .node_settings = scenario->node_settings,
                                    .tell = scenario->tell,
                                    .context = scenario->context};
    struct sim_process *process;
    int64_t controllers;
    int64_t nodes;

    if (scenario->stage != NULL) {
        if (!need_member(scenario, words, &process)) {
            return false;
        }
        if (sim_process_running(process) || sim_process_starting(process)) {
            return fail(scenario, "%s runs", sim_process_name(process));
        }
        sim_process_start(process);
        return true;
    }
    if (!need_number(scenario, words, &controllers) || !take_either(words, "controller", "controllers") ||
        !need_number(scenario, words, &nodes) || !take_either(words, "node", "nodes") || controllers < 1 ||
        controllers > CLUSTER_CONTROLLERS_MAX || nodes < 1 || nodes > CLUSTER_NODES_MAX) {
        return fail(scenario, "expected `start N controllers N nodes`");
    }
    options.controllers = (unsigned)controllers;
    options.nodes = (unsigned)nodes;
    scenario->stage = stage_create(&options);
    stage_begin(scenario->stage);
    cluster_start(stage_cluster(scenario->stage));
    if (!stage_run_until(scenario->stage, cluster_ready, stage_cluster(scenario->stage), READY_NS)) {
        return fail(scenario, "the cluster does not get ready");
    }
    stage_say(scenario->stage, nodes == 1 ? "the node is ready" : "all nodes are ready");
    return true;
}

/* What runs is stopped in some way; what the stage sees of it is told by itself. */
static bool stop_member(struct scenario *scenario, struct words *words, struct sim_process **process)
{
    if (!need_member(scenario, words, process)) {
        return false;
    }
    if (*process == stage_client(scenario->stage)) {
        return fail(scenario, "the client is on the errands of the scenario and goes on");
    }
    return sim_process_running(*process) || fail(scenario, "%s does not run", sim_process_name(*process));
}

static bool command_crash(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;

    if (!stop_member(scenario, words, &process)) {
        return false;
    }
    sim_process_crash(process, SIM_KILL);
    return true;
}

static bool command_power(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;

    if (!need(scenario, words, "cut") || !stop_member(scenario, words, &process)) {
        return false;
    }
    sim_process_crash(process, SIM_POWER_CUT);
    return true;
}

static bool is_down(void *context)
{
    return !sim_process_running(context);
}

static bool command_stop(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;

    if (!stop_member(scenario, words, &process)) {
        return false;
    }
    cluster_stop(stage_cluster(scenario->stage), process);
    return stage_run_until(scenario->stage, is_down, process, PATIENCE_NS) || fail(scenario, "it does not stop");
}

static bool command_pause(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;

    if (!stop_member(scenario, words, &process)) {
        return false;
    }
    sim_process_pause(process);
    return true;
}

static bool command_resume(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;

    if (!stop_member(scenario, words, &process)) {
        return false;
    }
    sim_process_resume(process);
    return true;
}

/* --- the network --- */

static void take_all(struct scenario *scenario, bool controllers, struct sim_process **side, size_t *count)
{
    struct cluster *cluster = stage_cluster(scenario->stage);
    const unsigned all = controllers ? cluster_controller_count(cluster) : cluster_node_count(cluster);

    for (unsigned i = 0; i < all; i++) {
        side[(*count)++] = controllers ? cluster_controller(cluster, i) : cluster_node(cluster, i);
    }
}

/* One side of a partition: `controller 1 2`, `node 3`, `client`, `controllers`, `nodes`, `others`. */
static bool take_side(struct scenario *scenario, struct words *words, struct sim_process **side, size_t *count,
                      bool *others)
{
    struct sim_process *process;

    *count = 0;
    *others = take(words, "others");
    while (!*others && *count < SIM_PROCESSES_MAX / 2 && words->at < words->count && strcmp(peek(words), "|") != 0) {
        const bool controller = strcmp(peek(words), "controller") == 0;
        int64_t number;

        if (strcmp(peek(words), "controllers") == 0 || strcmp(peek(words), "nodes") == 0) {
            take_all(scenario, strcmp(words->words[words->at++], "controllers") == 0, side, count);
            continue;
        }
        if (!need_member(scenario, words, &process)) {
            return false;
        }
        side[(*count)++] = process;
        while (is_number(peek(words))) {
            if (*count == SIM_PROCESSES_MAX || !need_number(scenario, words, &number) ||
                !member_at(scenario, controller, number, &side[(*count)++])) {
                return false;
            }
        }
    }
    return true;
}

static bool command_partition(struct scenario *scenario, struct words *words)
{
    struct sim_process *left[SIM_PROCESSES_MAX + 1];
    struct sim_process *right[SIM_PROCESSES_MAX + 1];
    size_t left_count;
    size_t right_count;
    bool others;

    if (!take_side(scenario, words, left, &left_count, &others) || !need(scenario, words, "|") ||
        !take_side(scenario, words, right, &right_count, &others)) {
        return false;
    }
    for (size_t i = 0; i < left_count; i++) {
        if (others) {
            sim_isolate(left[i], true);
        }
        for (size_t j = 0; j < right_count; j++) {
            if (left[i] != right[j]) {
                sim_partition(left[i], right[j], true);
            }
        }
    }
    for (size_t i = 0; others && i < left_count; i++) {
        for (size_t j = 0; j < left_count; j++) {
            if (i != j) {
                sim_partition(left[i], left[j], false);
            }
        }
    }
    return true;
}

/* block MEMBER to MEMBER: one direction. */
static bool command_block(struct scenario *scenario, struct words *words)
{
    struct sim_process *from;
    struct sim_process *to;
    struct sim_link_options link;

    if (!need_member(scenario, words, &from) || !need(scenario, words, "to") || !need_member(scenario, words, &to)) {
        return false;
    }
    sim_link_get(from, to, &link);
    link.blocked = true;
    sim_link_set(from, to, &link);
    return true;
}

static bool command_heal(struct scenario *scenario, struct words *words)
{
    (void)words;
    sim_heal(stage_world(scenario->stage));
    return true;
}

/* --- disks and clocks --- */

static bool set_disk(struct scenario *scenario, struct words *words, struct sim_disk_faults faults)
{
    struct sim_process *process;

    if (!need(scenario, words, "disk") || !need(scenario, words, "of") || !need_member(scenario, words, &process)) {
        return false;
    }
    sim_disk_faults_set(process, &faults);
    return true;
}

static bool command_fill(struct scenario *scenario, struct words *words)
{
    /* Whatever is there already is more than this. */
    return set_disk(scenario, words, (struct sim_disk_faults){.capacity = 1});
}

static bool command_free(struct scenario *scenario, struct words *words)
{
    return set_disk(scenario, words, (struct sim_disk_faults){.capacity = 0});
}

static bool command_break(struct scenario *scenario, struct words *words)
{
    return set_disk(scenario, words,
                    (struct sim_disk_faults){.write_error_per_million = 1000000, .sync_error_per_million = 1000000});
}

/* tear T P on MEMBER: one bit near the end of the log is not what it was. The member is down. */
static bool command_tear(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;
    char path[DISK_PATH_MAX];
    const char *topic;
    int32_t partition;
    uint64_t size;

    if (!need_partition(scenario, words, &topic, &partition) || !need(scenario, words, "on") ||
        !need_member(scenario, words, &process)) {
        return false;
    }
    if (sim_process_running(process)) {
        return fail(scenario, "%s runs", sim_process_name(process));
    }
    snprintf(path, sizeof(path), "/data/%s-%" PRId32 "/%020d.log", topic, partition, 0);
    if (disk_file_size(sim_disk(process), path, &size) != STATUS_OK || size <= TORN_BYTES ||
        sim_disk_flip(process, path, size - TORN_BYTES, 0) != STATUS_OK) {
        return fail(scenario, "%s has no log that could be torn", sim_process_name(process));
    }
    return true;
}

/* unname T P on MEMBER: the file that says whose directory it is goes. The member is down. */
static bool command_unname(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;
    char path[DISK_PATH_MAX];
    const char *topic;
    int32_t partition;

    if (!need_partition(scenario, words, &topic, &partition) || !need(scenario, words, "on") ||
        !need_member(scenario, words, &process)) {
        return false;
    }
    if (sim_process_running(process)) {
        return fail(scenario, "%s runs", sim_process_name(process));
    }
    snprintf(path, sizeof(path), "/data/%s-%" PRId32 "/partition.metadata", topic, partition);
    if (disk_remove(sim_disk(process), path) != STATUS_OK) {
        return fail(scenario, "%s has no such file", sim_process_name(process));
    }
    return true;
}

static bool command_jump(struct scenario *scenario, struct words *words)
{
    struct sim_process *process;
    int64_t ms;

    if (!need(scenario, words, "clock") || !need(scenario, words, "of") || !need_member(scenario, words, &process) ||
        !need(scenario, words, "by") || !need_duration(scenario, words, &ms)) {
        return false;
    }
    sim_clock_jump(process, ms);
    return true;
}

static bool command_wait(struct scenario *scenario, struct words *words)
{
    int64_t ms;

    if (!need_duration(scenario, words, &ms)) {
        return false;
    }
    stage_run_for(scenario->stage, (uint64_t)ms * NS_PER_MS);
    return true;
}

/* --- errands --- */

/* Sends the client; tells a refusal. */
static bool do_errand(struct scenario *scenario, struct errand *errand)
{
    errand->patience_ns = PATIENCE_NS;
    stage_do(scenario->stage, errand);
    if (!errand->good) {
        stage_say(scenario->stage, "refused: %s", errand->refusal);
    }
    return errand->good;
}

/* create topic T partitions N [with KEY=VALUE...] [at MEMBER] */
static bool command_create(struct scenario *scenario, struct words *words, struct errand *errand)
{
    const char *settings[SCENARIO_SETTINGS_MAX + 1] = {NULL};
    struct sim_process *process;
    size_t count = 0;
    int64_t partitions;

    errand->kind = ERRAND_CREATE_TOPIC;
    errand->settings = settings;
    if (!need(scenario, words, "topic") || !need_text(scenario, words, &errand->topic) ||
        !need(scenario, words, "partitions") || !need_number(scenario, words, &partitions)) {
        return false;
    }
    errand->partitions = (int32_t)partitions;
    while (take(words, "with")) {
        if (count == TOPIC_SETTINGS_MAX || !need_text(scenario, words, &settings[count]) ||
            strchr(settings[count], '=') == NULL) {
            return fail(scenario, "expected KEY=VALUE behind each `with`, at most %d of them", TOPIC_SETTINGS_MAX);
        }
        count++;
    }
    if (take(words, "at")) {
        if (!need_member(scenario, words, &process)) {
            return false;
        }
        errand->server = sim_process_name(process);
        errand->server_port =
            strncmp(errand->server, "node", 4) == 0 ? CLUSTER_NODE_PORT : CLUSTER_CONTROLLER_PORT;
    }
    if (need_end(scenario, words) && do_errand(scenario, errand)) {
        stage_say(scenario->stage, "topic %s is created", errand->topic);
    }
    return scenario->problem[0] == '\0';
}

static bool delete_topic(struct scenario *scenario, struct words *words, struct errand *errand)
{
    errand->kind = ERRAND_DELETE_TOPIC;
    if (need_text(scenario, words, &errand->topic) && need_end(scenario, words) && do_errand(scenario, errand)) {
        stage_say(scenario->stage, "topic %s is deleted", errand->topic);
    }
    return scenario->problem[0] == '\0';
}

/* delete topic T; delete records T P before OFFSET */
static bool command_delete(struct scenario *scenario, struct words *words, struct errand *errand)
{
    if (take(words, "topic")) {
        return delete_topic(scenario, words, errand);
    }
    errand->kind = ERRAND_DELETE_RECORDS;
    if (need(scenario, words, "records") &&
        need_partition(scenario, words, &errand->topic, &errand->partition) && need(scenario, words, "before") &&
        need_number(scenario, words, &errand->offset) && need_end(scenario, words) && do_errand(scenario, errand)) {
        stage_say(scenario->stage, "%s %" PRId32 " begins at offset %" PRId64, errand->topic, errand->partition,
                  errand->first_offset);
    }
    return scenario->problem[0] == '\0';
}

/* The producer of that name, with an id. NULL after a refusal. */
static struct scenario_producer *find_producer(struct scenario *scenario, const char *name)
{
    struct scenario_producer *producer = scenario->producers;
    struct errand *errand;

    for (; producer < scenario->producers + scenario->producer_count; producer++) {
        if (strcmp(producer->name, name) == 0) {
            return producer;
        }
    }
    if (scenario->producer_count == SCENARIO_PRODUCERS_MAX || strlen(name) >= sizeof(producer->name)) {
        fail(scenario, "too many producers, or a name too long");
        return NULL;
    }
    errand = calloc(1, sizeof(*errand));
    ASSERT(errand != NULL);
    errand->kind = ERRAND_PRODUCER_ID;
    if (do_errand(scenario, errand)) {
        scenario->producer_count++;
        snprintf(producer->name, sizeof(producer->name), "%s", name);
        producer->id = errand->producer_id;
        producer->epoch = errand->producer_epoch;
    } else {
        producer = NULL;
    }
    free(errand);
    return producer;
}

/* produce T P "TEXT" [times N] [acks 0|1|all] [as NAME] */
static bool command_produce(struct scenario *scenario, struct words *words, struct errand *errand)
{
    struct scenario_producer *producer = NULL;
    const char *text = "";
    int64_t number = 1;

    errand->kind = ERRAND_PRODUCE;
    errand->acks = -1;
    errand->producer_id = -1;
    if (!need_partition(scenario, words, &errand->topic, &errand->partition) || !need_text(scenario, words, &text)) {
        return false;
    }
    errand->value = string_of(text);
    if (take(words, "times") && !need_number(scenario, words, &number)) {
        return false;
    }
    if (number < 1 || number > BATCH_RECORDS_MAX) {
        return fail(scenario, "a batch has 1 to %d records", BATCH_RECORDS_MAX);
    }
    errand->count = (int32_t)number;
    if (take(words, "acks") && !take(words, "all")) {
        errand->acks = 1;
        if (!need(scenario, words, "1")) {
            return false;
        }
    }
    if (take(words, "as")) {
        producer = need_text(scenario, words, &text) ? find_producer(scenario, text) : NULL;
        if (producer == NULL) {
            return false;
        }
        errand->producer_id = producer->id;
        errand->producer_epoch = producer->epoch;
        errand->sequence = producer->sequence;
    }
    if (!need_end(scenario, words) || !do_errand(scenario, errand)) {
        return scenario->problem[0] == '\0';
    }
    if (producer != NULL) {
        producer->sequence += errand->count;
    }
    stage_say(scenario->stage, errand->count == 1 ? "acknowledged at offset %" PRId64
                                                  : "acknowledged from offset %" PRId64, errand->first_offset);
    return true;
}

/* consume T P from OFFSET */
static bool command_consume(struct scenario *scenario, struct words *words, struct errand *errand)
{
    errand->kind = ERRAND_CONSUME;
    if (!need_partition(scenario, words, &errand->topic, &errand->partition) || !need(scenario, words, "from") ||
        !need_number(scenario, words, &errand->offset) || !need_end(scenario, words) ||
        !do_errand(scenario, errand)) {
        return scenario->problem[0] == '\0';
    }
    for (int32_t i = 0; i < errand->record_count && i < SHOWN_MAX; i++) {
        stage_say(scenario->stage, "offset %" PRId64 ": \"%s\"", errand->records[i].offset, errand->records[i].value);
    }
    if (errand->record_count > SHOWN_MAX) {
        stage_say(scenario->stage, "and %" PRId32 " more", errand->record_count - SHOWN_MAX);
    }
    stage_say(scenario->stage, "the end is offset %" PRId64, errand->end_offset);
    return true;
}

/* offsets T P */
static bool command_offsets(struct scenario *scenario, struct words *words, struct errand *errand)
{
    errand->kind = ERRAND_OFFSETS;
    if (need_partition(scenario, words, &errand->topic, &errand->partition) && need_end(scenario, words) &&
        do_errand(scenario, errand)) {
        stage_say(scenario->stage, "offsets %" PRId64 " to %" PRId64, errand->first_offset, errand->end_offset);
    }
    return scenario->problem[0] == '\0';
}

/* --- expectations that no --accept changes --- */

/* expect T P holds N records */
static bool expect_records(struct scenario *scenario, struct words *words)
{
    struct errand *errand = calloc(1, sizeof(*errand));
    int64_t number;
    bool good = false;

    ASSERT(errand != NULL);
    errand->kind = ERRAND_OFFSETS;
    if (need_partition(scenario, words, &errand->topic, &errand->partition) && need(scenario, words, "holds") &&
        need_number(scenario, words, &number) && take_either(words, "record", "records") &&
        do_errand(scenario, errand)) {
        const int64_t held = errand->end_offset - errand->first_offset;

        good = held == number || fail(scenario, "it holds %" PRId64 " records", held);
    } else if (scenario->problem[0] == '\0') {
        fail(scenario, "expected `T P holds N records`, and an answer");
    }
    free(errand);
    return good;
}

static bool command_expect(struct scenario *scenario, struct words *words)
{
    const char *topic;

    if (take(words, "ready")) {
        return stage_run_until(scenario->stage, cluster_ready, stage_cluster(scenario->stage), READY_NS) ||
               fail(scenario, "the cluster does not get ready");
    }
    if (take(words, "topic")) {
        return need_text(scenario, words, &topic) &&
               (stage_has_topic(scenario->stage, topic) || fail(scenario, "there is no topic %s", topic));
    }
    if (take(words, "no")) {
        return need(scenario, words, "topic") && need_text(scenario, words, &topic) &&
               (!stage_has_topic(scenario->stage, topic) || fail(scenario, "there is a topic %s", topic));
    }
    return expect_records(scenario, words);
}

/* --- the table --- */

static const struct {
    const char *word;
    bool (*run)(struct scenario *scenario, struct words *words);
} commands[] = {
    {"seed", command_seed},     {"set", command_set},         {"start", command_start}, {"crash", command_crash},
    {"power", command_power},   {"stop", command_stop},       {"pause", command_pause}, {"resume", command_resume},
    {"block", command_block},   {"partition", command_partition}, {"heal", command_heal}, {"fill", command_fill},
    {"free", command_free},     {"break", command_break},     {"jump", command_jump},   {"wait", command_wait},
    {"expect", command_expect}, {"tear", command_tear}, {"unname", command_unname},
};

/* These send the client; with `try` in front it takes the first answer. */
static const struct {
    const char *word;
    bool (*run)(struct scenario *scenario, struct words *words, struct errand *errand);
} errands[] = {
    {"create", command_create},   {"delete", command_delete},   {"produce", command_produce},
    {"consume", command_consume}, {"offsets", command_offsets},
};

static bool scenario_do_errand(struct scenario *scenario, struct words *words, bool once)
{
    for (size_t i = 0; i < ARRAY_COUNT(errands); i++) {
        if (take(words, errands[i].word)) {
            struct errand *errand = calloc(1, sizeof(*errand));
            bool good;

            ASSERT(errand != NULL);
            errand->once = once;
            good = errands[i].run(scenario, words, errand);
            free(errand);
            return good;
        }
    }
    return fail(scenario, "no such command: `%s`", peek(words));
}

bool scenario_do(struct scenario *scenario, struct words *words)
{
    const char *first = peek(words);
    const bool before = strcmp(first, "seed") == 0 || strcmp(first, "set") == 0 || strcmp(first, "start") == 0;

    scenario->problem[0] = '\0';
    if (scenario->stage == NULL && !before) {
        return fail(scenario, "the cluster is not started: `start N controllers N nodes` comes first");
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (take(words, commands[i].word)) {
            return commands[i].run(scenario, words) && need_end(scenario, words);
        }
    }
    return scenario_do_errand(scenario, words, take(words, "try"));
}
