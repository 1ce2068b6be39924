#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - configure a build folder when it is new or asked for other options, then build it.
#
#   tools/build.sh FOLDER [-Dmeson_option=value ...]
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
shift

tools=(meson ninja "${CC:-cc}" pkg-config)
for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null && continue
    echo "build: $tool is missing; 'make deps' installs what building needs" >&2
    exit 1
done

# A folder left half configured (interrupted, or with packages missing) is begun again.
if [ ! -f "$folder/build.ninja" ]; then
    rm -rf "$folder/meson-private" "$folder/meson-info"
    if ! meson setup "$@" "$folder" "$top" >"$folder.log" 2>&1; then
        cat "$folder.log" >&2
        echo "build: meson could not configure; 'make deps' installs what building needs" >&2
        exit 1
    fi
    rm -f "$folder.log"
elif [ $# -gt 0 ]; then
    meson configure "$folder" "$@"
fi

quiet=()
[ -t 1 ] || quiet=(--quiet)
exec ninja -C "$folder" "${quiet[@]}"
