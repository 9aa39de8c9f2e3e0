#!/bin/sh
# The long simulator run on the release build: 1,000,000 task instances on the seeds that every
# run uses, then every mutation, each of which must be caught. A seed that fails is printed;
# penstock-sim --seed N --seeds 1 --verbose replays it.
#   tests/ci/simulate.sh [TASK-INSTANCES] [FIRST-SEED]    another first seed looks elsewhere
# Eight ranges of seeds, 10,000 apart, as many at once as there are processors: which seeds run
# does not depend on the machine.
set -eu
cd "$(dirname "$0")/../.."
sim=${PENSTOCK_SIM:-build/release/bin/penstock-sim}
each=$(( (${1:-1000000} + 7) / 8 ))
for range in 0 1 2 3 4 5 6 7; do
  echo $(( ${2:-1} + range * 10000 ))
done | xargs -P "$(nproc)" -I SEED "$sim" --seed SEED --total "$each"
"$sim" --mutations --seeds 80
