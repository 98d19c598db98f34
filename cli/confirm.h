/* Asking before something is destroyed. */
#ifndef CLI_CONFIRM_H
#define CLI_CONFIRM_H

#include "cli/cli.h"

/* True if --yes was given (the command must declare it) or the person at the terminal agrees to `what`. False after a
 * line that says so; without a terminal nobody is asked, and the answer is no. */
bool confirm(const struct cli *cli, const char *what, ...) PRINTF_LIKE(2, 3);

#endif
