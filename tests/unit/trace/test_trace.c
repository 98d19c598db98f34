/* The log's lines: both formats, escaping, bounds, repeats, and the sink that does not take a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/trace/trace.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct buffer lines;
    int64_t now_ms;
    bool refuse; /* the sink takes nothing */
    struct trace *trace;
};

static int64_t fixture_wall_ms(void *context)
{
    return ((struct fixture *)context)->now_ms;
}

static bool fixture_write(void *context, const char *line, size_t size)
{
    struct fixture *fixture = context;

    if (fixture->refuse) {
        return false;
    }
    buffer_append(&fixture->lines, line, size);
    return true;
}

static struct trace_options fixture_options(struct fixture *fixture, enum trace_format format)
{
    return (struct trace_options){
        .level = TRACE_INFO,
        .format = format,
        .burst = 3,
        .window_ms = 1000,
        .wall_ms = fixture_wall_ms,
        .write = fixture_write,
        .context = fixture,
    };
}

/* Installs a trace that the teardown destroys. */
static void fixture_begin(struct fixture *fixture, const struct trace_options *options)
{
    fixture->trace = trace_create(options);
    trace_install(fixture->trace);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    buffer_init(&fixture->lines);
    fixture->now_ms = 1795275730123; /* 2026-11-21T15:42:10.123Z */
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    trace_install(NULL);
    if (fixture->trace != NULL) {
        trace_destroy(fixture->trace);
    }
    buffer_deinit(&fixture->lines);
    free(fixture);
    return 0;
}

static void assert_lines(struct fixture *fixture, const char *expected)
{
    buffer_append(&fixture->lines, "", 1);
    assert_string_equal((const char *)fixture->lines.data, expected);
    buffer_clear(&fixture->lines);
}

static void a_line_in_logfmt_holds_time_level_event_and_fields(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);
    struct uuid id;

    assert_int_equal(uuid_parse(STRING("AAAAAAAAAAAAAAAAAAAAAQ"), &id), STATUS_OK);
    options.from = "node-1";
    fixture_begin(fixture, &options);
    trace_info("partition_opened", T_STRING("topic", STRING("hello")), T_INT("partition", -3), T_UINT("bytes",
                                                                                                      UINT64_MAX),
               T_BOOL("clean", true), T_DOUBLE("seconds", 0.25), T_UUID("id", id), T_STATUS("status", STATUS_NO_SPACE));
    assert_lines(fixture, "time=2026-11-21T15:42:10.123Z level=info from=node-1 event=partition_opened topic=hello "
                          "partition=-3 bytes=18446744073709551615 clean=true seconds=0.25 id=AAAAAAAAAAAAAAAAAAAAAQ "
                          "status=\"no space left on device\"\n");
}

static void a_line_in_json_is_one_object(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_JSON);

    fixture_begin(fixture, &options);
    trace_warn("peer_lost", T_TEXT("peer", "a \"b\""), T_TEXT("nothing", NULL), T_INT("n", 1), T_DOUBLE("x", NAN));
    assert_lines(fixture, "{\"time\":\"2026-11-21T15:42:10.123Z\",\"level\":\"warn\",\"event\":\"peer_lost\","
                          "\"peer\":\"a \\\"b\\\"\",\"nothing\":null,\"n\":1,\"x\":null}\n");
}

static void an_event_may_have_no_fields(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    fixture_begin(fixture, &options);
    trace_error("stopped");
    assert_lines(fixture, "time=2026-11-21T15:42:10.123Z level=error event=stopped\n");
}

static void a_time_before_1970_is_still_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    fixture->now_ms = -1;
    fixture_begin(fixture, &options);
    trace_error("stopped");
    assert_lines(fixture, "time=1969-12-31T23:59:59.999Z level=error event=stopped\n");
}

