# SPDX-License-Identifier: Apache-2.0
"""The document at /openapi.json says what the server does: same paths, same methods, same shapes."""

import json
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
METHODS = ("get", "post", "delete", "put", "patch")


@pytest.fixture(scope="module")
def document():
    return json.loads((TOP / "docs/openapi.json").read_text())


TYPES = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
    "null": type(None),
}  # fmt: skip


def is_type(value, name):
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))


def mismatch(document, schema, value, where="$"):
    """Why a value is not what the schema says, or None. The few keywords the document uses."""
    if "$ref" in schema:
        return mismatch(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, where)
    if "anyOf" in schema:
        whys = [mismatch(document, s, value, where) for s in schema["anyOf"]]
        return None if None in whys else whys[0]
    if "const" in schema and value != schema["const"]:
        return f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is none of {schema['enum']}"
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(is_type(value, name) for name in names):
        return f"{where}: {value!r} is no {names}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value:
                return f"{where}: {key} is missing"
        for key, inner in value.items():
            if key not in known and schema.get("additionalProperties", True) is False:
                return f"{where}: {key} is not in the document"
            why = mismatch(document, known.get(key, {}), inner, f"{where}.{key}")
            if why:
                return why
    for i, inner in enumerate(value if isinstance(value, list) else []):
        why = mismatch(document, schema.get("items", {}), inner, f"{where}[{i}]")
        if why:
            return why
    return None


