//! Deadlines for Redis.
//!
//! A timer of Spin's costs a third of a cheap Redis command, so all commands of a request share one, and so do those of a
//! delivery, but for the one that sends its receipt.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, Shared, select};
use spin_sdk::time;

/// For all commands of a request together, from the first; elsewhere for each command.
pub(crate) const REQUEST_MS: u64 = 3_000;
/// For all commands of a delivery together; with the receipt, below the sidecar's `answer_ms`.
pub(crate) const DELIVERY_MS: u64 = 6_000;

type Timer = Shared<BoxFuture<'static, ()>>;

/// The deadline that the commands of a request or a delivery share.
struct Common {
    limit_ms: u64,
    timer: OnceLock<Timer>,
}

thread_local! {
    /// The deadline of the request or delivery whose future is being polled; none within other futures.
    static CURRENT: RefCell<Option<Arc<Common>>> = const { RefCell::new(None) };
}

/// Runs the future of one request or delivery: all that it awaits [`within`] the deadline shares one timer.
pub(crate) async fn share<F: Future>(limit_ms: u64, work: F) -> F::Output {
    let mut work = pin!(work);
    let common = Arc::new(Common {
        limit_ms,
        timer: OnceLock::new(),
    });
    // Set only while this future is polled: a timer belongs to the task that began it, and no other may wait for it.
    poll_fn(|context| {
        let other = CURRENT.replace(Some(Arc::clone(&common)));
        let outcome = work.as_mut().poll(context);
        CURRENT.set(other);
        outcome
    })
    .await
}

/// The output of a future that waits for Redis.
///
/// # Errors
/// The limit in milliseconds, when it took longer.
pub(crate) async fn within<F: Future>(work: F) -> Result<F::Output, u64> {
    let (limit_ms, timer) = CURRENT.with_borrow(|current| match current {
        Some(common) => {
            let timer = common.timer.get_or_init(|| begin(common.limit_ms));
            (common.limit_ms, timer.clone())
        }
        None => (REQUEST_MS, begin(REQUEST_MS)),
    });
    // Nothing more is sent once the time is over.
    if timer.peek().is_some() {
        return Err(limit_ms);
    }
    match select(pin!(work), timer).await {
        Either::Left((outcome, _)) => Ok(outcome),
        Either::Right(((), _)) => Err(limit_ms),
    }
}

fn begin(limit_ms: u64) -> Timer {
    time::sleep(Duration::from_millis(limit_ms)).boxed().shared()
}
