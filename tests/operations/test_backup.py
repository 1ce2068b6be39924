# SPDX-License-Identifier: Apache-2.0
"""Backups as docs/operations.md tells to make them: taken while submissions come in and run, restored
into servers that never saw the original. What had its token when the backup began is there, with the
one right result; the rest of the line goes on."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402
import redis_servers  # noqa: E402
from live import BUILD, Server  # noqa: E402

ENOUGH = 60  # submissions before a backup begins
QUICK = {"EVALX_LEASE": "3s"}  # what ran when the backup was made is offered again after that
needs_redis = pytest.mark.skipif(not redis_servers.is_here(), reason="Redis is not installed")
needs_postgres = pytest.mark.skipif(not postgres.is_here(), reason="PostgreSQL is not installed")


def run(*command):
    env = {name: value for name, value in os.environ.items() if not name.startswith("EVALX_")}
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Load:
    """Submissions, one after the other, without waiting; every fourth takes its time."""

    def __init__(self, server):
        self.client = server.client()
        self.tokens = {}  # token -> what its program prints
        self.stopping = False
        self.thread = threading.Thread(target=self.go)

    def go(self):
        for number in itertools.count():
            if self.stopping:
                return
            pause = "sleep 0.2; " if number % 4 == 0 else ""
            body = {"language": "bash", "source": f"{pause}echo {number}", "expected_output": str(number)}
            status, answer = self.client.post("/v1/submissions", body)
            assert status in (201, 202), answer
            self.tokens[answer["token"]] = f"{number}\n"

    def until(self, count):
        end = time.monotonic() + 60
        while len(self.tokens) < count:
            assert time.monotonic() < end and self.thread.is_alive()
            time.sleep(0.01)
        return dict(self.tokens)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.client.close()


def check(server, tokens):
    """Each ends with its one right result, and new ones get theirs."""
    client = server.client()
    for token, output in tokens.items():
        status, answer = client.get(f"/v1/submissions/{token}?wait=60")
        assert status == 200, f"{token} is not there"
        assert (answer["verdict"], answer["stdout"]) == ("accepted", output)
    status, answer = client.post("/v1/submissions?wait=60", {"language": "bash", "source": "echo new"})
    assert (status, answer["verdict"]) == (200, "accepted") and answer["token"] not in tokens
    newest = client.get("/v1/submissions?limit=1")[1]
    assert newest["submissions"][0]["token"] == answer["token"], "what comes now is behind all that was restored"
    client.close()


def test_the_file_of_one_server(tmp_path):
    copy = tmp_path / "copy.db"
    with Server() as server:
        with Load(server) as load:
            before = load.until(ENOUGH)
            run("sqlite3", server.folder / "data/evalx.db", f".backup {copy}")
            load.until(len(load.tokens) + 5)  # it went on meanwhile
    assert run("sqlite3", copy, "PRAGMA integrity_check").strip() == "ok"

    restored = Server()
    data = restored.folder / "data"
    data.mkdir()
    shutil.copy(copy, data / "evalx.db")
    user = run("sh", "-c", "id -u evalx 2>/dev/null || id -u nobody").strip()
    run("chown", "-R", user, data)
    with restored:
        check(restored, before)


def test_an_export_of_what_is_final(tmp_path):
    lines = tmp_path / "history.jsonl"
    with Server() as server:
        done = [server.post("/v1/submissions?wait=30", {"language": "bash", "source": f"echo {i}"})[1]["token"]
                for i in range(5)]
        run(BUILD / "evalx", "history", "export", "--from", f"sqlite://{server.folder}/data/evalx.db", lines)

    with Server() as restored:
        run(BUILD / "evalx", "history", "import", "--to", f"sqlite://{restored.folder}/data/evalx.db", lines)
        check(restored, {token: f"{i}\n" for i, token in enumerate(done)})


@needs_redis
def test_redis_by_a_snapshot_over_the_network(tmp_path):
    copy = tmp_path / "dump.rdb"
    with redis_servers.Redis() as first, Server({"EVALX_REDIS_URL": first.url, **QUICK}) as server:
        with Load(server) as load:
            before = load.until(ENOUGH)
            run("redis-cli", "-p", first.port, "--rdb", copy)

    # With appendonly on Redis reads its append-only file alone, and starts empty without one.
    second = redis_servers.Redis()
    conf = second.folder / "conf"
    text = conf.read_text()
    conf.write_text(text.replace("appendonly yes", "appendonly no"))
    shutil.copy(copy, second.folder / "dump.rdb")
    with second:
        assert second.say("CONFIG", "SET", "appendonly", "yes") == "OK"
        redis_servers.until(lambda: second.info("persistence", "aof_rewrite_in_progress") == "0"
                            and second.info("persistence", "aof_last_bgrewrite_status") == "ok", "the file is written")
        second.stop()
        conf.write_text(text)
        second.start()
        with Server({"EVALX_REDIS_URL": second.url, **QUICK}) as restored:
            check(restored, before)


@needs_redis
def test_redis_by_its_append_only_file(tmp_path):
    copy = tmp_path / "appendonlydir"
    with redis_servers.Redis() as first, Server({"EVALX_REDIS_URL": first.url, **QUICK}) as server:
        with Load(server) as load:
            before = load.until(ENOUGH)
            first.say("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
            redis_servers.until(lambda: first.info("persistence", "aof_rewrite_in_progress") == "0", "no rewrite")
            time.sleep(1.1)  # appendfsync everysec: what has its token is in the file by now
            shutil.copytree(first.folder / "appendonlydir", copy)
            first.say("CONFIG", "SET", "auto-aof-rewrite-percentage", "100")

    second = redis_servers.Redis()
    shutil.copytree(copy, second.folder / "appendonlydir")
    with second, Server({"EVALX_REDIS_URL": second.url, **QUICK}) as restored:
        check(restored, before)


@needs_postgres
def test_the_history_by_pg_dump(tmp_path):
    copy = tmp_path / "history.dump"
    program = postgres.program("pg_dump").parent
    with postgres.Postgres() as first, Server({"EVALX_DATABASE_URL": first.url}) as server:
        with Load(server) as load:
            final = dict(itertools.islice(load.until(ENOUGH).items(), 20))
            client = server.client()
            for token in final:
                assert client.get(f"/v1/submissions/{token}?wait=60")[1]["verdict"] == "accepted"
            client.close()
            ids = ", ".join(f"'{token}'" for token in final)
            there = f"SELECT count(*) FROM evalx_submissions WHERE id IN ({ids})"
            redis_servers.until(lambda: int(first.ask(there)) == len(final), "the history has them")
            run(program / "pg_dump", "-Fc", "-f", copy, first.url)
        kept = int(first.ask("SELECT count(*) FROM evalx_submissions"))

    with postgres.Postgres() as second:
        run(program / "pg_restore", "--no-owner", "-d", second.url, copy)
        assert len(final) <= int(second.ask("SELECT count(*) FROM evalx_submissions")) <= kept
        with Server({"EVALX_DATABASE_URL": second.url}) as restored:
            check(restored, final)
