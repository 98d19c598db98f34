/* See cluster.h. A member's configuration is made of settings like those of a command line. What a member's program
 * builds lives in its incarnation's memory; `running` points to it as long as it exists. */
#include "tests/sim/cluster.h"

#include "common/base/arena.h"
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/config/controller_config.h"
#include "common/config/node_config.h"
#include "controller/controller.h"
#include "controller/quorum/quorum.h"
#include "storage-node/node.h"

#include <stdio.h>

#define SETTINGS_MAX 64
#define SETTING_SIZE 256
#define DESCRIPTOR_LIMIT 1024
#define SEGMENT_BYTES UINT64_C(65536)
#define CLUSTER_ID "MkU3OEVBNTcwNTJENDM2Qg"

struct member {
    struct cluster *cluster;
    struct sim_process *process;
    struct sim_program program;
    bool controls;
    unsigned number; /* from 1 */
    struct member_run *running;
};

/* To a loop: stop. */
struct loop_end {
    struct env_message message;
    struct env *env;
};

/* One incarnation. */
struct member_run {
    struct member *member;
    struct config *config;
    struct arena arena;
    struct controller *controller;
    struct node *node;
    struct env *envs[SIM_LOOPS_MAX];
    struct loop_end ends[SIM_LOOPS_MAX];
};

struct cluster {
    struct sim_world *world;
    struct cluster_options options;
    struct member controllers[CLUSTER_CONTROLLERS_MAX];
    struct member nodes[CLUSTER_NODES_MAX];
};

struct settings {
    char texts[SETTINGS_MAX][SETTING_SIZE];
    const char *pointers[SETTINGS_MAX];
    size_t count;
};

static void settings_add(struct settings *settings, const char *key, const char *value)
{
    char *text = settings->texts[settings->count];

    ASSERT(settings->count < SETTINGS_MAX);
    ASSERT(snprintf(text, SETTING_SIZE, "%s=%s", key, value) < SETTING_SIZE);
    settings->pointers[settings->count++] = text;
}

static void settings_add_voters(struct settings *settings, const struct cluster *cluster)
{
    char voters[SETTING_SIZE / 2] = "";

    for (unsigned i = 1; i <= cluster->options.controllers; i++) {
        const size_t used = strlen(voters);

        snprintf(voters + used, sizeof(voters) - used, "%s%u@controller-%u:%d", i > 1 ? "," : "", i, i,
                 CLUSTER_CONTROLLER_PORT);
    }
    settings_add(settings, "controller.quorum.voters", voters);
}

static struct settings *settings_create(const struct member *member)
{
    struct settings *settings = memory_alloc_zero(1, sizeof(*settings));
    const struct cluster_options *options = &member->cluster->options;
    const char *const *more = member->controls ? options->controller_settings : options->node_settings;
    char text[SETTING_SIZE / 2];

    snprintf(text, sizeof(text), "%u", member->controls ? member->number : 100 + member->number);
    settings_add(settings, "node.id", text);
    settings_add(settings, "process.roles", member->controls ? "controller" : "broker");
    settings_add(settings, "cluster.id", CLUSTER_ID);
    snprintf(text, sizeof(text), "%s://%s:%d", member->controls ? "CONTROLLER" : "PLAINTEXT",
             sim_process_name(member->process), member->controls ? CLUSTER_CONTROLLER_PORT : CLUSTER_NODE_PORT);
    settings_add(settings, "listeners", text);
    settings_add(settings, "advertised.listeners", text);
    settings_add(settings, member->controls ? "metadata.log.dir" : "log.dirs", "/data");
    settings_add_voters(settings, member->cluster);
    for (; more != NULL && *more != NULL; more++) {
        ASSERT(settings->count < SETTINGS_MAX);
        settings->pointers[settings->count++] = *more;
    }
    return settings;
}

