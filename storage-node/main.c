/* millrace-node: one storage node. Reads its configuration, makes a loop per core, builds the node on them, runs until
 * SIGTERM. */
#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/config/node_config.h"
#include "common/runtime/runtime.h"
#include "common/trace/trace.h"
#include "storage-node/node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAIN_SETTINGS_MAX 64
#define MAIN_DESCRIPTORS_MIN 256

struct main_arguments {
    const char *path;
    const char *settings[MAIN_SETTINGS_MAX];
    size_t setting_count;
    bool check_config;
};

/* What a lane may have. */
#define RECOVERY_THREADS_MAX 64

struct main_state {
    struct node *node;
    struct runtime_loop *loops[NODE_LOOPS_MAX];
    uint32_t loop_count;
    bool stopping;
    int exit_code;
};

static int main_usage(void)
{
    fputs("usage: millrace-node --config FILE [--set key=value]... [--check-config]\n"
          "Runs a storage node in the foreground. SIGTERM stops it cleanly, a second one without waiting.\n"
          "Keys are Kafka's; each can come from the environment too (MILLRACE_LOG_DIRS for log.dirs).\n",
          stderr);
    return 2;
}

static bool main_parse(int argc, char **argv, struct main_arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        const struct string word = string_of(argv[i]);

        if (string_is(word, "--check-config")) {
            arguments->check_config = true;
        } else if (string_is(word, "--config") && i + 1 < argc) {
            arguments->path = argv[++i];
        } else if (string_is(word, "--set") && i + 1 < argc && arguments->setting_count < MAIN_SETTINGS_MAX) {
            arguments->settings[arguments->setting_count++] = argv[++i];
        } else {
            return false;
        }
    }
    return arguments->path != NULL || arguments->setting_count > 0;
}

static void main_end_loop(struct env_message *message)
{
    struct env *env = *(struct env **)(message + 1);

    memory_free(message);
    env_stop(env);
}

/* Every loop ends after its present turn. */
static void main_end(struct main_state *state)
{
    for (uint32_t i = 0; i < state->loop_count; i++) {
        struct env_message *message = memory_alloc_zero(1, sizeof(*message) + sizeof(struct env *));
        struct env *env = runtime_loop_env(state->loops[i]);

        memcpy(message + 1, &env, sizeof(env));
        message->deliver = main_end_loop;
        env_post(env, message);
    }
}

static void main_stopped(void *context)
{
    main_end(context);
}

static void main_signal(void *context)
{
    struct main_state *state = context;

    if (state->stopping) {
        node_stop_now(state->node);
        return;
    }
    state->stopping = true;
    node_stop(state->node, main_stopped, state);
}

static void main_fatal(void *context, const char *why)
{
    (void)context;
    trace_error("fatal", T_TEXT("why", why));
    fprintf(stderr, "millrace-node: %s\n", why);
    /* Nothing is flushed on purpose: what is on disk is what a crash would leave, and recovery takes it from there. */
    _exit(1);
}

static struct trace *main_trace(const struct config *config, char *from, size_t from_size)
{
    struct trace_options options = trace_options_stderr();
    struct trace *trace;

    snprintf(from, from_size, "node-%d", config_int32(config, "node.id"));
    options.from = from;
    (void)!trace_level_parse(string_of(config_string(config, "log.level")), &options.level);
    (void)!trace_format_parse(string_of(config_string(config, "log.format")), &options.format);
    trace = trace_create(&options);
    trace_install(trace);
    for (size_t i = 0; i < config_warning_count(config); i++) {
        trace_warn("config", T_TEXT("text", config_warning_at(config, i)));
    }
    return trace;
}

static uint32_t main_loop_count(const struct config *config)
{
    const int64_t wanted = config_int64(config, "num.loops");
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int64_t count = wanted > 0 ? wanted : cores > 0 ? cores : 1;

    return (uint32_t)(count < NODE_LOOPS_MAX ? count : NODE_LOOPS_MAX);
}

/* Recovery is the lane's work while a node starts; later there is little. */
static unsigned main_recovery_threads(const struct config *config)
{
    size_t directories;
    int64_t threads = config_int32(config, "num.recovery.threads.per.data.dir");

    (void)node_config_log_dirs(config, &directories);
    threads *= (int64_t)directories;
    return threads < RECOVERY_THREADS_MAX ? (unsigned)threads : RECOVERY_THREADS_MAX;
}

