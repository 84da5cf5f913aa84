//! `muster repair`: a home whose journal is damaged becomes usable again.

use crate::output;
use crate::problem::Problem;
use crate::session::Session;
use muster_node::repair::{Account, accept_loss, repair};
use muster_node::request::Failure;

/// What `repair` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Repair {
    /// Say that what this device lost will not come back: nothing warns of it any more
    #[arg(long)]
    accept_loss: bool,
}

/// Carries it out.
pub(crate) fn run(command: &Repair, session: &Session) -> Result<(), Problem> {
    if command.accept_loss {
        accept_loss(&session.setup)?;
        return match session.json {
            true => output::print_json(&serde_json::json!({ "accepted": true })),
            false => output::print("noted: what this device lost will not come back\n"),
        };
    }
    let account = repair(&session.setup)?;
    if session.json {
        let value = serde_json::to_value(&account).map_err(|error| Failure::new(error.to_string()))?;
        return output::print_json(&value);
    }
    output::print(&told(&account))
}

/// The account in words.
fn told(account: &Account) -> String {
    let Account { repaired, damage, kept, left_out, unnamed, forgot_choice, quarantine } = account;
    if !repaired {
        return "nothing to repair: the journal is whole\n".into();
    }
    let places: String = damage.iter().map(|place| format!("{place}\n")).collect();
    let Some(quarantine) = quarantine else {
        return format!("{places}kept {kept} entries: the journal is whole, and the rest was made again from it\n");
    };
    let forgot = match forgot_choice {
        true => "which incident commands mean was forgotten, a newer choice may have been damaged: `muster use`\n",
        false => "",
    };
    let unnamed = match unnamed {
        0 => String::new(),
        n => format!("{n} packed entries cannot be read; which ones is not known\n"),
    };
    format!(
        "{places}kept {kept} entries; left out {left_out} that do not stand without what is damaged\n{unnamed}{forgot}\
         the journal as it was is in {quarantine}\n\
         now `muster up`: peers that hold what is missing give it back; `muster doctor` tells what is missing still\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_tells_what_was_kept_and_where_the_rest_is() {
        let nothing = Account {
            repaired: false,
            damage: vec![],
            kept: 0,
            left_out: 0,
            unnamed: 0,
            forgot_choice: false,
            quarantine: None,
        };
        assert_eq!(told(&nothing), "nothing to repair: the journal is whole\n");
        let format = vec!["format is damaged".to_owned()];
        let text = told(&Account { repaired: true, damage: format, kept: 7, ..nothing });
        assert!(text.contains("format is damaged") && text.contains("kept 7 entries: the journal is whole"), "{text}");
        let damage = vec!["a is damaged at offset 9: its checksum does not fit".to_owned()];
        let quarantine = Some("/home/q".to_owned());
        let text = told(&Account {
            repaired: true,
            damage,
            kept: 7,
            left_out: 3,
            unnamed: 2,
            forgot_choice: true,
            quarantine,
        });
        for part in [
            "offset 9",
            "kept 7 entries; left out 3",
            "2 packed entries cannot be read",
            "`muster use`",
            "/home/q",
            "`muster up`",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
