//! App and sidecar run with the environment and the arguments that the manifests in `deploy/kubernetes/` give them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Test;
use crate::harness::System;
use crate::port::free_port;
use crate::process::{Process, binary, eventually, project};
use crate::runtime::Runtime;
use crate::shop::order_body;

pub const TESTS: &[Test] = &[
    ("manifests: app and sidecar of one pod", one_pod),
    (
        "manifests: services by themselves, delivered to over HTTP",
        by_themselves,
    ),
    ("manifests: app and sidecar of the compose file", composed),
    ("manifests: a missing secret is told", missing_secret),
];

/// The cluster's part: names that lead to this test's processes, files at this test's paths, and secrets.
struct Cluster<'a> {
    system: &'a System,
    pod: &'static str,
    replacements: Vec<(String, String)>,
    secrets: BTreeMap<String, String>,
}

impl<'a> Cluster<'a> {
    fn new(system: &'a System, pod: &'static str) -> Self {
        let secrets = system.folder().join("secrets");
        Self {
            system,
            pod,
            replacements: vec![
                (
                    "redis:6379".to_owned(),
                    format!("127.0.0.1:{}", system.redis_clients_port()),
                ),
                ("/etc/certificates/".to_owned(), format!("{}/", secrets.display())),
                ("/etc/stream-sidecar/".to_owned(), format!("{}/", project().display())),
            ],
            secrets: env_file(&secrets.join("env")),
        }
    }

    fn lead(&mut self, from: &str, to: String) {
        self.replacements.push((from.to_owned(), to));
    }

    fn local(&self, text: &str) -> String {
        let replace = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.replacements.iter().fold(text.to_owned(), replace)
    }

    /// A container's environment, as the kubelet makes it.
    fn environment(&self, list: &Value) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for entry in list.as_array().unwrap() {
            let from = &entry["valueFrom"];
            let value = if let Some(value) = entry["value"].as_str() {
                environment.iter().fold(value.to_owned(), |text, (name, value)| {
                    text.replace(&format!("$({name})"), value)
                })
            } else if from["fieldRef"]["fieldPath"] == "metadata.name" {
                self.pod.to_owned()
            } else {
                assert_eq!(from["secretKeyRef"]["name"], "secrets", "{entry}");
                self.secrets[from["secretKeyRef"]["key"].as_str().unwrap()].clone()
            };
            environment.insert(entry["name"].as_str().unwrap().to_owned(), self.local(&value));
        }
        environment
    }

    /// Starts the sidecar of a Deployment, and gives the address of its listener.
    fn sidecar(&mut self, container: &Value) -> (Process, String) {
        let admin = format!("127.0.0.1:{}", free_port());
        self.lead("0.0.0.0:9900", admin.clone());
        let arguments = container["args"].as_array().unwrap().iter();
        let mut command = Command::new(binary("stream-sidecar"));
        command
            .args(arguments.map(|argument| self.local(argument.as_str().unwrap())))
            .envs(self.environment(&container["env"]));
        let sidecar = Process::start(&mut command, &self.system.folder().join("sidecar.log"));
        let path = container["readinessProbe"]["httpGet"]["path"].as_str().unwrap();
        let ready = format!("http://{admin}{path}");
        eventually("the sidecar is ready", || {
            self.system.try_get(&ready).ok().filter(|answer| answer.status == 200)
        });
        (sidecar, admin)
    }
}

