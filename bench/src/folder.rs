//! Folders of processes and of data, below `target/bench/run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::process::project;

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty one of this name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = project().join("target/bench/run").join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn copy_from(&self, other: &Path) -> Result<()> {
        let mut command = Command::new("cp");
        let status = command.arg("-R").arg(other.join(".")).arg(&self.0).status()?;
        ensure!(status.success(), "cannot copy {}: {status}", other.display());
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
