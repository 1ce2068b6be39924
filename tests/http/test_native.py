# SPDX-License-Identifier: Apache-2.0
"""The native face: every endpoint, as a client uses it."""

import concurrent.futures
import re
import time

import pytest
from client import TOKEN

ECHO = {"language": "bash", "source": "cat", "stdin": "hello\n"}
SLOW = {"language": "bash", "source": "sleep 30", "limits": {"wall_time_ms": 60000}}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def submit(api, **members):
    answer = api.post("/v1/submissions?wait=60", {"language": "bash", **members})
    assert answer.status == 200, answer
    return answer.json


def wait_final(api, token):
    answer = api.get(f"/v1/submissions/{token}?wait=60")
    assert answer.status == 200, answer
    return answer.json


# ---- create ----


def test_create_without_wait_gives_a_token_and_a_location(api):
    answer = api.post("/v1/submissions", ECHO)
    assert answer.status == 201
    assert set(answer.json) == {"token", "state"}
    assert TOKEN.match(answer.json["token"])
    assert answer.json["state"] == "queued"
    assert answer.headers["Location"] == f"/v1/submissions/{answer.json['token']}"
    assert wait_final(api, answer.json["token"])["stdout"] == "hello\n"


def test_create_with_wait_gives_the_finished_record(api):
    answer = api.post("/v1/submissions?wait=60", ECHO)
    assert answer.status == 200
    record = answer.json
    assert answer.headers["Location"] == f"/v1/submissions/{record['token']}"
    assert record["state"] == "finished"
    assert record["verdict"] == "accepted"
    assert record["stdout"] == "hello\n"
    assert record["stderr"] == ""
    assert record["exit_code"] == 0
    assert record["signal"] is None
    assert record["language"] == "bash"
    assert record["attempts"] == 1
    assert record["compile"] is None
    assert record["tests"] is None
    assert record["limit_exceeded"] is None
    assert record["measured_by"] == "cgroup"
    for key in ("created_at", "started_at", "finished_at"):
        assert TIME.match(record[key])
    assert record["usage"]["memory_bytes"] > 0
    assert record["usage"]["wall_time_ms"] > 0
    assert record["limits"]["cpu_time_ms"] == 5000
    assert record["timings"]["queued_ms"] >= 0
    assert record["timings"]["total_ms"] >= record["timings"]["run_ms"] > 0


def test_a_wait_that_runs_out_gives_202_and_the_job_goes_on(api):
    start = time.monotonic()
    answer = api.post("/v1/submissions?wait=0.3", {"language": "bash", "source": "sleep 1.5; echo done"})
    assert answer.status == 202
    assert 0.25 < time.monotonic() - start < 1.4
    assert answer.json["state"] in ("queued", "running")
    assert answer.json["verdict"] is None
    assert wait_final(api, answer.json["token"])["stdout"] == "done\n"


def test_wait_zero_answers_at_once(api):
    answer = api.post("/v1/submissions?wait=0", {"language": "bash", "source": "sleep 1"})
    assert answer.status == 202
    assert answer.json["state"] in ("queued", "running")
    wait_final(api, answer.json["token"])


def test_an_idempotency_key_gives_the_first_submission_again(api):
    key = {"Idempotency-Key": f"key {time.time()}"}
    first = api.post("/v1/submissions", ECHO, **key)
    second = api.post("/v1/submissions", ECHO, **key)
    third = api.post("/v1/submissions?wait=60", ECHO, **key)
    assert first.status == 201
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json["token"] == first.json["token"]
    assert third.status == 200
    assert third.json["token"] == first.json["token"]
    assert third.json["stdout"] == "hello\n"


def test_an_idempotency_key_with_another_body_is_refused(api):
    key = {"Idempotency-Key": f"reused {time.time()}"}
    first = api.post("/v1/submissions", ECHO, **key)
    assert first.status == 201
    for change in ({"stdin": "other"}, {"delay_seconds": 5}, {"store": False}):
        answer = api.post("/v1/submissions?wait=5", {**ECHO, **change}, **key)
        assert answer.status == 422, answer
        assert answer.json["code"] == "idempotency_key_reused"
        assert answer.json["field"] == "Idempotency-Key"
    again = api.post("/v1/submissions", ECHO, **key)
    assert again.json["token"] == first.json["token"]


def test_what_is_not_to_be_stored_is_gone_once_it_was_answered(api):
    record = submit(api, source="cat", stdin="hello", store=False)
    assert record["stdout"] == "hello"
    assert api.get(f"/v1/submissions/{record['token']}").status == 404

    token = api.post("/v1/submissions", {**ECHO, "store": False}).json["token"]
    assert wait_final(api, token)["stdout"] == "hello\n"  # nobody waited: it stays a while
    assert api.get(f"/v1/submissions/{token}").status == 200