static void text_that_would_break_a_line_is_escaped(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    trace_info("e", T_TEXT("a", "x\ny\r\t\x01\x7f"), T_TEXT("b", "level=error"), T_TEXT("c", ""), T_TEXT("d", "q\"\\"),
               T_TEXT("e", "null"), T_TEXT("f", NULL), T_TEXT("g", "caf\xc3\xa9"));
    assert_lines(fixture, "level=info event=e a=\"x\\ny\\r\\t\\u0001\\u007f\" b=\"level=error\" c=\"\" d=\"q\\\"\\\\\" "
                          "e=\"null\" f=null g=\"caf\xc3\xa9\"\n");
}

static void bytes_that_are_no_utf8_become_the_replacement_character(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_JSON);

    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    /* A lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, a cut sequence. */
    trace_info("e", T_TEXT("a", "\x80|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82"), T_TEXT("ok",
                                                                                                "\xf0\x9f\x98\x80"));
    assert_lines(fixture, "{\"level\":\"info\",\"event\":\"e\",\"a\":\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
                          "\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\",\"ok\":\"\xf0\x9f\x98\x80\"}\n");
}

static void a_long_value_is_cut_at_a_character(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);
    char text[TRACE_VALUE_MAX + 8];

    memset(text, 'a', sizeof(text));
    /* An e with acute accent right across the limit. */
    text[TRACE_VALUE_MAX - 1] = (char)0xc3;
    text[TRACE_VALUE_MAX] = (char)0xa9;
    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    trace_info("e", T_STRING("a", ((struct string){text, sizeof(text)})));
    assert_int_equal(fixture->lines.size, strlen("level=info event=e a=\"\"...\n") + TRACE_VALUE_MAX - 1);
    assert_memory_equal(fixture->lines.data + fixture->lines.size - 6, "a...\"\n", 6);
}

static void fields_that_do_not_fit_are_left_out_and_the_line_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_JSON);
    const char *end = "\\n\",\"last\":7,\"truncated\":true}\n";
    char text[TRACE_VALUE_MAX];
    const struct string breaks = {text, sizeof(text)};

    memset(text, '\n', sizeof(text));
    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    trace_info("e", T_STRING("a", breaks), T_STRING("b", breaks), T_INT("last", 7));
    assert_true(fixture->lines.size <= TRACE_LINE_MAX);
    assert_memory_equal(fixture->lines.data + fixture->lines.size - strlen(end), end, strlen(end));
}

static void a_line_whose_level_is_off_is_not_written_nor_evaluated(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);
    int evaluated = 0;

    fixture_begin(fixture, &options);
    trace_debug("e", T_INT("n", ++evaluated));
    assert_int_equal(evaluated, 0);
    assert_int_equal(fixture->lines.size, 0);
    trace_set_level(TRACE_DEBUG);
    trace_debug("e", T_INT("n", ++evaluated));
    assert_int_equal(evaluated, 1);
    assert_true(fixture->lines.size > 0);
    trace_set_level(TRACE_ERROR);
    assert_false(trace_enabled(TRACE_WARN));
}

static void without_a_current_trace_nothing_happens(void **state)
{
    (void)state;
    trace_set_level(TRACE_DEBUG);
    assert_false(trace_enabled(TRACE_ERROR));
    trace_error("nobody_hears");
}

static void repeats_are_counted_and_told_after_the_window(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    fixture_begin(fixture, &options);
    fixture->now_ms = 0;
    for (int i = 0; i < 10; i++) {
        trace_info("again");
    }
    trace_info("other");
    fixture->now_ms = 999;
    trace_info("again");
    buffer_clear(&fixture->lines);
    fixture->now_ms = 1000;
    trace_info("again", T_INT("n", 1));
    trace_info("again", T_INT("n", 2));
    assert_lines(fixture, "time=1970-01-01T00:00:01.000Z level=info event=again suppressed=8 n=1\n"
                          "time=1970-01-01T00:00:01.000Z level=info event=again n=2\n");
}