def check(document, method, path, answer):
    """The answer is one the document has for this operation."""
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status) in responses, (method, path, answer)
    response = responses[str(answer.status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    if "content" not in response:
        assert answer.body == b""
        return
    assert answer.type in response["content"], answer
    why = mismatch(document, response["content"][answer.type]["schema"], answer.json)
    assert why is None, why


def test_the_document_is_served_as_it_is_kept(api, document):
    answer = api.get("/openapi.json")
    assert answer.status == 200
    assert answer.json == document
    assert document["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere(document):
    for name in re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(document)):
        kind, key = name.split("/")
        assert key in document["components"][kind]


def test_every_operation_is_served_and_no_other(api, document):
    for path, item in document["paths"].items():
        real = path.replace("{token}", "00000000-0000-4000-8000-000000000000").replace("{id}", "bash")
        answer = api.request("BREW", real)
        assert answer.status == 405, path
        allowed = set(answer.headers["Allow"].lower().split(", ")) - {"head"}
        assert allowed == {m for m in item if m in METHODS}, path


def test_submissions_have_the_shape_of_the_document(api, document):
    path, one = "/v1/submissions", "/v1/submissions/{token}"
    bodies = [
        {"language": "bash", "source": "cat; exit 3", "stdin": "x"},
        {"language": "bash", "source": r"printf '\376' | tee /dev/stderr"},
        {"language": "c", "source": "int main(void) { return 0; }", "metadata": {"a": [1]}},
        {"language": "c", "source": "nonsense"},
        {"language": "bash", "source": "cat", "tests": [{"stdin": "a"}, {"stdin": "b", "expected_output": "c"}]},
        {"language": "bash", "source": "sleep 9", "limits": {"wall_time_ms": 100}},
    ]
    for body in bodies:
        schema = document["components"]["schemas"]["NewSubmission"]
        assert mismatch(document, schema, body) is None
        answer = api.post(f"{path}?wait=60", body)
        assert answer.status == 200
        check(document, "post", path, answer)
        check(document, "get", one, api.get(f"{path}/{answer.json['token']}?include=source"))
    waiting = api.post(f"{path}?wait=0", {"language": "bash", "source": "sleep 20"})
    check(document, "post", path, waiting)
    token = waiting.json["token"]
    check(document, "get", one, api.get(f"{path}/{token}"))
    check(document, "delete", one, api.delete(f"{path}/{token}"))
    check(document, "post", f"{one}/cancel", api.post(f"{path}/{token}/cancel"))
    api.get(f"{path}/{token}?wait=30")
    check(document, "get", f"{one}/events", api.get(f"{path}/{token}/events", **{"Last-Event-ID": "finished"}))
    check(document, "delete", one, api.delete(f"{path}/{token}"))
    check(document, "delete", one, api.delete(f"{path}/{token}"))
    check(document, "get", f"{one}/events", api.get(f"{path}/{token}/events"))
    check(document, "post", path, api.post(path, bodies[0]))
    check(document, "get", path, api.get(path))


def test_errors_have_the_shape_of_the_document(api, document):
    path = "/v1/submissions"
    check(document, "post", path, api.post(path, {"language": "klingon", "source": ""}))
    check(document, "post", path, api.request("POST", path, b"{", {"Content-Type": "application/json"}))
    check(document, "post", path, api.request("POST", path, b"{", {"Content-Type": "text/plain"}))
    check(document, "get", path, api.get(f"{path}?limit=x"))


def test_the_rest_has_the_shape_of_the_document(api, document):
    for path in ("/v1/languages", "/v1/stats", "/health", "/health/live", "/health/ready"):
        check(document, "get", path, api.get(path))
    check(document, "get", "/v1/languages/{id}", api.get("/v1/languages/bash"))


def test_the_queue_has_the_shape_of_the_document(api, document):
    token = api.post("/v1/submissions", {"language": "bash", "source": "sleep 20"}).json["token"]
    one = "/v1/queue/entries/{token}"
    entry = f"/v1/queue/entries/{token}"
    check(document, "get", "/v1/queue", api.get("/v1/queue"))
    for place in ("waiting", "delayed", "running", "dead"):
        check(document, "get", "/v1/queue/entries", api.get(f"/v1/queue/entries?place={place}"))
    check(document, "get", "/v1/queue/entries", api.get("/v1/queue/entries?place=nowhere"))
    check(document, "get", one, api.get(entry))
    check(document, "post", one + "/retry", api.post(entry + "/retry"))
    check(document, "post", one + "/drop", api.post(entry + "/drop"))
    check(document, "post", "/v1/queue/pause", api.post("/v1/queue/pause"))
    check(document, "post", "/v1/queue/resume", api.post("/v1/queue/resume"))
    check(document, "post", "/v1/queue/drain", api.post("/v1/queue/drain"))
    check(document, "post", "/v1/queue/drain", api.post("/v1/queue/drain?confirm=cancel-all-waiting"))
    check(document, "get", "/v1/languages/{id}", api.get("/v1/languages/klingon"))


def test_deliveries_have_the_shape_of_the_document(serve, document):
    api = serve(EVALX_WEBHOOK_ALLOW="127.0.0.0/8", EVALX_WEBHOOK_SCHEDULE="0,1h")
    job = {"language": "bash", "source": "true", "webhook_url": "http://127.0.0.1:9/"}
    token = api.post("/v1/submissions?wait=30", job).json["token"]
    path, one = "/v1/webhooks/deliveries", "/v1/webhooks/deliveries/{id}"
    page = api.get(path)
    check(document, "get", path, page)
    check(document, "get", path, api.get(f"{path}?limit=x"))
    (row,) = [row for row in page.json["deliveries"] if row["token"] == token]
    check(document, "get", one, api.get(f"{path}/{row['id']}"))
    check(document, "get", one, api.get(f"{path}/x"))
    check(document, "post", one + "/replay", api.post(f"{path}/{row['id']}/replay"))
    check(document, "post", one + "/replay", api.post(f"{path}/x/replay"))


def test_every_member_of_a_submission_is_known_to_the_server(api, document):
    for name in document["components"]["schemas"]["NewSubmission"]["properties"]:
        answer = api.post("/v1/submissions", {name: {"wrong": ["type"]}, "language": "bash"})
        assert answer.status == 422
        assert "is not known" not in answer.json["detail"], name


def test_every_verdict_is_a_filter(api, document):
    for verdict in document["components"]["schemas"]["Verdict"]["enum"]:
        assert api.get(f"/v1/submissions?verdict={verdict}").status == 200
