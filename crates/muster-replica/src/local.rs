//! Local facts: what only this device knows, kept in the journal under text keys. Keys are built here and nowhere else.

use muster_log::{BodyHash, DeviceKey, EntryId, IncidentId, TeamId};

/// The team that new incidents are declared in: its id in hex.
pub(crate) const CURRENT_TEAM: &str = "team/current";

/// The incident that commands mean: its id in hex.
pub(crate) const CHOSEN_INCIDENT: &str = "use/incident";

/// Devices that are trusted to bring the roster of a team this device is joining: keys in text, one a line.
pub(crate) const SPONSORS: &str = "team/sponsors/";

/// Key of [`SPONSORS`] for one team.
pub(crate) fn sponsors(team: &TeamId) -> String {
    format!("{SPONSORS}{team}")
}

/// The request by which this device asks to join with a ticket, kept until it is answered, so that a second try sends
/// the same entry.
pub(crate) fn joining(invite: &EntryId) -> String {
    format!("joining/{invite}")
}

/// Teams that somebody made as teams, not by declaring alone: nothing in them comes along anywhere.
pub(crate) fn made_on_purpose(team: &TeamId) -> String {
    format!("team/made/{team}")
}

/// Teams of one whose incidents come along to a team that was joined.
pub(crate) const COMING: &str = "coming/";

/// Key of [`COMING`] for one team of one: the id of the team that was joined, in hex.
pub(crate) fn coming(from: &TeamId) -> String {
    format!("{COMING}{from}")
}

/// Where incidents declared alone went.
pub(crate) const CARRIED: &str = "carried/";

/// Key of [`CARRIED`] for one incident.
pub(crate) fn carried(incident: &IncidentId) -> String {
    format!("{CARRIED}{incident}")
}

/// When own entries came back from peers, which this home had lost: milliseconds since the Unix epoch, text.
pub(crate) const RESTORED: &str = "restored";

/// Saved addresses of devices.
pub(crate) const ADDRESSES: &str = "address/";

/// Key of [`ADDRESSES`] for one device: multiaddrs, one a line.
pub(crate) fn addresses(device: &DeviceKey) -> String {
    format!("{ADDRESSES}{device}")
}

/// How far incidents were seen.
pub(crate) const SEEN: &str = "seen/";

/// Key of how many entries of an incident were here when it was last marked as seen: a number.
pub(crate) fn seen(incident: &IncidentId) -> String {
    format!("{SEEN}{incident}")
}

/// Redacted bodies that are not here, of which what was put aside as damaged is still to be looked through. Value: nothing.
pub(crate) const SOUGHT: &str = "sought/";

/// Key of [`SOUGHT`] for one body.
pub(crate) fn sought(body: &BodyHash) -> String {
    format!("{SOUGHT}{body}")
}
