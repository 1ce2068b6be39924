# SPDX-License-Identifier: Apache-2.0
"""Every manifest is what the API server takes, without a member it does not know."""

import copy
import subprocess

import pytest

import cluster

RENDERED = ["base"] + [f"overlay {name}" for name in cluster.OVERLAYS] + \
    [f"component {name}" for name in cluster.COMPONENTS] + [f"chart {name}" for name in cluster.VALUES]


@pytest.fixture(scope="module")
def everything():
    return cluster.everything()


@pytest.mark.parametrize("name", RENDERED)
def test_every_object_is_known_to_the_api(everything, name):
    objects = everything[name]
    assert len(objects) >= 10
    assert cluster.problems(objects) == []


@pytest.mark.parametrize("name", RENDERED)
def test_no_two_objects_have_one_name(everything, name):
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in everything[name]]
    assert len(names) == len(set(names))


def broken(change):
    objects = copy.deepcopy(list(cluster.kustomize(cluster.MANIFESTS / "overlays/minikube-keda")))
    change(objects)
    return cluster.problems(objects)


def pod(objects):
    return cluster.template(cluster.named(objects, "Deployment", "evalx-worker"))["spec"]


@pytest.mark.parametrize("change,word", [
    (lambda o: pod(o).update(terminationGracePeriod=3), "terminationGracePeriod is not known"),
    (lambda o: pod(o)["containers"][0]["securityContext"].update(readOnlyRootFileSystem=True), "readOnlyRootFileSystem is not known"),
    (lambda o: pod(o)["containers"][0]["livenessProbe"]["httpGet"].pop("port"), "required"),
    (lambda o: pod(o)["containers"][0]["ports"][0].update(containerPort="2358"), "type"),
    (lambda o: pod(o)["volumes"][1]["emptyDir"].update(size="1Gi"), "size is not known"),
    (lambda o: cluster.named(o, "ScaledObject", "evalx-worker")["spec"].update(maxReplicas=3), "maxReplicas is not known"),
    (lambda o: cluster.named(o, "PodMonitor", "evalx-worker")["spec"].update(endpoints=[]), "endpoints is not known"),
    (lambda o: cluster.named(o, "PrometheusRule", "evalx")["spec"]["groups"][0]["rules"][0].update(exprs="1"), "exprs is not known"),
    (lambda o: o.append({"apiVersion": "autoscaling/v3", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}), "has no"),
])
def test_the_check_refuses_what_is_wrong(change, word):
    found = broken(change)
    assert found and word in " ".join(found)


def test_generated_files_are_fresh():
    run = subprocess.run([cluster.MANIFESTS / "generate.py", "--check"], stderr=subprocess.PIPE, text=True,
                         env={"KUBECTL": str(cluster.tools()["kubectl"]), "PATH": "/usr/bin:/bin"})
    assert run.returncode == 0, run.stderr


def test_helm_lints_the_chart_strictly():
    for values in cluster.VALUES:
        cluster.output(cluster.tools()["helm"], "lint", "--strict", cluster.CHART, "--values", cluster.CHART / "ci" / values)


@pytest.mark.parametrize("setting", [
    "autoscaling.kin=queue", "autoscaling.kind=magic", "worker.sandbox=none", "settings.REDIS_URL=redis://x",
    "settings.EVALX_QUEUE_MAX=3", "autoscaling.minReplicas=0", "worker.drain=soon",
])
def test_the_chart_refuses_values_it_does_not_know(setting):
    run = subprocess.run([cluster.tools()["helm"], "template", "evalx", cluster.CHART, "--set", setting],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert run.returncode != 0 and "schema" in run.stderr
