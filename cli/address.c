/* Addresses and the two-line property files of local clusters: see address.h. */
#include "cli/address.h"

#include <stdio.h>

static struct string trim(struct string text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    return text;
}

static bool port_parse(struct string text, uint16_t *port)
{
    uint32_t value = 0;

    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* Nothing that a terminal, a log or another program would take for something else. */
static bool host_is_legal(struct string host)
{
    for (size_t i = 0; i < host.size; i++) {
        const unsigned char c = (unsigned char)host.data[i];

        if (c <= ' ' || c == 0x7f || c == '[' || c == ']') {
            return false;
        }
    }
    return host.size > 0 && host.size <= ADDRESS_HOST_MAX;
}

static enum status address_parse(struct string text, uint16_t port_default, struct address *address)
{
    const char *colon = NULL;
    struct string host = text;
    struct string port = STRING_NULL;

    if (text.size > 0 && text.data[0] == '[') {
        const char *bracket = memchr(text.data, ']', text.size);

        if (bracket == NULL) {
            return STATUS_INVALID;
        }
        host = (struct string){text.data + 1, (size_t)(bracket - text.data) - 1};
        colon = bracket + 1 < text.data + text.size ? bracket + 1 : NULL;
        if (colon != NULL && *colon != ':') {
            return STATUS_INVALID;
        }
    } else {
        colon = memchr(text.data, ':', text.size);
        host.size = colon != NULL ? (size_t)(colon - text.data) : text.size;
    }
    address->port = port_default;
    if (colon != NULL) {
        port = (struct string){colon + 1, (size_t)(text.data + text.size - colon) - 1};
        if (!port_parse(port, &address->port)) {
            return STATUS_INVALID;
        }
    }
    if (!host_is_legal(host)) {
        return STATUS_INVALID;
    }
    memcpy(address->host, host.data, host.size);
    address->host[host.size] = '\0';
    return STATUS_OK;
}

enum status address_list_parse(struct string text, uint16_t port_default, struct address_list *list)
{
    list->count = 0;
    for (;;) {
        const char *comma = text.size > 0 ? memchr(text.data, ',', text.size) : NULL;
        const struct string part = {text.data, comma != NULL ? (size_t)(comma - text.data) : text.size};

        if (list->count == ADDRESSES_MAX) {
            return STATUS_FULL;
        }
        const enum status status = address_parse(trim(part), port_default, &list->items[list->count]);

        if (status != STATUS_OK) {
            return status;
        }
        list->count++;
        if (comma == NULL) {
            return STATUS_OK;
        }
        text = (struct string){comma + 1, text.size - part.size - 1};
    }
}

char *address_print(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    const bool colons = strchr(address->host, ':') != NULL;

    snprintf(text, ADDRESS_TEXT_MAX, "%s%s%s:%u", colons ? "[" : "", address->host, colons ? "]" : "", address->port);
    return text;
}

struct string properties_find(struct string text, const char *key)
{
    struct string found = STRING_NULL;

    while (text.size > 0) {
        const char *newline = memchr(text.data, '\n', text.size);
        const size_t size = newline != NULL ? (size_t)(newline - text.data) : text.size;
        const struct string line = trim((struct string){text.data, size});
        const char *equals = line.size > 0 ? memchr(line.data, '=', line.size) : NULL;

        if (equals != NULL && line.data[0] != '#') {
            const struct string name = trim((struct string){line.data, (size_t)(equals - line.data)});

            if (string_is(name, key)) {
                found = trim((struct string){equals + 1, (size_t)(line.data + line.size - equals) - 1});
            }
        }
        text.data += size + (newline != NULL);
        text.size -= size + (newline != NULL);
    }
    return found;
}
