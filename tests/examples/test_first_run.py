# SPDX-License-Identifier: Apache-2.0
"""What the README shows works: the first run, every program with the verdict it must have."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import BUILD, TOP, Server  # noqa: E402


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


def first_run(*words):
    return subprocess.run(
        [TOP / "examples/first-run.sh", *words],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False,
    )


@pytest.fixture(scope="module")
def done(server):
    return first_run(f"http://{server.host}:{server.port}")


def test_every_program_has_the_verdict_it_must_have(done):
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "every verdict as expected" in done.stdout
    for verdict in ("accepted", "wrong_answer", "compile_error", "cpu_time_limit", "wall_time_limit",
                    "memory_limit", "output_limit", "runtime_error"):
        assert verdict in done.stdout
    assert "20 of 20 tests accepted" in done.stdout


def test_every_offered_language_has_a_program(server, done):
    _, answer = server.get("/v1/languages")
    shown = {line.split()[0] for line in done.stdout.splitlines() if "primes" in line}
    assert shown == {language["id"] for language in answer["languages"] if language.get("offered", True)}


def test_an_unexpected_verdict_is_an_exit_status(server, tmp_path):
    """The script itself can fail: with a program that prints something else."""
    copy = tmp_path / "examples"
    subprocess.run(["cp", "-r", TOP / "examples", copy], check=True)
    (copy / "programs/python/primes.py").write_text("print('none')\n")
    done = subprocess.run(
        [copy / "first-run.sh", "--quick", f"http://{server.host}:{server.port}"],
        capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 1
    assert "<- expected accepted" in done.stdout
    assert "1 with an unexpected verdict" in done.stdout


def test_no_server_is_said_plainly():
    done = first_run("http://127.0.0.1:1")
    assert done.returncode == 1
    assert "make run" in done.stderr


def test_make_run_shows_a_first_verdict_and_stops():
    never_started = Server()
    done = subprocess.run(
        [TOP / "tools/run.sh", BUILD], env=never_started.env | {"RUN_ONCE": "1"},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False,
    )
    never_started.remove()
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert re.search(r"^cpp +count words +accepted", done.stdout, re.MULTILINE)
    assert re.search(r"^python +primes +accepted", done.stdout, re.MULTILINE)