static enum status member_configure(struct member_run *run)
{
    const struct member *member = run->member;
    struct settings *settings = settings_create(member);
    const struct config_inputs inputs = {.settings = settings->pointers, .setting_count = settings->count};
    struct config_problem problem;
    const enum status status = config_read(member->controls ? controller_config_schema() : node_config_schema(),
                                           &inputs, &run->config, &problem);

    if (status != STATUS_OK) {
        sim_fail(member->cluster->world, "%s: %s", sim_process_name(member->process), problem.text);
    }
    memory_free(settings);
    return status;
}

static void controller_failed(void *context, const char *what, enum status why)
{
    struct member_run *run = context;

    sim_say(run->member->cluster->world, "fatal: %s (%s)", what, status_text(why));
    sim_process_exit(run->member->process);
}

static enum status start_controller(struct member_run *run)
{
    struct controller_options options;
    struct config_problem problem;
    enum status status;

    arena_init(&run->arena, SIZE_MAX / 2);
    status = controller_options_read(run->config, &run->arena, &options, &problem);
    if (status == STATUS_OK) {
        /* Small files: they roll often, and are read fast. */
        options.segment_bytes = SEGMENT_BYTES;
        options.fatal = controller_failed;
        options.context = run;
        status = controller_create(run->envs[0], &options, &run->controller, &problem);
    }
    if (status == STATUS_OK) {
        status = controller_start(run->controller, &problem);
    }
    if (status != STATUS_OK) {
        sim_say(run->member->cluster->world, "%s", problem.text);
    }
    return status;
}

static void node_failed(void *context, const char *why)
{
    struct member_run *run = context;

    sim_say(run->member->cluster->world, "fatal: %s", why);
    sim_process_exit(run->member->process);
}

static enum status start_node(struct member_run *run)
{
    const struct node_options options = {.envs = run->envs,
                                         .env_count = run->member->cluster->options.loops,
                                         .config = run->config,
                                         .descriptor_limit = DESCRIPTOR_LIMIT,
                                         .fatal = node_failed,
                                         .context = run};
    char problem[NODE_PROBLEM_MAX] = "";
    enum status status = node_create(&options, &run->node, problem);

    if (status == STATUS_OK) {
        status = node_start(run->node, problem);
    }
    if (status != STATUS_OK) {
        sim_say(run->member->cluster->world, "%s", problem);
    }
    return status;
}

static unsigned member_loops(const struct member *member)
{
    return member->controls ? 1 : member->cluster->options.loops;
}

static enum status member_start(struct sim_process *process, void *context)
{
    struct member *member = context;
    struct member_run *run = memory_alloc_zero(1, sizeof(*run));
    enum status status;

    member->running = NULL;
    run->member = member;
    for (unsigned i = 0; i < member_loops(member); i++) {
        run->envs[i] = sim_env(process, i);
    }
    status = member_configure(run);
    if (status == STATUS_OK) {
        status = member->controls ? start_controller(run) : start_node(run);
    }
    if (status == STATUS_OK) {
        member->running = run;
    }
    return status;
}

static void member_finish(struct sim_process *process, void *context)
{
    struct member *member = context;
    struct member_run *run = member->running;

    (void)process;
    if (member->controls) {
        controller_destroy(run->controller);
        arena_deinit(&run->arena);
    } else {
        node_destroy(run->node);
    }
    config_destroy(run->config);
    memory_free(run);
    member->running = NULL;
}

static void loop_end(struct env_message *message)
{
    env_stop(CONTAINER_OF(message, struct loop_end, message)->env);
}

/* The program has stopped: its loops may end. */
static void member_stopped(void *context)
{
    struct member_run *run = context;

    for (unsigned i = 0; i < member_loops(run->member); i++) {
        run->ends[i] = (struct loop_end){.message.deliver = loop_end, .env = run->envs[i]};
        env_post(run->envs[i], &run->ends[i].message);
    }
}

