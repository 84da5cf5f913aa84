//! The team: its members, what each may do, their devices.

use super::peers::end;
use super::wrap::{column, name_column, wrapped};
use super::{Page, short};
use muster_incident::printable;
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;

/// Columns of a name and of a capability.
const NAME_COLUMNS: usize = 20;
const CAPABILITY_COLUMNS: usize = 10;

/// The team; none at all before the first use.
#[derive(Debug, Deserialize)]
pub(crate) struct Team {
    team: Option<String>,
    #[serde(default)]
    name: Option<String>,
    members: Vec<Member>,
    #[serde(default)]
    rivals: Vec<Vec<String>>,
    #[serde(default)]
    removals: Vec<Removal>,
    #[serde(default)]
    recovery_keys: Vec<String>,
    #[serde(default)]
    open_tickets: u64,
    #[serde(default)]
    tickets: Vec<Ticket>,
}

/// A ticket that has not expired.
#[derive(Debug, Deserialize)]
struct Ticket {
    id: String,
    by: Option<String>,
    capability: String,
    incident: Option<String>,
    expires_ms: i64,
    used_by: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Removal {
    id: String,
    by: String,
    of: Vec<String>,
    devices: Vec<String>,
    what: String,
    state: String,
    seconds: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Member {
    person: String,
    capability: Option<String>,
    devices: Vec<String>,
    #[serde(default)]
    me: bool,
    /// The one incident of a guest.
    #[serde(default)]
    guest_of: Option<String>,
    #[serde(default)]
    looks_like: Vec<String>,
}

/// Draws the team.
pub(crate) fn show(team: &Team, page: &Page) -> String {
    let Some(id) = &team.team else {
        return "no team yet: `muster declare` or `muster up` makes one, `muster join TICKET` joins one\n".into();
    };
    let mut drawn = format!("{}\n", page.paint.bold(&format!("team {}{}", short(id), called(team.name.as_deref()))));
    drawn.extend(team.members.iter().map(Member::draw));
    for rivals in &team.rivals {
        let names = rivals.join(" and ");
        let text = format!(
            "{names} came with one ticket and are observers until `muster team confirm NAME` says who was meant"
        );
        drawn.push_str(&wrapped("TICKET USED TWICE  ", 19, &text));
    }
    drawn.extend(team.removals.iter().map(Removal::draw));
    drawn.extend(team.tickets.iter().map(|ticket| ticket.draw(page)));
    let listed = team.tickets.iter().filter(|ticket| ticket.used_by.is_none()).count() as u64;
    if team.open_tickets > listed {
        drawn.push_str(&format!("{} more open\n", plural(team.open_tickets - listed, "ticket")));
    }
    if !team.recovery_keys.is_empty() {
        drawn.push_str(&plural(team.recovery_keys.len() as u64, "offline recovery key"));
        drawn.push('\n');
    }
    drawn
}

/// A team's name behind its id.
fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" {}", printable(name))).unwrap_or_default()
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

impl Removal {
    fn draw(&self) -> String {
        let devices: Vec<String> = self.devices.iter().map(|device| end(device)).collect();
        let taken = match self.what.as_str() {
            "stolen" | "retired" => format!("{} {}", devices.join(", "), self.what),
            left => format!("only {left} since"),
        };
        let state = match self.state.as_str() {
            "needs-second" => format!(", WAITS for another admin: `muster team second {}`", short(&self.id)),
            "overruled" => ", overruled".to_owned(),
            _ if self.seconds.is_empty() => String::new(),
            _ => format!(" and {}", self.seconds.join(", ")),
        };
        wrapped("removal  ", 9, &format!("{} ({taken}), by {}{state}", self.of.join(", "), self.by))
    }
}

impl Ticket {
    fn draw(&self, page: &Page) -> String {
        let whom = match &self.incident {
            None => self.capability.clone(),
            Some(incident) if self.capability == "observer" => format!("guest in {}, as observer", short(incident)),
            Some(incident) => format!("guest in {}", short(incident)),
        };
        let by = self.by.as_deref().unwrap_or("somebody who is gone");
        let state = match &self.used_by {
            Some(person) => format!("used by {person}"),
            None => format!("OPEN until {}", when::human(Timestamp(self.expires_ms), page.now, &page.zone)),
        };
        wrapped("ticket   ", 9, &format!("{} by {by}, for one {whom}: {state}", short(&self.id)))
    }
}

/// One's own devices.
pub(crate) fn own_devices(team: &Team) -> String {
    let own = team.members.iter().find(|member| member.me);
    let Some(own) = own else { return "this device is in no team\n".into() };
    own.devices.iter().map(|device| format!("{}  {device}\n", end(device))).collect()
}

/// A device in short: the end, in which devices differ.
pub(crate) fn end_of(device: &str) -> String {
    end(device)
}

impl Member {
    fn draw(&self) -> String {
        let capability = self.capability.as_deref().unwrap_or("none");
        let devices: Vec<String> = self.devices.iter().map(|device| end(device)).collect();
        let head = format!("{}  {}  ", name_column(&self.person, NAME_COLUMNS), column(capability, CAPABILITY_COLUMNS));
        let me = if self.me { " (you)" } else { "" };
        let guest =
            self.guest_of.as_ref().map(|incident| format!(", guest in {}", short(incident))).unwrap_or_default();
        let alike = alike(&self.looks_like);
        wrapped(
            &head,
            NAME_COLUMNS + 2 + CAPABILITY_COLUMNS + 2,
            &format!("devices {}{me}{guest}{alike}", devices.join(", ")),
        )
    }
}

