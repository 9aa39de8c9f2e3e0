#!/bin/bash
# Faults against a real cluster on this machine, judged by files that the tasks write themselves.
#   tests/chaos/run.sh [PRESET] [SCENARIO...]      default: dev, all scenarios
# Scenarios: kill-owner stop-owner cut-owner stop-alone kill-worker stop-worker restart-postgres
#            crash-postgres postgres-away postgres-gone pool
# Each prints what it measured and PASS or FAIL; the exit code is the number of failures. Needs jq.
# PENSTOCK_CHAOS_KEEP=DIR keeps the files and logs of the last one.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 99
preset=${1:-dev}
[ $# -gt 0 ] && shift
scenarios=${*:-kill-owner stop-owner cut-owner stop-alone kill-worker stop-worker restart-postgres
  crash-postgres postgres-away postgres-gone pool}
bin=$PWD/build/$preset/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-chaos.XXXXXX")
chmod 755 "$work"
export PENSTOCK_ADDRESS=127.0.0.1:7600
failures=0

cleanup() {
  [ -z "${PENSTOCK_CHAOS_KEEP:-}" ] || cp -r "$work" "$PENSTOCK_CHAOS_KEEP"
  [ -z "${second:-}" ] || kill -9 "$second" 2>/dev/null
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
  sleep 2  # until everybody has heard of everybody, which takes a beat
}

# The scheduler that became owner last, by its log; ends the script when there is none.
owner() {
  grep -sH 'owner of domain' "$work"/data/logs/{scheduler-*,s2}.log |
    sed 's/^\(.*\)\.log:\([^ ]*\) .*/\2 \1/' |
    sort | tail -n 1 | sed 's#.*/##'
}
# owns NAME: waits until it does (15 s).
owns() {
  local i
  for i in $(seq 150); do
    [ "$(owner)" = "$1" ] && return
    sleep 0.1
  done
  echo "$1 did not become the owner"
  exit 99
}

# dag LONG SHORT: tasks of $seconds and short ones, each of which writes down when it ran. A long
# one whose earlier attempt is still there says "beside".
dag() {
  local truth=$work/truth i
  local note="\$PENSTOCK_TASK \$PENSTOCK_ATTEMPT"
  : >"$truth"
  rm -rf "$truth.d"
  mkdir -m 777 "$truth.d"
  chmod 666 "$truth"
  cat >"$work/long.sh" <<TASK
pid=$truth.d/\$PENSTOCK_TASK
if [ -e "\$pid" ] && kill -0 "\$(cat "\$pid")"; then echo "$note beside \$(date +%s.%N)" >>$truth; fi
echo \$\$ >"\$pid"
echo "$note start \$(date +%s.%N)" >>$truth
sleep ${seconds:-5}
rm -f "\$pid"
echo "$note end \$(date +%s.%N)" >>$truth
TASK
  cat >"$work/short.sh" <<TASK
echo "$note start \$(date +%s.%N)" >>$truth; echo "$note end \$(date +%s.%N)" >>$truth
TASK
  {
    echo "dag: chaos"
    echo "files: [long.sh, short.sh]"
    echo "defaults: {${defaults:-}queue: default}"
    echo "tasks:"
    for i in $(seq "$1"); do echo "  long$i: {priority: 5, sh: '. ./long.sh'}"; done
    for i in $(seq "$2"); do echo "  short$i: {sh: '. ./short.sh'}"; done
  } >"$work/chaos.yaml"
  "$bin/penstock" apply "$work/chaos.yaml" >/dev/null || exit 99
}

start() { "$bin/penstock" trigger chaos --watch >"$work/watch" 2>&1 & watcher=$!; }
finish() { wait "$watcher"; result=$?; }

# facts: instances that ended, that ended twice, that ran beside an earlier attempt of theirs, that
# started more often than they ended, and the longest time without a start.
facts() {
  sort -k4 -n "$work/truth" | awk '
    $3 == "beside" { beside++ }
    $3 == "start" { started++; if (last && $4 - last > gap) gap = $4 - last; last = $4 }
    $3 == "end" { all++; if (++ended[$1] > 1) doubled++ }
    END { printf "ended=%d doubled=%d beside=%d repeated=%d gap=%.2f\n",
          length(ended), doubled, beside, started - all, gap }'
}

# verdict NAME TASKS MAX_GAP MAX_REPEATED [MAX_DOUBLED]
# What a lost worker had done and not yet reported is done again: at least once is the promise.
verdict() {
  local line
  line=$(facts)
  eval "$line"
  # shellcheck disable=SC2154  # set by eval
  if [ "$result" = 0 ] && [ "$ended" = "$2" ] && [ "$doubled" -le "${5:-0}" ] && [ "$beside" = 0 ] &&
    [ "$repeated" -le "$4" ] && awk "BEGIN { exit !($gap < $3) }"; then
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
# successor OLD: another one owns the domain now.
successor() {
  local new
  new=$(owner)
  [ "$new" != "$1" ] && [ -n "$1" ] && echo "$new took over from $1" && return
  echo "FAIL nobody took over from '$1'"
  failures=$((failures + 1))
}
# A scheduler s2 that reaches PostgreSQL through a proxy only.
second_scheduler() {
  local socket port
  socket=$(state .postgres.socket_dir)
  coproc proxy { "$PWD/build/$preset/tests/penstock-fault-proxy" 127.0.0.1:0 "unix:$socket/.s.PGSQL.5432"; }
  read -r port <&"${proxy[0]}"
  exec {control}>&"${proxy[1]}"
  (umask 077 && sed "s#host=[^ ]*#host=127.0.0.1#; s#port=[0-9]*#port=$port#" \
    "$work/data/run/dsn" >"$work/dsn")
  "$bin/penstock-scheduler" --dsn-file "$work/dsn" --name s2 --listen 127.0.0.1:7610 \
    --http 127.0.0.1:0 --log-dir "$work/data/task-logs" >"$work/data/logs/s2.log" 2>&1 &
  second=$!
}
scheduler_pid() { state ".schedulers[] | select(.name == \"$1\") | .pid"; }

for scenario in $scenarios; do
  case $scenario in
    kill-owner)
      cluster 2 2 120; dag 200 10000; start; running 200
      old=$(owner)
      kill -9 "$(scheduler_pid "$old")"
      finish; verdict "$scenario" 10200 1.0 0; successor "$old" ;;
    stop-owner)
      # The domain term is 3 s. The run is over before the owner wakes: it must do no harm then.
      cluster 2 2 50; dag 60 6000; start; running 60
      old=$(owner)
      stopped=$(scheduler_pid "$old")
      kill -STOP "$stopped"; sleep 20; kill -CONT "$stopped"
      finish; verdict "$scenario" 6060 4.0 0; successor "$old" ;;
    cut-owner)
      # The owner reaches workers and clients, but not PostgreSQL any more; nobody tells it.
      cluster 1 2 50; second_scheduler
      kill -9 "$(scheduler_pid scheduler-1)"; owns s2; sleep 2
      dag 60 6000; start; running 60
      echo stall >&"$control"; sleep 20; echo pass >&"$control"
      finish; verdict "$scenario" 6060 4.0 0; successor s2
      kill "$second"; wait "$second" 2>/dev/null
      exec {control}>&-; second='' ;;
    stop-alone)
      # The only scheduler, for longer than gRPC's keepalive and shorter than the workers' lease.
      cluster 1 2 50; dag 60 3000; start; running 60
      stopped=$(scheduler_pid scheduler-1)
      kill -STOP "$stopped"; sleep 12; kill -CONT "$stopped"
      finish; verdict "$scenario" 3060 18.0 0 ;;
    kill-worker)
      # Attempts that were killed in the middle start again: their first start has no end.
      cluster 1 2 50; dag 60 1000; start; running 60
      kill -9 "$(state '.workers[0].pid')"
      finish; verdict "$scenario" 1060 5.0 60 50 ;;
    stop-worker)
      # Its guardian ends the attempts with the lease (15 s); they start elsewhere a second later.
      # What the worker says of them when it wakes is too late.
      cluster 1 2 50; seconds=22 dag 60 200; start; running 60
      stopped=$(state '.workers[0].pid')
      from=$(now)
      kill -STOP "$stopped"; sleep 19; kill -CONT "$stopped"
      finish
      grep ' 2 start' "$work/truth" | sort -k4 -n | awk -v from="$from" '
        { last = $4; if (!first) first = $4; n++ }
        END { printf "%d started elsewhere %.1f to %.1f s after the stop\n", n, first - from, last - from }'
      # Its old session's results were refused: it was told so, and works under another one.
      grep -q 'went over to another session' "$work/data/logs/worker-1.log" ||
        { echo "nobody told the worker that its session was over"; failures=$((failures + 1)); }
      verdict "$scenario" 260 20.0 60 50 ;;
    restart-postgres | crash-postgres)
      # As `pg_ctl restart` does it, and a backend killed: the server ends all sessions and recovers.
      cluster 1 1 60; dag 40 4000; start; running 40
      if [ "$scenario" = restart-postgres ]; then
        data=$(state .postgres.data_dir)
        timeout 30 setpriv --reuid "$(stat -c %u "$data")" --clear-groups \
          "$(pg_config --bindir)/pg_ctl" restart -w -m fast -D "$data" >/dev/null </dev/null 2>&1 ||
          echo "pg_ctl restart failed"
      else
        kill -9 "$(pgrep -P "$(state .postgres.pid)" -f 'penstock' | head -n 1)"
      fi
      finish; verdict "$scenario" 4040 8.0 0 ;;
    postgres-gone)
      # Stopped by hand: the supervisor waits for 30 s before it starts it again. That is longer than
      # the workers' lease, so what ended in the last moments is not known to have, and runs again.
      cluster 1 1 60; dag 40 4000; start; running 40
      kill -INT "$(state '.postgres.pid')"
      finish; verdict "$scenario" 4040 45.0 60 200 ;;
    postgres-away)
      cluster 1 1 60; dag 40 4000; start; running 40
      postmaster=$(state '.postgres.pid')
      kill -STOP "$postmaster"; pkill -STOP -P "$postmaster"; sleep 8
      pkill -CONT -P "$postmaster"; kill -CONT "$postmaster"
      finish; verdict "$scenario" 4040 14.0 0 ;;
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
