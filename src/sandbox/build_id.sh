#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build_id.sh - a header with what tells two builds of the sandbox apart: version and a hash of all
# sources of this folder. evalx and evalx-box compare it before they talk (wire.h, WIRE_HELLO).
#
#   build_id.sh VERSION HEADER SOURCE...
set -eu

version=$1
header=$2
shift 2
hash=$(cat "$@" | sha256sum | cut -c 1-12)
printf '/* made by build_id.sh */\n#define EVALX_BUILD_ID "%s-%s"\n' "$version" "$hash" >"$header"
