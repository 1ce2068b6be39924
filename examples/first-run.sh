#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# first-run.sh - real programs, submitted to a running server over HTTP, and what became of them.
#
#   examples/first-run.sh [--quick] [URL]      URL: http://127.0.0.1:2358; --quick: C++ and Python only
#
# Every offered language counts words and primes; then come a compile error, an endless loop, a
# sleeper, a memory hog, a flood of output, a crash and twenty tests of one program. Exit status 1
# when a verdict is not the one it should be. Needs curl and python3.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)/programs
# The system's own: a version manager's shim in front of it would cost most of the time.
python3=$(command -v /usr/bin/python3 || command -v python3)
quick=
if [ "${1:-}" = --quick ]; then quick=yes && shift; fi
url=${1:-http://127.0.0.1:2358}
count=0 unexpected=0

# body LANGUAGE FILE [JSON]: a submission, with further members from a JSON object
body() {
    "$python3" -c '
import json, sys
language, file, more = sys.argv[1:]
print(json.dumps({"language": language, "source": open(file).read()} | json.loads(more)))' "$1" "$2" "${3:-{\}}"
}

# from FILE FILE: stdin and the output expected for it
from() {
    "$python3" -c '
import json, sys
print(json.dumps({"stdin": open(sys.argv[1]).read(), "expected_output": open(sys.argv[2]).read()}))' "$1" "$2"
}

# show LANGUAGE TITLE EXPECTED: the answer on stdin as one line of the table; false when unexpected
show() {
    "$python3" -c '
import json, sys
language, title, expected = sys.argv[1:]
answer = json.load(sys.stdin)
verdict = answer.get("verdict") or answer.get("detail") or answer.get("state")
usage = answer.get("usage") or {}
ran = verdict != "compile_error" and "cpu_time_ms" in usage
cpu = "%.0f ms" % usage["cpu_time_ms"] if ran else "-"
memory = "%.1f MiB" % (usage["memory_bytes"] / 2**20) if ran else "-"
compile_output = (answer.get("compile") or {}).get("output")
lines = (answer.get("stdout") or compile_output or answer.get("stderr") or answer.get("message") or "").strip().split("\n")
tests = answer.get("tests") or []
if compile_output and verdict == "compile_error":
    lines = [line for line in lines if "error" in line] or lines
if len(tests) > 1:
    lines = ["%d of %d tests accepted" % (sum(t["verdict"] == "accepted" for t in tests), len(tests))]
mark = "" if verdict == expected else "   <- expected " + expected
print("%-12s %-14s %-16s %9s %11s  %.48s%s" % (language, title, verdict, cpu, memory, lines[0], mark))
sys.exit(verdict != expected)' "$1" "$2" "$3"
}

# submit LANGUAGE TITLE EXPECTED FILE [JSON]: hand it in, wait for the verdict, show it
submit() {
    count=$((count + 1))
    body "$1" "$here/$4" "${5:-}" |
        curl -sS --max-time 120 -H 'Content-Type: application/json' --data-binary @- \
            "$url/v1/submissions?wait=60" |
        show "$1" "$2" "$3" || unexpected=$((unexpected + 1))
}

# Where the programs of a language are, and how their files end.
folder_of() {
    case $1 in
    c | c-clang) echo c ;;
    cpp | cpp-clang) echo cpp ;;
    *) echo "$1" ;;
    esac
}

# file_of FOLDER NAME: words.c, Words.java, ...; nothing when that folder has none
file_of() {
    (cd "$here" && find "$1" -iname "$2" -o -iname "$2.*" 2>/dev/null)
}

every_language() {
    local id folder words primes
    for id in "$@"; do
        folder=$(folder_of "$id")
        words=$(file_of "$folder" words)
        primes=$(file_of "$folder" primes)
        [ -z "$words" ] || submit "$id" "count words" accepted "$words" "$(from "$here"/words.{txt,expected})"
        [ -z "$primes" ] || submit "$id" "primes" accepted "$primes" "$(from /dev/null "$here/primes.expected")"
    done
}

limits() {
    submit cpp "no semicolon" compile_error limits/does_not_compile.cpp
    submit python "endless loop" cpu_time_limit limits/endless.py '{"limits": {"cpu_time_ms": 500, "cpu_extra_time_ms": 0}}'
    submit python "sleeper" wall_time_limit limits/sleeper.py '{"limits": {"wall_time_ms": 500}}'
    submit c "memory hog" memory_limit limits/hog.c '{"limits": {"memory_bytes": 67108864}}'
    submit python "flood" output_limit limits/flood.py '{"limits": {"output_bytes": 65536}}'
    submit c "crash" runtime_error limits/crash.c
    submit cpp "wrong answer" wrong_answer cpp/sum.cpp '{"stdin": "2 2", "expected_output": "5"}'
}

twenty_tests() {
    submit cpp "20 tests" accepted cpp/sum.cpp "$("$python3" -c '
import json
tests = [{"stdin": " ".join(map(str, range(n + 1))), "expected_output": str(n * (n + 1) // 2)} for n in range(20)]
print(json.dumps({"tests": tests}))')"
}

if ! languages=$(curl -sS --max-time 10 "$url/v1/languages"); then
    echo "no server answers at $url; start one with: make run" >&2
    exit 1
fi
languages=$("$python3" -c '
import json, sys
answer = json.load(sys.stdin)
print(*(l["id"] for l in answer["languages"] if l.get("offered", True)))' <<<"$languages")
[ -z "$quick" ] || languages="cpp python"

printf '%-12s %-14s %-16s %9s %11s  %s\n' LANGUAGE PROGRAM VERDICT "CPU TIME" MEMORY OUTPUT
# shellcheck disable=SC2086 # a list of words
every_language $languages
if [ -z "$quick" ]; then
    limits
    twenty_tests
fi

echo
if [ "$unexpected" -gt 0 ]; then
    echo "$count programs, $unexpected with an unexpected verdict."
    exit 1
fi
echo "$count programs, every verdict as expected."
