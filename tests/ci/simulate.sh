#!/bin/sh
# The long simulator run on the release build: a million task instances on the seeds that every
# run uses and another million on today's, then every mutation, each of which must be caught. A
# seed that fails is printed; penstock-sim --seed N replays it.
#   tests/ci/simulate.sh [TASK-INSTANCES]
set -eu
cd "$(dirname "$0")/../.."
sim=build/release/bin/penstock-sim
total=${1:-1000000}
"$sim" --seed 1 --total "$total"
"$sim" --seed "$(date +%Y%m%d)00000" --total "$total"
"$sim" --mutations
