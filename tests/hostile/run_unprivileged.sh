#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The attack suite with a sandbox that an ordinary user runs: user namespaces, no control groups.
# What cannot be held there (needs: in a program's comment) is skipped and counted.
#
#   run_unprivileged.sh [pytest arguments]
#
# Started by root, it becomes a user that no account has; else it stays who it is.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(realpath "${EVALX_BUILD:-$top/build}")
user=64777
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

[ -x "$build/tests/box/boxrun" ] || {
    echo "run_unprivileged.sh: $build/tests/box/boxrun is not built" >&2
    exit 125
}
mkdir -p "$stage/build/src/sandbox" "$stage/build/tests/box" "$stage/programs"
cp "$build/src/sandbox/evalx-box" "$stage/build/src/sandbox/"
cp "$build/tests/box/boxrun" "$build/tests/box/trouble" "$stage/build/tests/box/"
cp -r "$here" "$stage/hostile"
rm -rf "$stage/hostile/__pycache__"
(cd "$here" && PYTHONDONTWRITEBYTECODE=1 EVALX_HOSTILE_PROGRAMS="$stage/programs" \
    /usr/bin/python3 -c 'import cases; cases.compile_all()')

become=()
if [ "$(id -u)" = 0 ]; then
    chown -R "$user:$user" "$stage"
    become=(setpriv --reuid "$user" --regid "$user" --clear-groups)
fi
cd "$stage/hostile"
"${become[@]}" env HOME="$stage" EVALX_BUILD="$stage/build" EVALX_HOSTILE_PROGRAMS="$stage/programs" \
    EVALX_BOXRUN_ARGS="--cgroup none" PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider -k 'not outside_the_box' . "$@"
