/* A loop for fuzzers: no threads, no sockets, a disk in memory, time that stands still until it is moved. Jobs run when
 * fuzz_loop_run is called, in order. */
#ifndef FUZZ_LOOP_H
#define FUZZ_LOOP_H

#include "common/env/env.h"
#include "tests/support/memory_disk.h"

struct fuzz_loop {
    struct env env;
    struct memory_disk memory;
    struct list jobs; /* of struct env_job */
    uint64_t now_ns;
};

/* `net` may be NULL if the code under test opens no streams. */
void fuzz_loop_init(struct fuzz_loop *loop, struct net *net);
void fuzz_loop_deinit(struct fuzz_loop *loop);
/* Runs jobs and turn-end hooks until there are none. */
void fuzz_loop_run(struct fuzz_loop *loop);
/* Moves the time and fires what is due. */
void fuzz_loop_wait(struct fuzz_loop *loop, uint64_t ns);
/* Writes a file; the directory needs no name of its own. */
void fuzz_loop_file(struct fuzz_loop *loop, const char *path, struct bytes contents);

#endif
