/* Assertions about our own code. They stay on in release builds: a broken invariant must stop the
 * process before it can damage data. Bytes from a peer, a client or a disk are never asserted, they are
 * checked and answered with an error. One condition each, no side effects. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include "common/base/attributes.h"

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            assert_failed(#condition, __FILE__, __LINE__);                                         \
        }                                                                                          \
    } while (0)

#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

/* Prints the condition and its place to stderr and aborts. */
NO_RETURN void assert_failed(const char *condition, const char *file, int line);

#endif
