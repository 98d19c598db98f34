/* Scenarios: behaviour told as a text, replayed and compared.
 *
 *     # What is left of a record whose node loses power.            a comment
 *     start 1 controller 1 node                                     a command, from the first column
 *         +0.1s  controller 1 is the active controller      what it did, indented: the expectation
 *         +0.4s  node 1 is ready
 *
 * Commands: scenario_commands.c, and docs/simulation.md for who writes one. The run is deterministic, so a scenario
 * fails only if Millrace or the simulator changed. Words must be equal; times may differ by half, or half a second, so
 * that a request more or less somewhere does not break every scenario. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_WORDS_MAX 64
#define SCENARIO_LINE_MAX 512
#define SCENARIO_PROBLEM_MAX 320
#define SCENARIO_SETTINGS_MAX 16
#define SCENARIO_SETTING_SIZE 128
#define SCENARIO_PRODUCERS_MAX 4

struct stage;

/* The words of a command, taken from the left. What stood in quotes is one word. */
struct words {
    char text[SCENARIO_LINE_MAX];
    char *words[SCENARIO_WORDS_MAX];
    size_t count;
    size_t at;
};

struct scenario_producer {
    char name[32];
    int64_t id;
    int16_t epoch;
    int32_t sequence; /* of the next record that was not acknowledged */
};

/* What commands know and change. */
struct scenario {
    bool trace;
    uint64_t seed;
    struct stage *stage; /* NULL before `start` */
    const char *node_settings[SCENARIO_SETTINGS_MAX + 1];
    const char *controller_settings[SCENARIO_SETTINGS_MAX + 1];
    char setting_texts[SCENARIO_SETTINGS_MAX][SCENARIO_SETTING_SIZE];
    size_t setting_count;
    struct scenario_producer producers[SCENARIO_PRODUCERS_MAX];
    size_t producer_count;
    char problem[SCENARIO_PROBLEM_MAX]; /* why the command cannot be done, or an expectation does not hold */
    void (*tell)(void *context, uint64_t ms, const char *text);
    void *context;
};

/* scenario_commands.c: does one command. False: see `problem`. */
bool scenario_do(struct scenario *scenario, struct words *words);

struct scenario_options {
    bool accept; /* what happens becomes what is expected: the file is written again */
    bool trace;
};

/* Replays the file; differences and problems go to standard output as FILE:LINE. True if it went as written. */
bool scenario_run(const char *path, const struct scenario_options *options);

/* millrace-sim --scenario FILE... [--accept] [--trace]: the exit code. `texts` begin behind the program's name. */
int scenario_main(int count, char **texts);

#endif
