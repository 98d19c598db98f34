/* Socket addresses of IPv4 and IPv6: from text, from names, to text. Private to common/runtime. */
#ifndef RUNTIME_ADDRESS_H
#define RUNTIME_ADDRESS_H

#include "common/base/attributes.h"
#include "common/base/status.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "[" address "]:" port and the zero byte. */
#define ADDRESS_TEXT_MAX 64

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } as;
    socklen_t size;
};

/* False if `host` is not a numeric address. */
bool address_parse(const char *host, uint16_t port, struct address *address);
/* Looks the name up; blocks. At most `max` addresses in the system's order of preference. STATUS_UNREACHABLE if
 * there is none. */
MUST_USE enum status address_resolve(const char *host, uint16_t port, struct address *addresses, size_t max,
                                     size_t *count);
/* "1.2.3.4:5" or "[::1]:5"; an IPv4 address inside an IPv6 one is shown as IPv4. `text` has room for
 * ADDRESS_TEXT_MAX. */
void address_format(const struct address *address, char *text);
/* Same family, address and port. */
bool address_equal(const struct address *a, const struct address *b);

#endif
