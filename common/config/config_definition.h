/* What one config key is: its type, unit, default, limits and meaning; and reading a value against that. Used for the
 * servers' files (config.h) and for topic configs alike.
 *
 * Numbers may be written with a unit where the key has one: sizes as 64MiB (KiB MiB GiB TiB, or KB MB GB TB for powers
 * of 1000), times as 7d (ms s m h d). A value keeps its canonical text, the plain number in the key's own unit, which
 * is what Kafka's clients expect to be told. */
#ifndef CONFIG_CONFIG_DEFINITION_H
#define CONFIG_CONFIG_DEFINITION_H

#include "common/base/arena.h"
#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#define CONFIG_PROBLEM_MAX 512
#define CONFIG_VALUE_MAX 16384 /* bytes of one value as text */
#define CONFIG_ITEMS_MAX 256   /* items of one list */

/* The numbers are those of DescribeConfigs. */
enum config_type {
    CONFIG_TYPE_BOOLEAN = 1,
    CONFIG_TYPE_STRING = 2,
    CONFIG_TYPE_INT32 = 3,
    CONFIG_TYPE_INT16 = 4,
    CONFIG_TYPE_INT64 = 5,
    CONFIG_TYPE_DOUBLE = 6,
    CONFIG_TYPE_LIST = 7,
};

enum config_unit {
    CONFIG_UNIT_NONE,
    CONFIG_UNIT_BYTES,
    CONFIG_UNIT_US,
    CONFIG_UNIT_MS,
    CONFIG_UNIT_MINUTES,
    CONFIG_UNIT_HOURS,
};

enum config_flags {
    CONFIG_FLAG_NONE = 0,
    CONFIG_FLAG_REQUIRED = 1, /* has no default and must be given */
    CONFIG_FLAG_DYNAMIC = 2,  /* may be changed at run time through the cluster; others are read-only there */
    CONFIG_FLAG_OWN = 4,      /* not one of Kafka's keys */
};

/* Why a value or a file was refused, for people: names key, value, place and remedy. */
struct config_problem {
    char text[CONFIG_PROBLEM_MAX];
};

void config_problem_set(struct config_problem *problem, const char *format, ...) PRINTF_LIKE(2, 3);

struct config_value {
    bool null;           /* no value and no default */
    struct string text;  /* canonical, with a zero byte behind it; null if null */
    int64_t integer;     /* BOOLEAN: 0 or 1; INT16, INT32, INT64 in the key's unit */
    double number;       /* DOUBLE */
    size_t item_count;   /* LIST: trimmed, none empty, each with a zero byte behind it */
    const struct string *items;
};

/* A further check of a value that has its type already; says in `problem` what is expected, without naming the key. */
typedef enum status (*config_check)(const struct config_value *value, struct arena *arena,
                                    struct config_problem *problem);

struct config_definition {
    const char *name;
    enum config_type type;
    enum config_unit unit;
    unsigned flags;          /* enum config_flags */
    const char *standard;    /* the default, canonical; NULL: null */
    int64_t min;             /* numbers: both ends included */
    int64_t max;
    const char *const *words; /* strings and each item of lists: what is allowed, NULL at the end; NULL: anything */
    config_check check;      /* may be NULL */
    const char *doc;         /* one sentence or two */
};

/* Rows of tables. */
#define CONFIG_BOOLEAN(key, flag_bits, default_text, text)                                         \
    {.name = key, .type = CONFIG_TYPE_BOOLEAN, .flags = flag_bits, .standard = default_text, .doc = text}
#define CONFIG_INT16(key, flag_bits, default_text, least, most, text)                              \
    {.name = key, .type = CONFIG_TYPE_INT16, .flags = flag_bits, .standard = default_text, .min = least, .max = most, \
     .doc = text}
#define CONFIG_INT32(key, kind, flag_bits, default_text, least, most, text)                        \
    {.name = key, .type = CONFIG_TYPE_INT32, .unit = kind, .flags = flag_bits, .standard = default_text, .min = least, \
     .max = most, .doc = text}
#define CONFIG_INT64(key, kind, flag_bits, default_text, least, most, text)                        \
    {.name = key, .type = CONFIG_TYPE_INT64, .unit = kind, .flags = flag_bits, .standard = default_text, .min = least, \
     .max = most, .doc = text}
#define CONFIG_DOUBLE(key, flag_bits, default_text, least, most, text)                             \
    {.name = key, .type = CONFIG_TYPE_DOUBLE, .flags = flag_bits, .standard = default_text, .min = least, .max = most, \
     .doc = text}
#define CONFIG_TEXT(key, flag_bits, default_text, test, text)                                      \
    {.name = key, .type = CONFIG_TYPE_STRING, .flags = flag_bits, .standard = default_text, .check = test, .doc = text}
#define CONFIG_WORD(key, flag_bits, default_text, allowed, text)                                   \
    {.name = key, .type = CONFIG_TYPE_STRING, .flags = flag_bits, .standard = default_text, .words = allowed, \
     .doc = text}
#define CONFIG_LIST(key, flag_bits, default_text, allowed, test, text)                             \
    {.name = key, .type = CONFIG_TYPE_LIST, .flags = flag_bits, .standard = default_text, .words = allowed,            \
     .check = test, .doc = text}

/* Reads `text` as a value of `definition`; a null `text` gives the null value. What the value shows lives in `arena`.
 * STATUS_INVALID with `problem` set ("log.segment.bytes: ..."), also if the arena has less than about 100 KiB left. */
MUST_USE enum status config_value_parse(const struct config_definition *definition, struct string text,
                                        struct arena *arena, struct config_value *value,
                                        struct config_problem *problem);

/* The row named `name`, or NULL. */
const struct config_definition *config_definition_find(const struct config_definition *rows, size_t count,
                                                       struct string name);

/* How far two names are apart: edits of one character, a swap of neighbours counting as one. Names are bounded to 128
 * bytes, longer ones are as far as can be. */
size_t config_name_distance(struct string a, struct string b);

#endif