fn env_file(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let pair = |line: &str| {
        line.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// The documents of a manifest.
fn documents(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(project().join("deploy/kubernetes").join(path)).unwrap();
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn find(path: &str, kind: &str, name: &str) -> Value {
    let is_it = |document: &Value| document["kind"] == kind && document["metadata"]["name"] == name;
    documents(path).into_iter().find(is_it).unwrap()
}

fn container(deployment: &Value, name: &str) -> Value {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    containers
        .iter()
        .find(|container| container["name"] == name)
        .unwrap()
        .clone()
}

/// A product and an order, each to a service at its address; both want the token.
fn order_at(cluster: &Cluster<'_>, store: &str, warehouse: &str) {
    let system = cluster.system;
    let token = format!("Bearer {}", cluster.secrets["API_TOKEN"]);
    let product = json!({
        "product_id": "cup", "sku": "CUP", "name": "Cup", "price_minor": 900, "currency": "EUR", "on_hand": 3,
    });
    let post = |url: &str, body: &Value| {
        let open = system.try_post(url, &[], &body.to_string()).unwrap();
        assert_eq!(open.status, 401, "{open:?}");
        system
            .try_post(url, &[("Authorization", &token)], &body.to_string())
            .unwrap()
    };
    assert_eq!(post(&format!("{warehouse}/warehouse/products"), &product).status, 201);
    let order = eventually("the store knows the product and takes an order", || {
        let answer = post(&format!("{store}/store/orders"), &order_body(&[("cup", 2)]));
        (answer.status == 201).then(|| answer.json()["order_id"].as_str().unwrap().to_owned())
    });
    eventually("the order is fulfilled", || {
        let order = system.try_get(&format!("{store}/store/orders/{order}")).ok()?.json();
        (order["status"] == "fulfilled").then_some(())
    });
    system.assert_no_dead_letters();
}

fn secured(runtime: Runtime) -> System {
    System::with_redis(Runtime {
        secured: true,
        over_http: false,
        ..runtime
    })
}

fn start_app(
    cluster: &Cluster<'_>,
    runtime: Runtime,
    manifest: &str,
    environment: BTreeMap<String, String>,
) -> (Process, String) {
    let listen = format!("127.0.0.1:{}", free_port());
    let folder = cluster.system.folder();
    let mut command = runtime.command(&project().join(manifest), Some(&listen), &folder.join(&listen));
    command.envs(environment).current_dir(folder);
    let app = Process::start(&mut command, &folder.join("runtime.log"));
    (app, format!("http://{listen}"))
}

fn until_healthy(system: &System, url: String) {
    eventually(&url, || system.try_get(&url).ok().filter(|answer| answer.status == 200));
}

fn one_pod(runtime: Runtime) {
    let system = secured(runtime);
    let mut cluster = Cluster::new(&system, "shop-7d4b9c-x2x8p");
    let deployment = find("pod/shop.yaml", "Deployment", "shop");
    let app = container(&deployment, "app");
    assert_eq!(app["args"], json!([]), "the image says what is run");
    let (_app, url) = start_app(&cluster, runtime, "spin.toml", cluster.environment(&app["env"]));
    until_healthy(
        &system,
        format!("{url}{}", app["readinessProbe"]["httpGet"]["path"].as_str().unwrap()),
    );
    let sidecar = container(&deployment, "sidecar");
    let (_sidecar, admin) = cluster.sidecar(&sidecar);
    // The app's liveness is reported by its sidecar.
    let alive = &app["livenessProbe"]["httpGet"];
    assert_eq!(alive["port"], sidecar["ports"][0]["containerPort"]);
    until_healthy(&system, format!("http://{admin}{}", alive["path"].as_str().unwrap()));
    order_at(&cluster, &url, &url);

    let health = |listen: &str| {
        Command::new(binary("stream-sidecar"))
            .args([
                "--config",
                &project().join("sidecar.toml").display().to_string(),
                "health",
                "--ready",
            ])
            .env("STREAM_SIDECAR__ADMIN__LISTEN", listen)
            .status()
            .unwrap()
    };
    assert!(health(&admin).success());
    assert_eq!(health(&format!("127.0.0.1:{}", free_port())).code(), Some(1));
}

fn by_themselves(runtime: Runtime) {
    let system = secured(runtime);
    let mut cluster = Cluster::new(&system, "sidecar-6c5f7d-9k2vq");
    let mut apps = Vec::new();
    for service in ["store", "warehouse"] {
        let app = find("spinkube/services.yaml", "SpinApp", service);
        let variables = cluster.environment(&app["spec"]["variables"]);
        let mut environment: BTreeMap<_, _> = variables
            .into_iter()
            .map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value))
            .collect();
        // The executor mounts this file of `caCertSecret` where Spin looks for certificates.
        let certificates = cluster.local("/etc/certificates/ca-certificates.crt");
        environment.insert("SSL_CERT_FILE".to_owned(), certificates);
        let (process, url) = start_app(
            &cluster,
            runtime,
            &format!("{service}-component/spin.toml"),
            environment,
        );
        let path = app["spec"]["checks"]["readiness"]["httpGet"]["path"].as_str().unwrap();
        until_healthy(&system, format!("{url}{path}"));
        cluster.lead(&format!("http://{service}/"), format!("{url}/"));
        apps.push((process, url));
    }
    let (_sidecar, _) = cluster.sidecar(&container(
        &find("spinkube/sidecar.yaml", "Deployment", "sidecar"),
        "sidecar",
    ));
    order_at(&cluster, &apps[0].1, &apps[1].1);
}

fn composed(runtime: Runtime) {
    let system = secured(runtime);
    let mut cluster = Cluster::new(&system, "");
    let secrets = system.folder().join("secrets");
    cluster.lead("/run/secrets/", format!("{}/", secrets.display()));
    let text = std::fs::read_to_string(project().join("deploy/compose.yaml")).unwrap();
    let compose: Value = serde_yaml_ng::from_str(&text).unwrap();
    let environment = |service: &str| -> BTreeMap<String, String> {
        let given = compose["services"][service]["environment"].as_object().unwrap();
        let filled = |value: &Value| cluster.local(&interpolate(value.as_str().unwrap(), &cluster.secrets));
        given
            .iter()
            .map(|(name, value)| (name.clone(), filled(value)))
            .collect()
    };
    let (_app, url) = start_app(&cluster, runtime, "spin.toml", environment("app"));
    until_healthy(&system, format!("{url}/store/healthz"));
    // The image's own environment, but for the address of the listener.
    let admin = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(binary("stream-sidecar"));
    command
        .arg("run")
        .env("STREAM_SIDECAR_CONFIG", project().join("sidecar.toml"))
        .env("STREAM_SIDECAR__ADMIN__LISTEN", &admin)
        .envs(environment("sidecar"));
    let _sidecar = Process::start(&mut command, &system.folder().join("sidecar.log"));
    until_healthy(&system, format!("http://{admin}/readyz"));
    order_at(&cluster, &url, &url);
}

/// A value of the compose file with its secrets filled in. None of them may have a default.
fn interpolate(text: &str, secrets: &BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (name, after) = rest.split_once('}').unwrap();
    let name = name
        .strip_suffix(":?make it with deploy/secrets.sh")
        .unwrap_or_else(|| panic!("compose does not refuse to start without {name}"));
    format!("{before}{}{}", secrets[name], interpolate(after, secrets))
}

/// Without its secrets the sidecar of the manifests names the missing setting, and starts nothing.
fn missing_secret(runtime: Runtime) {
    let system = secured(runtime);
    let cluster = Cluster::new(&system, "sidecar-0");
    let sidecar = container(&find("spinkube/sidecar.yaml", "Deployment", "sidecar"), "sidecar");
    let mut environment = cluster.environment(&sidecar["env"]);
    environment.retain(|name, _| !name.ends_with("WAREHOUSE__DELIVERY_SECRET"));
    let output = Command::new(binary("stream-sidecar"))
        .args(["run", "--config"])
        .arg(project().join("sidecar.toml"))
        .envs(environment)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(
        said.contains("services.warehouse.delivery_secret: must have at least 32 characters"),
        "{said}"
    );
}
