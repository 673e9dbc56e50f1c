//! What the warehouse should hold, decided by its pure domain.

use std::collections::{BTreeMap, BTreeSet};

use contracts::events::{
    Event, OrderCompleted, OrderFulfilled, OrderLine, ProductChanged, RefundOrder, RefundReason, ReturnReceived,
    ShortLine,
};
use warehouse_component::domain::cancel::{Cancel, cancel};
use warehouse_component::domain::change_product::{Change, Changeable, Effect, change};
use warehouse_component::domain::create_product::NewProduct;
use warehouse_component::domain::move_stock::{Kind, MoveStockError, move_stock};
use warehouse_component::domain::needs::needs;
use warehouse_component::domain::stock::Stock;
use warehouse_component::domain::take_back::{ReturnLine, Sold, TakeBackError, take_back};

use super::allocate::{Outcome, allocate};

/// What was decided for an order.
#[derive(Debug)]
pub enum Decision {
    Fulfilled(Sold),
    Refunded(RefundReason, Vec<ShortLine>),
}

/// A product's own fields.
#[derive(Debug)]
pub struct Product {
    pub sku: String,
    pub currency: String,
    pub own: Changeable,
}

/// A movement, but its id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub kind: &'static str,
    pub qty: u64,
    pub on_hand: u64,
    pub order_id: Option<String>,
}

/// An event that should have been appended: its stream and its data, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub stream: &'static str,
    pub data: String,
}

#[derive(Debug, Default)]
pub struct Model {
    pub products: BTreeMap<String, Product>,
    pub stocks: BTreeMap<String, Stock>,
    pub movements: BTreeMap<String, Vec<Movement>>,
    pub orders: BTreeMap<String, Decision>,
    /// Used idempotency keys, each with the body of its request and the answer.
    pub keys: BTreeMap<String, (String, String)>,
    /// How many events each stream has got.
    pub told: BTreeMap<&'static str, u64>,
}

impl Model {
    fn tell<E: Event>(&mut self, event: &E) -> Told {
        *self.told.entry(E::STREAM).or_default() += 1;
        Told {
            stream: E::STREAM,
            data: serde_json::to_string(event).unwrap(),
        }
    }

    fn product_changed(&self, product_id: &str) -> ProductChanged {
        let product = &self.products[product_id];
        ProductChanged {
            product_id: product_id.to_owned(),
            rev: product.own.rev,
            name: product.own.name.clone(),
            price_minor: product.own.price_minor,
            currency: product.currency.clone(),
            active: product.own.active,
        }
    }

    /// `None` when there is one with this id.
    pub fn create(&mut self, product: &NewProduct) -> Option<Told> {
        let id = &product.product_id;
        if self.products.contains_key(id) {
            return None;
        }
        let own = Changeable {
            name: product.name.clone(),
            price_minor: product.price_minor,
            active: true,
            low_stock_at: product.low_stock_at,
            rev: 1,
        };
        let (sku, currency) = (product.sku.clone(), product.currency.clone());
        self.products.insert(id.clone(), Product { sku, currency, own });
        self.stocks.insert(id.clone(), Stock::supplied(product.on_hand));
        if product.on_hand > 0 {
            self.append_movement(id, Kind::Supply.as_str(), product.on_hand, None);
        }
        let event = self.product_changed(id);
        Some(self.tell(&event))
    }

    fn append_movement(&mut self, product_id: &str, kind: &'static str, qty: u64, order_id: Option<&str>) {
        let movement = Movement {
            kind,
            qty,
            on_hand: self.stocks[product_id].on_hand,
            order_id: order_id.map(str::to_owned),
        };
        self.movements.entry(product_id.to_owned()).or_default().push(movement);
    }

    pub fn change(&mut self, product_id: &str, wanted: &Change) -> Option<Told> {
        let product = self.products.get_mut(product_id).unwrap();
        let (after, effect) = change(&product.own, wanted);
        product.own = after;
        (effect == Effect::Announced).then(|| {
            let event = self.product_changed(product_id);
            self.tell(&event)
        })
    }

    pub fn move_stock(&mut self, product_id: &str, kind: Kind, qty: u32) -> Result<u64, MoveStockError> {
        let stock = self.stocks.get_mut(product_id).unwrap();
        *stock = move_stock(*stock, kind, qty)?;
        let on_hand = stock.on_hand;
        self.append_movement(product_id, kind.as_str(), u64::from(qty), None);
        Ok(on_hand)
    }

