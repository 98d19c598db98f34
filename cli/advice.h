/* What Kafka's error codes mean and what a person can do about them. Names and retriability are
 * common/wire/error.h's. */
#ifndef CLI_ADVICE_H
#define CLI_ADVICE_H

#include "common/wire/error.h"

struct advice {
    enum kafka_error code;
    const char *meaning; /* half a sentence */
    const char *advice;  /* what to do, an imperative */
};

/* NULL for a code that Kafka does not have. */
const struct advice *advice_find(int16_t code);

#endif
