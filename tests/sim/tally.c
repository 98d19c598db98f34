/* See tally.h. */
#include "tests/sim/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct tally_row *tally_row(struct tally *tally, const char *name)
{
    for (size_t i = 0; i < tally->count; i++) {
        if (strcmp(tally->rows[i].name, name) == 0) {
            return &tally->rows[i];
        }
    }
    if (tally->count == TALLIES_MAX) {
        return NULL;
    }
    tally->rows[tally->count] = (struct tally_row){.count = 0};
    snprintf(tally->rows[tally->count].name, TALLY_NAME_SIZE, "%s", name);
    return &tally->rows[tally->count++];
}

void tally_add(struct tally *tally, const char *name, uint64_t count)
{
    struct tally_row *row = tally_row(tally, name);

    if (row != NULL) {
        row->runs += row->count == 0 && count > 0 ? 1 : 0;
        row->count += count;
    }
}

void tally_merge(struct tally *tally, const struct tally *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct tally_row *row = tally_row(tally, from->rows[i].name);

        if (row != NULL) {
            row->count += from->rows[i].count;
            row->runs += from->rows[i].runs;
        }
    }
}

void tally_print(const struct tally *tally)
{
    const size_t half = (tally->count + 1) / 2;

    for (size_t i = 0; i < half; i++) {
        for (size_t j = i; j < tally->count; j += half) {
            const struct tally_row *row = &tally->rows[j];

            printf("  %-32s %9" PRIu64 " in %6" PRIu64 "%s", row->name, row->count, row->runs, j < half ? "   |" : "");
        }
        putchar('\n');
    }
}