def test_a_delayed_submission_begins_later(api):
    token = api.post("/v1/submissions", {**ECHO, "delay_seconds": 1.5}).json["token"]
    record = wait_final(api, token)
    assert record["timings"]["queued_ms"] >= 1400


def test_two_at_once_with_one_key_are_one_submission(api):
    key = {"Idempotency-Key": f"race {time.time()}"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("/v1/submissions", ECHO, **key), range(8)))
    assert len({a.json["token"] for a in answers}) == 1
    assert sum("Idempotent-Replayed" not in a.headers for a in answers) == 1


def test_a_judge0_id_names_a_language_too(api):
    record = submit(api, language=46, source="echo hi")
    assert record["language"] == "bash"


def test_metadata_comes_back(api):
    record = submit(api, source="true", metadata={"course": "c 1", "n": [1, 2]})
    assert record["metadata"] == {"course": "c 1", "n": [1, 2]}


# ---- what comes back ----


def test_each_test_has_its_verdict(api):
    record = submit(
        api,
        source="read x; echo $((x * 7)); [ $x != 3 ] || exit 4",
        tests=[
            {"stdin": "6", "expected_output": "42"},
            {"id": "wrong", "stdin": "1", "expected_output": "8"},
            {"stdin": "3", "expected_output": "21", "weight": 2},
        ],
    )
    assert record["verdict"] == "wrong_answer"
    assert record["stdout"] is None
    assert [t["id"] for t in record["tests"]] == ["1", "wrong", "3"]
    assert [t["verdict"] for t in record["tests"]] == ["accepted", "wrong_answer", "runtime_error"]
    assert [t["exit_code"] for t in record["tests"]] == [0, 0, 4]
    assert record["tests"][0]["stdout"] == "42\n"
    assert record["tests"][2]["usage"]["memory_bytes"] > 0
    assert record["score"] == pytest.approx(0.25)


def test_output_that_is_not_utf8_comes_as_base64(api):
    record = submit(api, source=r"printf '\376\000x'; printf 'h\303\251' >&2")
    assert record["stdout"] == "/gB4"
    assert record["stdout_encoding"] == "base64"
    assert record["stderr"] == "hé"
    assert "stderr_encoding" not in record


def test_a_source_in_base64_is_decoded(api):
    record = submit(api, source="ZWNobyBoaQ==", source_encoding="base64")
    assert record["stdout"] == "hi\n"


def test_zero_bytes_survive_in_stdin(api):
    record = submit(api, source="cat", stdin="a\0b")
    assert record["stdout"] == "a\0b"


def test_an_exit_code_is_a_runtime_error(api):
    record = submit(api, source="echo out; echo err >&2; exit 3")
    assert record["verdict"] == "runtime_error"
    assert record["exit_code"] == 3
    assert (record["stdout"], record["stderr"]) == ("out\n", "err\n")


