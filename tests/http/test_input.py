# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear 4xx that names what is wrong, and a server that goes on."""

import json
import socket
import threading
import time

import pytest

JSON = {"Content-Type": "application/json"}


def problem(answer, status, code, field=None):
    assert answer.status == status, answer
    assert answer.type == "application/problem+json"
    body = answer.json
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:evalx:problem:{code}"
    assert body["title"] and body["detail"]
    assert body.get("field") == field, body
    return body["detail"]


def post(api, body, headers=JSON, path="/v1/submissions"):
    return api.request("POST", path, body, headers)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{]", b'{"language":}', b"nonsense", b'{"a":1}{"b":2}', b"\xff\xfe", b'{"source":"\xff"}',
     b'{"a":NaN}', b'{"a":1e999}', b"[" * 100000, b'{"a":' * 200 + b"1" + b"}" * 200, b"\0", b'{"a":"\\ud800"}x'],
)  # fmt: skip
def test_malformed_json_is_400(api, body):
    problem(post(api, body), 400, "malformed")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(api, body):
    answer = post(api, body)
    assert answer.status in (400, 422)
    assert answer.type == "application/problem+json"


@pytest.mark.parametrize(
    "members, field",
    [
        ({"language": None}, "language"),
        ({"language": "klingon"}, "language"),
        ({"language": ["c"]}, "language"),
        ({"language": 99999}, "language"),
        ({"source": None}, "source"),
        ({"source": 5}, "source"),
        ({"source": {"a": 1}}, "source"),
        ({"source": "x", "source_encoding": "latin1"}, "source_encoding"),
        ({"source": "!!", "source_encoding": "base64"}, "source"),
        ({"stdin": 1}, "stdin"),
        ({"expected_output": []}, "expected_output"),
        ({"tests": {}}, "tests"),
        ({"tests": []}, "tests"),
        ({"tests": [1]}, "tests[0]"),
        ({"tests": [{}, {"stdin": 1}]}, "tests[1].stdin"),
        ({"tests": [{"weight": -1}]}, "tests[0].weight"),
        ({"tests": [{"id": "a"}, {"id": "a"}]}, "tests"),
        ({"tests": [{}], "stdin": "x"}, "stdin"),
        ({"tests": [{}] * 10000}, "tests"),
        ({"tests": [{}] * 10001}, "tests"),
        ({"limits": []}, "limits"),
        ({"limits": {"cpu_time_ms": -1}}, "limits.cpu_time_ms"),
        ({"limits": {"cpu_time_ms": 1.5}}, "limits.cpu_time_ms"),
        ({"limits": {"cpu_time_ms": "1"}}, "limits.cpu_time_ms"),
        ({"limits": {"memory_bytes": 10**18}}, "limits.memory_bytes"),
        ({"limits": {"memory": 1}}, "limits.memory"),
        ({"compiler_options": "x"}, "compiler_options"),
        ({"compiler_options": ["-O2"]}, "compiler_options"),
        ({"args": [1]}, "args[0]"),
        ({"args": ["a\0b"]}, "args[0]"),
        ({"env": {"A=B": "c"}}, "env.A=B"),
        ({"files": [{"path": "../x", "content": ""}], "source": None}, "files[0].path"),
        ({"files": [{"path": "/x", "content": ""}], "source": None}, "files[0].path"),
        ({"files": [{"path": "a", "content": ""}] * 2, "source": None}, "files"),
        ({"checker": {"type": "magic"}}, "checker.type"),
        ({"priority": "urgent"}, "priority"),
        ({"cache": 1}, "cache"),
        ({"network": True}, "network"),
        ({"metadata": []}, "metadata"),
        ({"retention_seconds": 0}, "retention_seconds"),
        ({"sorce": "x"}, "sorce"),
        ({"token": "x"}, "token"),
        ({"id": "x"}, "id"),
        ({"created_at_us": 1}, "created_at_us"),
    ],
)
def test_a_wrong_member_is_named(api, members, field):
    body = {"language": "bash", "source": "true", **members}
    detail = problem(post(api, json.dumps({k: v for k, v in body.items() if v is not None})), 422, "invalid", field)
    assert field.split("[")[0].split(".")[0] in detail


def test_an_unknown_name_offers_the_nearest(api):
    body = json.dumps({"language": "pyhton", "source": "x"})
    assert "python" in problem(post(api, body), 422, "invalid", "language")
    body = json.dumps({"language": "bash", "sorce": "x"})
    assert "source" in problem(post(api, body), 422, "invalid", "sorce")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", None])
