# SPDX-License-Identifier: Apache-2.0
"""A container engine of the tests' own, and the images built with it.

    with Engine() as engine:
        engine.build("core")
        engine.docker("run", "--rm", engine.image("core"), "doctor")

Its data, socket and control groups are in folders of their own and go with it. The base image comes
from Debian's archive by mmdebstrap, as no registry is asked for anything; it is kept in
build-images/. EVALX_BASE_SUITE names another release of Debian.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live import TOP  # noqa: E402

SUITE = os.environ.get("EVALX_BASE_SUITE", "trixie")
CACHE = TOP / "build-images"
DOCKER = "/usr/bin/docker"
SECCOMP = TOP / "deploy/docker/seccomp.json"
CGROUPS = Path("/sys/fs/cgroup")

# What every worker gets: no capability, no more privilege, the profile, a whole /proc.
STRICT = ("--network", "host", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
          "--security-opt", f"seccomp={SECCOMP}", "--security-opt", "systempaths=unconfined")


def missing():
    """Why there can be no engine here, or None."""
    if os.geteuid() != 0:
        return "a container engine needs root"
    for program in ("/usr/sbin/dockerd", DOCKER, "/usr/bin/mmdebstrap"):
        if not Path(program).exists():
            return f"{program} is missing: tools/deps.sh images"
    return None


def base_tar():
    """A slim Debian: what debian:trixie-slim is, made here."""
    tar = CACHE / f"base-{SUITE}.tar"
    if not tar.exists():
        CACHE.mkdir(exist_ok=True)
        leave_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "info", "locale", "doc")]
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            made = Path(scratch) / tar.name
            subprocess.run(
                ["/usr/bin/mmdebstrap", "--quiet", "--variant=minbase", *leave_out, SUITE, made], check=True)
            made.rename(tar)
    return tar


class Failed(Exception):
    """A command of the engine that failed; says what it printed."""


class Engine:
    def __init__(self):
        # A short path: the sockets below it have names of at most 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="evalx-images-", dir="/var/tmp"))
        self.name = f"evalx-images-{os.getpid()}"
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("EVALX_", "DOCKER_", "COMPOSE_"))},
                    "DOCKER_HOST": f"unix://{self.folder}/docker.sock", "DOCKER_BUILDKIT": "1",
                    "DOCKER_CONFIG": str(self.folder)}
        self.process = None
        self.built = set()

    def start(self):
        f = self.folder
        with open(f / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/dockerd", "--data-root", f / "data", "--exec-root", f / "exec", "-H", self.env["DOCKER_HOST"],
                 "-p", f / "pid", "--bridge=none", "--iptables=false", "--ip-masq=false",
                 "--default-ulimit", "nofile=20000:20000", "--cgroup-parent", f"/{self.name}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while self.docker("version", check=False).returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise Failed(f"dockerd does not start: {(f / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        with open(base_tar(), "rb") as tar:
            self.docker("import", "-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                        "-", self.base, stdin=tar)
        return self

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """The engine, what it mounted and what it wrote."""
        if self.process and self.process.poll() is None:
            running = self.docker("ps", "-q", check=False).stdout.split()
            if running:
                self.docker("kill", *running, check=False)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        assert str(self.folder).startswith("/var/tmp/evalx-images-")
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed(mounts):
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mount], check=False)
        if not any(line.split()[4].startswith(f"{self.folder}/") for line in Path("/proc/self/mountinfo").read_text().splitlines()):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.groups("remove")

    # ---- images ----

    @property
    def base(self):
        return f"evalx-base:{SUITE}"

    @staticmethod
    def image(target):
        return f"evalx/evalx-{target}:test"

    def build(self, target, context=TOP, file=None, tag=None):
        """Once; what was built before for another target is not built again."""
        tag = tag or self.image(target)
        if tag not in self.built:
            self.docker("build", "--network", "host", "--build-arg", f"BASE={self.base}", "--target", target,
                        "-t", tag, *(("-f", file) if file else ()), context, timeout=900)
            self.built.add(tag)
        return tag

    def docker(self, *words, check=True, timeout=120, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([DOCKER, *map(str, words)], env=self.env, capture_output=True, text=True,
                              timeout=timeout, check=False, **more)
        if check and done.returncode != 0:
            raise Failed(f"docker {' '.join(map(str, words))}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
        return done

    def inspect(self, what):
        return json.loads(self.docker("inspect", what).stdout)[0]

    # ---- control groups of the host ----

    def groups(self, action):
        """make: gives the options of `docker run` for exact limits; remove: also those of the engine."""
        done = subprocess.run([TOP / "deploy/docker/cgroups.sh", action, self.name], capture_output=True, text=True, check=False)
        if action == "make":
            if done.returncode != 0:
                raise Failed(done.stderr)
            return done.stdout.split()
        for left in [*CGROUPS.glob(self.name), *CGROUPS.glob(f"*/{self.name}")]:
            subprocess.run(["find", left, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], check=False)
        return []
