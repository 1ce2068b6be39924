# SPDX-License-Identifier: Apache-2.0
"""What no schema sees: names that must meet, seconds that must add up, and nobody with more than needed."""

import json
import re
import subprocess

import pytest
import yaml

import cluster
from cluster import containers_of as containers, environment, kustomize, named, of_kind, seconds, selects, template, workloads

EVERY = pytest.mark.parametrize("name", sorted(
    [f"overlay {name}" for name in cluster.OVERLAYS] + [f"component {name}" for name in cluster.COMPONENTS]
    + [f"chart {name}" for name in cluster.VALUES]))
# What secrets.sh makes.
SECRET_KEYS = {"redis-url", "redis-auth.conf", "database-url", "postgres-password", "auth-tokens", "admin-tokens", "webhook-secret"}


@pytest.fixture(scope="module")
def everything():
    return cluster.everything()


@pytest.fixture(scope="module")
def minikube():
    return kustomize(cluster.MANIFESTS / "overlays/minikube")


def pods(objects):
    """Name -> pod template of each workload, and of a test's pod."""
    found = {each["metadata"]["name"]: template(each) for each in workloads(objects)}
    for each in of_kind(objects, "Pod"):
        found[each["metadata"]["name"]] = each
    return found


# ---- names that must meet ----


@EVERY
def test_selectors_find_their_pods(everything, name):
    objects = everything[name]
    for each in workloads(objects):
        assert selects(each["spec"]["selector"], template(each)["metadata"]["labels"]), each["metadata"]["name"]
    for service in of_kind(objects, "Service"):
        found = [pod for pod in pods(objects).values() if selects({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])]
        assert len(found) == 1, service["metadata"]["name"]
        ports = {port["name"]: port["containerPort"] for c in containers(found[0]) for port in c.get("ports", [])}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports


@EVERY
def test_a_workload_never_selects_anothers_pods(everything, name):
    objects = everything[name]
    for each in workloads(objects):
        mine = [other for other, pod in pods(objects).items() if selects(each["spec"]["selector"], pod["metadata"]["labels"])]
        assert mine == [each["metadata"]["name"]]


@EVERY
def test_probes_monitors_and_policies_name_ports_that_exist(everything, name):
    objects = everything[name]
    for pod in pods(objects).values():
        for container in containers(pod):
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                how = container.get(probe, {})
                asked = (how.get("httpGet") or how.get("tcpSocket") or {}).get("port")
                assert asked is None or asked in ports
    for monitor in of_kind(objects, "ServiceMonitor"):
        found = [s for s in of_kind(objects, "Service") if selects(monitor["spec"]["selector"], s["metadata"]["labels"])]
        assert len(found) == 1
        assert {e["port"] for e in monitor["spec"]["endpoints"]} <= {p["name"] for p in found[0]["spec"]["ports"]}
    for monitor in of_kind(objects, "PodMonitor"):
        found = [pod for pod in pods(objects).values() if selects(monitor["spec"]["selector"], pod["metadata"]["labels"])]
        assert len(found) == 1
    for policy in of_kind(objects, "NetworkPolicy"):
        targets = [pod for pod in pods(objects).values() if selects(policy["spec"]["podSelector"], pod["metadata"]["labels"])]
        assert targets, policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                for pod in targets:
                    assert port["port"] in {p["name"] for c in containers(pod) for p in c.get("ports", [])}


@EVERY
def test_policies_name_peers_that_exist(everything, name):
    objects = everything[name]
    for policy in of_kind(objects, "NetworkPolicy"):
        peers = [peer for way, side in (("ingress", "from"), ("egress", "to"))
                 for rule in policy["spec"].get(way, []) for peer in rule.get(side, [])]
        for peer in peers:
            if "podSelector" in peer and "namespaceSelector" not in peer:
                assert any(selects(peer["podSelector"], pod["metadata"]["labels"]) for pod in pods(objects).values())