/// Whom somebody can be taken for, in words.
pub(super) fn alike(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", name LOOKS LIKE that of {}", names.join(", ")) }
}

/// One team of a home that may have several.
#[derive(Debug, Deserialize)]
pub(crate) struct Here {
    team: String,
    #[serde(default)]
    name: Option<String>,
    /// Whether this device is a guest's there.
    #[serde(default)]
    guest: bool,
    /// Whether this device was taken out of it.
    #[serde(default)]
    removed: bool,
    current: bool,
    members: Vec<String>,
    incidents: u64,
}

/// Draws all teams of a home.
pub(crate) fn list(teams: &[Here], page: &Page) -> String {
    if teams.is_empty() {
        return "no team yet: `muster declare` or `muster up` makes one, `muster join TICKET` joins one\n".into();
    }
    let draw = |here: &Here| {
        let (id, current) = (short(&here.team), if here.current { "current  " } else { "         " });
        let id = if here.current { page.paint.bold(id) } else { id.to_owned() };
        let (members, incidents) = (here.members.join(", "), here.incidents);
        let name = here.name.as_deref().map(|name| format!("{}: ", printable(name))).unwrap_or_default();
        let guest = match (here.removed, here.guest) {
            (true, _) => "; THIS DEVICE WAS REMOVED: what is here stays, nothing more comes",
            (_, true) => "; you are a guest",
            (_, false) => "",
        };
        wrapped(
            &format!("{id}  {current}"),
            19,
            &format!("{name}{members}; {incidents} {}{guest}", if incidents == 1 { "incident" } else { "incidents" }),
        )
    };
    teams.iter().map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_listed_with_what_they_may_do() {
        let team: Team = from(json!({"team": "7e".repeat(32), "members": [
            {"person": "alice", "id": "aa", "capability": "admin", "devices": ["12D3KooWaaaaaa"], "me": true},
            {"person": "bob", "id": "bb", "capability": null, "devices": ["12D3KooWbbbbbb", "12D3KooWcccccc"]},
        ]}));
        insta::assert_snapshot!(fits(show(&team, &page())), @r"
        team 7e7e7e7e
        alice                 admin       devices aaaaaa (you)
        bob                   none        devices bbbbbb, cccccc
        ");
        let alike: Team = from(json!({"team": "7e".repeat(32), "members": [
            {"person": "b\u{43e}b", "id": "aa", "capability": "responder", "devices": ["12D3KooWaaaaaa"], "looks_like": ["bob"]}]}));
        assert!(show(&alike, &page()).contains("LOOKS LIKE that of bob"));
        assert!(show(&from(json!({"team": null, "members": []})), &page()).contains("no team yet"));
    }

    #[test]
    fn tickets_are_listed_with_what_they_are_for_and_whether_they_are_open() {
        let team: Team = from(json!({"team": "7e".repeat(32), "members": [], "open_tickets": 3, "tickets": [
            {"id": "1a".repeat(32), "by": "alice", "capability": "responder", "incident": null,
             "expires_ms": 1_689_859_800_000_i64, "used_by": null},
            {"id": "2b".repeat(32), "by": null, "capability": "observer", "incident": "6c".repeat(32),
             "expires_ms": i64::MAX, "used_by": null},
            {"id": "3c".repeat(32), "by": "alice", "capability": "observer", "incident": null,
             "expires_ms": 1_689_859_800_000_i64, "used_by": "bob"},
        ]}));
        insta::assert_snapshot!(fits(show(&team, &page())), @r"
        team 7e7e7e7e
        ticket   1a1a1a1a by alice, for one responder: OPEN until 13:30
        ticket   2b2b2b2b by somebody who is gone, for one guest in 6c6c6c6c, as
                 observer: OPEN until out of range
        ticket   3c3c3c3c by alice, for one observer: used by bob
        1 ticket more open
        ");
    }

    #[test]
    fn the_current_one_of_several_teams_is_named_in_a_word() {
        let teams: Vec<Here> = from(json!([
            {"team": "7e".repeat(32), "current": false, "members": ["alice"], "capability": "admin", "incidents": 1},
            {"team": "8f".repeat(32), "current": true, "members": ["alice", "bob"], "capability": null, "incidents": 0},
            {"team": "9a".repeat(32), "name": "network", "guest": true, "current": false, "members": ["carol"], "incidents": 1},
            {"team": "ab".repeat(32), "current": false, "removed": true, "members": ["dave"], "incidents": 1},
        ]));
        insta::assert_snapshot!(fits(list(&teams, &page())), @r"
        7e7e7e7e           alice; 1 incident
        8f8f8f8f  current  alice, bob; 0 incidents
        9a9a9a9a           network: carol; 1 incident; you are a guest
        abababab           dave; 1 incident; THIS DEVICE WAS REMOVED: what is here
                           stays, nothing more comes
        ");
        assert!(list(&[], &page()).contains("no team yet"));
    }
}
