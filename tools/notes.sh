#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# notes.sh VERSION - what CHANGELOG.md says of a version: the notes of its release.
set -eu
awk -v heading="## [$1]" '
    /^## / { inside = index($0, heading) == 1; next }
    inside { print }
' "$(dirname "$0")/../CHANGELOG.md"