def test_a_signal_is_named(api):
    record = submit(api, language="python", source="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert record["verdict"] == "runtime_error"
    assert record["exit_code"] is None
    assert record["signal"] == 11
    assert record["signal_name"] == "SIGSEGV"


def test_a_compile_error_shows_the_compiler(api):
    record = submit(api, language="c", source="int main(void) { return nope; }")
    assert record["verdict"] == "compile_error"
    assert "nope" in record["compile"]["output"]
    assert record["stdout"] is None
    assert record["usage"] is None
    assert record["timings"]["run_ms"] is None


def test_a_good_build_is_shown_and_found_again(api):
    source = f"#include <stdio.h>\nint main(void) {{ puts(\"hi\"); return 0; }} /* {time.time()} */"
    first = submit(api, language="c", source=source)
    again = submit(api, language="c", source=source)
    assert first["compile"]["cached"] is False
    assert again["compile"]["cached"] is True
    assert first["compile"]["exit_code"] == 0
    assert first["stdout"] == again["stdout"] == "hi\n"


def test_times_are_in_milliseconds(api):
    record = submit(api, source="sleep 0.3")
    for ms in (record["usage"]["wall_time_ms"], record["timings"]["run_ms"], record["timings"]["total_ms"]):
        assert 300 <= ms < 5000
    assert record["usage"]["cpu_time_ms"] < 100


def test_the_wall_limit_is_named(api):
    record = submit(api, source="echo before; sleep 20", limits={"wall_time_ms": 300})
    assert record["verdict"] == "wall_time_limit"
    assert record["limit_exceeded"] == "wall_time"
    assert record["stdout"] == "before\n"
    assert record["limits"]["wall_time_ms"] == 300


def test_output_over_the_limit_is_marked(api):
    record = submit(api, source="yes", limits={"output_bytes": 10000})
    assert record["verdict"] == "output_limit"
    assert record["limit_exceeded"] == "output"
    assert len(record["stdout"]) == 10000
    assert record["stdout_truncated"] is True
    assert record["stderr_truncated"] is False


def test_include_source_shows_the_files(api):
    record = submit(api, source="echo hi")
    plain = api.get(f"/v1/submissions/{record['token']}").json
    full = api.get(f"/v1/submissions/{record['token']}?include=source").json
    assert "files" not in plain
    assert full["files"] == [{"path": "script.sh", "content": "echo hi"}]


def test_get_with_wait_answers_at_the_end(api):
    token = api.post("/v1/submissions", {"language": "bash", "source": "sleep 0.5; echo late"}).json["token"]
    start = time.monotonic()
    assert wait_final(api, token)["stdout"] == "late\n"
    assert time.monotonic() - start < 10
    assert api.get(f"/v1/submissions/{token}?wait=60").status == 200


def test_get_with_a_wait_that_runs_out_gives_the_present_state(api):
    token = api.post("/v1/submissions", SLOW).json["token"]
    answer = api.get(f"/v1/submissions/{token}?wait=0.2")
    assert answer.status == 200
    assert answer.json["state"] in ("queued", "running")
    api.post(f"/v1/submissions/{token}/cancel")


# ---- cancel, delete ----


def test_cancel_ends_a_running_submission(api):
    token = api.post("/v1/submissions", SLOW).json["token"]
    deadline = time.monotonic() + 20
    while api.get(f"/v1/submissions/{token}").json["state"] == "queued" and time.monotonic() < deadline:
        time.sleep(0.02)
    start = time.monotonic()
    answer = api.post(f"/v1/submissions/{token}/cancel")
    assert answer.status in (200, 202)
    assert answer.json["token"] == token
    record = wait_final(api, token)
    assert time.monotonic() - start < 10
    assert record["state"] == "cancelled"
    assert record["verdict"] == "cancelled"


def test_cancel_again_changes_nothing(api):
    token = api.post("/v1/submissions", SLOW).json["token"]
    api.post(f"/v1/submissions/{token}/cancel")
    wait_final(api, token)
    again = api.post(f"/v1/submissions/{token}/cancel")
    assert again.status == 200
    assert again.json["state"] == "cancelled"


def test_cancel_leaves_a_finished_one_as_it_is(api):
    record = submit(api, source="true")
    answer = api.post(f"/v1/submissions/{record['token']}/cancel")
    assert answer.status == 200
    assert answer.json["state"] == "finished"
    assert wait_final(api, record["token"])["verdict"] == "accepted"


def test_delete_forgets_a_finished_one(api):
    token = submit(api, source="true")["token"]
    answer = api.delete(f"/v1/submissions/{token}")
    assert answer.status == 204
    assert answer.body == b""
    assert api.get(f"/v1/submissions/{token}").status == 404
    assert api.delete(f"/v1/submissions/{token}").status == 404


def test_delete_refuses_what_is_not_final(api):
    token = api.post("/v1/submissions", SLOW).json["token"]
    answer = api.delete(f"/v1/submissions/{token}")
    assert answer.status == 409
    assert answer.json["code"] == "conflict"
    api.post(f"/v1/submissions/{token}/cancel")


# ---- history ----


@pytest.fixture(scope="module")
def course(server):
    """Five submissions that only these tests know of: their metadata tells them apart."""
    from client import Api

    api = Api(server.host, server.port)
    name = f"course-{time.time()}"
    tokens = []
    for n, source in enumerate(["true", "exit 1", "true", "exit 1", "true"]):
        tokens.append(submit(api, source=source, metadata={"course": name, "n": str(n)})["token"])
    return name, tokens


def test_history_is_newest_first(api, course):
    name, tokens = course
    page = api.get(f"/v1/submissions?metadata.course={name}").json
    assert [s["token"] for s in page["submissions"]] == tokens[::-1]
    assert page["next_cursor"] is None
    assert "stdout" not in page["submissions"][0]


def test_history_comes_in_pages(api, course):
    name, tokens = course
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = api.get(f"/v1/submissions?metadata.course={name}&limit=2{cursor and '&cursor=' + cursor}").json
        seen += [s["token"] for s in page["submissions"]]
        cursor = page["next_cursor"]
        pages += 1
    assert seen == tokens[::-1]
    assert pages == 3


def test_history_is_filtered_by_verdict(api, course):
    name, tokens = course
    page = api.get(f"/v1/submissions?metadata.course={name}&verdict=runtime_error").json
    assert [s["token"] for s in page["submissions"]] == [tokens[3], tokens[1]]


def test_history_is_filtered_by_time(api, course):
    name, tokens = course
    created = api.get(f"/v1/submissions/{tokens[2]}").json["created_at"]
    later = api.get(f"/v1/submissions?metadata.course={name}&since={created}").json["submissions"]
    before = api.get(f"/v1/submissions?metadata.course={name}&until={created}").json["submissions"]
    assert {s["token"] for s in later} == set(tokens[2:])
    assert {s["token"] for s in before} == set(tokens[:2])


def test_history_is_filtered_by_language_and_state(api, course):
    name, tokens = course
    base = f"/v1/submissions?metadata.course={name}"
    assert len(api.get(f"{base}&language=sh&state=finished").json["submissions"]) == 5
    assert api.get(f"{base}&language=python").json["submissions"] == []
    assert api.get(f"{base}&state=queued").json["submissions"] == []


@pytest.mark.parametrize(
    "query, field",
    [
        ("verdict=fine", "verdict"),
        ("state=done", "state"),
        ("language=klingon", "language"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("cursor=x", "cursor"),
        ("nonsense=1", "nonsense"),
    ],
)
def test_history_names_a_bad_parameter(api, query, field):
    answer = api.get(f"/v1/submissions?{query}")
    assert answer.status == 400
    assert answer.json["field"] == field


# ---- languages, health ----


def test_languages_are_listed(api):
    languages = api.get("/v1/languages").json["languages"]
    bash = next(l for l in languages if l["id"] == "bash")
    assert bash["offered"] is True
    assert bash["version"]
    assert 46 in bash["judge0_ids"]
    assert "sh" in bash["aliases"]
    for language in languages:
        assert language["offered"] or language["package"], "what is not offered names its package"


def test_a_language_is_found_by_id_and_alias(api):
    assert api.get("/v1/languages/bash").json["id"] == "bash"
    assert api.get("/v1/languages/sh").json["id"] == "bash"
    missing = api.get("/v1/languages/klingon")
    assert missing.status == 404
    assert missing.type == "application/problem+json"


def test_health_shows_each_check_and_layer(api):
    answer = api.get("/health")
    assert answer.status == 200, answer
    assert answer.json["status"] == "ok"
    assert {"store", "queue", "lanes"} <= {c["name"] for c in answer.json["checks"]}
    assert all(row["ok"] for row in answer.json["checks"] + answer.json["sandbox"])
    assert answer.json["sandbox"]
    assert answer.json["version"]


def test_live_and_ready(api):
    assert api.get("/health/live").json == {"status": "ok"}
    assert api.get("/health/ready").json == {"status": "ready", "reasons": []}


def test_figures_of_the_service(api):
    before = api.get("/v1/stats").json
    submit(api, source="true")
    after = api.get("/v1/stats").json
    assert after["accepted"] > before["accepted"]
    assert after["finished"] > before["finished"]
    assert after["lanes"]["count"] >= 1
    assert after["queue"]["waiting"]["normal"] >= 0


def test_head_is_get_without_a_body(api):
    head, get = api.request("HEAD", "/v1/languages"), api.get("/v1/languages")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert api.request("HEAD", "/v1/nope").status == 404


def test_both_faces_see_the_same_submission(api):
    native = submit(api, language="python", source="print(input())", stdin="x")
    seen = api.get(f"/submissions/{native['token']}?fields=*").json
    assert (seen["stdout"], seen["status"]["id"], seen["stdin"]) == ("x\n", 3, "x")
    token = api.post("/submissions?wait=true", {"language_id": 46, "source_code": "echo hi"}).json["token"]
    record = api.get(f"/v1/submissions/{token}").json
    assert (record["stdout"], record["verdict"], record["language"]) == ("hi\n", "accepted", "bash")


# ---- files out ----


def test_files_a_program_leaves_can_be_collected(api):
    record = submit(api, source="mkdir out; echo one > out/a.txt; printf '\\377' > out/b.bin; echo x > c",
                    collect=["out/*"])
    files = {f["path"]: f for f in record["output_files"]}
    assert set(files) == {"out/a.txt", "out/b.bin"}
    assert files["out/a.txt"] == {"path": "out/a.txt", "content": "one\n"}
    assert files["out/b.bin"] == {"path": "out/b.bin", "content": "/w==", "encoding": "base64"}


def test_links_are_not_followed_out_of_the_box_when_collecting(api):
    record = submit(api, source="ln -s /etc/passwd link; mkfifo pipe; echo y > real", collect=["*"])
    assert [f["path"] for f in record["output_files"] if f["path"] != "script.sh"] == ["real"]


def test_more_files_than_are_kept_are_cut_and_it_says_so(api):
    record = submit(api, source="for i in 1 2 3; do head -c 2000000 /dev/zero > $i.bin; done",
                    collect=["*.bin"])
    assert len(record["output_files"]) == 2
    assert record["output_files_truncated"] is True


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "", "a/../b"])
def test_a_pattern_that_leaves_the_folder_is_refused(api, pattern):
    answer = api.post("/v1/submissions", {"language": "bash", "source": "true", "collect": [pattern]})
    assert answer.status == 400 or answer.status == 422
    assert answer.json["field"] == "collect[0]"
