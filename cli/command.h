/* The command table and what is made from it: parsing, help for people, help for programs. A command is one row; there
 * is no second place that knows its options.
 *
 *     millrace [global options] noun [verb] [options] [arguments]      options and arguments in any order
 *
 * A command's options hide global ones of the same letter (consume's -o is kcat's, not the output format). */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"
#include "common/base/status.h"

struct cli;

struct option {
    const char *name;  /* long name without dashes; NULL ends a list */
    char letter;       /* 0: none */
    const char *value; /* what stands for the value in help; NULL: a flag */
    const char *help;
};

struct example {
    const char *line; /* without "millrace "; NULL ends a list */
    const char *meaning;
};

#define ARGUMENTS_ANY 1000000

struct command {
    const char *name;      /* "topic create"; NULL ends a table */
    const char *arguments; /* as shown in help, "" for none */
    int arguments_min;
    int arguments_max;
    const char *summary;   /* one line */
    const char *details;   /* more lines, or NULL */
    const struct option *options;   /* ended by a NULL name; may be NULL */
    const struct example *examples; /* likewise */
    int (*run)(struct cli *cli);    /* the exit code: 0 done, 1 failed, 2 usage */
};

/* Options that every command has, ended by a NULL name. */
extern const struct option global_options[];

struct given_option {
    const struct option *option;
    const char *value; /* NULL for a flag */
};

/* A command line, parsed. Views into argv. */
struct arguments {
    const struct command *command; /* NULL: none named */
    const char *group;             /* only the noun of several commands was named ("topic --help") */
    struct given_option *options;  /* in order of appearance */
    size_t option_count;
    const char **values; /* what is no option, behind the command's words */
    int value_count;
    bool help;
    bool help_json;
};

/* Borrows argv for the life of *arguments. STATUS_INVALID: *error says what is wrong and what was perhaps meant. Fills
 * what it understood also then, so that the caller knows whose help to name. */
MUST_USE enum status arguments_parse(const struct command *table, int argc, char *const *argv,
                                     struct arguments *arguments, struct buffer *error);
void arguments_deinit(struct arguments *arguments);
/* True if option `name`, which must be declared, was given. */
bool arguments_has(const struct arguments *arguments, const char *name);
/* The last value given for it, or NULL. */
const char *arguments_value(const struct arguments *arguments, const char *name);
/* The same for a global option, even if the command has one of the same name. */
const char *arguments_global(const struct arguments *arguments, const char *name);
/* All values given for it, in order: start with *at = 0, ends with NULL. */
const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at);

/* The candidate of `words` (ended by NULL) nearest to `word`, or NULL if none is near enough to be meant. */
const char *nearest_word(const char *word, const char *const *words);

/* Help for one command, for the commands of a noun, or for all (command and group NULL). */
void help_text(const struct command *table, const struct arguments *arguments, struct buffer *out);
void help_json(const struct command *table, const struct arguments *arguments, struct buffer *out);

#endif