    /// Takes the stock for an order, unless it is decided.
    pub fn complete(&mut self, order: &OrderCompleted) -> Option<Told> {
        if self.orders.contains_key(&order.order_id) {
            return None;
        }
        let order_id = order.order_id.clone();
        let (decision, told) = match allocate(order, &mut self.stocks) {
            Outcome::Fulfilled => {
                let lines = order.lines.clone();
                let told = self.tell(&fulfilled(&order_id, lines.clone()));
                (Decision::Fulfilled(Sold::new(lines)), told)
            }
            Outcome::Refunded { reason, lines } => {
                let told = self.tell(&refund(&order_id, reason, lines.clone()));
                (Decision::Refunded(reason, lines), told)
            }
        };
        self.orders.insert(order_id, decision);
        Some(told)
    }

    pub fn cancel(&mut self, order_id: &str) -> Option<Told> {
        match cancel(self.orders.contains_key(order_id)) {
            Cancel::TooLate => None,
            Cancel::Refunded => {
                let decision = Decision::Refunded(RefundReason::CustomerCancelled, Vec::new());
                self.orders.insert(order_id.to_owned(), decision);
                let event = refund(order_id, RefundReason::CustomerCancelled, Vec::new());
                Some(self.tell(&event))
            }
        }
    }

    /// Takes units of a fulfilled order back, and gives the lines that came back.
    pub fn take_back(&mut self, order_id: &str, lines: &[ReturnLine]) -> Result<Vec<OrderLine>, TakeBackError> {
        let Some(Decision::Fulfilled(sold)) = self.orders.get_mut(order_id) else {
            panic!("only a fulfilled order comes back");
        };
        let back = take_back(sold, lines, &mut self.stocks)?;
        for need in needs(&back) {
            self.append_movement(&need.product_id, "return", need.qty, Some(order_id));
        }
        Ok(back)
    }

    /// The event of a return, whose id only the warehouse knows.
    pub fn tell_return(&mut self, order_id: &str, return_id: &str, lines: Vec<OrderLine>) -> Told {
        self.tell(&ReturnReceived {
            order_id: order_id.to_owned(),
            return_id: return_id.to_owned(),
            lines,
        })
    }

    /// The events that tell of these products again.
    pub fn announce_products(&mut self, ids: &[String]) -> Vec<Told> {
        let events: Vec<_> = ids.iter().map(|id| self.product_changed(id)).collect();
        events.iter().map(|event| self.tell(event)).collect()
    }

    /// The event that tells of an order's outcome again.
    pub fn announce_order(&mut self, order_id: &str) -> Told {
        match &self.orders[order_id] {
            Decision::Fulfilled(sold) => {
                let event = fulfilled(order_id, sold.lines.clone());
                self.tell(&event)
            }
            Decision::Refunded(reason, lines) => {
                let event = refund(order_id, *reason, lines.clone());
                self.tell(&event)
            }
        }
    }

    /// The products of which few units are left.
    pub fn low_stock(&self) -> BTreeSet<String> {
        let is_low = |(id, stock): &(&String, &Stock)| stock.is_low(self.products[*id].own.low_stock_at);
        self.stocks.iter().filter(is_low).map(|(id, _)| id.clone()).collect()
    }

    /// How many keys Redis should hold.
    pub fn count_keys(&self) -> usize {
        let returned = self
            .orders
            .values()
            .filter(|order| matches!(order, Decision::Fulfilled(sold) if sold.returns > 0))
            .count();
        2 * self.products.len()
            + self.movements.len()
            + self.orders.len()
            + returned
            + self.keys.len()
            + self.told.len()
            + usize::from(!self.products.is_empty())
            + usize::from(!self.low_stock().is_empty())
    }

    /// What must hold whatever was done.
    pub fn check_invariants(&self) {
        let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
        let mut returned: BTreeMap<&str, u64> = BTreeMap::new();
        for order in self.orders.values() {
            let Decision::Fulfilled(order) = order else {
                continue;
            };
            for line in &order.lines {
                let back = order.returned.get(&line.line_id).copied().unwrap_or(0);
                assert!(back <= u64::from(line.qty), "{order:?}");
                *sold.entry(&line.product_id).or_default() += u64::from(line.qty);
                *returned.entry(&line.product_id).or_default() += back;
            }
        }
        for (id, stock) in &self.stocks {
            assert!(stock.is_balanced(), "{id}: {stock:?}");
            let allocated = (
                sold.get(id.as_str()).copied().unwrap_or(0),
                returned.get(id.as_str()).copied().unwrap_or(0),
            );
            assert_eq!((stock.sold, stock.returned), allocated, "{id}");
        }
    }
}

fn fulfilled(order_id: &str, lines: Vec<OrderLine>) -> OrderFulfilled {
    OrderFulfilled {
        order_id: order_id.to_owned(),
        lines,
    }
}

fn refund(order_id: &str, reason: RefundReason, lines: Vec<ShortLine>) -> RefundOrder {
    RefundOrder {
        order_id: order_id.to_owned(),
        reason,
        lines,
    }
}
