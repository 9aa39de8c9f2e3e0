# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
# River's own benchmark. It inserts the jobs first and counts their execution only.
version=0.26.0
runs_in=in-process
shapes=single:20000
settings='river bench: 2,000 workers; its figure leaves the insertion out'

install() { install_go river github.com/riverqueue/river/cmd/river; }
start() { "$cache/river" migrate-up --database-url "$DATABASE_URL"; }
turn() {
  "$cache/river" bench --database-url "$DATABASE_URL" -n "${1#single:}" |
    sed -nE 's/.*total jobs worked \[ +([0-9]+) \].*overall job\/sec \[ +([0-9.]+) \].*/\1 \2/p' |
    awk '{ printf "{\"tasks\": %d, \"seconds\": %f}\n", $1, $1 / $2 }'
}
