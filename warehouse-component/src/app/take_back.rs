//! Taking units of a fulfilled order back into the stock.

use std::collections::BTreeMap;

use contracts::events::{OrderLine, ReturnReceived};
use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome as Committed, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::problem::Problem;

use crate::domain::needs::needs;
use crate::domain::take_back::{self, ReturnLine, Sold, TakeBackError};
use crate::storage::allocations::{self, Outcome, Return, StoredAllocation};
use crate::storage::stock::{self, Movement, StoredStock};

/// Why units were not taken back.
pub(crate) enum ReturnError {
    UnknownAllocation,
    /// The order was refunded.
    NotFulfilled,
    Refused(TakeBackError),
    /// Others kept changing the stock or the allocation.
    Busy,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<Problem> for ReturnError {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StorageError> for ReturnError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

/// Takes units back. `show` writes the return as it is answered; the answer is that of the same request before if units
/// came back then.
///
/// # Errors
/// Why they were not taken back.
pub(crate) async fn take_back(
    order_id: &str,
    lines: &[ReturnLine],
    record: &IdempotencyRecord,
    show: impl Fn(&Return) -> String,
) -> Result<String, ReturnError> {
    for _ in 0..ROUNDS_MAX {
        let decided = match decide(order_id, lines).await {
            Ok(decided) => decided,
            // A repeat of a request that was carried out is answered as before, even when the order was archived since.
            Err(error) => {
                let earlier = idempotency::earlier_answer(record).await?;
                return earlier.map(|(_, answer)| answer).ok_or(error);
            }
        };
        let new = Return {
            return_id: clock::new_id(),
            at: clock::now(),
            lines: decided.back.clone(),
        };
        let answer = show(&new);
        let mut returning = decided.commit(order_id, new);
        returning.answer(record, "", &answer);
        match commit(returning).await? {
            Committed::Committed => return Ok(answer),
            Committed::Answered { body, .. } => return Ok(body),
            Committed::KeyReused => return Err(idempotency::reused().into()),
            Committed::Changed => {}
        }
    }
    Err(ReturnError::Busy)
}

/// A decision, and the data that it was made on.
struct Decided {
    allocation: StoredAllocation,
    returns: Vec<Return>,
    /// The lines that come back.
    back: Vec<OrderLine>,
    /// The stock of each product, before and after.
    stocks: BTreeMap<String, (StoredStock, StoredStock)>,
}

async fn decide(order_id: &str, lines: &[ReturnLine]) -> Result<Decided, ReturnError> {
    let (allocation, returns) = allocations::read_one(order_id)
        .await?
        .ok_or(ReturnError::UnknownAllocation)?;
    if allocation.decision.outcome != Outcome::Fulfilled {
        return Err(ReturnError::NotFulfilled);
    }
    let returned: Vec<_> = returns.iter().map(|entry| entry.lines.clone()).collect();
    let mut sold = Sold::with_returns(allocation.lines()?, &returned)
        .ok_or_else(|| StorageError::Corrupt(format!("more of the order {order_id} came back than was sold")))?;
    let named = sold
        .lines
        .iter()
        .filter(|sold| lines.iter().any(|line| line.line_id == sold.line_id));
    let named: Vec<OrderLine> = named.cloned().collect();
    let mut before = BTreeMap::new();
    for need in needs(&named) {
        let found = stock::read(&need.product_id).await?;
        let missing = || StorageError::Corrupt(format!("the product {} has no stock", need.product_id));
        before.insert(need.product_id.clone(), found.ok_or_else(missing)?);
    }
    let mut units = before.iter().map(|(id, stock)| (id.clone(), stock.units)).collect();
    let back = take_back::take_back(&mut sold, lines, &mut units).map_err(ReturnError::Refused)?;
    let stocks = before
        .into_iter()
        .map(|(id, before)| {
            let units = units[&id];
            (id, (before, StoredStock { units, ..before }))
        })
        .collect();
    Ok(Decided {
        allocation,
        returns,
        back,
        stocks,
    })
}

impl Decided {
    fn commit(&self, order_id: &str, new: Return) -> Commit {
        let mut commit = Commit::new();
        for need in needs(&self.back) {
            let (before, after) = &self.stocks[&need.product_id];
            let movement = Movement {
                movement_id: &clock::new_id(),
                product_id: &need.product_id,
                kind: "return",
                qty: need.qty,
                at: &new.at,
                order_id: Some(order_id),
                return_id: Some(&new.return_id),
                on_hand: after.units.on_hand,
            };
            stock::change(&mut commit, before, after.units, &movement);
        }
        allocations::add_return(&mut commit, &self.allocation, &self.returns, &new);
        let event = ReturnReceived {
            order_id: order_id.to_owned(),
            return_id: new.return_id.clone(),
            lines: new.lines,
        };
        commit.append(&new.return_id, &new.at, &event);
        commit
    }
}
