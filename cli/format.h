/* The format language of kcat's -f: how `consume` prints a record. Compiled once, run for each record.
 *
 *     %s value   %S its size (-1: null)   %R its size as 32 bits, big-endian
 *     %k key     %K its size (-1: null)   %h headers as name=value,...
 *     %t topic   %p partition   %o offset   %T timestamp in ms   %% a percent sign
 *     \n \t \r \0 \\ \xNN as in C */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include "common/base/buffer.h"
#include "common/base/status.h"
#include "common/batch/record.h"

struct format_step {
    char verb;           /* one of the letters above; 0: the text */
    struct string text;  /* borrows format->texts */
};

struct format {
    struct format_step *steps;
    size_t count;
    char *texts;
    bool null_word; /* print null as NULL instead of nothing (-Z) */
};

/* A record where it belongs. */
struct placed_record {
    struct string topic;
    int32_t partition;
    bool append_time; /* the timestamp is the log's */
    int32_t leader_id;
    const struct record *record;
};

/* INVALID: *error_at is the offset in `text` of what is not understood, and there is nothing to deinit. */
MUST_USE enum status format_compile(struct format *format, const char *text, size_t *error_at);
void format_deinit(struct format *format);
void format_print(const struct format *format, const struct placed_record *placed, struct buffer *out);
/* kcat's JSON envelope, one line: topic, partition, offset, tstype, ts, broker, headers, key, payload. */
void format_print_json(const struct placed_record *placed, struct buffer *out);

#endif
