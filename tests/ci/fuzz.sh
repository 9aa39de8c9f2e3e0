#!/bin/bash
# Runs a fuzzer of the fuzz build (tests/fuzz/NAME.cc) for SECONDS_EACH seconds (default 30) from
# its kept corpus, tests/fuzz/corpus/NAME without _fuzz. What it finds new stays in
# build/fuzz/found/NAME; a crash fails, and its input is kept there as well.
#   tests/ci/fuzz.sh NAME
#   tests/ci/fuzz.sh --list    the names of all fuzzers
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1:-}" = --list ]; then
  for source in tests/fuzz/*_fuzz.cc; do basename "$source" .cc; done
  exit 0
fi
name=${1:?usage: $0 NAME}
found=build/fuzz/found/$name
corpus=tests/fuzz/corpus/${name%_fuzz}
mkdir -p "$found"
[ -d "$corpus" ] || corpus=
# shellcheck disable=SC2086  # a directory or nothing
exec "build/fuzz/bin/fuzz/$name" -max_total_time="${SECONDS_EACH:-30}" -timeout=10 \
  -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" $corpus
