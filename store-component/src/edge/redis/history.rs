//! An order's history in Redis: one entry for each revision.

use edge::redis::{Failure, as_text, command};

use super::history_key;

/// The entries after the first `seen` ones, each a JSON object.
pub(in crate::edge) async fn history(order_id: &str, seen: u64) -> Result<Vec<String>, Failure> {
    let arguments = [history_key(order_id), seen.to_string(), "-1".to_owned()];
    Ok(command("LRANGE", arguments).await?.iter().map(as_text).collect())
}
