//! What a service manager is told, and whether its journal reads what we say. Without one, nothing happens.

use crate::node::Ready;
use sd_notify::NotifyState;
use std::os::fd::AsFd;

/// Says that the node listens and answers (`Type=notify`).
pub(crate) fn tell_ready(ready: &Ready) {
    let status = format!("listening on {} addresses", ready.addrs.len());
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Says that the node was told to stop and is telling its peers.
pub(crate) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Nobody there to hear it is no failure.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// Whether the stream leads to the journal, which puts the time before each line itself: `JOURNAL_STREAM` names device
/// and inode of the stream (systemd.exec(5)), and a child that was given another one inherits the variable.
pub(crate) fn is_in_journal(stream: impl AsFd) -> bool {
    let named = std::env::var("JOURNAL_STREAM").ok();
    let about = rustix::fs::fstat(stream).ok();
    about.is_some_and(|about| named == Some(format!("{}:{}", about.st_dev, about.st_ino)))
}
