#!/bin/bash
# Runs the simulator of the commit before a change, to see a fault that the change has ended
# (docs/reliability.md names changes and seeds):
#   tests/ci/simulate_before.sh CHANGE [FLAG OF penstock-sim]...
# Builds in a scratch folder that it removes. Ends as the simulator does: with 1 at a violation.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { sed -n '2,5s/^# \?//p' "$0"; exit 2; }
change=$1
shift
scratch=$(mktemp -d)
trap 'git worktree remove --force "$scratch/tree" 2>/dev/null || true; rm -rf "$scratch"' EXIT
git worktree add --quiet --detach "$scratch/tree" "$change^"
cd "$scratch/tree"
{
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  cmake --preset release
  cmake --build --preset release --target penstock-sim
} >"$scratch/build.log" 2>&1 || { tail -30 "$scratch/build.log"; exit 3; }
echo "the simulator of $(git log -1 --format='%h %s')"
build/release/bin/penstock-sim "$@"
