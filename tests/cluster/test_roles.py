# SPDX-License-Identifier: Apache-2.0
"""API and worker processes over one Redis: whichever process a client holds, it sees the same."""

import http.client
import json
import os
import subprocess
import threading
import time

import pytest
from live import BUILD, TOP, Server
from world import Deployment, evalx, until


def headers_of(server, method, path, body=None):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    raw = json.dumps(body).encode() if body is not None else None
    connection.request(method, path, raw, {"Content-Type": "application/json"} if raw else {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def test_what_one_api_takes_another_waits_for(pair):
    token = pair.submit("sleep 0.3; echo done", api=0)
    assert pair.wait(token, api=1)["stdout"] == "done\n"
    assert pair.look(token, api=0)["verdict"] == "accepted"


def test_a_waiting_client_is_woken_and_does_not_sleep_until_its_deadline(pair):
    token = pair.submit("sleep 0.5", api=0)
    began = time.monotonic()
    assert pair.wait(token, api=1, seconds=30)["verdict"] == "accepted"
    assert time.monotonic() - began < 5


def test_both_faces_know_the_same_submission(pair):
    status, made = pair.api(0).post("/submissions?base64_encoded=false", {"language_id": 46, "source_code": "echo j"})
    assert status == 201
    assert pair.wait(made["token"], api=1)["stdout"] == "j\n"
    status, shown = pair.api(1).get(f"/submissions/{made['token']}?base64_encoded=false")
    assert (status, shown["stdout"], shown["status"]["id"]) == (200, "j\n", 3)


def test_an_idempotency_key_holds_across_processes(pair):
    body = {"language": "bash", "source": "echo once"}
    made = [pair.api(i).client().request("POST", "/v1/submissions", body, {"Idempotency-Key": "k1"}) for i in (0, 1)]
    assert made[0][1]["token"] == made[1][1]["token"]


def test_a_job_that_runs_elsewhere_is_cancelled_from_any_api(pair):
    token = pair.submit("sleep 60", api=0)
    pair.running(token)
    began = time.monotonic()
    status, _ = pair.api(1).post(f"/v1/submissions/{token}/cancel", {})
    assert status in (200, 202)
    assert pair.wait(token, api=0, seconds=20)["state"] == "cancelled"
    assert time.monotonic() - began < 10


def test_a_job_that_waits_is_cancelled_at_once(pair):
    evalx("queue", "pause", server=pair.api(0))
    token = pair.submit("echo no")
    status, answer = pair.api(1).post(f"/v1/submissions/{token}/cancel", {})
    assert (status, answer["state"]) == (200, "cancelled")
    assert pair.entry(token) is None
    evalx("queue", "resume", server=pair.api(0))


def test_both_workers_work(pair):
    tokens = [pair.submit("sleep 0.4", api=i % 2) for i in range(16)]
    seen = set()
    until(lambda: seen.update(
        e["worker"] for e in pair.api(0).get("/v1/queue/entries?place=running")[1]["entries"]
    ) or len(seen) == 2, 20, "both have something")
    assert {pair.wait(t)["verdict"] for t in tokens} == {"accepted"}


def test_a_delayed_job_starts_in_time(pair):
    began = time.monotonic()
    token = pair.submit("echo late", delay_seconds=2)
    assert pair.entry(token)["place"] == "delayed"
    assert pair.wait(token)["stdout"] == "late\n"
    assert 1.9 < time.monotonic() - began < 6


def test_languages_are_those_of_the_workers(pair):
    until(lambda: next(x for x in pair.api(0).get("/v1/languages")[1]["languages"] if x["id"] == "bash")["version"],
          10, "the workers have said what they run")
    status, one = pair.api(0).get("/v1/languages/bash")
    assert status == 200 and one["offered"]
    assert pair.api(0).get("/v1/languages") == pair.api(1).get("/v1/languages")


def test_a_worker_takes_no_submissions(pair):
    worker = pair.workers[0]
    status, answer = worker.post("/v1/submissions", {"language": "bash", "source": "echo"})
    assert status == 404 and "worker" in answer["detail"]
    assert worker.post("/submissions", {"language_id": 46, "source_code": "echo"})[0] == 404
    assert worker.get("/languages")[0] == 404
    for path in ("/health", "/health/live", "/health/ready", "/v1/stats", "/v1/queue"):
        assert worker.get(path)[0] == 200, path


def test_an_api_says_how_everything_is(pair):
    status, health = pair.api(0).get("/health")
    assert status == 200 and health["sandbox"] == []
    names = [c["name"] for c in health["checks"]]
    assert {"store", "queue", "workers", "redis"} <= set(names) and "lanes" not in names
    status, queue = pair.api(0).get("/v1/queue")
    assert len(queue["workers"]) == 2 and queue["slots"] == 4


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_role_without_redis_is_refused_with_a_sentence(role):
    code, _, err = evalx("serve", env={"EVALX_ROLE": role, "EVALX_LISTEN": "127.0.0.1:0"})
    assert code == 2 and "EVALX_REDIS_URL" in err and role in err


def test_an_api_needs_no_root_no_sandbox_and_no_data_folder(redis):
    if os.geteuid() != 0:
        pytest.skip("not root: it is shown by every other test")
    env = {"EVALX_ROLE": "api", "EVALX_REDIS_URL": redis.url, "EVALX_REDIS_PREFIX": "bare", "EVALX_BOX": "/nowhere",
           "EVALX_LISTEN": "127.0.0.1:0", "EVALX_DATA_DIR": "/proc/nowhere", "HOME": "/nonexistent"}
    bare = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "evalx", "serve"],
                            env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert "ready on" in bare.stdout.readline()
    finally:
        bare.terminate()
        bare.wait()
        bare.stdout.close()


def test_before_any_worker_spoke_the_files_describe_what_is_accepted(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "nobody"}) as d:
        token = d.submit("echo x")
        health = d.api().get("/health")
        workers = next(c for c in health[1]["checks"] if c["name"] == "workers")
        assert health[0] == 200 and health[1]["status"] == "degraded" and not workers["ok"]
        assert "none has said yet" in workers["detail"] and "worker" in workers["fix"]
        assert d.api().get("/health/ready")[0] == 200
        worker = Server({**d.apis[0].env, "EVALX_ROLE": "worker"})
        d.workers.append(worker)
        worker.start()
        assert d.wait(token)["stdout"] == "x\n"


