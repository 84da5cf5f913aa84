//! Places for control connections: as many as there are, and the longest idle one goes where somebody new needs one.
//!
//! A connection is idle while nothing that it asked is unanswered. What is said on it is in [`crate::control`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a connection that was told to go may take: it only has to be dropped.
const GO_WAIT: Duration = Duration::from_secs(1);

/// All places of a control socket.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

/// The idle connections, the longest idle first.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    since: BTreeMap<u64, Arc<Notify>>,
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
        Self { free: Arc::new(Semaphore::new(count)), idle: Arc::default() }
    }

    /// A place: a free one, or else that of the longest idle connection, which is told to go. `None` where none is idle.
    pub(crate) async fn take(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(Place::new(place, &self.idle));
        }
        let (_, longest) = lock(&self.idle).since.pop_first()?;
        longest.notify_one();
        let place = tokio::time::timeout(GO_WAIT, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()?;
        Some(Place::new(place, &self.idle))
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

    /// Returns when somebody else needs the place.
    pub(crate) async fn needed(&self) {
        self.go.notified().await;
    }

    fn be_idle(&self, state: &mut State) {
        let mut idle = lock(&self.idle);
        idle.next += 1;
        let number = idle.next;
        idle.since.insert(number, Arc::clone(&self.go));
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

    #[tokio::test]
    async fn the_longest_idle_goes_and_whoever_waits_for_an_answer_stays() {
        let places = Places::new(3);
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
}
