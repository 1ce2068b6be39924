// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of Kubernetes objects, writes a JSON list of what is wrong with them.
//
// Types, enumerations and required members are the models' to check. They let unknown members pass, as
// the API server does with less than --validate=strict; so each object is given to them behind a proxy
// that notes which members were asked for. A member that a validator of that object never asked for is
// one that it does not know. An object of which nothing was asked is free-form, and has to be named here.
import { readFileSync } from "node:fs";

const FREE = [
    /^ConfigMap\/data$/, // and the like: maps are read key by key, so none is needed for them
];

// Of clouds, and nobody's models: their members are looked at by name.
const unmodelled = {
    "cloud.google.com/v1/BackendConfig": ["spec.timeoutSec", "spec.connectionDraining.drainingTimeoutSec",
        "spec.healthCheck.type", "spec.healthCheck.requestPath", "spec.healthCheck.port",
        "spec.healthCheck.checkIntervalSec", "spec.healthCheck.timeoutSec", "spec.healthCheck.unhealthyThreshold"],
    "networking.gke.io/v1/ManagedCertificate": ["spec.domains"],
};

function watched(value, path, seen) {
    if (value === null || typeof value !== "object")
        return value;
    const here = { value, path, asked: new Set() };
    seen.push(here);
    const members = new Map();
    return new Proxy(value, {
        get(target, name) {
            if (typeof name !== "string" || !Object.hasOwn(target, name)) {
                here.asked.add(name);
                return target[name];
            }
            here.asked.add(name);
            if (!members.has(name))
                members.set(name, watched(target[name], `${path}/${name}`, seen));
            return members.get(name);
        },
    });
}

function leaves(value, path) {
    if (value === null || typeof value !== "object" || Array.isArray(value))
        return [path];
    return Object.entries(value).flatMap(([name, inner]) => leaves(inner, path ? `${path}.${name}` : name));
}

async function problems(object) {
    const name = `${object.kind}/${object.metadata?.name}`;
    const known = unmodelled[`${object.apiVersion}/${object.kind}`];
    if (known)
        return leaves(object, "").filter((path) => !/^(apiVersion|kind|metadata\.)/.test(path) && !known.includes(path))
            .map((path) => `${name}: ${path} is not known`);

    let validate;
    try {
        ({ validate } = await import(schemaOf(object)));
    } catch (e) {
        return [`${name}: ${object.apiVersion} has no ${object.kind} (${e.message})`];
    }
    const seen = [];
    const found = [];
    if (!validate(watched(object, "", seen)))
        found.push(...validate.errors.map((e) => `${name}: ${e.instancePath} ${e.keyword} ${JSON.stringify(e.params)}`));
    for (const { value, path, asked } of seen) {
        const asking = [...asked].some((each) => typeof each === "string");
        if (!asking && Object.keys(value).length && !FREE.some((free) => free.test(object.kind + path)))
            found.push(`${name}: nobody looked into ${path}`);
        for (const member of Object.keys(value))
            if (asking && !asked.has(member))
                found.push(`${name}: ${path}/${member} is not known`);
    }
    return found;
}

// The models' own names of their schemas; by path where the package keeps them to itself.
function schemaOf(object) {
    const upper = (text) => text[0].toUpperCase() + text.slice(1);
    const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["core", object.apiVersion];
    if (group === "monitoring.coreos.com")
        return `./node_modules/@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoring${upper(version)}${object.kind}.js`;
    if (group === "keda.sh")
        return `./node_modules/@kubernetes-models/keda/_schemas/ComGithubKedacoreKedaV2ApisKeda${upper(version)}${object.kind}.js`;
    return `kubernetes-models/_schemas/IoK8sApi${upper(group.split(".")[0])}${upper(version)}${object.kind}`;
}

const all = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const object of all)
    results.push(...await problems(object));
process.stdout.write(JSON.stringify(results));
