# SPDX-License-Identifier: Apache-2.0
"""The Judge0 face. Numbers in names are those of the conformance cases of its contract."""

import concurrent.futures
import json
import re
import time

import pytest
from client import TOKEN, b64, unb64

BASH, C, PYTHON = 46, 50, 71
DEFAULT_KEYS = {"stdout", "time", "memory", "stderr", "token", "compile_output", "message", "status"}
ALL_KEYS = [
    "source_code", "language_id", "stdin", "expected_output", "stdout", "status_id", "created_at", "finished_at",
    "time", "memory", "stderr", "token", "number_of_runs", "cpu_time_limit", "cpu_extra_time", "wall_time_limit",
    "memory_limit", "stack_limit", "max_processes_and_or_threads", "enable_per_process_and_thread_time_limit",
    "enable_per_process_and_thread_memory_limit", "max_file_size", "compile_output", "exit_code", "exit_signal",
    "message", "wall_time", "compiler_options", "command_line_arguments", "redirect_stderr_to_stdout",
    "callback_url", "additional_files", "enable_network", "status", "language",
]  # fmt: skip
STATUSES = [
    "In Queue", "Processing", "Accepted", "Wrong Answer", "Time Limit Exceeded", "Compilation Error",
    "Runtime Error (SIGSEGV)", "Runtime Error (SIGXFSZ)", "Runtime Error (SIGFPE)", "Runtime Error (SIGABRT)",
    "Runtime Error (NZEC)", "Runtime Error (Other)", "Internal Error", "Exec Format Error",
]  # fmt: skip
CONFIG_KEYS = [
    "maintenance_mode", "enable_wait_result", "enable_compiler_options", "allowed_languages_for_compile_options",
    "enable_command_line_arguments", "enable_submission_delete", "enable_callbacks", "callbacks_max_tries",
    "callbacks_timeout", "enable_additional_files", "max_queue_size", "cpu_time_limit", "max_cpu_time_limit",
    "cpu_extra_time", "max_cpu_extra_time", "wall_time_limit", "max_wall_time_limit", "memory_limit",
    "max_memory_limit", "stack_limit", "max_stack_limit", "max_processes_and_or_threads",
    "max_max_processes_and_or_threads", "enable_per_process_and_thread_time_limit",
    "allow_enable_per_process_and_thread_time_limit", "enable_per_process_and_thread_memory_limit",
    "allow_enable_per_process_and_thread_memory_limit", "max_file_size", "max_max_file_size", "number_of_runs",
    "max_number_of_runs", "redirect_stderr_to_stdout", "max_extract_size", "enable_batched_submissions",
    "max_submission_batch_size", "submission_cache_duration", "use_docs_as_homepage", "allow_enable_network",
    "enable_network",
]  # fmt: skip
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
BLANK = "can't be blank"
CANNOT = "cannot be converted to UTF-8, use base64_encoded=true query parameter"


def create(api, query="", **attributes):
    return api.post(f"/submissions{query}", attributes)


def refused(api, **attributes):
    """The 422 of a bash submission with these attributes."""
    answer = create(api, **{"language_id": BASH, "source_code": "true", **attributes})
    assert answer.status == 422, answer
    return answer.json


def token_of(answer):
    assert answer.status == 201, answer
    assert list(answer.json) == ["token"]
    assert TOKEN.match(answer.json["token"])
    return answer.json["token"]


# ---- meta ----


def test_c01_version_is_plain_text_and_the_same_as_about(api):
    answer = api.get("/version")
    assert (answer.status, answer.type) == (200, "text/plain")
    assert answer.text == api.get("/about").json["version"] == "1.14.0"


def test_c02_about_has_four_texts(api):
    about = api.get("/about").json
    assert list(about) == ["version", "homepage", "source_code", "maintainer"]
    assert all(isinstance(v, str) for v in about.values())


def test_c03_statuses_are_fourteen_in_order(api):
    assert api.get("/statuses").json == [{"id": i + 1, "description": d} for i, d in enumerate(STATUSES)]


def test_c04_languages_have_an_id_and_a_name(api):
    languages = api.get("/languages").json
    assert all(list(l) == ["id", "name"] for l in languages)
    ids = [l["id"] for l in languages]
    assert {BASH, C, PYTHON, 54, 105} <= set(ids)
    assert not {4, 10, 34} & set(ids)
    names = {l["id"]: l["name"] for l in languages}
    assert names[50].startswith("C (") and names[54].startswith("C++ (") and names[71].startswith("Python (")


def test_c05_all_languages_say_whether_they_are_archived(api):
    languages = {l["id"]: l for l in api.get("/languages/all").json}
    assert {l["id"] for l in api.get("/languages").json} <= set(languages)
    assert languages[50]["is_archived"] is False
    assert languages[4] == {"id": 4, "name": "C (gcc 7.2.0)", "is_archived": True}
    assert all(list(l) == ["id", "name", "is_archived"] for l in languages.values())


def test_c06_a_language_has_six_keys(api):
    c, python = api.get("/languages/50").json, api.get("/languages/71").json
    keys = ["id", "name", "is_archived", "source_file", "compile_cmd", "run_cmd"]
    assert list(c) == list(python) == keys
    assert (c["source_file"], c["is_archived"]) == ("main.c", False)
    assert "%s" in c["compile_cmd"] and c["run_cmd"]
    assert python["compile_cmd"] is None
    assert python["source_file"] == "script.py"


