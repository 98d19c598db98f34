/* Prints random messages of every schema at every version, one a line: name, version, bytes in hexadecimal. Another
 * implementation can then read them (tests/conformance/MessageCheck.java). Argument: how many of each (default 10). */
#include "tests/unit/wire/fill.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_LIMIT (1U << 20)

static void print_sample(const struct fill_row *row, int16_t version, uint64_t seed)
{
    struct arena arena;
    struct writer writer;
    struct fill fill = {.arena = &arena};
    void *message;

    arena_init(&arena, ARENA_LIMIT);
    writer_init(&writer);
    prng_init(&fill.prng, seed);
    message = arena_need(&arena, 1, row->size);
    row->fill(message, &fill, version);
    row->write(message, &writer, version);
    printf("%s %d ", row->name, version);
    for (size_t i = 0; i < writer.buffer.size; i++) {
        printf("%02x", writer.buffer.data[i]);
    }
    printf("\n");
    writer_deinit(&writer);
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10;

    for (size_t i = 0; i < fill_row_count; i++) {
        for (int16_t version = fill_rows[i].version_min; version <= fill_rows[i].version_max; version++) {
            for (long seed = 0; seed < count; seed++) {
                print_sample(&fill_rows[i], version, (uint64_t)seed);
            }
        }
    }
    return 0;
}
