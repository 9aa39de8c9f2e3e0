# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=12.35.0
runs_in=in-process
shapes=single:20000
settings='2 workers, batches of 1000, fetched on while full (burstWhenBatchFull)'

install() { install_npm; }
turn() { "$cache/node" "$cache/turn.js" "${1#single:}"; }
