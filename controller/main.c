/* The program millrace-controller.
 *
 *     millrace-controller --config FILE [--set KEY=VALUE]... [--check-config]
 */
#include "common/base/buffer.h"
#include "common/config/controller_config.h"
#include "common/runtime/runtime.h"
#include "common/trace/trace.h"
#include "controller/controller.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS_MAX 128
/* Fewer descriptors than this and a handful of nodes would use them up. */
#define DESCRIPTORS_MIN 256
#define EXIT_USAGE 2

extern char **environ;

struct program {
    struct runtime_workers *workers;
    struct runtime_loop *loop;
    struct config *config;
    struct trace *trace;
    struct controller *controller;
    bool stopping;
};

struct arguments {
    const char *config;
    const char *settings[SETTINGS_MAX];
    size_t setting_count;
    bool check;
};

static int complain(const char *text, int code)
{
    fprintf(stderr, "millrace-controller: %s\n", text);
    return code;
}

static bool parse_arguments(int count, char **texts, struct arguments *arguments)
{
    *arguments = (struct arguments){0};
    for (int i = 1; i < count; i++) {
        const bool more = i + 1 < count;

        if (strcmp(texts[i], "--config") == 0 && more) {
            arguments->config = texts[++i];
        } else if (strcmp(texts[i], "--set") == 0 && more && arguments->setting_count < SETTINGS_MAX) {
            arguments->settings[arguments->setting_count++] = texts[++i];
        } else if (strcmp(texts[i], "--check-config") == 0) {
            arguments->check = true;
        } else {
            return false;
        }
    }
    return true;
}

static void on_stopped(void *context)
{
    struct program *program = context;

    env_stop(runtime_loop_env(program->loop));
}

static void on_signal(void *context)
{
    struct program *program = context;

    if (!program->stopping) {
        program->stopping = true;
        controller_stop(program->controller, on_stopped, program);
    }
}

/* Nothing may be written or answered from here on, so the process goes without tidying up. */
static void on_fatal(void *context, const char *what, enum status why)
{
    (void)context;
    trace_error("controller_failed", T_TEXT("what", what), T_STATUS("why", why));
    _Exit(EXIT_FAILURE);
}

static void start_trace(struct program *program, struct trace_options *options, const char *from)
{
    const enum status level = trace_level_parse(string_of(config_string(program->config, "log.level")), &options->level);
    const enum status format = trace_format_parse(string_of(config_string(program->config, "log.format")), &options->format);

    if (level != STATUS_OK || format != STATUS_OK) {
        return;
    }
    options->from = from;
    program->trace = trace_create(options);
    trace_install(program->trace);
    for (size_t i = 0; i < config_warning_count(program->config); i++) {
        trace_warn("config", T_TEXT("warning", config_warning_at(program->config, i)));
    }
}

/* Runs until a signal. A controller that cannot listen is closed as orderly as any other. */
static int serve(struct program *program, struct controller_options *options, struct config_problem *problem)
{
    enum status status;

    options->fatal = on_fatal;
    if (runtime_raise_descriptor_limit() < DESCRIPTORS_MIN) {
        return complain("the limit of open files is below 256: raise it (ulimit -n, LimitNOFILE)", EXIT_FAILURE);
    }
    if (controller_create(runtime_loop_env(program->loop), options, &program->controller, problem) != STATUS_OK) {
        return complain(problem->text, EXIT_FAILURE);
    }
    status = controller_start(program->controller, problem);
    if (status == STATUS_OK && (runtime_on_signal(program->loop, SIGTERM, on_signal, program) != STATUS_OK ||
                                runtime_on_signal(program->loop, SIGINT, on_signal, program) != STATUS_OK)) {
        config_problem_set(problem, "cannot wait for signals");
        status = STATUS_NO_DESCRIPTORS;
    }
    if (status != STATUS_OK) {
        on_signal(program);
    }
    runtime_loop_run(program->loop);
    runtime_loop_drain(program->loop);
    controller_destroy(program->controller);
    return status == STATUS_OK ? EXIT_SUCCESS : complain(problem->text, EXIT_FAILURE);
}

static int check_config(const struct config *config)
{
    struct buffer text;

    buffer_init(&text);
    config_print(config, &text);
    fwrite(text.data, 1, text.size, stdout);
    buffer_deinit(&text);
    return EXIT_SUCCESS;
}

static int start(struct program *program, const struct arguments *arguments)
{
    const struct config_inputs inputs = {.disk = runtime_loop_env(program->loop)->disk,
                                         .path = arguments->config,
                                         .environment = environ,
                                         .settings = arguments->settings,
                                         .setting_count = arguments->setting_count};
    struct trace_options trace_options = trace_options_stderr();
    struct controller_options options;
    struct config_problem problem;
    struct arena arena;
    char from[32];
    int code;

    if (config_read(controller_config_schema(), &inputs, &program->config, &problem) != STATUS_OK) {
        return complain(problem.text, EXIT_FAILURE);
    }
    arena_init(&arena, SIZE_MAX / 2);
    if (controller_options_read(program->config, &arena, &options, &problem) != STATUS_OK) {
        code = complain(problem.text, EXIT_FAILURE);
    } else if (arguments->check) {
        code = check_config(program->config);
    } else {
        snprintf(from, sizeof(from), "controller-%d", (int)options.id);
        start_trace(program, &trace_options, from);
        code = serve(program, &options, &problem);
        trace_install(NULL);
        if (program->trace != NULL) {
            trace_destroy(program->trace);
        }
    }
    arena_deinit(&arena);
    config_destroy(program->config);
    return code;
}

int main(int count, char **texts)
{
    struct program program = {0};
    struct arguments arguments;
    int code;

    if (!parse_arguments(count, texts, &arguments)) {
        return complain("usage: millrace-controller --config FILE [--set KEY=VALUE]... [--check-config]", EXIT_USAGE);
    }
    program.workers = runtime_workers_create(NULL);
    program.loop = runtime_loop_create(&(struct runtime_options){.workers = program.workers});
    if (program.loop == NULL) {
        return complain("the system has no file descriptors left for an event loop", EXIT_FAILURE);
    }
    code = start(&program, &arguments);
    runtime_loop_destroy(program.loop);
    runtime_workers_destroy(program.workers);
    return code;
}
