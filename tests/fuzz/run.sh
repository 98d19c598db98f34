#!/bin/sh
# Builds the fuzzers, runs each on its corpus, its regressions and fresh seeds, then on inputs of its own making.
#
#   tests/fuzz/run.sh [SECONDS [TARGET...]]     SECONDS for each target (default 5), all targets or the named ones
#
# The seconds are of CPU, the fuzzer's and the system's for it: on a busy machine a target takes longer, not less.
# Prints a line for each target, with what it has used, and ends with `N passed, N failed`. What broke is kept in
# build/fuzz/artifacts; fixed, it belongs into tests/fuzz/regressions/TARGET/. MILLRACE_FUZZ_KEEP=1 keeps what was
# learned in build/fuzz/learned for the next run. MILLRACE_FUZZ_RUNS=N: N inputs from a fixed seed, the same every time
# however long they take; fewer for targets whose inputs cost more. MILLRACE_FUZZ_JOBS: compilers and fuzzers at once
# (default: cores).
set -u
cd "$(dirname "$0")/../.." || exit 1

seconds=${1:-5}
[ $# -eq 0 ] || shift
build=build/fuzz
jobs=${MILLRACE_FUZZ_JOBS:-$(nproc)}
out=$build/run
mkdir -p "$out" "$build/artifacts" || exit 1

if ! { cmake --preset fuzz && nice ninja -C "$build" -j "$jobs" fuzzers; } >"$out/build.log" 2>&1; then
    tail -n 30 "$out/build.log"
    echo "0 passed, 1 failed"
    exit 1
fi
rm -rf "$build/seeds"
mkdir -p "$build/seeds"
if ! { python3 -B tests/fuzz/seeds.py "$build/seeds" && "$build/bin/fuzz_seeds" "$build/seeds"; }; then
    echo "0 passed, 1 failed"
    exit 1
fi

# How long target $1 looks for inputs, $2 seconds by the clock, where an input that takes 10 s is a finding; or how many
# it tries, which must not depend on how busy the machine is.
limits_of() {
    if [ -z "${MILLRACE_FUZZ_RUNS:-}" ]; then
        echo "-max_total_time=$2 -timeout=10"
        return
    fi
    case $1 in
    log_index) share=40 ;;
    log_append | log_open) share=10 ;;
    cli_args | properties) share=5 ;;
    quorum_peer | quorum_wal | rpc_server) share=2 ;;
    *) share=1 ;;
    esac
    echo "-seed=1 -runs=$((MILLRACE_FUZZ_RUNS / share)) -timeout=300"
}

# Writes to $out/TARGET.cpu how many seconds of CPU the children of this shell have used, in hundredths.
note_cpu() {
    times >"$out/$1.times"
    awk 'NR == 2 { gsub("s", ""); for (i = 1; i <= 2; i++) { split($i, t, "m"); sum += t[1] * 60 + t[2] } }
         END { printf "%d\n", sum * 100 }' "$out/$1.times" >"$out/$1.cpu"
}

# One target, in the background: its result in $out/TARGET.code, its log in $out/TARGET.log. A fuzzer knows only the
# clock: it is started again for what is left until its seconds of CPU are spent, or ten times as many have passed.
run_target() {
    target=$1
    left=$seconds
    end=$(($(date +%s) + seconds * 10))
    learned=$build/learned/$target
    [ "${MILLRACE_FUZZ_KEEP:-0}" = 1 ] || rm -rf "$learned"
    mkdir -p "$learned"
    inputs=
    for folder in "tests/fuzz/corpus/$target" "tests/fuzz/regressions/$target" "$build/seeds/$target"; do
        [ ! -d "$folder" ] || inputs="$inputs $folder"
    done
    : >"$out/$target.log"
    while :; do
        # shellcheck disable=SC2086
        timeout -k 10 $((left + 600)) "$build/bin/fuzz_$target" $(limits_of "$target" "$left") -rss_limit_mb=2048 \
            -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/artifacts/$target-" "$learned" $inputs \
            >>"$out/$target.log" 2>&1 </dev/null
        code=$?
        note_cpu "$target"
        left=$(((seconds * 100 - $(cat "$out/$target.cpu") + 99) / 100))
        [ $code = 0 ] && [ -z "${MILLRACE_FUZZ_RUNS:-}" ] && [ "$left" -gt 0 ] && [ "$(date +%s)" -lt "$end" ] || break
    done
    echo $code >"$out/$target.code"
}

targets=$*
[ -n "$targets" ] || targets=$(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||')
passed=0
failed=0

# The line of a finished target.
tell() {
    target=$1
    runs=$(awk '/^stat::number_of_executed_units:/ { sum += $2 } END { print sum }' "$out/$target.log")
    cpu=$(awk '{ printf "%.1f", $1 / 100 }' "$out/$target.cpu")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$out/$target.log" | tail -n 1)
    if [ "$(cat "$out/$target.code")" = 0 ]; then
        passed=$((passed + 1))
        printf '%-20s ok      %10s runs, %6s edges, %8s s of CPU\n' "$target" "${runs:-?}" "${covered:-?}" "$cpu"
    else
        failed=$((failed + 1))
        printf '%-20s FAILED  see %s\n' "$target" "$out/$target.log"
        grep -E 'ERROR|fatal:|runtime error|SUMMARY|Test unit' "$out/$target.log" | head -n 8
    fi
}

running=
count=0
for target in $targets; do
    run_target "$target" &
    running="$running $target"
    count=$((count + 1))
    if [ "$count" -ge "$jobs" ]; then
        wait
        for done in $running; do tell "$done"; done
        running=
        count=0
    fi
done
wait
for done in $running; do tell "$done"; done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
