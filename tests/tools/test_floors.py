# SPDX-License-Identifier: Apache-2.0
"""tools/floors.py: the include direction is kept, and every way of breaking it is found."""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
FLOORS = "2 roof\n1 left right  # neighbours\n0 base\n"
FOREIGN = "json-c/ base/json.c\nsqlite3.h right/\n"


@pytest.fixture
def house(tmp_path):
    (tmp_path / "FLOORS").write_text(FLOORS)
    (tmp_path / "FOREIGN").write_text(FOREIGN)

    def check(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path = path.with_name(path.name.removesuffix("_c") + ".c")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [TOP / "tools/floors.py", tmp_path], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.replace(f"{tmp_path}/", "")

    return check


def test_the_sources_keep_the_direction():
    done = subprocess.run([TOP / "tools/floors.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_own_folder_floors_below_and_libc_are_fine(house):
    text = '#include "left/a.h"\n#include "base/b.h"\n#include <sys/stat.h>\n#include <poll.h>\n'
    assert house(left__a_c=text) == (0, "")


def test_going_up_is_refused_with_file_and_line(house):
    code, out = house(base__x_c='#include <stdio.h>\n\n#  include "roof/r.h"\n')
    assert code == 1
    assert out == "base/x.c:3: base (floor 0) includes roof above it (floor 2)\n"


def test_a_neighbour_is_refused(house):
    code, out = house(left__x_c='#include "right/r.h"\n')
    assert code == 1
    assert out == "left/x.c:1: left includes its neighbour right (both on floor 1)\n"


def test_a_header_without_its_folder_is_refused(house):
    code, out = house(left__x_c='#include "a.h"\n')
    assert code == 1 and "without a folder" in out


def test_a_foreign_header_belongs_to_one_file(house):
    assert house(base__json_c="#include <json-c/json.h>\n") == (0, "")
    code, out = house(base__x_c="#include <json-c/json.h>\n")
    assert code == 1 and out == "base/x.c:1: <json-c/json.h> belongs to base/json.c alone\n"


def test_a_foreign_header_may_belong_to_a_folder(house):
    assert house(right__x_c="#include <sqlite3.h>\n") == (0, "")
    assert house(roof__x_c="#include <sqlite3.h>\n")[0] == 1


def test_an_unlisted_foreign_header_is_refused(house):
    code, out = house(base__x_c="#include <yaml.h>\n")
    assert code == 1 and "not listed in FOREIGN" in out


def test_an_unknown_folder_is_refused(house):
    code, out = house(attic__x_c="")
    assert code == 1 and "folder attic is not in FLOORS" in out
