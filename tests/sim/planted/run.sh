#!/bin/sh
# Plants one bug at a time into a copy of the sources and lets the simulator look for it: does it see what it is there
# to see?
#
#   tests/sim/planted/run.sh [--seeds N] [NAME...]      all patches of this folder, or those whose names begin like that
#   tests/sim/planted/run.sh --check                    do they still fit? (a test of ctest's)
#
# A line for each bug, with the seed that caught it, the promise that was broken, and the scenarios that went otherwise
# than written; then `N passed, N failed`, where passed means caught. A patch that no longer applies or
# compiles is a failure. The copy and its build stay in build/planted, so that the next run compiles only what a patch
# touches. Nothing else is written to.
#
# A patch begins with a line `Breaks: ...` and may say `Runs: ...`: arguments of millrace-sim in place of the default
# workload; `quorum`, for what only the small world of the quorum's unit tests brings about; or the name of a unit test
# whose scripts do. Programs that a bug sends round in circles end after some time, which counts as caught.
set -u
cd "$(dirname "$0")/../../.." || exit 1
root=$(pwd)
patches=$root/tests/sim/planted
work=$root/build/planted
seeds_max=2000
chunk=10
patience=300 # seconds for one chunk

# Only whether the patches still fit; writes nothing.
if [ "${1:-}" = --check ]; then
    passed=0
    failed=0
    for patch in "$patches"/*.patch; do
        if output=$(patch -p1 --dry-run -s -F 1 <"$patch" 2>&1) && head -n 1 "$patch" | grep -q '^Breaks: '; then
            passed=$((passed + 1))
        else
            echo "$(basename "$patch") does not apply any more: $(echo "$output" | head -n 2 | tr '\n' ' ')"
            failed=$((failed + 1))
        fi
    done
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit
fi
if [ "${1:-}" = --seeds ]; then
    seeds_max=$2
    shift 2
fi
mkdir -p "$work/src" || exit 1

sources() {
    find CMakeLists.txt common controller storage-node cli tests -type f ! -name '*.pyc' ! -path '*/planted/*'
}

# Makes the copy equal to the tree. What differs gets a new time, so that an interrupted run leaves no object behind.
copy_sources() {
    sources >"$work/files"
    (cd "$work/src" && sources >"$work/copied" 2>/dev/null)
    sort "$work/files" >"$work/files.sorted"
    sort "$work/copied" | comm -13 "$work/files.sorted" - | while read -r file; do rm -f "$work/src/$file"; done
    while read -r file; do
        cmp -s "$file" "$work/src/$file" ||
            { mkdir -p "$work/src/$(dirname "$file")" && cp "$file" "$work/src/$file" && touch "$work/src/$file"; }
    done <"$work/files"
}

# build RUNS
build() {
    target=millrace-sim
    case "$1" in
    quorum) target=test_quorum_cluster ;;
    test_*) target=$1 ;;
    esac
    nice ninja -C "$work/out" "$target" >"$work/build.log" 2>&1
}

# The first failure in the output of a chunk as `SEED PROMISE`, or nothing.
first_failure() {
    sed -n -e 's/^seed \([0-9]*\) failed: /\1 /p' "$1" | head -n 1
}

# search ARGUMENT...: prints how it was caught; false if it was not.
search() {
    first=1
    while [ "$first" -le "$seeds_max" ]; do
        last=$((first + chunk - 1))
        [ "$last" -le "$seeds_max" ] || last=$seeds_max
        nice timeout -k 5 "$patience" "$work/out/bin/millrace-sim" "$@" --seeds "$first..$last" >"$work/run.log" 2>&1
        code=$?
        found=$(first_failure "$work/run.log")
        if [ -n "$found" ]; then
            assertion=$(grep -m 1 'assertion failed' "$work/run.log")
            echo "caught at seed ${found%% *} after ${found%% *} seeds: ${found#* }${assertion:+, $assertion}"
            return 0
        fi
        if [ "$code" != 0 ]; then
            echo "caught in seeds $first to $last: the program ended with code $code$([ "$code" != 124 ] ||
                echo ', it never came to an end')"
            return 0
        fi
        first=$((last + 1))
    done
    return 1
}

# The same in the small world of the quorum: groups of three and five voters, whose seeds are counted per test.
search_quorum() {
    first=1
    while [ "$first" -le "$seeds_max" ]; do
        MILLRACE_SEED=$first MILLRACE_SEEDS=50 nice timeout -k 5 "$patience" "$work/out/bin/test_quorum_cluster" \
            >"$work/run.log" 2>&1
        code=$?
        found=$(sed -n 's/^.*seed \([0-9]*\), \([0-9]* nodes: .*\)$/\1 \2/p' "$work/run.log" | sort -n |
            head -n 1)
        if [ -n "$found" ]; then
            echo "caught at seed ${found%% *} after ${found%% *} seeds of the quorum's small world, ${found#* }"
            return 0
        fi
        if [ "$code" != 0 ]; then
            echo "caught in the quorum's small world, seeds from $first:" \
                "$(grep -m 1 -i 'assert\|FAILED\|error' "$work/run.log")"
            return 0
        fi
        first=$((first + 50))
    done
    return 1
}

# Names of the scenarios that do not go as written with the bug in.
scenarios_differing() {
    nice ninja -C "$work/out" millrace-sim >"$work/build.log" 2>&1
    for scenario in tests/scenario/*.txt; do
        nice timeout -k 5 60 "$work/out/bin/millrace-sim" --scenario "$scenario" >"$work/scenario.log" 2>&1 ||
            printf ' %s' "$(basename "$scenario" .txt)"
    done
}

# A unit test whose scripts bring about what no seed does.
search_scripts() {
    ! nice timeout -k 5 "$patience" "$work/out/bin/$1" >"$work/run.log" 2>&1 &&
        echo "caught by a script of $1: $(sed -n 's/^\[  FAILED  \] \([a-z]\)/\1/p' "$work/run.log" | head -n 1)"
}

take_back() {
    (cd "$work/src" && patch -p1 -R --no-backup-if-mismatch -s) <"$1" >/dev/null 2>&1 || copy_sources
}

# try PATCH: one bug; true if it was caught.
try() {
    name=$(basename "$1" .patch)
    runs=$(sed -n 's/^Runs: //p' "$1" | head -n 1)
    if ! (cd "$work/src" && patch -p1 --no-backup-if-mismatch -s -F 1) <"$1" >"$work/patch.log" 2>&1; then
        echo "$name  does not apply any more: $(grep -m 1 'FAILED\|find file\|malformed' "$work/patch.log")"
        copy_sources
        return 1
    fi
    if ! build "$runs"; then
        echo "$name  does not compile: $(grep -m 1 'error:' "$work/build.log")"
        take_back "$1"
        return 1
    fi
    if [ "$runs" = quorum ]; then
        result=$(search_quorum)
    elif [ "${runs#test_}" != "$runs" ]; then
        result=$(search_scripts "$runs")
    else
        # shellcheck disable=SC2086
        result=$(search $runs)
    fi
    # shellcheck disable=SC2181
    if [ $? = 0 ]; then
        caught=true
    else
        result="NOT CAUGHT in $seeds_max seeds"
        caught=false
    fi
    differing=$(scenarios_differing)
    echo "$name  $result${differing:+; scenarios that differ:$differing}"
    take_back "$1"
    $caught
}

launcher=
command -v ccache >/dev/null && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
copy_sources
# shellcheck disable=SC2086
if ! { cmake -S "$work/src" -B "$work/out" -G Ninja -DCMAKE_BUILD_TYPE=Release -DMILLRACE_TESTS=ON $launcher &&
    build ""; } >"$work/cmake.log" 2>&1; then
    echo "the tree does not build as it is: see $work/cmake.log and $work/build.log"
    echo "0 passed, 1 failed"
    exit 1
fi

passed=0
failed=0
for patch in "$patches"/*.patch; do
    wanted=$#
    for prefix in "$@"; do
        case "$(basename "$patch")" in "$prefix"*) wanted=0 ;; esac
    done
    [ "$wanted" = 0 ] || continue
    if try "$patch"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
