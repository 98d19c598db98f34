/* The only randomness of pure code: xoshiro256** by Blackman and Vigna, seeded through splitmix64. Not for secrets. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include "common/base/assert.h"

#include <stdint.h>

struct prng {
    uint64_t state[4];
};

static inline uint64_t prng_splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static inline void prng_init(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        prng->state[i] = prng_splitmix(&seed);
    }
}

static inline uint64_t prng_rotate(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = prng_rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = prng_rotate(s[3], 45);
    return result;
}

/* A number in [0, bound); bound > 0. The bias of the multiply-shift is below 2^-32 for the bounds in use. */
static inline uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    ASSERT(bound > 0);
    if (bound <= UINT32_MAX) {
        return ((prng_next(prng) >> 32) * bound) >> 32;
    }
    return prng_next(prng) % bound;
}

#endif