@EVERY
def test_what_pods_mount_and_read_is_there(everything, name):
    objects = everything[name]
    for pod in pods(objects).values():
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        claims = {c["metadata"]["name"] for w in workloads(objects) for c in w["spec"].get("volumeClaimTemplates", [])}
        for container in containers(pod):
            mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
            assert set(mounts) <= set(volumes) | claims
            for source in container.get("envFrom", []):
                named(objects, "ConfigMap", source["configMapRef"]["name"])
            for variable in container.get("env", []):
                path = variable.get("value") or ""
                if variable["name"].endswith("_FILE"):
                    folder, _, key = path.rpartition("/")
                    volume = next(volumes[n] for n, where in mounts.items() if where == folder)
                    assert key in {item["path"] for item in volume["secret"]["items"]}
        for volume in volumes.values():
            if "configMap" in volume:
                named(objects, "ConfigMap", volume["configMap"]["name"])
            for item in volume.get("secret", {}).get("items", []):
                assert item["key"] in SECRET_KEYS
        if "serviceAccountName" in pod["spec"]:
            named(objects, "ServiceAccount", pod["spec"]["serviceAccountName"])


def test_the_secret_script_writes_every_key():
    text = cluster.output(cluster.MANIFESTS / "secrets.sh")
    secret = yaml.safe_load(text)
    assert set(secret["stringData"]) == SECRET_KEYS
    assert cluster.problems([secret]) == []
    other = yaml.safe_load(cluster.output(cluster.MANIFESTS / "secrets.sh"))
    assert not set(other["stringData"].values()) & set(secret["stringData"].values())


