# SPDX-License-Identifier: Apache-2.0
"""callback_url of the Judge0 face: the PUT its clients expect."""

import base64

import pytest
import receiver as r

DEFAULT_KEYS = ["stdout", "time", "memory", "stderr", "token", "compile_output", "message", "status"]


def submit(api, url, source="echo hi", language_id=46, **more):
    body = {"source_code": source, "language_id": language_id, "callback_url": url, **more}
    status, answer = api.server.post("/submissions", body)
    assert status == 201, answer
    return answer["token"]


def test_c76_a_callback_is_one_put_of_the_default_fields_in_base64(api, receive):
    hook = receive()
    token = submit(api, hook.url("/cb"))
    (request,) = hook.wait(1)
    assert (request.method, request.target) == ("PUT", "/cb")
    assert request.headers["content-type"] == "application/json"
    assert not any(name.startswith("webhook-") or name == "authorization" for name in request.headers)
    row = request.json
    assert list(row) == DEFAULT_KEYS
    assert row["token"] == token and row["status"] == {"id": 3, "description": "Accepted"}
    assert row["stdout"] == base64.b64encode(b"hi\n").decode() + "\n" and row["stderr"] is None
    delivery = api.settled(token)
    assert (delivery["kind"], delivery["state"], delivery["id"]) == ("callback", "delivered", "cb_" + token.replace("-", ""))
    assert len(hook.requests) == 1


def test_c76_a_compile_error_is_told_too(api, receive):
    hook = receive()
    submit(api, hook.url(), source="int main(", language_id=50)
    (request,) = hook.wait(1)
    assert request.json["status"]["id"] == 6 and base64.b64decode(request.json["compile_output"])


def test_each_of_a_batch_has_its_callback(api, receive):
    hook = receive()
    rows = [{"source_code": f"echo {n}", "language_id": 46, "callback_url": hook.url()} for n in range(3)]
    status, answer = api.server.post("/submissions/batch", {"submissions": rows})
    assert status == 201
    assert {request.json["token"] for request in hook.wait(3)} == {row["token"] for row in answer}


def test_c77_an_answer_of_500_is_tried_again_as_often_as_configured(serve, receive):
    api = serve(CALLBACKS_MAX_TRIES="2")
    hook = receive(r.answer(500))
    delivery = api.settled(submit(api, hook.url()))
    assert (delivery["state"], delivery["attempts"], len(hook.requests)) == ("failed", 2, 2)
    assert len({request.body for request in hook.requests}) == 1


def test_c77_a_receiver_that_refuses_connections_changes_no_result(serve, receive):
    api = serve(CALLBACKS_MAX_TRIES="2")
    hook = receive()
    hook.stop()
    token = submit(api, hook.url())
    assert api.settled(token)["state"] == "failed"
    assert api.server.get(f"/submissions/{token}")[1]["status"]["id"] == 3


def test_a_callback_has_the_configured_time(serve, receive):
    api = serve(CALLBACKS_TIMEOUT="0.5", CALLBACKS_MAX_TRIES="1")
    delivery = api.settled(submit(api, receive(r.hang).url()), seconds=5)
    assert delivery["state"] == "failed" and "within 0.5 s" in delivery["log"][0]["error"]


def test_credentials_in_a_callback_url_become_basic_auth_and_are_not_shown(api, receive):
    hook = receive()
    url = hook.url("/x?a=b").replace("http://", "http://me:s%40cret@")
    token = submit(api, url)
    (request,) = hook.wait(1)
    assert request.target == "/x?a=b"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"me:s@cret"
    delivery = api.settled(token)
    assert delivery["state"] == "delivered" and delivery["url"] == hook.url("/x?a=b")
    assert "s%40cret" not in api.server.log_text() and "s@cret" not in api.server.log_text()
    # Judge0 echoes the column as it was given.
    assert api.server.get(f"/submissions/{token}?fields=callback_url")[1]["callback_url"] == url


@pytest.mark.parametrize("url", ("http://10.0.0.1/", "http://me@[::1]/", "gopher://x/", "x"))
def test_a_callback_that_is_never_sent_is_refused_at_once(api, url):
    body = {"source_code": "true", "language_id": 46, "callback_url": url}
    status, answer = api.server.post("/submissions", body)
    assert status == 422 and list(answer) == ["callback_url"], answer


def test_wait_does_not_wait_for_the_callback(api, receive):
    hook = receive(r.hang)
    status, row = api.server.post(
        "/submissions?wait=true", {"source_code": "echo hi", "language_id": 46, "callback_url": hook.url()}
    )
    assert status == 201 and row["status"]["id"] == 3
