# shellcheck shell=bash disable=SC2154,SC2030,SC2031
# For run.sh, which sets $here, $work and $only_shapes: what a peer's peer.sh is made of. A peer.sh sets
#   version   what is installed
#   runs_in   in-process | process: where a task's code runs
#   shapes    what is measured, of single:N wide:N chain:N layered:N
#   settings  what was set for speed
# and may define install, start, turn SHAPE (prints a line of JSON like penstock-shape, with its own
# cpu_seconds where the whole of its process would be too much) and stop.
# They find PGHOST, PGUSER, PGDATABASE, DATABASE_URL, $cache to install into and $home to write to.

cache_root=${XDG_CACHE_HOME:-$HOME/.cache}/penstock-bench-peers

install() { :; }
start() { :; }
stop() { :; }

# enter_peer NAME: for in_peer.
enter_peer() {
  peer=$1
  cache=$cache_root/$peer home=$work/$peer
  mkdir -p "$cache" "$home"
  export PGDATABASE=bench-$peer
  export DATABASE_URL="postgresql:///$PGDATABASE?host=$PGHOST&user=$PGUSER"
  version='' runs_in='' shapes='' settings=''
  # shellcheck disable=SC1090
  eval "$(. "$here/$peer/peer.sh" && declare -p version runs_in shapes settings |
    sed 's/^declare --/declare -g/')"
  shapes=${only_shapes:-$shapes}
}

# in_peer FUNCTION ARGUMENTS...: of its peer.sh. Programs that it starts carry the peer's mark.
in_peer() (
  export PENSTOCK_PEER_MARK=$peer
  local all=$shapes
  # shellcheck disable=SC1090
  . "$here/$peer/peer.sh"
  shapes=$all
  cd "$home" && "$@"
)

stop_peer() {
  in_peer stop >>"$work/$peer.log" 2>&1
  local pid_file
  for pid_file in "$home"/*.pid; do
    [ -e "$pid_file" ] || continue
    kill -- "-$(cat "$pid_file")" 2>/dev/null
    eventually 30 group_is_gone "$(cat "$pid_file")" || kill -KILL -- "-$(cat "$pid_file")"
  done
  peer=
}

group_is_gone() { ! kill -0 -- "-$1" 2>/dev/null; }

# daemon NAME COMMAND...: in a process group of its own, until stop_peer.
daemon() {
  local name=$1
  shift
  setsid "$@" >"$home/$name.log" 2>&1 &
  echo $! >"$home/$name.pid"
}

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.2
  done
}

# processes_of ENGINE: those that carry its mark, or are of a daemon's session (some overwrite their
# environment).
processes_of() {
  {
    grep -lzsx "PENSTOCK_PEER_MARK=$1" /proc/[0-9]*/environ | cut -d/ -f3
    [ "$1" = penstock ] || cat "$home"/*.pid 2>/dev/null | xargs -r -n 1 pgrep -s
  } | sort -u
}

# cpu_of PID...: seconds that they and those of their children that have ended have used.
cpu_of() {
  local stats=("${@/#//proc/}")
  cat "${stats[@]/%//stat}" 2>/dev/null | sed 's/.*) //' |
    awk -v hz="$(getconf CLK_TCK)" '{ sum += $12 + $13 + $14 + $15 } END { print sum / hz }'
}

# cpu_by ENGINE: of its processes and of PostgreSQL, until now.
cpu_by() {
  local postgres
  postgres=$(jq .postgres.pid "$work/data/standalone.json")
  # shellcheck disable=SC2046  # a list of numbers
  cpu_of $(processes_of "$1") "$postgres" $(pgrep -P "$postgres")
}

# Node.js 22 or newer as $cache/node: this machine's, or a package's.
install_node() {
  local node package
  node=$(command -v node)
  if [ "$(node -p 'parseInt(process.versions.node) >= 22' 2>/dev/null)" != true ]; then
    package=node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
    node=$cache_root/node/node_modules/$package/bin/node
    [ -x "$node" ] ||
      npm install --silent --no-save --prefix "$cache_root/node" "$package@22.23.1" || return
  fi
  ln -sf "$node" "$cache/node"
}

# The peer's package.json and programs, and what it names.
install_npm() {
  install_node || return
  cp "$here/$peer"/*.js* "$cache/" || return
  cmp -s "$cache/package.json" "$cache/installed" && return
  (cd "$cache" && npm install --silent --no-package-lock --engine-strict=false &&
    cp package.json installed)
}

# install_go NAME PACKAGE: builds a program that the peer's go.mod names.
install_go() {
  cmp -s "$here/$peer/go.mod" "$cache/go.mod" && [ -x "$cache/$1" ] && return
  cp "$here/$peer"/go.* "$cache/" && (cd "$cache" && go build -o "$1" "$2") && return
  rm -f "$cache/go.mod"
  return 1
}

# The peer's requirements.txt in an environment of its own: $cache/bin.
install_pip() {
  cmp -s "$here/$peer/requirements.txt" "$cache/installed" && return
  python3 -m venv "$cache" && "$cache/bin/pip" install -q -r "$here/$peer/requirements.txt" &&
    cp "$here/$peer/requirements.txt" "$cache/installed"
}
