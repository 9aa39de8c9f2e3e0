#!/bin/bash
# From a fresh Debian 12 to a running cluster and a finished run on real data: installs what is
# missing (as root or through sudo), builds Penstock, starts it on this machine, applies
# examples/zones and runs it. Harmless and quick when repeated.
#   deploy/quickstart.sh [DATA_DIRECTORY]
# The default directory is ~/.local/share/penstock, or /var/lib/penstock/standalone for root.
set -euo pipefail
cd "$(dirname "$0")/.."
# The user's own language may not be installed here, and perl and psql would say so all the time.
export LC_ALL=C.UTF-8

case "${1:-}" in -*) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 2 ;; esac
if [ "$(id -u)" = 0 ]; then
  default=/var/lib/penstock/standalone
else
  default=${XDG_DATA_HOME:-$HOME/.local/share}/penstock
fi
data=$(realpath -m -- "${1:-$default}")
bin=$PWD/build/release/bin
log=$PWD/build/quickstart.log
mkdir -p build
# PostgreSQL does not run as root, and its user must get through, whatever root's umask says.
[ "$(id -u)" != 0 ] || umask 022
mkdir -p "$(dirname "$data")"

say() { printf '\n== %s\n' "$*"; }

# quietly WHAT COMMAND...: its output is shown only when it fails.
quietly() {
  local what=$1
  shift
  "$@" >"$log" 2>&1 && return
  tail -n 30 "$log" >&2
  echo "$what failed; all of its output is in $log" >&2
  exit 1
}

# As many compilers as there are cores, but no more than fit into the memory.
compilers() {
  local fit
  fit=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  echo $((fit < 1 ? 1 : fit < $(nproc) ? fit : $(nproc)))
}

say "1/5 packages"
deploy/install-packages.sh build

say "2/5 build (the first time takes a while; progress: tail -f $log)"
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
quietly "the build" cmake --preset release
quietly "the build" cmake --build --preset release -j "$(compilers)" \
  --target penstock penstock-scheduler penstock-worker penstock-guardian

say "3/5 start"
if "$bin/penstock" standalone --data "$data" --status >/dev/null 2>&1; then
  echo "already up in $data"
else
  port=7400
  # Somebody else's port is no reason to fail.
  if (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; then port=0; fi
  "$bin/penstock" standalone --data "$data" --port "$port" --detach
fi
address=$(jq -r .address "$data/standalone.json")
socket=$(jq -r .postgres.socket_dir "$data/standalone.json")

say "4/5 a database for the example's results"
admin="host=$socket user=penstock dbname=postgres"
results="host=$socket user=demo dbname=zones_demo"
has() { [ "$(psql -XqAt -c "select count(*) from $1 where $2" "$admin")" = 1 ]; }
has pg_roles "rolname = 'demo'" || psql -Xq -c 'create role demo login' "$admin"
has pg_database "datname = 'zones_demo'" ||
  psql -Xq -c 'create database zones_demo owner demo' "$admin"
echo "zones_demo: psql '$results'"

say "5/5 run examples/zones"
export PENSTOCK_ADDRESS=$address
"$bin/penstock" apply examples/zones/zones.yaml
"$bin/penstock" trigger zones --watch -p database="$results"

say "the result"
psql -Xq -f examples/zones/report.sql "$results"
cat <<TEXT
Try next:
  export PENSTOCK_ADDRESS=$address PATH=$bin:\$PATH
  penstock run show zones
  penstock task logs zones report
  penstock standalone --data $data --stop
TEXT
