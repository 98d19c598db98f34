/* See position.h. */
#include "cli/position.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

/* A number with a unit, in ms. */
static bool duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    const int64_t number = strtoll(text, &end, 10);

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            return !__builtin_mul_overflow(number, units[i].ms, ms);
        }
    }
    return false;
}

enum status position_parse(const char *text, int64_t now_ms, struct position *position)
{
    int64_t back;

    *position = (struct position){0};
    if (strcmp(text, "beginning") == 0) {
        return STATUS_OK;
    }
    if (strcmp(text, "end") == 0) {
        position->kind = POSITION_END;
        return STATUS_OK;
    }
    if ((text[0] == 's' || text[0] == 'e') && text[1] == '@') {
        position->kind = POSITION_TIME;
        position->stop = text[0] == 'e';
        if (text[2] == '-' && duration_parse(text + 3, &back)) {
            position->value = now_ms > back ? now_ms - back : 0;
            return STATUS_OK;
        }
        return integer_parse(text + 2, &position->value) && position->value >= 0 ? STATUS_OK : STATUS_INVALID;
    }
    if (!integer_parse(text, &position->value)) {
        return STATUS_INVALID;
    }
    position->kind = text[0] == '-' ? POSITION_TAIL : POSITION_OFFSET;
    if (position->kind == POSITION_TAIL) {
        if (position->value == INT64_MIN) {
            return STATUS_INVALID;
        }
        position->value = -position->value;
    }
    return STATUS_OK;
}
