//! Movements of stock: made by hand, and listed.

use edge::idempotency::{KEPT_MS, Scope};
use edge::page::Page;
use edge::redis::Script;
use edge::{read_only_script, script};

use super::{Found, LOW_STOCK, MOVEMENTS_KEPT, corrupt, movements_key, run, stock_key};
use crate::domain::move_stock::Kind;
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};

static MOVE_STOCK: Script = script!("stock.lua", "move_stock.lua");
static LIST_MOVEMENTS: Script = read_only_script!("list_movements.lua");

/// What became of a movement.
pub(in crate::edge) enum Movement {
    /// It is made, now or by the same request before: the movement as JSON.
    Made(String),
    /// The idempotency key belongs to another request.
    KeyReused,
    /// There is no such product.
    UnknownProduct,
    /// Only so many units are there.
    InsufficientStock(String),
    /// There would be more units than the warehouse may hold or ever get.
    TooMuch,
}

/// Moves stock by hand. `movement` is JSON, open at its end for the units that are there afterwards.
pub(in crate::edge) async fn move_stock(
    product_id: &str,
    kind: Kind,
    qty: u32,
    movement: String,
    scope: Scope,
) -> Found<Movement> {
    let keys = vec![
        stock_key(product_id),
        movements_key(product_id),
        LOW_STOCK.to_owned(),
        scope.record,
    ];
    let arguments = vec![
        product_id.to_owned(),
        kind.as_str().to_owned(),
        qty.to_string(),
        ON_HAND_MAX.to_string(),
        LIFETIME_MAX.to_string(),
        MOVEMENTS_KEPT.to_string(),
        movement,
        scope.request,
        KEPT_MS.to_string(),
    ];
    let (word, mut rest) = run(&MOVE_STOCK, keys, arguments).await?;
    Ok(Ok(match &*word {
        "moved" | "stored" => Movement::Made(rest.pop().unwrap_or_default()),
        "key_reused" => Movement::KeyReused,
        "unknown" => Movement::UnknownProduct,
        "insufficient" => Movement::InsufficientStock(rest.pop().unwrap_or_default()),
        "too_much" => Movement::TooMuch,
        _ => return Ok(Err(corrupt(rest))),
    }))
}

/// A page of a product's movements, each with its number; and one more if there is another page.
pub(in crate::edge) type Movements = Vec<(String, String)>;

/// A product's movements, newest first; `None` when there is no such product.
pub(in crate::edge) async fn movements(product_id: &str, page: &Page) -> Found<Option<Movements>> {
    let keys = vec![stock_key(product_id), movements_key(product_id)];
    let before = page
        .after
        .as_ref()
        .map_or("+inf".to_owned(), |number| format!("({number}"));
    let (word, rest) = run(&LIST_MOVEMENTS, keys, vec![before, (page.limit + 1).to_string()]).await?;
    Ok(match &*word {
        "page" => {
            let mut rest = rest.into_iter();
            let pairs = std::iter::from_fn(|| Some((rest.next()?, rest.next()?)));
            Ok(Some(pairs.collect()))
        }
        "unknown" => Ok(None),
        _ => Err(corrupt(rest)),
    })
}
