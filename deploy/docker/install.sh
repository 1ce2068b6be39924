#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh - Debian packages into a layer, and nothing else: no lists, no logs, no recommended
# packages, and times that do not tell when it was made. The archive and the lists come from cache
# mounts, so a layer that is built again downloads nothing twice.
#
#   install.sh PACKAGE...              these
#   install.sh --languages ID...       what languages/ID.yaml names ("package:"), those there are
#   install.sh --languages-all         what all of them name
#
# languages/ is expected in /run/languages.
set -eu

packages_of() {
    for file in "$@"; do
        [ ! -f "$file" ] || sed -n 's/^package: *//p' "$file"
    done | sort -u
}

case $1 in
--languages)
    shift
    for id in "$@"; do
        shift
        set -- "$@" "/run/languages/$id.yaml"
    done
    # shellcheck disable=SC2046 # a list of words
    set -- $(packages_of "$@")
    ;;
--languages-all)
    # shellcheck disable=SC2046
    set -- $(packages_of /run/languages/*.yaml)
    ;;
esac

begun=$(mktemp)
# Services do not start in a build, and the archive stays in the cache mount.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
rm -f /etc/apt/apt.conf.d/docker-clean
export DEBIAN_FRONTEND=noninteractive
# Java's packages fail where their manuals have no folder, as in slim images.
mkdir -p /usr/share/man/man1
apt-get update -qq
# A compiler without its C library's headers is none: Debian only recommends them to gcc and clang.
case " $* " in *" gcc "* | *" clang "* | *" rustc "*) set -- "$@" libc6-dev ;; esac
apt-get install -y -qq --no-install-recommends -o APT::Keep-Downloaded-Packages=true \
    -o Dpkg::Use-Pty=0 "$@" >/dev/null

rm -rf /usr/sbin/policy-rc.d /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
    /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old
# Manuals and translations: nobody reads them here. Licences stay.
find /usr/share/doc -type f ! -name copyright -delete
rm -rf /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/lintian
find / -xdev -cnewer "$begun" ! -path '/proc/*' ! -path '/sys/*' ! -path "$begun" \
    -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
