#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.sh - everything that can be said about the code without running it. Exit 1 on any finding.
#
#   tools/lint.sh [BUILD_FOLDER]     CHANGED=1: clang-tidy looks at changed files only
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
jobs=$(nproc)
failed=()

step() {
    local name=$1 start=$SECONDS
    shift
    if "$@"; then
        printf 'lint: %-12s ok (%d s)\n' "$name" $((SECONDS - start))
    else
        printf 'lint: %-12s FAILED\n' "$name"
        failed+=("$name")
    fi
}

# What git knows or would add, and is still there.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
        while read -r file; do [ -f "$file" ] && echo "$file"; done
}

changed_files() {
    { git diff --name-only HEAD -- "$@" && git ls-files --others --exclude-standard -- "$@"; } | sort -u |
        while read -r file; do [ -f "$file" ] && echo "$file"; done
}

check_format() {
    files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
}

# Only files of the compilation database: the others have no flags to be read with.
check_tidy() {
    local list
    if [ "${CHANGED:-}" = 1 ]; then list=$(changed_files 'src/*.c'); else list=$(files 'src/*.c'); fi
    [ -n "$list" ] || return 0
    # clang does not know some of gcc's warning flags; that is no finding about the code.
    xargs -r -P "$jobs" -n 1 bash -c '
        case $1 in */err.c) itself=--extra-arg=-DEVALX_LINT_ERR_ITSELF ;; *) itself=--extra-arg=-DNDEBUG ;; esac
        clang-tidy -p "$0" --quiet --extra-arg=-Wno-unknown-warning-option \
            --extra-arg=-include --extra-arg=tools/lint.h --extra-arg=-Isrc "$itself" "$1" 2>/dev/null
    ' "$build" <<<"$list"
}

check_cppcheck() {
    files 'src/*.c' | xargs -r cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability \
        --error-exitcode=1 --inline-suppr --suppressions-list=tools/cppcheck.txt \
        --template='{file}:{line}: {severity}: {message} [{id}]' \
        --include=tools/lint.h -D_GNU_SOURCE -D__linux__ -D__x86_64__ -DEVALX_VERSION='"0"' -I src
}

check_shell() {
    files '*.sh' .ci/run | xargs -r shellcheck
}

check_spdx() {
    local missing
    missing=$(files 'src/*.[ch]' 'tests/*.[ch]' 'tests/*.py' 'bench/*' 'tools/*.py' '*.sh' Makefile |
        xargs -r grep -L 'SPDX-License-Identifier: Apache-2.0' | grep -v -E '\.build$|/corpus/')
    [ -z "$missing" ] && return 0
    echo "no SPDX line in:"
    echo "$missing"
    return 1
}

if ! tools/build.sh "$build"; then
    echo "lint: the code does not build" >&2
    exit 1
fi
step format check_format
step floors tools/floors.py
step spdx check_spdx
step shellcheck check_shell
step cppcheck check_cppcheck
step clang-tidy check_tidy

if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: failed: ${failed[*]}"
    exit 1
fi
echo "lint: clean"
