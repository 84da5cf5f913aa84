//! `muster team confirm|set|revoke|recover`: decisions about members, shown before they are signed.

use super::super::read;
use crate::output;
use crate::problem::Problem;
use crate::render::Page;
use crate::render::removal::{self, Outcome};
use crate::run::{made_printable, note};
use crate::session::Session;
use crate::setting::Setting;
use muster_node::client;
use muster_node::request::{Deciding, Decision, RecoveryWords, Request};
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// `team confirm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Confirm {
    /// Who was meant
    #[arg(value_name = "NAME")]
    person: String,
}

/// `team set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// Who
    #[arg(value_name = "NAME")]
    person: String,
    /// What they may do from now on
    #[arg(value_name = "CAPABILITY", value_parser = ["admin", "responder", "observer"])]
    capability: String,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `team revoke`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("why").required(true).args(["stolen", "retired"]))]
pub(crate) struct Revoke {
    /// Names (all devices of the person) or devices, by the end that `team show` prints
    #[arg(value_name = "WHOM", required = true)]
    whom: Vec<String>,
    /// Somebody else may have the key
    #[arg(long)]
    stolen: bool,
    /// Out of use, and the key is in nobody's hands
    #[arg(long)]
    retired: bool,
    /// Of a stolen device: only what came here before that time counts
    #[arg(long, value_name = "TIME", conflicts_with = "retired")]
    until: Option<String>,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// Whether and how to ask before signing.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// Sign without asking
    #[arg(long)]
    yes: bool,
    /// Only show what would follow
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// `team recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct Recover {
    /// Read the 24 words from a file that only you can read (`-`: stdin) instead of asking for them
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    #[command(subcommand)]
    step: RecoverStep,
}

#[derive(Debug, clap::Subcommand)]
enum RecoverStep {
    /// Say which of several who came with one ticket was meant
    Confirm(Confirm),
    /// Make somebody admin, responder or observer
    Set(Set),
    /// Take devices out of the team
    Revoke(Revoke),
}

#[derive(Deserialize)]
struct Confirmed {
    person: String,
    out: Vec<String>,
}

impl Confirm {
    pub(super) fn deciding(&self) -> Deciding {
        Deciding::Confirm { person: self.person.clone() }
    }
}

impl Set {
    pub(super) fn deciding(&self) -> Deciding {
        Deciding::Capability { person: self.person.clone(), capability: self.capability.clone() }
    }
}

impl Revoke {
    pub(super) fn deciding(&self, setting: &mut Setting) -> Result<Deciding, Problem> {
        let until_ms = match &self.until {
            Some(typed) => {
                let at = setting.at(typed)?;
                let hint =
                    "for example `--until 10:40` or `--until \"yesterday 23:10\"`; rather too early than too late";
                let moment = at.start_ms.filter(|_| matches!(at.precision.as_str(), "exact" | "minute"));
                Some(moment.ok_or_else(|| Problem::usage("`--until` needs one moment", hint))?)
            }
            None => None,
        };
        Ok(Deciding::Revoke { whom: self.whom.clone(), stolen: self.stolen, until_ms })
    }
}

impl Recover {
    pub(super) fn run(&self, session: &mut Session) -> Result<(), Problem> {
        let deciding = match &self.step {
            RecoverStep::Confirm(confirm) => confirm.deciding(),
            RecoverStep::Set(set) => set.deciding(),
            RecoverStep::Revoke(revoke) => revoke.deciding(&mut session.setting)?,
        };
        let words = self.words(session)?;
        match &self.step {
            RecoverStep::Confirm(_) => {
                let answer = ask(&deciding, Some(&words), false, session)?;
                tell(answer, session, |answer, _| confirmed(answer))
            }
            RecoverStep::Set(set) => run(&deciding, Some(&words), &set.asking, session),
            RecoverStep::Revoke(revoke) => run(&deciding, Some(&words), &revoke.asking, session),
        }
    }

    /// The words, from a file or typed without being shown. They are never an argument: arguments are in the process list.
    fn words(&self, session: &mut Session) -> Result<RecoveryWords, Problem> {
        let hint = "run it on a terminal, or give the words with `--words FILE`";
        match &self.words {
            None => {
                let typed = rpassword::prompt_password("recovery key (24 words, not shown): ");
                let typed =
                    typed.map_err(|error| Problem::refused(format!("cannot ask for the words: {error}"), hint))?;
                Ok(RecoveryWords::typed(&typed))
            }
            Some(file) if file == Path::new("-") => {
                let bytes = session.setting.input.secret()?;
                Ok(RecoveryWords::typed(&String::from_utf8_lossy(&bytes)))
            }
            Some(file) => Ok(RecoveryWords::of_file(file)?),
        }
    }
}

