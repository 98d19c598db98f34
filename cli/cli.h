/* What every command has at hand: its parsed command line, where servers are, how to print results and errors.
 *
 * Results go to standard output, in one piece at the end where they are tables or JSON; everything else goes to
 * standard error. An error says what failed, where, why, and what to do. There are no colours, so NO_COLOR needs no
 * care. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/address.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/table.h"

struct session;

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cli {
    const struct command *table;
    struct arguments arguments;
    bool json;  /* results as JSON */
    bool trace;
    uint32_t timeout_ms;
    struct address_list nodes;       /* may be empty */
    struct address_list controllers; /* may be empty */
    const char *servers_from;        /* where the two come from, for error texts */
    struct session *session;         /* made by the first command that talks to a server */
    struct buffer text;              /* result being made */
    struct json_writer writer;       /* into `text` */
    char *profile;                   /* text of the profile, if that was used */
};

/* Runs a whole command line; returns the exit code. */
int cli_main(const struct command *table, int argc, char *const *argv);

/* Prints "millrace: " and the text to standard error. */
void cli_error(const char *format, ...) PRINTF_LIKE(1, 2);
/* The line below an error: what to do. */
void cli_hint(const char *format, ...) PRINTF_LIKE(1, 2);
/* A line of progress to standard error. */
void cli_note(const char *format, ...) PRINTF_LIKE(1, 2);
/* What a server refused: `what` failed at `where` with Kafka's `code`; `message` is the server's text, may be null. */
void cli_server_error(const char *what, const char *where, int16_t code, struct string message);

/* The value of an integer option or `otherwise`. False after an error line if it is no number in [min, max]. */
MUST_USE bool cli_option_integer(const struct cli *cli, const char *name, int64_t min, int64_t max, int64_t otherwise,
                                 int64_t *value);
/* Whole text to integer; false if it is not one. */
bool integer_parse(const char *text, int64_t *value);

/* JSON results: begin writes {"_command": ..., "_version": 1 and leaves the object open for members. */
struct json_writer *cli_json_begin(struct cli *cli);
void cli_json_end(struct cli *cli);
/* Prints a table and frees it. */
void cli_table_end(struct cli *cli, struct table *table);
/* Columns of the terminal on standard output, 0 if it is none. */
size_t cli_width(void);
/* Writes all bytes to standard output; false if nobody reads it any more. */
bool cli_print(struct bytes bytes);

#endif
