#!/bin/bash
# What the tests ask of PostgreSQL, asked of other versions of it: the store, the private server and
# standalone (ctest -L pg), the first of the end-to-end tests, and a quick look at the throughput.
#   tests/pg_versions.sh [MAJOR...]                default: 13 14 15 16 17 18
# Needs the builds of `dev` and of `release` (penstock and penstock-bench), and maven, unzip and
# xz-utils, by which it gets the servers' programs; they are kept in PENSTOCK_PG_CACHE (a directory
# below /var/tmp by default) for the next time. Clients are this machine's.
# The last lines say PASS or FAIL for each version; the exit code is the number of failures.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 99
cache=${PENSTOCK_PG_CACHE:-/var/tmp/penstock-postgresql-$(id -u)}
artifact=io.zonky.test.postgres:embedded-postgres-binaries-linux
declare -A release=([13]=13.23.0 [14]=14.20.0 [15]=15.19.0 [16]=16.15.0 [17]=17.11.0 [18]=18.6.0)
case "$(uname -m)" in x86_64) cpu=amd64 ;; aarch64) cpu=arm64v8 ;; *) cpu=$(uname -m) ;; esac

# provide MAJOR: its programs are in $cache/MAJOR/bin.
provide() {
  local dir=$cache/$1 version=${release[$1]:-} jars=$cache/jars
  [ -x "$dir/bin/postgres" ] && return
  [ -n "$version" ] || { echo "no version $1 here: ${!release[*]}"; return 1; }
  rm -rf "$dir" "$dir.new"
  mkdir -p "$dir.new" "$jars"
  mvn -q -B dependency:copy -Dartifact="$artifact-$cpu:$version" -DoutputDirectory="$jars" &&
    unzip -qp "$jars/${artifact#*:}-$cpu-$version.jar" '*.txz' | tar -xJ -C "$dir.new" || return 1
  # It brings the server only.
  ln -s "$(pg_config --bindir)/psql" "$dir.new/bin/psql"
  mv "$dir.new" "$dir"
}

# examine MAJOR
examine() {
  provide "$1" || return 1
  export PENSTOCK_PG_BIN=$cache/$1/bin
  printf '\n%s\n' "$("$PENSTOCK_PG_BIN/postgres" --version)"
  ctest --preset dev -L pg || return 1
  ctest --preset dev -R e2e_basics || return 1
  build/release/bin/penstock-bench --only throughput --rounds 1 --scale 0.1
}

mkdir -p "$cache"
log=$(mktemp -d "${TMPDIR:-/tmp}/penstock-pg.XXXXXX")
results='' failures=0
for major in ${*:-13 14 15 16 17 18}; do
  begin=$SECONDS result=PASS
  printf '\n== PostgreSQL %s\n' "$major"
  if ! examine "$major" >"$log/$major" 2>&1; then
    result=FAIL failures=$((failures + 1))
    grep -E -A25 '\*\*\*(Failed|Timeout|Not Run|Exception)|: Failure$' "$log/$major" | head -n 100
  fi
  grep -E '^postgres |tests (passed|failed)|noop' "$log/$major" || tail -n 20 "$log/$major"
  results+="$result PostgreSQL $major ($((SECONDS - begin)) s)"$'\n'
done
rm -rf "$log"
printf '\n%s' "$results"
exit "$failures"
