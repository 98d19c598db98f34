/* The file of a scenario: replaying, comparing, accepting. See scenario.h. */
#include "tests/sim/scenario.h"

#include "common/base/assert.h"
#include "tests/sim/stage.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDENT "    "
#define TOLD_MAX 256
/* Times that count as equal. */
#define TIME_APART_MS 500
#define EXIT_USAGE 2

struct told {
    uint64_t ms;
    char text[SCENARIO_LINE_MAX];
    const char *expected; /* the line of the file that it was found equal to, or NULL */
};

/* A file being replayed. */
struct replay {
    struct scenario scenario;
    struct scenario_options options;
    const char *path;
    char *contents;
    char **lines;
    size_t line_count;
    struct told *told; /* by the command that runs */
    size_t told_count;
    unsigned failures;
    FILE *out; /* the file as it should be, if accepting */
};

static void replay_told(void *context, uint64_t ms, const char *text)
{
    struct replay *replay = context;
    struct told *told;

    if (replay->told_count == TOLD_MAX) {
        snprintf(replay->scenario.problem, SCENARIO_PROBLEM_MAX, "a command told more than %d lines", TOLD_MAX);
        return;
    }
    told = &replay->told[replay->told_count++];
    told->ms = ms;
    told->expected = NULL;
    snprintf(told->text, sizeof(told->text), "%s", text);
}

static bool replay_read(struct replay *replay)
{
    FILE *file = fopen(replay->path, "rb");
    long size = -1;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
        printf("%s: cannot be read\n", replay->path);
        if (file != NULL) {
            fclose(file);
        }
        return false;
    }
    replay->contents = sim_alloc((size_t)size + 1);
    size = (long)fread(replay->contents, 1, (size_t)size, file);
    fclose(file);
    replay->lines = sim_alloc(((size_t)size + 1) * sizeof(char *));
    for (char *at = replay->contents; *at != '\0';) {
        char *end = strchr(at, '\n');

        replay->lines[replay->line_count++] = at;
        if (end == NULL) {
            break;
        }
        *end = '\0';
        at = end + 1;
    }
    return true;
}

/* Cuts a line into words; false if a quote does not end or there are too many. */
static bool words_cut(struct words *words, const char *line)
{
    char *at = words->text;

    words->count = 0;
    words->at = 0;
    if (strlen(line) >= sizeof(words->text)) {
        return false;
    }
    snprintf(words->text, sizeof(words->text), "%s", line);
    for (;;) {
        char *end;

        at += strspn(at, " \t,");
        if (*at == '\0') {
            return true;
        }
        if (words->count == SCENARIO_WORDS_MAX) {
            return false;
        }
        if (*at == '"') {
            at++;
            end = strchr(at, '"');
            if (end == NULL) {
                return false;
            }
        } else {
            end = at + strcspn(at, " \t,");
        }
        words->words[words->count++] = at;
        if (*end == '\0') {
            return true;
        }
        *end = '\0';
        at = end + 1;
    }
}

/* --- comparing --- */

static void told_format(const struct told *told, char line[SCENARIO_LINE_MAX + 32])
{
    if (told->ms < 1000) {
        snprintf(line, SCENARIO_LINE_MAX + 32, INDENT "+%" PRIu64 "ms  %s", told->ms, told->text);
    } else {
        snprintf(line, SCENARIO_LINE_MAX + 32, INDENT "+%" PRIu64 ".%" PRIu64 "s  %s", told->ms / 1000,
                 told->ms / 100 % 10, told->text);
    }
}

/* Time and words of an expected line; false if it has another form. */
static bool expected_split(const char *line, uint64_t *ms, const char **text)
{
    char *end;

    line += strspn(line, " ");
    if (*line != '+') {
        return false;
    }
    *ms = strtoull(line + 1, &end, 10);
    if (strncmp(end, "ms  ", 4) == 0) {
        *text = end + 4;
        return true;
    }
    if (*end != '.' || end[1] < '0' || end[1] > '9' || strncmp(end + 2, "s  ", 3) != 0) {
        return false;
    }
    *ms = *ms * 1000 + (uint64_t)(end[1] - '0') * 100;
    *text = end + 5;
    return true;
}

static bool told_matches(const struct told *told, const char *expected)
{
    const char *text;
    uint64_t ms;
    uint64_t apart;

    if (!expected_split(expected, &ms, &text) || strcmp(text, told->text) != 0) {
        return false;
    }
    apart = ms > told->ms ? ms - told->ms : told->ms - ms;
    return apart <= TIME_APART_MS || apart * 2 <= ms;
}

/* The first line told that nobody expected so far and that `expected` means, or NULL. */
static struct told *replay_match(struct replay *replay, const char *expected)
{
    for (size_t i = 0; i < replay->told_count; i++) {
        if (!replay->told[i].expected && told_matches(&replay->told[i], expected)) {
            return &replay->told[i];
        }
    }
    return NULL;
}

/* Holds what the command in line `command` told against the `count` lines behind it. Which of two things that happen at
 * about the same time comes first is chance, so the times order them and the lines do not. */
