//! Schemathesis, which makes requests from the OpenAPI documents and holds the answers to them, finds nothing.

use std::path::PathBuf;
use std::process::Command;

use crate::Test;
use crate::harness::System;
use crate::process::{binary, project};
use crate::runtime::Runtime;

pub const TESTS: &[Test] = &[("Schemathesis finds nothing", nothing_found)];

/// Requests per operation and phase.
const EXAMPLES: &str = "25";
/// The same requests each time.
const SEED: &str = "1";

fn nothing_found(runtime: Runtime) {
    let program = match installed() {
        Ok(program) => program,
        Err(reason) => {
            eprintln!("SKIPPED: Schemathesis cannot be installed: {reason}");
            return;
        }
    };
    let system = System::start(runtime);
    let seeded = Command::new(binary("devhost"))
        .args(["seed", "--app", &system.listen()])
        .output()
        .unwrap();
    assert!(seeded.status.success(), "{seeded:?}");
    for service in ["store", "warehouse"] {
        let output = Command::new(&program)
            .arg("--config-file")
            .arg(project().join("tests/schemathesis/schemathesis.toml"))
            .arg("run")
            .arg(format!("http://{}/{service}/openapi.json", system.listen()))
            .args(["--max-examples", EXAMPLES, "--seed", SEED, "--no-color"])
            // The changes of an order that waits come without an end.
            .args(["--exclude-path-regex", "/events$"])
            .current_dir(system.folder())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains("Tested: "), "{said}");
    }
    assert_eq!(system.get("/warehouse/healthz").status, 200);
}

/// Schemathesis, installed if it is not, or why it cannot be.
fn installed() -> Result<PathBuf, String> {
    let folder = project().join("target/schemathesis");
    let output = Command::new(project().join("tests/schemathesis/set_up.sh"))
        .arg(&folder)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(folder.join("bin/schemathesis"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