def test_another_content_type_is_415(api, kind):
    problem(post(api, b"{}", {"Content-Type": kind} if kind else {}), 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
def test_json_with_parameters_is_json(api, kind):
    problem(post(api, b"{", {"Content-Type": kind}), 400, "malformed")


# ---- paths and queries ----


def test_unknown_paths_are_404(api):
    for path in ("/v1", "/v1/", "/v1/nope", "/v1/submissions/a/b", "/health/nope", "/v1/submissions/x/cancel/y"):
        problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize("token", ["x", "0" * 36, "00000000-0000-4000-8000-000000000000", "%2e%2e", "a" * 4000])
def test_an_unknown_token_is_404(api, token):
    problem(api.get(f"/v1/submissions/{token}"), 404, "not_found")
    problem(api.delete(f"/v1/submissions/{token}"), 404, "not_found")
    problem(api.post(f"/v1/submissions/{token}/cancel"), 404, "not_found")
    assert api.get(f"/submissions/{token}").status == 404


def test_a_wrong_method_is_405_and_says_which_are_right(api):
    for method, path, allow in (
        ("PUT", "/v1/submissions", "POST, GET, HEAD"),
        ("PATCH", "/v1/submissions/x", "GET, HEAD, DELETE"),
        ("GET", "/v1/submissions/x/cancel", "POST"),
        ("POST", "/v1/languages", "GET, HEAD"),
        ("DELETE", "/health", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ):
        answer = api.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=", "wait=1e99", "wait=nan", "wait=inf", "wait=1s"])
def test_a_wrong_wait_is_named(api, query):
    problem(post(api, b"{}", path=f"/v1/submissions?{query}"), 400, "invalid", "wait")


def test_an_unknown_query_parameter_is_named(api):
    problem(post(api, b"{}", path="/v1/submissions?wiat=1"), 400, "invalid", "wiat")
    problem(api.get("/v1/submissions/x?fields=a"), 400, "invalid", "fields")
    problem(api.get("/v1/submissions/x?include=all"), 400, "invalid", "include")


@pytest.mark.parametrize("path", ["/v1/%", "/v1/%zz", "/v1/%2", "/v1/%00", "/v1/%ff", "/v1/submissions?a=%f", "/v1/submissions?%ff=1"])
def test_bad_percent_encoding_is_400(api, path):
    assert problem(api.get(path), 400, "invalid", api.get(path).json.get("field"))
    assert api.get(path.replace("/v1", "/languages")).status == 400


def test_a_bad_idempotency_key_is_named(api):
    for key in ("", "x" * 256, "a\tb"):
        answer = post(api, json.dumps({"language": "bash", "source": "true"}), {**JSON, "Idempotency-Key": key})
        problem(answer, 400, "invalid", "Idempotency-Key")


def test_a_long_path_is_414(api):
    assert problem(api.get("/v1/" + "a" * 40000), 414, "uri_too_long")
    assert api.get("/v1/submissions?x=" + "a" * 40000).status == 414
    assert api.raw(b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").split(b" ")[1:2] in ([b"414"], [])


def test_too_many_parameters_are_refused(api):
    assert api.get("/v1/submissions?" + "&".join(f"a{n}=1" for n in range(600))).status == 400
    assert api.get("/languages?" + "&".join(f"a{n}=1" for n in range(600))).status == 400


def test_headers_are_bounded(api):
    answer = api.raw(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200000 + b"\r\n\r\n")
    assert answer.split(b" ")[1:2] in ([b"431"], [b"400"], [b"413"], []), answer[:100]


@pytest.mark.parametrize(
    "data",
    [b"\0\0\0\0", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
     b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
     b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
     b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)  # fmt: skip
def test_what_is_no_http_is_answered_with_an_error_or_closed(api, data):
    answer = api.raw(data, timeout=1)
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4") or answer.split(b" ")[1] == b"505", answer[:200]


def test_a_body_of_two_lengths_is_refused_and_nothing_behind_it_is_read(api):
    answer = api.raw(
        b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n",
        timeout=3,
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


# ---- sizes ----

LIMIT = 100_000


@pytest.fixture
def small(serve):
    return serve(EVALX_BODY_BYTES=str(LIMIT))


def test_a_body_of_the_limit_is_read(small):
    body = json.dumps({"language": "bash", "source": "true #"}).encode()
    body = body[:-2] + b"x" * (LIMIT - len(body)) + b'"}'
    assert len(body) == LIMIT
    assert post(small, body).status == 201


@pytest.mark.parametrize("path", ["/v1/submissions", "/submissions"])
def test_a_larger_body_is_413_and_names_the_limit(small, path):
    answer = post(small, b"x" * (LIMIT + 1), path=path)
    assert answer.status == 413
    assert str(LIMIT) in answer.text


def test_a_chunked_body_is_bounded_too(small):
    def chunks(total):
        while total > 0:
            yield b"x" * min(total, 8192)
            total -= 8192

    answer = small.request("POST", "/v1/submissions", chunks(LIMIT * 3), JSON)
    problem(answer, 413, "body_too_large")
    assert small.alive()


def test_after_a_413_the_connection_goes_on(small):
    import http.client

    connection = http.client.HTTPConnection(small.host, small.port, timeout=10)
    connection.request("POST", "/v1/submissions", b"x" * (LIMIT * 5), JSON)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 413
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_client_that_asks_first_need_not_send(small):
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT * 100}\r\nExpect: 100-continue\r\n"
    answer = small.raw(head.encode() + b"Content-Type: application/json\r\n\r\n", timeout=5)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:100]


def test_a_body_far_beyond_is_refused_before_it_comes(small):
    head = "POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    answer = small.raw(head.encode() + b"x" * 1000, timeout=5)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:100]
    assert small.alive()


def test_an_endless_chunked_body_is_cut_off(small):
    with socket.create_connection((small.host, small.port), timeout=20) as s:
        s.sendall(b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(500):
                s.sendall(chunk)
    assert small.alive()


def test_a_million_values_are_refused_before_they_are_read(api):
    for body in (b"[" + b"[]," * 1_100_000 + b"1]", b"[" + b"1," * 1_100_000 + b"1]", b'{"a":1,' * 1_100_000):
        detail = problem(post(api, body), 400, "malformed")
        assert "values" in detail
        assert post(api, body, path="/submissions").status == 400
    text = json.dumps({"language": "bash", "source": 'echo "[,{" ' + "[" * 1_100_000 + "\\" * 9})
    assert post(api, text).status == 201, "what stands in a text is no value"


def test_all_bodies_together_are_bounded(serve):
    api = serve(EVALX_BODY_BYTES="8MiB")
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {8 << 20}\r\n\r\n"
    held = []

    def hold():  # one of the largest that never ends; sixteen of them fit
        s = socket.create_connection((api.host, api.port), timeout=20)
        s.sendall(head.encode() + b"x" * ((8 << 20) - 1))
        held.append(s)

    for _ in range(17):
        hold()
    body = json.dumps({"language": "bash", "source": "true"})
    deadline = time.monotonic() + 10
    while (answer := post(api, body)).status != 503 and time.monotonic() < deadline:
        time.sleep(0.05)
        if len(held) < 40:  # two that grew over the bound at one time were both refused
            hold()
    problem(answer, 503, "limit")
    assert answer.headers["Retry-After"]
    assert post(api, body, path="/submissions").status == 503
    assert api.alive()
    for s in held:
        s.close()
    deadline = time.monotonic() + 10
    while (answer := post(api, body)).status == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status == 201


# ---- slow and rude clients ----


def test_clients_that_send_nothing_do_not_stop_others(api):
    idle = [socket.create_connection((api.host, api.port)) for _ in range(100)]
    for s in idle[:50]:
        s.sendall(b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert api.alive()
    for s in idle:
        s.close()


def test_clients_that_leave_while_they_wait_leave_nothing_behind(api):
    body = json.dumps({"language": "bash", "source": "sleep 0.5; echo $x"}).encode()
    head = b"POST /v1/submissions?wait=30 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for _ in range(8):
        with socket.create_connection((api.host, api.port)) as s:
            s.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.01)
    answer = api.post("/v1/submissions?wait=60", {"language": "bash", "source": "echo still here"})
    assert answer.json["stdout"] == "still here\n"


def test_a_client_that_closes_its_sending_side_gets_its_answer(api):
    body = json.dumps({"language": "bash", "source": "sleep 0.3; echo half"}).encode()
    with socket.create_connection((api.host, api.port), timeout=30) as s:
        s.sendall(
            b"POST /v1/submissions?wait=30 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )  # fmt: skip
        s.shutdown(socket.SHUT_WR)
        seen = b""
        while more := s.recv(65536):
            seen += more
            if b'"half' in seen:
                break
    assert b'"half' in seen


def test_pipelined_requests_are_answered_in_order(api):
    one = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = api.raw(one * 5 + last)
    assert answer.count(b"HTTP/1.1 200") == 6
    assert answer.endswith(b"1.14.0")


def test_many_connections_at_once_are_served(api):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.get("/languages").status)) for _ in range(64)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [200] * 64


# ---- the Judge0 face ----


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"1", b'"x"', b"null", b'{"language_id":{}}', b'{"language_id":[1]}', b'{"language_id":1e300}',
     b'{"language_id":-1,"source_code":"x"}', b'{"language_id":"9999999999999999999999","source_code":"x"}',
     b'{"source_code":5,"language_id":46,"memory_limit":"1e400"}', b'{"source_code":true,"language_id":true}',
     b'{"language_id":46,"source_code":"x","cpu_time_limit":1e308}',
     b'{"language_id":46,"source_code":"x","memory_limit":-1e308}'],
)  # fmt: skip
def test_odd_judge0_bodies_are_422(api, body):
    assert post(api, body, path="/submissions").status == 422, body
    assert post(api, b'{"submissions":[' + body + b"]}", path="/submissions/batch").status in (400, 422)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_odd_judge0_forms_are_4xx(api, kind):
    for body in (b"", b"%", b"a=%zz", b"\xff=\xff", b"--x\r\n", b"--x\r\n\r\n--x--", b"&&&=&=", b"--x--"):
        assert 400 <= post(api, body, {"Content-Type": kind}, "/submissions").status < 500, body
