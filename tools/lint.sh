#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.sh - everything that can be said about the code without running it. Exit 1 on any finding.
#
#   tools/lint.sh      CHANGED=1: clang-tidy looks at changed files only
#
# Builds in a folder of its own, where warnings are errors.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build="build-lint"
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

# Programs that are broken on purpose are data: their faults are what they are about.
data=(':!tests/*/corpus/*' ':!tests/hostile/compilers/*')

# What git knows or would add, and is still there.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" "${data[@]}" | sort -u |
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
    export -f tidy_one
    export build
    # shellcheck disable=SC2016 # for the inner shell
    xargs -r -P "$jobs" -I{} bash -c 'tidy_one "$1"' bash {} <<<"$list"
}

tidy_one() {
    # clang does not know some of gcc's warning flags; that is no finding about the code.
    local flags=(-Wno-unknown-warning-option -include "$PWD/tools/lint.h" "-I$PWD/src")
    case $1 in */err.c) flags+=(-DEVALX_LINT_ERR_ITSELF) ;; esac
    clang-tidy -p "$build" --quiet "${flags[@]/#/--extra-arg=}" "$1" 2>/dev/null
}

check_cppcheck() {
    files 'src/*.c' | xargs -r cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability \
        --error-exitcode=1 --inline-suppr --suppressions-list=tools/cppcheck.txt \
        --template='{file}:{line}: {severity}: {message} [{id}]' \
        --include=tools/lint.h -D__cppcheck__ -D_GNU_SOURCE -D__linux__ -D__x86_64__ -DEVALX_VERSION='"0"' -I src
}

check_shell() {
    files '*.sh' .ci/run | xargs -r shellcheck
}

check_spdx() {
    local missing
    missing=$(files 'src/*.[ch]' 'tests/*.[ch]' 'tests/*.py' 'bench/*' 'tools/*.py' 'tools/*.sh' ':(glob)examples/*.sh' Makefile |
        xargs -r grep -L 'SPDX-License-Identifier: Apache-2.0' | grep -v -E '\.build$|/corpus/')
    [ -z "$missing" ] && return 0
    echo "no SPDX line in:"
    echo "$missing"
    return 1
}

check_warnings() {
    local options=()
    [ -f "$build/build.ninja" ] || options=(-Dwerror=true)
    mkdir -p "$build"
    tools/build.sh "$build" "${options[@]}" >"$build/log" 2>&1 && return
    grep -E -A 5 'error:|ERROR:' "$build/log"
    return 1
}

step warnings check_warnings
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
