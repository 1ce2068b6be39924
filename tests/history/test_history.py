# SPDX-License-Identifier: Apache-2.0
"""A history in PostgreSQL behind a live server, and evalx history, which moves one."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import postgres  # noqa: E402
from live import BUILD, Server  # noqa: E402

pytestmark = pytest.mark.skipif(not postgres.is_here(), reason="PostgreSQL is not installed")

GOOD = {"language": "c", "source": "int main(void) { return 0; }"}
BAD = {"language": "c", "source": "int main(void) { return 3; }"}


@pytest.fixture(scope="module")
def database():
    with postgres.Postgres() as one:
        yield one


@pytest.fixture
def schema(database):
    """An empty one of its own for each test."""
    database.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database


def submit(server, body, **more):
    status, answer = server.post("/v1/submissions?wait=30", {**body, **more})
    assert status == 200, answer
    return answer["token"]


def count(database):
    if database.ask("SELECT to_regclass('evalx_submissions')") == "":
        return 0
    return int(database.ask("SELECT count(*) FROM evalx_submissions"))


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listed(server, query=""):
    tokens, cursor = [], ""
    while cursor is not None:
        status, answer = server.get(f"/v1/submissions?limit=7{query}{cursor}")
        assert status == 200, answer
        tokens += [row["token"] for row in answer["submissions"]]
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
    return tokens


def row_of_health(server):
    status, answer = server.get("/health")
    return status, answer["status"], next(c for c in answer["checks"] if c["name"] == "history")


CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("EVALX_")}


def evalx(*words, data=None, env=None):
    return subprocess.run(
        [BUILD / "evalx", "history", *map(str, words)],
        input=data, capture_output=True, text=True, check=False, env={**CLEAN, **(env or {})},
    )


def lines_of(text):
    return sorted(text.splitlines())


def sqlite_of(server):
    return f"sqlite://{server.folder}/data/evalx.db"


# ---- behind a server ----


def test_what_is_final_is_in_the_database_and_found_there_when_dropped_here(schema):
    env = {"EVALX_DATABASE_URL": schema.url, "EVALX_LIVE_KEEP": "0"}
    with Server(env) as server:
        tokens = [submit(server, GOOD if i % 3 else BAD, metadata={"n": i}) for i in range(10)]
        wait_until(lambda: count(schema) == 10)
        server.stop()
        # What the minute's sweep does, without the minute.
        with sqlite3.connect(server.folder / "data/evalx.db") as file:
            assert file.execute("SELECT count(*) FROM submissions WHERE archived = 0").fetchone() == (0,)
            for table in ("submissions", "jobs", "results"):
                file.execute(f"DELETE FROM {table}")
        file.close()
        server.start()
        assert listed(server) == tokens[::-1]
        assert listed(server, "&verdict=runtime_error") == tokens[::-3]
        assert listed(server, "&metadata.n=4") == [tokens[4]]
        status, answer = server.get(f"/v1/submissions/{tokens[0]}")
        assert status == 200
        assert answer["exit_code"] == 3
        assert server.get(f"/submissions/{tokens[1]}")[1]["status"]["id"] == 3
        client = server.client()
        assert client.request("DELETE", f"/v1/submissions/{tokens[0]}")[0] in (200, 204)
        assert client.get(f"/v1/submissions/{tokens[0]}")[0] == 404
        client.close()
        assert count(schema) == 9


def test_submissions_go_on_without_it_and_follow_when_it_is_back(schema):
    with Server({"EVALX_DATABASE_URL": schema.url}) as server:
        tokens = [submit(server, GOOD)]
        wait_until(lambda: count(schema) == 1)
        schema.stop()
        try:
            for _ in range(20):
                before = time.monotonic()
                tokens.append(submit(server, GOOD))
                assert time.monotonic() - before < 5
            status, state, row = row_of_health(server)
            assert (status, state, row["ok"]) == (200, "degraded", False)
            assert "Connection refused" in row["detail"]
            assert server.get("/health/ready")[0] == 200
            assert server.get("/v1/submissions")[0] == 503
            assert server.get(f"/v1/submissions/{tokens[0]}")[0] == 200
            server.kill()  # the worst at the worst time
            server.start()
            tokens.append(submit(server, GOOD))
        finally:
            schema.go_on()
        wait_until(lambda: count(schema) == len(tokens))
        assert listed(server) == tokens[::-1]
        assert row_of_health(server)[1] == "ok"
        assert schema.ask("SELECT count(DISTINCT id) FROM evalx_bodies") == str(len(tokens))


def test_a_wrong_password_keeps_nothing_out(schema):
    schema.ask("DROP ROLE IF EXISTS eve; CREATE ROLE eve LOGIN PASSWORD 'right'")
    hba = schema.folder / "data/pg_hba.conf"
    old = hba.read_text()
    try:
        hba.write_text("host all eve 127.0.0.1/32 scram-sha-256\n" + old)
        schema.ask("SELECT pg_reload_conf()")
        url = schema.url.replace("postgres@", "eve:geheim@")
        wait_until(lambda: subprocess.run([postgres.program("psql"), "-c", "SELECT 1", url], capture_output=True,
                                          check=False).returncode != 0)
        with Server({"EVALX_DATABASE_URL": url}) as server:
            submit(server, GOOD)
            wait_until(lambda: not row_of_health(server)[2]["ok"])
            assert "password authentication failed" in row_of_health(server)[2]["detail"]
            log = server.log_text()
        assert "geheim" not in log
    finally:
        hba.write_text(old)
        schema.ask("SELECT pg_reload_conf()")


def test_an_address_that_is_none_stops_the_start():
    done = subprocess.run(
        [BUILD / "evalx", "serve", "--database-url", "mysql://u:geheim@host/db", "--store", "memory"],
        capture_output=True, text=True, check=False, timeout=60, env={**CLEAN, "EVALX_LISTEN": "127.0.0.1:0"},
    )
    assert done.returncode != 0
    assert "EVALX_DATABASE_URL" in done.stderr
    assert "geheim" not in done.stderr


def test_two_servers_have_one_history(schema):
    env = {"EVALX_DATABASE_URL": schema.url}
    with Server(env) as one, Server(env) as other:
        tokens = [submit(server, GOOD) for _ in range(4) for server in (one, other)]
        wait_until(lambda: count(schema) == 8)
        assert listed(one) == listed(other) == tokens[::-1]
        assert other.get(f"/v1/submissions/{tokens[0]}")[0] == 200


# ---- moving it ----


@pytest.fixture(scope="module")
def filled():
    """A server with some history in its SQLite file, running."""
    with Server() as server:
        for i in range(6):
            submit(server, GOOD if i % 2 else BAD, metadata={"text": "ä\n\"'\\\u0000", "n": i})
        submit(server, {"language": "python", "source": "import sys\nsys.stdout.buffer.write(bytes(range(256)))"})
        yield server


def test_a_history_moves_to_postgres_and_back_unchanged(filled, schema, tmp_path):
    out = evalx("export", "--from", sqlite_of(filled))
    assert out.returncode == 0, out.stderr
    assert "7 exported" in out.stderr
    assert [json.loads(line)["record"] for line in out.stdout.splitlines()] == [1] * 7

    done = evalx("import", f"--to={schema.url}", data=out.stdout)
    assert done.returncode == 0, done.stderr
    assert "7 imported" in done.stderr
    assert count(schema) == 7

    back = tmp_path / "back.jsonl"
    done = evalx("export", back, env={"EVALX_DATABASE_URL": schema.url})
    assert done.returncode == 0, done.stderr
    assert back.read_text() == out.stdout
    assert back.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))

    with Server() as empty:  # while it runs
        env = {"EVALX_DATA_DIR": f"{empty.folder}/data"}
        done = evalx("import", back, env=env)
        assert done.returncode == 0, done.stderr
        assert listed(empty) == listed(filled)
        for token in listed(filled):
            assert empty.get(f"/v1/submissions/{token}") == filled.get(f"/v1/submissions/{token}")
        assert evalx("export", env=env).stdout == out.stdout
        submit(empty, GOOD)


def test_doing_it_twice_changes_nothing(filled, schema):
    out = evalx("export", "--from", sqlite_of(filled)).stdout
    for url in (schema.url, sqlite_of(filled)):
        for _ in range(2):
            assert evalx("import", "--to", url, data=out).returncode == 0
        assert evalx("export", "--from", url).stdout == out
    assert count(schema) == 7


def test_damaged_lines_are_named_and_the_others_go_in(filled, schema):
    lines = evalx("export", "--from", sqlite_of(filled)).stdout.splitlines()
    lines[1] = lines[1][:-9]
    lines[3] = lines[3].replace('"record":1', '"record":9')
    lines[4] = lines[4].replace('"state":"finished"', '"state":"queued"')
    done = evalx("import", "--to", schema.url, data="\n".join([*lines[:5], "", "[]", *lines[5:]]))
    assert done.returncode == 1
    for number, what in ((2, "byte"), (4, "version 9"), (5, "finished or cancelled"), (7, "record")):
        assert any(f"line {number}:" in line and what in line for line in done.stderr.splitlines()), done.stderr
    assert "4 imported, 4 damaged" in done.stderr
    assert count(schema) == 4


def test_no_webhook_is_sent_again():
    with Server({"EVALX_WEBHOOK_ALLOW": "127.0.0.1"}) as server:
        submit(server, GOOD, webhook_url="http://127.0.0.1:9/never")
        lines = evalx("export", "--from", sqlite_of(server)).stdout
    assert "webhook_url" in lines
    with Server() as other:
        assert evalx("import", "--to", sqlite_of(other), data=lines).returncode == 0
        other.stop()
        with sqlite3.connect(other.folder / "data/evalx.db") as file:
            assert file.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
            assert file.execute("SELECT count(*) FROM submissions").fetchone() == (1,)
        file.close()


def test_an_import_and_a_busy_server_do_not_hinder_each_other(filled):
    lines = evalx("export", "--from", sqlite_of(filled)).stdout.splitlines()
    record = json.loads(lines[-1])
    many = []
    for i in range(3000):
        token = f"00000000-0000-4000-8000-{i:012x}"
        copy = {**record, "id": token, "seq": 1000 + i, "job": {**record["job"], "id": token}}
        many.append(json.dumps(copy))
    failed = []

    def go_on(server, until):
        while not until.is_set():
            try:
                submit(server, GOOD)
            except (AssertionError, OSError) as why:
                failed.append(why)

    with Server() as server:
        done = threading.Event()
        thread = threading.Thread(target=go_on, args=(server, done))
        thread.start()
        result = evalx("import", "--to", sqlite_of(server), data="\n".join(many))
        done.set()
        thread.join()
        assert result.returncode == 0, result.stderr
        assert not failed
        status, answer = server.get(f"/v1/submissions/{json.loads(many[7])['id']}")
        assert status == 200
        assert answer["verdict"] == "runtime_error"


def test_mistakes_are_told_in_a_sentence(schema, tmp_path):
    for words, status, part in (
        ([], 2, "usage"),
        (["export", "--to", "x"], 2, "usage"),
        (["move"], 2, "usage"),
        (["export", "--from", "mysql://x"], 1, "postgres://... or sqlite://"),
        (["export", "--from", f"sqlite://{tmp_path}/none.db"], 1, "No such file"),
        (["export", "--from", f"sqlite://{tmp_path}/empty.db"], 1, "no database of submissions"),
        (["export", "--from", "postgres://127.0.0.1:1/x"], 1, "Connection refused"),
        (["export", "--from", schema.url, "/nonexistent/folder/file"], 1, "No such file"),
        (["import", "--to", schema.url, "/nonexistent/file"], 1, "No such file"),
    ):
        (tmp_path / "empty.db").touch()
        done = evalx(*words)
        assert done.returncode == status, (words, done.stderr)
        assert part in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_full_disk_ends_an_export_with_a_sentence(filled):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [BUILD / "evalx", "history", "export", "--from", sqlite_of(filled)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=CLEAN,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
