# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=1.13.27
runs_in=in-process
shapes='single:50 wide:1000 chain:100 layered:10'
settings='in_process_executor, runs one after another'

install() { install_pip; }
start() {
  printf 'storage: {postgres: {postgres_url: "%s"}}\ntelemetry: {enabled: false}\n' \
    "${DATABASE_URL/:/+psycopg2:}" >"$home/dagster.yaml"
}
turn() {
  DAGSTER_HOME=$home PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 \
    timeout 900 "$cache/bin/python" "$here/dagster/turn.py" "$1"
}
