//! The native limits: fulfilment and HTTP without sandbox, sidecar or messages in between.

use std::process::Command;

use anyhow::Result;
use contracts::names::{ORDER_COMPLETED, WAREHOUSE_GROUP};

use crate::allocate::{self, Entry, SCRIPT};
use crate::client::answers;
use crate::folder::Folder;
use crate::process::{Process, binary, free_port};
use crate::system::{Redis, STORE, WAREHOUSE};

/// XREADGROUP's reply: entries by stream.
type Reply = Option<Vec<(String, Vec<Entry>)>>;

/// Consumes so many entries in batches of at most `batch`: reads one, runs the script on it, acknowledges it, and only
/// then reads the next. It has a connection to each database, and never two commands under way.
pub(crate) fn consume(redis: &Redis, batch: usize, count: usize) -> Result<()> {
    let mut store = redis.connect(STORE)?;
    let mut warehouse = redis.connect(WAREHOUSE)?;
    let sha1: String = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query(&mut warehouse)?;
    let mut consumed = 0;
    while consumed < count {
        let reply: Reply = redis::cmd("XREADGROUP")
            .arg(&["GROUP", WAREHOUSE_GROUP, "native", "COUNT"])
            .arg(batch)
            .arg(&["BLOCK", "1000", "STREAMS", ORDER_COMPLETED, ">"])
            .query(&mut store)?;
        for (_, entries) in reply.unwrap_or_default() {
            let outcome: Vec<String> = allocate::call(&sha1, &entries)?.query(&mut warehouse)?;
            allocate::check(&outcome)?;
            let mut acknowledge = redis::cmd("XACK");
            acknowledge.arg(ORDER_COMPLETED).arg(WAREHOUSE_GROUP);
            for (id, _) in &entries {
                acknowledge.arg(id);
            }
            acknowledge.exec(&mut store)?;
            consumed += entries.len();
        }
    }
    Ok(())
}

/// A running native store.
pub(crate) struct NativeStore {
    _process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl NativeStore {
    /// Starts `src/bin/native-store` and waits until it answers.
    pub(crate) fn start(redis: &Redis) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(binary("release", "native-store")?);
        command.args(["--listen", &address, "--redis-url", &redis.database_url(STORE)]);
        let mut process = Process::start(&mut command, Folder::new("native-store")?)?;
        let health = format!("http://{address}/store/healthz");
        process.wait_until("the native store answers", || answers(&health))?;
        Ok(Self {
            _process: process,
            address,
        })
    }
}
