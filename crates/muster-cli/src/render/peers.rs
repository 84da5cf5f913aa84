//! The other members' nodes: who can be reached, who was last heard when, who lacks what.

use super::Page;
use super::wrap::{column, name_column, wrapped};
use muster_incident::printable;
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;

/// Columns of a name.
const NAME_COLUMNS: usize = 16;

/// Digits at the end of a device's id that tell it from others.
const DEVICE_DIGITS: usize = 6;

/// A device's id has some fifty letters; what is shorter is a word.
const DEVICE_ID_BYTES_MIN: usize = 40;

/// How far a clock may be off before it is said, in milliseconds.
const CLOCK_OFF_MS: u64 = 2_000;

/// How far a clock may be off before it is a warning, in milliseconds: times in the timeline can no longer be compared.
const CLOCK_BAD_MS: u64 = 60_000;

/// One device of a member.
#[derive(Debug, Deserialize)]
pub(crate) struct Peer {
    #[serde(default)]
    team: String,
    pub(super) person: String,
    device: String,
    pub(super) connected: bool,
    #[serde(default)]
    path: Option<String>,
    last_heard_ms: Option<i64>,
    missing_here: Option<u64>,
    missing_there: Option<u64>,
    clock_offset_ms: Option<i64>,
    /// Whether a node is running here, which alone hears of others.
    #[serde(default = "yes")]
    pub(super) node: bool,
    #[serde(default)]
    cut: bool,
    /// Whether it answers and does not let this device sync.
    #[serde(default)]
    refuses: bool,
    #[serde(default)]
    looks_like: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Draws all peers.
pub(crate) fn show(peers: &[Peer], page: &Page) -> String {
    if peers.is_empty() {
        return "no other devices; `muster invite` makes a ticket for somebody\n".into();
    }
    let is_one = peers.iter().all(|peer| peer.team == peers[0].team);
    let mut drawn = String::new();
    for team in peers.chunk_by(|one, other| one.team == other.team) {
        if !is_one {
            drawn.push_str(&page.paint.bold(&format!("team {}", printable(&team[0].team))));
            drawn.push('\n');
        }
        drawn.extend(team.iter().map(|peer| peer.draw(page)));
    }
    drawn
}

impl Peer {
    fn draw(&self, page: &Page) -> String {
        let columns = NAME_COLUMNS + 2 + DEVICE_DIGITS + 2;
        let head =
            format!("{}  {}  ", name_column(&self.person, NAME_COLUMNS), column(&end(&self.device), DEVICE_DIGITS));
        let drawn = wrapped(&head, columns, &self.words(page));
        if self.cut { page.paint.red(&drawn) } else { drawn }
    }

    fn words(&self, page: &Page) -> String {
        let mut words = vec![match (self.cut, self.connected) {
            (true, _) => "link CUT by `muster net cut`".to_owned(),
            (_, true) if self.path.as_deref() == Some("relayed") => "connected through another member".to_owned(),
            (_, true) => "connected".to_owned(),
            (_, false) if self.refuses => "NOT CONNECTED: it does not take this device for a member".to_owned(),
            (_, false) => "NOT CONNECTED".to_owned(),
        }];
        if !self.connected {
            words.push(self.last_heard(page));
        }
        words.push(match self.missing_there {
            Some(0) if self.connected => "has all we have".to_owned(),
            Some(0) => "had all we have".to_owned(),
            Some(count) if self.connected => format!("lacks {count} of ours"),
            Some(count) => format!("{count} of ours not known to be there"),
            None if !self.node => "what it has is heard with `muster up`".to_owned(),
            None => "no word yet of what it has".to_owned(),
        });
        words.extend(self.missing_here.filter(|count| *count > 0).map(|count| format!("by its word we lack {count}")));
        if let Some(offset) = self.clock_offset_ms.filter(|offset| offset.unsigned_abs() >= CLOCK_OFF_MS) {
            let side = if offset > 0 { "ahead" } else { "behind" };
            let seconds = offset.unsigned_abs() / 1_000;
            words.push(match offset.unsigned_abs() >= CLOCK_BAD_MS {
                true => format!("ITS CLOCK IS {seconds} s {side}: its times mislead"),
                false => format!("its clock is {seconds} s {side}"),
            });
        }
        words.join(", ") + &super::team::alike(&self.looks_like)
    }

