#!/bin/bash
# Faults against a real cluster on this machine, judged by files that the tasks write themselves.
#   tests/chaos/run.sh [PRESET] [SCENARIO...]      default: dev, all scenarios
# Scenarios: kill-owner stop-owner kill-worker stop-worker restart-postgres crash-postgres
#            postgres-away pool
# Each prints what it measured and PASS or FAIL; the exit code is the number of failures. Needs jq.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 99
preset=${1:-dev}
[ $# -gt 0 ] && shift
scenarios=${*:-kill-owner stop-owner kill-worker stop-worker restart-postgres crash-postgres postgres-away pool}
bin=$PWD/build/$preset/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-chaos.XXXXXX")
chmod 755 "$work"
export PENSTOCK_ADDRESS=127.0.0.1:7600
failures=0

cleanup() {
  [ -z "${PENSTOCK_CHAOS_KEEP:-}" ] || cp -r "$work" "$PENSTOCK_CHAOS_KEEP"
  "$bin/penstock" standalone --data "$work/data" --stop >/dev/null 2>&1
  rm -rf "$work"
}
trap cleanup EXIT

state() { jq -r "$1" "$work/data/standalone.json"; }
now() { date +%s.%N; }

# cluster SCHEDULERS WORKERS SLOTS
cluster() {
  "$bin/penstock" standalone --data "$work/data" --stop >/dev/null 2>&1
  rm -rf "$work/data"
  "$bin/penstock" standalone --data "$work/data" --detach --port 7600 \
    --schedulers "$1" --workers "$2" --slots "$3" >/dev/null || exit 99
}

owner() {
  local id
  id=$(grep -l 'owner of domain' \
    "$work"/data/logs/scheduler-*.log | while read -r log; do
      grep -h 'owner of domain\|let go of domain' "$log" | tail -n 1 |
        grep -q 'owner of domain' && echo "$(grep -h 'owner of domain' "$log" | tail -n 1 |
        cut -d' ' -f1) $(basename "$log" .log)"; done | sort | tail -n 1 | cut -d' ' -f2)
  echo "$id"
}

# dag LONG SHORT: tasks of 5 s and short ones, each of which writes down when it ran.
dag() {
  local truth=$work/truth i
  : >"$truth"
  chmod 666 "$truth"
  {
    echo "dag: chaos"
    echo "defaults: {${defaults:-}env: {TRUTH: \"$truth\"}}"
    echo "tasks:"
    for i in $(seq "$1"); do
      echo "  long$i: {priority: 5, sh: 'echo \"\$PENSTOCK_TASK \$PENSTOCK_ATTEMPT start \$(date +%s.%N)\" >>\$TRUTH; sleep 5; echo \"\$PENSTOCK_TASK \$PENSTOCK_ATTEMPT end \$(date +%s.%N)\" >>\$TRUTH'}"
    done
    for i in $(seq "$2"); do
      echo "  short$i: {sh: 'echo \"\$PENSTOCK_TASK \$PENSTOCK_ATTEMPT start \$(date +%s.%N)\" >>\$TRUTH; echo \"\$PENSTOCK_TASK \$PENSTOCK_ATTEMPT end \$(date +%s.%N)\" >>\$TRUTH'}"
    done
  } >"$work/chaos.yaml"
  "$bin/penstock" apply "$work/chaos.yaml" >/dev/null || exit 99
}

start() { "$bin/penstock" trigger chaos --watch >"$work/watch" 2>&1 & watcher=$!; }
finish() { wait "$watcher"; result=$?; }

# facts: completed and doubled executions, overlaps, and the longest gap between two starts.
facts() {
  sort -k4 -n "$work/truth" | awk '
    $3 == "start" { if ($1 in open) overlaps++; open[$1] = $2; if (last && $4 - last > gap) gap = $4 - last; last = $4 }
    $3 == "end" { if (++ended[$1] > 1) doubled++; delete open[$1] }
    END { printf "ended=%d doubled=%d overlaps=%d gap=%.2f\n", length(ended), doubled, overlaps, gap }'
}

# verdict NAME TASKS MAX_GAP MAX_OVERLAPS
verdict() {
  local line
  line=$(facts)
  eval "$line"
  # shellcheck disable=SC2154  # set by eval
  if [ "$result" = 0 ] && [ "$ended" = "$2" ] && [ "$doubled" = 0 ] && [ "$overlaps" -le "$4" ] &&
    awk "BEGIN { exit !($gap < $3) }"; then
    echo "PASS $1: $2 tasks, $line (gap below $3 s)"
  else
    echo "FAIL $1: run exit $result, $line; wanted $2 ended, gap below $3 s"
    tail -n 5 "$work/watch"
    failures=$((failures + 1))
  fi
}

# running N: so many of the long tasks have started (20 s).
running() {
  local i
  for i in $(seq 200); do
    [ "$(grep -c '^long.* start' "$work/truth")" -ge "$1" ] && return
    sleep 0.1
  done
}
scheduler_pid() { state ".schedulers[] | select(.name == \"$1\") | .pid"; }

for scenario in $scenarios; do
  case $scenario in
    kill-owner)
      cluster 2 2 120; dag 200 10000; start; running 200
      kill -9 "$(scheduler_pid "$(owner)")"
      finish; verdict "$scenario" 10200 1.0 0 ;;
    stop-owner)
      cluster 2 2 30; dag 60 3000; start; sleep 3
      stopped=$(scheduler_pid "$(owner)")
      kill -STOP "$stopped"; sleep 20; kill -CONT "$stopped"
      finish; verdict "$scenario" 3060 4.0 0 ;;
    kill-worker)
      # Attempts that were killed in the middle start again: their first start has no end.
      cluster 1 2 30; dag 60 1000; start; sleep 3
      kill -9 "$(state '.workers[0].pid')"
      finish; verdict "$scenario" 1060 5.0 60 ;;
    stop-worker)
      cluster 1 2 30; dag 60 200; start; sleep 2
      stopped=$(state '.workers[0].pid')
      kill -STOP "$stopped"; sleep 20; kill -CONT "$stopped"
      finish; verdict "$scenario" 260 20.0 60 ;;
    restart-postgres | crash-postgres)
      # The supervisor leaves a server that was stopped alone for 30 s, as an operator would want.
      cluster 1 1 40; dag 40 2000; start; sleep 2
      if [ "$scenario" = restart-postgres ]; then signal=INT; else signal=QUIT; fi
      kill -$signal "$(state '.postgres.pid')"
      finish; verdict "$scenario" 2040 45.0 0 ;;
    postgres-away)
      cluster 1 1 40; dag 40 2000; start; sleep 2
      postmaster=$(state '.postgres.pid')
      kill -STOP "$postmaster"; pkill -STOP -P "$postmaster"; sleep 8
      pkill -CONT -P "$postmaster"; kill -CONT "$postmaster"
      finish; verdict "$scenario" 2040 14.0 0 ;;
    pool)
      cluster 1 1 20
      "$bin/penstock" pool set three 3 >/dev/null
      defaults='pool: three, ' dag 0 300
      start; finish
      most=$(sort -k4 -n "$work/truth" | awk '$3=="start"{n++; if(n>m)m=n} $3=="end"{n--} END{print m}')
      echo "at most $most at once in a pool of 3"
      [ "$most" -le 3 ] || failures=$((failures + 1))
      verdict "$scenario" 300 5.0 0 ;;
    *) echo "unknown scenario $scenario"; exit 99 ;;
  esac
done
exit "$failures"
