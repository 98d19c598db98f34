/* See confirm.h. */
#include "cli/confirm.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool confirm(const struct cli *cli, const char *what, ...)
{
    char line[16] = "";
    char text[512];
    va_list list;

    va_start(list, what);
    vsnprintf(text, sizeof(text), what, list);
    va_end(list);
    if (arguments_has(&cli->arguments, "yes")) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        cli_error("this would %s; nobody is there to ask", text);
        cli_hint("add --yes");
        return false;
    }
    fprintf(stderr, "This will %s. Go on? [y/N] ", text);
    if (fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y')) {
        return true;
    }
    cli_note("nothing done");
    return false;
}
