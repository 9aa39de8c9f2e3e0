#!/bin/bash
# Both commands of the README on a Debian 12 that is as bare as it gets (debootstrap's minbase: no
# git, no sudo, no locale, no init), each in a fresh clone of this commit: as root, then as an
# ordinary user with sudo on a second such system.
#   tests/fresh_debian.sh [root|user ...]          default: both
# Needs root, debootstrap and the network, and builds everything from nothing. CCACHE=DIR saves that:
# the systems get ccache beforehand and may read (not write) that cache of a machine with the same
# packages. MIRROR=URL names a Debian mirror, KEEP=1 leaves the systems where they are. The last
# lines say PASS or FAIL for each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
[ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null || {
  echo "run this as root, with debootstrap installed" >&2
  exit 2
}
work=$(mktemp -d "${TMPDIR:-/tmp}/penstock-fresh.XXXXXX")
chmod 755 "$work"
trap '[ -n "${KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"' EXIT

# Runs inside, as process 1 of the new system: $1 is the kind of user.
inside=$(cat <<'INSIDE'
set -uo pipefail
as=(env) home=/root
add() { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$1" >/dev/null; }
[ -z "${CCACHE_DIR:-}" ] || add ccache || exit 1
if [ "$1" = user ]; then
  add sudo || exit 1
  useradd -m -s /bin/bash someone
  echo 'someone ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/someone
  as=(sudo -u someone -H --preserve-env=CCACHE_DIR,CCACHE_READONLY,CCACHE_TEMPDIR) home=/home/someone
fi
mv /penstock "$home/penstock"
chown -R "$(stat -c %u:%g "$home")" "$home/penstock"
for command in "deploy/quickstart.sh" "deploy/quickstart.sh" "tests/run.sh"; do
  printf '\n#### %s: %s\n' "$1" "$command"
  begin=$SECONDS
  "${as[@]}" bash -c "cd ~/penstock && $command" || { echo "#### exit code $?"; exit 1; }
  echo "#### $command: $((SECONDS - begin)) s"
done
INSIDE
)

# try KIND: a new system, and both commands in it. Its processes and mounts end with it.
try() {
  local root=$work/$1
  debootstrap --variant=minbase bookworm "$root" ${MIRROR:+"$MIRROR"} >"$work/$1.log" 2>&1 || {
    tail -n 5 "$work/$1.log"
    return 1
  }
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
  git clone -q --no-hardlinks . "$root/penstock" || return 1
  mkdir "$root/ccache"
  local environment=(HOME=/root USER=root TERM=dumb
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  [ -z "${CCACHE:-}" ] ||
    environment+=(CCACHE_DIR=/ccache CCACHE_READONLY=true CCACHE_TEMPDIR=/tmp)
  # shellcheck disable=SC2016  # expanded inside
  unshare --mount --pid --fork --kill-child -- bash -c '
    set -e
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount --rbind -o ro /sys "$1/sys"
    [ -z "$3" ] || mount --bind -o ro "$3" "$1/ccache"
    root=$1 kind=$2 inside=$4
    shift 4
    cd /
    exec env -i "$@" chroot "$root" bash -c "$inside" inside "$kind"' \
    sh "$root" "$1" "${CCACHE:-}" "$inside" "${environment[@]}" </dev/null
}

results=''
for kind in ${*:-root user}; do
  begin=$SECONDS
  if try "$kind"; then result=PASS; else result=FAIL; fi
  results+="$result fresh Debian 12 as $kind ($((SECONDS - begin)) s)"$'\n'
done
printf '\n%s' "$results"
! grep -q FAIL <<<"$results"
