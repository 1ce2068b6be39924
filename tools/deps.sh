#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh - install the Debian packages a task needs; silent and quick when all are there.
#
#   tools/deps.sh build|run|test|lint|bench|deb|vm|languages ...   install what is missing
#   tools/deps.sh --check build ...                         only say it; exit 1 when something is missing
#   tools/deps.sh --list build ...                          print the names
#
# SKIP_DEPS=1 skips everything: for machines where the tools come from elsewhere.
set -euo pipefail

# One line per task; "a|b" means that either will do, and a is installed when both are missing.
packages_of() {
    case $1 in
    build) echo "gcc libc6-dev make meson ninja-build pkg-config python3
                 libjson-c-dev libssl-dev libsqlite3-dev libseccomp-dev libcap-dev
                 libmicrohttpd-dev libcyaml-dev libyaml-dev libpcre2-dev
                 libhiredis-dev libpq-dev libcurl4-openssl-dev libzstd-dev" ;;
    run) packages_of build && echo "g++ curl" ;;
    test) packages_of run && packages_of images && echo "git openssl uidmap redis-server redis-sentinel redis-tools postgresql postgresql-client nodejs default-jdk-headless|openjdk-17-jdk-headless libcmocka-dev python3-pytest prometheus prometheus-alertmanager python3-aiosmtpd shellcheck clang
                 libclang-rt-14-dev|libclang-rt-dev yamllint python3-yaml systemd podman catatonit runc" && packages_of deb
        # Where nodejs is not Debian's it brings its own.
        [ -x /usr/bin/npm ] || echo npm ;;
    deb) packages_of build && echo "debhelper dpkg-dev fakeroot lintian mmdebstrap" ;;
    lint) packages_of build && echo "libcmocka-dev clang-format clang-tidy cppcheck shellcheck" ;;
    bench) packages_of run ;;
    images) packages_of build && echo "docker.io docker-compose mmdebstrap shellcheck python3-pytest python3-yaml" ;;
    vm) echo "qemu-system-x86 busybox-static kmod cpio mmdebstrap e2fsprogs" ;;
    languages) echo "gcc g++ clang python3 nodejs default-jdk-headless|openjdk-17-jdk-headless
                 bash perl golang-go ruby php-cli rustc" ;;
    *)
        echo "deps: no such task: $1 (build, run, test, lint, bench, deb, vm, languages)" >&2
        return 1
        ;;
    esac
}

is_installed() {
    local name
    for name in ${1//|/ }; do
        [[ $installed == *" $name "* ]] && return 0
    done
    return 1
}

mode=install
case ${1:-} in --check | --list) mode=${1#--} && shift ;; esac
[ $# -gt 0 ] || set -- build
[ "${SKIP_DEPS:-}" != 1 ] || exit 0

wanted=
for task in "$@"; do
    wanted+=" $(packages_of "$task")" || exit 1
done
# shellcheck disable=SC2086 # a list of words
wanted=$(printf '%s\n' $wanted | sort -u)
if [ "$mode" = list ]; then
    printf '%s\n' "$wanted" | sed 's/|.*//'
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is not Debian or a relative of it. Install the counterparts of these packages," >&2
    echo "deps: then run again with SKIP_DEPS=1:" >&2
    # shellcheck disable=SC2086
    echo "     " $wanted >&2
    exit 1
fi

# Names dpkg does not know make it fail; what it prints about the others is what counts.
# shellcheck disable=SC2086 # a list of words
installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' ${wanted//|/ } 2>/dev/null |
    sed -n 's/^installed //p' | tr '\n' ' ' || true)"
missing=()
for name in $wanted; do
    is_installed "$name" || missing+=("${name%%|*}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$mode" = check ]; then
    echo "deps: missing for $*: ${missing[*]}" >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: these packages are missing, and only root may install them (there is no sudo here):" >&2
        echo "        apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

echo "deps: installing for $*: ${missing[*]}" >&2
apt update || echo "deps: apt-get update failed; trying with the package lists that are here" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Servers that tests start by themselves (Redis, PostgreSQL, a container engine, ...) do not start with
# the machine because of us: policy-rc.d(8) refuses while their packages are installed.
policy=${DEPS_POLICY:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"; rm -f "$log"' EXIT
    # shellcheck disable=SC2016 # for the other shell
    "${as_root[@]}" bash -c 'umask 022; printf "#!/bin/sh\nexit 101\n" >"$1" && chmod +x "$1"' bash "$policy" || true
fi
if ! apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps: apt-get could not install them; see above. Needed: ${missing[*]}" >&2
    exit 1
fi
