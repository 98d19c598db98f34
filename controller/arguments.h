/* The command line of millrace-controller. */
#ifndef CONTROLLER_ARGUMENTS_H
#define CONTROLLER_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS_USAGE "usage: millrace-controller --config FILE [--set KEY=VALUE]... [--check-config]"
#define SETTINGS_MAX 128

struct arguments {
    const char *config; /* NULL: everything comes from the environment and --set */
    const char *settings[SETTINGS_MAX];
    size_t setting_count;
    bool check; /* print the configuration instead of running */
};

/* Borrows `texts`, of which the first is the program's name. False if they are not understood. */
bool arguments_parse(struct arguments *arguments, int count, char **texts);

#endif
