# SPDX-License-Identifier: Apache-2.0
"""Tokens, addresses and origins: one set of rules for both faces. c-numbers: the Judge0 contract's cases."""

import pytest

ORIGIN = {"Origin": "http://a.com"}


@pytest.fixture
def guarded(serve):
    return serve(AUTHN_TOKEN="t1 t2", AUTHZ_TOKEN="z", ALLOW_ORIGIN="http://a.com b.com")


def test_c09_any_of_the_tokens_opens_by_header_or_parameter(guarded):
    closed = guarded.get("/languages")
    assert (closed.status, closed.body) == (401, b"")
    assert guarded.get("/languages", **{"X-Auth-Token": "t2"}).status == 200
    assert guarded.get("/languages", **{"x-auth-token": "t1"}).status == 200
    assert guarded.get("/languages", **{"X-Auth-Token": "t1 t2"}).status == 401
    assert guarded.get("/languages", **{"X-Auth-Token": ""}).status == 401
    assert guarded.get("/languages?X-Auth-Token=t1").status == 200
    assert guarded.get("/languages?x-auth-token=t1").status == 401
    assert guarded.post("/authenticate", {"X-Auth-Token": "t1"}).status == 200
    assert guarded.get("/").status == 200
    assert guarded.get("/nope").status == 404


def test_the_native_face_has_the_same_tokens(guarded):
    closed = guarded.get("/v1/languages")
    assert closed.status == 401
    assert closed.type == "application/problem+json"
    assert closed.json["code"] == "unauthorized"
    assert closed.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.get("/v1/languages", Authorization="Bearer t1").status == 200
    assert guarded.get("/v1/languages", Authorization="bearer t2").status == 200
    assert guarded.get("/v1/languages", Authorization="Basic t1").status == 401
    assert guarded.get("/v1/languages", **{"X-Auth-Token": "t2"}).status == 200
    assert guarded.get("/health").status == 401
    assert guarded.get("/health/live").status == guarded.get("/health/ready").status == 200


def test_tokens_of_evalx_guard_both_faces(serve):
    api = serve(EVALX_AUTH_TOKENS="own", AUTHN_HEADER="X-Key", DISALLOW_ORIGIN="evil.com")
    for path in ("/languages", "/v1/languages"):
        assert api.get(path).status == 401
        assert api.get(path, Authorization="Bearer own").status == 200
        for wrong in ("ow", "own2", "OWN", ""):
            assert api.get(path, Authorization=f"Bearer {wrong}").status == 401


def test_c10_the_header_can_be_renamed(serve):
    api = serve(EVALX_AUTH_TOKENS="own", AUTHN_HEADER="X-Key", DISALLOW_ORIGIN="evil.com")
    assert api.get("/languages", **{"X-Auth-Token": "own"}).status == 401
    assert api.get("/languages", **{"X-Key": "own"}).status == 200


def test_c13_authorization_needs_the_second_token(guarded):
    token = {"X-Auth-Token": "t1"}
    assert guarded.post("/authorize", **token, **{"X-Auth-User": "z"}).status == 200
    assert guarded.post("/authorize", **token).status == 403
    assert guarded.post("/authorize", **token, **{"X-Auth-User": "y"}).status == 403
    assert guarded.post("/authorize", **{"X-Auth-User": "z"}).status == 401
    assert guarded.get("/submissions", **token).status == 403
    assert guarded.get("/submissions", **token, **{"X-Auth-User": "z"}).status == 200


def test_c14_a_preflight_needs_no_token_and_gets_what_it_asked_for(serve):
    api = serve(EVALX_AUTH_TOKENS="own", AUTHN_HEADER="X-Key", DISALLOW_ORIGIN="evil.com")
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-foo"}
    answer = api.request("OPTIONS", "/submissions", headers={"Origin": "http://any.com", **ask})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type,x-foo"
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    refused = api.request("OPTIONS", "/submissions", headers={"Origin": "http://x.evil.com", **ask})
    assert refused.status == 200
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_all_origins_are_allowed_by_default(api):
    answer = api.get("/languages", **ORIGIN)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert api.get("/v1/nope", **ORIGIN).headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in api.get("/languages").headers


def test_c15_only_listed_origins_are_echoed(guarded):
    for origin, echoed in (
        ("http://a.com", True), ("https://a.com", False), ("http://b.com", True), ("https://b.com", True),
        ("http://c.com", False), ("http://xb.com", False),
    ):  # fmt: skip
        answer = guarded.get("/languages", **{"X-Auth-Token": "t1", "Origin": origin})
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == (origin if echoed else None)
    refused = guarded.get("/languages", **ORIGIN)
    assert refused.status == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "http://a.com"


def test_c16_a_disallowed_address_is_refused(serve):
    api = serve(DISALLOW_IP="127.0.0.1 10.9.9.9")
    refused = api.get("/languages")
    assert (refused.status, refused.body) == (403, b"")
    assert api.get("/").status == 200
    native = api.get("/v1/languages")
    assert (native.status, native.json["code"]) == (403, "forbidden")
    proxied = {"X-Forwarded-For": "1.2.3.4"}
    assert api.get("/languages", **proxied).status == 200, "a proxy on this machine speaks for its client"
    assert api.get("/languages", **{"X-Forwarded-For": "1.2.3.4, 10.9.9.9"}).status == 200
    assert api.get("/languages", **{"X-Forwarded-For": "10.9.9.9"}).status == 403
    assert api.get("/languages", **{"X-Forwarded-For": "nonsense"}).status == 403
    assert api.get("/health/live").status == 200


def test_only_allowed_addresses_may_ask(serve):
    api = serve(ALLOW_IP="1.2.3.4")
    assert api.get("/languages").status == 403
    assert api.get("/languages", **{"X-Forwarded-For": "1.2.3.4"}).status == 200
    assert api.get("/languages", **{"X-Forwarded-For": "1.2.3.4, 5.6.7.8"}).status == 403


def test_tokens_never_reach_the_log(fleet):
    server = fleet.get(EVALX_AUTH_TOKENS="very-secret", EVALX_LOG_LEVEL="debug")
    from client import Api

    api = Api(server.host, server.port)
    assert api.get("/languages?X-Auth-Token=very-secret").status == 200
    assert api.get("/languages?X-Auth-Token=other-secret").status == 401
    assert api.get("/v1/languages", Authorization="Bearer very-secret").status == 200
    log = server.log_text()
    assert "http.request" in log
    assert "secret" not in log
