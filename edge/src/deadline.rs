//! How long Redis may take.
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

/// How long Redis may take: for all commands that [`share`] a timer together, from the first; elsewhere for each command.
/// Far below the sidecar's `answer_ms`.
pub(crate) const REDIS_DEADLINE_MS: u64 = 3_000;

type Timer = Shared<BoxFuture<'static, ()>>;

thread_local! {
    /// The timer of the request or delivery whose work is being polled; none within other work.
    static CURRENT: RefCell<Option<Arc<OnceLock<Timer>>>> = const { RefCell::new(None) };
}

/// Does the work of one request or delivery: all that is awaited [`within`] shares one timer.
pub(crate) async fn share<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let timer = Arc::default();
    // Set only while this work is polled: a timer belongs to the task that began it, and no other may wait for it.
    poll_fn(|context| {
        let other = CURRENT.replace(Some(Arc::clone(&timer)));
        let outcome = work.as_mut().poll(context);
        CURRENT.set(other);
        outcome
    })
    .await
}

/// The outcome of work that waits for Redis; `None` when it took too long.
pub(crate) async fn within<F: Future>(work: F) -> Option<F::Output> {
    let timer = CURRENT.with_borrow(|current| match current {
        Some(timer) => timer.get_or_init(begin).clone(),
        None => begin(),
    });
    match select(pin!(work), timer).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(((), _)) => None,
    }
}

fn begin() -> Timer {
    time::sleep(Duration::from_millis(REDIS_DEADLINE_MS)).boxed().shared()
}