def test_c07_an_unknown_language_is_404_and_endings_do_not_matter(api):
    answer = api.get("/languages/9999", Accept="application/json")
    assert answer.status == 404
    assert answer.json == {"status": 404, "error": "Not Found"}
    for path in ("/languages/71/", "/languages/71.json", "//languages//71", "/languages/071", "/languages/71abc"):
        assert api.get(path).json["id"] == 71, path
    assert api.get("/Languages").status == 404


def test_c08_config_info_has_all_keys_in_order(api):
    info = api.get("/config_info").json
    assert list(info) == CONFIG_KEYS
    assert isinstance(info["cpu_time_limit"], float) and info["cpu_time_limit"] == 5.0
    assert isinstance(info["memory_limit"], int) and info["memory_limit"] == 128000
    assert info["max_submission_batch_size"] == 20
    assert b'"cpu_time_limit":5.0,' in api.get("/config_info").body
    assert info["enable_callbacks"] is True and info["enable_additional_files"] is False


def test_c11_authenticate_is_open_without_tokens(api):
    answer = api.post("/authenticate")
    assert (answer.status, answer.body) == (200, b"")
    assert api.get("/authenticate").status == 404


def test_c12_without_authz_tokens_nobody_is_authorized(api):
    for answer in (api.post("/authorize"), api.get("/submissions"), api.delete("/submissions/x")):
        assert (answer.status, answer.body) == (403, b"")


def test_c17_unknown_paths_and_methods_are_404(api):
    for method, path in (("PUT", "/submissions/x"), ("GET", "/nope"), ("PATCH", "/languages"), ("POST", "/about")):
        answer = api.request(method, path)
        assert answer.status == 404, (method, path)
        assert answer.json == {"status": 404, "error": "Not Found"}
    assert api.request("OPTIONS", "/languages").status == 404


def test_c18_workers_have_numbers(api):
    workers = api.get("/workers").json
    assert isinstance(workers, list)
    for worker in workers:
        assert all(isinstance(worker[k], int) for k in ("size", "available", "idle", "working", "paused"))
    assert workers[0]["available"] >= 1


def test_c19_statistics_count_the_history(api):
    api.run(PYTHON, "raise SystemExit(1)")
    before = api.get("/statistics?invalidate_cache=true").json
    assert list(before) == ["created_at", "cached_until", "submissions", "languages", "statuses", "database"]
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$", before["created_at"])
    assert len(before["submissions"]["last_30_days"]) == 30
    assert set(before["database"]) == {"size_pretty", "size_in_bytes"}
    api.run(PYTHON, "raise SystemExit(1)")
    assert api.get("/statistics").json == before, "kept for ten minutes"
    after = api.get("/statistics?invalidate_cache=true").json

    def nzec(figures):
        return next(s["count"] for s in figures["statuses"] if s["status"]["name"] == "Runtime Error (NZEC)")

    def python(figures):
        return next(l["count"] for l in figures["languages"] if l["language"]["name"].startswith("Python ("))

    assert nzec(after) == nzec(before) + 1
    assert python(after) == python(before) + 1
    assert after["submissions"]["total"] == before["submissions"]["total"] + 1
    counts = [s["count"] for s in after["statuses"]]
    assert counts == sorted(counts, reverse=True) and sum(counts) == after["submissions"]["total"]


def test_the_root_is_empty_and_open(api):
    answer = api.get("/")
    assert (answer.status, answer.body, answer.type) == (200, b"", "text/html")


def test_other_meta_endpoints_answer(api):
    assert api.get("/isolate").type == "text/plain"
    assert api.get("/license").type == "text/plain"
    assert all(isinstance(v, str) for v in api.get("/system_info").json.values())


# ---- validation ----


def test_c20_an_empty_submission_lacks_two_things(api):
    answer = create(api)
    assert answer.status == 422
    assert answer.json == {"source_code": [BLANK], "language_id": [BLANK, "language with id  doesn't exist"]}
    assert list(answer.json) == ["source_code", "language_id"]


def test_c21_an_unknown_language_is_named(api):
    assert refused(api, language_id=150000) == {"language_id": ["language with id 150000 doesn't exist"]}


def test_c22_an_archived_language_is_refused(api):
    text = "language with id 4 is archived and cannot be used anymore"
    assert refused(api, language_id=4) == {"language_id": [text]}
    assert api.get("/languages/4").json["is_archived"] is True


def test_c23_white_space_is_no_source(api):
    assert refused(api, source_code="  \n") == {"source_code": [BLANK]}


def test_c24_every_limit_has_a_maximum(api):
    errors = refused(
        api, number_of_runs=21, cpu_time_limit=16, cpu_extra_time=6, wall_time_limit=21, memory_limit=512001,
        stack_limit=128001, max_processes_and_or_threads=121, max_file_size=4097,
    )  # fmt: skip
    most = "must be less than or equal to "
    assert errors == {
        "number_of_runs": [most + "20"],
        "cpu_time_limit": [most + "15.0"],
        "cpu_extra_time": [most + "5.0"],
        "wall_time_limit": [most + "20.0"],
        "memory_limit": [most + "512000"],
        "stack_limit": [most + "128000"],
        "max_processes_and_or_threads": [most + "120"],
        "max_file_size": [most + "4096"],
    }
    assert list(errors) == [
        "number_of_runs", "cpu_time_limit", "cpu_extra_time", "wall_time_limit", "memory_limit", "stack_limit",
        "max_processes_and_or_threads", "max_file_size",
    ]  # fmt: skip


