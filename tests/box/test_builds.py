# SPDX-License-Identifier: Apache-2.0
"""evalx and evalx-box of different builds do not talk to each other, and say so in a sentence."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("EVALX_BUILD", TOP / "build")).absolute()
BOX = BUILD / "src/sandbox/evalx-box"
BOXRUN = BUILD / "tests/box/boxrun"
ONE_BUILD = "install both from one build"


def build_id(program=BOX):
    return re.search(r"\(build (\S+)\)", subprocess.check_output([program, "--version"], text=True))[1]


@pytest.fixture
def other_box(tmp_path):
    """evalx-box as another build of it would be: the same, with another name for itself."""
    own = build_id().encode()
    other = tmp_path / "evalx-box"
    other.write_bytes(BOX.read_bytes().replace(own, own[:-4] + b"beef"))
    other.chmod(0o755)
    assert build_id(other) == (own[:-4] + b"beef").decode()
    return other


def boxrun(program):
    return subprocess.run([BOXRUN, "--keeper", program, "--probe"], capture_output=True, text=True, timeout=60)


def test_a_box_of_another_build_is_refused_in_a_sentence(other_box):
    done = boxrun(other_box)
    assert done.returncode == 1
    assert ONE_BUILD in done.stderr and build_id() in done.stderr and "beef" in done.stderr


@pytest.mark.parametrize("name", ["true", "cat", "sleep"])
def test_what_is_no_evalx_box_is_refused_too(name):
    done = boxrun(shutil.which(name))
    assert done.returncode == 1 and "does not greet" in done.stderr and ONE_BUILD in done.stderr


def test_the_server_says_it_and_does_not_start(other_box, tmp_path):
    done = subprocess.run([BUILD / "evalx", "serve"], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "EVALX_BOX": str(other_box),
                               "EVALX_LISTEN": "127.0.0.1:0", "EVALX_DATA_DIR": str(tmp_path / "data"),
                               "EVALX_LANGUAGES_DIR": str(TOP / "languages")})
    assert done.returncode != 0 and ONE_BUILD in done.stderr + done.stdout


def test_the_box_refuses_as_well():
    """Whoever starts it: an evalx that greets otherwise, or one from before greetings."""
    for greeting in (b"garbage", b""):
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with mine, theirs:
            child = subprocess.Popen([BOX, "--keeper"], close_fds=False, stderr=subprocess.PIPE,
                                     preexec_fn=lambda fd=theirs.fileno(): os.dup2(fd, 3), text=True)
            theirs.close()
            if greeting:
                mine.send(greeting)
            else:
                mine.shutdown(socket.SHUT_WR)
            said = child.communicate(timeout=20)[1]
            assert child.returncode == 1
            assert not greeting or ONE_BUILD in said


def test_the_sandbox_looks_at_no_time_of_day():
    """Deadlines and durations are of the monotonic clock, which nobody can set."""
    for source in sorted((TOP / "src/sandbox").glob("*.[ch]")):
        text = source.read_text()
        assert not re.search(r"\b(wall_us\(|CLOCK_REALTIME|gettimeofday|time\(NULL\))", text), source.name
