/* The process's own log. */
#include "controller/process_log.h"

#include "common/trace/trace.h"

#include <stdio.h>

void process_log_start(struct process_log *log, const struct config *config, const char *role)
{
    struct trace_options options = trace_options_stderr();

    /* Words that the schema does not allow cannot be in there; the defaults would stand. */
    (void)!trace_level_parse(string_of(config_string(config, "log.level")), &options.level);
    (void)!trace_format_parse(string_of(config_string(config, "log.format")), &options.format);
    snprintf(log->from, sizeof(log->from), "%s-%d", role, (int)config_int32(config, "node.id"));
    options.from = log->from;
    log->trace = trace_create(&options);
    trace_install(log->trace);
    for (size_t i = 0; i < config_warning_count(config); i++) {
        trace_warn("config", T_TEXT("warning", config_warning_at(config, i)));
    }
}

void process_log_stop(struct process_log *log)
{
    trace_install(NULL);
    trace_destroy(log->trace);
}
