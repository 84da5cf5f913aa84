//! What a command stands on: the home, the settings, the log of this process. Opens nothing of the store.

use crate::args::{Command, Globals};
use crate::input::Input;
use crate::problem::Problem;
use crate::render::{Page, Paint};
use crate::setting::Setting;
use muster_node::Setup;
use muster_node::clock::SystemClock;
use muster_node::config::{Config, Overrides};
use muster_node::home::Home;
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
    /// Whether a script reads.
    pub(crate) json: bool,
    _log: LogGuard,
}

impl Session {
    /// Reads the settings and starts the log.
    pub(crate) fn begin(globals: Globals, command: &Command) -> Result<Self, Problem> {
        let home = Home::resolve(globals.home.as_deref(), |name| std::env::var_os(name));
        let home = home.map_err(|error| Problem::refused(error.to_string(), error.hint()))?;
        let mut flags =
            Overrides { name: globals.name, log: globals.log, log_format: globals.log_format, ..Overrides::default() };
        let mut process = Process::Command;
        if let Command::Up(up) = command {
            process = Process::Node;
            flags.listen = up.listen.clone();
            flags.mdns = up.no_mdns.then_some(false);
        }
        let config = load(&home, flags)?;
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
            setup: Setup { home, config, name },
            json: globals.json,
            _log: log,
        })
    }
}

/// A wrong flag is bad usage; a wrong file or variable is not the command line's fault.
fn load(home: &Home, flags: Overrides) -> Result<Config, Problem> {
    let variable = |name: &str| std::env::var(name).ok();
    Config::load(&home.config_file(), flags, variable).map_err(|error| {
        use muster_node::config::ConfigError::{BadValue, Unreadable};
        use std::error::Error;
        let message = match (&error, error.source()) {
            (Unreadable { .. }, Some(source)) => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        match &error {
            BadValue { place, .. } if place.starts_with("--") => Problem::usage(message, error.hint()),
            _ => Problem::refused(message, error.hint()),
        }
    })
}
