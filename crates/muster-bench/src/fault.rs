//! Why a figure could not be measured. A slow machine is no fault.

use muster_node::clock::EntropyError;
use muster_node::home::HomeError;
use muster_node::keystore::KeyError;
use muster_node::request::Failure;
use muster_replica::ReplicaError;
use muster_store::StoreError;
use std::error::Error;
use std::io;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The operating system said no.
    #[error("cannot {doing}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// A node said no.
    #[error(transparent)]
    Node(#[from] Failure),
    /// A replica said no.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// A store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A home has no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// What was measured is not what it should be, so a figure would be wrong.
    #[error("{0}")]
    Unexpected(String),
}

impl Fault {
    /// Wraps an error of the system.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// What makes a figure worthless.
    pub(crate) fn unexpected(what: impl ToString) -> Self {
        Self::Unexpected(what.to_string())
    }
}

/// The error and what caused it, in one line.
pub(crate) fn chain(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
