#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deb.sh - build the Debian package of this tree, for the Debian and the processor it runs on.
#
#   tools/deb.sh [FOLDER]      the .deb files, and what describes them, come to FOLDER (build-deb)
#
# DEB_VERSION     another version than the tree's (tests upgrade over an older one)
# DEB_RELEASE     what distinguishes builds for several Debians, such as +deb13: behind the version
# SOURCE_DATE_EPOCH   the time in all files, else that of the last commit. Equal trees give equal
#                     packages, wherever they lie: tests/deb compares two.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(realpath -m "${1:-build-deb}")
version=${DEB_VERSION:-$(tools/version.py)}${DEB_RELEASE:-}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

mkdir -p "$out"
work=$(mktemp -d "$out/tree.XXXXXX")
trap 'rm -rf "$work"' EXIT
tree=$work/evalx-$version
mkdir "$tree"

# What git knows or would add; an unpacked archive has nothing else.
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done
else
    find . -type f ! -path './build*' -print0
fi | tar --null --files-from=- -c | tar -x -C "$tree"

# A clone's files are as old as the clone.
find "$tree" -exec touch -h -d "@$epoch" {} +

# The tree's own changelog is CHANGELOG.md; Debian wants an entry for this very package.
cat >"$tree/debian/changelog" <<END
evalx ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -u -R -d "@$epoch")
END

cd "$tree"
export SOURCE_DATE_EPOCH=$epoch DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-parallel=$(nproc)}
unset MAKEFLAGS MFLAGS MAKELEVEL
if ! dpkg-buildpackage --build=binary --no-sign >"$out/build.log" 2>&1; then
    tail -n 40 "$out/build.log" >&2
    exit 1
fi
find "$work" -maxdepth 1 -type f -exec mv -t "$out" {} +
find "$out" -maxdepth 1 -name "evalx_${version}_*.deb"
