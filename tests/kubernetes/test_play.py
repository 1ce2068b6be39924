# SPDX-License-Identifier: Apache-2.0
"""The manifests' pods, run: podman plays the rendered Deployments, a submission goes through.

Images are made of this machine's own programs and libraries, in seconds. podman 4 knows no StatefulSet
and no probes without curl, so Redis is one beside it, and probes are asked here. Pods share the host's
network (there is no other), so each role gets a port of its own; all else is as rendered.
"""

import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

import cluster
from cluster import containers_of, kustomize, named, template

BUILD = Path(os.environ.get("EVALX_BUILD", cluster.TOP / "build"))
IMAGE = "localhost/evalx-test:local"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="podman's pods are root's here"),
    pytest.mark.skipif(not all(map(shutil.which, ("podman", "runc", "redis-server"))), reason="podman, runc or redis-server is missing"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def libraries(program):
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {word for line in text.splitlines() for word in line.split() if word.startswith("/")}


def image_archive(path):
    """bash, a few tools and evalx, with what they are linked with."""
    programs = {"/usr/bin/bash", "/usr/bin/cat", "/usr/bin/env", "/usr/bin/sh", "/usr/bin/true"}
    ours = {"/usr/bin/evalx": BUILD / "src/main/evalx", "/usr/libexec/evalx/evalx-box": BUILD / "src/sandbox/evalx-box"}
    files = {name: Path(name) for name in programs} | ours
    for source in list(files.values()):
        files |= {"/usr" + lib if not lib.startswith("/usr") else lib: Path(lib) for lib in libraries(source)}
    for folder in ("languages", "hints"):
        for each in (cluster.TOP / folder).rglob("*"):
            if each.is_file():
                files[f"/usr/share/evalx/{folder}/{each.relative_to(cluster.TOP / folder)}"] = each
    with tarfile.open(path, "w") as tar:
        for link in ("bin", "lib", "lib64"):
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
            tar.addfile(entry)
        for name in ("tmp", "proc", "dev", "etc", "run", "sys", "var/lib/evalx", "run/evalx/proc", "run/secrets/evalx"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            if name == "var/lib/evalx":  # as in the real images; volumes start with its owner
                entry.uid = entry.gid = 10001
            tar.addfile(entry)
        for name, text in (("etc/passwd", "root:x:0:0::/:/bin/sh\nevalx:x:10001:10001::/var/lib/evalx:/bin/sh\n"),
                           ("etc/group", "root:x:0:\nevalx:x:10001:\n")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name, source in sorted(files.items()):
            entry = tar.gettarinfo(os.path.realpath(source), name.lstrip("/"))
            entry.uid = entry.gid = 0
            with open(os.path.realpath(source), "rb") as data:
                tar.addfile(entry, data)


class Podman:
    """A podman with a store and settings of its own, in a folder that goes away with the test."""

    def __init__(self, folder):
        self.folder = folder
        conf = folder / "containers.conf"
        conf.write_text('[containers]\nnetns = "host"\ndefault_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]\n'
                        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf)}

    def command(self, *words):
        return ["podman", "--root", self.folder / "root", "--runroot", self.folder / "runroot",
                "--tmpdir", self.folder / "tmp", "--storage-driver", "vfs", *words]

    def __call__(self, *words, check=True):
        run = subprocess.run([str(w) for w in self.command(*words)], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert run.returncode == 0 or not check, run.stdout
        return run.stdout


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    folder = tmp_path_factory.mktemp("podman")
    engine = Podman(folder)
    image_archive(folder / "image.tar")
    engine("import", "--change", 'ENTRYPOINT ["/usr/bin/evalx"]', "--change", "USER 10001:10001", folder / "image.tar", IMAGE)
    yield engine
    engine("pod", "rm", "--all", "--force", "--time", "1", check=False)
    engine("rm", "--all", "--force", check=False)
    engine("rmi", "--all", "--force", check=False)


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    settings = (cluster.MANIFESTS / "components/redis/redis.conf").read_text()
    settings = settings.replace("dir /data", f"dir {folder}").replace("/run/secrets/redis/redis-auth.conf", str(folder / "auth.conf"))
    (folder / "auth.conf").write_text("requirepass sesame\n")
    (folder / "redis.conf").write_text(settings)
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(["redis-server", folder / "redis.conf", "--port", str(port), "--bind", "127.0.0.1"], stdout=log)
    yield f"redis://:sesame@127.0.0.1:{port}"
    server.terminate()
    server.wait()


def secrets_folder(folder, secret, items):
    """What a Secret's volume shows. podman 4.3 has such volumes, but leaves base64 in the files."""
    folder.mkdir()
    for item in items:
        (folder / item["path"]).write_text(secret["stringData"][item["key"]])
    return folder


def playable(objects, redis_url, ports, folder, change):
    """What podman is given: as rendered, but for ports, the image, and what it has no word for."""
    secret = yaml.safe_load(cluster.output(cluster.MANIFESTS / "secrets.sh"))
    secret["stringData"] |= {"redis-url": redis_url, "database-url": "", "auth-tokens": "visitor"}
    documents = []
    for role, port in ports.items():
        settings = named(objects, "ConfigMap", role)
        settings = {**settings, "data": {**settings["data"], "EVALX_LISTEN": f"127.0.0.1:{port}"}}
        pod = json.loads(json.dumps(template(named(objects, "Deployment", role))))
        container = containers_of(pod)[0]
        container["image"], container["imagePullPolicy"] = IMAGE, "Never"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            container.pop(probe)
        container.pop("ports")
        container["resources"]["limits"]["cpu"] = "1"
        mounted = next(v for v in pod["spec"]["volumes"] if v["name"] == "secrets")
        mounted["hostPath"] = {"path": str(secrets_folder(folder / role, secret, mounted.pop("secret")["items"])), "type": "Directory"}
        for side in container["resources"].values():
            side.pop("ephemeral-storage")
        pod["metadata"] = {"name": role, "labels": pod["metadata"]["labels"]}
        profile = pod["spec"]["securityContext"]["seccompProfile"]
        if profile["type"] == "Localhost":  # podman 4 knows the older word for it, and no folders
            pod["metadata"]["annotations"] = {"seccomp.security.alpha.kubernetes.io/pod": f"localhost/{Path(profile['localhostProfile']).name}"}
        change(pod)
        documents += [settings, {"apiVersion": "v1", "kind": "Pod", **pod}]
    return yaml.safe_dump_all(documents)


def ask(port, path, body=None, token="visitor"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"X-Auth-Token": token, "Content-Type": "application/json"},
                                     data=json.dumps(body).encode() if body else None)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read() or b"null")
    except OSError as e:
        return 0, str(e)


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


class Pods:
    """Both roles of some objects, played; away again at the end."""

    def __init__(self, podman, redis, folder, objects, roles, change=lambda pod: None, profile=lambda rules: None):
        self.podman, self.objects, self.folder = podman, objects, folder
        self.ports = {role: free_port() for role in roles}
        profiles = folder / "seccomp" / "profiles"
        profiles.mkdir(parents=True)
        rules = json.loads((cluster.MANIFESTS / "components/seccomp-installer/evalx-worker.json").read_text())
        profile(rules)
        (profiles / "evalx-worker.json").write_text(json.dumps(rules))
        (folder / "pods.yaml").write_text(playable(objects, redis, self.ports, folder, change))

    def __enter__(self):
        self.podman("kube", "play", "--network", "host", "--seccomp-profile-root", self.folder / "seccomp/profiles", self.folder / "pods.yaml")
        return self

    def __exit__(self, *_):
        self.podman("pod", "rm", "--all", "--force", "--time", "1", check=False)

    def logs(self):
        return "\n".join(self.podman("logs", f"{role}-evalx", check=False) for role in self.ports)

    def ready(self, role):
        path = template(named(self.objects, "Deployment", role))["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"]
        return ask(self.ports[role], path)[0] == 200


def test_a_submission_goes_through_the_manifests_pods(podman, redis, tmp_path):
    with Pods(podman, redis, tmp_path, kustomize(cluster.MANIFESTS / "overlays/minikube"), ["evalx-api", "evalx-worker"]) as pods:
        for role in pods.ports:
            assert until(lambda: pods.ready(role)), pods.logs()  # noqa: B023
        api = pods.ports["evalx-api"]
        status, answer = ask(api, "/v1/submissions?wait=30",
                             {"language": "bash", "source": "echo it runs", "tests": [{"expected_output": "it runs"}]})
        assert status in (200, 201) and answer["verdict"] == "accepted", (answer, pods.logs())
        assert ask(api, "/v1/submissions", token="wrong")[0] == 401
        assert "waiting" in podman("exec", "evalx-api-evalx", "/usr/bin/evalx", "queue", "stats", "--server", f"http://127.0.0.1:{api}")

        stopping = time.monotonic()
        podman("pod", "stop", "--time", "30", "evalx-worker")
        assert time.monotonic() - stopping < 25, "a worker without work leaves at once"


def without_proc(pod):
    container = containers_of(pod)[0]
    container["volumeMounts"] = [each for each in container["volumeMounts"] if each["name"] != "proc"]


def without_mounts(profile):
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name != "mount"]


@pytest.mark.parametrize("change", [{"change": without_proc}, {"profile": without_mounts}], ids=["proc", "seccomp"])
def test_what_a_worker_is_given_is_needed(change, podman, redis, tmp_path):
    """Without it there is no box, so the worker does not start, and says which layer is missing."""
    with Pods(podman, redis, tmp_path, kustomize(cluster.MANIFESTS / "overlays/minikube"), ["evalx-worker"], **change) as pods:
        assert until(lambda: "cannot be set up" in pods.logs(), 20), pods.logs()
        assert not pods.ready("evalx-worker")
