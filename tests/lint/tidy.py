#!/usr/bin/env python3
"""The house style and the layers, as a test: prints `file:line: what: remedy` for each violation, and fails then.

    tests/lint/tidy.py [ROOT] [FOLDER...]     the whole tree, or only files below the folders

The rules are functions that take a file and yield (line, what, remedy); RULES names them all. They read text, not C: a
rule that would need a parser is left to the compilers' warnings.
"""
import os
import re
import sys

COLUMNS_MAX = 120
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000

# The layer of each folder: a file may include its own folder and folders of lower layers. `common` is shared by three
# trees that may not include each other.
LAYERS = {
    "common/base": 0,
    "common/batch": 1,
    "common/env": 1,
    "common/trace": 1,
    "common/wire": 2,
    "common/metadata": 3,
    "common/config": 4,
    "common/rpc": 5,
    "common/runtime": 5,
    "controller/quorum": 6,
    "controller/state": 7,
    "controller/machine": 8,
    "controller/api": 9,
    "controller": 10,
    "storage-node/log": 6,
    "storage-node/replica": 7,
    "storage-node/cluster": 8,
    "storage-node/server": 9,
    "storage-node": 10,
    "cli": 10,
}
SKIPPED = ("build", "__pycache__", "node_modules")

# Who may include a header of a library.
LIBRARY_HEADERS = {
    "uv.h": ("common/runtime",),
    "raft.h": ("controller/quorum",),
}

# Folders that reach the world through common/env only, and the headers that would go around it.
PURE = ("common/base", "common/batch", "common/wire", "common/metadata", "common/config", "common/env", "common/rpc",
        "controller/quorum", "controller/state", "controller/machine", "controller/api",
        "storage-node/log", "storage-node/replica",
        "storage-node/cluster", "storage-node/server")
IMPURE_HEADERS = {"time.h", "unistd.h", "pthread.h", "fcntl.h", "poll.h", "threads.h", "signal.h", "netdb.h",
                  "dirent.h", "sys/socket.h", "sys/epoll.h", "sys/stat.h", "sys/mman.h", "sys/time.h", "sys/types.h",
                  "sys/sendfile.h", "sys/random.h", "netinet/in.h", "arpa/inet.h"}

