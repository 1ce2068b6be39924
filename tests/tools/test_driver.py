# SPDX-License-Identifier: Apache-2.0
"""tools/test.py counts honestly: what failed can hide nowhere, and nothing is counted twice."""

import importlib.util
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("driver", TOP / "tools/test.py")
driver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(driver)

CMOCKA = """[==========] Running 3 test(s).
[ RUN      ] memory: one thing
[       OK ] memory: one thing
[ RUN      ] memory: another thing
[  ERROR   ] --- 1 != 2
[  FAILED  ] memory: another thing
[ RUN      ] sqlite: one thing
[  SKIPPED ] sqlite: one thing
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] memory: another thing

 1 FAILED TEST(S)
"""


def entry(result, text="", status=0):
    return {"name": "evalx:unit / thing", "result": result, "stderr": text, "returncode": status}


def test_each_cmocka_case_counts_once():
    tally = driver.count_program("unit", entry("FAIL", CMOCKA, 1))
    assert tally.line() == "1 passed, 1 failed, 1 skipped"
    assert tally.failures == ["unit/thing: memory: another thing"]


def test_a_crash_after_good_cases_is_a_failure():
    text = "[       OK ] one\n[ RUN      ] two\nAddressSanitizer: heap-use-after-free\n"
    tally = driver.count_program("unit", entry("FAIL", text, -6))
    assert tally.line() == "1 passed, 1 failed"
    assert "exit status -6" in tally.failures[0]


def test_a_program_without_cases_counts_as_one():
    assert driver.count_program("unit", entry("OK")).line() == "1 passed, 0 failed"
    assert driver.count_program("unit", entry("TIMEOUT")).line() == "0 passed, 1 failed"


def test_exit_status_77_is_a_skip_with_its_reason():
    tally = driver.count_program("box", entry("SKIP", "some words\nneeds root\n", 77))
    assert tally.line() == "0 passed, 0 failed, 1 skipped"
    assert tally.skips == {"needs root": ["box/thing"]}


@pytest.fixture
def tests_of(tmp_path, monkeypatch):
    def run(text):
        folder = tmp_path / "tests/some"
        folder.mkdir(parents=True)
        (folder / "test_some.py").write_text(text)
        monkeypatch.setattr(driver, "TOP", tmp_path)
        return driver.run_pytest("some", "some", {})

    return run


def test_pytest_failures_errors_and_skips_are_told_apart(tests_of):
    tally = tests_of(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "def test_left_out(): pytest.skip('no root')\n"
        "@pytest.fixture\ndef broken(): raise OSError\n"
        "def test_error(broken): pass\n"
    )
    assert tally.line() == "1 passed, 2 failed, 1 skipped"


def test_a_file_that_cannot_be_read_is_a_failure(tests_of):
    assert tests_of("import nothing_of_that_name\n").line() == "0 passed, 1 failed"


def test_a_suite_that_hangs_is_killed_and_says_so():
    status, text = driver.run(["sleep", "60"], seconds=0.2)
    assert status == -1 and "hung" in text
