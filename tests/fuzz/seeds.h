/* The program that writes seeds: a source file for each kind of data, all of it made by the code that makes it in
 * earnest. */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include "common/base/buffer.h"

/* Writes INTO/target/name. */
void seed_write(const char *target, const char *name, struct bytes contents);
/* Appends a number as fuzzers read it. */
void seed_u16(struct buffer *out, size_t value);
void seed_byte(struct buffer *out, unsigned value);

void seeds_of_batches(void);
void seeds_of_logs(void);
void seeds_of_metadata(void);
void seeds_of_quorum(void);

#endif
