/* Operating errors: what can go wrong although our code is right. Kafka's error codes are another thing
 * (common/wire/error.h): they are protocol data, and each handler maps a status to a code in one place. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#define STATUS_LIST(X)                                                                             \
    X(OK, "ok")                                                                                    \
    X(END, "end of data")                                                                          \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(INVALID, "invalid")                                                                          \
    X(CORRUPT, "corrupt data")                                                                     \
    X(TRUNCATED, "cut short")                                                                      \
    X(TOO_LARGE, "too large")                                                                      \
    X(OUT_OF_RANGE, "out of range")                                                                \
    X(FULL, "full")                                                                                \
    X(BUSY, "busy")                                                                                \
    X(LOCKED, "locked by another process")                                                         \
    X(DENIED, "permission denied")                                                                 \
    X(NO_SPACE, "no space left on device")                                                         \
    X(NO_DESCRIPTORS, "too many open files")                                                       \
    X(IO, "input/output error")                                                                    \
    X(ADDRESS_IN_USE, "address already in use")                                                    \
    X(UNREACHABLE, "cannot be reached")                                                            \
    X(REFUSED, "connection refused")                                                               \
    X(CLOSED, "closed")                                                                            \
    X(TIMEOUT, "timed out")                                                                        \
    X(NOT_LEADER, "not the leader")                                                                \
    X(UNKNOWN_OUTCOME, "outcome unknown")                                                          \
    X(UNSUPPORTED, "not supported")

enum status {
#define X(name, text) STATUS_##name,
    STATUS_LIST(X)
#undef X
};

/* A few words for people; never NULL. Borrowed for ever. */
const char *status_text(enum status status);

/* The status that stands for the system's `errno` value `error`. */
enum status status_from_errno(int error);

#endif
