//! The limit of HTTP: a store without a sandbox, by axum and redis-rs. It places and shows orders by the component's
//! pricing, its script and its Redis commands, and answers with the same JSON; errors are plain text, and orders are
//! shown only as they are placed, since nothing works on them while HTTP is measured.

mod order;
mod place;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use clap::Parser;
use kit::commit::Outcome;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo};
use store_component::domain::catalogue;
use store_component::domain::place_order;
use tokio::net::TcpListener;

use crate::order::{OrderView, PlaceOrder, StoredOrder};
use crate::place::idempotency_record;

/// As the sidecar's: the C library's is slower with many small strings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pricing rounds before an order is given up whose products keep changing, as in the component.
const ROUNDS_MAX: usize = 16;

#[derive(Parser)]
struct Arguments {
    /// Host and port to listen on.
    #[arg(long)]
    listen: String,
    /// The store's database.
    #[arg(long)]
    redis_url: String,
}

struct Store {
    /// One connection for all requests: redis-rs sends commands of several requests together.
    redis: MultiplexedConnection,
    script_sha1: String,
    /// Products as they were read. They may be out of date: an order is placed only if they are still the same.
    catalogue: RwLock<HashMap<String, Arc<Product>>>,
}

struct Product {
    id: String,
    /// The value at its key.
    stored: String,
    known: catalogue::Product,
}

type Answer = Result<Response, Failure>;

struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, format!("{:#}", error.into()))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<()> {
    let tcp = TcpSettings::default().set_nodelay(true);
    let client = redis::Client::open(arguments.redis_url.into_connection_info()?.set_tcp_settings(tcp))?;
    // The default of half a second is for production; here a slow answer has to be seen as one.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut redis = client.get_multiplexed_async_connection_with_config(&config).await?;
    let script_sha1 = place::load_script(&mut redis).await?;
    let store = Arc::new(Store {
        redis,
        script_sha1,
        catalogue: RwLock::default(),
    });
    let routes = Router::new()
        .route("/store/healthz", get(health))
        .route("/store/orders", post(place_order))
        .route("/store/orders/{order_id}", get(show_order))
        .with_state(store);
    let listener = TcpListener::bind(&arguments.listen).await?.tap_io(|stream| {
        // Best effort, as axum's own listener has it.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn health(State(store): State<Arc<Store>>) -> Answer {
    // Refused where Redis takes no writes, as the component's: it writes nothing where there is no such key.
    let mut command = redis::cmd("SET");
    command.arg("idem:never").arg("").arg("XX");
    let _: Option<String> = command.query_async(&mut store.redis.clone()).await?;
    Ok(json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned()))
}

async fn show_order(State(store): State<Arc<Store>>, Path(order_id): Path<String>) -> Answer {
    // MGET of one key, as the component sends it.
    let mut command = redis::cmd("MGET");
    command.arg(format!("order:{order_id}"));
    let (stored,): (Option<String>,) = command.query_async(&mut store.redis.clone()).await?;
    let stored = stored.ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("no order {order_id}")))?;
    let order: StoredOrder = serde_json::from_str(&stored)?;
    Ok(json(
        StatusCode::OK,
        serde_json::to_string(&OrderView::new(&order_id, &order))?,
    ))
}

async fn place_order(State(store): State<Arc<Store>>, headers: HeaderMap, body: Bytes) -> Answer {
    let illegal = |why: String| Failure(StatusCode::UNPROCESSABLE_ENTITY, why);
    let request: PlaceOrder = serde_json::from_slice(&body).map_err(|error| illegal(error.to_string()))?;
    let record = match headers.get("idempotency-key") {
        Some(key) => {
            let key = key.to_str().map_err(|error| illegal(error.to_string()))?;
            Some(idempotency_record(key, &request))
        }
        None => None,
    };
    let request = request.into_domain();
    place_order::check(&request).map_err(|error| illegal(format!("{error:?}")))?;
    let mut remembered = store.remembered(request.lines.iter().map(|(id, _)| id));
    for _ in 0..ROUNDS_MAX {
        let is_remembered = remembered.is_some();
        let products = match remembered.take() {
            Some(products) => products,
            None => store.read_products(request.lines.iter().map(|(id, _)| id)).await?,
        };
        let known = products.iter().map(|product| Some(product.as_ref()?.known.clone()));
        let priced = match place_order::price(&request, known.collect()) {
            Ok(priced) => priced,
            Err(_) if is_remembered => continue,
            Err(error) => return Err(illegal(format!("{error:?}"))),
        };
        let products: Vec<Arc<Product>> = products.into_iter().flatten().collect();
        let new = order::NewOrder::new(&request, &priced)?;
        match place::place(&store, &new, &products, record.as_ref()).await? {
            Outcome::Committed => return Ok(created(&new.location, new.answer)),
            Outcome::Answered { location, body } => return Ok(created(&location, body)),
            Outcome::KeyReused => return Err(illegal("the idempotency key belongs to another request".to_owned())),
            Outcome::Changed => {}
        }
    }
    Err(Failure(
        StatusCode::SERVICE_UNAVAILABLE,
        "the order's products keep changing".to_owned(),
    ))
}

fn created(location: &str, answer: String) -> Response {
    ([(LOCATION, location)], json(StatusCode::CREATED, answer)).into_response()
}

fn json(status: StatusCode, body: String) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

impl Store {
    /// The products of these ids; `None` when one of them was never read.
    fn remembered<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Option<Vec<Option<Arc<Product>>>> {
        let catalogue = self.catalogue.read().ok()?;
        ids.map(|id| catalogue.get(id).cloned().map(Some)).collect()
    }

    async fn read_products<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Result<Vec<Option<Arc<Product>>>> {
        let ids: Vec<&String> = ids.collect();
        let mut command = redis::cmd("MGET");
        for id in &ids {
            command.arg(place::product_key(id));
        }
        let values: Vec<Option<String>> = command.query_async(&mut self.redis.clone()).await?;
        let mut products = Vec::with_capacity(values.len());
        for (id, stored) in ids.into_iter().zip(values) {
            let Some(stored) = stored else {
                products.push(None);
                continue;
            };
            let known: catalogue::Product = serde_json::from_str(&stored)?;
            let product = Arc::new(Product {
                id: id.clone(),
                stored,
                known,
            });
            if let Ok(mut catalogue) = self.catalogue.write() {
                catalogue.insert(id.clone(), Arc::clone(&product));
            }
            products.push(Some(product));
        }
        Ok(products)
    }
}
