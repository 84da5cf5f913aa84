//! Waiting for a condition, with an end.

use std::time::{Duration, Instant};

/// How long anything may take that crosses processes. Generous: a busy machine is no reason to fail.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const STEP: Duration = Duration::from_millis(30);

/// Looks again and again until there is something, and gives it.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(STEP);
    }
}
