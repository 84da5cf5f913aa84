//! The board: all of now on one screen.

use super::actions::{self, Action};
use super::moment::{self, Moment, since};
use super::peers::{Peer, cut_names};
use super::roles::{self, Roles};
use super::status::{cut_line, local_lines};
use super::summary::{Summary, shortened};
use super::timeline::{self, Row};
use super::wrap::{lines, wrapped};
use super::{Page, WIDTH, short};
use serde::Deserialize;

/// Requests that are shown, the newest.
const REQUESTS_MAX: usize = 5;

/// Decisions that are shown, the newest.
const DECISIONS_MAX: usize = 3;

/// Lines that one of them takes at most.
const LISTED_LINES_MAX: usize = 2;

/// What the board shows of one incident.
#[derive(Debug, Deserialize)]
pub(crate) struct Board {
    summary: Summary,
    roles: Roles,
    actions: Vec<Action>,
    milestones: Vec<Milestone>,
    #[serde(default)]
    decisions: Vec<Row>,
    #[serde(default)]
    requests: Vec<Row>,
    last: Vec<Row>,
    peers: Vec<Peer>,
    cut: Vec<String>,
    #[serde(default)]
    only_here: usize,
    #[serde(default)]
    late: Vec<Row>,
    #[serde(default)]
    late_count: usize,
}

#[derive(Debug, Deserialize)]
struct Milestone {
    milestone: String,
    chosen: Option<String>,
    contested: bool,
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    #[serde(flatten)]
    moment: Moment,
}

/// Draws the board.
pub(crate) fn show(board: &Board, page: &Page) -> String {
    let mut drawn = head(board, page);
    let mut section = |title: &str, text: String| {
        if !text.is_empty() {
            drawn.push_str(&format!("\n{}\n{text}", page.paint.bold(title)));
        }
    };
    section("Roles", roles::show(&board.roles, page));
    section("Open actions", if board.actions.is_empty() { String::new() } else { actions::show(&board.actions, page) });
    section("Milestones", milestones(&board.milestones, page));
    section("Decisions", newest(&board.decisions, DECISIONS_MAX, page));
    section("Requests", newest(&board.requests, REQUESTS_MAX, page));
    let late = if board.late.is_empty() { String::new() } else { timeline::show(&board.late, page) };
    section(&format!("Arrived late ({}; `muster seen` when read)", board.late_count), late);
    section("Last entries", timeline::show(&board.last, page));
    section("Connected", connected(&board.peers, page));
    drawn
}

fn head(board: &Board, page: &Page) -> String {
    let summary = &board.summary;
    let mut drawn: String =
        lines(&shortened(&summary.title), WIDTH).iter().map(|line| page.paint.bold(line) + "\n").collect();
    let mut facts = summary.standing();
    if let Some(declared) = summary.declared_time.as_deref().and_then(moment::read) {
        facts.push(format!("since {} ({})", moment::day_and_clock(declared, page), since(declared, page)));
    }
    facts.push(format!("{} {}", short(&summary.incident), summary.slug));
    drawn.push_str(&wrapped("", 0, &facts.join(" · ")));
    if !board.cut.is_empty() {
        drawn.push_str(&cut_line(&cut_names(&board.cut, &board.peers), page));
    }
    if board.roles.values().any(roles::Role::is_contested) {
        drawn.push_str(&format!("{}\n", page.paint.red("CONTESTED: a role has two holders, see below")));
    }
    drawn.push_str(&local_lines(board.only_here, 0, board.peers.iter().all(|peer| peer.node)));
    for what in summary.to_settle() {
        let mark = "CONTESTED: ";
        drawn.push_str(&wrapped(&page.paint.red(mark), mark.len(), &what));
    }
    drawn
}

/// Each milestone with the claim that counts, or all claims while that is open.
fn milestones(milestones: &[Milestone], page: &Page) -> String {
    let told: Vec<String> = milestones.iter().map(|milestone| milestone.words(page)).collect();
    if told.is_empty() { String::new() } else { wrapped("", 0, &told.join(" · ")) }
}

impl Milestone {
    fn words(&self, page: &Page) -> String {
        let clock = |claim: &Claim| claim.moment.clock(page);
        let chosen = self.claims.iter().find(|claim| Some(&claim.id) == self.chosen.as_ref());
        let times = match chosen {
            Some(claim) => clock(claim),
            None => self.claims.iter().map(clock).collect::<Vec<_>>().join(" or "),
        };
        format!("{} {times}{}", self.milestone, if self.contested { " CONTESTED" } else { "" })
    }
}

fn newest(rows: &[Row], count: usize, page: &Page) -> String {
    let newest = rows.iter().skip(rows.len().saturating_sub(count));
    newest.flat_map(|row| row.brief(page).into_iter().take(LISTED_LINES_MAX)).map(|line| line + "\n").collect()
}

