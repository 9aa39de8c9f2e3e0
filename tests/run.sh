#!/bin/bash
# The test command: installs what is missing, builds and runs the tests. The last line says
# "N passed, N failed"; the exit code is 0 when nothing failed.
#
#   tests/run.sh          the everyday build and its tests
#   tests/run.sh --ci     also the sanitizer builds with their tests (asan with clang and its checks
#                         of locks), clang-tidy and clang-format, the fuzzers from their kept
#                         corpora, the long simulator run, three minutes of random faults on real
#                         processes, and machines that lose their links
#   --only STAGE,...      only these: dev asan tsan tidy fuzz sim soak; clang = a plain build with it
#   --no-install          leave the system's packages alone
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
exec </dev/null

stages=dev install=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --ci) stages=dev,asan,tsan,tidy,fuzz,sim,soak ;;
    --only) stages=${2:?} && shift ;;
    --no-install) install=no ;;
    *) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0" && exit 2 ;;
  esac
  shift
done

jobs=$(nproc)
export CTEST_PARALLEL_LEVEL=$jobs GTEST_COLOR=no GTEST_BRIEF=1
# The compiler cache serves every clone of the repository, wherever it lies.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime,locale
[ -w "${HOME:-/nonexistent}" ] || export CCACHE_DIR=$PWD/build/.ccache

logs=$PWD/build/logs
mkdir -p "$logs"
passed=0 failed=0 summary=''

# note NAME BEGIN RESULT: one line now, and one in the table at the end.
note() {
  local seconds=$((SECONDS - $2))
  summary+=$(printf '%5d s  %-14s %s' "$seconds" "$1" "$3")$'\n'
  echo "== $1: $3 ($seconds s)"
}

# step NAME COMMAND...: its output goes to a log, of which the telling part is shown on failure.
step() {
  local name=$1 begin=$SECONDS log=$logs/$1.log
  shift
  echo "== $name"
  if "$@" >"$log" 2>&1; then
    note "$name" "$begin" ok
    return 0
  fi
  failed=$((failed + 1))
  grep -E -A6 'error:|FAILED:|ERROR|SUMMARY' "$log" | head -n 80
  tail -n 20 "$log"
  note "$name" "$begin" "FAILED ($log)"
  return 1
}

# A step that is a test by itself.
check() { step "$@" && passed=$((passed + 1)); }

# build PRESET [TARGET...]
build() {
  local preset=$1 targets=''
  shift
  [ $# -gt 0 ] && targets="--target $*"
  # A build directory that came from another place is of no use.
  grep -qsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "build/$preset/CMakeCache.txt" ||
    rm -rf "build/$preset"
  step "$preset-build" sh -c \
    "cmake --preset $preset && cmake --build --preset $preset $targets -- -j$jobs"
}

# suite PRESET: runs its tests and adds up what CTest counted.
suite() {
  local preset=$1 begin=$SECONDS log=$logs/$1-tests.log layout='' line good bad all
  echo "== $preset-tests"
  # ThreadSanitizer of Debian 12 does not cope with the address layout of newer kernels.
  [ "$preset" = tsan ] && setarch -R true 2>/dev/null && layout='setarch -R'
  $layout ctest --preset "$preset" >"$log" 2>&1
  line=$(grep -E 'tests? failed out of [0-9]+' "$log" | tail -n 1)
  bad=$(sed -nE 's/.*, ([0-9]+) tests? failed out of .*/\1/p' <<<"$line")
  all=$(sed -nE 's/.* failed out of ([0-9]+).*/\1/p' <<<"$line")
  bad=${bad:-1} all=${all:-1} good=$((${all:-1} - ${bad:-1}))
  passed=$((passed + good)) failed=$((failed + bad))
  if [ "$bad" -gt 0 ]; then
    grep -E -B1 -A25 '\*\*\*(Failed|Timeout|Not Run|Exception)|: Failure$|SUMMARY:' "$log" |
      head -n 150
    sed -n '/The following tests FAILED/,$p' "$log"
  fi
  note "$preset-tests" "$begin" "$good passed, $bad failed"
}

has() { case ",$stages," in *",$1,"*) return 0 ;; *) return 1 ;; esac; }

if [ "$install" = yes ]; then
  if has clang || has asan || has tidy || has fuzz; then group=all; else group=tests; fi
  step packages deploy/install-packages.sh "$group"
fi
has tidy && check format tests/ci/format.sh
has dev && build dev && suite dev
has clang && build clang
has asan && build asan && suite asan
has tsan && build tsan && suite tsan
# shellcheck disable=SC2046  # a list of names
has fuzz && build fuzz $(tests/ci/fuzz.sh --list) && check fuzzers tests/ci/fuzz.sh --all
has sim && build release penstock-sim && check simulator tests/ci/simulate.sh
has soak && build dev penstock-{scheduler,worker,guardian,soak,story} &&
  check soak build/dev/tests/penstock-soak --seconds 180 --seed 2 &&
  check machines build/dev/tests/penstock-story unplug-owner unplug-database lose-statements
# Last, with what is left of 35 minutes: sources that it has seen before cost it little.
has tidy && left=$((2100 - SECONDS)) &&
  check tidy env BUDGET=$((left > 120 ? left : 120)) tests/ci/tidy.sh

printf '\n%s%5d s  in all\n' "$summary" "$SECONDS"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
