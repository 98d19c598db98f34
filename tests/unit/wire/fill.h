/* Random messages for the tests. The generated part (fillgen.py) has one row per message whose `fill` sets every field
 * that a version has; the values come from a seed. Everything lives in the arena of struct fill. */
#ifndef TESTS_UNIT_WIRE_FILL_H
#define TESTS_UNIT_WIRE_FILL_H

#include "common/base/arena.h"
#include "common/base/prng.h"
#include "common/wire/reader.h"
#include "common/wire/writer.h"

struct fill {
    struct prng prng;
    struct arena *arena;
};

struct fill_row {
    const char *name;
    int16_t version_min;
    int16_t version_max;
    size_t size;
    void (*fill)(void *message, struct fill *fill, int16_t version);
    void (*read)(void *message, struct reader *reader, int16_t version);
    void (*write)(const void *message, struct writer *writer, int16_t version);
    void (*dump)(const void *message, struct buffer *text);
};

extern const struct fill_row fill_rows[];
extern const size_t fill_row_count;

bool fill_chance(struct fill *fill);
/* 0 to 3 elements; sometimes -1 if it may be null. */
int32_t fill_count(struct fill *fill, bool may_be_null);
void *fill_alloc(struct fill *fill, int32_t count, size_t size);
bool fill_bool(struct fill *fill);
int8_t fill_int8(struct fill *fill);
int16_t fill_int16(struct fill *fill);
uint16_t fill_uint16(struct fill *fill);
int32_t fill_int32(struct fill *fill);
uint32_t fill_uint32(struct fill *fill);
int64_t fill_int64(struct fill *fill);
double fill_float64(struct fill *fill);
struct uuid fill_uuid(struct fill *fill);
struct string fill_string(struct fill *fill, bool null);
struct bytes fill_bytes(struct fill *fill, bool null);
struct records fill_records(struct fill *fill, bool null);

#endif
