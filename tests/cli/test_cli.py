# SPDX-License-Identifier: Apache-2.0
"""The command line: evalx run, languages, doctor, config, --help. Needs root, as the server does."""
import json
import os
import subprocess
import time

import pytest

BUILD = os.environ.get("EVALX_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
EVALX = os.path.join(BUILD, "evalx")


def evalx(*words, stdin=None, env=None, timeout=60):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVALX_")}
    environment.update(env or {})
    return subprocess.run([EVALX, *map(str, words)], input=stdin, capture_output=True, text=True,
                          env=environment, timeout=timeout)


@pytest.fixture
def program(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


def test_help_names_every_command_and_setting():
    r = evalx("--help")
    assert r.returncode == 0
    for word in ("serve", "run", "languages", "doctor", "config", "EVALX_LISTEN", "EVALX_DATA_DIR"):
        assert word in r.stdout


def test_version_is_one_line():
    r = evalx("--version")
    assert r.returncode == 0 and r.stdout.startswith("evalx ") and r.stdout.count("\n") == 1


def test_an_unknown_command_is_wrong_usage():
    r = evalx("srve")
    assert r.returncode == 2 and "srve" in r.stderr


def test_config_shows_where_a_value_came_from():
    r = evalx("config", env={"EVALX_LANES": "3"})
    assert "EVALX_LANES=3  # from the environment" in r.stdout
    assert "EVALX_LISTEN=127.0.0.1:2358  # default" in r.stdout


def test_config_hides_secrets():
    r = evalx("config", env={"EVALX_AUTH_TOKENS": "hunter2"})
    assert "hunter2" not in r.stdout and "EVALX_AUTH_TOKENS=(hidden)" in r.stdout


def test_a_secret_may_come_from_a_file(program):
    path = program("token", "from-a-file\n")
    r = evalx("config", env={"EVALX_AUTH_TOKENS_FILE": str(path)})
    assert r.returncode == 0 and "EVALX_AUTH_TOKENS=(hidden)" in r.stdout


def test_a_secret_from_an_empty_file_is_none(program, tmp_path):
    """As an empty variable is: a Secret may have a key for a database that is not there."""
    path = program("url", "\n")
    r = evalx("doctor", env={"EVALX_DATABASE_URL_FILE": str(path), "EVALX_DATA_DIR": str(tmp_path)})
    assert "PostgreSQL" not in r.stdout and "EVALX_DATABASE_URL" not in r.stderr


@pytest.mark.parametrize("name,value,word", [
    ("EVALX_LANES", "many", "EVALX_LANES"),
    ("EVALX_LANES", "-1", "outside"),
    ("EVALX_LEASE", "soon", "30s"),
    ("EVALX_CGROUP", "v3", "auto v1 v2 none"),
    ("EVALX_LNAES", "2", "no such setting"),
])
def test_a_wrong_setting_stops_the_start_with_its_name(name, value, word, tmp_path):
    r = evalx("serve", env={name: value, "EVALX_DATA_DIR": str(tmp_path)})
    assert r.returncode == 2
    assert name in r.stderr and word in r.stderr


def test_doctor_finds_every_layer_in_order():
    r = evalx("doctor", env={"EVALX_DATA_DIR": "/tmp"})
    assert r.returncode == 0, r.stdout + r.stderr
    assert "system call filter" in r.stdout and "FAIL" not in r.stdout


def test_doctor_names_a_missing_box(tmp_path):
    r = evalx("doctor", env={"EVALX_BOX": str(tmp_path / "nothing")})
    assert r.returncode == 1
    assert "FAIL" in r.stdout and "fix:" in r.stdout


def test_serve_refuses_to_start_without_its_sandbox(tmp_path):
    r = evalx("serve", env={"EVALX_BOX": str(tmp_path / "nothing"),
                            "EVALX_DATA_DIR": str(tmp_path / "data")})
    assert r.returncode == 1 and "evalx-box" in r.stderr or "nothing" in r.stderr


def test_run_passes_output_arguments_and_stdin_through(program):
    path = program("t.py", "import sys; print(sys.argv[1:], input()); print('e', file=sys.stderr)\n")
    r = evalx("run", path, "a", "b c", stdin="line\n")
    assert r.returncode == 0, r.stderr
    assert r.stdout == "['a', 'b c'] line\n" and r.stderr == "e\n"


def test_run_exits_as_the_program_did(program):
    r = evalx("run", program("t.sh", "exit 7\n"), stdin="")
    assert r.returncode == 7


def test_run_shows_a_signal_as_a_shell_would(program):
    r = evalx("run", program("t.c", "#include <stdlib.h>\nint main(void) { abort(); }\n"), stdin="")
    assert r.returncode == 128 + 6


def test_run_stops_an_endless_loop(program):
    start = time.monotonic()
    r = evalx("run", "--cpu-time=300ms", program("t.sh", "while :; do :; done\n"), stdin="")
    assert r.returncode == 124 and "CPU" in r.stderr
    assert time.monotonic() - start < 5


def test_run_stops_a_sleeper(program):
    r = evalx("run", "--wall-time=300ms", program("t.sh", "sleep 20\n"), stdin="")
    assert r.returncode == 124


def test_run_stops_a_memory_hog(program):
    path = program("t.py", "x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\n")
    r = evalx("run", "--memory=64MiB", path, stdin="")
    assert r.returncode == 137 and "emory" in r.stderr


def test_run_shows_compile_errors(program):
    r = evalx("run", program("t.c", "int main(void) { return x; }\n"), stdin="")
    assert r.returncode == 1 and "undeclared" in r.stderr


def test_run_reports_as_json(program):
    r = evalx("run", "--json", program("t.sh", "echo hi\n"), stdin="")
    report = json.loads(r.stdout)
    assert report["verdict"] == "accepted"
    assert report["tests"][0]["stdout"] == "hi\n"


def test_run_puts_further_files_beside_the_program(program):
    data = program("numbers.txt", "1 2 3\n")
    r = evalx("run", f"--files={data}", program("t.sh", "cat numbers.txt\n"), stdin="")
    assert r.stdout == "1 2 3\n"


def test_run_brings_files_out(program, tmp_path):
    source = program("t.sh", "mkdir -p d/e; echo $WHO > d/e/f.txt; ln -s /etc/passwd d/link\n")
    into = tmp_path / "into"
    r = evalx("run", "--collect=d/**", f"--into={into}", "--env=WHO=me", source, stdin="")
    assert r.returncode == 0, r.stderr
    assert (into / "d/e/f.txt").read_text() == "me\n"
    assert not (into / "d/link").exists()


def test_run_writes_no_collected_file_through_a_link(program, tmp_path):
    into = tmp_path / "into"
    elsewhere = tmp_path / "elsewhere"
    into.mkdir()
    elsewhere.mkdir()
    (into / "d").symlink_to(elsewhere)
    r = evalx("run", "--collect=d/*", f"--into={into}", program("t.sh", "mkdir d; echo x > d/f\n"),
              stdin="")
    assert r.returncode == 125
    assert list(elsewhere.iterdir()) == []


def test_run_passes_options_to_the_compiler(program):
    source = program("t.c", "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", X); }\n")
    r = evalx("run", "--options=-DX=42", source, stdin="")
    assert r.stdout == "42\n", r.stderr


def test_run_asks_for_the_language_it_cannot_guess(program):
    r = evalx("run", program("t.unknown", "x"), stdin="")
    assert r.returncode == 125 and "--language" in r.stderr


def test_run_names_a_wrong_option(program):
    r = evalx("run", "--memroy=1MiB", program("t.sh", "true\n"), stdin="")
    assert r.returncode == 125 and "--memroy" in r.stderr


def test_languages_lists_and_tests_what_is_here():
    r = evalx("languages", "--json")
    offered = [l["id"] for l in json.loads(r.stdout) if l["offered"]]
    assert {"c", "cpp", "python"} <= set(offered)
    r = evalx("languages", "--test", "c", "python", timeout=120)
    assert r.returncode == 0, r.stdout
    assert r.stdout.endswith("2 passed, 0 failed\n")


def test_languages_answers_an_unknown_name_with_near_ones():
    r = evalx("languages", "pyhton")
    assert r.returncode == 1 and "python" in r.stderr
