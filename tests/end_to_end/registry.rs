//! The components as OCI artefacts: pushed to a registry on this machine, and run from there.

use std::path::Path;
use std::process::Command;

use crate::Test;
use crate::harness::System;
use crate::process::{Process, eventually, free_port, project};
use crate::runtime::{Program, Runtime};

pub const TESTS: &[Test] = &[("a service is pushed to a registry and run from it", pushed)];

/// Debian's package of this name.
const REGISTRY: &str = "docker-registry";

/// Whether there is what it takes: Spin, and a registry.
pub fn is_possible(runtime: Runtime) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(REGISTRY).is_file());
    runtime.program == Program::Spin && is_there
}

fn spin(folder: &Path, command: &[&str]) -> Command {
    let mut spin = Command::new("spin");
    spin.args(command).arg("--insecure").current_dir(folder);
    // What is pulled is kept for this test only.
    spin.env("XDG_CACHE_HOME", folder.join("cache"));
    spin
}

fn pushed(runtime: Runtime) {
    let system = System::with_redis(runtime);
    let folder = system.folder();
    let address = format!("127.0.0.1:{}", free_port());
    let configuration = folder.join("registry.yaml");
    let storage = folder.join("registry");
    let text = format!(
        "version: 0.1\nhttp: {{addr: '{address}'}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
        storage.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let mut registry = Command::new(REGISTRY);
    registry.arg("serve").arg(&configuration);
    let _registry = Process::start(&mut registry, &folder.join("registry.log"));
    eventually("the registry answers", || {
        system.try_get(&format!("http://{address}/v2/")).ok()
    });

    for service in ["store", "warehouse"] {
        let reference = format!("{address}/{service}:test");
        let manifest = project().join(format!("{service}-component/spin.toml"));
        let push = spin(folder, &["registry", "push"])
            .arg("--from")
            .arg(&manifest)
            .arg(&reference)
            .output()
            .unwrap();
        assert!(push.status.success(), "{push:?}");
        let listen = format!("127.0.0.1:{}", free_port());
        let mut up = spin(folder, &["up"]);
        up.args(["--from", &reference, "--listen", &listen]);
        up.envs(
            system
                .runtime_variables()
                .into_iter()
                .filter(|(name, _)| name.contains(&service.to_uppercase())),
        );
        let _app = Process::start(&mut up, &folder.join(format!("{service}.log")));
        let health = format!("http://{listen}/{service}/healthz");
        eventually("the app from the registry answers", || {
            system.try_get(&health).ok().filter(|answer| answer.status == 200)
        });
    }
}
