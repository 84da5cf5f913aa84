//! What a command stands on: the home, the settings, the log of this process. Opens nothing of the store.

use crate::args::{Command, Globals};
use crate::input::Input;
use crate::passphrase;
use crate::problem::Problem;
use crate::render::{Page, Paint};
use crate::run::note;
use crate::setting::Setting;
use muster_node::Setup;
use muster_node::clock::SystemClock;
use muster_node::config::{Config, ConfigError, Overrides, Warning};
use muster_node::home::{Home, HomeError};
use muster_node::logging::{self, LogGuard, LogSettings, Process};
use std::io;

/// Home, settings and how to show things; the process's log is kept as long as this lives.
pub(crate) struct Session {
    /// Where and as whom.
    pub(crate) setup: Setup,
    /// What the words on the command line mean here.
    pub(crate) setting: Setting,
    /// How a person wants to see answers.
    pub(crate) page: Page,
    /// What is wrong with the settings, where the defaults had to be taken instead.
    pub(crate) unread: Option<Warning>,
    /// Whether a script reads.
    pub(crate) json: bool,
    _log: LogGuard,
}

impl Session {
    /// Reads the settings and starts the log.
    pub(crate) fn begin(globals: Globals, command: &Command) -> Result<Self, Problem> {
        let home = Home::resolve(globals.home.as_deref(), |name| std::env::var_os(name));
        let home = match home {
            // A file is checked on whatever machine.
            Err(HomeError::Nowhere) if needs_no_home(command) => Home::none(),
            home => home.map_err(|error| Problem::refused(error.to_string(), error.hint()))?,
        };
        let mut flags =
            Overrides { name: globals.name, log: globals.log, log_format: globals.log_format, ..Overrides::default() };
        let mut process = Process::Command;
        if let Command::Up(up) = command {
            process = Process::Node;
            flags.listen = up.listen.clone();
            flags.mdns = up.no_mdns.then_some(false);
        }
        let (config, unread) = match load(&home, flags.clone()) {
            Ok(config) => (config, None),
            Err(LoadError { error, .. }) if !error.is_of_flag() && (must_work(command) || needs_no_home(command)) => {
                let config = Config::without_file(flags).map_err(|error| LoadError::new(error, &home))?;
                (config, Some(Warning::from(&*error)))
            }
            Err(error) => return Err(error.into()),
        };
        let warning = unread.as_ref().map(|unread| (unread, "the defaults are used"));
        let warning = warning.or(config.warning.as_ref().map(|zone| (zone, "the system's time zone is used")));
        if let Some((Warning { message, hint }, instead)) = warning.filter(|_| !matches!(command, Command::Doctor(_))) {
            note(&format!("{message}; {instead} ({hint})"));
        }
        let mut log = LogSettings::new(&config, &home, process);
        // It looks at a home and leaves it as it is.
        log.file = log.file.filter(|_| !matches!(command, Command::Doctor(_)));
        let log = logging::start(&log);
        let log = log.map_err(|error| Problem::usage(format!("the log {error}"), "for example `--log info`"))?;
        let zone = config.zone().clone();
        let now = SystemClock::new(zone.clone()).now();
        let name = config.name.value.clone();
        Ok(Self {
            setting: Setting {
                incident: globals.incident,
                name: name.clone(),
                now,
                zone: zone.clone(),
                input: Input::new(io::stdin()),
                notes: Vec::new(),
            },
            page: Page { paint: Paint::for_stdout(), now, zone },
            setup: Setup { home, config, name, unlock: passphrase::unlock() },
            unread,
            json: globals.json,
            _log: log,
        })
    }
}

/// Whether a command is needed most when something is wrong: to find out, to stop the node, to get the log out.
fn must_work(command: &Command) -> bool {
    matches!(command, Command::Doctor(_) | Command::Down(_) | Command::Export(_))
}

/// Whether a command is about a file alone.
fn needs_no_home(command: &Command) -> bool {
    match command {
        Command::Verify(verify) => verify.is_of_file(),
        Command::VerifyProof(_) => true,
        _ => false,
    }
}

fn load(home: &Home, flags: Overrides) -> Result<Config, LoadError> {
    let variable = |name: &str| std::env::var(name).ok();
    Config::load(&home.config_file(), flags, variable).map_err(|error| LoadError::new(error, home))
}

/// Settings that cannot be used, and what is wrong with the home itself where that is why.
struct LoadError {
    error: Box<ConfigError>,
    not_yours: Option<Box<HomeError>>,
}

impl LoadError {
    fn new(error: ConfigError, home: &Home) -> Self {
        let of_home = || home.inspect().err().filter(|error| matches!(error, HomeError::NotYours { .. }));
        let not_yours = matches!(error, ConfigError::Unreadable { .. }).then(of_home).flatten();
        Self { error: Box::new(error), not_yours: not_yours.map(Box::new) }
    }
}

/// A wrong flag is bad usage; a wrong file or variable is not the command line's fault.
impl From<LoadError> for Problem {
    fn from(LoadError { error, not_yours }: LoadError) -> Self {
        if let Some(error) = not_yours {
            return Self::refused(error.to_string(), error.hint());
        }
        let Warning { message, hint } = Warning::from(&*error);
        if error.is_of_flag() { Self::usage(message, hint) } else { Self::refused(message, hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser;

    /// A session of this command line in a home with these settings.
    fn session(line: &str, settings: &str) -> Result<Session, Problem> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.toml"), settings).unwrap();
        let args = Args::try_parse_from(["muster", "--home", home.path().to_str().unwrap(), line]).unwrap();
        Session::begin(args.globals, &args.command)
    }

    #[test]
    fn what_is_needed_when_something_is_wrong_works_with_settings_that_cannot_be_read() {
        let session = session("doctor", "nmae = \"ada\"").unwrap();
        let unread = session.unread.unwrap();
        assert!(unread.message.contains("config.toml:1:1: unknown key `nmae`"), "{}", unread.message);
        assert_eq!(unread.hint, "did you mean `name`?");
    }

    #[test]
    fn a_file_is_checked_where_there_is_no_place_for_a_home() {
        let args = |line: &[&str]| Args::try_parse_from([&["muster"], line].concat()).unwrap();
        for (line, is_without) in
            [(&["verify", "a.audit"][..], true), (&["verify-proof", "a.proof"], true), (&["verify"], false)]
        {
            assert_eq!(needs_no_home(&args(line).command), is_without, "{line:?}");
        }
        assert!(!Home::none().root().exists());
    }

    #[test]
    fn other_commands_refuse_settings_that_cannot_be_read() {
        assert!(matches!(session("status", "nmae = 1").err(), Some(Problem::Refused(_))));
    }
}