def test_c25_limits_have_a_minimum(api):
    assert refused(api, wall_time_limit=0.5) == {"wall_time_limit": ["must be greater than or equal to 1"]}
    assert refused(api, memory_limit=2047) == {"memory_limit": ["must be greater than or equal to 2048"]}
    assert refused(api, number_of_runs=0) == {"number_of_runs": ["must be greater than 0"]}
    assert refused(api, cpu_time_limit=-1) == {"cpu_time_limit": ["must be greater than or equal to 0"]}


def test_c26_numbers_may_be_texts(api):
    assert refused(api, cpu_time_limit="abc") == {"cpu_time_limit": ["is not a number"]}
    assert refused(api, cpu_time_limit=True) == {"cpu_time_limit": ["is not a number"]}
    assert refused(api, cpu_time_limit="0x10") == {"cpu_time_limit": ["is not a number"]}
    assert api.run(BASH, "true", cpu_time_limit="2.50")["cpu_time_limit"] == "2.5"
    assert api.run(BASH, "true", cpu_time_limit=" 2 ")["cpu_time_limit"] == "2.0"
    assert api.run(BASH, "true", cpu_time_limit="")["cpu_time_limit"] == "5.0"
    assert api.run(BASH, "true", cpu_time_limit=None)["cpu_time_limit"] == "5.0"
    assert api.run(str(BASH), "true")["language_id"] == BASH


def test_c27_fractions_are_cut_off_whole_numbers(api):
    row = api.run(BASH, "true", memory_limit=128000.9, number_of_runs=1.5, max_file_size="1e3")
    assert (row["memory_limit"], row["number_of_runs"], row["max_file_size"]) == (128000, 1, 1)


def test_c28_arguments_may_have_512_characters(api):
    text = "is too long (maximum is 512 characters)"
    assert refused(api, command_line_arguments="x" * 513) == {"command_line_arguments": [text]}
    token_of(create(api, language_id=BASH, source_code="true", command_line_arguments="é" * 512))


def test_c29_options_are_for_compiled_languages(api):
    answer = create(api, language_id=PYTHON, source_code="1", compiler_options="-O2")
    assert answer.status == 422
    text = "setting compiler options is only allowed for compiled languages"
    assert answer.json == {"compiler_options": [text]}
    token_of(create(api, language_id=PYTHON, source_code="1", compiler_options="", command_line_arguments=" "))


def test_c30_options_may_be_for_some_languages_only(serve):
    api = serve(ALLOWED_LANGUAGES_FOR_COMPILER_OPTIONS="C C++ Java")
    assert api.get("/config_info").json["allowed_languages_for_compile_options"] == ["C", "C++", "Java"]
    compiled = [l["id"] for l in api.get("/languages").json if l["name"].startswith(("Go (", "Rust ("))]
    for number in compiled[:1]:
        answer = create(api, language_id=number, source_code="x", compiler_options="-x")
        text = "setting compiler options is only allowed for C, C++ and Java"
        assert answer.json == {"compiler_options": [text]}
    token_of(create(api, language_id=C, source_code="int main(){}", compiler_options="-O1"))
    token_of(create(api, language_id=54, source_code="int main(){}", compiler_options="-O1"))


def test_c31_features_that_are_off_are_refused_with_their_texts(serve):
    api = serve(
        ENABLE_COMPILER_OPTIONS="false", ENABLE_COMMAND_LINE_ARGUMENTS="false", ENABLE_CALLBACKS="false",
        ENABLE_ADDITIONAL_FILES="false", ALLOW_ENABLE_NETWORK="false",
        ALLOW_ENABLE_PER_PROCESS_AND_THREAD_TIME_LIMIT="false",
        ALLOW_ENABLE_PER_PROCESS_AND_THREAD_MEMORY_LIMIT="false",
        ENABLE_WAIT_RESULT="false", ENABLE_BATCHED_SUBMISSIONS="false",
    )  # fmt: skip
    answer = create(
        api, language_id=C, source_code="int main(){}", compiler_options="-O2", command_line_arguments="a",
        callback_url="http://x/", additional_files="UEs=", enable_network=True,
        enable_per_process_and_thread_time_limit=True, enable_per_process_and_thread_memory_limit="true",
    )  # fmt: skip
    assert answer.status == 422
    assert answer.json == {
        "enable_per_process_and_thread_time_limit": ["this option cannot be enabled"],
        "enable_per_process_and_thread_memory_limit": ["this option cannot be enabled"],
        "compiler_options": ["setting compiler options is not allowed"],
        "command_line_arguments": ["setting command line arguments is not allowed"],
        "callback_url": ["setting callback is not allowed"],
        "additional_files": ["setting additional files is not allowed"],
        "enable_network": ["enabling network is not allowed"],
    }


