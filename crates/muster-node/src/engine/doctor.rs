//! What the store and the links tell about readiness: one check each. Files are looked at in [`crate::doctor`], teams and
//! their devices in [`teams`].

mod teams;

use super::Engine;
use crate::doctor::{Check, Inside};
use crate::request::Failure;
use muster_log::Timestamp;
use muster_replica::{OnlyHere, Peer};
use muster_store::{IndexReport, OpenReport, Storage};
use serde_json::{Value, json};
use std::path::Path;

/// How far clocks may differ before it is said: whoever reads a timeline of two people begins to wonder.
const CLOCK_NOTE_MS: u64 = 2_000;

/// How far clocks may differ before it is bad: the minutes of a timeline are wrong.
const CLOCK_BAD_MS: u64 = 60_000;

/// How to be reachable from elsewhere by TCP and QUIC; one multiaddr would be one of them alone.
const LISTEN_EVERYWHERE: &str = "muster up --listen 0.0.0.0:0";

impl<S: Storage> Engine<S> {
    pub(crate) fn doctor(&mut self) -> Result<Value, Failure> {
        serde_json::to_value(self.inside()?).map_err(|error| Failure::new(error.to_string()))
    }

    /// Everything that can be told from within.
    pub(crate) fn inside(&mut self) -> Result<Inside, Failure> {
        let mut report = self.around.report.clone();
        report.entries = self.entries()?;
        let mut checks = vec![store_check(&report, &Path::new(&self.around.home).join("store"))];
        checks.extend(self.lost_check()?);
        checks.extend(self.proof_check());
        checks.extend(self.redacted_check()?);
        checks.push(self.node_check());
        checks.extend(self.restored_check()?);
        match self.replica.current_team()? {
            None => checks.push(Check::warn(
                "team",
                "there is no team yet: whoever declares first makes one",
                "`muster declare \"what is wrong\"`, or `muster join TICKET` with a ticket of your team",
            )),
            Some(team) => self.check_teams(team, &mut checks)?,
        }
        Ok(Inside { device: self.replica.device().to_string(), is_known: self.is_known()?, checks })
    }

    /// Entries on this device now, of all teams.
    fn entries(&self) -> Result<u64, Failure> {
        let teams = self.replica.teams();
        let counts: Result<Vec<usize>, Failure> =
            teams.iter().map(|team| Ok(self.replica.ledger(team)?.len())).collect();
        Ok(counts?.into_iter().sum::<usize>() as u64)
    }

    /// Whether the store's teams know this device, or it is just joining one.
    fn is_known(&self) -> Result<bool, Failure> {
        let mut known = self.replica.teams().is_empty();
        for team in self.replica.teams() {
            // Whoever was removed is known by that, and by what they wrote.
            known |= self.replica.person_in(&team).is_some()
                || self.replica.was_removed_from(&team)
                || self.replica.ledger(&team)?.roster().members().is_empty();
        }
        Ok(known)
    }

    fn node_check(&self) -> Check {
        let listening = &self.around.listening;
        let only_loopback = listening.iter().all(|addr| addr.starts_with("/ip4/127.") || addr.starts_with("/ip6/::1/"));
        if !self.around.is_node {
            Check::warn("node", "no node is running: what is written here stays on this device", "`muster up`")
        } else if listening.is_empty() {
            Check::bad(
                "node",
                "the node runs and listens nowhere",
                format!("`muster down`, then `{LISTEN_EVERYWHERE}`"),
            )
        } else if only_loopback {
            let next = format!("`muster down`, then `{LISTEN_EVERYWHERE}`; or take `listen` out of config.toml");
            Check::warn("node", "the node listens for programs on this machine alone", next)
        } else {
            Check::ok("node", format!("running, listens on {}", listening.join(", ")))
        }
        .with(json!({ "running": self.around.is_node, "listening": listening }))
    }

    /// Said only where this device had entries that it has no more.
    fn lost_check(&self) -> Result<Option<Check>, Failure> {
        let Some(lost) = self.replica.store().lost()? else { return Ok(None) };
        let since = self.rfc3339(Timestamp(lost.since_ms));
        let text = format!("{} that this device had are gone since {since}", lost_entries(lost));
        let next = if lost.missing > 0 {
            "`muster up`: peers that hold them give them back, or `muster bundle read` a file that one of them wrote; \
             `muster repair --accept-loss` if nobody does"
        } else {
            "`muster up`, and look whether the incidents are whole again; then `muster repair --accept-loss`, for which \
             entries they were is not known"
        };
        let detail = json!({ "missing": lost.missing, "unnamed": lost.unnamed, "since_ms": lost.since_ms });
        Ok(Some(Check::bad("lost", text, next).with(detail)))
    }

