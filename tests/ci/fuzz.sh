#!/bin/bash
# Runs a fuzzer of the fuzz build for SECONDS_EACH seconds (default 30) from its kept corpus,
# tests/fuzz/corpus/NAME. What it finds new stays in build/fuzz/found/NAME; a crash fails, and its
# input is kept there as well.
#   tests/ci/fuzz.sh NAME
#   tests/ci/fuzz.sh --list    the names of all fuzzers that were built
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

fuzzers() { find build/fuzz -type f -executable -name '*_fuzz*' ! -name '*.*' | sort; }

if [ "${1:-}" = --list ]; then
  fuzzers | xargs -r -n 1 basename
  exit 0
fi
name=${1:?usage: $0 NAME}
program=$(fuzzers | grep "/$name\$" | head -n 1)
[ -n "$program" ] || { echo "no fuzzer $name: build the preset fuzz" >&2; exit 2; }
found=build/fuzz/found/$name
corpus=tests/fuzz/corpus/$name
mkdir -p "$found"
[ -d "$corpus" ] || corpus=
exec "$program" -max_total_time="${SECONDS_EACH:-30}" -timeout=10 -rss_limit_mb=2048 \
  -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" $corpus
