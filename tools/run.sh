#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - start the server in the foreground and show a first run of real programs on it.
#
#   tools/run.sh [BUILD_FOLDER]     RUN_ONCE=1: stop after the first run (for tests)
#
# Settings are those of the server: EVALX_LISTEN, EVALX_DATA_DIR, ...
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}

as_root=()
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
    echo "run: the sandbox is set up by root (the server gives root up before it serves): using sudo" >&2
    as_root=(sudo --preserve-env)
fi

out=$(mktemp)
"${as_root[@]}" "$build/evalx" serve >"$out" &
server=$!

# shellcheck disable=SC2317 # called by the traps
stop() {
    local pid=$server
    trap - INT TERM EXIT
    # sudo does not pass on a signal that comes from its own process group: tell its child. A small
    # machine has no kill but the shell's.
    [ ${#as_root[@]} = 0 ] || read -r pid _ <"/proc/$server/task/$server/children"
    # shellcheck disable=SC2016 # for the inner shell
    "${as_root[@]}" sh -c 'kill "$1"' sh "$pid" 2>/dev/null
    wait "$server"
    rm -f "$out"
}
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM
trap stop EXIT

until grep -q '^evalx: ready on ' "$out"; do
    if [ ! -d "/proc/$server" ]; then
        echo "run: the server did not start; '$build/evalx doctor' says what is missing" >&2
        exit 1
    fi
    sleep 0.05
done
cat "$out"
url=$(sed -n 's/^evalx: ready on \(http:[^ ]*\).*/\1/p' "$out")

printf '\nA first run, over HTTP:\n\n'
examples/first-run.sh --quick "$url"
status=$?

more=$("$build/evalx" languages 2>/dev/null | sed -n 's/.*not here: apt-get install //p' | tr ' ' '\n' | sort -u | tr '\n' ' ')
[ -z "${more// /}" ] || printf '\nMore languages with: apt-get install %s(or: make deps FOR=languages)\n' "$more"
if [ "${RUN_ONCE:-}" = 1 ]; then
    stop
    exit "$status"
fi
cat <<END

Try it yourself (more in README.md, docs/api.md and examples/first-run.sh):

  curl -s -H 'Content-Type: application/json' '$url/v1/submissions?wait=10' \\
      -d '{"language": "python", "source": "print(6 * 7)"}'

Ctrl-C stops the server.
END
wait "$server"
