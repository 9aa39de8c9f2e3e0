#!/bin/sh
# Writes the pages that come from the programs themselves, or checks that they are up to date.
#   docs/generate.sh BIN_DIR           writes docs/configuration.md
#   docs/generate.sh --check BIN_DIR   compares; says what to run when they differ
set -eu

check=false
if [ "${1:-}" = --check ]; then
  check=true
  shift
fi
if [ $# -ne 1 ]; then
  echo "usage: docs/generate.sh [--check] BIN_DIR" >&2
  exit 2
fi
bin=$1
docs=$(cd "$(dirname "$0")" && pwd)

configuration() {
  cat <<'TEXT'
# Configuration

Generated from the programs by `docs/generate.sh`; do not edit.

Every flag can be given as an environment variable too; a flag wins over its variable. Durations look
like `90s`, `12h` or `30d`, sizes like `64Mi`. A program that is given something wrong lists every
problem at once and ends with exit code 2. `--help` prints the same table on a terminal.

TEXT
  "$bin/penstock-scheduler" --help-markdown
  echo
  "$bin/penstock-worker" --help-markdown
}

if ! $check; then
  configuration > "$docs/configuration.md"
  exit 0
fi
new=$(mktemp)
trap 'rm -f "$new"' EXIT
configuration > "$new"
if ! diff -u "$docs/configuration.md" "$new"; then
  echo "docs/configuration.md is out of date: run docs/generate.sh $bin" >&2
  exit 1
fi