    /// Said only where entries stand here that can be proven to nobody else.
    fn proof_check(&self) -> Option<Check> {
        let count = self.replica.proofs_lost() as u64;
        let text = || {
            let (stand, their) =
                (plural(count, "entry stands", "entries stand"), if count == 1 { "its" } else { "their" });
            format!("{stand} here and {their} proof is lost: exports for an auditor leave out what builds on that")
        };
        let detail = json!({ "entries": count });
        (count > 0).then(|| Check::warn("proof", text(), super::failure::PROOF_HINT).with(detail))
    }

    /// Said only where redacted texts are still on the disk.
    fn redacted_check(&self) -> Result<Option<Check>, Failure> {
        let unerased = self.replica.unerased(self.now())?;
        let detail = json!({
            "due": unerased.due, "waiting": unerased.waiting, "next_ms": unerased.next.map(|next| next.0),
        });
        let check = if unerased.due > 0 {
            Check::bad(
                "redacted",
                format!(
                    "{} hidden and still on this disk",
                    plural(unerased.due as u64, "redacted text is", "redacted texts are")
                ),
                "make room, as much as the store takes: a node erases them by itself, else the next command that writes",
            )
        } else if let Some(next) = unerased.next {
            let texts =
                plural(unerased.waiting as u64, "text that one admin redacted is", "texts that one admin redacted are");
            Check::warn(
                "redacted",
                format!("{texts} hidden, and the first is erased at {}", self.rfc3339(next)),
                "a second admin can erase it now: `muster redact ID --reason TEXT`; if the first is an impostor: `muster team revoke`",
            )
        } else {
            return Ok(None);
        };
        Ok(Some(check.with(detail)))
    }

    /// Said only where there is something to say.
    fn restored_check(&self) -> Result<Option<Check>, Failure> {
        let (seen, restored) = (self.replica.came_back(), self.replica.restored()?);
        let detail = json!({ "entries": seen.entries, "elsewhere": seen.elsewhere, "at_ms": restored.map(|at| at.0) });
        let check = if seen.elsewhere > 0 {
            Check::bad(
                "twice",
                format!(
                    "this home runs twice: {} signed with this device's key, not by this node",
                    plural(seen.elsewhere, "entry was", "entries were")
                ),
                "stop one of the two; there, begin in a new home (`--home DIR`) and `muster join TICKET`",
            )
        } else if let Some(at) = restored {
            let text = format!("restored from a copy: on {} peers gave back what it lacked", self.rfc3339(at));
            Check::ok("restored", text)
        } else {
            return Ok(None);
        };
        Ok(Some(check.with(detail)))
    }
}

/// How many entries are gone, and how many of them nobody can name.
pub(crate) fn lost_entries(lost: muster_store::Lost) -> String {
    let packed = |n| format!("{} of a packed part that cannot be read", plural(n, "entry", "entries"));
    match (lost.missing, lost.unnamed) {
        (missing, 0) => plural(missing, "entry", "entries"),
        (0, unnamed) => packed(unnamed),
        (missing, unnamed) => format!("{} and {}", plural(missing, "entry", "entries"), packed(unnamed)),
    }
}

