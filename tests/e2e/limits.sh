#!/bin/bash
# Pools: never more than their slots at once, nobody else delayed, the large not starved.
. "$(dirname "$0")/lib.sh"
# A task that has waited for so long reserves what frees; a minute unless said otherwise.
export PENSTOCK_SCHEDULER_AGEING_BOUND=1s
cluster --slots 60

# A task of the pool notes how many are running beside it: a directory each while it runs.
counting='mkdir "$OUT/r/$PENSTOCK_TASK"; ls "$OUT/r" | wc -l >>"$OUT/most"; rmdir "$OUT/r/$PENSTOCK_TASK"'
mkdir -m 777 "$OUT/r"
install -m 666 /dev/null "$OUT/most"

penstock pool set three 3 >/dev/null
{
  echo "dag: thousand"
  echo "defaults: {env: {OUT: '$OUT'}}"
  echo "tasks:"
  for i in $(seq 500); do echo "  s$i: {pool: three, sh: '$counting'}"; done
  for i in $(seq 500); do echo "  n$i: {pool: three, noop: {on: worker}}"; done
} | apply
{
  echo "dag: outside"
  echo "tasks:"
  for i in $(seq 20); do echo "  o$i: {sh: 'true'}"; done
} | apply
trigger thousand
eventually 10 test -s "$OUT/most" || fail "nothing runs in the pool"
from=$(date +%s%N)
expect "tasks outside a full pool" 0 success penstock trigger outside --watch
took=$((($(date +%s%N) - from) / 1000000))
if [ "$took" -lt 5000 ]; then pass; else fail "20 tasks outside the pool took $took ms"; fi
[ "$(wc -l <"$OUT/most")" -lt 500 ] || echo "note: the pool was done before the others were"
expect "a thousand tasks in a pool of 3" 0 success penstock run watch thousand
most=$(sort -n "$OUT/most" | tail -n 1)
if [ "$most" -le 3 ]; then pass; else fail "$most ran at once in a pool of 3"; fi
same "every task ran once" 500 "$(wc -l <"$OUT/most")"
expect "the pool is empty again" 0 '^three +3 +0 +0' penstock pool list

# 50 slots at once, against a stream of small ones that never lets so many be free by chance.
penstock pool set fifty 50 >/dev/null
{
  echo "dag: starving"
  echo "defaults: {pool: fifty}"
  echo "tasks:"
  echo "  large: {pool: {name: fifty, slots: 50}, priority: 100, needs: small1, sh: 'date +%s >$OUT/large'}"
  for i in $(seq 600); do echo "  small$i: {sh: 'sleep 0.5; date +%s >>$OUT/small'}"; done
} | apply
install -m 666 /dev/null "$OUT/small"
install -m 666 /dev/null "$OUT/large"
trigger starving
eventually 18 test -s "$OUT/large" && pass || fail "the task of 50 slots did not run"
same "small ones were still left when it ran" yes \
  "$([ "$(wc -l <"$OUT/small")" -lt 600 ] && echo yes || echo no)"