/// Who is there and who is not; with nobody else in the team, that.
fn connected(peers: &[Peer], page: &Page) -> String {
    if peers.is_empty() {
        return "nobody else is in the team yet\n".into();
    }
    if peers.iter().all(|peer| !peer.node) {
        let names: Vec<&str> = peers.iter().map(|peer| peer.person.as_str()).collect();
        return wrapped("", 0, &format!("nobody: no node is running here; NOT CONNECTED: {}", names.join(", ")));
    }
    let here: Vec<&str> = peers.iter().filter(|peer| peer.connected).map(|peer| peer.person.as_str()).collect();
    let away = peers.iter().filter(|peer| !peer.connected);
    let away: Vec<String> = away.map(|peer| format!("{} ({})", peer.person, peer.last_heard(page))).collect();
    let mut drawn = wrapped("", 0, &if here.is_empty() { "nobody".to_owned() } else { here.join(", ") });
    if !away.is_empty() {
        drawn.push_str(&wrapped("", 0, &format!("NOT CONNECTED: {}", away.join(", "))));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::super::timeline::tests::row;
    use super::super::{actions, peers, status};
    use super::*;
    use serde_json::{Value, json};

    fn sample() -> Value {
        let claim = |id: &str, time: &str| {
            json!({"id": id, "person": "bob", "event_time": format!("2023-07-20T{time}:00+00:00"), "event_end": null,
                "event_precision": "minute", "text": ""})
        };
        json!({
            "summary": status::tests::summary("7f", "Checkout is down"),
            "roles": {"incident-commander": {"holders": ["alice", "bob"], "contested": true, "offered": [],
                "holds": [{"person": "alice", "since": "2023-07-20T12:31:00+00:00", "entry": ""},
                          {"person": "bob", "since": "2023-07-20T12:40:00+00:00", "entry": ""}], "offers": []}},
            "actions": [actions::tests::sample()[0], actions::tests::sample()[1]],
            "milestones": [
                {"letter": "D", "milestone": "detected", "chosen": "1", "contested": false, "claims": [claim("1", "12:28")]},
                {"letter": "X", "milestone": "repaired", "chosen": null, "contested": true,
                 "claims": [claim("2", "12:30"), claim("3", "12:40")]}],
            "decisions": [row("4a1b2c3d", "12:34", "alice", "decision", "first"),
                          row("5a1b2c3d", "12:35", "alice", "decision", "we roll back"),
                          row("6a1b2c3d", "12:36", "bob", "decision", "no deploys"),
                          row("7a1b2c3d", "12:37", "alice", "decision", "tell the customers")],
            "requests": [row("9a1b2c3d", "12:33", "bob", "request", "somebody who knows the CDN, please call me")],
            "last": [row("0a1b2c3d", "12:31", "alice", "declare", "Checkout is down"),
                     row("1a1b2c3d", "12:32", "bob", "note", "looking at the CDN")],
            "people": ["alice", "bob"],
            "peers": peers::tests::sample(),
            "cut": [],
        })
    }

    #[test]
    fn the_board_shows_all_of_now() {
        insta::assert_snapshot!(fits(show(&from(sample()), &page())), @r"
        Checkout is down
        severity 1 · declared · since 12:31 (14 min) · 7f7f7f7f checkout-is-down
        CONTESTED: a role has two holders, see below

        Roles
        incident-commander    CONTESTED: alice (held 14 min), bob (held 5 min)
                              settle it: `muster role settle ic alice` or
                              `muster role settle ic bob`
        resolution-lead       nobody
        deputy                nobody

        Open actions
        a1a1a1a1  doing      alice: roll back (on api-gateway)
                             CLASHES with b2b2b2b2 on the same target
                             since 25 min, expected 10 min: how did it end?; undo:
                             deploy again; tested: nobody said
        b2b2b2b2  planned    bob: restart (on api-gateway)
                             CLASHES with a1a1a1a1 on the same target
                             since 1 min of 20 min; undo: nobody said; tested: staging

        Milestones
        detected 12:28 · repaired 12:30 or 12:40 CONTESTED

        Decisions
        5a1b2c3d  12:35  alice: we roll back
        6a1b2c3d  12:36  bob: no deploys
        7a1b2c3d  12:37  alice: tell the customers

        Requests
        9a1b2c3d  12:33  bob: somebody who knows the CDN, please call me

        Last entries
        Thursday 20 July 2023 (UTC+00:00)
        0a1b2c3d  12:31  alice  declared: Checkout is down
        1a1b2c3d  12:32  bob    looking at the CDN

        Connected
        bob, erin
        NOT CONNECTED: carol (last heard 5 min ago), dave (not heard since this node
        started)
        ");
    }

    #[test]
    fn cut_links_and_contested_registers_stand_at_the_top() {
        let mut board = sample();
        board["cut"] = json!(["everybody"]);
        board["summary"]["contested"] =
            json!(["incident-commander", "severity", "title", "phase", "milestone repaired"]);
        board["summary"]["severities"] = json!([1, null]);
        board["summary"]["titles"] = json!(["Checkout is down", "Payments fail"]);
        board["summary"]["phases"] = json!(["declared", "resolved"]);
        for part in ["actions", "milestones", "decisions", "requests", "last", "peers"] {
            board[part] = json!([]);
        }
        board["roles"] = json!({});
        insta::assert_snapshot!(fits(show(&from(board), &page())), @r"
        Checkout is down
        severity 1 · declared · since 12:31 (14 min) · 7f7f7f7f checkout-is-down
        LINKS ARE CUT to everybody by `muster net cut`; `muster net heal` undoes it
        CONTESTED: severity: 1 and unknown; settle it with `muster sev N`
        CONTESTED: title: Checkout is down and Payments fail; settle it with
                   `muster title TITLE`
        CONTESTED: phase: declared and resolved; settle it with `muster confirm`,
                   `dismiss`, `resolve` or `reopen`
        CONTESTED: milestone repaired

        Roles
        incident-commander    nobody
        resolution-lead       nobody
        deputy                nobody

        Last entries
        nothing is logged yet

        Connected
        nobody else is in the team yet
        ");
    }
}