/// The store as it was opened.
pub(crate) fn store_check(report: &OpenReport, store: &Path) -> Check {
    let quarantined = quarantined(store);
    let next = format!("look at `{}`; what lies in quarantine may be deleted then", store.display());
    let check = if let Some(damage) = report.damage.first() {
        Check::bad(
            "store",
            format!("{} is damaged at offset {}: {}", damage.segment.display(), damage.offset, damage.what),
            "`muster verify` lists what is affected, `muster repair` makes the home usable again; peers give back the rest",
        )
    } else if let IndexReport::Rebuilt { reason, .. } = &report.index {
        Check::warn("store", format!("whole; its index was damaged ({reason}) and was built again"), next)
    } else if let Some(torn) = &report.torn {
        let text = format!("whole but for {} bytes at the end of the journal", torn.bytes);
        let next = "the next command that writes cuts them off; should they be of something that was acknowledged, it says \
                    that instead and asks for `muster repair`";
        Check::warn("store", text, next)
    } else if report.full {
        Check::bad(
            "store",
            "opened on a full disk: writing is refused",
            "free some space; writing goes on by itself then",
        )
    } else if quarantined > 0 {
        Check::warn(
            "store",
            format!(
                "whole; {} something was put in quarantine",
                if quarantined == 1 { "once".to_owned() } else { format!("{quarantined} times") }
            ),
            next,
        )
    } else {
        Check::ok("store", format!("whole, {}", plural(report.entries, "entry", "entries")))
    };
    check.with(json!({
        "entries": report.entries,
        "torn_bytes": report.torn.as_ref().map(|torn| torn.bytes),
        "damaged_places": report.damage.len(),
        "index_rebuilt": matches!(report.index, IndexReport::Rebuilt { .. }),
        "quarantined": quarantined,
    }))
}

fn quarantined(store: &Path) -> usize {
    let names = std::fs::read_dir(store).into_iter().flatten().flatten();
    names.filter(|item| item.file_name().to_string_lossy().starts_with("quarantine-")).count()
}

/// The own clock against the others'. The middle one of their differences is ours, sides counted: one clock that is off
/// is its owner's, and where others are early and late alike ours is between them.
fn clock_check(peers: &[Peer]) -> Check {
    let offsets: Vec<(i64, &str)> =
        peers.iter().filter_map(|peer| Some((peer.clock_offset_ms?, peer.person.as_str()))).collect();
    let mut sorted: Vec<i64> = offsets.iter().map(|(ms, _)| *ms).collect();
    sorted.sort_unstable();
    let middle = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2));
    let (Some(low), Some(high)) = middle else {
        return Check::warn(
            "clock",
            "nobody to compare with",
            "`muster up`, and look again when somebody is connected",
        )
        .with(json!({ "peers": 0, "offset_ms": null, "worst_ms": null }));
    };
    // Of an even number there are two: whatever lies between them is as good, so we are as right as can be.
    let signed = 0.clamp(*low, *high);
    let own = signed.unsigned_abs();
    let (worst_signed, whose) = offsets.iter().copied().max_by_key(|(ms, _)| ms.unsigned_abs()).unwrap_or_default();
    let worst = worst_signed.unsigned_abs();
    let told = |ms: u64| if ms < 120_000 { format!("{} s", ms / 1_000) } else { format!("{} min", ms / 60_000) };
    let side = |theirs: i64| if theirs > 0 { "behind" } else { "ahead of" };
    let next = "set this machine's clock, as `timedatectl set-ntp true` does where there is internet";
    let check = if own > CLOCK_BAD_MS {
        Check::bad("clock", format!("this clock is {} {} the others'", told(own), side(signed)), next)
    } else if own > CLOCK_NOTE_MS {
        Check::warn("clock", format!("this clock is {} {} the others'", told(own), side(signed)), next)
    } else if worst > CLOCK_NOTE_MS {
        let text = format!("agrees with most; it is {} {} {whose}'s", told(worst), side(worst_signed));
        Check::warn("clock", text, format!("tell {whose} to look at their clock"))
    } else {
        let others = if offsets.len() == 1 { "the other".to_owned() } else { format!("{} others", offsets.len()) };
        Check::ok("clock", format!("within {CLOCK_NOTE_MS} ms of {others}"))
    };
    check.with(json!({ "peers": offsets.len(), "offset_ms": signed, "worst_ms": worst_signed }))
}

fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What would be lost if this device died now.
fn copies_check(counted: OnlyHere, is_node: bool) -> Check {
    let OnlyHere { entries, only_here, others, silent, alone } = counted;
    let lost = plural(only_here as u64, "entry", "entries");
    let check = if only_here == 0 {
        Check::ok(
            "copies",
            match entries {
                1 => "the only entry is on another device too".to_owned(),
                _ => format!("each of the {entries} entries is on another device too"),
            },
        )
    } else if others == 0 {
        let next = "`muster invite` somebody whose device keeps a copy; until then copy the home";
        Check::warn("copies", format!("{lost} would be lost if this device died now: nobody else has them"), next)
    } else if alone > 0 {
        let (alone, whose) = (plural(alone as u64, "entry", "entries"), "of a team in which nobody else is");
        let text =
            format!("{alone} {whose} would be lost if this device died now; of all {lost} no other copy is known");
        let next =
            "`muster team list`, `muster team use` that team and `muster invite` somebody; until then copy the home";
        Check::warn("copies", text, next)
    } else if silent > 0 && !is_node {
        // What others hold is news that a running node hears and keeps in memory.
        let text = format!("{lost} may be on this device alone: unknown, no node is running here that would hear it");
        Check::warn("copies", text, "`muster up`, and look again when members are connected")
    } else if silent > 0 {
        let text = format!(
            "{lost} may be on this device alone: unknown, {silent} of {} not said what they hold",
            plural(others as u64, "device has", "devices have")
        );
        Check::warn(
            "copies",
            text,
            "leave the node up, and look again when they are connected; `muster peers` tells who",
        )
    } else {
        let text = format!("{lost} would be lost if this device died now");
        Check::warn("copies", text, "leave the node up until a member is connected; `muster peers` tells who")
    };
    check.with(json!({ "entries": entries, "only_here": only_here, "devices": others, "devices_silent": silent, "alone": alone }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;
    use muster_log::DeviceKey;

    fn peer(person: &str, clock_offset_ms: Option<i64>) -> Peer {
        Peer {
            person: person.into(),
            device: DeviceKey::from_bytes([7; 32]),
            connected: true,
            last_heard: None,
            clock_offset_ms,
            missing_here: None,
            missing_there: None,
        }
    }

    #[track_caller]
    fn check(offsets: &[(&str, Option<i64>)], state: State, words: &str) {
        let peers: Vec<Peer> = offsets.iter().map(|(person, ms)| peer(person, *ms)).collect();
        let check = clock_check(&peers);
        assert_eq!(check.state, state, "{offsets:?}: {}", check.text);
        assert!(check.text.contains(words), "{}", check.text);
        assert_eq!(check.next.is_some(), state != State::Ok);
    }

    #[test]
    fn a_clock_is_judged_by_the_middle_one_of_its_peers() {
        check(&[], State::Warn, "nobody to compare with");
        check(&[("bob", None)], State::Warn, "nobody to compare with");
        check(&[("bob", Some(-2_000))], State::Ok, "of the other");
        let early_and_late = [("bob", Some(-120_000)), ("carol", Some(120_000)), ("dave", Some(0))];
        check(&early_and_late, State::Warn, "agrees with most; it is 2 min");
        check(&early_and_late[..2], State::Warn, "agrees with most; it is 2 min");
        check(&[("bob", Some(2_001))], State::Warn, "2 s behind the others'");
        check(&[("bob", Some(-60_000))], State::Warn, "60 s ahead of the others'");
        check(&[("bob", Some(60_001))], State::Bad, "60 s behind the others'");
        check(&[("bob", Some(i64::MIN))], State::Bad, "min ahead of the others'");
        let one_is_off = [("bob", Some(3)), ("carol", Some(90_000)), ("dave", Some(-5))];
        check(&one_is_off, State::Warn, "90 s behind carol's");
        let we_are_off = [("bob", Some(90_000)), ("carol", Some(91_000)), ("dave", Some(2))];
        check(&we_are_off, State::Bad, "90 s behind the others'");
    }

    #[test]
    fn what_may_be_elsewhere_is_not_called_lost() {
        let counted = |only_here, others, silent| OnlyHere { entries: 9, only_here, others, silent, alone: 0 };
        let told = |counted| copies_check(counted, true).text;
        assert!(told(counted(3, 2, 0)).contains("3 entries would be lost"));
        assert!(told(counted(1, 2, 1)).contains("unknown, 1 of 2 devices"));
        assert!(told(counted(9, 0, 0)).contains("nobody else has them"));
        let with_a_team_of_one = counted(3, 1, 1).and(OnlyHere { alone: 2, ..counted(2, 0, 0) });
        assert!(told(with_a_team_of_one).contains("2 entries of a team in which nobody else is would be lost"));
        assert_eq!(copies_check(counted(0, 2, 2), true).state, State::Ok);
        let next = |is_node| copies_check(counted(1, 2, 1), is_node).next.unwrap();
        assert!(next(false).contains("muster up") && !next(true).contains("muster up"));
        assert!(copies_check(counted(1, 2, 1), false).text.contains("no node is running here"));
    }
}
