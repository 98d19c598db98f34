/* Processes: started away from the terminal, found by pid and start time, never confused with another. */
#include "cli/dev_process.h"
#include "tests/unit/cli/tests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    char log[96];
    char file[96];
};

static int setup(void **state)
{
    static struct fixture fixture;

    snprintf(fixture.directory, sizeof(fixture.directory), "millrace-test-XXXXXX");
    *state = mkdtemp(fixture.directory) != NULL ? &fixture : NULL;
    snprintf(fixture.log, sizeof(fixture.log), "%s/log", fixture.directory);
    snprintf(fixture.file, sizeof(fixture.file), "%s/pid", fixture.directory);
    return *state != NULL ? 0 : 1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    (void)unlink(fixture->log);
    (void)unlink(fixture->file);
    return rmdir(fixture->directory);
}

static struct process_id start_shell(const struct fixture *fixture, const char *script)
{
    char shell[] = "sh";
    char option[] = "-c";
    char text[256];
    char *argv[] = {shell, option, text, NULL};
    struct process_id id;
    int failed;

    snprintf(text, sizeof(text), "%s", script);
    assert_int_equal(process_start("/bin/sh", argv, fixture->log, &id, &failed), STATUS_OK);
    assert_int_equal(failed, 0);
    assert_true(id.pid > 0);
    assert_true(id.started > 0);
    return id;
}

static void a_process_runs_until_it_is_signalled(void **state)
{
    const struct process_id id = start_shell(*state, "exec sleep 20");

    assert_true(process_runs(id));
    assert_false(process_wait(id, 20));
    assert_int_equal(process_signal(id, SIGTERM), STATUS_OK);
    assert_true(process_wait(id, 5000));
    assert_false(process_runs(id));
    assert_int_equal(process_signal(id, SIGTERM), STATUS_NOT_FOUND);
}

static void its_output_goes_to_the_log_and_its_session_is_its_own(void **state)
{
    const struct fixture *fixture = *state;
    char text[128] = "";
    const struct process_id id = start_shell(fixture, "ps -o sid= -p $$ >&2; echo out; cat");

    assert_true(process_wait(id, 5000)); /* its input is empty, so cat ends */
    FILE *file = fopen(fixture->log, "re");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    (void)fclose(file);
    assert_non_null(strstr(text, "out\n"));
    assert_int_not_equal(strtol(text, NULL, 10), getsid(0));
}

static void another_process_with_the_same_pid_is_not_ours(void **state)
{
    const struct process_id id = start_shell(*state, "exec sleep 20");
    const struct process_id older = {id.pid, id.started - 1};

    assert_false(process_runs(older));
    assert_int_equal(process_signal(older, SIGKILL), STATUS_NOT_FOUND);
    assert_true(process_runs(id));
    assert_int_equal(process_signal(id, SIGKILL), STATUS_OK);
    assert_true(process_wait(id, 5000));
    assert_false(process_runs((struct process_id){0, 0}));
    assert_false(process_runs((struct process_id){-1, 0}));
}

static void a_program_that_is_not_there_is_told(void **state)
{
    const struct fixture *fixture = *state;
    char name[] = "nothing";
    char *argv[] = {name, NULL};
    struct process_id id;
    int failed;

    assert_int_equal(process_start("/nonexistent/program", argv, fixture->log, &id, &failed), STATUS_NOT_FOUND);
    assert_int_equal(failed, ENOENT);
}

static void pid_files_come_back_and_damage_is_told(void **state)
{
    const struct fixture *fixture = *state;
    const struct process_id id = {1234, UINT64_MAX};
    struct process_id read;

    assert_int_equal(process_file_read(fixture->file, &read), STATUS_NOT_FOUND);
    assert_int_equal(process_file_write(fixture->file, id), STATUS_OK);
    assert_int_equal(process_file_read(fixture->file, &read), STATUS_OK);
    assert_int_equal(read.pid, 1234);
    assert_true(read.started == UINT64_MAX);
    FILE *file = fopen(fixture->file, "we");

    assert_non_null(file);
    fputs("12", file);
    (void)fclose(file);
    assert_int_equal(process_file_read(fixture->file, &read), STATUS_CORRUPT);
}

static void the_start_time_is_found_behind_any_name(void **state)
{
    static const char line[] = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3\n";
    uint64_t started;
    char letter;

    (void)state;
    assert_true(process_stat_parse(line, &started, &letter));
    assert_int_equal(started, 987654);
    assert_int_equal(letter, 'S');
    assert_false(process_stat_parse("", &started, &letter));
    assert_false(process_stat_parse("42 (x", &started, &letter));
    assert_false(process_stat_parse("42 (x)", &started, &letter));
    assert_false(process_stat_parse("42 (x) S 1 2 3", &started, &letter));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_dev_process(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_runs_until_it_is_signalled),
        TEST(its_output_goes_to_the_log_and_its_session_is_its_own),
        TEST(another_process_with_the_same_pid_is_not_ours),
        TEST(a_program_that_is_not_there_is_told),
        TEST(pid_files_come_back_and_damage_is_told),
        cmocka_unit_test(the_start_time_is_found_behind_any_name),
    };

    return cmocka_run_group_tests_name("dev_process", tests, NULL, NULL);
}
