//! Demo products, lines to paste, and orders that come by themselves.

pub(crate) mod play;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::cli::SeedArguments;
use crate::exit::Failure;
use crate::http::{self, TOKEN_VARIABLE};

/// The catalogue, each product as the warehouse's API takes it.
const PRODUCTS: &str = include_str!("../../demo-products.json");
/// How long the store may take to learn of the products through the streams.
const LEARN_MS: u64 = 20_000;
/// The pause between two looks at the store's catalogue.
const LOOK_PAUSE_MS: u64 = 100;

/// Adds the demo products, and says how many.
pub(crate) fn seed_alone(arguments: &SeedArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    println!("{}", added(runtime.block_on(seed(arguments.app))?));
    Ok(())
}

/// What [`seed`] did, in words.
pub(crate) fn added(count: usize) -> String {
    match count {
        0 => "the demo products are there from before".to_owned(),
        count => format!("{count} demo products added"),
    }
}

/// Adds the products that are not there yet, and waits until the store knows those. Returns how many it added.
pub(crate) async fn seed(app: SocketAddr) -> Result<usize> {
    let products: Vec<Value> = serde_json::from_str(PRODUCTS).context("demo-products.json")?;
    let mut added = BTreeSet::new();
    for product in &products {
        let (status, body) = http::request(app, Method::POST, "/warehouse/products", Some(product)).await?;
        match status {
            StatusCode::CREATED => {
                added.extend(product["product_id"].as_str());
            }
            StatusCode::CONFLICT => {}
            StatusCode::UNAUTHORIZED => bail!("the app wants its token: set {TOKEN_VARIABLE}"),
            _ => bail!(
                "POST /warehouse/products answered {status}: {}",
                String::from_utf8_lossy(&body)
            ),
        }
    }
    if !added.is_empty() {
        timeout(Duration::from_millis(LEARN_MS), learned(app, &added))
            .await
            .with_context(|| {
                format!(
                    "the store does not know the new products after {} s; see the sidecar's lines",
                    LEARN_MS / 1_000
                )
            })?;
    }
    Ok(added.len())
}

async fn learned(app: SocketAddr, products: &BTreeSet<&str>) {
    loop {
        if let Ok(known) = store_products(app).await
            && products.iter().all(|product| known.contains(*product))
        {
            return;
        }
        sleep(Duration::from_millis(LOOK_PAUSE_MS)).await;
    }
}

/// The ids of all products that the store knows.
async fn store_products(app: SocketAddr) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/store/products?limit=200{cursor}");
        let (status, body) = http::request(app, Method::GET, &path, None).await?;
        ensure!(status == StatusCode::OK, "GET {path} answered {status}");
        let page: Value = serde_json::from_slice(&body)?;
        known.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(known),
        }
    }
}

/// The ids in a page of products.
fn ids(catalogue: &Value) -> BTreeSet<&str> {
    let items = catalogue["items"].as_array().map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .filter_map(|product| product["product_id"].as_str())
        .collect()
}

/// Lines to paste: an order that succeeds, one that is refunded, and a look at both.
pub(crate) fn lines_to_paste(app: SocketAddr, is_open: bool, redis_cli: &str) -> String {
    let token = match is_open {
        true => String::new(),
        false => format!("-H \"authorization: Bearer ${TOKEN_VARIABLE}\" "),
    };
    let order = |variable: &str, lines: &str| {
        format!(
            "  {variable}=$(curl -s {app}/store/orders -H 'content-type: application/json' {token}\\\n    \
             -d '{{\"customer_id\":\"ada\",\"lines\":[{lines}]}}' | sed 's/.*\"order_id\":\"\\([^\"]*\\)\".*/\\1/')\n"
        )
    };
    let mut text = String::from("\nTo paste in another terminal. An order that succeeds:\n\n");
    text += &order(
        "paid",
        r#"{"product_id":"espresso-cup","qty":2},{"product_id":"milk-jug","qty":1}"#,
    );
    text += "\nOne for more than there is, which is refunded, all of it:\n\n";
    text += &order(
        "refunded",
        r#"{"product_id":"espresso-cup","qty":1},{"product_id":"hand-grinder","qty":500}"#,
    );
    text += &format!("\nSee both:\n\n  curl -s {app}/store/orders/$paid; echo\n");
    text += &format!("  curl -s {app}/store/orders/$refunded; echo\n");
    text += &format!("\nThe streams that the services talk through:\n\n  {redis_cli} -n 0 XINFO GROUPS order-placed\n");
    text += &format!("  {redis_cli} -n 0 XREVRANGE order-completed + - COUNT 2\n");
    text += &format!("  {redis_cli} -n 1 XREVRANGE refund-order + - COUNT 2\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_what_the_lines_to_paste_expect() {
        let products: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
        let catalogue = serde_json::json!({ "items": products });
        let ids = ids(&catalogue);
        assert_eq!(ids.len(), products.len());
        let app = "127.0.0.1:3000".parse().unwrap();
        assert!(lines_to_paste(app, false, "redis-cli").contains("Bearer $SPIN_VARIABLE_API_TOKEN\" "));
        let lines = lines_to_paste(app, true, "redis-cli");
        assert!(!lines.contains("Bearer"));
        assert!(lines.contains("curl -s 127.0.0.1:3000/store/orders "));
        for id in ["espresso-cup", "milk-jug", "hand-grinder"] {
            assert!(lines.contains(id) && ids.contains(id), "{id}");
        }
    }

    #[test]
    fn the_catalogue_is_what_the_readme_expects() {
        let products: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
        let readme = include_str!("../../../README.md");
        let find = |id: &str| products.iter().find(|product| product["product_id"] == id).unwrap();
        for id in ["teapot", "hand-grinder"] {
            assert!(readme.contains(&format!("\"product_id\":\"{id}\"")), "{id}");
        }
        let (teapot, grinder) = (find("teapot"), find("hand-grinder"));
        let shown = format!(
            r#""name":{},"qty":1,"unit_price_minor":{}"#,
            teapot["name"], teapot["price_minor"]
        );
        assert!(readme.contains(&shown), "{shown}");
        let available = format!(r#""requested":500,"available":{}"#, grinder["on_hand"]);
        assert!(readme.contains(&available), "{available}");
    }

    #[test]
    fn the_catalogue_is_believable() {
        let products: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
        assert_eq!(products.len(), 30);
        let units = |product: &Value, field: &str| product[field].as_u64().unwrap();
        let low = products
            .iter()
            .filter(|product| units(product, "on_hand") <= units(product, "low_stock_at"));
        assert_eq!(low.count(), 4, "a few are thin");
        for product in &products {
            assert_eq!(product["currency"], "EUR", "one order may hold any of them");
            assert!((100..100_000).contains(&units(product, "price_minor")), "{product}");
        }
    }
}
