#!/bin/sh
# Real processes under hostile peers and poor conditions: release builds of node and controller, started by the tests,
# attacked, frozen, cheated about the time, robbed of their disks. Prints a line per test and ends with
# `N passed, N failed, N skipped`.
#
#   tests/hostile/run.sh [PART...]    peers disk pauses clocks dead; all if none is given
#
# The environment may say otherwise:
#
#   HOSTILE_SCALE    small (default, what ./check runs) or full: the long form, which holds neighbours to 2x of their
#                    quiet p99 and pauses for up to 30 s
#   HOSTILE_PORT     first of the ports of the clusters (default: by chance below 29000)
#   HOSTILE_DIR      where they keep their files (default build/hostile)
#   HOSTILE_TESTS    only tests whose names contain one of these words
#   HOSTILE_KEEP     any text: leave the files where they are
#   MILLRACE_BIN     folder of the programs, build/release/bin by default
set -u
cd "$(dirname "$0")/../.." || exit 1
case "${1:-}" in
-h | --help) sed -n '2,18s/^# \{0,1\}//p' tests/hostile/run.sh; exit 0 ;;
esac
exec python3 -B tests/hostile/hostile.py "$@"
