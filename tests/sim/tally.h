/* Counts by name, for the table at the end of a batch: what was done to the clusters and which of their rarer branches
 * were taken. Plain memory, so that worker processes can share it. */
#ifndef SIM_TALLY_H
#define SIM_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_NAME_SIZE 40
#define TALLIES_MAX 120

struct tally_row {
    char name[TALLY_NAME_SIZE];
    uint64_t count; /* in all runs */
    uint64_t runs;  /* that had any */
};

struct tally {
    size_t count;
    struct tally_row rows[TALLIES_MAX];
};

/* Adds to the row of that name; rows are in the order in which they came. Nothing happens when it is full. */
void tally_add(struct tally *tally, const char *name, uint64_t count);
/* Adds the rows of `from`, which may be those of one run or of many. */
void tally_merge(struct tally *tally, const struct tally *from);
/* To standard output, in two columns. */
void tally_print(const struct tally *tally);

#endif
