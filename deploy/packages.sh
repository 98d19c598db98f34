#!/bin/sh
# Installs the Debian packages that Millrace needs, and only those that are missing.
#
#   deploy/packages.sh build     what ./start needs: compiler, libraries, cmake
#   deploy/packages.sh check     what ./check needs beside that: clang, cmocka, clients and their toolchains
#   deploy/packages.sh list build|check     only names those that are missing
#   deploy/packages.sh count build|check    only says how many are needed
#
# The Raft library comes from bookworm-backports (bookworm's own 0.15.0 loses committed entries, see
# docs/decisions/); on trixie and later it is in main. Exit status 0: everything is there.
set -eu

only=
case "${1:-}" in
list | count) only=$1; shift ;;
esac
what=${1:-build}
build="gcc make cmake ninja-build pkg-config python3 libuv1-dev libraft-dev libisal-dev zlib1g-dev liblz4-dev"
build="$build libzstd-dev libsnappy-dev"
check="clang libclang-rt-14-dev libcmocka-dev kcat ca-certificates python3-venv default-jdk-headless maven golang-go"
# e2fsprogs and mount: the file systems that tests/hostile fills up.
# patch: the bugs of tests/sim/planted.
check="$check git iproute2 e2fsprogs mount patch"

. /etc/os-release
case "${VERSION_CODENAME:-}" in
bookworm) ;;
*) check=$(echo "$check" | sed 's/libclang-rt-14-dev/libclang-rt-dev/') ;;
esac
case "$what" in
build) wanted=$build ;;
check) wanted="$build $check" ;;
*) echo "usage: deploy/packages.sh [list|count] build|check" >&2; exit 2 ;;
esac

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

# A toolchain that is on the PATH by other means than a package serves as well.
satisfied() {
    case "$1" in
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    default-jdk-headless) command -v javac >/dev/null 2>&1 ;;
    # Go 1.21 is the first that the Go client needs; bookworm's own is 1.19.
    golang-go) go version 2>/dev/null | grep -qE 'go(1\.(2[1-9]|[3-9][0-9])|[2-9])' ;;
    maven) command -v mvn >/dev/null 2>&1 ;;
    libraft-dev)
        installed libraft-dev && dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libraft-dev)" ge 0.22
        ;;
    *) installed "$1" ;;
    esac
}

missing=
for package in $wanted; do
    satisfied "$package" || missing="$missing $package"
done
case "$only" in
list) echo $missing; exit 0 ;;
count) echo "$wanted" | wc -w; exit 0 ;;
esac
if [ -z "$missing" ]; then
    echo "packages: all present"
    exit 0
fi
echo "packages: installing$missing"

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "packages: not root and no sudo; install as root:$missing" >&2; exit 1; }
    as_root=sudo
fi
if [ "${VERSION_CODENAME:-}" = bookworm ] && ! apt-cache policy 2>/dev/null | grep -q bookworm-backports; then
    mirror=$(sed -n 's/^URIs: *//p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\(http[^ ]*\).*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null | grep '/debian/*$' | head -n 1)
    [ -n "$mirror" ] || { echo "packages: no Debian mirror in /etc/apt; add bookworm-backports by hand" >&2; exit 1; }
    echo "deb $mirror bookworm-backports main" | $as_root tee /etc/apt/sources.list.d/millrace-backports.list >/dev/null
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# On bookworm these come from its backports, with what they depend on.
plain=
newer=
for package in $missing; do
    case "${VERSION_CODENAME:-}/$package" in
    bookworm/libraft-dev | bookworm/golang-go) newer="$newer $package" ;;
    *) plain="$plain $package" ;;
    esac
done
# shellcheck disable=SC2086
[ -z "$plain" ] || $as_root apt-get install -y -q --no-install-recommends $plain >/dev/null
# shellcheck disable=SC2086
[ -z "$newer" ] || $as_root apt-get install -y -q --no-install-recommends -t bookworm-backports $newer >/dev/null
for package in $missing; do
    satisfied "$package" || { echo "packages: $package is still missing after installation" >&2; exit 1; }
done
echo "packages: done"
