//! The stock of products in Redis, and the movements that change it.

use contracts::envelope::to_json;
use kit::commit::{Commit, Expected};
use kit::redis::{StorageError, as_text, command, read_hashes};
use kit::web::page::Page;
use serde::Serialize;
use utoipa::ToSchema;

use super::{LOW_STOCK, movements_key, stock_key};
use crate::domain::stock::Stock;

/// Movements of one product that are kept; the oldest go first. What they add up to stays in the stock.
const MOVEMENTS_KEPT: u64 = 10_000;

/// The largest number that `take_stock.lua` takes.
const EXACT_MAX: u64 = 999_999_999_999_999;

/// A product's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredStock {
    pub(crate) units: Stock,
    /// At or below this number of units the stock counts as low.
    pub(crate) low_stock_at: u64,
    /// The number of movements ever, which is also the number of the last one.
    pub(crate) movements: u64,
}

impl StoredStock {
    pub(super) const FIELDS: [&str; 7] = [
        "on_hand",
        "supplied",
        "sold",
        "returned",
        "written_off",
        "low_stock_at",
        "movements",
    ];

    fn values(&self) -> [u64; 7] {
        let units = self.units;
        [
            units.on_hand,
            units.supplied,
            units.sold,
            units.returned,
            units.written_off,
            self.low_stock_at,
            self.movements,
        ]
    }

    /// Its form in Redis.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let values = self.values().map(|value| value.to_string());
        Self::FIELDS.into_iter().zip(values).collect()
    }

    /// The stock of these values, in the order of the fields; `None` when one is no whole number, has more digits than
    /// Lua keeps exact, or does not fit the others.
    pub(super) fn parse(values: Vec<Option<String>>) -> Option<Self> {
        let numbers: Option<Vec<u64>> = values.into_iter().map(number).collect();
        let [on_hand, supplied, sold, returned, written_off, low_stock_at, movements] =
            <[_; 7]>::try_from(numbers?).ok()?;
        let units = Stock {
            on_hand,
            supplied,
            sold,
            returned,
            written_off,
        };
        units.is_balanced().then_some(Self {
            units,
            low_stock_at,
            movements,
        })
    }

    pub(super) fn is_low(&self) -> bool {
        self.units.is_low(self.low_stock_at)
    }
}

fn number(value: Option<String>) -> Option<u64> {
    value?.parse().ok().filter(|number| *number <= EXACT_MAX)
}

/// The stock of a product; `None` when there is no such product.
pub(crate) async fn read(product_id: &str) -> Result<Option<StoredStock>, StorageError> {
    let key = stock_key(product_id);
    let mut hashes = read_hashes(std::slice::from_ref(&key), &StoredStock::FIELDS).await?;
    let Some(values) = hashes.pop().transpose()?.flatten() else {
        return Ok(None);
    };
    let damaged = || StorageError::Corrupt(format!("the fields of the key {key} are not those of a sound stock"));
    StoredStock::parse(values).map(Some).ok_or_else(damaged)
}

/// A movement of stock; this is also its form in Redis and in responses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Movement<'a> {
    #[schema(example = "01K5PQ8T3V0000000000000000")]
    pub(crate) movement_id: &'a str,
    #[schema(example = "espresso-cup")]
    pub(crate) product_id: &'a str,
    /// `supply`, `write_off` or `return`.
    #[serde(rename = "type")]
    #[schema(example = "supply")]
    pub(crate) kind: &'a str,
    /// Units.
    #[schema(example = 5)]
    pub(crate) qty: u64,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    pub(crate) at: &'a str,
    /// The order of a return.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) order_id: Option<&'a str>,
    /// The id of a return.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) return_id: Option<&'a str>,
    /// Units that were there afterwards.
    #[schema(example = 15)]
    pub(crate) on_hand: u64,
}

/// Moves stock and records the movement, if nobody else has changed the stock since it was read.
pub(crate) fn change(commit: &mut Commit, before: &StoredStock, after: Stock, movement: &Movement<'_>) {
    let id = movement.product_id;
    expect_unchanged(commit, id, before);
    let after = StoredStock {
        units: after,
        movements: before.movements + 1,
        ..*before
    };
    commit.set_fields(stock_key(id), after.fields());
    keep_low_stock(commit, id, before.is_low(), after.is_low());
    record(commit, movement, after.movements);
}

/// Records the movement of this number, and drops what is older than the newest [`MOVEMENTS_KEPT`].
pub(crate) fn record(commit: &mut Commit, movement: &Movement<'_>, number: u64) {
    let key = movements_key(movement.product_id);
    commit.insert_at(key.clone(), number, to_json(movement));
    if let Some(dropped) = number.checked_sub(MOVEMENTS_KEPT).filter(|dropped| *dropped > 0) {
        commit.remove_up_to(key, dropped);
    }
}

/// Has a commit made only if nobody has changed the stock since it was read.
pub(super) fn expect_unchanged(commit: &mut Commit, product_id: &str, stock: &StoredStock) {
    commit.expect(stock_key(product_id), Expected::Fields(stock.fields()));
}

/// Keeps the list of low stock right when a product's units or its limit change.
pub(super) fn keep_low_stock(commit: &mut Commit, product_id: &str, was_low: bool, is_low: bool) {
    match (was_low, is_low) {
        (false, true) => commit.insert(LOW_STOCK, product_id),
        (true, false) => commit.take_out(LOW_STOCK, product_id),
        _ => {}
    }
}

/// Movements as JSON, and the cursor of the next page.
pub(crate) type Movements = (Vec<String>, Option<String>);

/// A page of a product's movements, newest first; `None` when there is no such product.
pub(crate) async fn movements(product_id: &str, page: &Page) -> Result<Option<Movements>, StorageError> {
    let before = page
        .after
        .as_ref()
        .map_or("+inf".to_owned(), |number| format!("({number}"));
    // One more than the page holds tells whether there is another page.
    let count = (page.limit + 1).to_string();
    let key = movements_key(product_id);
    let range = [
        &*key,
        &before,
        "-inf",
        "BYSCORE",
        "REV",
        "LIMIT",
        "0",
        &count,
        "WITHSCORES",
    ];
    let replies: Vec<_> = command("ZRANGE", range).await?.iter().map(as_text).collect();
    if replies.is_empty() && read(product_id).await?.is_none() {
        return Ok(None);
    }
    let movements: Vec<_> = replies
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let (movements, next_cursor) = page.cut_by(movements, |(_, number)| number.clone());
    Ok(Some((
        movements.into_iter().map(|(movement, _)| movement).collect(),
        next_cursor,
    )))
}
