/* Cuts what `produce` reads into records: lines or other delimited pieces, with keys split off, or JSON lines. Pure:
 * bytes are given as they come, records are taken until there is none. */
#ifndef CLI_PRODUCE_INPUT_H
#define CLI_PRODUCE_INPUT_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/status.h"
#include "common/batch/record.h"

/* A longer piece is an error of the input, not a reason to take all memory. */
#define PRODUCE_PIECE_MAX (64u << 20)
#define PRODUCE_HEADERS_MAX 1000
#define PRODUCE_PARTITION_ANY (-1)

struct produce_input_options {
    struct string delimiter;     /* between records; not empty */
    struct string key_delimiter; /* between key and value; null: no keys */
    struct bytes key;            /* of records that have none of their own; null: none */
    bool empty_is_null;          /* -Z */
    bool json;                   /* -J */
    const struct record_header *headers; /* of every record */
    size_t header_count;
};

struct produce_input {
    struct produce_input_options options;
    struct buffer text;
    size_t at;       /* of the next piece in `text` */
    size_t searched; /* no delimiter begins in [at, searched) */
    bool ended;
    int64_t number;  /* of the last piece, from 1 */
    struct arena arena; /* of the last record */
};

/* Views in `draft` live until the next call. timestamp TIMESTAMP_NONE: now. */
struct produce_record {
    struct record_draft draft;
    int32_t partition; /* or PRODUCE_PARTITION_ANY */
};

void produce_input_init(struct produce_input *input, const struct produce_input_options *options);
void produce_input_deinit(struct produce_input *input);
/* Copies. */
void produce_input_add(struct produce_input *input, struct bytes bytes);
/* No more bytes will come: a last piece without delimiter counts too. */
void produce_input_end(struct produce_input *input);
/* The next record. END: none now. INVALID: piece `number` is not what was said, the text says why; going on is
 * possible. TOO_LARGE: a piece exceeds PRODUCE_PIECE_MAX; going on is not. */
MUST_USE enum status produce_input_next(struct produce_input *input, struct produce_record *record, const char **why);

/* Resolves \n \t \r \0 \\ \xNN in `text`. INVALID for anything else behind a backslash, and for empty text. */
MUST_USE enum status delimiter_parse(const char *text, struct arena *arena, struct string *delimiter);

#endif