def test_c33_forms_and_queries_carry_attributes(api):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api.request("POST", "/submissions?wait=true", b"source_code=echo+%22a%26b%22&language_id=46", form)
    assert answer.status == 201 and answer.json["stdout"] == "a&b\n"
    plain = json.dumps({"language_id": BASH, "source_code": "true"}).encode()
    assert api.request("POST", "/submissions", plain, {"Content-Type": "text/plain"}).status == 422
    assert api.request("POST", "/submissions?source_code=echo%20q&language_id=46&wait=true").json["stdout"] == "q\n"
    answer = create(api, "?wait=true&source_code=echo%20query", language_id=BASH, source_code="echo body")
    assert answer.json["stdout"] == "query\n"
    body = {"language_id": BASH, "source_code": "echo hi", "wait": "true", "fields": "stdout"}
    assert create(api, **body).json == {"stdout": "hi\n"}
    token_of(create(api, **{**body, "wait": True}))


def test_c33_multipart_forms_carry_attributes(api):
    parts = {"source_code": "cat\n", "language_id": "46", "stdin": "a\r\nb"}
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in parts.items()
    )
    header = {"Content-Type": 'multipart/form-data; boundary="edge"'}
    answer = api.request("POST", "/submissions?wait=true", body + b"--edge--\r\n", header)
    assert answer.status == 201 and answer.json["stdout"] == "a\r\nb"


def test_c34_malformed_json_is_400(api):
    header = {"Content-Type": "application/json", "Accept": "application/json"}
    for body in (b"{", b"\xff", b'{"a":"\xff"}', b"nonsense"):
        answer = api.request("POST", "/submissions", body, header)
        assert (answer.status, answer.json) == (400, {"status": 400, "error": "Bad Request"}), body
    assert api.request("POST", "/submissions", b"[1,2]", header).status == 422
    assert api.request("POST", "/submissions", b'{"submission":{"language_id":46}}', header).status == 422


def test_c35_attributes_of_the_server_are_ignored(api):
    row = api.run(BASH, "echo hi", token="x", status_id=9, stdout="no", foo=[1], stdin=["array"], id=7)
    assert (row["status"]["id"], row["stdout"], row["stdin"]) == (3, "hi\n", None)


def test_c36_invalid_fields_are_named_before_anything_is_looked_up(api):
    answer = api.get("/submissions/missing?fields=bogus,foo,stdout")
    assert (answer.status, answer.json) == (400, {"error": "invalid fields: [bogus, foo]"})
    assert api.get("/submissions/missing?fields=*,id").json == {"error": "invalid fields: [id]"}
    assert api.get("/submissions/missing?fields=stdout,%20stderr").json == {"error": "invalid fields: [ stderr]"}
    assert create(api, "?fields=x", language_id=BASH, source_code="true").status == 400
    assert api.get("/submissions/missing").status == 404


def test_zero_bytes_in_arguments_are_refused(api):
    assert refused(api, command_line_arguments="a\0b") == {"command_line_arguments": ["must not hold a zero byte"]}


# ---- modes ----


def test_c37_wait_gives_the_eight_default_keys(api):
    answer = api.post("/submissions/?base64_encoded=false&wait=true", {"language_id": BASH, "source_code": "echo hi"})
    assert answer.status == 201
    row = answer.json
    assert list(row) == ["stdout", "time", "memory", "stderr", "token", "compile_output", "message", "status"]
    assert row["stdout"] == "hi\n"
    assert row["status"] == {"id": 3, "description": "Accepted"}
    assert row["stderr"] is row["compile_output"] is row["message"] is None
    assert TOKEN.match(row["token"])


def test_c38_only_the_text_true_waits(api, serve):
    token_of(create(api, "?wait=TRUE", language_id=BASH, source_code="true"))
    token_of(create(api, "?wait=1", language_id=BASH, source_code="true"))
    closed = serve(ENABLE_WAIT_RESULT="false", ENABLE_SUBMISSION_DELETE="true", AUTHZ_TOKEN="z")
    answer = create(closed, "?wait=true&fields=bogus", language_id=BASH, source_code="true")
    assert (answer.status, answer.json) == (400, {"error": "wait not allowed"})


def test_c39_maintenance_refuses_new_ones_only(serve):
    api = serve(MAINTENANCE_MODE="true")
    expected = {"error": "Judge0 is currently in maintenance."}
    for answer in (create(api), api.post("/submissions/batch", {"submissions": []})):
        assert (answer.status, answer.json) == (503, expected)
    assert api.get("/languages").status == 200
    assert api.get("/submissions/x").status == 404


def test_c40_a_full_queue_refuses_with_503(serve):
    api = serve(MAX_QUEUE_SIZE="4", EVALX_LANES="1")
    blockers, full = [], 0
    slow = {"language_id": BASH, "source_code": "sleep 20", "wall_time_limit": 20}
    deadline = time.monotonic() + 30
    while full < 5 and time.monotonic() < deadline:  # lanes take some away; then the line stays full
        answer = create(api, **slow)
        if answer.status == 201:
            blockers.append(answer.json["token"])
            full = 0
        else:
            full += 1
            time.sleep(0.1)
    assert (answer.status, answer.json) == (503, {"error": "queue is full"})
    assert api.get("/v1/stats").json["queue"]["waiting"]["normal"] == 4
    answer = create(api)
    assert answer.status == 503, "also for one that would be invalid"
    api.post(f"/v1/submissions/{blockers[-1]}/cancel")
    api.post(f"/v1/submissions/{blockers[-2]}/cancel")
    one = {"language_id": BASH, "source_code": "true"}
    answer = api.post("/submissions/batch", {"submissions": [one] * 3})
    assert (answer.status, answer.json) == (503, {"error": "queue is full"})
    answer = api.post("/submissions/batch", {"submissions": [one] * 2})
    assert answer.status == 201
    for token in blockers:
        api.post(f"/v1/submissions/{token}/cancel")


