//! Several pieces of work that take turns: while Redis does what one has sent, the next thinks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures::future::{MaybeDone, maybe_done};

/// Does all the work at once, a step of one piece at a time, and answers with the outcomes in their order.
///
/// Between two steps the host gets its turn: only then does what a step has sent leave.
pub(crate) async fn take_turns<F: Future>(works: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut works: Vec<Pin<Box<MaybeDone<F>>>> = works.into_iter().map(|work| Box::pin(maybe_done(work))).collect();
    // Whose turn it is, and how many in a row had nothing to do.
    let (mut turn, mut idle) = (0, 0);
    poll_fn(|context| {
        let is_open = |work: &Pin<Box<MaybeDone<F>>>| !matches!(**work, MaybeDone::Done(_));
        let mut after = (0..works.len()).map(|offset| (turn + offset) % works.len());
        if let Some(open) = after.find(|index| is_open(&works[*index])) {
            turn = open + 1;
            idle = match works[open].as_mut().poll(context) {
                Poll::Ready(()) => 0,
                Poll::Pending => idle + 1,
            };
        }
        if !works.iter().any(is_open) {
            return Poll::Ready(());
        }
        if idle < works.len() {
            context.waker().wake_by_ref();
        } else {
            // Everybody waits; whoever is woken has all look again.
            idle = 0;
        }
        Poll::Pending
    })
    .await;
    works
        .iter_mut()
        .filter_map(|work| work.as_mut().take_output())
        .collect()
}
