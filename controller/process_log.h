/* The process's own log on standard error, as the configuration wants it. */
#ifndef CONTROLLER_PROCESS_LOG_H
#define CONTROLLER_PROCESS_LOG_H

#include "common/config/config.h"

struct trace;

struct process_log {
    struct trace *trace;
    char from[32];
};

/* Makes it the current trace, and writes the warnings of the configuration into it. Lines say that they are from `role`
 * and the node's number. */
void process_log_start(struct process_log *log, const struct config *config, const char *role);
void process_log_stop(struct process_log *log);

#endif