def test_c41_star_gives_exactly_the_columns(api):
    row = api.run(BASH, "echo hi", stdin="in", expected_output="hi")
    assert list(row) == ALL_KEYS
    assert row["language"]["id"] == BASH
    assert row["source_code"] == "echo hi"
    assert (row["stdin"], row["expected_output"]) == ("in", "hi")
    assert (row["exit_code"], row["exit_signal"], row["status_id"]) == (0, None, 3)
    assert (row["cpu_time_limit"], row["memory_limit"]) == ("5.0", 128000)
    assert row["callback_url"] is row["additional_files"] is row["compiler_options"] is None


def test_c42_base64_is_wrapped(api):
    source = "echo " + "x" * 41
    answer = create(api, "?base64_encoded=true&wait=true&fields=*", language_id=BASH, source_code=b64(source))
    text = answer.json["source_code"]
    lines = text.split("\n")
    assert lines[-1] == "" and len(lines[0]) == 60
    assert unb64(text) == source
    assert answer.json["stdout"] == b64("x" * 41 + "\n") + "\n"
    assert answer.json["stdin"] is None


def test_c43_base64_is_read_leniently(api):
    answer = create(api, "?base64_encoded=true&wait=true", language_id=BASH, source_code="ZWNob yBoaQ")
    assert unb64(answer.json["stdout"]) == "hi\n"
    answer = create(
        api, "?base64_encoded=true&wait=true", language_id=BASH, source_code=b64("printf %s $1"),
        command_line_arguments="aGk",
    )  # fmt: skip
    assert unb64(answer.json["stdout"]) == "aGk", "arguments are never encoded"
    for flag in ("TRUE", "1", "yes", ""):
        answer = create(api, f"?base64_encoded={flag}&wait=true", language_id=BASH, source_code="echo hi")
        assert answer.json["stdout"] == "hi\n", flag


def test_c44_bytes_that_are_no_text_need_base64(api):
    body = {"language_id": BASH, "source_code": r"printf '\376'"}
    answer = create(api, "?wait=true", **body)
    assert answer.status == 201
    assert set(answer.json) == {"error", "token"}
    assert answer.json["error"] == "some attributes for this submission " + CANNOT
    token = answer.json["token"]
    plain = api.get(f"/submissions/{token}")
    assert (plain.status, plain.json["error"]) == (400, "some attributes for this submission " + CANNOT)
    assert api.get(f"/submissions/{token}?fields=token,status").json["status"]["id"] == 3
    assert api.get(f"/submissions/{token}?base64_encoded=true").json["stdout"] == "/g==\n"
    batch = api.get(f"/submissions/batch?tokens={token}")
    assert batch.status == 400
    assert batch.json["error"] == "some attributes for one or more submissions " + CANNOT


def test_c45_text_that_is_not_ascii_is_sent_as_it_is(api):
    assert create(api, "?wait=true", language_id=BASH, source_code="printf hé").json["stdout"] == "hé"


def test_c46_a_batch_answers_each_by_itself(api):
    good = {"language_id": BASH, "source_code": "echo hi"}
    answer = api.post("/submissions/batch", {"submissions": [good, {**good, "language_id": 999}, {"language_id": BASH}, None]})
    assert answer.status == 201
    first, unknown, blank = answer.json
    assert list(first) == ["token"]
    assert unknown == {"language_id": ["language with id 999 doesn't exist"]}
    assert blank == {"source_code": [BLANK]}
    assert api.poll(first["token"]).json["stdout"] == "hi\n"
    assert api.post("/submissions/batch", {"submissions": [{}]}).status == 422


def test_c47_a_batch_has_a_size(api, serve):
    empty = "there should be at least one submission in a batch"
    many = "number of submissions in a batch should be less than or equal to 20"
    good = {"language_id": BASH, "source_code": "true"}
    for body in ({}, {"submissions": []}, {"submissions": "x"}, {"submissions": ["x"]}, {"submissions": {}}):
        answer = api.post("/submissions/batch", body)
        assert (answer.status, answer.json) == (400, {"error": empty}), body
    answer = api.post("/submissions/batch", {"submissions": [good] * 21})
    assert (answer.status, answer.json) == (400, {"error": many})
    closed = serve(
        ENABLE_COMPILER_OPTIONS="false", ENABLE_COMMAND_LINE_ARGUMENTS="false", ENABLE_CALLBACKS="false",
        ENABLE_ADDITIONAL_FILES="false", ALLOW_ENABLE_NETWORK="false",
        ALLOW_ENABLE_PER_PROCESS_AND_THREAD_TIME_LIMIT="false",
        ALLOW_ENABLE_PER_PROCESS_AND_THREAD_MEMORY_LIMIT="false",
        ENABLE_WAIT_RESULT="false", ENABLE_BATCHED_SUBMISSIONS="false",
    )  # fmt: skip
    for answer in (closed.post("/submissions/batch", {}), closed.get("/submissions/batch?tokens=x")):
        assert (answer.status, answer.json) == (400, {"error": "batched submissions are not allowed"})


