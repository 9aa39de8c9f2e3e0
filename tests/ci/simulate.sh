#!/bin/sh
# The long simulator run on the release build: 600,000 task instances on the seeds that every
# run uses, then every mutation, each of which must be caught. A seed that fails is printed;
# penstock-sim --seed N --seeds 1 --verbose replays it.
#   tests/ci/simulate.sh [TASK-INSTANCES] [FIRST-SEED]    another first seed looks elsewhere
set -eu
cd "$(dirname "$0")/../.."
sim=build/release/bin/penstock-sim
"$sim" --seed "${2:-1}" --total "${1:-600000}"
"$sim" --mutations --seeds 80
