#!/usr/bin/env python3
"""The lint's own tests: each rule finds what it is for, and leaves clean text alone."""
import unittest

import tidy

CLEAN = """/* A clean file. */
#include "common/base/assert.h"

#include <stdint.h>

static const int limits[] = {1, 2};

static int add(int a, int b)
{
    const char *text = "malloc(1); TODO is not a call";

    if (a > b) {
        return a;
    }
    for (int i = 0; i < b; i++) {
        a += limits[0];
    }
    return a + (int)text[0]; /* strcpy( is only spoken of */
}
"""


def found(path, text):
    return [(line, what) for line, what, _ in tidy.check(path, text)]


def whats(path, text):
    return [what for _, what in found(path, text)]


class Tidy(unittest.TestCase):
    def test_a_clean_file_is_left_alone(self):
        self.assertEqual(found("common/wire/clean.c", CLEAN.replace("TODO is", "it is")), [])

    def test_lines_are_short_and_end_cleanly(self):
        self.assertEqual(found("cli/a.c", "/* a */\n//" + "x" * 119 + "\n"), [(2, "121 columns")])
        self.assertEqual(found("cli/a.c", "/* a */\n//" + "x" * 118 + "\n"), [])
        self.assertEqual(found("cli/a.c", "/* a */\nint a; \n"), [(2, "blanks at the end of the line")])
        self.assertEqual(found("cli/a.c", "/* a */\n\tint a;\n"), [(2, "a tab")])
        self.assertEqual(found("cli/a.c", "/* a */"), [(1, "no newline at the end of the file")])

    def test_notes_are_found_in_comments_and_texts(self):
        self.assertEqual(whats("cli/a.c", "/* TODO: later */\n"), ['"TODO"'])
        self.assertEqual(whats("cli/a.sh", "# a\necho 'not implemented'\n"), ['"not implemented"'])
        self.assertEqual(whats("cli/a.c", "/* a hack of ours, todo list */\n"), [])
        self.assertEqual(whats("cli/a.c", "/* see /ro" "ot/notes */\n"), ["a path of one machine"])

    def test_files_open_with_a_comment(self):
        self.assertEqual(found("cli/a.c", "int a;\n"), [(1, "no opening comment")])
        self.assertEqual(found("cli/a.sh", "#!/bin/sh\nset -e\n"), [(1, "no opening comment")])
        self.assertEqual(found("cli/a.sh", "#!/bin/sh\n# Does it.\nset -e\n"), [])

    def test_headers_have_a_guard_named_after_them(self):
        good = "/* a */\n#ifndef CLI_TABLE_H\n#define CLI_TABLE_H\n\n#endif\n"
        self.assertEqual(found("cli/table.h", good), [])
        self.assertEqual(whats("cli/other.h", good), ["no header guard"])
        self.assertEqual(whats("cli/table.h", good.replace("#define CLI_", "#define CLY_")), ["no header guard"])
        self.assertEqual(whats("cli/table.h", good + "int a;\n"), ["something behind the header guard"])

    def test_two_headers_do_not_share_a_guard(self):
        text = "/* a */\n#ifndef X_A_H\n#define X_A_H\n#endif\n"
        self.assertEqual([path for path, *_ in tidy.check_unique_guards([("b/a.h", text), ("c/a.h", text)])], ["c/a.h"])

    def test_functions_have_at_most_70_lines(self):
        def function(lines):
            return "/* a */\nstatic int long_one(int a,\n   int b)\n{\n" + "    a++;\n" * (lines - 4) + "}\n"

        self.assertEqual(found("cli/a.c", function(70)), [])
        self.assertEqual(found("cli/a.c", function(71)), [(2, "long_one has 71 lines")])

    def test_files_have_at_most_1000_lines(self):
        self.assertEqual(found("cli/a.c", "/* a */\n" + "int a;\n" * 999), [])
        self.assertEqual(found("cli/a.c", "/* a */\n" + "int a;\n" * 1000), [(1, "1001 lines")])

    def test_includes_go_down(self):
        def include(path, header):
            return whats(path, f'/* a */\n#include "{header}"\n')

        self.assertEqual(include("common/wire/a.c", "common/base/list.h"), [])
        self.assertEqual(include("common/wire/a.c", "common/wire/reader.h"), [])
        self.assertEqual(include("common/metadata/a.c", "wire/fetch.h"), [])
        self.assertEqual(include("common/base/a.c", "common/wire/reader.h"),
                         ["common/base includes common/wire, which is not below it"])
        self.assertEqual(include("common/env/a.c", "wire/fetch.h"),
                         ["common/env includes common/wire, which is not below it"])
        self.assertEqual(include("storage-node/log/a.c", "storage-node/replica/partition.h"),
                         ["storage-node/log includes storage-node/replica, which is not below it"])
        self.assertEqual(include("storage-node/server/a.c", "controller/state/a.h"),
                         ["storage-node/server includes controller/state"])
        self.assertEqual(include("storage-node/server/handlers/a.c", "storage-node/server/a.h"), [])
        self.assertEqual(include("storage-node/server/a.c", "common/runtime/loop.h"),
                         ["common/runtime outside a program's top folder"])
        self.assertEqual(include("storage-node/main.c", "common/runtime/loop.h"), [])
        self.assertEqual(include("cli/a.c", "table.h"), ['"table.h" is in no layer'])
        self.assertEqual(include("tests/unit/wire/a.c", "common/runtime/loop.h"), [])

    def test_libraries_stay_behind_their_folder(self):
        self.assertEqual(whats("cli/a.c", "/* a */\n#include <uv.h>\n"), ["<uv.h> outside common/runtime"])
        self.assertEqual(whats("tests/sim/a.c", "/* a */\n#include <raft.h>\n"), ["<raft.h> outside controller/quorum"])
        self.assertEqual(whats("controller/quorum/a.c", "/* a */\n#include <raft.h>\n"), [])
        self.assertEqual(whats("controller/state/a.c", "/* a */\n#include <time.h>\n"),
                         ["<time.h> in a folder without I/O"])
        self.assertEqual(whats("common/runtime/a.c", "/* a */\n#include <unistd.h>\n"), [])

    def test_banned_calls_are_named_with_their_remedy(self):
        self.assertEqual(tidy.check("cli/a.c", "/* a */\nint a = atoi(text);\n"),
                         [(2, "atoi()", tidy.BANNED["atoi"])])
        self.assertEqual(whats("cli/a.c", "/* a */\nvoid *a = malloc(1);\n"), ["malloc()"])
        self.assertEqual(whats("tests/unit/a.c", "/* a */\nvoid *a = malloc(1);\n"), [])
        self.assertEqual(whats("cli/a.c", "/* a */\nint a = my_atoi(text) + x->free(y) + z.rand();\n"), [])
        self.assertEqual(whats("cli/a.c", "/* a */\nstatic void f(int (*random)(void));\nint a = random();\n"), [])

    def test_state_with_static_storage_is_found(self):
        for line in ("static int count;", "static struct a *cache = NULL;", "    static bool done = false;",
                     "static char names[4][8];", "static void (*hook)(int);"):
            self.assertEqual(whats("cli/a.c", f"/* a */\n{line}\n"), ["mutable state that lives for ever"], line)
        for line in ("static const int count = 1;", "static int f(int a);", "static inline int f(void)",
                     "static const char *const names[] = {", "static struct a f(const int *a,"):
            self.assertEqual(whats("cli/a.c", f"/* a */\n{line}\n"), [], line)

    def test_structs_are_spelled_out_and_branches_have_braces(self):
        self.assertEqual(whats("cli/a.c", "/* a */\ntypedef struct a b;\n"), ["a typedef of a struct, union or enum"])
        self.assertEqual(whats("cli/a.c", "/* a */\ntypedef int (*call)(struct a *);\n"), [])
        self.assertEqual(whats("cli/a.c", "/* a */\n    if (a) b();\n"), ["a branch without braces"])
        self.assertEqual(whats("cli/a.c", "/* a */\n    } while (a);\n"), [])


if __name__ == "__main__":
    unittest.main()
