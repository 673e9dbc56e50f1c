//! Several futures that run interleaved: while Redis works on what one has sent, the next one computes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures::future::{MaybeDone, maybe_done};

/// Runs futures to their ends, polling one at a time, and gives their outputs in their order.
///
/// The host runs between two polls, which is when it sends what a poll has written.
pub(crate) async fn run_interleaved<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<MaybeDone<F>>>> =
        futures.into_iter().map(|future| Box::pin(maybe_done(future))).collect();
    // Which is polled next, and how many in a row had nothing to do.
    let (mut next, mut idle) = (0, 0);
    poll_fn(|context| {
        let is_open = |future: &Pin<Box<MaybeDone<F>>>| !matches!(**future, MaybeDone::Done(_));
        let mut after = (0..futures.len()).map(|offset| (next + offset) % futures.len());
        if let Some(open) = after.find(|index| is_open(&futures[*index])) {
            next = open + 1;
            idle = match futures[open].as_mut().poll(context) {
                Poll::Ready(()) => 0,
                Poll::Pending => idle + 1,
            };
        }
        if !futures.iter().any(is_open) {
            return Poll::Ready(());
        }
        if idle < futures.len() {
            context.waker().wake_by_ref();
        } else {
            // All of them wait. A wake of any polls all of them again.
            idle = 0;
        }
        Poll::Pending
    })
    .await;
    futures
        .iter_mut()
        .filter_map(|future| future.as_mut().take_output())
        .collect()
}
