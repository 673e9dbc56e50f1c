//! The warehouse's script and its arguments, as the component sends them: `warehouse-component/src/storage/take_stock.rs`,
//! which exists for WebAssembly only. Each run checks the stock, and so that they still fit.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use contracts::envelope;
use contracts::events::OrderCompleted;
use contracts::names::{ORDER_FULFILLED, REFUND_ORDER};
use ulid::Ulid;
use warehouse_component::domain::needs::needs;

/// Keys before the allocations.
const LEADING_KEYS: [&str; 3] = [ORDER_FULFILLED, REFUND_ORDER, "low-stock"];

/// The whole script as Redis gets it.
pub(crate) const SCRIPT: &str = concat!(
    "#!lua\n",
    include_str!("../../kit/src/prelude.lua"),
    include_str!("../../warehouse-component/src/storage/take_stock.lua")
);

/// A stream entry: its id and its fields.
pub(crate) type Entry = (String, Vec<(String, String)>);

/// The call of the script for a batch of entries.
pub(crate) fn call(sha1: &str, entries: &[Entry]) -> Result<redis::Cmd> {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut product_ids = BTreeSet::new();
    let mut keys: Vec<String> = LEADING_KEYS.map(str::to_owned).into();
    let mut orders = Vec::with_capacity(entries.len() * 8);
    for (_, fields) in entries {
        let field = |name: &str| Some(&*fields.iter().find(|(field, _)| field == name)?.1);
        let order: OrderCompleted = envelope::read(field).map_err(anyhow::Error::msg)?;
        let needs = needs(&order.lines);
        keys.push(format!("allocation:{}", order.order_id));
        let lines = serde_json::to_string(&order.lines)?;
        orders.extend([
            order.order_id,
            Ulid::generate().to_string(),
            lines,
            needs.len().to_string(),
        ]);
        for need in needs {
            if !product_ids.contains(&need.product_id) {
                product_ids.insert(need.product_id.clone());
            }
            orders.extend([need.product_id, need.qty.to_string()]);
        }
    }
    keys.extend(product_ids.iter().map(|id| format!("stock:{id}")));
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha1).arg(keys.len()).arg(keys);
    command.arg(now).arg(entries.len()).arg(&product_ids).arg(orders);
    Ok(command)
}

/// Fails when the script found something damaged.
pub(crate) fn check(replies: &[String]) -> Result<()> {
    ensure!(replies.is_empty(), "the script says {replies:?}");
    Ok(())
}
