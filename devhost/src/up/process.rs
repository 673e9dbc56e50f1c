//! A child process with everything that it starts itself.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::terminal::print_line;

/// A running child, leader of its own process group: Ctrl-C in the terminal reaches devhost alone, which then stops its
/// children in order.
pub(crate) struct Process {
    child: Child,
    group: Pid,
}

impl Process {
    /// Starts a command and prints its output, each line with `name` in front.
    pub(crate) fn start(name: &'static str, mut command: Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        end_with_this_process(&mut command);
        let mut child = command.spawn()?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(print_lines(name, stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(print_lines(name, stderr));
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(id.ok_or_else(|| io::Error::other("it has no process id"))?);
        Ok(Self { child, group })
    }

    /// Waits until the process exits by itself, then kills the rest of its group. Cancel-safe.
    pub(crate) async fn exited(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.signal(Signal::SIGKILL);
        status
    }

    /// Sends SIGTERM, and SIGKILL after `grace`. Returns false if it had to be killed.
    pub(crate) async fn stop(mut self, grace: Duration) -> bool {
        self.signal(Signal::SIGTERM);
        let stopped = timeout(grace, self.child.wait()).await.is_ok();
        self.signal(Signal::SIGKILL);
        // A killed process ends, unless the kernel itself holds it up.
        let _ = self.child.wait().await;
        stopped
    }

    fn signal(&self, signal: Signal) {
        // Fails if the group is gone, which is fine.
        let _ = killpg(self.group, signal);
    }
}

/// Asks the kernel to stop the child when this process dies, even by SIGKILL. Other systems than Linux cannot.
fn end_with_this_process(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed, and prctl is one; nothing is allocated.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

async fn print_lines(name: &'static str, output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    // Bytes, since a line need not be UTF-8.
    let mut line = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        if !text.trim_end().is_empty() {
            print_line(name, text.trim_end());
        }
        line.clear();
    }
}
