# Shared by the end-to-end tests; sourced with the directory of the programs as the first argument.
# A private cluster below a directory of its own, on free ports, which ends with the script.
set -uo pipefail
bin=$(realpath "${1:?directory of the programs}")
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-e2e.XXXXXX")
chmod 755 "$work"
# Tasks write below it, whoever they run as.
mkdir -m 777 "$work/out"
export OUT=$work/out NO_COLOR=1
checks=0 failures=0
begin=$SECONDS

penstock() { timeout 60 "$bin/penstock" "$@"; }

end() {
  local code=$?
  trap '' INT TERM
  [ "$code" = 0 ] && [ "$failures" = 0 ] || {
    tail -n 20 "$work"/data/logs/*.log 2>/dev/null
    [ -z "${PENSTOCK_E2E_KEEP:-}" ] || { echo "kept: $work"; exit 1; }
  }
  timeout 60 "$bin/penstock" standalone --data "$work/data" --stop >/dev/null 2>&1
  rm -rf "$work"
  [ "$code" = 0 ] || exit "$code"
  echo "$checks checks, $failures failed, $((SECONDS - begin)) s"
  [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
  exit $?  # in a trap a bare exit means the status from before it
}
trap end EXIT
trap "exit 130" INT TERM

# cluster [FLAGS of standalone...]: starts one and says where it is.
cluster() {
  penstock standalone --data "$work/data" --detach --port 0 --drain-grace 1s "$@" \
    >"$work/start.txt" 2>&1 || { cat "$work/start.txt"; exit 1; }
  PENSTOCK_ADDRESS=$(sed -n 's/^  "address": "\(.*\)",$/\1/p' "$work/data/standalone.json")
  export PENSTOCK_ADDRESS
}

# process NAME: the pid of scheduler-1, worker-1, ...
process() { grep -A6 "\"name\": \"$1\"" "$work/data/standalone.json" | sed -n 's/.*"pid": \([0-9]*\),/\1/p'; }

pass() { checks=$((checks + 1)); }
fail() {
  checks=$((checks + 1)) failures=$((failures + 1))
  printf 'FAIL: %s\n' "$*"
}

# expect WHAT CODE PATTERN COMMAND...: runs it; its exit code and its whole output must fit. The
# output is left in $said, which nobody need use.
expect() {
  local what=$1 code=$2 pattern=$3 got
  shift 3
  said=$("$@" 2>&1 </dev/null)
  got=$?
  if [ "$got" = "$code" ] && grep -Eq -- "$pattern" <<<"$said"; then pass; return 0; fi
  fail "$what: exit code $got (wanted $code, and /$pattern/): ${said:0:2000}"
  return 1
}

# same WHAT WANTED GOT
same() { if [ "$2" = "$3" ]; then pass; else fail "$1: wanted '$2', got '$3'"; fi; }

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# apply: a DAG file from the standard input.
apply() {
  cat >"$work/dag.yaml"
  penstock apply "$work/dag.yaml" >"$work/apply.txt" 2>&1 || { cat "$work/apply.txt"; kill $$; }
}

# sleepers DAG SECONDS: prints a DAG file with six tasks, a to f, that sleep so long.
sleepers() {
  printf 'dag: %s\ntasks:\n' "$1"
  printf "  %s: {sh: sleep $2}\n" a b c d e f
}

# trigger DAG [FLAGS...]
trigger() { penstock trigger "$@" >"$work/trigger.txt" 2>&1 || fail "$(cat "$work/trigger.txt")"; }

state_is() { penstock task list "$1" 2>/dev/null | grep -Eq "^$2 +$3( |\$)"; }
# reaches RUN TASK STATE: within 15 s.
reaches() {
  eventually 15 state_is "$@" || fail "$2 of $1 is not $3: $(penstock task list "$1" 2>&1)"
}

# explained RUN TASK CODE PATTERN: the reason given, within 10 s.
explained() {
  said=$(penstock task explain "$1" "$2" 2>&1) &&
    grep -Eq "\($3\)\$" <<<"$said" && grep -Eq -- "$4" <<<"$said"
}
explains() {
  if eventually 10 explained "$@"; then pass; else fail "explain $1 $2: wanted $3, /$4/: $said"; fi
}

# healthy: a run of a small DAG succeeds.
healthy() {
  echo 'tasks: {a: {sh: "true"}, b: {needs: a, sh: "true"}}' >"$work/healthy.yaml"
  sed -i '1i dag: healthy' "$work/healthy.yaml"
  penstock apply "$work/healthy.yaml" >/dev/null
  expect "a run afterwards" 0 success penstock trigger healthy --watch
}
