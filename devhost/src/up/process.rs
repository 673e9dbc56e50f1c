//! One child process, with everything that it starts itself.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::console::print_line;

/// A running child, leader of a process group of its own: Ctrl-C in the terminal reaches the supervisor alone, which
/// then stops its children in order.
pub(crate) struct Process {
    child: Child,
    group: Pid,
}

impl Process {
    /// Starts a command; its output is printed with its name before each line.
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
            tokio::spawn(forward(name, stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(forward(name, stderr));
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(id.ok_or_else(|| io::Error::other("it has no process id"))?);
        Ok(Self { child, group })
    }

    /// Waits for the process to exit by itself, and ends what it left behind in its group. Cancel-safe.
    pub(crate) async fn exited(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.signal(Signal::SIGKILL);
        status
    }

    /// SIGTERM, and SIGKILL if that does not end it within `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) -> Stopped {
        self.signal(Signal::SIGTERM);
        let stopped = match timeout(grace, self.child.wait()).await {
            Ok(_) => Stopped::Itself,
            Err(_) => Stopped::Killed,
        };
        self.signal(Signal::SIGKILL);
        // Nothing can hold up a killed process but the kernel.
        let _ = self.child.wait().await;
        stopped
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone already, and that is what was wanted.
        let _ = killpg(self.group, signal);
    }
}

/// How a process that was asked to stop ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Stopped {
    Itself,
    Killed,
}

/// Asks the kernel to stop the child when this process dies, even if it is killed. Elsewhere than on Linux a child
/// outlives a supervisor that was killed with SIGKILL.
fn end_with_this_process(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed, and prctl is one; nothing is allocated.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

async fn forward(name: &'static str, output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    // Ends with the stream; a read error means the same.
    while let Ok(1..) = output.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        if !text.trim_end().is_empty() {
            print_line(name, text.trim_end());
        }
        line.clear();
    }
}
