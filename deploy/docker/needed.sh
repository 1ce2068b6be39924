#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needed.sh PROGRAM... - the Debian packages whose shared libraries these programs are linked with,
# whatever they are called in this release.
set -eu

readelf -d "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | while read -r library; do
    dpkg-query -S "*/$library" | sed '/^diversion by/d; s/:.*//'
done | sort -u
