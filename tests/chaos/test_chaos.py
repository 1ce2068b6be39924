# SPDX-License-Identifier: Apache-2.0
"""A short run of the fault harness, and that it would notice what it looks for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "cluster")]

from chaos import Book  # noqa: E402

SECONDS = 20


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_token_is_the_worse_for_any_fault():
    """In a mount namespace of its own: the small disk goes with it."""
    assert shutil.which("redis-server") and shutil.which("unshare")
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, HERE / "chaos.py", "--seconds", str(SECONDS), "--seed", "1"],
        capture_output=True, text=True, check=False, timeout=400,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert not report["violations"], done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    # A run in which nothing happened shows nothing.
    assert report["tokens"] == report["results"] >= 30
    assert sum(report["faults"].values()) >= 6
    assert report["connections_cut"] >= 1


def test_the_book_notices_what_must_not_be():
    answer = {"token": "t", "state": "finished", "verdict": "accepted", "stdout": "1\n", "finished_at": "x"}
    book = Book()
    book.given("key", "t", "1\n")
    book.given("key", "t", "1\n")
    book.final(answer)
    book.final(answer)
    assert not book.violations
    book.given("another", "t", "1\n")
    book.final(answer | {"stdout": "2\n"})
    assert len(book.violations) == 2
