# SPDX-License-Identifier: Apache-2.0
"""The language model's hint: a live server beside an endpoint that speaks chat completions, as well
as it should and as badly as it can."""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import Server  # noqa: E402

BROKEN = {"language": "python", "source": "total = 3\nprint(totl)\n"}
SAYS = "Line 2 prints totl, but the value is kept in total. Compare the two names."


def completion(content, **message):
    return 200, {
        "id": "c-1",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
        ],
    }


class Model:
    """An endpoint; answer(body) gives (status, JSON or bytes), or blocks."""

    def __init__(self):
        self.asked = []
        self.answer = lambda body: completion(SAYS)
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                model.asked.append((self.path, dict(self.headers), json.loads(raw)))
                status, body = model.answer(model.asked[-1][2])
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def model():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = Model()
    yield made
    made.close()


def serve(model, **settings):
    env = {"EVALX_HINTS_LLM_URL": model.url, "EVALX_HINTS_LLM_MODEL": "tiny", "EVALX_HINTS_LLM_KEY": "k-1"}
    return Server(env=env | {f"EVALX_HINTS_LLM_{key}": value for key, value in settings.items()})


def run(server, body):
    status, answer = server.post("/v1/submissions?wait=60", body)
    assert status == 200, answer
    return answer


def model_hint(server, token, seconds=10):
    """The model's hint of a submission, or None when none came in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        details = server.get(f"/v1/submissions/{token}")[1]["hint_details"]
        found = [h for h in details if h["id"] == "model"]
        if found:
            return found[0]
        time.sleep(0.05)
    return None


def wait_asked(model, count):
    end = time.monotonic() + 10
    while len(model.asked) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(model.asked) >= count


def test_a_failed_program_gets_one_more_hint_after_its_answer(model):
    with serve(model) as server:
        answer = run(server, BROKEN)
        hint = model_hint(server, answer["token"])
        assert hint["text"] == SAYS and hint["confidence"] == "guess"
        whole = server.get(f"/v1/submissions/{answer['token']}")[1]
        assert whole["hints"][:-1] == answer["hints"][: len(whole["hints"]) - 1] and whole["hints"][-1] == SAYS
        assert whole["verdict"] == answer["verdict"]
    path, headers, body = model.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer k-1"
    assert body["model"] == "tiny" and "print(totl)" in body["messages"][-1]["content"]


def test_accepted_programs_and_those_without_hints_are_not_asked_about(model):
    with serve(model) as server:
        run(server, {"language": "python", "source": "print(1)", "expected_output": "1"})
        run(server, BROKEN | {"hints": False})
        answer = run(server, BROKEN)
        assert model_hint(server, answer["token"])
    assert len(model.asked) == 1


def test_nothing_of_a_test_is_in_the_prompt(model):
    """What the program read and printed neither: it may be the test's."""
    spy = (
        "import os, sys\ntext = sys.stdin.read() + ' '.join(sys.argv) + os.environ.get('E', '')\n"
        "print(text)\nsys.stderr.write(text)\nopen('extra.txt').read()\nraise ValueError(text)\n"
    )
    with serve(model) as server:
        run(
            server,
            {
                "language": "python",
                "files": [{"path": "main.py", "content": spy}, {"path": "extra.txt", "content": "SECRET-file"}],
                "entrypoint": "main.py",
                "args": ["SECRET-args"],
                "env": {"E": "SECRET-env"},
                "tests": [
                    {"id": "SECRET-id", "stdin": "SECRET-in", "expected_output": "SECRET-out", "args": ["SECRET-arg"]}
                ],
            },
        )
        wait_asked(model, 1)
    assert "raise ValueError" in json.dumps(model.asked[0][2])
    assert "SECRET" not in json.dumps(model.asked)


def test_an_endpoint_that_hangs_holds_up_nobody(model):
    held = threading.Event()
    model.answer = lambda body: (held.wait(30), completion("late"))[1]
    with serve(model, TIMEOUT="2s") as server:
        began = time.monotonic()
        tokens = [run(server, BROKEN | {"stdin": str(i)})["token"] for i in range(12)]
        assert time.monotonic() - began < 10, "runs waited for the model"
        wait_asked(model, 4)
        assert len(model.asked) <= 4, "more questions at one time than four"
        assert model_hint(server, tokens[0], 4) is None, "an answer after its time-out became a hint"
        assert any("name" in text for text in server.get(f"/v1/submissions/{tokens[0]}")[1]["hints"])
        stop = time.monotonic()
        server.stop()
        assert time.monotonic() - stop < 8, "stopping waited for the model"
    held.set()


BAD = {
    "an error": lambda body: (500, {"error": {"message": "overloaded"}}),
    "no JSON": lambda body: (200, b"<html>gateway</html>"),
    "no choices": lambda body: (200, {"choices": []}),
    "a number": lambda body: completion(17),
    "a refusal": lambda body: completion(None, refusal="I cannot help with that."),
    "nothing": lambda body: completion("NONE"),
    "a flood": lambda body: (200, b'{"choices":[{"message":{"content":"' + b"x" * 1000000 + b'"}}]}'),
}


@pytest.mark.parametrize("what", BAD)
def test_an_answer_that_is_none_leaves_the_patterns_hints(model, what):
    model.answer = BAD[what]
    with serve(model) as server:
        answer = run(server, BROKEN)
        wait_asked(model, 1)
        assert model_hint(server, answer["token"], 1) is None
        assert server.get(f"/v1/submissions/{answer['token']}")[1]["hints"] == answer["hints"] != []
        assert server.get("/health")[0] == 200


def test_an_endpoint_in_trouble_is_left_alone_for_a_while(model):
    model.answer = BAD["an error"]
    with serve(model) as server:
        for i in range(3):
            run(server, BROKEN | {"stdin": str(i)})
            wait_asked(model, i + 1)
        time.sleep(0.3)
        for i in range(3, 8):
            run(server, BROKEN | {"stdin": str(i)})
        time.sleep(1)
    assert len(model.asked) == 3


def test_the_budget_holds(model):
    with serve(model, BUDGET="5") as server:
        for i in range(9):
            run(server, BROKEN | {"stdin": str(i)})
        time.sleep(1)
    assert len(model.asked) == 5


def test_a_submission_deleted_meanwhile_stays_deleted(model):
    go = threading.Event()
    model.answer = lambda body: (go.wait(30), completion(SAYS))[1]
    with serve(model) as server:
        token = run(server, BROKEN)["token"]
        wait_asked(model, 1)
        assert server.client().request("DELETE", f"/v1/submissions/{token}")[0] in (200, 204)
        go.set()
        time.sleep(0.5)
        assert server.get(f"/v1/submissions/{token}")[0] == 404


def test_a_wrong_setting_stops_the_start_and_is_named(model):
    model.url = "gopher://x"
    with pytest.raises(Exception, match="EVALX_HINTS_LLM_URL"):
        with serve(model):
            pass