def test_c48_a_batch_is_read_in_order(api):
    token = token_of(create(api, language_id=BASH, source_code="echo hi"))
    api.poll(token)
    for answer in (
        api.get(f"/submissions/batch?tokens={token},x,{token}&fields=token"),
        api.get("/submissions/batch?fields=token", tokens=f" {token},x,{token} "),
    ):
        assert answer.json == {"submissions": [{"token": token}, None, {"token": token}]}
    assert api.get("/submissions/batch").status == 400
    assert api.get("/submissions/batch?tokens=" + ",".join([token] * 21)).status == 400
    assert api.get("/submissions/batch?tokens=" + ",".join([token] * 20)).status == 200


@pytest.fixture(scope="module")
def admin(fleet):
    from client import Api

    server = fleet.get(ENABLE_WAIT_RESULT="false", ENABLE_SUBMISSION_DELETE="true", AUTHZ_TOKEN="z")
    return Api(server.host, server.port, {"X-Auth-User": "z"})


def test_c49_the_list_has_pages(admin):
    tokens = [token_of(create(admin, language_id=BASH, source_code=f"echo {n}")) for n in range(5)]
    admin.poll(tokens[-1])
    page = admin.get("/submissions?per_page=2&page=2&fields=token").json
    total = page["meta"]["total_count"]
    assert len(page["submissions"]) == 2
    assert [s["token"] for s in page["submissions"]] == [tokens[2], tokens[1]]
    assert page["meta"] == {
        "current_page": 2, "next_page": 3, "prev_page": 1, "total_pages": (total + 1) // 2, "total_count": total,
    }  # fmt: skip
    beyond = admin.get("/submissions?page=1000&fields=token").json
    assert (beyond["submissions"], beyond["meta"]["prev_page"], beyond["meta"]["next_page"]) == ([], 999, None)
    for query, text in (
        ("page=0", "invalid page: 0"), ("page=x", "invalid page: 0"), ("page=", "invalid page: 0"),
        ("per_page=-2", "invalid per_page: -2"), ("per_page=0", "invalid per_page: 0"),
    ):  # fmt: skip
        answer = admin.get(f"/submissions?{query}")
        assert (answer.status, answer.json) == (400, {"error": text})


def test_c50_delete_gives_the_record_a_last_time(serve, admin):
    closed = serve(AUTHZ_TOKEN="z")
    answer = closed.delete("/submissions/x", **{"X-Auth-User": "z"})
    assert (answer.status, answer.json) == (400, {"error": "delete not allowed"})

    slow = token_of(create(admin, language_id=BASH, source_code="sleep 20", wall_time_limit=20))
    deadline = time.monotonic() + 20
    while admin.get(f"/submissions/{slow}").json["status"]["id"] == 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    answer = admin.delete(f"/submissions/{slow}")
    text = "submission cannot be deleted because its status is 2 (Processing)"
    assert (answer.status, answer.json) == (400, {"error": text})
    admin.post(f"/v1/submissions/{slow}/cancel")

    token = token_of(create(admin, language_id=BASH, source_code="echo hi"))
    admin.poll(token)
    answer = admin.delete(f"/submissions/{token}?base64_encoded=false")
    assert answer.status == 200
    assert unb64(answer.json["stdout"]) == "hi\n"
    assert admin.delete(f"/submissions/{token}").status == 404
    assert admin.get(f"/submissions/{token}").status == 404


# ---- execution ----


def test_c51_an_exit_code_is_nzec(api):
    row = api.run(PYTHON, "raise SystemExit(3)")
    assert (row["status"]["id"], row["exit_code"], row["exit_signal"]) == (11, 3, None)
    assert row["message"] == "Exited with error status 3"


def test_c52_a_crash_looks_like_the_shell_saw_it(api):
    row = api.run(C, "int main(void) { *(volatile int *)0 = 1; }")
    assert (row["status"]["id"], row["exit_code"], row["exit_signal"]) == (11, 139, None)
    assert row["message"] == "Exited with error status 139"
    assert "segmentation fault" in row["stderr"].lower()
    row = api.run(C, "#include <stdlib.h>\nint main(void) { abort(); }")
    assert (row["status"]["id"], row["exit_code"]) == (11, 134)
    assert "Aborted" in row["stderr"]


def test_c53_a_busy_loop_is_over_its_time(api):
    row = api.run(C, "int main(void) { for (;;) __asm__(\"\"); }", cpu_time_limit=1, cpu_extra_time=0.2)
    assert (row["status"]["id"], row["message"]) == (5, "Time limit exceeded")
    assert 1.0 <= float(row["time"]) < 1.6
    assert (row["exit_code"], row["exit_signal"]) == (0, None)


def test_c54_a_sleeper_is_over_its_wall_time(api):
    row = api.run(BASH, "sleep 20", wall_time_limit=1)
    assert (row["status"]["id"], row["message"]) == (5, "Time limit exceeded (wall clock)")
    assert 1.0 <= float(row["wall_time"]) < 1.5


