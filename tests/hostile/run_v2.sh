#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The attack suite under cgroup v2 alone: in the virtual machine of tools/v2vm.sh, whose kernel has
# no v1 controllers. Programs and driver are built here, the machine only runs them.
#
#   run_v2.sh [pytest arguments]
#
# The machine is emulated and slow, so time limits that a program is not about are wider there
# (EVALX_SLOW), CPU figures may be off by what starting a program takes there, and the tests that kill or
# fail thousands of times do so less often. Nothing is left out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(realpath "${EVALX_BUILD:-$top/build}")
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

[ -x "$build/tests/box/boxrun" ] || {
    echo "run_v2.sh: $build/tests/box/boxrun is not built" >&2
    exit 125
}
"$top/tools/v2vm.sh" setup
mkdir -p "$stage/build/src/sandbox" "$stage/build/tests/box" "$stage/programs"
cp "$build/src/sandbox/evalx-box" "$stage/build/src/sandbox/"
cp "$build/tests/box/boxrun" "$build/tests/box/trouble" "$stage/build/tests/box/"
cp -r "$here" "$stage/hostile"
(cd "$here" && EVALX_HOSTILE_PROGRAMS="$stage/programs" /usr/bin/python3 -c 'import cases; cases.compile_all()')

V2VM_SECONDS=${V2VM_SECONDS:-2400} "$top/tools/v2vm.sh" run "$stage" "
cp -r /mnt/build /mnt/programs /mnt/hostile /tmp/ && cd /tmp/hostile &&
EVALX_BUILD=/tmp/build EVALX_HOSTILE_PROGRAMS=/tmp/programs EVALX_SLOW=${EVALX_SLOW:-20} \
EVALX_BOXRUN_ARGS='${EVALX_BOXRUN_ARGS:-}' python3 -m pytest -q -p no:cacheprovider \
    -rs --durations=5 ${*@Q}"