static void a_clock_that_jumps_back_ends_the_window(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    fixture_begin(fixture, &options);
    for (int i = 0; i < 5; i++) {
        trace_info("again");
    }
    buffer_clear(&fixture->lines);
    fixture->now_ms = 0;
    trace_info("again");
    assert_lines(fixture, "time=1970-01-01T00:00:00.000Z level=info event=again suppressed=2\n");
}

static void lines_that_the_sink_drops_are_counted_in_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);

    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    fixture->refuse = true;
    trace_info("a");
    trace_info("b");
    fixture->refuse = false;
    trace_info("c");
    trace_info("d");
    assert_lines(fixture, "level=info event=c dropped=2\nlevel=info event=d\n");
}

static void levels_and_formats_are_read_by_name(void **state)
{
    enum trace_level level;
    enum trace_format format;

    (void)state;
    assert_int_equal(trace_level_parse(STRING("debug"), &level), STATUS_OK);
    assert_int_equal(level, TRACE_DEBUG);
    assert_int_equal(trace_level_parse(STRING("verbose"), &level), STATUS_INVALID);
    assert_int_equal(trace_format_parse(STRING("json"), &format), STATUS_OK);
    assert_int_equal(format, TRACE_JSON);
    assert_int_equal(trace_format_parse(STRING("xml"), &format), STATUS_INVALID);
}

#define THREADS 4
#define THREAD_LINES 500

static void *thread_main(void *context)
{
    for (int i = 0; i < THREAD_LINES; i++) {
        trace_info("parallel", T_TEXT("thread", context), T_INT("i", i));
    }
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = fixture_options(fixture, TRACE_LOGFMT);
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    size_t count = 0;

    options.burst = 0;
    options.wall_ms = NULL;
    fixture_begin(fixture, &options);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    buffer_append(&fixture->lines, "", 1);
    for (char *line = (char *)fixture->lines.data; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_memory_equal(line, "level=info event=parallel thread=", 33);
        count++;
    }
    assert_int_equal(count, THREADS * THREAD_LINES);
}

/* With standard error being a pipe that nobody reads: the call must return, and say later what was lost. */
static void a_full_standard_error_does_not_block(void **state)
{
    struct fixture *fixture = *state;
    struct trace_options options = trace_options_stderr();
    const int saved = dup(STDERR_FILENO);
    int ends[2];
    char text[65536];
    bool told = false;

    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    options.burst = 0;
    fixture_begin(fixture, &options);
    for (int i = 0; i < 4000; i++) {
        trace_info("flood", T_TEXT("text", "forty characters of text, or a few more."));
    }
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while (read(ends[0], text, sizeof(text)) > 0) {
    }
    trace_info("after");
    const ssize_t size = read(ends[0], text, sizeof(text) - 1);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(size > 0);
    text[size] = '\0';
    told = strstr(text, "event=after dropped=") != NULL;
    assert_true(told);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_line_in_logfmt_holds_time_level_event_and_fields),
        TEST(a_line_in_json_is_one_object),
        TEST(an_event_may_have_no_fields),
        TEST(a_time_before_1970_is_still_a_time),
        TEST(text_that_would_break_a_line_is_escaped),
        TEST(bytes_that_are_no_utf8_become_the_replacement_character),
        TEST(a_long_value_is_cut_at_a_character),
        TEST(fields_that_do_not_fit_are_left_out_and_the_line_says_so),
        TEST(a_line_whose_level_is_off_is_not_written_nor_evaluated),
        TEST(without_a_current_trace_nothing_happens),
        TEST(repeats_are_counted_and_told_after_the_window),
        TEST(a_clock_that_jumps_back_ends_the_window),
        TEST(lines_that_the_sink_drops_are_counted_in_the_next_one),
        TEST(levels_and_formats_are_read_by_name),
        TEST(lines_of_several_threads_stay_whole),
        TEST(a_full_standard_error_does_not_block),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