def test_c55_an_exit_after_the_limit_is_still_over_time(api):
    source = "import time\nwhile time.process_time() < 1.2: pass\nraise SystemExit(5)"
    row = api.run(PYTHON, source, cpu_time_limit=1, cpu_extra_time=5)
    assert (row["status"]["id"], row["exit_code"]) == (5, 0)


def test_c56_out_of_memory_is_137(api):
    source = """#include <stdlib.h>
    int main(void) { volatile char *p = malloc(300 << 20); for (int i = 0; i < 300 << 20; i += 4096) p[i] = 1; }"""
    row = api.run(C, source)
    assert (row["status"]["id"], row["exit_code"], row["exit_signal"]) == (11, 137, None)
    assert 110000 <= row["memory"] <= 129000
    assert "Killed" in row["stderr"]


def test_c57_output_stops_at_the_limit(api):
    row = api.run(C, '#include <stdio.h>\nint main(void) { for (int i = 0; i < 2000000; i++) putchar(\'x\'); }')
    assert (row["status"]["id"], row["exit_code"]) == (11, 153)
    assert row["stdout"] == "x" * 1048576


def test_c58_a_compile_error_has_no_figures(api):
    row = api.run(C, "int main(void) { return nope; }")
    assert row["status"] == {"id": 6, "description": "Compilation Error"}
    for key in ("time", "wall_time", "memory", "stdout", "stderr", "message", "exit_code", "exit_signal"):
        assert row[key] is None, key
    assert "nope" in row["compile_output"]
    assert STAMP.match(row["finished_at"])


def test_c59_warnings_of_a_good_build_are_shown(api):
    row = api.run(C, "int main(void) { int unused; return 0; }", compiler_options="-Wall")
    assert row["status"]["id"] == 3
    assert "unused" in row["compile_output"]
    assert api.run(C, "int main(void) { return 0; }")["compile_output"] is None


@pytest.mark.parametrize(
    "out, expected, status",
    [
        ("a  \nb\t\n", "a\nb", 3),
        ("a\r\nb\r\n", "a\nb", 3),
        ("a\nb", "a \nb\n\n", 3),
        ("a\0\n", "a", 3),
        ("\n", "", 3),
        (" a", "a", 4),
        ("\na", "a", 4),
        ("a\n\nb", "a\nb", 4),
        ("a  b", "a b", 4),
        ("a\u00a0", "a", 4),
        ("A", "a", 4),
        ("1.0", "1", 4),
        ("", "", 3),  # Judge0 says 4: a documented difference
        ("", "\n", 3),
        ("", "x", 4),
        ("x", None, 3),
    ],
)
def test_c61_comparison(api, out, expected, status):
    attributes = {} if expected is None else {"expected_output": expected}
    assert api.run(BASH, "cat", stdin=out, **attributes)["status"]["id"] == status


def test_c61_comparison_of_bytes_that_are_no_text(api):
    body = {"language_id": BASH, "source_code": b64("cat"), "stdin": b64(b"\xff\xfe "), "expected_output": b64(b"\xff\xfe")}
    assert create(api, "?base64_encoded=true&wait=true", **body).json["status"]["id"] == 3


def test_c62_arguments_are_split_like_a_shell_would(api):
    row = api.run(BASH, """printf '[%s]' "$@" """, command_line_arguments="a 'b c' $HOME")
    assert row["stdout"] == "[a][b c][HOME]"
    row = api.run(BASH, """printf '[%s]' "$@" """, command_line_arguments=r"""  "x \" y"  \'z '' *  `id`|a;b&c<d>e """)
    assert row["stdout"] == """[x " y]['z][][*][id][abcde]""".replace("[id][abcde]", "[idabcde]")


def test_c63_a_semicolon_in_options_starts_nothing(api):
    row = api.run(C, "int main(void) { return 0; }", compiler_options="-DX=1; id")
    assert row["status"]["id"] == 6
    assert "id" in row["compile_output"] and "uid=" not in row["compile_output"]


def test_c64_the_environment_is_the_documented_one(api):
    row = api.run(PYTHON, "import os\nfor k, v in sorted(os.environ.items()): print(f'{k}={v}')")
    env = dict(line.split("=", 1) for line in row["stdout"].splitlines())
    assert env["HOME"] == "/tmp"
    assert env["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert env["LANG"] == env["LC_ALL"]
    assert env["LANG"].endswith("UTF-8")
    assert env["LANGUAGE"] == "en_US:en"
    assert env["JUDGE0_VERSION"] == "1.14.0"
    assert env["LIBC_FATAL_STDERR_"] == "1"
    assert {"JUDGE0_HOMEPAGE", "JUDGE0_SOURCE_CODE", "JUDGE0_MAINTAINER"} <= set(env)
    assert not {k for k in env if k.startswith("EVALX")}
    row = api.run(BASH, "pwd; id -u")
    assert row["stdout"].split()[0] == "/box"


def test_c65_stdin_is_what_was_sent(api):
    assert api.run(BASH, "cat")["stdout"] is None
    assert api.run(BASH, "cat")["status"]["id"] == 3
    assert api.run(BASH, "cat", stdin="hello")["stdout"] == "hello"
    assert api.run(BASH, "cat", stdin="a\0b")["stdout"] == "a\0b"


def test_c66_stderr_may_go_into_stdout(api):
    row = api.run(BASH, "echo a; echo b >&2; echo c", redirect_stderr_to_stdout=True)
    assert (row["stdout"], row["stderr"]) == ("a\nb\nc\n", None)


def test_c67_the_network_is_off(api):
    source = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 2)\nexcept OSError: print('refused')"
    assert api.run(PYTHON, source)["stdout"] == "refused\n"
    if not api.get("/config_info").json["allow_enable_network"]:
        assert refused(api, enable_network=True) == {"enable_network": ["enabling network is not allowed"]}


