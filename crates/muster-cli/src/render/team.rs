//! The team: its members, what each may do, their devices.

use super::peers::end;
use super::wrap::{column, wrapped};
use super::{Page, short};
use serde::Deserialize;

/// Columns of a name and of a capability.
const NAME_COLUMNS: usize = 20;
const CAPABILITY_COLUMNS: usize = 10;

/// The team; none at all before the first use.
#[derive(Debug, Deserialize)]
pub(crate) struct Team {
    team: Option<String>,
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    person: String,
    capability: Option<String>,
    devices: Vec<String>,
    #[serde(default)]
    me: bool,
}

/// Draws the team.
pub(crate) fn show(team: &Team, page: &Page) -> String {
    let Some(id) = &team.team else {
        return "no team yet: `muster declare` or `muster up` makes one, `muster join TICKET` joins one\n".into();
    };
    let mut drawn = format!("{}\n", page.paint.bold(&format!("team {}", short(id))));
    drawn.extend(team.members.iter().map(Member::draw));
    drawn
}

impl Member {
    fn draw(&self) -> String {
        let capability = self.capability.as_deref().unwrap_or("none");
        let devices: Vec<String> = self.devices.iter().map(|device| end(device)).collect();
        let head = format!("{}  {}  ", column(&self.person, NAME_COLUMNS), column(capability, CAPABILITY_COLUMNS));
        let me = if self.me { " (you)" } else { "" };
        wrapped(&head, NAME_COLUMNS + 2 + CAPABILITY_COLUMNS + 2, &format!("devices {}{me}", devices.join(", ")))
    }
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
        assert!(show(&from(json!({"team": null, "members": []})), &page()).contains("no team yet"));
    }
}
