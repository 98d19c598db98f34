/* Durations in buckets: see histogram.h. */
#include "tests/bench/histogram.h"

#include <string.h>

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

/* Values below 64 have buckets of their own; above, the six bits behind the highest one pick the bucket. */
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < SUB_COUNT) {
        return (uint32_t)ns;
    }
    const uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;

    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (uint32_t)((ns >> shift) - SUB_COUNT);
}

static uint64_t bucket_end(uint32_t bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    const uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    const uint64_t base = SUB_COUNT + (bucket & (SUB_COUNT - 1));

    return ((base + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
    const uint64_t rank = (uint64_t)((double)histogram->count * fraction);
    uint64_t seen = 0;

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > rank || (seen == histogram->count && seen > 0)) {
            return bucket_end(i) < histogram->max_ns ? bucket_end(i) : histogram->max_ns;
        }
    }
    return 0;
}
