//! Those who wait for something to draw anew: answered when it changed, not before, and not once for each entry of a burst.
//!
//! What counts as a change, and that a burst is a few of them, is the replica's affair (its effect `Changed`).

use crate::request::Reply;
use muster_sync::Tick;
use serde_json::json;
use tokio::sync::oneshot;

/// The longest that anybody is kept waiting, in milliseconds: ages are drawn too, and nobody's patience is endless.
const WAIT_MS_MAX: u64 = 60_000;

/// The count of changes and who waits for the next.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    changes: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    until: Tick,
    reply: oneshot::Sender<Reply>,
}

impl Watchers {
    /// A count that begins at `changes`: random, so that nobody takes a new node's count for an old one's.
    pub(crate) fn new(changes: u64) -> Self {
        Self { changes, waiting: Vec::new() }
    }

    /// Takes in somebody who waits. How many can is bounded by the control socket.
    pub(crate) fn add(&mut self, seen: u64, wait_ms: u64, now: Tick, reply: oneshot::Sender<Reply>) {
        let until = now.plus_ms(wait_ms.min(WAIT_MS_MAX));
        let waiting = Waiting { until, reply };
        if seen == self.changes && now < until { self.waiting.push(waiting) } else { self.answer(waiting) }
    }

    /// Something changed.
    pub(crate) fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        std::mem::take(&mut self.waiting).into_iter().for_each(|waiting| self.answer(waiting));
    }

    /// Answers those who have waited long enough.
    pub(crate) fn timeout(&mut self, now: Tick) {
        let (over, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.until <= now);
        self.waiting = waiting;
        let over: Vec<Waiting> = over;
        over.into_iter().for_each(|waiting| self.answer(waiting));
    }

    /// When [`Watchers::timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    fn answer(&self, waiting: Waiting) {
        // Who went away meanwhile needs none.
        let _ = waiting.reply.send(Reply::Done(json!({ "changes": self.changes })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(answer: &mut oneshot::Receiver<Reply>) -> Option<u64> {
        match answer.try_recv() {
            Ok(Reply::Done(answer)) => answer["changes"].as_u64(),
            _ => None,
        }
    }

    #[test]
    fn a_watcher_is_answered_at_once_where_it_missed_something_else_by_the_next_change() {
        let mut watchers = Watchers::new(7);
        let (reply, mut missed) = oneshot::channel();
        watchers.add(6, 1_000, Tick(0), reply);
        assert_eq!(changes(&mut missed), Some(7));
        let (reply, mut waits) = oneshot::channel();
        watchers.add(7, 1_000, Tick(0), reply);
        assert_eq!((changes(&mut waits), watchers.deadline()), (None, Some(Tick(1_000))));
        watchers.changed();
        assert_eq!((changes(&mut waits), watchers.deadline()), (Some(8), None));
    }

    #[test]
    fn a_watcher_is_answered_when_its_time_is_over_and_a_huge_time_does_not_overflow() {
        let mut watchers = Watchers::new(7);
        let (reply, mut short) = oneshot::channel();
        watchers.add(7, 10, Tick(0), reply);
        let (reply, mut long) = oneshot::channel();
        watchers.add(7, u64::MAX, Tick(0), reply);
        watchers.timeout(Tick(10));
        assert_eq!((changes(&mut short), changes(&mut long)), (Some(7), None));
        assert_eq!(watchers.deadline(), Some(Tick(WAIT_MS_MAX)));
    }
}