static void replay_compare(struct replay *replay, size_t command, size_t count)
{
    char line[SCENARIO_LINE_MAX + 32];
    size_t matched = 0;

    for (size_t i = 0; i < count; i++) {
        struct told *told = replay_match(replay, replay->lines[command + 1 + i]);

        if (told != NULL) {
            told->expected = replay->lines[command + 1 + i];
            matched++;
        }
    }
    if ((matched == count && matched == replay->told_count) || replay->options.accept) {
        return;
    }
    replay->failures++;
    printf("%s:%zu: %s\n", replay->path, command + 1, replay->lines[command]);
    for (size_t i = 0; i < count; i++) {
        const char *expected = replay->lines[command + 1 + i];
        bool found = false;

        for (size_t j = 0; j < replay->told_count; j++) {
            found = found || replay->told[j].expected == expected;
        }
        printf("%c%s\n", found ? ' ' : '-', expected);
    }
    for (size_t i = 0; i < replay->told_count; i++) {
        if (replay->told[i].expected == NULL) {
            told_format(&replay->told[i], line);
            printf("+%s\n", line);
        }
    }
}

static void replay_write(struct replay *replay, size_t command)
{
    char line[SCENARIO_LINE_MAX + 32];

    if (replay->out == NULL) {
        return;
    }
    fprintf(replay->out, "%s\n", replay->lines[command]);
    for (size_t i = 0; i < replay->told_count; i++) {
        told_format(&replay->told[i], line);
        fprintf(replay->out, "%s\n", line);
    }
}

/* --- replaying --- */

static bool replay_problem(struct replay *replay, size_t line)
{
    const char *failure = replay->scenario.stage != NULL ? sim_failure(stage_world(replay->scenario.stage)) : NULL;

    if (replay->scenario.problem[0] == '\0' && failure == NULL) {
        return false;
    }
    printf("%s:%zu: %s\n", replay->path, line + 1,
           replay->scenario.problem[0] != '\0' ? replay->scenario.problem : failure);
    replay->failures++;
    return true;
}

/* One command; false if the rest makes no sense any more. */
static bool replay_command(struct replay *replay, size_t line, size_t expected)
{
    struct words words;

    replay->told_count = 0;
    if (!words_cut(&words, replay->lines[line])) {
        snprintf(replay->scenario.problem, SCENARIO_PROBLEM_MAX, "a quote does not end, or too many words");
    } else {
        if (replay->scenario.stage != NULL) {
            stage_begin(replay->scenario.stage);
        }
        (void)!scenario_do(&replay->scenario, &words);
    }
    replay_compare(replay, line, expected);
    replay_write(replay, line);
    return !replay_problem(replay, line);
}

static void replay_lines(struct replay *replay)
{
    for (size_t i = 0; i < replay->line_count;) {
        const char *line = replay->lines[i];
        size_t expected = 0;

        if (line[0] == '\0' || line[0] == '#') {
            if (replay->out != NULL) {
                fprintf(replay->out, "%s\n", line);
            }
            i++;
            continue;
        }
        if (line[0] == ' ' || line[0] == '\t') {
            printf("%s:%zu: an expectation without a command\n", replay->path, i + 1);
            replay->failures++;
            return;
        }
        while (i + 1 + expected < replay->line_count && replay->lines[i + 1 + expected][0] == ' ') {
            expected++;
        }
        if (!replay_command(replay, i, expected)) {
            return;
        }
        i += 1 + expected;
    }
}

bool scenario_run(const char *path, const struct scenario_options *options)
{
    struct replay replay = {.options = *options, .path = path};
    char *accepted = NULL;
    size_t accepted_size = 0;

    replay.scenario = (struct scenario){.trace = options->trace, .seed = 1, .tell = replay_told, .context = &replay};
    if (!replay_read(&replay)) {
        return false;
    }
    replay.told = sim_alloc(TOLD_MAX * sizeof(*replay.told));
    if (options->accept) {
        replay.out = open_memstream(&accepted, &accepted_size);
        ASSERT(replay.out != NULL);
    }
    replay_lines(&replay);
    if (replay.scenario.stage != NULL) {
        stage_destroy(replay.scenario.stage);
    }
    if (replay.out != NULL) {
        FILE *file;

        fclose(replay.out);
        file = replay.failures == 0 ? fopen(path, "wb") : NULL;
        if (file == NULL || fwrite(accepted, 1, accepted_size, file) != accepted_size || fclose(file) != 0) {
            printf("%s: not written\n", path);
            replay.failures++;
        }
        free(accepted);
    }
    sim_free(replay.told);
    sim_free(replay.lines);
    sim_free(replay.contents);
    return replay.failures == 0;
}

int scenario_main(int count, char **texts)
{
    struct scenario_options options = {0};
    unsigned files = 0;
    unsigned failed = 0;

    for (int i = 0; i < count; i++) {
        options.accept = options.accept || strcmp(texts[i], "--accept") == 0;
        options.trace = options.trace || strcmp(texts[i], "--trace") == 0;
    }
    for (int i = 0; i < count; i++) {
        if (strncmp(texts[i], "--", 2) != 0) {
            files++;
            failed += scenario_run(texts[i], &options) ? 0 : 1;
        }
    }
    if (files == 0) {
        fputs("usage: millrace-sim --scenario FILE... [--accept] [--trace]\n", stderr);
        return EXIT_USAGE;
    }
    printf("%u scenarios, %u failed\n", files, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
