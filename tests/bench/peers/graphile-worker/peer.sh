# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=0.18.0
runs_in=in-process
shapes=single:20000
settings='24 jobs at once, localQueue 500, completions batched (completeJobBatchDelay 0)'

install() { install_npm; }
turn() { "$cache/node" "$cache/turn.js" "${1#single:}"; }
