#!/usr/bin/env python3
"""Breaks lines of C files that are longer than the lint allows: a tool for people, not a test.

    tests/lint/wrap.py FILE...

Block comments are refilled, paragraph by paragraph, where one of their lines is too long; pictures (lines with blanks
in the middle or a deeper indent) are left alone. A comment behind code moves onto lines of its own above it. Code is
broken behind the last comma that fits and goes on below the bracket it is in. What it cannot break it prints.
"""
import re
import sys
import textwrap

COLUMNS_MAX = 120


def refill(indent, words):
    text = " ".join(words)
    return textwrap.wrap(text, COLUMNS_MAX, initial_indent=indent + " * ", subsequent_indent=indent + " * ",
                         break_long_words=False, break_on_hyphens=False)


def is_picture(body):
    return re.match(r"  |\S.*\S   *\S|[-*] |[A-Z]?\d+[.)]? ", body) is not None


def wrap_comment(lines):
    """The lines of one block comment that begins its line."""
    if all(len(line) <= COLUMNS_MAX for line in lines):
        return lines
    indent = re.match(r" *", lines[0]).group(0)
    bodies = [re.sub(r"^ *(/\*| \*/?|\*/?) ?", "", line, count=1) for line in lines]
    closed_alone = lines[-1].strip() == "*/"
    if closed_alone:
        bodies.pop()
    else:
        bodies[-1] = re.sub(r" *\*/\s*$", "", bodies[-1])
    out, paragraph = [], []

    def flush():
        if paragraph:
            out.extend(refill(indent, paragraph))
            paragraph.clear()

    for body in bodies:
        if not body.strip():
            flush()
            out.append(indent + " *")
        elif is_picture(body):
            flush()
            out.append(indent + " * " + body)
        else:
            paragraph.append(body.strip())
    flush()
    out[0] = indent + "/*" + out[0][len(indent) + 2:]
    if closed_alone:
        out.append(indent + " */")
    elif len(out[-1]) + 3 <= COLUMNS_MAX:
        out[-1] += " */"
    else:
        words = out.pop().split()
        last = words.pop()
        out.append(indent + " " + " ".join(words) if out else indent + " ".join(words))
        out.append(indent + " * " + last + " */")
    return out


def wrap_trailing_comment(line):
    """Code with a comment behind it: the comment goes above."""
    match = re.match(r"^( *)(\S.*?) *(/\* .* \*/)$", line)
    if not match or "/*" in match.group(2):
        return None
    return wrap_comment_if_long(match.group(1) + match.group(3)) + [match.group(1) + match.group(2)]


def wrap_comment_if_long(line):
    return wrap_comment([line]) if len(line) > COLUMNS_MAX else [line]


def breakable(line, at):
    """How many characters from `at` stay on the first line if it may be broken there, else 0."""
    if line[at:at + 2] == ", ":
        return 1
    return 3 if line[at:at + 4] in (" && ", " || ") else 0


def wrap_code(line):
    """Two lines, broken at the last place inside a bracket that fits; None if there is none."""
    opened, best, quote, at = [], None, None, 0
    if line.startswith("#") or line.endswith("\\"):
        return None
    while at < COLUMNS_MAX:
        c = line[at]
        if quote:
            if c == "\\":
                at += 1
            elif c == quote:
                quote = None
        elif c in "\"'":
            quote = c
        elif c in "([{":
            opened.append(at)
        elif c in ")]}" and opened:
            opened.pop()
        elif opened and breakable(line, at) and at + breakable(line, at) <= COLUMNS_MAX:
            best = (at + breakable(line, at), opened[-1] + 1)
        at += 1
    if best is None:
        return None
    return [line[:best[0]], " " * best[1] + line[best[0]:].strip()]


def wrap_text(path, text):
    lines = text.split("\n")
    out, at = [], 0
    while at < len(lines):
        line = lines[at]
        if re.match(r" *(/\*)", line):
            end = at
            while "*/" not in lines[end] and end + 1 < len(lines):
                end += 1
            if lines[end].rstrip().endswith("*/"):
                out.extend(wrap_comment(lines[at:end + 1]))
                at = end + 1
                continue
        if len(line) > COLUMNS_MAX:
            in_macro = at > 0 and lines[at - 1].endswith("\\")
            broken = None if in_macro else wrap_trailing_comment(line) or wrap_code(line)
            if broken is None:
                print(f"{path}:{at + 1}: cannot break")
                out.append(line)
            else:
                lines[at:at + 1] = broken
                continue
        else:
            out.append(line)
        at += 1
    return "\n".join(out)


def main(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        wrapped = wrap_text(path, text)
        if wrapped != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(wrapped)


if __name__ == "__main__":
    main(sys.argv[1:])
