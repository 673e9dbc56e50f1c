//! The yardstick: a native consumer without sandbox, sidecar or messages in between. It reads a batch, runs the script
//! on it and acknowledges it, and only then reads the next.

use anyhow::Result;
use contracts::names::{ORDER_COMPLETED, WAREHOUSE_GROUP};

use crate::allocate::{self, Entry, SCRIPT};
use crate::system::{Redis, STORE, WAREHOUSE};

/// What XREADGROUP answers for one stream.
type Reply = Option<Vec<(String, Vec<Entry>)>>;

/// Consumes so many entries in batches of at most `batch`. It has a connection to either database, and never two
/// commands under way.
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
