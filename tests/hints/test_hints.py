# SPDX-License-Identifier: Apache-2.0
"""Hints from outside: the programs of the corpus on a live server, and where hints are shown."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from accepted import programs  # noqa: E402
from capture import cases, program, settings  # noqa: E402
from live import BUILD, Server  # noqa: E402

LIMITS = {"cpu_time_ms": 20000, "wall_time_ms": 60000}
BROKEN = {"language": "python", "source": "total = 3\nprint(totl)\n"}
SENTENCE = "Line 2: The name `totl` is not known. Did you mean `total`?"


@pytest.fixture(scope="module")
def server():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def offered(server):
    return {l["id"] for l in server.get("/v1/languages")[1]["languages"] if l["offered"]}


def submission(case):
    extra = settings(case)
    body = {"language": case.parent.name, "source": program(case).read_text(), "limits": dict(LIMITS)}
    for name, key in (("stdin", "stdin"), ("expected", "expected_output")):
        if (case / name).exists():
            body[key] = (case / name).read_text()
    body["limits"] |= extra.get("limits", {})
    return body | {key: extra[key] for key in ("compiler_options", "args", "checker") if key in extra}


def run_all(server, bodies):
    """Several at a time; in the order they were given."""

    def run(body):
        status, answer = server.post("/v1/submissions?wait=120", body)
        assert status == 200, answer
        return answer

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(run, bodies))


def test_programs_of_the_corpus_get_their_hint(server, offered):
    some = [c for c in cases() if c.parent.name in offered and "settings" not in settings(c)]
    answers = run_all(server, [submission(case) for case in some])
    wrong = {}
    for case, answer in zip(some, answers):
        captured = json.loads((case / "capture.json").read_text())["hints"][0]
        got = [hint["id"] for hint in answer["hint_details"]][:1]
        if got != [captured["id"]]:
            wrong[f"{case.parent.name}/{case.name}"] = (got, answer["verdict"], answer["message"])
    assert not wrong
    assert len(some) >= 100


def test_correct_programs_get_none(server, offered):
    some = [p for p in programs() if p[0] in offered]
    bodies = [{"language": language, "source": source, "limits": LIMITS} for language, _, source in some]
    answers = run_all(server, bodies)
    for (language, name, _), answer in zip(some, answers):
        assert answer["verdict"] == "accepted", (language, name, answer)
        assert answer["hints"] == [] and answer["hint_details"] == [], (language, name)
    assert len(some) >= 100 or len(offered) < 5


# ---- where they are shown ----


def test_the_native_face_shows_sentences_and_details(server):
    answer = server.post("/v1/submissions?wait=30", BROKEN)[1]
    assert answer["hints"] == [SENTENCE]
    assert answer["hint_details"] == [
        {"id": "python.name-error", "title": "A name is not known", "text": SENTENCE, "confidence": "certain",
         "line": 2, "test": "1", "link": None, "follow_up": False}
    ]  # fmt: skip
    assert server.get(f"/v1/submissions/{answer['token']}")[1]["hints"] == [SENTENCE]
    assert "NameError" in answer["stderr"]


def test_a_submission_can_do_without(server):
    answer = server.post("/v1/submissions?wait=30", BROKEN | {"hints": False})[1]
    assert "hints" not in answer and "hint_details" not in answer


def test_the_hint_is_about_the_first_test_that_failed(server):
    tests = [{"id": "a", "stdin": "1"}, {"id": "b", "stdin": "x"}, {"id": "c", "stdin": ""}]
    body = {"language": "python", "source": "print(int(input()))\n", "tests": tests}
    details = server.post("/v1/submissions?wait=30", body)[1]["hint_details"]
    assert [(hint["id"], hint["test"]) for hint in details] == [("python.int-of-text", "b")]


def test_the_judge0_face_shows_them_by_name_alone(server):
    body = {"language_id": 71, "source_code": BROKEN["source"]}
    plain = server.post("/submissions?wait=true", body)[1]
    assert "hints" not in plain
    token = plain["token"]
    assert server.get(f"/submissions/{token}?fields=hints")[1] == {"hints": [SENTENCE]}
    assert "hints" not in server.get(f"/submissions/{token}?fields=*")[1]


def test_secrets_of_a_test_stay_secret(server):
    source = "d = {}\nprint(d[input()])\n"
    body = {"language": "python", "source": source, "tests": [{"stdin": "zebra7391", "expected_output": "okapi"}]}
    answer = server.post("/v1/submissions?wait=30", body)[1]
    assert answer["hints"]
    assert "zebra" not in json.dumps(answer["hint_details"]) and "okapi" not in json.dumps(answer["hint_details"])
    body["source"] = "print('zebra')\n"
    answer = server.post("/v1/submissions?wait=30", body)[1]
    assert answer["verdict"] == "wrong_answer" and answer["hints"]
    assert "okapi" not in json.dumps(answer["hint_details"])


def test_a_server_can_be_without_hints():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Server({"EVALX_HINTS": "false"}) as quiet:
        assert "hints" not in quiet.post("/v1/submissions?wait=30", BROKEN)[1]
        asked = quiet.post("/v1/submissions?wait=30", BROKEN | {"hints": True})[1]
    assert asked["hints"] == [SENTENCE]


def test_a_broken_pattern_file_stops_the_start_and_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("patterns:\n  - id: a\n    wen: {}\n")
    env = {**os.environ, "EVALX_HINTS_DIR": str(tmp_path), "EVALX_DATA_DIR": str(tmp_path / "data")}
    env.pop("EVALX_BUILD", None)
    done = subprocess.run([BUILD / "evalx", "serve"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "bad.yaml" in done.stderr and "line: 2" in done.stderr


def run_program(tmp_path, *options):
    path = tmp_path / "main.py"
    path.write_text(BROKEN["source"])
    env = {name: value for name, value in os.environ.items() if name != "EVALX_BUILD"}
    return subprocess.run(
        [BUILD / "evalx", "run", *options, path], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_run_prints_them_on_standard_error(tmp_path, server):
    done = run_program(tmp_path)
    assert f"hint: {SENTENCE}\n" in done.stderr and "NameError" in done.stderr
    assert "hint:" not in done.stdout
    assert "hint:" not in run_program(tmp_path, "--quiet").stderr
    assert json.loads(run_program(tmp_path, "--json").stdout)["hints"][0]["text"] == SENTENCE
