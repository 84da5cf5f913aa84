//! The help screen of `muster help`: every command in groups, on one screen of 80 × 24.
//!
//! The help of a single command comes from its definition.

/// What `muster help`, `muster --help` and `muster` alone print.
pub(crate) const SCREEN: &str = "\
muster: the incident log that still works when everything else is down

  Begin  declare TITLE [--sev 1..5] [--drill] [--suspected] [--private NAME,..]
         use ID       choose the incident commands mean (or -i ID each time)
  Log    say | saw | decided | need TEXT          (`-`: stdin; say --batch FILE)
         amend ID TEXT | redact ID --reason WHY | title TITLE | sev N
         with any: --at 10:42|\"about 13:30\"|13:30..13:45  --who NAME  --link URL
  Act    will TEXT --on TARGET [--undo TEXT] [--tested TEXT]  warn before acting
         doing [ID]                                                 it has begun
         did [ID] worked|failed|reverted|abandoned [TEXT]           it has ended
  Roles  role claim|accept|release ROLE | role assign|settle ROLE NAME
         ROLE: ic, rl, deputy, resolution-team, scribe, liaison or your own
  Phase  confirm | dismiss | resolve | reopen [TEXT] | mark MILESTONE [TEXT]
  Look   status | board [--watch] | timeline | roles | actions | export md|json
  Trust  export audit FILE | verify [FILE] | proof [ID] | verify-proof FILE
         peers | whohas ID | seen | doctor | bundle write|read FILE
  Team   invite [-i ID] | admit NAME | join TICKET | peers add ADDR
         team create|show|list|use|set|revoke|second|confirm|recover|devices
  Node   up [--listen ADDR] | down | net cut|heal [NAME] | config show
         key show|export|import|change-passphrase
         compact [ID..] packs what is over | repair | demo | completions SHELL
  Everywhere: --json --home DIR --as NAME --log FILTER --log-format human|json
  More: muster help COMMAND            Version: muster --version
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_help_fits_on_one_screen_with_a_line_left_for_the_prompt() {
        assert!(SCREEN.lines().count() < 24, "{}", SCREEN.lines().count());
        for line in SCREEN.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        let words: Vec<&str> = SCREEN.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(words.contains(&command.get_name()), "{} is not on the help screen", command.get_name());
        }
    }

    #[test]
    fn asking_for_help_in_any_way_prints_the_screen() {
        for line in [&["muster", "help"][..], &["muster", "--help"], &["muster", "-h"], &["muster"]] {
            assert_eq!(Args::try_parse_from(line).unwrap_err().to_string().trim_end(), SCREEN.trim_end(), "{line:?}");
        }
    }

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }
}
