/* The command line of millrace-controller. */
#include "controller/arguments.h"

#include <string.h>

bool arguments_parse(struct arguments *arguments, int count, char **texts)
{
    *arguments = (struct arguments){0};
    for (int i = 1; i < count; i++) {
        const bool more = i + 1 < count;

        if (strcmp(texts[i], "--config") == 0 && more) {
            arguments->config = texts[++i];
        } else if (strcmp(texts[i], "--set") == 0 && more && arguments->setting_count < SETTINGS_MAX) {
            arguments->settings[arguments->setting_count++] = texts[++i];
        } else if (strcmp(texts[i], "--check-config") == 0) {
            arguments->check = true;
        } else {
            return false;
        }
    }
    return true;
}
