#!/bin/bash
# clang-tidy over the sources of the asan build (or else the clang build), newest changes first, for
# at most BUDGET seconds (default 420). A source that passed with the same preprocessed text and the
# same checks is not looked at again (cache: $XDG_CACHE_HOME/penstock-tidy). Any finding fails.
#   tests/ci/tidy.sh [FILE...]      only these, without a budget
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

for build in build/asan build/clang; do
  [ -e $build/compile_commands.json ] && break
done
# Newer ones pass over the system's headers, which makes them three times as fast.
for tidy in clang-tidy-22 clang-tidy; do command -v "$tidy" >/dev/null && break; done
database=$build/compile_commands.json
[ -e "$database" ] || { echo "build the asan preset first"; exit 1; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/penstock-tidy
mkdir -p "$cache" 2>/dev/null || cache=$(mktemp -d)
deadline=$((EPOCHSECONDS + ${BUDGET:-420}))
[ $# -eq 0 ] || deadline=$((EPOCHSECONDS + 86400))

# key FILE: a digest of everything that the result depends on.
key() {
  local command
  command=$(jq -r --arg file "$PWD/$1" \
    'map(select(.file == $file))[0].command // empty' "$database")
  [ -n "$command" ] || return 1
  command=${command#*ccache }
  { sed '/^#/d' .clang-tidy; $tidy --version; (cd $build && ${command%% -o *} -E -P \
    "$PWD/../../$1" 2>/dev/null); } | sha256sum | cut -d' ' -f1
}

# one FILE: silent when it is clean.
one() {
  local digest output
  [ "$EPOCHSECONDS" -lt "$deadline" ] || { echo "$1" >>"$skipped"; return 0; }
  digest=$(key "$1") || return 0
  [ -e "$cache/$digest" ] && return 0
  if output=$($tidy -p $build --quiet "$1" 2>/dev/null); then
    touch "$cache/$digest"
    return 0
  fi
  printf '%s\n' "$output"
  echo "$1" >>"$findings"
}

# Sources in the order of their last change: in a clone without history, in any order.
newest_first() {
  git ls-files --others --exclude-standard -- '*.cc'
  git diff --name-only HEAD -- '*.cc'
  git log --format= --name-only -- '*.cc'
  git ls-files -- '*.cc'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
skipped=$work/skipped findings=$work/findings
touch "$skipped" "$findings"
if [ $# -gt 0 ]; then files=$(printf '%s\n' "$@"); else files=$(newest_first | awk '!seen[$0]++'); fi
export -f key one
export build tidy database cache deadline skipped findings
for file in $files; do [ -e "$file" ] && echo "$file"; done |
  xargs -P "$(nproc)" -I{} bash -c 'one {}'

if [ -s "$skipped" ]; then
  echo "out of time: $(wc -l <"$skipped") files not looked at"
fi
echo "$(wc -l <"$findings") files with findings"
[ ! -s "$findings" ]
