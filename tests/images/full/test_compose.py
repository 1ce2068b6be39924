# SPDX-License-Identifier: Apache-2.0
"""compose.yaml as it is, brought up by docker-compose: a submission goes through, a worker is killed
in the middle, all is started anew, and nothing is lost.

Grafana is left out, by its profile: Debian has no package of it to make a stand-in from."""

import json
import random
import socket
import subprocess
import time

import pytest
from engine import TOP

from live import Client

STANDINS = TOP / "tests/images/standins"
TAGS = {"redis": "redis:7", "postgres": "postgres:17", "prometheus": "prom/prometheus:v3.5.0",
        "alertmanager": "prom/alertmanager:v0.28.1"}


def free_ports(count):
    """So many in a row, below those the kernel gives away meanwhile."""
    while True:
        first = random.randrange(20000, 32000)
        ports = range(first, first + count)
        if all(is_free(port) for port in ports):
            return first


def is_free(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def for_old_compose(text):
    """docker-compose 1.29, Debian's, does not know the one option; the kernel is as content with a
    whole /proc elsewhere."""
    option, volume = "      - systempaths=unconfined\n", "    volumes: [/proc:/run/evalx/proc]\n"
    assert text.count(option) == 1
    return text.replace(option, volume)


class Deployment:
    def __init__(self, engine, folder):
        self.engine = engine
        secrets = folder / "secrets"
        subprocess.run([TOP / "deploy/compose/secrets.sh", secrets], check=True, capture_output=True)
        self.token = (secrets / "auth_tokens").read_text().strip()
        self.api_port, self.prometheus_port, self.alertmanager_port = free_ports(2), free_ports(1), free_ports(1)
        self.no_env = folder / "env"  # whoever runs this may have an .env
        self.no_env.touch()
        self.file = folder / "compose.yaml"
        self.file.write_text(for_old_compose((TOP / "compose.yaml").read_text()))
        self.env = {
            **engine.env,
            "COMPOSE_PROJECT_NAME": engine.name,
            "EVALX_SECRETS": str(secrets),
            "EVALX_IMAGES": "evalx",
            "EVALX_VERSION": "test",
            "EVALX_WORKERS": "2",
            "EVALX_LANES": "1",
            "EVALX_LEASE": "5s",
            "EVALX_PORTS": f"127.0.0.1:{self.api_port}-{self.api_port + 1}",
            "PROMETHEUS_PORT": f"127.0.0.1:{self.prometheus_port}",
            "ALERTMANAGER_PORT": f"127.0.0.1:{self.alertmanager_port}",
        }

    def compose(self, *words, check=True):
        done = subprocess.run(["/usr/bin/docker-compose", "--project-directory", TOP, "--file", self.file,
                               "--env-file", self.no_env, *words], cwd=TOP, env=self.env,
                              capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"docker-compose {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def containers(self, service):
        return self.compose("ps", "-q", service).split()

    def ask(self, method, path, body=None, api=0):
        client = Client("127.0.0.1", self.api_port + api)
        try:
            return client.request(method, path, body, {"Authorization": f"Bearer {self.token}"})
        finally:
            client.close()

    def submit(self, source, api=0):
        status, answer = self.ask("POST", "/v1/submissions", {"language": "bash", "source": source}, api)
        assert status == 201, (status, answer)
        return answer["token"]

    def wait(self, token, api=0):
        end = time.monotonic() + 90
        while True:
            status, answer = self.ask("GET", f"/v1/submissions/{token}?wait=20", api=api)
            if status == 200 and answer["state"] == "finished":
                return answer
            assert time.monotonic() < end, (status, answer)

    def ready(self):
        end = time.monotonic() + 120
        for api in (0, 1):
            while True:
                try:
                    if self.ask("GET", "/health/ready", api=api)[0] == 200:
                        break
                except OSError:
                    pass
                assert time.monotonic() < end, self.compose("logs", "--tail=40")
                time.sleep(0.3)


@pytest.fixture(scope="module")
def deployment(engine, tmp_path_factory):
    engine.build("core")
    engine.build("api")
    for target, tag in TAGS.items():
        engine.build(target, context=STANDINS, tag=tag)
    one = Deployment(engine, tmp_path_factory.mktemp("compose"))
    try:
        one.compose("up", "-d", "--no-build")
        one.ready()
        yield one
    finally:
        one.compose("down", "-v", "--timeout", "10", check=False)


def test_a_submission_goes_through_from_any_api(deployment):
    for api in (0, 1):
        answer = deployment.wait(deployment.submit("echo $((6 * 7))", api), 1 - api)
        assert (answer["verdict"], answer["stdout"]) == ("accepted", "42\n")


def test_without_a_token_nobody_gets_in(deployment):
    client = Client("127.0.0.1", deployment.api_port)
    assert client.post("/v1/submissions", {"language": "bash", "source": "echo"})[0] == 401


def test_no_container_is_more_than_it_must_be(deployment):
    for service in ("api", "worker", "redis", "prometheus", "alertmanager"):
        for container in deployment.containers(service):
            host = deployment.engine.inspect(container)["HostConfig"]
            assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"], service
            assert host["ReadonlyRootfs"], service
            assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), service


def test_a_worker_is_killed_and_nothing_is_lost(deployment):
    tokens = [deployment.submit(f"sleep 1; echo {i}") for i in range(8)]
    time.sleep(1)
    deployment.engine.docker("kill", deployment.containers("worker")[0])
    answers = [deployment.wait(token) for token in tokens]
    assert [answer["stdout"] for answer in answers] == [f"{i}\n" for i in range(8)]


def test_a_restart_of_everything_keeps_what_was_accepted(deployment):
    before = deployment.submit("echo before")
    assert deployment.wait(before)["stdout"] == "before\n"
    tokens = [deployment.submit(f"sleep 1; echo {i}", i % 2) for i in range(6)]
    deployment.compose("restart", "--timeout", "20")
    deployment.ready()
    assert deployment.wait(before)["stdout"] == "before\n"
    assert [deployment.wait(token)["stdout"] for token in tokens] == [f"{i}\n" for i in range(6)]


def test_prometheus_sees_every_process_and_has_its_alertmanager(deployment):
    end = time.monotonic() + 60
    client = Client("127.0.0.1", deployment.prometheus_port)
    while True:
        _, answer = client.get("/api/v1/query?query=up")
        up = {(row["metric"]["job"], row["metric"]["instance"]) for row in answer["data"]["result"] if row["value"][1] == "1"}
        jobs = [job for job, _ in up]
        if jobs.count("evalx-api") == 2 and jobs.count("evalx-worker") >= 1:
            break
        assert time.monotonic() < end, json.dumps(answer)
        time.sleep(1)
    _, answer = client.get("/api/v1/alertmanagers")
    assert len(answer["data"]["activeAlertmanagers"]) == 1, answer
