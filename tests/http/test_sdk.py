# SPDX-License-Identifier: Apache-2.0
"""c79: the official Python SDK's flow, by a client as strict as it is: constructor, create, poll, read."""

import datetime
import time
import uuid

import pytest
from client import Api, b64, unb64

VERSIONS = ("1.13.1", "1.13.1-extra", "1.14.0", "1.14.0-extra")
CONFIG = {
    "maintenance_mode": bool, "enable_wait_result": bool, "enable_compiler_options": bool,
    "allowed_languages_for_compile_options": list, "enable_command_line_arguments": bool,
    "enable_submission_delete": bool, "enable_callbacks": bool, "callbacks_max_tries": int,
    "callbacks_timeout": float, "enable_additional_files": bool, "max_queue_size": int, "cpu_time_limit": float,
    "max_cpu_time_limit": float, "cpu_extra_time": float, "max_cpu_extra_time": float, "wall_time_limit": float,
    "max_wall_time_limit": float, "memory_limit": int, "max_memory_limit": int, "stack_limit": int,
    "max_stack_limit": int, "max_processes_and_or_threads": int, "max_max_processes_and_or_threads": int,
    "enable_per_process_and_thread_time_limit": bool, "allow_enable_per_process_and_thread_time_limit": bool,
    "enable_per_process_and_thread_memory_limit": bool, "allow_enable_per_process_and_thread_memory_limit": bool,
    "max_file_size": int, "max_max_file_size": int, "number_of_runs": int, "max_number_of_runs": int,
    "redirect_stderr_to_stdout": bool, "max_extract_size": int, "enable_batched_submissions": bool,
    "max_submission_batch_size": int, "submission_cache_duration": float, "use_docs_as_homepage": bool,
    "allow_enable_network": bool, "enable_network": bool,
}  # fmt: skip
ENCODED = ("source_code", "stdin", "expected_output", "stdout", "stderr", "compile_output", "additional_files",
           "post_execution_filesystem")  # fmt: skip
NUMBERS = ("cpu_time_limit", "cpu_extra_time", "wall_time_limit", "memory_limit", "stack_limit",
           "max_processes_and_or_threads", "max_file_size", "number_of_runs", "time", "wall_time", "memory",
           "exit_code", "exit_signal", "language_id", "status_id")  # fmt: skip
PLAIN = ("message", "compiler_options", "command_line_arguments", "callback_url", "redirect_stderr_to_stdout",
         "enable_network", "enable_per_process_and_thread_time_limit",
         "enable_per_process_and_thread_memory_limit")  # fmt: skip


class Client:
    """As strict as the SDK: what it would raise on fails here."""

    def __init__(self, api):
        self.api = api
        languages = api.get("/languages").json
        self.languages = {l["id"]: l["name"] for l in languages}
        assert all(isinstance(l["id"], int) and isinstance(l["name"], str) for l in languages)
        self.config = api.get("/config_info").json
        for key, kind in CONFIG.items():
            assert isinstance(self.config[key], kind), key
        assert api.get("/about").json["version"] in VERSIONS

    def create(self, submissions):
        bodies = [{k: b64(v) if k in ENCODED else v for k, v in s.items()} for s in submissions]
        if len(bodies) == 1:
            answer = self.api.post("/submissions?base64_encoded=true&wait=false", bodies[0])
            assert answer.status < 300
            return [answer.json["token"]]
        tokens, size = [], self.config["max_submission_batch_size"]
        for at in range(0, len(bodies), size):
            chunk = bodies[at : at + size]
            answer = self.api.post("/submissions/batch?base64_encoded=true", {"submissions": chunk})
            assert answer.status < 300 and len(answer.json) == len(chunk)
            tokens += [element["token"] for element in answer.json]
        return tokens

    def read(self, tokens):
        if len(tokens) == 1:
            return [self.parse(self.api.get(f"/submissions/{tokens[0]}?base64_encoded=true&fields=*").json)]
        rows, size = [], self.config["max_submission_batch_size"]
        for at in range(0, len(tokens), size):
            listed = ",".join(tokens[at : at + size])
            rows += self.api.get(f"/submissions/batch?base64_encoded=true&fields=*&tokens={listed}").json["submissions"]
        return [self.parse(row) for row in rows]

    @staticmethod
    def parse(row):
        parsed = {}
        for key, value in row.items():
            if key in ENCODED:
                parsed[key] = None if value is None else unb64(value)
            elif key == "status":
                assert 1 <= value["id"] <= 14
                parsed[key] = value
            elif key in ("created_at", "finished_at"):
                parsed[key] = value and datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
            elif key == "token":
                assert uuid.UUID(value).version == 4
                parsed[key] = value
            elif key in NUMBERS:
                parsed[key] = None if value is None else float(value)
            else:
                assert key in PLAIN or key == "language", f"the SDK does not know {key}"
                parsed[key] = value
        return parsed

    def run(self, submissions):
        tokens = self.create(submissions)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            rows = self.read(tokens)
            if all(row["status"]["id"] > 2 for row in rows):
                return rows
            time.sleep(0.1)
        raise AssertionError("not done in a minute")


@pytest.fixture
def client(api):
    return Client(api)


def test_c79_one_run_with_stdin(client):
    (row,) = client.run([{"source_code": "print(f'hello {input()}')", "language_id": 71, "stdin": "Bob"}])
    assert row["status"]["description"] == "Accepted"
    assert row["stdout"] == "hello Bob\n"
    assert row["time"] >= 0 and row["memory"] > 0


def test_c79_two_test_cases_one_of_them_wrong(client):
    source = {"source_code": "print(input()[::-1])", "language_id": 71}
    rows = client.run([
        {**source, "stdin": "abc", "expected_output": "cba"},
        {**source, "stdin": "abc", "expected_output": "abc", "memory_limit": 128000.0},
    ])  # fmt: skip
    assert [row["status"]["id"] for row in rows] == [3, 4]


def test_c79_forty_five_submissions_are_three_batches(client):
    rows = client.run([{"source_code": f"echo {n}", "language_id": 46} for n in range(45)])
    assert [row["stdout"] for row in rows] == [f"{n}\n" for n in range(45)]


def test_c79_every_alias_the_server_lists_can_run(client):
    programs = {
        46: "echo hi", 103: '#include <stdio.h>\nint main(void) { puts("hi"); }',
        105: '#include <iostream>\nint main() { std::cout << "hi\\n"; }', 113: "print('hi')", 102: "console.log('hi')",
        85: 'print "hi\\n";', 72: "puts 'hi'", 98: "<?php echo \"hi\\n\";",
    }  # fmt: skip
    asked = [n for n in programs if n in client.languages]
    assert {46, 103, 105, 113} <= set(asked), "the versions the SDK asks a 1.14.0 server for"
    rows = client.run([{"source_code": programs[n], "language_id": n} for n in asked])
    assert [(row["language"]["id"], row["stdout"]) for row in rows] == [(n, "hi\n") for n in asked]


def test_c79_a_compile_error_and_a_crash(client):
    rows = client.run([
        {"source_code": "int main( { }", "language_id": 103},
        {"source_code": "raise ValueError('x')", "language_id": 113},
    ])  # fmt: skip
    assert rows[0]["status"]["id"] == 6 and rows[0]["compile_output"]
    assert rows[1]["status"]["id"] == 11 and "ValueError" in rows[1]["stderr"]


def test_c79_the_older_version_can_be_reported_by_a_client_of_its_ids(client):
    (row,) = client.run([{"source_code": "print('hi')", "language_id": 71}])
    assert row["stdout"] == "hi\n"
    assert client.languages[71].startswith("Python (")
