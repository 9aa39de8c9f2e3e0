#!/bin/sh
# Sources whose layout differs from what .clang-format says are listed; any fails. Debian 12's
# version, since versions differ in details. To set them right: tests/ci/format.sh --fix
set -u
cd "$(dirname "$0")/../.." || exit 2
format=$(command -v clang-format-14 || command -v clang-format) ||
  { echo "install clang-format (deploy/install-packages.sh all)"; exit 1; }

sources() { git ls-files -z '*.cc' '*.h'; }

[ -n "$(sources | tr -d '\0' | head -c 1)" ] || { echo "git lists no sources"; exit 1; }
if [ "${1:-}" = --fix ]; then
  sources | xargs -0 "$format" -i
  exit
fi
wrong=$(sources | xargs -0 -n 50 -P "$(nproc)" "$format" --dry-run 2>&1 |
  sed -nE 's/^([^:]+):[0-9]+:[0-9]+: .*/\1/p' | sort -u)
[ -z "$wrong" ] && exit 0
echo "not laid out as .clang-format says (tests/ci/format.sh --fix):"
echo "$wrong"
exit 1
