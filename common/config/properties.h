/* Java's .properties format, which Kafka's files use: one key and value per line.
 *
 *     # comment, also with !          key=value, key: value, key value; blanks around the separator are skipped
 *     log.dirs=/data/a,\              a backslash at the end joins lines, leading blanks of the next are skipped
 *              /data/b                escapes: \t \n \r \f \uXXXX; \ before any other character is that character
 *
 * Differences: the file is UTF-8, not Latin-1; a key given twice is an error, not the last one's win; an escaped zero
 * byte, a lone surrogate and invalid UTF-8 are errors. */
#ifndef CONFIG_PROPERTIES_H
#define CONFIG_PROPERTIES_H

#include "common/config/config_definition.h"

#define PROPERTIES_FILE_MAX (1024 * 1024) /* bytes */
#define PROPERTIES_COUNT_MAX 2048
#define PROPERTIES_KEY_MAX 256 /* bytes */

struct property {
    struct string key;   /* both with a zero byte behind them, in the arena */
    struct string value;
    int line; /* where it begins, from 1 */
};

struct properties {
    struct property *items; /* in the order of the file */
    size_t count;
};

/* Everything in `properties` lives in `arena` (which needs room for three times the text and the table). STATUS_INVALID
 * or STATUS_TOO_LARGE with `problem` set to "line 12: ..." and what is wrong. */
MUST_USE enum status properties_parse(struct bytes text, struct arena *arena, struct properties *properties,
                                      struct config_problem *problem);

#endif
