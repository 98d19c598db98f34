/* The configuration of one server process: Kafka's keys in a .properties file, over them the environment, over them
 * flags.
 *
 *     --set key=value   >   MILLRACE_KEY in the environment   >   the file   >   the default
 *
 * The environment's name of a key: MILLRACE_ and the key in capitals, '.' as '_', '_' as '__', '-' as '___'; log.dirs
 * is MILLRACE_LOG_DIRS. A key that nobody knows is refused with its line and the nearest known one. Keys that Kafka
 * knows and this server does not are refused if leaving them out would change what the user relies on (TLS, SASL,
 * tiering...), else accepted with a warning. Read once at start, then immutable: it may be read from any thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "common/config/addresses.h"
#include "common/config/config_definition.h"

struct buffer;
struct config;
struct disk;

#define CONFIG_TABLES_MAX 6

/* Where a value comes from, weakest first. For DescribeConfigs all but the default are STATIC_BROKER_CONFIG. */
enum config_source { CONFIG_SOURCE_DEFAULT, CONFIG_SOURCE_FILE, CONFIG_SOURCE_ENVIRONMENT, CONFIG_SOURCE_FLAG };

struct config_table {
    const struct config_definition *rows;
    size_t count;
};

/* Keys of Kafka that this server has no use for. */
struct config_foreign_key {
    const char *pattern; /* a key, or the start of keys with '*' at the end */
    const char *why;     /* refused: the reason, for people. NULL: accepted with a warning */
};

struct config_schema {
    const struct config_table *tables[CONFIG_TABLES_MAX]; /* NULL behind the last */
    /* keys of the other program: checked and left unused, with a warning; or NULL */
    const struct config_table *other_role;
    const struct config_foreign_key *foreign; /* pattern NULL at the end */
    /* Rules between keys, after all are read. May be NULL. */
    enum status (*check)(const struct config *config, struct arena *arena, struct config_problem *problem);
};

struct config_inputs {
    struct disk *disk;            /* of the file; may be NULL if path is */
    const char *path;             /* the file, or NULL */
    char *const *environment;     /* "NAME=value", NULL at the end; or NULL */
    const char *const *settings;  /* "key=value" of --set flags */
    size_t setting_count;
};

/* One key and its effective value. */
struct config_entry {
    const struct config_definition *definition;
    struct config_value value;
    struct config_value standard; /* the default's value */
    enum config_source source;
    int line; /* in the file, if the source is the file */
};

/* Shares `schema`, and keeps no reference to `inputs`. STATUS_INVALID, or what reading the file gave, with `problem`
 * set; then *config is NULL. */
MUST_USE enum status config_read(const struct config_schema *schema, const struct config_inputs *inputs,
                                 struct config **config, struct config_problem *problem);
void config_destroy(struct config *config); /* NULL is allowed */

/* Values by name; everything returned is borrowed from the config, texts have a zero byte behind them. The name must be
 * in the schema and of the type asked for: asserted. */
bool config_boolean(const struct config *config, const char *name);
int16_t config_int16(const struct config *config, const char *name);
int32_t config_int32(const struct config *config, const char *name);
int64_t config_int64(const struct config *config, const char *name); /* of any of the integer types; not null */
const char *config_string(const struct config *config, const char *name); /* NULL if null */
const struct string *config_list(const struct config *config, const char *name, size_t *count);
bool config_is_null(const struct config *config, const char *name);
bool config_is_given(const struct config *config, const char *name); /* not by default */
/* The first of `names` (NULL at the end) that was given, else the last: for log.roll.ms before log.roll.hours. */
const struct config_entry *config_first_given(const struct config *config, const char *const *names);

/* All keys of the schema's tables, ascending by name. */
size_t config_count(const struct config *config);
const struct config_entry *config_at(const struct config *config, size_t index);
const struct config_entry *config_find(const struct config *config, struct string name); /* NULL: no such key */

/* What was accepted but has no effect here, one sentence each, for the log. */
size_t config_warning_count(const struct config *config);
const char *config_warning_at(const struct config *config, size_t index);

/* "key=value  # source", one line per key, for --check-config. */
void config_print(const struct config *config, struct buffer *into);
const char *config_source_text(enum config_source source);

#endif
