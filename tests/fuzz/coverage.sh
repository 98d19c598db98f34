#!/bin/sh
# Which lines of the code that reads bytes from outside the fuzzers' inputs reach: corpus, regressions, seeds, and what
# was learned by runs of run.sh with MILLRACE_FUZZ_KEEP=1. Prints lines, missed lines and per cent for each file.
#
#   tests/fuzz/coverage.sh [TARGET...]
set -u
cd "$(dirname "$0")/../.." || exit 1

build=build/fuzz-coverage
jobs=${MILLRACE_FUZZ_JOBS:-$(nproc)}
mkdir -p "$build" || exit 1
if ! { cmake --preset fuzz -B "$build" \
    -DCMAKE_C_FLAGS="-fprofile-instr-generate -fcoverage-mapping" && nice ninja -C "$build" -j "$jobs" fuzzers; } \
    >"$build/build.log" 2>&1; then
    tail -n 30 "$build/build.log"
    exit 1
fi
rm -rf "$build/seeds" "$build"/*.profraw
mkdir -p "$build/seeds"
export LLVM_PROFILE_FILE=/dev/null
{ python3 -B tests/fuzz/seeds.py "$build/seeds" && "$build/bin/fuzz_seeds" "$build/seeds"; } || exit 1

targets=$*
[ -n "$targets" ] || targets=$(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||')
objects=
for target in $targets; do
    inputs=
    for folder in "tests/fuzz/corpus/$target" "tests/fuzz/regressions/$target" "$build/seeds/$target" \
        "build/fuzz/learned/$target"; do
        [ ! -d "$folder" ] || inputs="$inputs $folder"
    done
    # shellcheck disable=SC2086
    LLVM_PROFILE_FILE=$build/$target.profraw "$build/bin/fuzz_$target" -runs=0 -max_len=16384 $inputs \
        >"$build/$target.log" 2>&1 || { tail -n 5 "$build/$target.log"; exit 1; }
    objects="$objects -object $build/bin/fuzz_$target"
done
llvm-profdata-14 merge -sparse "$build"/*.profraw -o "$build/all.profdata" || exit 1
# shellcheck disable=SC2086
llvm-cov-14 report -instr-profile "$build/all.profdata" ${objects# -object} 2>/dev/null |
    awk '/\.c |^TOTAL/ && !/tests\// { printf "%-56s %6s lines %6s missed %8s\n", $1, $8, $9, $10 }'
