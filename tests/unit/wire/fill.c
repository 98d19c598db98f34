/* Random values of the wire's types: small ones, limits and anything between. */
#include "tests/unit/wire/fill.h"

#define COUNT_MAX 3
#define TEXT_MAX 20

bool fill_chance(struct fill *fill)
{
    return prng_below(&fill->prng, 2) == 0;
}

int32_t fill_count(struct fill *fill, bool may_be_null)
{
    if (may_be_null) {
        return -1;
    }
    return (int32_t)prng_below(&fill->prng, COUNT_MAX + 1);
}

void *fill_alloc(struct fill *fill, int32_t count, size_t size)
{
    return count > 0 ? arena_need(fill->arena, (size_t)count, size) : NULL;
}

int64_t fill_int64(struct fill *fill)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, 127, 128, -128, 65535, INT32_MAX, INT32_MIN};
    const uint64_t place = prng_below(&fill->prng, 2 * ARRAY_COUNT(edges));

    return place < ARRAY_COUNT(edges) ? edges[place] : (int64_t)prng_next(&fill->prng);
}

bool fill_bool(struct fill *fill)
{
    return fill_chance(fill);
}

int8_t fill_int8(struct fill *fill)
{
    return (int8_t)fill_int64(fill);
}

int16_t fill_int16(struct fill *fill)
{
    return (int16_t)fill_int64(fill);
}

uint16_t fill_uint16(struct fill *fill)
{
    return (uint16_t)fill_int64(fill);
}

int32_t fill_int32(struct fill *fill)
{
    return (int32_t)fill_int64(fill);
}

uint32_t fill_uint32(struct fill *fill)
{
    return (uint32_t)fill_int64(fill);
}

double fill_float64(struct fill *fill)
{
    return (double)fill_int64(fill) / 8;
}

struct uuid fill_uuid(struct fill *fill)
{
    struct uuid uuid = UUID_ZERO;

    if (fill_chance(fill)) {
        for (size_t i = 0; i < sizeof(uuid.data); i++) {
            uuid.data[i] = (uint8_t)prng_next(&fill->prng);
        }
    }
    return uuid;
}

struct string fill_string(struct fill *fill, bool null)
{
    /* Longer than 127 now and then: its compact length takes two bytes. */
    const size_t factor = prng_below(&fill->prng, 16) == 0 ? 10 : 1;
    const size_t size = prng_below(&fill->prng, TEXT_MAX) * factor;
    char *text;

    if (null) {
        return STRING_NULL;
    }
    text = arena_need(fill->arena, size + 1, 1);
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(' ' + prng_below(&fill->prng, '~' - ' ' + 1));
    }
    return (struct string){text, size};
}

struct bytes fill_bytes(struct fill *fill, bool null)
{
    const struct string text = fill_string(fill, null);

    return (struct bytes){(const uint8_t *)text.data, text.size};
}

struct records fill_records(struct fill *fill, bool null)
{
    const struct bytes bytes = fill_bytes(fill, null);

    return (struct records){.data = bytes.data, .size = bytes.size};
}
