//! Errors of the crates below, as a person should read them: what happened, and what to do next.

use crate::request::Failure;
use muster_replica::ReplicaError;
use muster_store::StoreError;

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        let hint = match &error {
            ReplicaError::Command(command) => command.hint(),
            ReplicaError::Store(store) => store_hint(store).map(str::to_owned),
            ReplicaError::Body(_) => {
                Some("say it in several entries, or keep the long text in a file and log where it is (--link)".into())
            }
            ReplicaError::NotAllowed(_) => Some(
                "`muster team show` tells who may do what here, `muster team list` in which other teams you are".into(),
            ),
            ReplicaError::Pointless { hint, .. } => Some((*hint).into()),
            ReplicaError::Damaged { .. } => {
                Some("`muster repair` puts aside what does not stand and makes the home usable again".into())
            }
            ReplicaError::ProofLost { .. } => Some(PROOF_HINT.into()),
            ReplicaError::Ticket(_) => Some("ask an admin of the team for a new ticket: `muster invite`".into()),
            ReplicaError::InTeam => Some(
                "there is nothing to do here: a ticket is for somebody else; `muster team show` tells who is in".into(),
            ),
            ReplicaError::Bundle(bundle) => Some(bundle.hint().into()),
            ReplicaError::NoSuchTeam(_) | ReplicaError::NoSuchIncident(_) => None,
        };
        Self { message: chain(&error), hint }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ReplicaError::from(error).into()
    }
}

/// How a proof comes back. Links bring what came after it, and no signature of what is here.
pub(crate) const PROOF_HINT: &str = "`muster up`: peers that hold what came after give the proof back with it; else `muster bundle read` a file that one of them wrote";

fn store_hint(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::InUse { .. } => {
            "another muster is using this home; wait for it, or stop its node with `muster down`"
        }
        StoreError::Newer { .. } => "use the newer muster that wrote it; nothing was touched",
        StoreError::ReadOnly { .. } => "make the home writable, or choose another with --home DIR",
        StoreError::Full { .. } => "free some space and say it again; what was logged before is safe",
        StoreError::Damaged { .. } => {
            "reading goes on, `muster verify` lists what is affected; `muster repair` makes the home writable again"
        }
        StoreError::NoJournal { .. } => {
            "nothing can be read here: put the home back from a copy, or begin in a new one (--home DIR) and join the team again"
        }
        StoreError::Unreadable { .. } => {
            "look who may read the file (it may belong to another user) and try again; else copy the home to a disk that \
             can be read"
        }
        StoreError::Poisoned => "the entry was not accepted; try again, and check the disk if it happens twice",
        StoreError::NoStore { .. } => "nothing was logged in this home yet; check --home",
        _ => return None,
    })
}

/// An error with its sources, once each.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
