# SPDX-License-Identifier: Apache-2.0
"""What can be said of the files alone: Dockerfile, profile, compose, example of settings."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from engine import SECCOMP, TOP

from live import BUILD

DOCKERFILE = (TOP / "Dockerfile").read_text()
COMPOSE = TOP / "compose.yaml"


def test_the_dockerfile_needs_no_registry_for_itself_and_names_no_architecture():
    assert "# syntax" not in DOCKERFILE
    assert not re.search(r"x86_64|amd64|aarch64|arm64", re.sub(r"(?m)^#.*", "", DOCKERFILE))


def test_every_image_ends_as_an_ordinary_user():
    user = {}
    for stage in re.split(r"(?m)^FROM ", DOCKERFILE)[1:]:
        parent, name = re.match(r"(\S+) AS (\S+)", stage).groups()
        users = re.findall(r"(?m)^USER (\S+)", stage)
        user[name] = users[-1] if users else user.get(parent)
    for target in ("api", "core", "popular", "all"):
        assert user[target] == "10001:10001", target


def test_the_dockerfile_is_as_a_linter_wants_it():
    if not shutil.which("hadolint"):
        pytest.skip("hadolint is in no Debian package; it looks at the Dockerfile where it is there")
    done = subprocess.run(["hadolint", "--ignore", "DL3008", TOP / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_profile_is_dockers_and_what_a_box_needs():
    sys.path.insert(0, str(SECCOMP.parent))
    import seccomp

    profile = json.loads(SECCOMP.read_text())
    added = [rule for rule in profile["syscalls"] if rule.get("comment", "").startswith("evalx-box:")]
    assert {name for rule in added for name in rule["names"]} == {name for names in seccomp.ADDED.values() for name in names}
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {n for r in profile["syscalls"] if r["action"] == "SCMP_ACT_ALLOW" and not r.get("includes") for n in r["names"]}
    for call in ("bpf", "perf_event_open", "open_by_handle_at", "init_module", "kexec_load", "reboot", "keyctl",
                 "add_key", "userfaultfd", "io_uring_setup", "swapon", "settimeofday", "open_tree", "quotactl"):
        assert call not in allowed, call
    for rule in profile["syscalls"]:
        assert rule["action"] in ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO") and rule["names"]
    # Docker's, found where Debian's package of its sources is installed: then the rest must be equal.
    default = "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"
    if os.path.exists(default):
        with open(default) as file:
            assert seccomp.extend(json.load(file)) == profile


def test_the_apparmor_profile_is_understood():
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
    if not parser:
        pytest.skip("apparmor_parser is missing")
    done = subprocess.run([parser, "--skip-kernel-load", "--skip-cache", TOP / "deploy/docker/apparmor"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- compose ----


def variables():
    """NAME -> default, of every ${NAME:-default} in the compose files."""
    found = {}
    for file in (COMPOSE, *sorted((TOP / "deploy/compose").glob("*.yaml"))):
        for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", file.read_text()):
            assert found.setdefault(name, default) == default, f"{name} has two defaults"
    return found


def example():
    """NAME -> (value, the comment above it), of .env.example."""
    found, comment = {}, ""
    for line in (TOP / ".env.example").read_text().splitlines():
        match = re.match(r"(?:# )?([A-Z_]+)=(.*)", line)
        if match:
            found[match[1]] = (match[2], comment)
        comment = line.removeprefix("# ")
    return found


def test_the_example_names_every_variable_of_compose_with_its_default():
    shown = {name: value for name, (value, _) in example().items()}
    assert shown.pop("COMPOSE_PROFILES") == "grafana"
    assert shown == variables()


def test_the_example_says_of_settings_what_evalx_says():
    table = subprocess.run([BUILD / "evalx", "config", "--env"], capture_output=True, text=True, check=True,
                           env={"PATH": os.environ["PATH"]}).stdout
    settings = dict(re.findall(r"# (.*)\n#? ?(EVALX_[A-Z_]+)=", table))
    of = {name: what for what, name in settings.items()}
    known = 0
    for name, (_, comment) in example().items():
        if name in of:
            known += 1
            assert comment == of[name], name
    assert known >= 7


def test_every_evalx_variable_that_compose_sets_is_a_setting():
    table = subprocess.run([BUILD / "evalx", "config", "--env"], capture_output=True, text=True, check=True,
                           env={"PATH": os.environ["PATH"]}).stdout
    settings = set(re.findall(r"(EVALX_[A-Z_]+)=", table))
    for file in (COMPOSE, *(TOP / "deploy/compose").glob("*.yaml")):
        for service in yaml.safe_load(file.read_text())["services"].values():
            for name in service.get("environment", {}):
                if name.startswith("EVALX_"):
                    assert name.removesuffix("_FILE") in settings, name


def test_every_service_restarts_and_every_file_it_is_shown_is_there():
    text = yaml.safe_load(COMPOSE.read_text())
    for name, service in text["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert "privileged" not in service and "network_mode" not in service, name
        for secret in service.get("secrets", []):
            assert secret in text["secrets"], secret
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (TOP / volume.split(":")[0]).exists(), volume


def test_secrets_are_made_once_and_never_again(tmp_path):
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run([TOP / "deploy/compose/secrets.sh", folder], check=True, capture_output=True)
        now = {file.name: file.read_text() for file in folder.iterdir()}
        assert now.setdefault("first", now["redis_password"])
    assert set(yaml.safe_load(COMPOSE.read_text())["secrets"]) == {file.name for file in folder.iterdir()}
    password = (folder / "redis_password").read_text().strip()
    assert len(password) >= 32 and password in (folder / "redis_url").read_text()
    assert folder.stat().st_mode & 0o777 == 0o700


# ---- the host's side ----


@pytest.mark.parametrize("words", [(), ("make",), ("make", "../evalx"), ("make", "docker"), ("remove", "evalx/.."), ("remove", "system.slice")])
def test_control_groups_of_others_are_left_alone(words):
    done = subprocess.run([TOP / "deploy/docker/cgroups.sh", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr
