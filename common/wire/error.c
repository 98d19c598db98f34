/* Names of Kafka's error codes. */
#include "common/wire/error.h"

#include <strings.h>

struct kafka_error_row {
    const char *name;
    int16_t code;
    bool retriable;
};

static const struct kafka_error_row KAFKA_ERRORS[] = {
#define X(name, code, retriable) {#name, code, retriable},
    KAFKA_ERROR_LIST(X)
#undef X
};

#define KAFKA_ERROR_COUNT (sizeof(KAFKA_ERRORS) / sizeof(KAFKA_ERRORS[0]))

static const struct kafka_error_row *kafka_error_row(int16_t code)
{
    for (size_t i = 0; i < KAFKA_ERROR_COUNT; i++) {
        if (KAFKA_ERRORS[i].code == code) {
            return &KAFKA_ERRORS[i];
        }
    }
    return NULL;
}

const char *kafka_error_name(int16_t code)
{
    const struct kafka_error_row *row = kafka_error_row(code);

    return row != NULL ? row->name : "UNKNOWN_ERROR_CODE";
}

bool kafka_error_retriable(int16_t code)
{
    const struct kafka_error_row *row = kafka_error_row(code);

    return row != NULL && row->retriable;
}

bool kafka_error_parse(struct string name, int16_t *code)
{
    for (size_t i = 0; i < KAFKA_ERROR_COUNT; i++) {
        if (strlen(KAFKA_ERRORS[i].name) == name.size && strncasecmp(KAFKA_ERRORS[i].name, name.data, name.size) == 0) {
            *code = KAFKA_ERRORS[i].code;
            return true;
        }
    }
    return false;
}