static int main_run(struct main_state *state, const struct config *config, struct runtime_workers *workers)
{
    const struct runtime_options loop_options = {.workers = workers,
                                                 .busy_poll_us = (uint32_t)config_int64(config, "busy.poll.us")};
    struct env *envs[NODE_LOOPS_MAX];
    struct node_options options = {.envs = envs, .config = config, .fatal = main_fatal, .context = state};
    char problem[NODE_PROBLEM_MAX] = "";

    runtime_workers_limit(workers, ENV_LANE_BACKGROUND, main_recovery_threads(config));
    options.descriptor_limit = runtime_raise_descriptor_limit();
    if (options.descriptor_limit < MAIN_DESCRIPTORS_MIN) {
        fprintf(stderr, "millrace-node: only %llu open files are allowed, at least %d are needed: raise `ulimit -n`\n",
                (unsigned long long)options.descriptor_limit, MAIN_DESCRIPTORS_MIN);
        return 1;
    }
    state->loop_count = main_loop_count(config);
    for (uint32_t i = 0; i < state->loop_count; i++) {
        state->loops[i] = runtime_loop_create(&loop_options);
        if (state->loops[i] == NULL) {
            fputs("millrace-node: the system has no descriptors left for an event loop\n", stderr);
            return 1;
        }
        envs[i] = runtime_loop_env(state->loops[i]);
    }
    options.env_count = state->loop_count;
    if (node_create(&options, &state->node, problem) != STATUS_OK) {
        fprintf(stderr, "millrace-node: %s\n", problem);
        return 1;
    }
    if (node_start(state->node, problem) != STATUS_OK) {
        fprintf(stderr, "millrace-node: %s\n", problem);
        return 1;
    }
    if (runtime_on_signal(state->loops[0], SIGTERM, main_signal, state) != STATUS_OK ||
        runtime_on_signal(state->loops[0], SIGINT, main_signal, state) != STATUS_OK) {
        fputs("millrace-node: cannot watch signals\n", stderr);
        return 1;
    }
    for (uint32_t i = 1; i < state->loop_count; i++) {
        if (runtime_thread_start(state->loops[i]) != STATUS_OK) {
            fputs("millrace-node: the system refuses a thread\n", stderr);
            return 1;
        }
    }
    runtime_loop_run(state->loops[0]);
    for (uint32_t i = 1; i < state->loop_count; i++) {
        runtime_thread_join(state->loops[i]);
    }
    for (uint32_t i = 0; i < state->loop_count; i++) {
        runtime_loop_drain(state->loops[i]);
    }
    node_destroy(state->node);
    return state->exit_code;
}

static int main_print(const struct config *config)
{
    struct buffer text;

    buffer_init(&text);
    config_print(config, &text);
    fwrite(text.data, 1, text.size, stdout);
    buffer_deinit(&text);
    return 0;
}

int main(int argc, char **argv)
{
    struct main_arguments arguments = {0};
    struct main_state state = {0};
    struct config_inputs inputs = {.environment = environ};
    struct config_problem problem = {0};
    struct runtime_workers *workers;
    struct runtime_loop *reader;
    struct config *config = NULL;
    struct trace *trace;
    enum status status;
    char from[32];
    int code;

    if (!main_parse(argc, argv, &arguments)) {
        return main_usage();
    }
    workers = runtime_workers_create(NULL);
    reader = runtime_loop_create(&(struct runtime_options){.workers = workers});
    ASSERT(reader != NULL);
    inputs.disk = runtime_loop_env(reader)->disk;
    inputs.path = arguments.path;
    inputs.settings = arguments.settings;
    inputs.setting_count = arguments.setting_count;
    status = config_read(node_config_schema(), &inputs, &config, &problem);
    runtime_loop_destroy(reader);
    if (status != STATUS_OK) {
        fprintf(stderr, "millrace-node: %s\n", problem.text);
        runtime_workers_destroy(workers);
        return 2;
    }
    if (arguments.check_config) {
        code = main_print(config);
    } else {
        trace = main_trace(config, from, sizeof(from));
        code = main_run(&state, config, workers);
        if (code != 0) {
            /* Something that did not start is not taken apart either. */
            fflush(stderr);
            _exit(code);
        }
        for (uint32_t i = 0; i < state.loop_count; i++) {
            runtime_loop_destroy(state.loops[i]);
        }
        trace_install(NULL);
        trace_destroy(trace);
    }
    runtime_workers_destroy(workers);
    config_destroy(config);
    return code;
}
