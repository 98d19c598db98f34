#!/bin/sh
# Holds a cluster against what others wrote: clients, command-line tools, message definitions. Prints a line per test
# and ends with `N passed, N failed, N skipped`.
#
#   tests/conformance/run.sh [PART...]    schemas roundtrip tools traps drills dump; all if none is given
#
# Without more, a local cluster of three controllers and three nodes is started from build/release and stopped at the
# end. The environment may say otherwise:
#
#   CONFORMANCE_SCALE     small (default) or full: the record counts and rounds of the long run
#   CONFORMANCE_CLIENTS   only these clients, e.g. "kcat go"
#   CONFORMANCE_SEED      of the data set (default 1)
#   CONFORMANCE_ROUNDS    how often the drills kill (default 3, full 30)
#   BOOTSTRAP, CONTROLLERS   host:port,... of a cluster that runs; dump needs its directories too:
#   CONFORMANCE_DATA      directory,... of its nodes' logs
#   CONFORMANCE_DIR       directory of a local cluster that `millrace dev up` started; the drills need it or their own
#   CONFORMANCE_KEEP      any text: leave the cluster and its data where they are
#   MILLRACE              the command, build/release/bin/millrace by default
#
# Clients are fetched by their registries' names into build/conformance. What cannot be had is named and skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
case "${1:-}" in
-h | --help) sed -n '2,21s/^# \{0,1\}//p' tests/conformance/run.sh; exit 0 ;;
esac
exec python3 -B tests/conformance/suite.py "$@"