BANNED = {
    "strcpy": "memcpy with a checked size",
    "strcat": "buffer_append or arena_format",
    "sprintf": "snprintf or buffer_append_format",
    "vsprintf": "vsnprintf",
    "strncpy": "memcpy with a checked size: strncpy may leave no zero byte",
    "gets": "file_read",
    "scanf": "a parser that checks its input",
    "sscanf": "a parser that checks its input",
    "atoi": "a parser that sees overflow and rubbish",
    "atol": "a parser that sees overflow and rubbish",
    "atoll": "a parser that sees overflow and rubbish",
    "strtok": "memchr and a struct string",
    "rand": "env_random or common/base/prng.h",
    "srand": "common/base/prng.h with a seed",
    "random": "env_random or common/base/prng.h",
    "localtime": "UTC: gmtime_r",
    "localtime_r": "UTC: gmtime_r",
    "gmtime": "gmtime_r",
    "ctime": "snprintf of gmtime_r's fields",
    "asctime": "snprintf of gmtime_r's fields",
    "alloca": "an arena",
    "strdup": "memory_copy_text or arena_copy_string",
    "asprintf": "arena_format",
    "assert": "ASSERT: it stays on in release builds",
    "system": "fork and exec with checked arguments",
    "popen": "fork and exec with checked arguments",
}
HEAP = {
    "malloc": "memory_alloc",
    "calloc": "memory_alloc_zero",
    "realloc": "memory_resize",
    "free": "memory_free",
}
HEAP_OWNERS = ("common/base/memory.c", "controller/quorum/", "common/runtime/")
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bnot (yet )?implemented\b", re.IGNORECASE)
NOTES_UPPER = ("TODO", "FIXME", "XXX", "HACK")
# The one place that trace.h argues for.
GLOBALS_ALLOWED = {"common/trace/trace.c", "common/base/memory.c", "controller/quorum/heap.c"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
CALL = re.compile(r"(?<![\w.>])([a-z_]\w*)\s*\(")
STATIC = re.compile(r"^(\s*)(static|_Thread_local)\b(.*)$")


class Source:
    """A file's lines, as they are and (for C) with comments and string contents blanked."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.kind = kind_of(path)
        self.folder = os.path.dirname(path)
        self.code = blank_comments_and_strings(text).split("\n") if self.is_c() else self.lines

    def is_c(self):
        return self.kind in ("c", "h")

    def in_tests(self):
        return self.path.startswith("tests/")


def kind_of(path):
    name = os.path.basename(path)
    if name.endswith((".c", ".h")):
        return name[-1]
    if name.endswith(".py"):
        return "py"
    if name.endswith(".sh") or "." not in name:
        return "sh"
    return os.path.splitext(name)[1][1:]


def blank_comments_and_strings(text):
    """C text of the same shape in which comments, strings and characters hold only blanks (quotes stay)."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]

    return pattern.sub(blank, text)


def layer_folder(path):
    """The folder of LAYERS that `path` belongs to, or None."""
    folder = os.path.dirname(path)
    while folder:
        if folder in LAYERS:
            return folder
        folder = os.path.dirname(folder)
    return None


def below(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def includes(source):
    for number, line in enumerate(source.lines, 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def functions(source):
    """(name, first line, last line) of each function: house style puts both outer braces into column one."""
    first = None
    for number, line in enumerate(source.code, 1):
        if line.startswith("{"):
            first = number
            while first > 1 and source.code[first - 2].strip() and source.code[first - 2][0] not in "#};":
                first -= 1
        elif line.startswith("}") and first is not None:
            signature = " ".join(source.code[first - 1:number])
            match = re.search(r"(\w+)\s*\(", signature)
            yield (match.group(1) if match else "?"), first, number
            first = None


def check_text(source):
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns", f"break the line at {COLUMNS_MAX}"
        if line != line.rstrip():
            yield number, "blanks at the end of the line", "remove them"
        if "\t" in line and source.kind in ("c", "h", "py"):
            yield number, "a tab", "four blanks"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "no newline at the end of the file", "add one"


def check_notes(source):
    if source.path.startswith("tests/lint/"):
        return
    for number, line in enumerate(source.lines, 1):
        for match in NOTES.finditer(line):
            word = match.group(0)
            if word.upper() not in NOTES_UPPER or word.isupper():
                yield number, f'"{word}"', "do it, or write in docs/ what is missing"
        if re.search(r"(?<![\w.])/(work|root|home)/\w", line):
            yield number, "a path of one machine", "a path in the repository, or an option"


def check_opening(source):
    if not source.lines:
        yield 1, "an empty file", "remove it"
        return
    if source.is_c():
        if not source.lines[0].startswith("/*"):
            yield 1, "no opening comment", "say what the file is and where it sits"
    elif source.kind in ("py", "sh"):
        rest = source.lines[1:] if source.lines[0].startswith("#!") else source.lines
        if not rest or not rest[0].startswith(("#", '"""', "'''")):
            yield 1, "no opening comment", "say what the file is for"


def check_guard(source):
    if source.kind != "h":
        return
    name = re.sub(r"\W", "_", os.path.basename(source.path)).upper()
    text = "\n".join(source.code)
    match = re.search(r"^#ifndef (\w+)\n#define (\w+)$", text, re.MULTILINE)
    if not match or match.group(1) != match.group(2) or not match.group(1).endswith(name):
        yield 1, "no header guard", f"#ifndef FOLDER_{name}, #define FOLDER_{name} behind the opening comment"
        return
    if not text.rstrip().endswith("#endif"):
        yield len(source.lines), "something behind the header guard", "the last line is #endif"


def check_size(source):
    if source.kind in ("c", "h") and len(source.lines) > FILE_LINES_MAX:
        yield 1, f"{len(source.lines)} lines", f"split it: a file is one noun of at most {FILE_LINES_MAX} lines"
    if source.kind != "c":
        return
    for name, first, last in functions(source):
        if last - first + 1 > FUNCTION_LINES_MAX:
            yield first, f"{name} has {last - first + 1} lines", f"split it: at most {FUNCTION_LINES_MAX}"


def check_layers(source):
    mine = layer_folder(source.path)
    if not source.is_c():
        return
    for number, quoted, header in includes(source):
        if not quoted:
            owners = LIBRARY_HEADERS.get(header)
            if owners and not below(source.path, owners):
                yield number, f"<{header}> outside {owners[0]}", "go through that folder's headers"
            if header in IMPURE_HEADERS and below(source.path, PURE):
                yield number, f"<{header}> in a folder without I/O", "common/env"
            continue
        if header.startswith("wire/"):
            header = "common/" + header
        theirs = layer_folder(header)
        if theirs is None and not source.in_tests():
            yield number, f'"{header}" is in no layer', "include from the repository's root"
        if mine is None or theirs is None or mine == theirs:
            continue
        if theirs.split("/")[0] not in (mine.split("/")[0], "common"):
            yield number, f"{mine} includes {theirs}", "the trees share common/ only"
        elif LAYERS[theirs] >= LAYERS[mine]:
            yield number, f"{mine} includes {theirs}, which is not below it", "turn the dependency round"
        elif theirs == "common/runtime" and os.path.dirname(source.path) not in ("controller", "storage-node", "cli"):
            yield number, "common/runtime outside a program's top folder", "common/env"


def check_calls(source):
    if not source.is_c():
        return
    heap_allowed = source.in_tests() or source.path.startswith(HEAP_OWNERS)
    own = set(re.findall(r"\(\*(\w+)\)\(", source.text))  # function pointers that happen to have such a name
    for number, line in enumerate(source.code, 1):
        for match in CALL.finditer(line):
            name = match.group(1)
            if name in own:
                continue
            if name in BANNED:
                yield number, f"{name}()", BANNED[name]
            elif name in HEAP and not heap_allowed:
                yield number, f"{name}()", HEAP[name]


def check_globals(source):
    """Mutable state with static storage, at file scope or in a function."""
    if not source.is_c() or source.in_tests() or source.path in GLOBALS_ALLOWED:
        return
    for number, line in enumerate(source.code, 1):
        match = STATIC.match(line)
        if not match:
            continue
        declaration = re.split(r"[=;]", match.group(3))[0]
        if re.search(r"\((?!\*)", declaration.split(")")[0]) or re.search(r"\b(const|inline)\b", declaration):
            continue
        if not re.search(r"[=;\[]", match.group(3)):
            continue
        yield number, "mutable state that lives for ever", "put it into a struct that is passed"


def check_types(source):
    if not source.is_c():
        return
    for number, line in enumerate(source.code, 1):
        if re.match(r"\s*typedef\s+(struct|union|enum)\b", line) and "(*" not in line:
            yield number, "a typedef of a struct, union or enum", "spell it out"
        if re.match(r"\s*#\s*pragma\s+once", line):
            yield number, "#pragma once", "a header guard"
        if re.match(r"\s*(else\s+)?(if|for|while)\s*\(.*\)\s*[^{;]*;\s*$", line) and "{" not in line:
            if not re.search(r"\}\s*while\s*\(", line):
                yield number, "a branch without braces", "braces always"


RULES = (check_text, check_notes, check_opening, check_guard, check_size, check_layers, check_calls, check_globals,
         check_types)


def check(path, text):
    """All violations in one file: (line, what, remedy), in order."""
    source = Source(path, text)
    return sorted(found for rule in RULES for found in rule(source))


def check_unique_guards(sources):
    """(path, line, what, remedy) for guards that two headers share: one of them would silently be empty."""
    seen = {}
    for path, text in sources:
        match = re.search(r"^#ifndef (\w+)$", text, re.MULTILINE) if path.endswith(".h") else None
        if match and seen.setdefault(match.group(1), path) != path:
            yield path, 1, f"the header guard of {seen[match.group(1)]}", "a name of its own"


def wanted(path):
    name = os.path.basename(path)
    return name.endswith((".c", ".h", ".py", ".sh")) or path in ("start", "check", ".ci/run")


def tree(root, folders):
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in SKIPPED)
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            if wanted(path) and (not folders or below(path, folders)):
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    yield path, file.read()


def main(arguments):
    root = arguments[0] if arguments else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sources = list(tree(root, [folder.rstrip("/") for folder in arguments[1:]]))
    count = 0
    for path, text in sources:
        for line, what, remedy in check(path, text):
            print(f"{path}:{line}: {what}: {remedy}")
            count += 1
    for path, line, what, remedy in check_unique_guards(sources):
        print(f"{path}:{line}: {what}: {remedy}")
        count += 1
    print(f"{len(sources)} files, {count} violations")
    return 1 if count or not sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
