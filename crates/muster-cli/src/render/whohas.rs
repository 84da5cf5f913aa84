//! Who holds one entry, and of whom nobody knows.

use super::peers::end;
use super::wrap::wrapped;
use super::{Page, short};
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;

/// Holders of an entry.
#[derive(Debug, Deserialize)]
pub(crate) struct WhoHas {
    entry: String,
    holders: Vec<Device>,
    unknown: Vec<Device>,
    /// The oldest word of anybody who is away and not known to hold it.
    as_of_ms: Option<i64>,
    only_here: bool,
}

#[derive(Debug, Deserialize)]
struct Device {
    person: Option<String>,
    device: String,
    last_heard_ms: Option<i64>,
    /// Whether it is in the team no more.
    #[serde(default)]
    removed: bool,
}

impl Device {
    fn name(&self) -> String {
        let removed = if self.removed { ", removed" } else { "" };
        format!("{} ({}{removed})", self.person.as_deref().unwrap_or("unknown"), end(&self.device))
    }
}

/// Draws who holds it.
pub(crate) fn show(who: &WhoHas, page: &Page) -> String {
    let names = |devices: &[Device]| devices.iter().map(Device::name).collect::<Vec<_>>().join(", ");
    let heard = |device: &Device| match device.last_heard_ms {
        Some(ms) => format!("{}, last heard {}", device.name(), when::ago(Timestamp(ms), page.now)),
        None => format!("{}, not heard yet", device.name()),
    };
    let as_of = who.as_of_ms.map(|ms| format!(" as of {}", when::ago(Timestamp(ms), page.now))).unwrap_or_default();
    let (held, all) = (who.holders.len(), who.holders.len() + who.unknown.len());
    let id = short(&who.entry);
    let mut drawn = wrapped("", 0, &format!("{id} is held by {held} of {all}{as_of}: {}", names(&who.holders)));
    if who.only_here {
        drawn.push_str(&format!("{}\n", page.paint.red("ONLY ON THIS DEVICE: if it is lost, so is the entry")));
    }
    if !who.unknown.is_empty() {
        drawn.push_str(&wrapped(
            "",
            0,
            &format!("no word from: {}", who.unknown.iter().map(heard).collect::<Vec<_>>().join("; ")),
        ));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_that_only_this_device_holds_says_so_in_words() {
        let who: WhoHas = from(json!({"entry": "ab".repeat(32), "only_here": true,
            "holders": [{"person": "alice", "device": "12D3KooWaaaaaa"}],
            "as_of_ms": 1_689_856_800_000_i64,
            "unknown": [{"person": "bob", "device": "12D3KooWbbbbbb", "last_heard_ms": 1_689_856_800_000_i64}, {"person": null, "device": "12D3KooWcccccc"}]}));
        insta::assert_snapshot!(fits(show(&who, &page())), @r"
        abababab is held by 1 of 3 as of 5 min ago: alice (aaaaaa)
        ONLY ON THIS DEVICE: if it is lost, so is the entry
        no word from: bob (bbbbbb), last heard 5 min ago; unknown (cccccc), not heard
        yet
        ");
        let gone: WhoHas = from(json!({"entry": "ab".repeat(32), "only_here": false, "as_of_ms": null, "unknown": [],
            "holders": [{"person": "bob", "device": "12D3KooWbbbbbb", "removed": true}]}));
        assert!(show(&gone, &page()).contains("bob (bbbbbb, removed)"));
    }
}
