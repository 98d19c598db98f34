/* Texts of the operating errors, and the mapping from errno. */
#include "common/base/status.h"

#include <errno.h>

const char *status_text(enum status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case STATUS_##name:                                                                            \
        return text;
        STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

enum status status_from_errno(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case ENOENT:
    case ENOTDIR:
        return STATUS_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return STATUS_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case EMFILE:
    case ENFILE:
        return STATUS_NO_DESCRIPTORS;
    case EADDRINUSE:
        return STATUS_ADDRESS_IN_USE;
    case ECONNREFUSED:
        return STATUS_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return STATUS_UNREACHABLE;
    case ECONNRESET:
    case EPIPE:
        return STATUS_CLOSED;
    case ETIMEDOUT:
        return STATUS_TIMEOUT;
    case EFBIG:
        return STATUS_TOO_LARGE;
    default:
        return STATUS_IO;
    }
}
