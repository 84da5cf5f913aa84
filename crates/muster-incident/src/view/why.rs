//! Why an entry has no effect, with names, and in words.
//!
//! Found in `muster-log`; whoever draws it has made texts of names and times.

use crate::People;
use muster_log::fact::RevokeMode;
use muster_log::{Reason, Removal, Taken};
use serde::{Deserialize, Serialize};

/// Reasons that words name; the rest is counted.
const TOLD_MAX: usize = 2;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Why {
    /// A removal.
    Removal {
        /// The roster's entry.
        removal: String,
        /// Who wrote it; null of a recovery key.
        by: Option<String>,
        /// Whom it takes something from.
        of: Vec<String>,
        /// `stolen` or `retired`; of somebody who is left with less, what is left: `responder`, `observer`.
        what: String,
        /// When, by the clock of whoever wrote it: milliseconds since 1970.
        recorded_ms: i64,
    },
    /// Something that was written under the same number in its log, or in that of a roster's entry on which it rests.
    Fork {
        /// The other entry.
        fork: String,
    },
}

/// Reasons with names.
pub(super) fn whys(people: &People, reasons: &[Reason]) -> Vec<Why> {
    let why = |reason: &Reason| match reason {
        Reason::Fork(entry) => Why::Fork { fork: entry.to_string() },
        Reason::Removal { removal: Removal { id, by, by_recovery, of, taken, .. }, recorded } => Why::Removal {
            removal: id.to_string(),
            by: (!by_recovery).then(|| people.name(by)),
            of: of.iter().map(|person| people.name(person)).collect(),
            what: match taken {
                Taken::Devices { mode: RevokeMode::Compromise, .. } => "stolen",
                Taken::Devices { mode: RevokeMode::Retire, .. } => "retired",
                Taken::Capability { left, .. } => left.word(),
            }
            .to_owned(),
            recorded_ms: recorded.0,
        },
    };
    reasons.iter().map(why).collect()
}

/// A status that is not active with its reasons, the status in capitals: `REVOKED by alice's removal of bob (stolen), 20 Jul
/// 12:40`. `name` draws a name and `time` a time in milliseconds since 1970.
pub fn status_words(status: &str, why: &[Why], name: impl Fn(&str) -> String, time: impl Fn(i64) -> String) -> String {
    let words = |why: &Why| match why {
        Why::Fork { fork } => {
            let fork = fork.get(..8).unwrap_or(fork);
            if status == "forked" { format!("with {fork}") } else { format!("by a fork in the team, {fork}") }
        }
        Why::Removal { by, of, what, recorded_ms, .. } => {
            let by = by.as_deref().map_or_else(|| "a recovery key".to_owned(), &name);
            let of: Vec<String> = of.iter().map(|of| name(of)).collect();
            let of = if of.is_empty() { "a device".to_owned() } else { of.join(" and ") };
            let deed = match what.as_str() {
                "stolen" | "retired" => format!("removal of {of} ({what})"),
                left => format!("lowering of {of} to {left}"),
            };
            format!("by {by}'s {deed}, {}", time(*recorded_ms))
        }
    };
    let mut said: Vec<String> = why.iter().take(TOLD_MAX).map(words).collect();
    said.extend(why.len().checked_sub(TOLD_MAX).filter(|more| *more > 0).map(|more| format!("{more} more")));
    [status.to_uppercase(), said.join(" and ")].join(" ").trim_end().to_owned()
}
