/* See properties.h. Numbers are one table; the few words are handled one by one. */
#include "cli/properties.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define MS UINT64_C(1000000)

void client_properties_default(struct client_properties *properties)
{
    *properties = (struct client_properties){
        .producer = producer_options_default(),
        .acks = -1,
        .request_timeout_ms = 30000,
        .fetch_max_wait_ms = 500,
        .fetch_min_bytes = 1,
        .fetch_max_bytes = 52428800,
        .partition_max_bytes = 1048576,
        .read_committed = true,
        .check_crcs = true,
    };
}

enum number_kind { NUMBER_SIZE, NUMBER_MS, NUMBER_INT32, NUMBER_UNSIGNED };

struct number_property {
    const char *name;
    enum number_kind kind;
    size_t offset; /* in struct client_properties */
    int64_t min;
    int64_t max;
};

#define PRODUCER(member) offsetof(struct client_properties, producer.member)
#define CLIENT(member) offsetof(struct client_properties, member)

static const struct number_property numbers[] = {
    {"batch.size", NUMBER_SIZE, PRODUCER(batch_size), 1, 1 << 30},
    {"max.request.size", NUMBER_SIZE, PRODUCER(request_size_max), 1024, 1 << 30},
    {"buffer.memory", NUMBER_SIZE, PRODUCER(memory_max), 1024, INT64_MAX},
    {"linger.ms", NUMBER_MS, PRODUCER(linger_ns), 0, 3600000},
    {"retry.backoff.ms", NUMBER_MS, PRODUCER(retry_backoff_ns), 0, 3600000},
    {"delivery.timeout.ms", NUMBER_MS, PRODUCER(delivery_ns), 1, 86400000},
    {"max.in.flight.requests.per.connection", NUMBER_UNSIGNED, PRODUCER(in_flight_max), 1, 5},
    {"request.timeout.ms", NUMBER_INT32, CLIENT(request_timeout_ms), 1, 86400000},
    {"fetch.max.wait.ms", NUMBER_INT32, CLIENT(fetch_max_wait_ms), 0, 3600000},
    {"fetch.min.bytes", NUMBER_INT32, CLIENT(fetch_min_bytes), 1, INT32_MAX},
    {"fetch.max.bytes", NUMBER_INT32, CLIENT(fetch_max_bytes), 1, INT32_MAX},
    {"max.partition.fetch.bytes", NUMBER_INT32, CLIENT(partition_max_bytes), 1, INT32_MAX},
};

static const char *const words[] = {"acks", "enable.idempotence", "compression.type", "compression.level",
                                    "isolation.level", "check.crcs"};

static void number_store(struct client_properties *properties, const struct number_property *property, int64_t value)
{
    char *at = (char *)properties + property->offset;
    const size_t size = (size_t)value;
    const uint64_t ns = (uint64_t)value * MS;
    const int32_t number = (int32_t)value;
    const unsigned count = (unsigned)value;

    switch (property->kind) {
    case NUMBER_SIZE:
        memcpy(at, &size, sizeof(size));
        break;
    case NUMBER_MS:
        memcpy(at, &ns, sizeof(ns));
        break;
    case NUMBER_INT32:
        memcpy(at, &number, sizeof(number));
        break;
    case NUMBER_UNSIGNED:
        memcpy(at, &count, sizeof(count));
        break;
    }
}

static enum status bool_set(const char *value, bool *flag, const char **why)
{
    *flag = strcmp(value, "true") == 0;
    if (*flag || strcmp(value, "false") == 0) {
        return STATUS_OK;
    }
    *why = "true or false";
    return STATUS_INVALID;
}