def test_c70_text_and_programs_are_languages(api):
    ids = {l["id"] for l in api.get("/languages").json}
    if 43 in ids:
        assert api.run(43, "just text")["stdout"] == "just text"
    if 44 in ids:
        answer = create(api, "?base64_encoded=true&wait=true", language_id=44, source_code=b64("#!/bin/sh\necho ran\n"))
        assert unb64(answer.json["stdout"]) == "ran\n"
        assert api.run(44, "garbage that is no program")["status"]["id"] == 11


def test_c71_several_runs_stop_at_the_first_failure(api):
    row = api.run(BASH, "echo hi", number_of_runs=3, expected_output="hi")
    assert (row["status"]["id"], row["number_of_runs"]) == (3, 3)
    assert re.match(r"^\d+\.\d+$", row["time"])
    assert api.run(BASH, "echo hi", number_of_runs=3, expected_output="no")["status"]["id"] == 4


def test_c72_no_room_for_output_or_stack_kills_the_shell(api):
    row = api.run(BASH, "echo hi", max_file_size=0)
    assert (row["status"]["id"], row["exit_signal"], row["exit_code"]) == (8, 25, 0)
    row = api.run(BASH, "echo hi", stack_limit=0)
    assert row["status"]["id"] == 7


def test_c74_what_runs_in_the_background_ends_with_the_program(api):
    start = time.monotonic()
    row = api.run(BASH, "(sleep 5; echo late) & echo now")
    assert row["stdout"] == "now\n"
    assert time.monotonic() - start < 4


def test_c75_figures_have_their_form(api):
    row = api.run(BASH, "echo hi")
    assert isinstance(row["memory"], int)
    assert re.match(r"^\d+\.\d{1,3}$", row["time"]) and re.match(r"^\d+\.\d{1,3}$", row["wall_time"])
    assert STAMP.match(row["created_at"]) and STAMP.match(row["finished_at"])


def test_an_unfinished_submission_shows_nulls(api):
    token = token_of(create(api, language_id=BASH, source_code="sleep 20", wall_time_limit=20))
    row = api.get(f"/submissions/{token}?fields=*").json
    assert row["status"]["id"] in (1, 2)
    for key in ("stdout", "stderr", "time", "wall_time", "memory", "exit_code", "exit_signal", "message", "finished_at"):
        assert row[key] is None, key
    api.post(f"/v1/submissions/{token}/cancel")


def test_many_waiting_clients_get_their_own_answer(api):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda n: api.run(BASH, f"echo {n}"), range(48)))
    assert [row["stdout"] for row in rows] == [f"{n}\n" for n in range(48)]


# ---- clients ----


def test_c78_a_blank_callback_is_none(serve):
    closed = serve(ENABLE_CALLBACKS="false")
    assert closed.get("/config_info").json["enable_callbacks"] is False
    token_of(create(closed, language_id=BASH, source_code="true", callback_url=""))
    assert refused(closed, callback_url="http://x/") == {"callback_url": ["setting callback is not allowed"]}


def test_a_callback_to_an_address_of_ours_is_refused(api):
    for url in ("http://127.0.0.1:1/", "http://me:secret@0x7f.1/", "http://localhost/", "http://[::ffff:10.0.0.1]/"):
        messages = refused(api, callback_url=url)["callback_url"]
        assert len(messages) == 1 and messages[0].startswith("cannot be used: "), (url, messages)
        assert "secret" not in messages[0]
    for url in ("ftp://example.com/", "example.com", "http:///x", "http://exa mple.com/"):
        assert "cannot be used" in refused(api, callback_url=url)["callback_url"][0], url


def test_c80_the_web_ide_can_run_python(api):
    origin = {"Origin": "https://ide.example"}
    preflight = api.request(
        "OPTIONS", "/submissions?base64_encoded=true&wait=false",
        headers={**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
    )  # fmt: skip
    assert preflight.status == 200
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type"
    answer = api.post(
        "/submissions?base64_encoded=true&wait=false",
        {
            "source_code": b64("print(input())"), "language_id": PYTHON, "stdin": b64("hé"),
            "compiler_options": "", "command_line_arguments": "", "redirect_stderr_to_stdout": True,
        },
        **origin,
    )  # fmt: skip
    assert answer.status == 201
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for region in ({}, {"X-Judge0-Region": "null"}):
        for _ in range(49):
            row = api.get(f"/submissions/{answer.json['token']}?base64_encoded=true", **origin, **region).json
            if row["status"]["id"] > 2:
                break
            time.sleep(0.1)
        assert row["status"]["description"] == "Accepted"
        assert unb64(row["stdout"]) == "hé\n"
        assert set(row) == DEFAULT_KEYS
