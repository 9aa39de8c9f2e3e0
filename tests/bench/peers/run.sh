#!/bin/bash
# Compares Penstock with queues and workflow engines on one PostgreSQL, in turns (README.md).
#   tests/bench/peers/run.sh [--json] [--rounds N] [PEER...]
# PEER is a folder beside this file; without one, all. N turns each (3), fewer where one takes long.
# Needs build/release/bin (or PENSTOCK_BIN), python3 and jq, and what a peer is written in. Installs
# into ${XDG_CACHE_HOME:-~/.cache}/penstock-bench-peers. Exit code 1: a peer could not be measured.
set -uo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/bench/peers/lib.sh
. "$here/lib.sh"
bin=$(realpath "${PENSTOCK_BIN:-$here/../../../build/release/bin}")
rounds=3 format=table
while [ $# -gt 0 ]; do
  case $1 in
    --json) format=json ;;
    --rounds) rounds=${2:?} && shift ;;
    -*) sed -n '2,6s/^# //p' "$0" && exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || set -- $(cd "$here" && dirname -- */peer.sh)

work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-peers.XXXXXX")
chmod 755 "$work"
failures=0
peer=
end() {
  trap '' INT TERM
  [ -z "$peer" ] || stop_peer
  "$bin/penstock" standalone --data "$work/data" --stop >/dev/null 2>&1
  [ -n "${PENSTOCK_PEERS_KEEP:-}" ] || rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

start_penstock() {
  PENSTOCK_PEER_MARK=penstock "$bin/penstock" standalone --data "$work/data" --detach --port 0 \
    --slots "${PENSTOCK_SLOTS:-512}" >"$work/penstock.log" 2>&1 || { cat "$work/penstock.log" && exit 1; }
  address=$(jq -r .address "$work/data/standalone.json")
  export PGHOST PGUSER=penstock
  PGHOST=$(jq -r .postgres.socket_dir "$work/data/standalone.json")
}

# record ENGINE SHAPE RUNS_IN COMMAND...: a turn; its line of JSON goes to the results.
record() {
  local engine=$1 shape=$2 runs_in=$3 line
  shift 3
  count_processes "$engine" >"$work/processes"
  while sleep 0.5; do count_processes "$engine"; done >>"$work/processes" &
  local counter=$!
  line=$("$@" 2>>"$work/$peer.log" | tail -n 1)
  kill "$counter" 2>/dev/null && wait "$counter" 2>/dev/null
  jq -c --arg peer "$peer" --arg version "$version" --arg engine "$engine" --arg shape "$shape" \
    --arg runs_in "$runs_in" --arg settings "$settings" \
    --argjson processes "$(sort -n "$work/processes" | tail -n 1)" \
    '. + $ARGS.named' <<<"$line" >>"$work/results.jsonl" 2>>"$work/$peer.log" && [ -n "$line" ] && return
  echo "FAIL: $engine $shape: $(tail -n 3 "$work/$peer.log")" >&2
  return 1
}

penstock_turns() {
  record penstock "$1" in-process "$bin/penstock-shape" "$address" "$1" 'noop: {on: worker}' &&
    record penstock "$1" process "$bin/penstock-shape" "$address" "$1" "exec: ['true']"
}

# Another turn only where one takes less than a minute.
compare() {
  local shape=$1 round before
  for ((round = 0; round < rounds; ++round)); do
    before=$SECONDS
    penstock_turns "$shape" || return 1
    record "$peer" "$shape" "$runs_in" in_peer turn "$shape" || return 1
    [ $((SECONDS - before)) -lt 60 ] || break
  done
}

measure_peer() {
  local shape
  in_peer install >"$work/$peer.log" 2>&1 &&
    psql -qX -d penstock -c "create database \"$PGDATABASE\"" >>"$work/$peer.log" 2>&1 &&
    in_peer start >>"$work/$peer.log" 2>&1 ||
    { echo "FAIL: $peer does not start: $(tail -n 3 "$work/$peer.log")" >&2 && return 1; }
  for shape in $shapes; do
    echo "$peer $shape ..." >&2
    compare "$shape" || return 1
  done
}

start_penstock
for name; do
  enter_peer "$name"
  measure_peer || failures=$((failures + 1))
  stop_peer
done
[ -s "$work/results.jsonl" ] && python3 -B "$here/table.py" "$format" <"$work/results.jsonl"
[ "$failures" = 0 ]