def test_one_process_may_do_both(redis):
    with Server({"EVALX_REDIS_URL": redis.url, "EVALX_REDIS_PREFIX": "both"}) as server:
        status, done = server.post("/v1/submissions?wait=30", {"language": "bash", "source": "echo both"})
        assert (status, done["stdout"]) == (200, "both\n")


def test_what_no_worker_runs_any_more_ends_and_what_another_runs_finds_it(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "few"}) as d:
        token = d.submit("print('py')", language="python")  # no worker has spoken yet
        worker = Server({**d.apis[0].env, "EVALX_ROLE": "worker"})
        few = worker.folder / "languages"
        few.mkdir()
        (few / "bash.yaml").write_text((TOP / "languages/bash.yaml").read_text())
        worker.env["EVALX_LANGUAGES_DIR"] = str(few)
        d.workers.append(worker)
        d.workers[0].start()
        done = d.wait(token)
        assert done["verdict"] == "internal_error" and "python" in done["message"]
        assert d.entry(token)["place"] == "dead"
        until(lambda: not d.api().get("/v1/languages/python")[1]["offered"], 10, "the API has heard it")
        status, answer = d.api().post("/v1/submissions", {"language": "python", "source": "1"})
        assert status == 422, answer

        whole = Server({**d.apis[0].env, "EVALX_ROLE": "worker"})
        d.workers.append(whole)
        whole.start()
        until(lambda: d.api().get("/v1/languages/python")[1]["offered"], 20, "somebody runs it")
        tokens = [d.submit(f"print({i})", language="python") for i in range(6)]
        assert [d.wait(t)["stdout"] for t in tokens] == [f"{i}\n" for i in range(6)]


def test_many_clients_wait_at_two_apis(pair):
    wrong = []

    def client(i):
        server = pair.api(i % 2)
        status, done = server.post("/v1/submissions?wait=60", {"language": "bash", "source": f"echo {i}"})
        if (status, done.get("stdout")) != (200, f"{i}\n"):
            wrong.append((i, status, done))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_retry_after_is_said_when_there_is_no_room(redis):
    with Deployment(redis, 1, 0, {"EVALX_REDIS_PREFIX": "full", "EVALX_QUEUE_MAX": "2"}) as d:
        for _ in range(2):
            d.submit("echo")
        status, headers = headers_of(d.api(), "POST", "/v1/submissions", {"language": "bash", "source": "echo"})
        assert status == 503 and int(headers["Retry-After"]) > 0
