//! Places for control connections: as many as there are, and the longest idle one goes where somebody new needs one.
//!
//! A connection is idle while nothing that it asked is unanswered, and may be sent away once it was for a second: whoever
//! has just come is about to ask. What is said on it is in [`crate::control`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a connection that was told to go may take: it only has to be dropped.
const GO_WAIT: Duration = Duration::from_secs(1);

/// How long a connection must have been idle to be sent away.
const IDLE_AT_LEAST: Duration = Duration::from_secs(1);

/// All places of a control socket.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
    /// Idle for less, a connection keeps its place.
    idle_at_least: Duration,
}

/// The idle connections, the longest idle first.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    since: BTreeMap<u64, (Instant, Arc<Notify>)>,
}

/// One connection's place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    go: Arc<Notify>,
    state: Mutex<State>,
    idle: Arc<Mutex<Idle>>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct State {
    unanswered: usize,
    idle_as: Option<u64>,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), idle: Arc::default(), idle_at_least: IDLE_AT_LEAST }
    }

    /// A place: a free one, or else that of the longest idle connection, once it was idle long enough; it is told to go.
    /// `None` where none is idle.
    pub(crate) async fn take(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(Place::new(place, &self.idle));
        }
        while let Err(wait) = self.send_away()? {
            tokio::time::sleep(wait).await;
        }
        let place = tokio::time::timeout(GO_WAIT, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()?;
        Some(Place::new(place, &self.idle))
    }
}

impl Places {
    /// Tells the longest idle connection to go, or says in how long it may be told; `None` where none is idle.
    fn send_away(&self) -> Option<Result<(), Duration>> {
        let mut idle = lock(&self.idle);
        let longest = idle.since.first_entry()?;
        let wait = self.idle_at_least.saturating_sub(longest.get().0.elapsed());
        if !wait.is_zero() {
            return Some(Err(wait));
        }
        longest.remove().1.notify_one();
        Some(Ok(()))
    }
}

impl Place {
    fn new(place: OwnedSemaphorePermit, idle: &Arc<Mutex<Idle>>) -> Self {
        let this = Self { go: Arc::default(), state: Mutex::default(), idle: Arc::clone(idle), _place: place };
        this.be_idle(&mut lock(&this.state));
        this
    }

    /// A request came.
    pub(crate) fn asked(&self) {
        let mut state = lock(&self.state);
        state.unanswered += 1;
        if let Some(number) = state.idle_as.take() {
            lock(&self.idle).since.remove(&number);
        }
    }

    /// Its answer went out.
    pub(crate) fn answered(&self) {
        let mut state = lock(&self.state);
        state.unanswered = state.unanswered.saturating_sub(1);
        if state.unanswered == 0 {
            self.be_idle(&mut state);
        }
    }

    /// Returns when somebody else needs the place. Not while something is unanswered: it was told to go a moment too late.
    pub(crate) async fn needed(&self) {
        loop {
            self.go.notified().await;
            if lock(&self.state).unanswered == 0 {
                return;
            }
        }
    }

    fn be_idle(&self, state: &mut State) {
        let mut idle = lock(&self.idle);
        idle.next += 1;
        let number = idle.next;
        idle.since.insert(number, (Instant::now(), Arc::clone(&self.go)));
        state.idle_as = Some(number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(number) = lock(&self.state).idle_as.take() {
            lock(&self.idle).since.remove(&number);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count: usize) -> Places {
        Places { idle_at_least: Duration::ZERO, ..Places::new(count) }
    }

    #[tokio::test]
    async fn the_longest_idle_goes_and_whoever_waits_for_an_answer_stays() {
        let places = places(3);
        let (busy, first, second) =
            (places.take().await.unwrap(), places.take().await.unwrap(), places.take().await.unwrap());
        busy.asked();
        // The one that was first is idle for a shorter time now.
        first.asked();
        first.answered();
        let gone = tokio::spawn(async move {
            second.needed().await;
            drop(second);
        });
        let newcomer = places.take().await.unwrap();
        gone.await.unwrap();
        newcomer.asked();
        first.asked();
        assert!(places.take().await.is_none(), "nobody is idle");
    }

    #[tokio::test]
    async fn whoever_has_just_come_and_is_about_to_ask_keeps_the_place() {
        let places = Places { idle_at_least: Duration::from_secs(3_600), ..Places::new(1) };
        let newest = places.take().await.unwrap();
        assert!(places.send_away().unwrap().is_err());
        newest.asked();
        assert!(places.send_away().is_none());
    }

    #[tokio::test]
    async fn who_asks_while_it_is_told_to_go_is_answered_first() {
        let places = places(1);
        let place = places.take().await.unwrap();
        place.asked();
        // What `take` does to one that was idle a moment ago.
        place.go.notify_one();
        tokio::select! {
            biased;
            () = place.needed() => panic!("its answer is still to go out"),
            taken = places.take() => assert!(taken.is_none()),
        }
    }
}
