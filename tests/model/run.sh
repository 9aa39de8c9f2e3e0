#!/bin/bash
# Checks the models of ownership, offers and sessions exhaustively, then that every mutation of
# them is caught. Needs spin and gcc; exit code 77 = not there, nothing was checked.
#   tests/model/run.sh             everything
#   tests/model/run.sh NAME        only the lines that contain NAME; -v also shows how it happens
set -u
cd "$(dirname "$0")" || exit 2
models=$PWD
for program in spin gcc; do
  command -v "$program" >/dev/null && continue
  echo "skipped: $program is not installed (deploy/install-packages.sh tests)"
  exit 77
done

# what to expect | model | how to search | definitions
#   safe    assertions hold in all reachable states, and nothing stops halfway
#   ends    there is no cycle: together with "safe", everything ends
#   caught  a mutation: an assertion must fail
checks='
safe ownership -DFAULTS=3
ends ownership -DFAULTS=2
safe offers
ends offers -DRELOADS=1
safe sessions -DDOMAIN=1 -DOUTAGE=0
safe sessions -DDOMAIN=2 -DOUTAGE=0 -DEPOCHS=2
ends sessions -DLIVE -DFAULTS=4 -DATTEMPTS=9 -DDOMAIN=1 -DOUTAGE=0
caught ownership -DFAULTS=2 -DNO_FENCE
caught ownership -DFAULTS=2 -DUNKNOWN_IS_FAILED
caught ownership -DFAULTS=2 -DRELOAD_WITHOUT_FENCE
caught ownership -DFAULTS=2 -DACCEPT_STALE_ATTEMPT
caught ownership -DFAULTS=2 -DACK_BEFORE_COMMIT
caught ownership -DFAULTS=2 -DSEND_BEFORE_COMMIT
caught ownership -DFAULTS=2 -DOWN_ROW_IS_ALIVE
caught offers -DOLD_HELLO_COUNTS
caught offers -DOLD_OWNER_COUNTS
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DGUARDIAN_SLEEPS
caught sessions -DDOMAIN=2 -DOUTAGE=0 -DEPOCHS=2 -DSHORT_WAIT_FOR_LOST
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DCONFIRM_WITHOUT_LEASE
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DCONFIRM_UNBOUND
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DDEATH_REPORTED_FIRST
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DLEASE_FROM_THE_ANSWER
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DNO_MARGIN
caught sessions -DDOMAIN=1 -DOUTAGE=0 -DEPOCHS=2 -DCONFIRMATIONS_WAIT_IN_LINE
'

# check EXPECTATION MODEL DEFINITION...: one line of result; false when it is not as expected.
check() {
  local expected=$1 model=$2 kind='-O2 -DSAFETY' search='' dir log begin line
  shift 2
  dir=$(mktemp -d) || return 1
  log=$dir/log
  [ "$expected" = ends ] && kind='-O2 -DNP -DNOFAIR -DNOSTUTTER' search=-l
  # It is found at once: what takes time is the compiler.
  [ "$expected" = caught ] && kind='-O0 -DSAFETY'
  begin=$(date +%s%N)
  # shellcheck disable=SC2086  # $kind is several words
  if ! (cd "$dir" && cp "$models/$model.pml" . && spin -a "$@" "$model.pml" >log 2>&1 &&
        gcc -w $kind -DCOLLAPSE -DMEMLIM=900 -o pan pan.c >>log 2>&1 &&
        ./pan $search -m200000 -w21 >>log 2>&1); then
    echo "FAILED  $model $*: could not be checked"
    tail -n 20 "$log"
    rm -rf "$dir"
    return 1
  fi
  local outcome=broken why
  why=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$log" | head -n 1)
  if [ -n "$why" ]; then
    outcome=caught
  elif grep -q 'errors: 0$' "$log" &&
       ! grep -qE 'Search not completed|max search depth too small|memory bound' "$log"; then
    outcome=$expected
    [ "$expected" = caught ] && outcome=missed
  fi
  line=$(awk '/states, stored/ { s = $1 }
              /depth reached/ { sub(/.*depth reached /, ""); d = $1 + 0 }
              END { printf "%7d states, depth %4d", s, d }' "$log")
  local seconds=$((($(date +%s%N) - begin) / 100000000))
  line+=$(printf ', %4d.%d s' $((seconds / 10)) $((seconds % 10)))
  [ "$outcome" = caught ] || why=''
  if [ "$outcome" != "$expected" ]; then
    printf 'FAILED  %s  %s %s: expected %s, is %s %s\n' "$line" "$model" "$*" "$expected" "$outcome" "$why"
    if [ "$VERBOSE" = yes ]; then
      (cd "$dir" && spin -t -k "$model.pml.trail" -p -g "$@" "$model.pml")
    fi
    rm -rf "$dir"
    return 1
  fi
  printf '%-7s %s  %s %s%s\n' "$expected" "$line" "$model" "$*" "${why:+: $why}"
  if [ "$VERBOSE" = yes ] && [ -n "$why" ]; then
    (cd "$dir" && spin -t -k "$model.pml.trail" -p -g "$@" "$model.pml")
  fi
  rm -rf "$dir"
}
export -f check
export models VERBOSE=no
only=''
for argument in "$@"; do
  if [ "$argument" = -v ]; then VERBOSE=yes; else only=$argument; fi
done

begin=$SECONDS
wanted=$(grep -v '^$' <<<"$checks" | grep -F -e "$only")
[ -n "$wanted" ] || { echo "no check is called $only"; exit 2; }
# Two at a time: the large ones take 500 MB.
if xargs -P 2 -I LINE bash -c 'check LINE' <<<"$wanted"; then
  echo "$(wc -l <<<"$wanted") checks as expected, $((SECONDS - begin)) s"
else
  echo "not as expected, $((SECONDS - begin)) s"
  exit 1
fi
