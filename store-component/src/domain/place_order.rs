//! Placing an order: is it legal, and what does it cost?

use contracts::limits::{ORDER_LINES_MAX, check_id, check_qty};
use serde::Serialize;

use super::catalogue::Product;
use super::pricing::{self, Price};

/// Length of a payment token, in characters.
const TOKEN_CHARS_MAX: usize = 64;

/// An order as a customer wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub customer_id: String,
    /// Product and quantity, line by line.
    pub lines: Vec<(String, u32)>,
    /// The payment token, if one was given.
    pub token: Option<String>,
}

/// An order that may be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedOrder {
    /// The one currency of all lines.
    pub currency: String,
    /// The lines; line ids count from 1 in their order.
    pub lines: Vec<PricedLine>,
    pub price: Price,
}

/// A line with the product's name and price of the moment of the order; this is also its form in Redis and in responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_family = "wasm", derive(utoipa::ToSchema), schema(as = Line))]
pub struct PricedLine {
    /// From 1.
    pub line_id: u32,
    #[cfg_attr(target_family = "wasm", schema(example = "espresso-cup"))]
    pub product_id: String,
    #[cfg_attr(target_family = "wasm", schema(example = "Espresso cup"))]
    pub name: String,
    #[cfg_attr(target_family = "wasm", schema(example = 2))]
    pub qty: u32,
    /// In minor units.
    #[cfg_attr(target_family = "wasm", schema(example = 1_000))]
    pub unit_price_minor: u64,
}

/// Why an order cannot be placed. Paths are those of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceOrderError {
    /// Fields with illegal values: path and reason of each.
    Invalid(Vec<(String, String)>),
    /// Lines whose product the store does not know.
    UnknownProduct(Vec<String>),
    /// Lines whose product is no longer on sale.
    InactiveProduct(Vec<String>),
    /// Lines in another currency than the first one.
    MixedCurrencies(Vec<String>),
    /// The total passes 2^53 - 1.
    TotalTooLarge,
}

/// Checks everything that does not depend on the catalogue.
///
/// # Errors
/// Every field at fault.
pub fn check(request: &OrderRequest) -> Result<(), PlaceOrderError> {
    let mut faults = Vec::new();
    let mut note = |path: String, check: Result<(), String>| {
        if let Err(reason) = check {
            faults.push((path, reason));
        }
    };
    note("customer_id".to_owned(), check_id(&request.customer_id));
    if request.lines.is_empty() || request.lines.len() > ORDER_LINES_MAX {
        let reason = format!("must hold 1 to {ORDER_LINES_MAX} lines, holds {}", request.lines.len());
        note("lines".to_owned(), Err(reason));
    }
    for (index, (product_id, qty)) in request.lines.iter().take(ORDER_LINES_MAX).enumerate() {
        note(format!("lines[{index}].product_id"), check_id(product_id));
        note(format!("lines[{index}].qty"), check_qty(*qty));
    }
    if let Some(token) = &request.token {
        note("payment.token".to_owned(), check_token(token));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(PlaceOrderError::Invalid(faults))
    }
}

fn check_token(token: &str) -> Result<(), String> {
    let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=TOKEN_CHARS_MAX).contains(&token.len()) && printable {
        Ok(())
    } else {
        Err(format!(
            "must be 1 to {TOKEN_CHARS_MAX} printable ASCII characters without spaces"
        ))
    }
}

/// Prices a legal request with the products of its lines, one for each line.
///
/// # Errors
/// Why it cannot be placed.
pub fn price(request: &OrderRequest, products: Vec<Option<Product>>) -> Result<PricedOrder, PlaceOrderError> {
    let paths_where = |fails: &dyn Fn(&Option<Product>) -> bool| -> Vec<String> {
        let at_fault = products.iter().enumerate().filter(|(_, product)| fails(product));
        at_fault
            .map(|(index, _)| format!("lines[{index}].product_id"))
            .collect()
    };
    let unknown = paths_where(&|product| product.is_none());
    if !unknown.is_empty() {
        return Err(PlaceOrderError::UnknownProduct(unknown));
    }
    let inactive = paths_where(&|product| product.as_ref().is_some_and(|product| !product.active));
    if !inactive.is_empty() {
        return Err(PlaceOrderError::InactiveProduct(inactive));
    }
    let currency = products
        .iter()
        .flatten()
        .map(|product| product.currency.clone())
        .next()
        .unwrap_or_default();
    let foreign = paths_where(&|product| product.as_ref().is_some_and(|product| product.currency != currency));
    if !foreign.is_empty() {
        return Err(PlaceOrderError::MixedCurrencies(foreign));
    }
    let lines: Vec<PricedLine> = (1..)
        .zip(&request.lines)
        .zip(products.into_iter().flatten())
        .map(|((line_id, (product_id, qty)), product)| PricedLine {
            line_id,
            product_id: product_id.clone(),
            name: product.name,
            qty: *qty,
            unit_price_minor: product.price_minor,
        })
        .collect();
    let price = pricing::price(lines.iter().map(|line| (line.qty, line.unit_price_minor)))
        .ok_or(PlaceOrderError::TotalTooLarge)?;
    Ok(PricedOrder { currency, lines, price })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(&str, u32)]) -> OrderRequest {
        OrderRequest {
            customer_id: "ada".to_owned(),
            lines: lines.iter().map(|(id, qty)| ((*id).to_owned(), *qty)).collect(),
            token: None,
        }
    }

    fn product(price_minor: u64, currency: &str, active: bool) -> Option<Product> {
        Some(Product {
            rev: 1,
            name: "Cup".to_owned(),
            price_minor,
            currency: currency.to_owned(),
            active,
        })
    }

    #[test]
    fn every_illegal_field_is_named() {
        let mut request = request(&[("cup", 0), ("no good", 1), ("pot", 1_000_001)]);
        request.customer_id.clear();
        request.token = Some("a b".to_owned());
        let Err(PlaceOrderError::Invalid(faults)) = check(&request) else {
            panic!("legal")
        };
        let paths: Vec<_> = faults.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "customer_id",
                "lines[0].qty",
                "lines[1].product_id",
                "lines[2].qty",
                "payment.token"
            ]
        );
    }

    #[test]
    fn one_to_a_hundred_lines() {
        assert!(check(&request(&[])).is_err());
        assert_eq!(check(&request(&[("cup", 1); 100])), Ok(()));
        assert!(check(&request(&[("cup", 1); 101])).is_err());
    }

    #[test]
    fn a_line_at_fault_is_named() {
        let request = request(&[("cup", 1), ("pot", 1)]);
        let path = || vec!["lines[1].product_id".to_owned()];
        let good = || product(100, "EUR", true);
        assert_eq!(
            price(&request, vec![good(), None]),
            Err(PlaceOrderError::UnknownProduct(path()))
        );
        assert_eq!(
            price(&request, vec![good(), product(1, "EUR", false)]),
            Err(PlaceOrderError::InactiveProduct(path()))
        );
        assert_eq!(
            price(&request, vec![good(), product(1, "USD", true)]),
            Err(PlaceOrderError::MixedCurrencies(path()))
        );
    }

    #[test]
    fn lines_are_numbered_and_priced() {
        let order = price(
            &request(&[("cup", 2), ("pot", 1)]),
            vec![product(150, "EUR", true), product(700, "EUR", true)],
        );
        let order = order.expect("both products are on sale");
        assert_eq!(order.lines.iter().map(|line| line.line_id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(
            (order.price.subtotal, order.price.fee, order.price.total),
            (1_000, 200, 1_200)
        );
    }
}
