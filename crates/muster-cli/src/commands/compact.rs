//! `muster compact [INCIDENT...]`: what is over takes a fraction of the room.

use crate::output;
use crate::problem::Problem;
use crate::progress::Bar;
use crate::session::Session;
use muster_node::client;
use muster_node::compact::{Account, compact};
use muster_node::request::Failure;

/// What `compact` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Compact {
    /// Ids, prefixes or slugs, of open incidents too; none: all closed incidents
    #[arg(value_name = "INCIDENT")]
    incidents: Vec<String>,
}

/// Carries it out.
pub(crate) fn run(command: &Compact, session: &mut Session) -> Result<(), Problem> {
    let incidents: Vec<String> = command.incidents.iter().chain(&session.setting.incident).cloned().collect();
    let is_all = incidents.is_empty();
    let mut bar = Bar::new("entries");
    let mut client = client::open(&session.setup)?;
    let account = compact(&mut client, incidents, &mut |done, of| bar.show(done, Some(of)))?;
    bar.end();
    if session.json {
        let value = serde_json::to_value(&account).map_err(|error| Failure::new(error.to_string()))?;
        return output::print_json(&value);
    }
    output::print(&told(&account, is_all))
}

/// The account in words.
fn told(account: &Account, is_all: bool) -> String {
    let Account { incidents, entries, bytes_before, bytes_after } = account;
    match (bytes_before, bytes_after) {
        (Some(before), Some(after)) => {
            let (entries, incidents) = (counted(*entries, "entry", "entries"), counted_incidents(*incidents));
            format!("compacted {entries} of {incidents}: the log took {}, now {}\n", size(*before), size(*after))
        }
        _ if is_all && *incidents == 0 => "nothing to compact: no incident is closed\n".into(),
        _ => format!("nothing to compact: all of {} is packed already\n", counted_incidents(*incidents)),
    }
}

fn counted_incidents(n: usize) -> String {
    counted(n as u64, "incident", "incidents")
}

fn counted(n: u64, one: &str, several: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {several}") }
}

/// Bytes for people, in powers of ten.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        0.0..1e3 => format!("{bytes} bytes"),
        1e3..1e6 => format!("{:.1} kB", bytes / 1e3),
        1e6..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_told_in_words() {
        let account = |incidents, entries, before, after| Account {
            incidents,
            entries,
            bytes_before: before,
            bytes_after: after,
        };
        let done = account(2, 10_000, Some(6_900_000), Some(812));
        assert_eq!(told(&done, true), "compacted 10000 entries of 2 incidents: the log took 6.9 MB, now 812 bytes\n");
        let one = account(1, 1, Some(1_999), Some(1_500));
        assert_eq!(told(&one, false), "compacted 1 entry of 1 incident: the log took 2.0 kB, now 1.5 kB\n");
        assert_eq!(told(&account(0, 0, None, None), true), "nothing to compact: no incident is closed\n");
        let again = account(3, 0, None, None);
        assert_eq!(told(&again, true), "nothing to compact: all of 3 incidents is packed already\n");
    }
}
