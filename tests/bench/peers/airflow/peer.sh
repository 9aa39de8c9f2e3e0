# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=3.3.2
runs_in=process
shapes='single:50 wide:1000 chain:100 layered:10'
settings='LocalExecutor, 16 tasks at once, idle scheduler looks every 0.1 s, tasks fork'

port=$((20000 + $$ % 10000))

environment() {
  export AIRFLOW_HOME=$home PEER_SHAPES=$shapes PYTHONPATH=$here
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql+psycopg2:///$PGDATABASE?host=$PGHOST&user=$PGUSER"
  export AIRFLOW__CORE__DAGS_FOLDER=$here/airflow/dags
  export AIRFLOW__CORE__LOAD_EXAMPLES=False
  export AIRFLOW__CORE__EXECUTOR=LocalExecutor
  export AIRFLOW__CORE__PARALLELISM=16
  export AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG=1000
  export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$port/execution/
  export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
  export AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.1
  export AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY=0
  export AIRFLOW__API_AUTH__JWT_SECRET=peers-of-this-machine-only-0123456789abcdef
  export AIRFLOW__API__SECRET_KEY=peers-of-this-machine-only
  export AIRFLOW__CORE__FERNET_KEY=
  export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
  export PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1
}
knows_the_dags() {
  [ "$(psql -qAtX -c 'select count(*) from serialized_dag')" = "$(wc -w <<<"$shapes")" ]
}

install() { install_pip; }
start() {
  environment
  echo "$port" >"$home/port"
  "$cache/bin/airflow" db migrate &&
    daemon api "$cache/bin/airflow" api-server --host 127.0.0.1 --port "$port" --workers 1 &&
    eventually 120 curl -sf -o /dev/null "http://127.0.0.1:$port/api/v2/monitor/health" &&
    daemon processor "$cache/bin/airflow" dag-processor &&
    daemon scheduler "$cache/bin/airflow" scheduler &&
    eventually 120 knows_the_dags
}
turn() {
  environment
  timeout 900 env -u PENSTOCK_PEER_MARK "$cache/bin/python" "$here/airflow/turn.py" "$(cat "$home/port")" "$1"
}
