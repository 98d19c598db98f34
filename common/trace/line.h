/* One line of the log being written: logfmt or JSON, never longer than its space, always whole. A field that does not
 * fit any more is left out and the line says `truncated=true`. */
#ifndef TRACE_LINE_H
#define TRACE_LINE_H

#include "common/trace/trace.h"

struct trace_line {
    enum trace_format format;
    size_t size;
    bool first;     /* no field yet */
    bool truncated; /* a field was left out */
    char text[TRACE_LINE_MAX];
};

void trace_line_begin(struct trace_line *line, enum trace_format format);
void trace_line_field(struct trace_line *line, const struct trace_field *field);
/* `wall_ms` since 1970 as UTC text, key "time". */
void trace_line_time(struct trace_line *line, int64_t wall_ms);
/* Closes the line with its newline. */
void trace_line_end(struct trace_line *line);

#endif
