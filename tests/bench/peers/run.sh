#!/bin/bash
# Compares Penstock with queues and workflow engines on one PostgreSQL, in turns (README.md).
#   tests/bench/peers/run.sh [--json] [--rounds N] [--shapes 'SHAPE...'] [PEER...]
# PEER is a folder beside this file; without one, all. N turns each (3), fewer where one takes long.
# SHAPE replaces those of the peers: single:N wide:N chain:N layered:N.
# Needs build/release/bin (or PENSTOCK_BIN), python3 and jq, and what a peer is written in. Installs
# into ${XDG_CACHE_HOME:-~/.cache}/penstock-bench-peers. Exit code 1: a peer could not be measured.
set -uo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/bench/peers/lib.sh
. "$here/lib.sh"
bin=$(realpath "${PENSTOCK_BIN:-$here/../../../build/release/bin}")
rounds=3 format=table only_shapes=
while [ $# -gt 0 ]; do
  case $1 in
    --json) format=json ;;
    --rounds) rounds=${2:?} && shift ;;
    --shapes) only_shapes=${2:?} && shift ;;
    -*) sed -n '2,7s/^# //p' "$0" && exit 2 ;;
    *) break ;;
  esac
  shift
done
if [ $# = 0 ]; then
  mapfile -t peers < <(cd "$here" && dirname -- */peer.sh)
  set -- "${peers[@]}"
fi
for name; do
  [ -e "$here/$name/peer.sh" ] || { echo "no such peer: $name" >&2 && exit 2; }
done

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

# As penstock-bench measures: 4096 slots for what runs in the worker, 16 processes at once.
start_penstock() {
  PENSTOCK_PEER_MARK=penstock "$bin/penstock" standalone --data "$work/data" --detach --port 0 \
    --slots 4096 >"$work/penstock.log" 2>&1 || { cat "$work/penstock.log" && exit 1; }
  address=$(jq -r .address "$work/data/standalone.json")
  "$bin/penstock" --address "$address" pool set processes 16 >>"$work/penstock.log" || exit 1
  export PGHOST PGUSER=penstock
  PGHOST=$(jq -r .postgres.socket_dir "$work/data/standalone.json")
}

# record ENGINE SHAPE RUNS_IN COMMAND...: a turn; its line of JSON goes to the results.
record() {
  local engine=$1 shape=$2 runs_in=$3 line cpu counter
  shift 3
  processes_of "$engine" | wc -l >"$work/processes"
  while sleep 0.5; do processes_of "$engine" | wc -l; done >>"$work/processes" &
  counter=$!
  cpu=$(cpu_by "$engine")
  line=$("$@" 2>>"$work/$peer.log" && times >"$work/times") || line=
  cpu=$(cpu_by "$engine" | awk -v before="$cpu" '{ print $1 - before }')
  kill "$counter" && wait "$counter" 2>/dev/null
  jq -c --arg peer "$peer" --arg version "$version" --arg engine "$engine" --arg shape "$shape" \
    --arg runs_in "$runs_in" --arg settings "$settings" \
    --argjson processes "$(sort -n "$work/processes" | tail -n 1)" --argjson servers_cpu "$cpu" \
    --argjson turn_cpu "$(tail -n 1 "$work/times" | tr ms '  ' | awk '{ print 60 * ($1 + $3) + $2 + $4 }')" \
    '. + $ARGS.named | .cpu_seconds = (.cpu_seconds // .turn_cpu) + .servers_cpu' \
    <<<"${line##*$'\n'}" >>"$work/results.jsonl" 2>>"$work/$peer.log" && [ -n "$line" ] && return
  echo "FAIL: $engine $shape: $(tail -n 3 "$work/$peer.log")" >&2
  return 1
}

penstock_turns() {
  record penstock "$1" in-process "$bin/penstock-shape" "$address" "$1" 'noop: {on: worker}' &&
    record penstock "$1" process "$bin/penstock-shape" "$address" "$1" "exec: ['true'], pool: processes"
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

ready_peer() {
  in_peer install && psql -qX -d penstock -c "create database \"$PGDATABASE\"" && in_peer start
}

measure_peer() {
  local shape
  if ! ready_peer >"$work/$peer.log" 2>&1; then
    echo "FAIL: $peer does not start: $(tail -n 3 "$work/$peer.log")" >&2
    return 1
  fi
  # shellcheck disable=SC2031
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