static void member_stop(void *context)
{
    struct member_run *run = context;

    if (run->member->controls) {
        controller_stop(run->controller, member_stopped, run);
    } else {
        node_stop(run->node, member_stopped, run);
    }
}

static void member_init(struct cluster *cluster, struct member *member, bool controls, unsigned number)
{
    char name[32];

    member->cluster = cluster;
    member->controls = controls;
    member->number = number;
    member->program = (struct sim_program){.start = member_start, .finish = member_finish, .context = member};
    snprintf(name, sizeof(name), "%s-%u", controls ? "controller" : "node", number);
    member->process = sim_process_add(cluster->world, name, member_loops(member), &member->program);
}

struct cluster *cluster_create(struct sim_world *world, const struct cluster_options *options)
{
    struct cluster *cluster = memory_alloc_zero(1, sizeof(*cluster));

    ASSERT(options->controllers > 0 && options->controllers <= CLUSTER_CONTROLLERS_MAX);
    ASSERT(options->nodes <= CLUSTER_NODES_MAX);
    /* The Raft library's blocks belong to who calls it, too. */
    quorum_use_memory();
    cluster->world = world;
    cluster->options = *options;
    for (unsigned i = 0; i < options->controllers; i++) {
        member_init(cluster, &cluster->controllers[i], true, i + 1);
    }
    for (unsigned i = 0; i < options->nodes; i++) {
        member_init(cluster, &cluster->nodes[i], false, i + 1);
    }
    return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
    memory_free(cluster);
}

void cluster_start(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->options.controllers; i++) {
        sim_process_start(cluster->controllers[i].process);
    }
    for (unsigned i = 0; i < cluster->options.nodes; i++) {
        sim_process_start(cluster->nodes[i].process);
    }
}

unsigned cluster_controller_count(const struct cluster *cluster)
{
    return cluster->options.controllers;
}

unsigned cluster_node_count(const struct cluster *cluster)
{
    return cluster->options.nodes;
}

struct sim_process *cluster_controller(const struct cluster *cluster, unsigned index)
{
    ASSERT(index < cluster->options.controllers);
    return cluster->controllers[index].process;
}

struct sim_process *cluster_node(const struct cluster *cluster, unsigned index)
{
    ASSERT(index < cluster->options.nodes);
    return cluster->nodes[index].process;
}

static struct member_run *member_running(const struct member *member)
{
    return sim_process_running(member->process) ? member->running : NULL;
}

struct controller *cluster_controller_running(const struct cluster *cluster, unsigned index)
{
    const struct member_run *run = member_running(&cluster->controllers[index]);

    return run != NULL ? run->controller : NULL;
}

struct node *cluster_node_running(const struct cluster *cluster, unsigned index)
{
    const struct member_run *run = member_running(&cluster->nodes[index]);

    return run != NULL ? run->node : NULL;
}

bool cluster_is_ready(const struct cluster *cluster)
{
    bool active = false;

    for (unsigned i = 0; i < cluster->options.controllers; i++) {
        const struct controller *controller = cluster_controller_running(cluster, i);

        active = active || (controller != NULL && controller_is_active(controller));
    }
    for (unsigned i = 0; i < cluster->options.nodes; i++) {
        const struct node *node = cluster_node_running(cluster, i);

        active = active && node != NULL && node_ready(node);
    }
    return active;
}

bool cluster_ready(void *cluster)
{
    return cluster_is_ready(cluster);
}

void cluster_stop(struct cluster *cluster, struct sim_process *member)
{
    struct member *found = NULL;

    for (unsigned i = 0; i < cluster->options.controllers; i++) {
        found = cluster->controllers[i].process == member ? &cluster->controllers[i] : found;
    }
    for (unsigned i = 0; i < cluster->options.nodes; i++) {
        found = cluster->nodes[i].process == member ? &cluster->nodes[i] : found;
    }
    ASSERT(found != NULL && member_running(found) != NULL);
    sim_process_run(member, 0, member_stop, found->running);
}
