//! The apps as artefacts of a registry: pushed by Spin, and run from there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Test;
use crate::harness::System;
use crate::port::free_port;
use crate::process::{Process, eventually, project};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("the apps are pushed to a registry, and run from there", pushed)];

/// Debian's registry, as installed or as `tools/docker-registry.sh` unpacks it.
pub fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .chain([project().join("target/docker-registry/usr/bin")])
        .map(|folder| folder.join("docker-registry"))
        .find(|program| program.exists())
}

fn pushed(runtime: Runtime) {
    let system = System::with_redis(runtime);
    let folder = system.folder();
    let registry = format!("127.0.0.1:{}", free_port());
    let configuration = folder.join("registry.yml");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {registry}}}\n",
        folder.join("registry").display()
    );
    std::fs::write(&configuration, text).unwrap();
    let _registry = Process::start(
        Command::new(program().unwrap()).arg("serve").arg(configuration),
        &folder.join("registry.log"),
    );
    eventually("the registry answers", || {
        let answer = system.try_get(&format!("http://{registry}/v2/")).ok()?;
        (answer.status == 200).then_some(())
    });
    for service in ["store", "warehouse"] {
        let reference = format!("{registry}/{service}:test");
        // The app that runs comes from the registry, and not from the files that were pushed.
        let cache = |name: &str| folder.join(format!("{name}-{service}"));
        let push = Command::new("spin")
            .args(["registry", "push", "--insecure", "--cache-dir"])
            .arg(cache("pushed"))
            .arg("--from")
            .arg(project().join(format!("{service}-component/spin.toml")))
            .arg(&reference)
            .output()
            .unwrap();
        assert!(push.status.success(), "{push:?}");
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = runtime.command(Path::new(&reference), Some(&listen), &folder.join("logs"));
        let variables = system.runtime_variables().into_iter();
        command
            .args(["--insecure", "--cache-dir"])
            .arg(cache("pulled"))
            .envs(variables.filter(|(name, _)| name.contains(&service.to_uppercase())))
            .current_dir(folder);
        let _app = Process::start(&mut command, &folder.join("runtime.log"));
        eventually("the app from the registry answers", || {
            let answer = system.try_get(&format!("http://{listen}/{service}/healthz")).ok()?;
            (answer.status == 200).then_some(())
        });
    }
}
