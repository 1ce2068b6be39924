#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package in a virtual machine whose first program is systemd: the units behind all their
# hardening on cgroup v2, a drain, a crash, secrets as credentials, an upgrade, a purge. Minutes: the
# processor is emulated. `make test-deb` runs it; the rest of the package's tests are in make test.
set -euo pipefail
cd "$(dirname "$0")/../.."

export V2VM_INIT=systemd V2VM_DIR=/var/tmp/evalx-v2vm-systemd V2VM_SECONDS=${V2VM_SECONDS:-900}
work=$(mktemp -d /var/tmp/evalx-systemd.XXXXXX)
trap 'rm -rf "$work"' EXIT

new=$(tools/deb.sh "$work")
dpkg-deb -R "$new" "$work/tree"
sed -i 's/^Version: .*/Version: 0.0.1/' "$work/tree/DEBIAN/control"
mkdir "$work/old"
dpkg-deb --root-owner-group -b "$work/tree" "$work/old" >/dev/null
rm -rf "$work/tree"
mv "$work"/old/*.deb "$work/old.deb"
cp "$new" "$work/new.deb"
cp tests/package/inside.sh "$work/"

depends=$(dpkg-deb -f "$new" Depends | tr ',' '\n' | sed 's/[|(].*//; s/ //g' | paste -sd, -)
export V2VM_PACKAGES="$depends,systemd-sysv,dbus,python3-minimal,libpython3-stdlib,curl,procps,redis-server"
tools/v2vm.sh setup
tools/v2vm.sh run "$work" sh /mnt/inside.sh
