#!/bin/bash
# Mixed versions: a fleet under load is rolled, process by process, from an older commit's programs
# to those of this tree and back (upgrade_main.cc).
#   tests/chaos/upgrade.sh [OLD_COMMIT]
# The default is the commit before the last one that touched the product. Nothing before "Offers
# carry a number" (docs/adr/0013) can be mixed with what came later. PRESET=release builds both so;
# the default is dev. Prints what it measured and PASS or FAIL.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
preset=${PRESET:-dev}
programs='penstock-scheduler penstock-worker penstock-guardian'
old=${1:-$(git log -1 --format=%H -- CMakeLists.txt common proto scheduler worker)^}
source=$PWD/build/upgrade/source
# As tests/run.sh has it, so that its cache serves here.
export CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime,locale

# build DIRECTORY TARGET...
build() {
  local directory=$1 log=$PWD/build/upgrade/build.log
  shift
  (cd "$directory" && export CCACHE_BASEDIR=$PWD && cmake --preset "$preset" &&
    cmake --build --preset "$preset" --target "$@" -- -j"$(nproc)") >"$log" 2>&1 && return
  tail -n 20 "$log"
  echo "cannot build $directory; all of the output is in $log"
  exit 2
}

mkdir -p build/upgrade
if [ -e "$source/.git" ]; then
  git -C "$source" checkout -q --detach "$old" || exit 2
else
  git worktree add -q --force --detach "$source" "$old" || exit 2
fi
echo "old: $(git -C "$source" log -1 --format='%h %s')"
echo "new: $(git log -1 --format='%h %s')$(git diff --quiet HEAD || echo ', and what is not committed')"
# shellcheck disable=SC2086  # a list of words
build "$source" $programs
# shellcheck disable=SC2086
build "$PWD" $programs penstock-upgrade
timeout 400 "build/$preset/tests/penstock-upgrade" "$source/build/$preset/bin" \
  "$PWD/build/$preset/bin"
