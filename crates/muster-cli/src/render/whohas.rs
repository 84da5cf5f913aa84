//! Who holds one entry, and of whom nobody knows.

use super::peers::end;
use super::wrap::wrapped;
use super::{Page, short};
use serde::Deserialize;

/// Holders of an entry.
#[derive(Debug, Deserialize)]
pub(crate) struct WhoHas {
    entry: String,
    holders: Vec<Device>,
    unknown: Vec<Device>,
    only_here: bool,
}

#[derive(Debug, Deserialize)]
struct Device {
    person: Option<String>,
    device: String,
}

impl Device {
    fn name(&self) -> String {
        format!("{} ({})", self.person.as_deref().unwrap_or("unknown"), end(&self.device))
    }
}

/// Draws who holds it.
pub(crate) fn show(who: &WhoHas, page: &Page) -> String {
    let names = |devices: &[Device]| devices.iter().map(Device::name).collect::<Vec<_>>().join(", ");
    let (held, all) = (who.holders.len(), who.holders.len() + who.unknown.len());
    let id = short(&who.entry);
    let mut drawn = wrapped("", 0, &format!("{id} is held by {held} of {all}: {}", names(&who.holders)));
    if who.only_here {
        drawn.push_str(&format!("{}\n", page.paint.red("ONLY ON THIS DEVICE: if it is lost, so is the entry")));
    }
    if !who.unknown.is_empty() {
        drawn.push_str(&wrapped("", 0, &format!("no word from: {}", names(&who.unknown))));
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
            "unknown": [{"person": "bob", "device": "12D3KooWbbbbbb"}, {"person": null, "device": "12D3KooWcccccc"}]}));
        insta::assert_snapshot!(fits(show(&who, &page())), @r"
        abababab is held by 1 of 3: alice (aaaaaa)
        ONLY ON THIS DEVICE: if it is lost, so is the entry
        no word from: bob (bbbbbb), unknown (cccccc)
        ");
    }
}
