/* host:port lists, and where a command finds its servers: options, then environment, then the profile of a local
 * cluster, then localhost. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#define ADDRESS_HOST_MAX 255
#define ADDRESSES_MAX 64
/* "host:port", with brackets if need be. */
#define ADDRESS_TEXT_MAX 272

struct address {
    char host[ADDRESS_HOST_MAX + 1];
    uint16_t port;
};

struct address_list {
    struct address items[ADDRESSES_MAX];
    size_t count;
};

/* "host", "host:port", "[::1]:port", separated by commas, blanks around them ignored. STATUS_INVALID: not such a list
 * or empty; STATUS_FULL: more than ADDRESSES_MAX. */
MUST_USE enum status address_list_parse(struct string text, uint16_t port_default, struct address_list *list);
/* Returns `text`. */
char *address_print(const struct address *address, char text[ADDRESS_TEXT_MAX]);

/* The value of `key` in `text`, lines "key=value", '#' comments; null if it is not there. Borrows `text`. */
struct string properties_find(struct string text, const char *key);

#endif
