/* The program millrace-controller: configuration, log, loop, signals; everything else is controller.c's. */
#include "common/base/buffer.h"
#include "common/config/controller_config.h"
#include "common/runtime/runtime.h"
#include "common/trace/trace.h"
#include "controller/arguments.h"
#include "controller/controller.h"
#include "controller/process_log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Fewer descriptors than this and a handful of nodes would use them up. */
#define DESCRIPTORS_MIN 256
/* Of the descriptors, kept back for the log, snapshots and connections to the other controllers. */
#define DESCRIPTORS_OWN 96
#define EXIT_USAGE 2

extern char **environ;

struct program {
    struct runtime_workers *workers;
    struct runtime_loop *loop;
    struct config *config;
    struct controller *controller;
    bool stopping;
};

static int complain(const char *text, int code)
{
    fprintf(stderr, "millrace-controller: %s\n", text);
    return code;
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

/* Runs until a signal. A controller that cannot listen is closed as orderly as any other. */
static int serve(struct program *program, struct controller_options *options, struct config_problem *problem)
{
    const uint64_t descriptors = runtime_raise_descriptor_limit();
    enum status status;

    options->fatal = on_fatal;
    if (descriptors < DESCRIPTORS_MIN) {
        return complain("the limit of open files is below 256: raise it (ulimit -n, LimitNOFILE)", EXIT_FAILURE);
    }
    if (options->connections_max > descriptors - DESCRIPTORS_OWN) {
        options->connections_max = (uint32_t)(descriptors - DESCRIPTORS_OWN);
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
    struct controller_options options;
    struct config_problem problem;
    struct arena arena;
    struct process_log log;
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
        process_log_start(&log, program->config, "controller");
        code = serve(program, &options, &problem);
        process_log_stop(&log);
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

    if (!arguments_parse(&arguments, count, texts)) {
        return complain(ARGUMENTS_USAGE, EXIT_USAGE);
    }
    quorum_use_memory();
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
