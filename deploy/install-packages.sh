#!/bin/sh
# Installs the Debian packages of tests/packages.txt that are missing, as root or through sudo.
#   deploy/install-packages.sh build   what building and running Penstock takes
#   deploy/install-packages.sh tests   that, and what the tests take
#   deploy/install-packages.sh all     that, and what CI takes
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
  build) end='For quick builds' ;;
  tests) end='For CI' ;;
  all) end='nothing left out' ;;
  *) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
wanted=$(sed -e "/^# $end/,\$d" -e '/^#/d' tests/packages.txt)

# One line for each package that is not installed.
missing() {
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p')
  echo "$wanted" | grep -vxF "$installed" || true
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

log=$(mktemp)
conf=''
# shellcheck disable=SC2317  # called by the trap
finish() {
  code=$?
  [ "$code" = 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  [ -z "$conf" ] || as_root rm -f "$conf"
}
trap finish EXIT

# dpkg wants the directories that `su` without a dash leaves out of the PATH.
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    PATH="/usr/local/sbin:/usr/sbin:/sbin:$PATH" apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    >>"$log" 2>&1
}

install_absent() {
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "missing packages; as root, run: apt-get install $absent" >&2
    exit 1
  fi
  echo "installing, which takes a few minutes: $absent"
  # Debian's package would make and start a server of its own, which nobody here needs.
  case " $absent " in
    *" postgresql "*)
      conf=/etc/postgresql-common/createcluster.d/penstock.conf
      as_root mkdir -p "$(dirname "$conf")"
      echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
      ;;
  esac
  apt update
  # shellcheck disable=SC2086  # a list of words
  apt install -y --no-install-recommends $absent
}

# A newer clang-tidy, three times as fast, where the archive has it (bookworm-security) and nobody
# has to be asked; the older one does as well.
install_newer_tidy() {
  if dpkg-query -W clang-tidy-22 >/dev/null 2>&1; then return; fi
  if ! apt-cache show clang-tidy-22 >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then return; fi
  apt install -y --no-install-recommends clang-tidy-22 || echo "without clang-tidy 22"
}

absent=$(missing | tr '\n' ' ')
[ -z "$absent" ] || install_absent
[ "$1" != all ] || install_newer_tidy
