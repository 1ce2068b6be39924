#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write what the manifests take from other folders, and the single file for minikube.

    deploy/kubernetes/generate.py           write what has changed
    deploy/kubernetes/generate.py --check   only name it; exit status 1 when something has

kustomize reads nothing outside its own folder, and the Prometheus operator wants rules wrapped, so
copies are kept here. tests/kubernetes says when they are stale. KUBECTL names another kubectl.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parent
MADE = "# SPDX-License-Identifier: Apache-2.0\n# Made by deploy/kubernetes/generate.py from {source}: change that.\n"

# Kernel architectures that images are made for, as the profile's rules and as libseccomp call them.
ARCHES = {"amd64", "arm64"}
ARCHITECTURES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]


def worker_seccomp():
    """Docker's form has conditions, which a kubelet does not know and would take for granted.

    So they are decided here: no capability, our architectures, a kernel of this decade.
    """
    profile = json.loads((DEPLOY / "docker/seccomp.json").read_text())
    rules = []
    for rule in profile["syscalls"]:
        needs, unless = rule.get("includes") or {}, rule.get("excludes") or {}
        if needs.get("caps") or (needs.get("arches") and not ARCHES & set(needs["arches"])):
            continue
        if ARCHES <= set(unless.get("arches") or ()):
            continue
        kept = {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)}
        rules.append(kept)
    plain = {"defaultAction": profile["defaultAction"], "defaultErrnoRet": 1, "architectures": ARCHITECTURES, "syscalls": rules}
    return json.dumps(plain, indent=1) + "\n"


def prometheus_rules():
    groups = []
    for path in sorted((DEPLOY / "prometheus/rules").glob("*.yml")):
        groups += yaml.safe_load(path.read_text())["groups"]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "evalx", "labels": {"release": "kube-prometheus-stack"}},
        "spec": {"groups": groups},
    }
    return MADE.format(source="deploy/prometheus/rules") + yaml.safe_dump(rule, sort_keys=False, width=120)


def minikube():
    kubectl = os.environ.get("KUBECTL", "kubectl")
    made = subprocess.run([kubectl, "kustomize", HERE / "overlays/minikube"], check=True, stdout=subprocess.PIPE, text=True)
    head = MADE.format(source="deploy/kubernetes/overlays/minikube")
    return head + "# All of evalX for an empty minikube in one file; docs/kubernetes.md says what goes before it.\n" + made.stdout


# In this order: the last one reads what the first one writes.
OUTPUTS = {
    "components/seccomp-installer/evalx-worker.json": worker_seccomp,
    "components/monitoring/rules.yaml": prometheus_rules,
    "minikube-config.yaml": minikube,
}


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, make in OUTPUTS.items():
        path, text = HERE / name, make()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
            print(f"written: {name}")
    if check and stale:
        sys.exit(f"stale, run deploy/kubernetes/generate.py: {', '.join(stale)}")


if __name__ == "__main__":
    main()
