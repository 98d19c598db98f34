/* Counts of durations in buckets whose width grows with the value: 64 buckets for each power of two, so a quantile is
 * at most 1.6 % off, from a nanosecond to centuries, in 30 KiB. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_clear(struct histogram *histogram);
/* The upper end of the bucket below which `fraction` (0 to 1) of the values lie, in ns; 0 without values. */
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);

#endif
