#!/bin/bash
# Runs a fuzzer of the fuzz build (tests/fuzz/NAME.cc) for SECONDS_EACH seconds (default 30) from
# its kept corpus, tests/fuzz/corpus/NAME without _fuzz. What it finds new stays in
# build/fuzz/found/NAME; a crash fails, and its input is kept there as well.
#   tests/ci/fuzz.sh NAME
#   tests/ci/fuzz.sh --list    the names of all fuzzers
#   tests/ci/fuzz.sh --all     all of them, as many at a time as there are processors; what one says
#                              is in build/fuzz/found/NAME.log
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1:-}" = --list ]; then
  for source in tests/fuzz/*_fuzz.cc; do basename "$source" .cc; done
  exit 0
fi
if [ "${1:-}" = --all ]; then
  mkdir -p build/fuzz/found
  # shellcheck disable=SC2016  # expanded by the inner shell
  "$0" --list | xargs -P "$(nproc)" -I{} sh -c '
    log=build/fuzz/found/{}.log
    if tests/ci/fuzz.sh {} >"$log" 2>&1; then result=ok; else result=FAILED; fi
    [ $result = ok ] || grep -E "ERROR:|SUMMARY|check failed|runtime error|crash-" "$log" | head -n 20
    echo "{}: $result, $(sed -n "s/^stat::number_of_executed_units: *//p" "$log") inputs"
    [ $result = ok ]'
  exit
fi
name=${1:?usage: $0 NAME}
found=build/fuzz/found/$name
corpus=tests/fuzz/corpus/${name%_fuzz}
mkdir -p "$found"
[ -d "$corpus" ] || corpus=
# shellcheck disable=SC2086  # a directory or nothing
exec "build/fuzz/bin/fuzz/$name" -max_total_time="${SECONDS_EACH:-30}" -timeout=10 \
  -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" $corpus
