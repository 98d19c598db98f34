#!/usr/bin/env python3
"""Counts what a ctest run did, from its JUnit file: prints `PASSED FAILED SKIPPED`, then one line per failure.

    tests/support/ctest_count.py FILE

A cmocka program counts with its test cases, anything else as one.
"""
import re
import sys
import xml.etree.ElementTree


def cases(output, word):
    return sum(int(number) for number in re.findall(rf"\[  {word}  \] (\d+) test\(s\)", output))


def main(path):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        output = test.findtext("system-out") or ""
        status = test.get("status")
        if status == "run":
            counts["passed"] += cases(output, "PASSED") or 1
            counts["skipped"] += cases(output, "SKIPPED")
        elif status == "fail":
            counts["passed"] += cases(output, "PASSED")
            counts["failed"] += cases(output, "FAILED") or 1
            named = re.findall(r"^\[  FAILED  \] ([a-z]\w+)", output, re.MULTILINE)
            failures.append(f"{test.get('name')}: {', '.join(dict.fromkeys(named)) or 'see its output'}")
        else:
            counts["skipped"] += 1
    print(counts["passed"], counts["failed"], counts["skipped"])
    print("\n".join(failures))


if __name__ == "__main__":
    main(sys.argv[1])
