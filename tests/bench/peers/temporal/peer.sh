# shellcheck shell=bash disable=SC2034,SC2154  # read and set by ../lib.sh
version=1.32.1
runs_in=in-process
shapes='single:2000 wide:1000 chain:1000 layered:30'
settings='all services in one process, 4 shards, none of its rate limits; 8 pollers, eager starts'

port=$((20000 + $$ % 1000 * 10))

install() {
  if [ "$(cat "$cache/installed" 2>/dev/null)" != "$version" ]; then
    GOBIN=$cache go install go.temporal.io/server/cmd/{server,tools/sql}@v"$version" &&
      echo "$version" >"$cache/installed" || return
  fi
  cp "$here/temporal"/*.go "$here/temporal"/go.* "$cache/" && (cd "$cache" && go build -o turn .)
}

# schema DATABASE NAME: sets up what NAME is of the schemas that the tool carries.
schema() {
  local tool=("$cache/sql" --plugin postgres12_pgx --endpoint 127.0.0.1 --port 5432 --user "$PGUSER"
    --database "$1" --connect-attributes "host=$PGHOST")
  "${tool[@]}" setup-schema --version 0.0 &&
    "${tool[@]}" update-schema --schema-name "postgresql/v12/$2"
}

# store DATABASE CONNECTIONS: the attribute, a socket, is used in place of the address.
store() {
  cat <<EOF
{sql: {pluginName: postgres12_pgx, connectProtocol: tcp, connectAddr: "127.0.0.1:5432",
  connectAttributes: {host: "$PGHOST"}, user: "$PGUSER", databaseName: "$1",
  maxConns: $2, maxIdleConns: $2}}
EOF
}

service() { echo "{rpc: {grpcPort: $1, membershipPort: $(($1 + 1)), bindOnLocalHost: true}}"; }

configure() {
  cat >server.yaml <<EOF
log: {stdout: true, level: warn}
persistence:
  defaultStore: default
  visibilityStore: visibility
  numHistoryShards: 4
  datastores:
    default: $(store "$PGDATABASE" 20)
    visibility: $(store "$PGDATABASE-visibility" 5)
global: {membership: {maxJoinDuration: 30s, broadcastAddress: 127.0.0.1}}
services:
  frontend: $(service "$port")
  matching: $(service $((port + 2)))
  history: $(service $((port + 4)))
  worker: $(service $((port + 6)))
clusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation:
    active:
      enabled: true
      initialFailoverVersion: 1
      rpcName: frontend
      rpcAddress: 127.0.0.1:$port
dcRedirectionPolicy: {policy: noop}
dynamicConfigClient: {filepath: dynamic.yaml, pollInterval: 1m}
EOF
  # Or they would be what is measured: by default a shard reads its new tasks 20 times a second.
  local key
  for key in frontend.{rps,namespaceRPS,persistenceMaxQPS} matching.{rps,persistenceMaxQPS} \
    history.{rps,persistenceMaxQPS,transferProcessorMaxPollRPS,timerProcessorMaxPollRPS} \
    history.visibilityProcessorMaxPollRPS; do
    echo "$key: [{value: 100000}]"
  done >dynamic.yaml
}

start() {
  psql -qX -c "create database \"$PGDATABASE-visibility\"" || return
  schema "$PGDATABASE" temporal && schema "$PGDATABASE-visibility" visibility || return
  configure
  daemon server "$cache/server" --config-file server.yaml --allow-no-auth start
  echo "$port" >port
  eventually 60 "$cache/turn" "127.0.0.1:$port"
}
turn() { timeout 900 "$cache/turn" "127.0.0.1:$(cat port)" "$1"; }