/// Shows what a decision would do, asks where it takes something from somebody, and signs it.
pub(super) fn run(
    deciding: &Deciding,
    words: Option<&RecoveryWords>,
    asking: &Asking,
    session: &mut Session,
) -> Result<(), Problem> {
    session.setting.notes.drain(..).for_each(|text| note(&text));
    let outlook = ask(deciding, words, true, session)?;
    if asking.dry_run {
        return tell(outlook, session, done);
    }
    let takes = outlook.get("takes").and_then(Value::as_bool).unwrap_or(true);
    if takes && !asking.yes {
        if session.json || !io::stdin().is_terminal() {
            return Err(Problem::refused(
                "this takes something from somebody, and nobody is there to be asked",
                "look with `--dry-run` what would follow, then sign with `--yes`",
            ));
        }
        output::print(&done(made_printable(outlook), &session.page)?)?;
        if !agreed()? {
            note("nothing was signed");
            return Err(Problem::Told);
        }
    }
    let answer = ask(deciding, words, false, session)?;
    tell(answer, session, done)
}

fn ask(deciding: &Deciding, words: Option<&RecoveryWords>, outlook: bool, session: &Session) -> Result<Value, Problem> {
    let decision = Decision { what: deciding.clone(), outlook, recovery: words.cloned() };
    Ok(client::ask(&session.setup, &Request::Decide(Box::new(decision)))?)
}

fn tell(
    answer: Value,
    session: &Session,
    show: impl Fn(Value, &Page) -> Result<String, Problem>,
) -> Result<(), Problem> {
    if session.json {
        output::print_json(&answer)
    } else {
        output::print(&show(made_printable(answer), &session.page)?)
    }
}

fn agreed() -> Result<bool, Problem> {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "Sign this? [y/N] ");
    let _ = stderr.flush();
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Problem::refused(format!("cannot read the answer: {error}"), "nothing was signed"))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What a decision did or would do, for a person.
pub(super) fn done(answer: Value, page: &Page) -> Result<String, Problem> {
    Ok(removal::outcome(&read::<Outcome>(answer)?, page))
}

/// Who was confirmed, and who is out by that.
pub(super) fn confirmed(answer: Value) -> Result<String, Problem> {
    let Confirmed { person, out } = read(answer)?;
    Ok(match out.as_slice() {
        [] => format!("confirmed {person}\n"),
        out => format!(
            "confirmed {person}; out: {}\nWhat they wrote before stays. Revoke their devices too: `muster team revoke`\n",
            out.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Step, Team};
    use super::*;
    use crate::setting::tests::setting;
    use clap::Parser;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        team: Team,
    }

    fn is_taken(line: &str) -> bool {
        Line::try_parse_from(["team"].into_iter().chain(line.split(' '))).is_ok()
    }

    #[test]
    fn a_revocation_says_whether_the_device_was_stolen() {
        assert!(!is_taken("revoke bob"));
        assert!(is_taken("revoke bob --stolen --until 10:40") && is_taken("revoke bob --retired"));
        assert!(!is_taken("revoke bob --stolen --retired") && !is_taken("revoke bob --retired --until 10:40"));
        assert!(!is_taken("revoke --stolen"));
        assert!(!is_taken("revoke bob --stolen --yes --dry-run"));
    }

    #[test]
    fn until_is_one_moment_and_no_range_or_guess() {
        let deciding = |until: &str| {
            let words = ["team", "revoke", "bob", "--stolen", "--until", until];
            let Step::Revoke(revoke) = Line::try_parse_from(words).unwrap().team.step else { panic!("not revoke") };
            revoke.deciding(&mut setting(""))
        };
        assert!(matches!(deciding("10:40"), Ok(Deciding::Revoke { until_ms: Some(_), .. })));
        for several in ["10:40..10:50", "about 10:40", "unknown"] {
            assert!(matches!(deciding(several), Err(Problem::Usage { .. })), "{several}");
        }
    }

    #[test]
    fn recovery_words_are_no_argument() {
        assert!(is_taken("recover set alice admin --yes") && is_taken("recover --words - revoke bob --stolen"));
        assert!(!is_taken("recover abandon art set alice admin"));
    }
}
