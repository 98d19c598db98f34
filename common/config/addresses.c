/* Hosts, ports, listeners and voters out of text. */
#include "common/config/addresses.h"

static bool host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' &&
                                                                c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool host_valid(struct string host, bool bracketed)
{
    for (size_t i = 0; i < host.size; i++) {
        const char c = host.data[i];

        if (!host_character(c) && !(bracketed && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return host.size <= CONFIG_HOST_MAX;
}

/* Decimal digits only, at most `max`; false otherwise. */
static bool read_number(struct string text, int64_t max, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        *number = *number * 10 + (text.data[i] - '0');
        if (*number > max) {
            return false;
        }
    }
    return text.size > 0;
}

/* "host:port" or "[v6]:port"; the host may be empty and the port 0. */
static enum status split_address(struct string text, struct arena *arena, struct config_address *address,
                                 struct config_problem *problem)
{
    const bool bracketed = text.size > 0 && text.data[0] == '[';
    const char *colon = NULL;
    struct string host;
    int64_t port = 0;

    for (size_t i = 0; i < text.size; i++) {
        colon = text.data[i] == ':' ? text.data + i : colon;
    }
    if (colon == NULL) {
        config_problem_set(problem, "\"%.*s\" has no port: expected host:port", STRING_ARGS(text));
        return STATUS_INVALID;
    }
    host = (struct string){text.data, (size_t)(colon - text.data)};
    if (bracketed && host.size >= 3 && host.data[host.size - 1] == ']') {
        host = (struct string){host.data + 1, host.size - 2};
    } else if (bracketed) {
        host.size = CONFIG_HOST_MAX + 1; /* refused below */
    }
    if (host.size > CONFIG_HOST_MAX || !host_valid(host, bracketed)) {
        config_problem_set(problem, "\"%.*s\" has no valid host: expected host:port or [IPv6]:port", STRING_ARGS(text));
        return STATUS_INVALID;
    }
    if (!read_number((struct string){colon + 1, text.size - (size_t)(colon + 1 - text.data)}, UINT16_MAX, &port)) {
        config_problem_set(problem, "\"%.*s\" has no valid port: expected a number up to 65535", STRING_ARGS(text));
        return STATUS_INVALID;
    }
    *address = (struct config_address){.host = arena_copy_string(arena, host), .port = (uint16_t)port};
    return STATUS_OK;
}

enum status config_address_parse(struct string text, struct arena *arena, struct config_address *address,
                                 struct config_problem *problem)
{
    const enum status status = split_address(text, arena, address, problem);

    if (status == STATUS_OK && (address->host.size == 0 || address->port == 0)) {
        config_problem_set(problem, "\"%.*s\" needs a host and a port that others can connect to", STRING_ARGS(text));
        return STATUS_INVALID;
    }
    return status;
}

/* "NAME://host:port" */
static enum status parse_listener(struct string text, struct arena *arena, struct config_listener *listener,
                                  struct config_problem *problem)
{
    const char *separator = memmem(text.data, text.size, "://", 3);
    struct string name;
    struct string address;

    if (separator == NULL || separator == text.data) {
        config_problem_set(problem, "\"%.*s\" is not NAME://host:port", STRING_ARGS(text));
        return STATUS_INVALID;
    }
    name = (struct string){text.data, (size_t)(separator - text.data)};
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
            config_problem_set(problem, "\"%.*s\" is not a listener's name: capitals, digits and _ only",
                               STRING_ARGS(name));
            return STATUS_INVALID;
        }
    }
    address = (struct string){separator + 3, text.size - name.size - 3};
    listener->name = arena_copy_string(arena, name);
    return split_address(address, arena, &listener->address, problem);
}

enum status config_listeners_parse(const struct config_value *list, struct arena *arena,
                                   struct config_listener **listeners, size_t *count, struct config_problem *problem)
{
    *count = 0;
    *listeners = arena_need(arena, CONFIG_LISTENERS_MAX, sizeof(**listeners));
    if (list->item_count > CONFIG_LISTENERS_MAX) {
        config_problem_set(problem, "more than %d listeners", CONFIG_LISTENERS_MAX);
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < list->item_count; i++) {
        struct config_listener *listener = &(*listeners)[i];
        const enum status status = parse_listener(list->items[i], arena, listener, problem);

        if (status != STATUS_OK) {
            return status;
        }
        for (size_t k = 0; k < i; k++) {
            const struct config_listener *other = &(*listeners)[k];

            if (string_equal(other->name, listener->name)) {
                config_problem_set(problem, "two listeners are named %.*s", STRING_ARGS(listener->name));
                return STATUS_INVALID;
            }
            if (listener->address.port != 0 && other->address.port == listener->address.port &&
                string_equal(other->address.host, listener->address.host)) {
                config_problem_set(problem, "two listeners have port %u", (unsigned)listener->address.port);
                return STATUS_INVALID;
            }
        }
    }
    *count = list->item_count;
    return STATUS_OK;
}

enum status config_voters_parse(const struct config_value *list, struct arena *arena, struct config_voter **voters,
                                size_t *count, struct config_problem *problem)
{
    *count = 0;
    *voters = arena_need(arena, CONFIG_VOTERS_MAX, sizeof(**voters));
    if (list->item_count > CONFIG_VOTERS_MAX) {
        config_problem_set(problem, "more than %d voters", CONFIG_VOTERS_MAX);
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < list->item_count; i++) {
        const struct string item = list->items[i];
        const char *at = memchr(item.data, '@', item.size);
        const size_t id_size = at != NULL ? (size_t)(at - item.data) : 0;
        int64_t id = 0;
        enum status status;

        if (!read_number((struct string){item.data, id_size}, INT32_MAX, &id)) {
            config_problem_set(problem, "\"%.*s\" is not id@host:port", STRING_ARGS(item));
            return STATUS_INVALID;
        }
        status = config_address_parse((struct string){at + 1, item.size - id_size - 1}, arena, &(*voters)[i].address,
                                      problem);
        if (status != STATUS_OK) {
            return status;
        }
        (*voters)[i].id = (int32_t)id;
        for (size_t k = 0; k < i; k++) {
            if ((*voters)[k].id == (int32_t)id) {
                config_problem_set(problem, "two voters have id %d", (int)id);
                return STATUS_INVALID;
            }
        }
    }
    *count = list->item_count;
    return STATUS_OK;
}

enum status config_addresses_parse(const struct config_value *list, struct arena *arena,
                                   struct config_address **addresses, size_t *count, struct config_problem *problem)
{
    *addresses = arena_need(arena, list->item_count, sizeof(**addresses));
    *count = list->item_count;
    for (size_t i = 0; i < list->item_count; i++) {
        const enum status status = config_address_parse(list->items[i], arena, &(*addresses)[i], problem);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status config_check_listeners(const struct config_value *value, struct arena *arena,
                                   struct config_problem *problem)
{
    struct config_listener *listeners;
    size_t count;

    return config_listeners_parse(value, arena, &listeners, &count, problem);
}

enum status config_check_voters(const struct config_value *value, struct arena *arena, struct config_problem *problem)
{
    struct config_voter *voters;
    size_t count;

    return config_voters_parse(value, arena, &voters, &count, problem);
}

enum status config_check_addresses(const struct config_value *value, struct arena *arena,
                                   struct config_problem *problem)
{
    struct config_address *addresses;
    size_t count;

    return config_addresses_parse(value, arena, &addresses, &count, problem);
}
