# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=3.8.8
runs_in=in-process
shapes='single:50 wide:1000 chain:100 layered:10'
settings='flows and 16 threads of tasks in one process, no results kept, no logs sent'

port=$((20000 + $$ % 10000))

environment() {
  export PREFECT_HOME=$home PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1
  export PREFECT_API_DATABASE_CONNECTION_URL="postgresql+asyncpg:///$PGDATABASE?host=$PGHOST&user=$PGUSER"
  export PREFECT_SERVER_ANALYTICS_ENABLED=false
  export PREFECT_LOGGING_TO_API_ENABLED=false
  export PREFECT_LOGGING_LEVEL=WARNING
  export PREFECT_API_URL=http://127.0.0.1:${1:-$port}/api
}

install() { install_pip; }
start() {
  environment
  echo "$port" >"$home/port"
  daemon server "$cache/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui
  eventually 180 curl -sf -o /dev/null "$PREFECT_API_URL/health"
}
turn() {
  environment "$(cat "$home/port")"
  timeout 900 "$cache/bin/python" "$here/prefect/turn.py" "$1"
}
