# SPDX-License-Identifier: Apache-2.0
"""A real evalX, a real Prometheus that watches it and a real Alertmanager, as deploy/ sets them up.

The files of deploy/ are copied; what is changed in the copies is said here and nowhere else:
  - Prometheus looks every second, and `for` and `keep_firing_for` of alerts are divided by FASTER
    (parts.quick_rules); what alerts ask stays as it is
  - Alertmanager's waits are seconds; its mail server is the test's, without TLS and password
  - addresses: targets/*.yml, as an operator writes them
"""

import json
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from live import Server
from parts import DEPLOY, quick_rules
from receivers import Hooks, Mail, Model, Slack
from redis_servers import Redis, free_port, until

FASTER = 60  # two minutes are two seconds
QUEUE_MAX = 20
MODEL = "tiny"


class Daemon:
    """A server of Debian's; dies with the test."""

    def __init__(self, folder, *words):
        with open(folder / f"{words[0]}.log", "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def is_up(url):
    try:
        return bool(get(url))
    except OSError:
        return False


class World:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-monitoring-", dir="/var/tmp"))
        self.redis, self.slack, self.hooks, self.model, self.mail = Redis(), Slack(), Hooks(), Model(), Mail()
        self.closing, self.daemons = [], []
        self.prometheus = self.alertmanager = None

    # ---- evalX ----

    def start_evalx(self):
        shared = {
            "EVALX_REDIS_URL": self.redis.url, "EVALX_LANES": "2", "EVALX_QUEUE_MAX": str(QUEUE_MAX),
            "EVALX_WEBHOOK_ALLOW": "127.0.0.0/8", "EVALX_WEBHOOK_SCHEDULE": "0,1,1",
            "EVALX_HINTS_LLM_URL": self.model.url, "EVALX_HINTS_LLM_MODEL": MODEL,
        }
        self.api = Server({**shared, "EVALX_ROLE": "api"})
        self.worker = Server({**shared, "EVALX_ROLE": "worker"})
        for server in (self.api, self.worker):
            self.closing.append(server.remove)
            self.closing.append(server.stop)
            server.start()

    def address(self, server):
        return f"{server.host}:{server.port}"

    # ---- Prometheus and Alertmanager ----

    def start_alertmanager(self):
        home, port, smtp = self.folder / "alertmanager", free_port(), free_port()
        shutil.copytree(DEPLOY / "alertmanager", home)
        (home / "secrets/slack_url").write_text(self.slack.url + "/services/T0/B0/x\n")
        config = yaml.safe_load((home / "alertmanager.yml").read_text())
        config["global"].update(smtp_smarthost=f"127.0.0.1:{smtp}", smtp_require_tls=False)
        del config["global"]["smtp_auth_username"], config["global"]["smtp_auth_password_file"]
        for route in (config["route"], *config["route"]["routes"]):
            route.update(group_wait="1s", group_interval="1s", repeat_interval="1h")
        (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        self.mail.start(smtp)
        self.closing.append(self.mail.stop)
        self.alertmanager = f"http://127.0.0.1:{port}"
        self.daemons.append(Daemon(home, "prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=data",
                                   f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="))
        until(lambda: is_up(self.alertmanager + "/-/ready"), "Alertmanager is ready")

    def start_prometheus(self):
        home, port = self.folder / "prometheus", free_port()
        shutil.copytree(DEPLOY / "prometheus", home, ignore=shutil.ignore_patterns("rules"))
        quick_rules(home / "rules", FASTER)
        config = yaml.safe_load((home / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        next(j for j in config["scrape_configs"] if j["job_name"] == "prometheus")["static_configs"] = [
            {"targets": [f"localhost:{port}"]}]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        for name, address in {"api": self.address(self.api), "worker": self.address(self.worker),
                              "alertmanager": self.alertmanager.removeprefix("http://")}.items():
            (home / f"targets/{name}.yml").write_text(yaml.safe_dump([{"targets": [address]}]))
        self.prometheus = f"http://127.0.0.1:{port}"
        self.daemons.append(Daemon(home, "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                                   f"--web.listen-address=127.0.0.1:{port}"))
        until(lambda: is_up(self.prometheus + "/-/ready"), "Prometheus is ready")

    # ---- asking them ----

    def query(self, query):
        """The values of now: [(labels, float)]."""
        answer = json.loads(get(f"{self.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        assert answer["status"] == "success", (query, answer)
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def firing(self):
        return {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}

    # ---- beginning and end ----

    def __enter__(self):
        try:
            for part in (self.redis, self.slack, self.hooks, self.model):
                part.__enter__()
                self.closing.append(part.__exit__)
            self.start_evalx()
            self.start_alertmanager()
            self.start_prometheus()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.stop()
        while self.closing:
            self.closing.pop()()
        shutil.rmtree(self.folder, ignore_errors=True)