static enum status acks_set(struct client_properties *properties, const char *value, const char **why)
{
    if (strcmp(value, "all") == 0 || strcmp(value, "-1") == 0) {
        properties->acks = -1;
    } else if (strcmp(value, "1") == 0 || strcmp(value, "0") == 0) {
        properties->acks = (int16_t)(value[0] - '0');
        /* Kafka's rule: idempotence needs acks=all, and fewer acks switch it off. */
        properties->producer.idempotent = false;
    } else {
        *why = "all, 1 or 0";
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status compression_set(struct client_properties *properties, const char *value, const char **why)
{
    if (compression_parse(string_of(value), &properties->producer.compression) != STATUS_OK) {
        *why = "none, gzip, snappy, lz4 or zstd";
        return STATUS_INVALID;
    }
    properties->producer.compression_level = compression_level_default(properties->producer.compression);
    return STATUS_OK;
}

static enum status level_set(struct client_properties *properties, const char *value, const char **why)
{
    int64_t level;

    if (!integer_parse(value, &level) || level < INT32_MIN || level > INT32_MAX ||
        !compression_level_valid(properties->producer.compression, (int)level)) {
        *why = "a level of the codec; compression.type comes first";
        return STATUS_INVALID;
    }
    properties->producer.compression_level = (int)level;
    return STATUS_OK;
}

static enum status word_set(struct client_properties *properties, const char *name, const char *value, const char **why)
{
    if (strcmp(name, "acks") == 0) {
        return acks_set(properties, value, why);
    }
    if (strcmp(name, "compression.type") == 0) {
        return compression_set(properties, value, why);
    }
    if (strcmp(name, "compression.level") == 0) {
        return level_set(properties, value, why);
    }
    if (strcmp(name, "enable.idempotence") == 0) {
        return bool_set(value, &properties->producer.idempotent, why);
    }
    if (strcmp(name, "check.crcs") == 0) {
        return bool_set(value, &properties->check_crcs, why);
    }
    if (strcmp(name, "isolation.level") == 0) {
        properties->read_committed = strcmp(value, "read_committed") == 0;
        *why = "read_committed or read_uncommitted";
        return properties->read_committed || strcmp(value, "read_uncommitted") == 0 ? STATUS_OK : STATUS_INVALID;
    }
    return STATUS_NOT_FOUND;
}

enum status client_property_set(struct client_properties *properties, const char *name, const char *value,
                                const char **why, const char **nearest)
{
    const char *names[ARRAY_COUNT(numbers) + ARRAY_COUNT(words) + 1] = {NULL};
    int64_t number;

    *nearest = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        names[i] = numbers[i].name;
        if (strcmp(numbers[i].name, name) != 0) {
            continue;
        }
        if (!integer_parse(value, &number) || number < numbers[i].min || number > numbers[i].max) {
            *why = "a number in the range that Kafka allows";
            return STATUS_INVALID;
        }
        number_store(properties, &numbers[i], number);
        return STATUS_OK;
    }
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        names[ARRAY_COUNT(numbers) + i] = words[i];
    }
    const enum status status = word_set(properties, name, value, why);

    if (status == STATUS_NOT_FOUND) {
        *nearest = nearest_word(name, names);
    }
    return status;
}

bool client_properties_read(const struct cli *cli, struct client_properties *properties)
{
    size_t at = 0;

    client_properties_default(properties);
    for (const char *pair; (pair = arguments_next(&cli->arguments, "property", &at)) != NULL;) {
        const char *equals = strchr(pair, '=');
        const char *why = "";
        const char *nearest;
        char name[128];

        if (equals == NULL || (size_t)(equals - pair) >= sizeof(name)) {
            cli_error("-X: \"%s\" is not KEY=VALUE", pair);
            cli_hint("for example -X linger.ms=50");
            return false;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equals - pair), pair);
        switch (client_property_set(properties, name, equals + 1, &why, &nearest)) {
        case STATUS_OK:
            break;
        case STATUS_NOT_FOUND:
            cli_error("-X: unknown property \"%s\"%s%s%s", name, nearest != NULL ? "; did you mean " : "",
                      nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
            return false;
        default:
            cli_error("-X %s: \"%s\" is not %s", name, equals + 1, why);
            return false;
        }
    }
    return true;
}
