/* Writes seeds for the fuzzers: fuzz_seeds INTO. Those of messages come from seeds.py. */
#include "tests/fuzz/seeds.h"

#include "common/base/assert.h"

#include <stdio.h>
#include <sys/stat.h>

static const char *seeds_into;

void seed_write(const char *target, const char *name, struct bytes contents)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", seeds_into, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", seeds_into, target, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(contents.data, 1, contents.size, file) != contents.size || fclose(file) != 0) {
        perror(path);
        UNREACHABLE();
    }
}

void seed_byte(struct buffer *out, unsigned value)
{
    const uint8_t byte = (uint8_t)value;

    buffer_append(out, &byte, 1);
}

void seed_u16(struct buffer *out, size_t value)
{
    ASSERT(value <= UINT16_MAX);
    seed_byte(out, (unsigned)(value >> 8));
    seed_byte(out, (unsigned)(value & 0xff));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds INTO\n");
        return 2;
    }
    seeds_into = argv[1];
    seeds_of_batches();
    seeds_of_logs();
    seeds_of_metadata();
    seeds_of_quorum();
    return 0;
}