    /// When it was last heard, in words.
    pub(super) fn last_heard(&self, page: &Page) -> String {
        match self.last_heard_ms {
            Some(ms) => format!("last heard {}", when::ago(Timestamp(ms), page.now)),
            None if !self.node => "no node is running here".into(),
            None => "not heard since this node started".into(),
        }
    }
}

/// Whom links are cut to, in names where they are known.
pub(crate) fn cut_names(cut: &[String], peers: &[Peer]) -> String {
    let name = |whom: &String| match peers.iter().find(|peer| peer.device == *whom) {
        Some(peer) => format!("{} ({})", peer.person, end(whom)),
        None if whom.len() > DEVICE_ID_BYTES_MIN => format!("device {}", end(whom)),
        None => whom.clone(),
    };
    cut.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The last digits of a device's id: the first are alike for all.
pub(super) fn end(device: &str) -> String {
    let digits: Vec<char> = device.chars().collect();
    digits[digits.len().saturating_sub(DEVICE_DIGITS)..].iter().collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    /// A peer in each state.
    pub(in crate::render) fn sample() -> Value {
        json!([
            {"person": "bob", "device": "12D3KooWbbbbbb", "connected": true, "last_heard_ms": 1_689_857_099_000_i64,
             "missing_here": 0, "missing_there": 0, "clock_offset_ms": -3_500, "cut": false},
            {"person": "erin", "device": "12D3KooWeeeeee", "connected": true, "last_heard_ms": 1_689_857_099_000_i64,
             "missing_here": 0, "missing_there": null, "clock_offset_ms": 300_000, "cut": false},
            {"person": "carol", "device": "12D3KooWcccccc", "connected": false, "last_heard_ms": 1_689_856_800_000_i64,
             "missing_here": 2, "missing_there": 7, "clock_offset_ms": null, "cut": true},
            {"person": "dave", "device": "12D3KooWdddddd", "connected": false, "last_heard_ms": null,
             "missing_here": null, "missing_there": null},
        ])
    }

    #[test]
    fn cut_links_are_named_by_person_where_that_is_known() {
        let peers: Vec<Peer> = from(sample());
        let cut = ["everybody".to_owned(), "12D3KooWbbbbbb".to_owned(), "12D3KooW".repeat(6) + "uvwxyz"];
        assert_eq!(cut_names(&cut, &peers), "everybody, bob (bbbbbb), device uvwxyz");
    }

    #[test]
    fn peers_of_several_teams_stand_each_under_their_team() {
        let mut peers = sample();
        for (peer, team) in [(0, "database"), (1, "database"), (2, "network"), (3, "network")] {
            peers[peer]["team"] = json!(team);
        }
        let drawn = fits(show(&from::<Vec<Peer>>(peers), &page()));
        let heads: Vec<&str> = drawn.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        let heads: Vec<&str> = heads.into_iter().filter(|word| !word.is_empty()).collect();
        assert_eq!(heads, ["team", "bob", "erin", "team", "carol", "dave"]);
        assert!(drawn.starts_with("team database\n") && drawn.contains("\nteam network\n"));
    }

    #[test]
    fn every_peer_says_whether_it_is_reached_and_what_is_missing() {
        let peers: Vec<Peer> = from(sample());
        insta::assert_snapshot!(fits(show(&peers, &page())), @r"
        bob               bbbbbb  connected, has all we have, its clock is 3 s behind
        erin              eeeeee  connected, no word yet of what it has, ITS CLOCK IS
                                  300 s ahead: its times mislead
        carol             cccccc  link CUT by `muster net cut`, last heard 5 min ago, 7
                                  of ours not known to be there, by its word we lack 2
        dave              dddddd  NOT CONNECTED, not heard since this node started, no
                                  word yet of what it has
        ");
        assert!(show(&[], &page()).contains("muster invite"));
        let mut alone = sample()[3].clone();
        alone["node"] = json!(false);
        insta::assert_snapshot!(fits(show(&from::<Vec<Peer>>(json!([alone])), &page())), @r"
        dave              dddddd  NOT CONNECTED, no node is running here, what it has is
                                  heard with `muster up`
        ");
    }
}
