# SPDX-License-Identifier: Apache-2.0
"""The verifiers of docs/webhooks.md do what the page says, tried with the standard's test vector."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs/webhooks.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
GOOD, BAD = '{"test": 2432232314}', '{"test": 2432232315}'


def example(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def run(tmp_path, name, text, *command, seconds=60):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / name).write_text(text)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/go/bin", "HOME": str(tmp_path), "GOCACHE": str(tmp_path / "go")}
    done = subprocess.run(
        [*command, tmp_path / name], capture_output=True, text=True, timeout=seconds, check=True, env=env
    )
    return done.stdout.split()


def test_python_verifies(monkeypatch):
    import time

    names = {}
    exec(example("python"), names)
    monkeypatch.setattr(time, "time", lambda: AT)
    assert names["verify"](SECRET, HEADERS, GOOD.encode())
    assert not names["verify"](SECRET, HEADERS, BAD.encode())
    monkeypatch.setattr(time, "time", lambda: AT + 301)
    assert not names["verify"](SECRET, HEADERS, GOOD.encode())


def test_javascript_verifies(tmp_path):
    calls = "".join(
        f"Date.now = () => {at}000; console.log(verify('{SECRET}', {json.dumps(HEADERS)}, Buffer.from('{body}')));\n"
        for at, body in ((AT, GOOD), (AT, BAD), (AT + 301, GOOD))
    )
    assert run(tmp_path, "x.mjs", example("javascript") + calls, "node") == ["true", "false", "false"]


def test_php_verifies(tmp_path):
    headers = ", ".join(f"'{k}' => '{v}'" for k, v in HEADERS.items())
    calls = "".join(
        f"var_dump((function () {{ $now = {at}; return verify('{SECRET}', [{headers}], '{body}'); }})());\n"
        for at, body in ((AT, GOOD), (AT, BAD))
    )
    code = example("php").replace("time()", str(AT))
    assert run(tmp_path, "x.php", "<?php\n" + code + calls, "php") == ["bool(true)", "bool(false)"]


def test_go_verifies(tmp_path):
    sets = "\n".join(f'h.Set("{k}", "{v}")' for k, v in HEADERS.items())
    imports = '"crypto/hmac"; "crypto/sha256"; "encoding/base64"; "fmt"; "net/http"; "strconv"; "strings"'
    code = example("go").replace("time.Now().Unix()", f"int64({AT})")
    text = f"""package main
import ({imports})
{code}
func main() {{
    h := http.Header{{}}
    {sets}
    fmt.Println(verify("{SECRET}", h, []byte(`{GOOD}`)), verify("{SECRET}", h, []byte(`{BAD}`)))
}}
"""
    assert run(tmp_path, "x.go", text, "go", "run", seconds=180) == ["true", "false"]
