#!/bin/sh
# The store's flush against the floor, in turns on the same server; prints the medians' ratio.
#   flush_vs_floor.sh FLUSH_BENCH "host=... user=..." [rounds] [seconds] [runs per batch]
# Uses (and drops) the database "flush_vs_floor".
set -eu
bench=$1
server=$2
rounds=${3:-3}
seconds=${4:-10}
m=${5:-100}
here=$(dirname "$0")
psql -q -d "$server dbname=postgres" -c 'drop database if exists flush_vs_floor' \
  -c 'create database flush_vs_floor' 2>/dev/null
db="$server dbname=flush_vs_floor"

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

floor_once() {
  psql -q -d "$db" -f "$here/setup.sql" 2>/dev/null
  pgbench -n -M prepared -f "$here/flush.sql" -D k=0 -D m="$m" -c 1 -T "$seconds" "$db" 2>/dev/null |
    awk -v m="$m" '/^tps/ {printf "%d\n", $3 * m * 10}'
}

floor=''
tasks=''
runs=''
i=0
while [ "$i" -lt "$rounds" ]; do
  floor="$floor $(floor_once)"
  tasks="$tasks $("$bench" "$db" "$seconds" "$m" tasks)"
  runs="$runs $("$bench" "$db" "$seconds" "$m" runs)"
  i=$((i + 1))
done
f=$(echo "$floor" | tr ' ' '\n' | grep . | median)
t=$(echo "$tasks" | tr ' ' '\n' | grep . | median)
r=$(echo "$runs" | tr ' ' '\n' | grep . | median)
echo "floor tasks/s:$floor"
echo "flush tasks/s:$tasks"
echo "flush with run rows, tasks/s:$runs"
awk -v f="$f" -v t="$t" -v r="$r" 'BEGIN {printf "ratio %.2f, with run rows %.2f\n", t / f, r / f}'
psql -q -d "$server dbname=postgres" -c 'drop database flush_vs_floor'