@EVERY
def test_autoscalers_scale_what_is_there_and_budgets_leave_a_way_out(everything, name):
    objects = everything[name]
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = named(objects, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        if scaler["metadata"]["name"].endswith("-worker"):
            assert "replicas" not in target["spec"]
    scalers = [s["spec"]["scaleTargetRef"]["name"] for s in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")]
    assert len(scalers) == len(set(scalers))
    for budget in of_kind(objects, "PodDisruptionBudget"):
        found = [w for w in workloads(objects) if selects(budget["spec"]["selector"], template(w)["metadata"]["labels"])]
        assert len(found) == 1
        # With minAvailable a single replica could never leave its node.
        assert "minAvailable" not in budget["spec"] and budget["spec"]["maxUnavailable"] not in (0, "0%")


# ---- settings ----


@pytest.fixture(scope="module")
def evalx():
    import os
    return os.path.join(os.environ.get("EVALX_BUILD", cluster.TOP / "build"), "src/main/evalx")


@EVERY
def test_evalx_takes_every_setting(everything, name, evalx, tmp_path):
    objects = everything[name]
    for role in ("evalx-api", "evalx-worker"):
        env = environment(objects, named(objects, "Deployment", role))
        for key in env:
            if key.endswith("_FILE"):
                (tmp_path / key).write_text("x")
                env[key] = str(tmp_path / key)
            env[key] = env[key] or "2"
        run = subprocess.run([evalx, "config"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.returncode == 0, run.stderr


def test_variables_made_of_services_would_stop_evalx(evalx):
    """Why enableServiceLinks is off."""
    run = subprocess.run([evalx, "config"], env={"EVALX_API_PORT": "tcp://10.0.0.1:80"}, stderr=subprocess.PIPE, text=True)
    assert run.returncode != 0 and "EVALX_API_PORT" in run.stderr


@EVERY
def test_stopping_fits_into_the_grace_period(everything, name):
    objects = everything[name]
    for role in ("evalx-api", "evalx-worker"):
        workload = named(objects, "Deployment", role)
        env = environment(objects, workload)
        stopping = seconds(env["EVALX_DRAIN_DELAY"]) + seconds(env["EVALX_DRAIN"])
        grace = template(workload)["spec"]["terminationGracePeriodSeconds"]
        assert stopping + 15 <= grace <= stopping + 60
    api = environment(objects, named(objects, "Deployment", "evalx-api"))
    ready = containers(template(named(objects, "Deployment", "evalx-api")))[0]["readinessProbe"]
    # Proxies hear of it by the probe, and the pod is out of the Service before it stops to serve.
    assert seconds(api["EVALX_DRAIN_DELAY"]) >= ready["periodSeconds"] * ready["failureThreshold"]
    worker = environment(objects, named(objects, "Deployment", "evalx-worker"))
    # A worker that is killed must not keep its jobs longer than one that stops, by much.
    assert seconds(worker["EVALX_LEASE"]) <= template(named(objects, "Deployment", "evalx-worker"))["spec"]["terminationGracePeriodSeconds"]


@EVERY
def test_a_worker_fits_into_its_volumes_and_cores(everything, name):
    pod = template(named(everything[name], "Deployment", "evalx-worker"))["spec"]
    container = pod["containers"][0]
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    assert limits["cpu"] == requests["cpu"] and str(limits["cpu"]).isdigit(), "whole cores, so that they can be its own"
    assert limits["memory"] == requests["memory"]
    data = next(v for v in pod["volumes"] if v["name"] == "data")["emptyDir"]["sizeLimit"]
    env = environment(everything[name], named(everything[name], "Deployment", "evalx-worker"))
    assert env["EVALX_CACHE_BYTES"] == "1GiB" and data == "2Gi"
    lanes = next(each for each in container["env"] if each["name"] == "EVALX_LANES")
    assert lanes["valueFrom"]["resourceFieldRef"] == {"containerName": "evalx", "resource": "limits.cpu"}


# ---- privilege ----


@EVERY
def test_every_pod_has_no_more_than_it_needs(everything, name):
    privileged = "control-groups" in name or "keda.yaml" in name
    for which, pod in pods(everything[name]).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
        assert not any(spec.get(word) for word in ("hostNetwork", "hostPID", "hostIPC"))
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
            assert not container["image"].endswith(":latest") and ":" in container["image"].rsplit("/", 1)[-1]
            if which == "evalx-worker" and privileged:
                continue
            assert context["allowPrivilegeEscalation"] is False and not context.get("privileged")
            assert context["capabilities"] == {"drop": ["ALL"]}
        if which == "evalx-worker" and privileged:
            continue
        if which != "evalx-seccomp":
            assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] != 0
        kind = spec["securityContext"]["seccompProfile"]["type"]
        assert kind == ("Localhost" if which == "evalx-worker" else "RuntimeDefault")
        paths = [v["hostPath"]["path"] for v in spec.get("volumes", []) if "hostPath" in v]
        assert paths in {"evalx-worker": ([], ["/proc"]), "evalx-seccomp": (["/var/lib/kubelet/seccomp/profiles"],)}.get(which, ([],))


@EVERY
def test_a_worker_sees_a_whole_proc_in_one_way(everything, name):
    spec = template(named(everything[name], "Deployment", "evalx-worker"))["spec"]
    context = spec["containers"][0]["securityContext"]
    ways = [context.get("procMount") == "Unmasked", context.get("privileged") is True,
            any(v.get("hostPath", {}).get("path") == "/proc" for v in spec["volumes"])]
    assert sum(ways) == 1
    # The API server refuses the first without a user namespace of the pod's.
    assert ways[0] == (spec.get("hostUsers") is False)


def test_the_profile_has_what_boxes_need_and_no_conditions():
    profile = json.loads((cluster.MANIFESTS / "components/seccomp-installer/evalx-worker.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(set(rule) <= {"names", "action", "args", "errnoRet"} for rule in profile["syscalls"])
    always = {name for rule in profile["syscalls"] if not rule.get("args") for name in rule["names"]}
    assert {"unshare", "mount", "umount2", "pivot_root", "clone", "execve"} <= always
    # Behind a capability in Docker's form; without its conditions they would be for everybody.
    assert not always & {"bpf", "reboot", "init_module", "open_by_handle_at", "settimeofday", "iopl", "acct", "syslog", "quotactl"}


def test_the_profile_gets_where_workers_look(minikube):
    worker = template(named(minikube, "Deployment", "evalx-worker"))["spec"]["securityContext"]["seccompProfile"]
    installer = named(minikube, "DaemonSet", "evalx-seccomp")
    folder = template(installer)["spec"]["volumes"][1]["hostPath"]["path"]
    script = containers(template(installer))[0]["command"][-1]
    assert f"{folder}/{script.split('/node/')[-1].split()[0]}" == f"/var/lib/kubelet/seccomp/{worker['localhostProfile']}"


def test_the_installer_goes_wherever_workers_may_go():
    for overlay in cluster.OVERLAYS:
        objects = kustomize(cluster.MANIFESTS / "overlays" / overlay)
        worker = template(named(objects, "Deployment", "evalx-worker"))["spec"]
        tolerated = {each["key"] for each in template(named(objects, "DaemonSet", "evalx-seccomp"))["spec"]["tolerations"]}
        assert {each["key"] for each in worker.get("tolerations", [])} <= tolerated


# ---- the network ----


def allowed(objects, pod, way):
    """All rules of a pod for a way; None when no policy holds it, so that everything is allowed."""
    held = [p for p in of_kind(objects, "NetworkPolicy")
            if way.capitalize() in p["spec"]["policyTypes"] and selects(p["spec"]["podSelector"], pod["metadata"]["labels"])]
    return [rule for p in held for rule in p["spec"].get(way, [])] if held else None


@pytest.mark.parametrize("overlay", ["minikube", "eks", "gke"])
def test_workers_reach_data_and_names_and_nothing_else(overlay):
    objects = kustomize(cluster.MANIFESTS / "overlays" / overlay)
    worker = pods(objects)["evalx-worker"]
    ports = {port["port"] for rule in allowed(objects, worker, "egress") for port in rule["ports"]}
    assert ports == {53, 5432, 6379}
    # And only Prometheus reaches them.
    sources = [peer for rule in allowed(objects, worker, "ingress") for peer in rule["from"]]
    assert len(sources) == 1 and sources[0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}


@pytest.mark.parametrize("name", ["overlay minikube", "overlay eks", "overlay gke", "chart default.yaml", "chart eks.yaml"])
def test_everything_is_denied_first(everything, name):
    objects = everything[name]
    for which, pod in pods(objects).items():
        assert allowed(objects, pod, "ingress") is not None and allowed(objects, pod, "egress") is not None, which
    assert all("from" in rule for pod in pods(objects).values() for rule in allowed(objects, pod, "ingress"))


@pytest.mark.parametrize("overlay", ["eks", "gke"])
def test_nobody_outside_reaches_metrics_or_the_operators_face(overlay):
    ingress = of_kind(kustomize(cluster.MANIFESTS / "overlays" / overlay), "Ingress")[0]
    paths = [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    for hidden in ("/metrics", "/v1/queue", "/v1/webhooks", "/health"):
        assert not any(hidden == path or hidden.startswith(path.rstrip("/") + "/") for path in paths)


# ---- the chart and the base ----


def test_the_chart_makes_the_pods_of_the_base():
    """Same image names, users, privileges, probes, grace; the one may not drift from the other."""
    ours, theirs = kustomize(cluster.MANIFESTS / "base"), cluster.chart("default.yaml")
    for role in ("evalx-api", "evalx-worker"):
        a, b = template(named(ours, "Deployment", role))["spec"], template(named(theirs, "Deployment", role))["spec"]
        for key in ("securityContext", "terminationGracePeriodSeconds", "enableServiceLinks", "serviceAccountName"):
            assert a[key] == b[key], key
        assert {v["name"]: v for v in a["volumes"]} == {v["name"]: v for v in b["volumes"]}
        mine, chart = a["containers"][0], b["containers"][0]
        for key in ("image", "args", "ports", "startupProbe", "livenessProbe", "readinessProbe", "resources", "securityContext", "volumeMounts"):
            assert mine[key] == chart[key], key
        assert {e["name"]: e for e in mine["env"]} == {e["name"]: e for e in chart["env"]}
        settings = environment(theirs, named(theirs, "Deployment", role))
        base = environment(ours, named(ours, "Deployment", role))
        assert {k: v for k, v in base.items() if k != "EVALX_QUEUE_MAX"} == settings


@pytest.mark.parametrize("kind,values", [("autoscale-queue", "queue"), ("autoscale-cpu", "cpu")])
def test_the_chart_scales_as_the_component_does(kind, values):
    ours = named(cluster.combined(kind), "HorizontalPodAutoscaler", "evalx-worker")["spec"]
    theirs = named(cluster.chart("default.yaml", "--set", f"autoscaling.kind={values}"), "HorizontalPodAutoscaler", "evalx-worker")["spec"]
    assert ours == theirs


def test_versions_are_the_projects():
    meson = (cluster.TOP / "meson.build").read_text()
    version = re.search(r"version: '([^']+)'", meson).group(1)
    chart = yaml.safe_load((cluster.CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version
    assert all(each["newTag"] == version for each in yaml.safe_load((cluster.MANIFESTS / "base/kustomization.yaml").read_text())["images"])


def test_every_dashboard_is_there(everything):
    names = {path.name for path in (cluster.TOP / "deploy/grafana/dashboards").glob("*.json")}
    for name in ("overlay eks", "chart eks.yaml"):
        maps = [m for m in of_kind(everything[name], "ConfigMap") if m["metadata"]["labels"].get("grafana_dashboard") == "1"]
        assert {key for each in maps for key in each["data"]} == names
        for each in maps:
            assert len(json.dumps(each)) < 1_000_000, "what the API server takes"
            assert all(json.loads(text) for text in each["data"].values())
