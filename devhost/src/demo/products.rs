//! The demo products.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::StatusCode;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::http::{Client, TOKEN_VARIABLE};

/// The catalogue: a JSON array of products as the warehouse's API takes them.
pub(super) const PRODUCTS: &str = include_str!("../../demo-products.json");
/// Time for the store to learn of new products through the streams.
const STORE_MS_MAX: u64 = 20_000;
const POLL_PAUSE_MS: u64 = 100;

/// Adds the products that are missing, waits until the store has them, and says in words how many were added.
pub(crate) async fn add_products(app: &Client) -> Result<String> {
    let products: Vec<Value> = serde_json::from_str(PRODUCTS).context("demo-products.json")?;
    let mut added = BTreeSet::new();
    for product in &products {
        let answer = app.post("/warehouse/products", None, product).await?;
        match answer.status {
            StatusCode::CREATED => added.extend(product["product_id"].as_str()),
            StatusCode::CONFLICT => {}
            StatusCode::UNAUTHORIZED => bail!("the app wants its token: set {TOKEN_VARIABLE}"),
            status => bail!("POST /warehouse/products answered {status}: {}", answer.text()),
        }
    }
    if added.is_empty() {
        return Ok("the demo products are already loaded".to_owned());
    }
    timeout(Duration::from_millis(STORE_MS_MAX), wait_for_store(app, &added))
        .await
        .with_context(|| {
            let seconds = STORE_MS_MAX / 1_000;
            format!("the store does not have the new products after {seconds} s; see the sidecar's lines")
        })?;
    Ok(format!("{} demo products added", added.len()))
}

async fn wait_for_store(app: &Client, products: &BTreeSet<&str>) {
    loop {
        if let Ok(known) = store_products(app).await
            && products.iter().all(|product| known.contains(*product))
        {
            return;
        }
        sleep(Duration::from_millis(POLL_PAUSE_MS)).await;
    }
}

/// The ids of all products in the store's catalogue.
async fn store_products(app: &Client) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/store/products?limit=200{cursor}")).await?.json()?;
        known.extend(product_ids(&page["items"]).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(known),
        }
    }
}

/// The ids in a JSON array of products.
pub(super) fn product_ids(products: &Value) -> Vec<&str> {
    let products = products.as_array().map_or(&[][..], Vec::as_slice);
    products
        .iter()
        .filter_map(|product| product["product_id"].as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_the_one_in_the_readme() {
        let products: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
        let readme = include_str!("../../../README.md");
        let find = |id: &str| products.iter().find(|product| product["product_id"] == id).unwrap();
        for id in ["teapot", "hand-grinder"] {
            assert!(readme.contains(&format!("\"product_id\":\"{id}\"")), "{id}");
        }
        let (teapot, grinder) = (find("teapot"), find("hand-grinder"));
        let line = format!(
            r#""name":{},"qty":1,"unit_price_minor":{}"#,
            teapot["name"], teapot["price_minor"]
        );
        assert!(readme.contains(&line), "{line}");
        let available = format!(r#""requested":500,"available":{}"#, grinder["on_hand"]);
        assert!(readme.contains(&available), "{available}");
    }

    #[test]
    fn the_catalogue_is_plausible() {
        let products: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
        let ids: BTreeSet<_> = products.iter().map(|product| product["product_id"].as_str()).collect();
        assert_eq!((products.len(), ids.len()), (30, 30));
        let units = |product: &Value, field: &str| product[field].as_u64().unwrap();
        let low = products
            .iter()
            .filter(|product| units(product, "on_hand") <= units(product, "low_stock_at"));
        assert_eq!(low.count(), 4, "a few products are low in stock");
        for product in &products {
            assert_eq!(product["currency"], "EUR", "any products fit into one order");
            assert!((100..100_000).contains(&units(product, "price_minor")), "{product}");
        }
    }
}
