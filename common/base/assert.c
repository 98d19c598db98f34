/* The end of a process whose invariants do not hold. */
#include "common/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "fatal: assertion failed: %s at %s:%d\n", condition, file, line);
    fflush(stderr);
    abort();
}
