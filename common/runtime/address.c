/* Socket addresses: parsing, name look-up, formatting. */
#include "common/runtime/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool address_parse(const char *host, uint16_t port, struct address *address)
{
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &address->as.v4.sin_addr) == 1) {
        address->as.v4.sin_family = AF_INET;
        address->as.v4.sin_port = htons(port);
        address->size = sizeof(address->as.v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &address->as.v6.sin6_addr) == 1) {
        address->as.v6.sin6_family = AF_INET6;
        address->as.v6.sin6_port = htons(port);
        address->size = sizeof(address->as.v6);
        return true;
    }
    return false;
}

/* RFC 6761, 6.3: the loopback's name needs no look-up, and without a hosts file nothing would answer one. */
static bool address_is_localhost(const char *host)
{
    const size_t size = strlen(host);

    return strcasecmp(host, "localhost") == 0 || (size > 10 && strcasecmp(host + size - 10, ".localhost") == 0);
}

enum status address_resolve(const char *host, uint16_t port, struct address *addresses, size_t max, size_t *count)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found;
    int error;

    *count = 0;
    if (address_is_localhost(host)) {
        *count = address_parse("127.0.0.1", port, &addresses[0]) ? 1 : 0;
        if (max > 1 && address_parse("::1", port, &addresses[1])) {
            *count = 2;
        }
        return STATUS_OK;
    }
    error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0) {
        return error == EAI_SYSTEM && errno == EMFILE ? STATUS_NO_DESCRIPTORS : STATUS_UNREACHABLE;
    }
    for (const struct addrinfo *next = found; next != NULL && *count < max; next = next->ai_next) {
        struct address *address = &addresses[*count];

        if ((next->ai_family != AF_INET && next->ai_family != AF_INET6) || next->ai_addrlen > sizeof(address->as)) {
            continue;
        }
        memset(address, 0, sizeof(*address));
        memcpy(&address->as, next->ai_addr, next->ai_addrlen);
        address->size = next->ai_addrlen;
        if (next->ai_family == AF_INET) {
            address->as.v4.sin_port = htons(port);
        } else {
            address->as.v6.sin6_port = htons(port);
        }
        ++*count;
    }
    freeaddrinfo(found);
    return *count > 0 ? STATUS_OK : STATUS_UNREACHABLE;
}

void address_format(const struct address *address, char *text)
{
    char digits[INET6_ADDRSTRLEN] = "?";

    if (address->as.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->as.v4.sin_addr, digits, sizeof(digits));
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", digits, ntohs(address->as.v4.sin_port));
    } else if (IN6_IS_ADDR_V4MAPPED(&address->as.v6.sin6_addr)) {
        inet_ntop(AF_INET, &address->as.v6.sin6_addr.s6_addr[12], digits, sizeof(digits));
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", digits, ntohs(address->as.v6.sin6_port));
    } else {
        inet_ntop(AF_INET6, &address->as.v6.sin6_addr, digits, sizeof(digits));
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", digits, ntohs(address->as.v6.sin6_port));
    }
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->as.any.sa_family != b->as.any.sa_family) {
        return false;
    }
    if (a->as.any.sa_family == AF_INET) {
        return a->as.v4.sin_port == b->as.v4.sin_port && a->as.v4.sin_addr.s_addr == b->as.v4.sin_addr.s_addr;
    }
    return a->as.v6.sin6_port == b->as.v6.sin6_port &&
           memcmp(&a->as.v6.sin6_addr, &b->as.v6.sin6_addr, sizeof(struct in6_addr)) == 0;
}
