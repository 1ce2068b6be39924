# SPDX-License-Identifier: Apache-2.0
"""The Debian package: built, looked at by lintian, and lived with in a Debian of its own: installed, a
submission run, upgraded, removed, purged. No systemd there, as in a container; with one the same is
tried by make test-deb."""

import ctypes
import hashlib
import os
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live import Client  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
KEPT = TOP / "build-deb"  # ignored by git; the base system is kept there from run to run
CLONE_NEWNS = 0x00020000
OLD = "0.0.1"
NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not shutil.which("dpkg-buildpackage"), reason="this is no Debian: nothing builds packages"),
]


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def build(folder):
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000"}
    return Path(run(TOP / "tools/deb.sh", folder, env=env).strip())


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    return build(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def older(deb, tmp_path_factory):
    """The same as an earlier version: what an upgrade has to cope with is dpkg's part and ours."""
    tree = tmp_path_factory.mktemp("older") / "tree"
    run("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {OLD}", control.read_text()))
    return Path(run("dpkg-deb", "--root-owner-group", "-b", tree, tree.parent).split("'")[-2])


def dependencies(deb):
    """The first of each set of alternatives, but for systemd: what makes users without it will do."""
    names = [entry.split("|")[0].split("(")[0].strip()
             for entry in run("dpkg-deb", "-f", deb, "Depends").split(",")]
    return ["systemd-standalone-sysusers" if name == "systemd" else name for name in names]


def base_system(packages):
    """A tar of a small Debian with these packages; half a minute when it is not there yet."""
    name = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:16]
    tar = KEPT / f"base-{name}.tar"
    if not tar.exists():
        KEPT.mkdir(exist_ok=True)
        sources = Path("/etc/apt/sources.list.d/debian.sources")
        sources = sources if sources.exists() else Path("/etc/apt/sources.list")
        codename = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())[1]
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", codename,
            tar.with_suffix(".new.tar"), sources)
        tar.with_suffix(".new.tar").rename(tar)
    return tar


class Debian:
    """A root folder in a mount namespace of this process: nothing of it is left when that ends."""

    def __init__(self, folder, tar):
        self.root = folder
        run("mount", "--bind", folder, folder)  # what is to be a root has to be a mount
        run("tar", "-C", folder, "-xf", tar, "--exclude=./dev/*")
        for name, (major, minor) in NODES.items():
            os.mknod(folder / "dev" / name, 0o020666, os.makedev(major, minor))
            (folder / "dev" / name).chmod(0o666)
        run("mount", "-t", "proc", "proc", folder / "proc")
        run("mount", "--rbind", "/sys/fs/cgroup", self.made("sys/fs/cgroup"))
        self.clean = self.files()

    def made(self, path):
        (self.root / path).mkdir(parents=True, exist_ok=True)
        return self.root / path

    def files(self):
        """Every path but those of dpkg's memory, the mounts and what any package changes."""
        aside = ("proc/", "sys/", "dev/", "var/lib/dpkg/", "var/log/", "var/cache/", "tmp/")
        found = set()
        for top, folders, names in os.walk(self.root):
            here = os.path.relpath(top, self.root)
            folders[:] = [f for f in folders if not f"{here}/{f}/".removeprefix("./").startswith(aside)]
            found.update(f"{here}/{name}".removeprefix("./") for name in folders + names)
        return found

    def run(self, *command):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run("chroot", self.root, *command, env=env)

    def install(self, deb):
        shutil.copy(deb, self.root / "tmp/package.deb")
        return self.run("dpkg", "-i", "/tmp/package.deb")

    def unmount(self):
        for path in ("sys/fs/cgroup", "proc", ""):
            subprocess.run(["umount", "-l", self.root / path], check=False)


class Installed:
    """The server of that Debian, started as its unit does."""

    def __init__(self, debian):
        self.debian = debian

    def __enter__(self):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "EVALX_LISTEN": "127.0.0.1:0", "EVALX_DATA_DIR": "/var/lib/evalx"}
        self.process = subprocess.Popen(["chroot", self.debian.root, "/usr/bin/evalx", "serve"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        ready = select.select([self.process.stdout], [], [], 60)[0] and self.process.stdout.readline().decode()
        found = re.search(r":(\d+) \(", ready or "")
        assert found, f"not ready: {ready}"
        return Client("127.0.0.1", int(found[1]))

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(60) == 0


@pytest.fixture(scope="module")
def debian(deb, tmp_path_factory):
    tar = base_system(dependencies(deb))
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0
    run("mount", "--make-rprivate", "/")
    folder = Path(run("mktemp", "-d", "/var/tmp/evalx-package.XXXXXX").strip())
    folder.chmod(0o755)
    debian = Debian(folder, tar)
    yield debian
    debian.unmount()
    shutil.rmtree(folder, ignore_errors=True)


def submit(client):
    body = {"language": "bash", "source": "read x; echo $((x * 7))",
            "tests": [{"stdin": "6\n", "expected_output": "42"}]}
    status, answer = client.post("/v1/submissions?wait=30", body)
    assert (status, answer["verdict"]) == (200, "accepted")
    return answer["token"]


def test_lintian_has_nothing_to_say(deb):
    changes = next(deb.parent.glob("*.changes"))
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error,warning", changes], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_tree_gives_the_same_package_elsewhere(deb, tmp_path_factory):
    again = build(tmp_path_factory.mktemp("a-folder-of-another-length"))
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(deb.read_bytes()).digest()


def test_the_package_says_the_version_of_the_tree(deb):
    assert run("dpkg-deb", "-f", deb, "Version").strip() == run(TOP / "tools/version.py").strip()


def test_a_life_from_install_to_purge(debian, deb, older):
    root = debian.root

    debian.install(older)
    assert re.search(r"^evalx:", (root / "etc/passwd").read_text(), re.MULTILINE)
    settings = root / "etc/evalx/evalx.env"
    assert (settings.stat().st_mode & 0o777, settings.stat().st_uid) == (0o640, 0)
    with Installed(debian) as client:
        first = submit(client)
        assert client.get("/health")[1]["status"] in ("ok", "degraded")
    data = root / "var/lib/evalx/evalx.db"
    assert data.stat().st_uid != 0

    settings.write_text(settings.read_text() + "EVALX_RETENTION=30d\n")
    debian.install(deb)
    assert "30d" in settings.read_text(), "an upgrade keeps what the operator wrote"
    with Installed(debian) as client:
        assert client.get(f"/v1/submissions/{first}")[1]["verdict"] == "accepted"
        second = submit(client)

    debian.run("dpkg", "-r", "evalx")
    assert not (root / "usr/bin/evalx").exists() and data.exists() and settings.exists()

    debian.install(deb)
    with Installed(debian) as client:
        for token in (first, second):
            assert client.get(f"/v1/submissions/{token}")[1]["verdict"] == "accepted"

    debian.run("dpkg", "-P", "evalx")
    left = {path for path in debian.files() - debian.clean if not path.startswith(("etc/passwd", "etc/group", "etc/shadow",
                                                                                    "etc/gshadow", "etc/.pwd.lock"))}
    assert not left, f"left behind by a purge: {sorted(left)}"


def test_a_purge_of_what_never_ran_works_too(debian, deb):
    debian.install(deb)
    debian.run("dpkg", "-P", "evalx")
    assert "evalx" not in debian.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").split()
