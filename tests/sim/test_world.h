/* What the simulator's own tests share: a world per test, a plain process, files in one call. */
#ifndef SIM_TEST_WORLD_H
#define SIM_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

static inline struct sim_process *test_process(struct sim_world *world, const char *name, unsigned loops,
                                               const struct sim_program *program)
{
    struct sim_process *process = sim_process_add(world, name, loops, program);

    sim_process_start(process);
    sim_run_for(world, NS_PER_SECOND);
    assert_true(sim_process_running(process));
    return process;
}

/* Writes `text` at `offset` of the file, which is created if needed. */
static inline void test_write(struct sim_process *process, const char *path, uint64_t offset, const char *text,
                              bool sync)
{
    const struct bytes part = bytes_of(text, strlen(text));
    struct file *file;

    assert_int_equal(disk_open(sim_disk(process), path, FILE_WRITE | FILE_CREATE, &file), STATUS_OK);
    assert_int_equal(file_write(file, offset, &part, 1), STATUS_OK);
    if (sync) {
        assert_int_equal(file_sync(file), STATUS_OK);
    }
    file_unref(file);
}

/* The contents as text in `into`; false if there is no such file. */
static inline bool test_read(struct sim_process *process, const char *path, char *into, size_t size)
{
    uint8_t *data;
    size_t got;

    if (disk_read_file(sim_disk(process), path, size - 1, &data, &got) != STATUS_OK) {
        return false;
    }
    memcpy(into, data, got);
    into[got] = '\0';
    memory_free(data);
    return true;
}

#endif
