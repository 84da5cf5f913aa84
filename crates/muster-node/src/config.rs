//! Settings: what they are, where each value came from, and what they may be.
//!
//! Precedence: flag, `MUSTER_*` variable, `config.toml` in the home, default. The file's syntax and positions are in
//! `file`. Nothing here reads the environment by itself; what the values do is decided where they are used.

mod file;

pub use file::Position;

use crate::logging::{LogFormat, check_filter};
use file::{Found, Shape};
use jiff::tz::TimeZone;
use muster_incident::{comma_in_name, unseen_in_name};
use serde::Serialize;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of a person's own handle: one line of a terminal, with room for a time and a text beside it.
pub const NAME_BYTES_MAX: usize = 64;

/// Addresses to listen on. A laptop has a handful of interfaces.
pub const LISTEN_MAX: usize = 16;

/// Seconds that a node may wait before it looks for members on the local network.
pub const MDNS_WAIT_S_MAX: u64 = muster_net::MDNS_START.as_secs();

/// MiB of one log file; two are kept.
pub const LOG_FILE_MIB_MAX: u64 = 1024;

/// One setting's names and an example for hints.
#[derive(Debug)]
struct Key {
    name: &'static str,
    env: &'static str,
    flag: &'static str,
    /// In the file.
    example: &'static str,
    /// As a flag or variable has it.
    plain: &'static str,
}

const fn key(
    name: &'static str,
    env: &'static str,
    flag: &'static str,
    example: &'static str,
    plain: &'static str,
) -> Key {
    Key { name, env, flag, example, plain }
}

static NAME: Key = key("name", "MUSTER_NAME", "--as", "name = \"alice\"", "alice");
static LISTEN: Key = key("listen", "MUSTER_LISTEN", "--listen", "listen = [\"0.0.0.0:7001\"]", "0.0.0.0:7001");
static MDNS: Key = key("mdns", "MUSTER_MDNS", "--no-mdns", "mdns = true", "true");
static MDNS_WAIT_S: Key = key("mdns_wait_s", "MUSTER_MDNS_WAIT_S", "mdns_wait_s", "mdns_wait_s = 30", "30");
static LOG: Key = key("log", "MUSTER_LOG", "--log", "log = \"info,libp2p=warn\"", "info,libp2p=warn");
static LOG_FORMAT: Key = key("log_format", "MUSTER_LOG_FORMAT", "--log-format", "log_format = \"json\"", "json");
static LOG_FILE_MAX_MIB: Key =
    key("log_file_max_mib", "MUSTER_LOG_FILE_MAX_MIB", "--log-file-max-mib", "log_file_max_mib = 8", "8");
static TIME_ZONE: Key =
    key("time_zone", "MUSTER_TIME_ZONE", "--time-zone", "time_zone = \"Europe/Berlin\"", "Europe/Berlin");
static KEYS: [&Key; 8] = [&NAME, &LISTEN, &MDNS, &MDNS_WAIT_S, &LOG, &LOG_FORMAT, &LOG_FILE_MAX_MIB, &TIME_ZONE];

/// Why the settings cannot be used. Always the owner's to mend; [`ConfigError::hint`] says how.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that no version of muster up to this one knows.
    #[error("{}:{position}: unknown key `{key}`", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Where the key begins.
        position: Position,
        /// The key as written, control characters escaped.
        key: String,
        /// The key probably meant.
        near: Option<&'static str>,
    },
    /// A value of another type.
    #[error("{}:{position}: `{key}` must be {expected}, not {found}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// Where the value begins.
        position: Position,
        /// The key.
        key: &'static str,
        /// The type it should have.
        expected: &'static str,
        /// The type it has.
        found: &'static str,
    },
    /// A value of the right type that cannot be used.
    #[error("{} {reason}", subject(place, key))]
    BadValue {
        /// Flag, variable, or file with line and column.
        place: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Not TOML.
    #[error("{}:{position}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        position: Position,
        /// What the parser says.
        message: String,
    },
    /// The file is there and cannot be read, or is absurdly long.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl ConfigError {
    /// Whether the command line is at fault, not a file or variable.
    pub fn is_of_flag(&self) -> bool {
        matches!(self, Self::BadValue { place, .. } if place.starts_with("--"))
    }

    /// What to do about it: one line, without the word "hint".
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownKey { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownKey { near: None, .. } => {
                format!("the keys are {}", KEYS.map(|key| format!("`{}`", key.name)).join(", "))
            }
            Self::WrongType { key, .. } => format!("for example `{}`", known(key).example),
            Self::BadValue { key, place, .. } => {
                let key = known(key);
                match place {
                    place if place == key.flag => format!("for example `{} {}`", key.flag, key.plain),
                    place if place == key.env => format!("for example `{}={}`", key.env, key.plain),
                    _ => format!("for example `{}`", key.example),
                }
            }
            Self::Syntax { .. } => "the file is TOML (toml.io), one `key = value` a line".into(),
            Self::Unreadable { .. } => "check the file's permissions, or move it away to use the defaults".into(),
        }
    }
}

/// The setting of that name.
fn known(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).unwrap_or(&KEYS[0])
}

/// What is at fault, in the words of the place where it stands.
fn subject(place: &str, key: &str) -> String {
    if place.starts_with("--") { format!("`{place}`") } else { format!("{place}: `{key}`") }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Env(&'static str),
    /// `config.toml`.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// Nobody said.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => f.write_str(name),
            Self::File { line } => write!(f, "config.toml line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<T> {
    /// The value in force.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

/// What the command line said; `None` where it said nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--as NAME`.
    pub name: Option<String>,
    /// `--listen MULTIADDR`, given once or more.
    pub listen: Option<Vec<String>>,
    /// `--no-mdns` is `Some(false)`.
    pub mdns: Option<bool>,
    /// `--log FILTER`.
    pub log: Option<String>,
    /// `--log-format human|json`.
    pub log_format: Option<String>,
    /// MiB.
    pub log_file_max_mib: Option<u64>,
    /// An IANA name.
    pub time_zone: Option<String>,
}

/// All settings in force, each checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Own handle at first use; the login name where nobody said (the caller knows it).
    pub name: Resolved<Option<String>>,
    /// Addresses with ports, and multiaddrs, to listen on. Checked for their form only; `muster-net` reads them.
    pub listen: Resolved<Vec<String>>,
    /// Whether to look for members on the local network.
    pub mdns: Resolved<bool>,
    /// The longest random wait before that begins, in seconds.
    pub mdns_wait_s: Resolved<u64>,
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: Resolved<String>,
    /// How it is written.
    pub log_format: Resolved<LogFormat>,
    /// MiB of one log file; two are kept.
    pub log_file_max_mib: Resolved<u64>,
    /// IANA name of the zone in which times are read and shown; empty: the system's.
    pub time_zone: Resolved<String>,
    zone: TimeZone,
    /// What was wrong and does not keep anybody from logging.
    pub warning: Option<Warning>,
}

/// Something in the settings that is wrong and is done without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl From<&ConfigError> for Warning {
    fn from(error: &ConfigError) -> Self {
        Self { message: crate::engine::chain(error), hint: error.hint() }
    }
}

impl Config {
    /// Puts the settings together from flags, variables and the file, which need not exist.
    ///
    /// `env` looks up a variable; an empty one counts as unset. `MUSTER_LISTEN` separates addresses by commas.
    ///
    /// # Errors
    /// [`ConfigError`]; every value in the file is checked, even one that a flag or a variable outranks in this run. A time
    /// zone that this machine does not know is a [`Warning`]: times are shown in the system's, and logging goes on.
    pub fn load(file: &Path, flags: Overrides, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = file::read(file)?;
        Self::resolve(file, &text, flags, &env)
    }

    /// The settings of this command line alone, for commands that must work whatever stands in the file.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`] of a flag.
    pub fn without_file(flags: Overrides) -> Result<Self, ConfigError> {
        Self::resolve(Path::new(""), "", flags, &|_| None)
    }

    fn resolve(
        path: &Path,
        text: &str,
        flags: Overrides,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let found = file::parse(path, text, &KEYS.map(|key| key.name))?;
        let from = Sources { path, found, env };
        let some = |name: String| check_name(name).map(Some);
        let time_zone = from.pick(&TIME_ZONE, flags.time_zone, |name| find_zone(&name).map(|_| name), String::new);
        let (time_zone, warning) = match time_zone {
            Err(error @ ConfigError::BadValue { .. }) if !error.is_of_flag() => {
                (Resolved { value: String::new(), origin: Origin::Default }, Some(Warning::from(&error)))
            }
            found => (found?, None),
        };
        let bad_zone = |reason| ConfigError::BadValue { place: "time zone".into(), key: TIME_ZONE.name, reason };
        Ok(Self {
            warning,
            name: from.pick(&NAME, flags.name, some, || None)?,
            listen: from.pick(&LISTEN, flags.listen, check_listen, || vec!["0.0.0.0:0".into()])?,
            mdns: from.pick(&MDNS, flags.mdns, Ok, || true)?,
            mdns_wait_s: from.pick(&MDNS_WAIT_S, None, check_wait, || MDNS_WAIT_S_MAX)?,
            log: from.pick(&LOG, flags.log, check_log, || "info".into())?,
            log_format: from.pick(&LOG_FORMAT, flags.log_format, |text: String| text.parse(), || LogFormat::Human)?,
            log_file_max_mib: from.pick(&LOG_FILE_MAX_MIB, flags.log_file_max_mib, check_mib, || 8)?,
            zone: find_zone(&time_zone.value).map_err(bad_zone)?,
            time_zone,
        })
    }

    /// The zone in which times are read and shown.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Every setting with its value and origin, in the order of the documentation: what `config show` prints.
    pub fn show(&self) -> Vec<Setting> {
        let row = |key: &Key, value, origin: Origin| Setting { key: key.name, value, origin: origin.to_string() };
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let name = self.name.value.as_deref().map_or(SettingValue::Unset(()), text);
        vec![
            row(&NAME, name, self.name.origin),
            row(&LISTEN, SettingValue::List(self.listen.value.clone()), self.listen.origin),
            row(&MDNS, SettingValue::Flag(self.mdns.value), self.mdns.origin),
            row(&MDNS_WAIT_S, SettingValue::Number(self.mdns_wait_s.value), self.mdns_wait_s.origin),
            row(&LOG, text(&self.log.value), self.log.origin),
            row(&LOG_FORMAT, text(self.log_format.value.word()), self.log_format.origin),
            row(&LOG_FILE_MAX_MIB, SettingValue::Number(self.log_file_max_mib.value), self.log_file_max_mib.origin),
            row(&TIME_ZONE, text(&self.time_zone.value), self.time_zone.origin),
        ]
    }
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key in `config.toml`.
    pub key: &'static str,
    /// The value in force.
    pub value: SettingValue,
    /// Who said so, in words.
    pub origin: String,
}

/// A value as JSON has it; `Display` is what a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Nobody said and there is no default: `null`.
    Unset(()),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(texts) => f.write_str(&texts.join(", ")),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Unset(()) => Ok(()),
        }
    }
}

/// The three places that may speak.
struct Sources<'a> {
    path: &'a Path,
    found: Found<'a>,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Sources<'_> {
    /// The first place that says something about `key`, checked.
    fn pick<S: Shape, T>(
        &self,
        key: &Key,
        flag: Option<S>,
        check: impl Fn(S) -> Result<T, String>,
        default: impl FnOnce() -> T,
    ) -> Result<Resolved<T>, ConfigError> {
        let bad = |place: &dyn fmt::Display, reason| ConfigError::BadValue {
            place: place.to_string(),
            key: key.name,
            reason,
        };
        // The file first: its mistakes are reported even where its values are outranked.
        let in_file = match self.found.get(self.path, key.name)? {
            Some((value, position)) => {
                let place = format!("{}:{position}", self.path.display());
                let value = check(value).map_err(|reason| bad(&place, reason))?;
                Some(Resolved { value, origin: Origin::File { line: position.line } })
            }
            None => None,
        };
        if let Some(value) = flag {
            let value = check(value).map_err(|reason| bad(&key.flag, reason))?;
            return Ok(Resolved { value, origin: Origin::Flag });
        }
        if let Some(text) = (self.env)(key.env).filter(|text| !text.is_empty()) {
            let read = S::of_text(&text).ok_or_else(|| format!("must be {}", S::EXPECTED));
            let value = read.and_then(check).map_err(|reason| bad(&key.env, reason))?;
            return Ok(Resolved { value, origin: Origin::Env(key.env) });
        }
        Ok(in_file.unwrap_or_else(|| Resolved { value: default(), origin: Origin::Default }))
    }
}

fn check_name(name: String) -> Result<String, String> {
    let unseen = unseen_in_name(&name).filter(|c| !c.is_control());
    if let Some(unseen) = unseen {
        return Err(format!("has a character that nobody sees (U+{:04X}): type it again, by hand", u32::from(unseen)));
    }
    if let Some(comma) = comma_in_name(&name) {
        return Err(format!("has a `{comma}` in it, and would read as two names"));
    }
    match () {
        () if name.trim() != name || name.is_empty() => Err("is empty or begins or ends with a space".into()),
        () if name.len() > NAME_BYTES_MAX => Err(format!("has more than {NAME_BYTES_MAX} bytes")),
        () if name.chars().any(char::is_control) => Err("has control characters".into()),
        () => Ok(name),
    }
}

fn check_listen(addresses: Vec<String>) -> Result<Vec<String>, String> {
    if addresses.len() > LISTEN_MAX {
        return Err(format!("has more than {LISTEN_MAX} addresses"));
    }
    let is_good = |text: &String| {
        (text.starts_with('/') && !text.contains(char::is_whitespace)) || text.parse::<SocketAddr>().is_ok()
    };
    match addresses.iter().find(|text| !is_good(text)) {
        Some(text) => {
            Err(format!("has `{}`, which is no IP address with a port and no multiaddr", text.escape_debug()))
        }
        None => Ok(addresses),
    }
}

fn check_log(filter: String) -> Result<String, String> {
    check_filter(&filter).map_err(|error| error.to_string())?;
    Ok(filter)
}

fn check_wait(seconds: u64) -> Result<u64, String> {
    if seconds <= MDNS_WAIT_S_MAX { Ok(seconds) } else { Err(format!("must be 0 to {MDNS_WAIT_S_MAX}")) }
}

fn check_mib(mib: u64) -> Result<u64, String> {
    if (1..=LOG_FILE_MIB_MAX).contains(&mib) { Ok(mib) } else { Err(format!("must be 1 to {LOG_FILE_MIB_MAX}")) }
}

fn find_zone(name: &str) -> Result<TimeZone, String> {
    match name {
        // Without a readable system zone, times are shown in UTC, with their offset, rather than not at all.
        "" => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        name => TimeZone::get(name).map_err(|_| format!("names no time zone: `{}`", name.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, flags: Overrides, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Config::resolve(Path::new("config.toml"), text, flags, &env)
    }

    /// Error and hint for this file.
    #[track_caller]
    fn check(text: &str, error: &str, hint: &str) {
        let found = resolve(text, Overrides::default(), &[]).unwrap_err();
        assert_eq!((found.to_string().as_str(), found.hint().as_str()), (error, hint));
    }

    #[test]
    fn without_any_word_the_defaults_hold() {
        let config = resolve("", Overrides::default(), &[("MUSTER_NAME", "")]).unwrap();
        assert_eq!(config.name, Resolved { value: None, origin: Origin::Default });
        assert_eq!(config.listen.value, ["0.0.0.0:0"]);
        assert_eq!(config.mdns_wait_s.value, 30);
        assert!(config.mdns.value);
        assert_eq!(config.log.value, "info");
        assert_eq!(config.log_format.value, LogFormat::Human);
        assert_eq!(config.log_file_max_mib.value, 8);
        assert!(config.show().iter().all(|setting| setting.origin == "default"));
    }

    #[test]
    fn the_flag_beats_the_variable_beats_the_file() {
        let file = "# who\nname = \"file\"\nmdns = false\nlog_file_max_mib = 2\n";
        let flags = Overrides { name: Some("flag".into()), ..Overrides::default() };
        let vars = [("MUSTER_NAME", "env"), ("MUSTER_MDNS", "true"), ("MUSTER_LISTEN", "/ip4/1.2.3.4/tcp/1, /dns/x")];
        let config = resolve(file, flags, &vars).unwrap();
        assert_eq!(config.name, Resolved { value: Some("flag".into()), origin: Origin::Flag });
        assert_eq!(config.mdns, Resolved { value: true, origin: Origin::Env("MUSTER_MDNS") });
        assert_eq!(config.log_file_max_mib, Resolved { value: 2, origin: Origin::File { line: 4 } });
        assert_eq!(config.listen.value, ["/ip4/1.2.3.4/tcp/1", "/dns/x"]);
    }

    #[test]
    fn what_is_shown_says_where_it_came_from() {
        let config = resolve("time_zone = \"Asia/Kolkata\"\nlisten = []", Overrides::default(), &[]).unwrap();
        let shown = serde_json::to_value(config.show()).unwrap();
        assert_eq!(shown[0], serde_json::json!({"key": "name", "value": null, "origin": "default"}));
        assert_eq!(shown[1], serde_json::json!({"key": "listen", "value": [], "origin": "config.toml line 2"}));
        assert_eq!(shown[7]["value"], "Asia/Kolkata");
        assert_eq!(config.zone().iana_name(), Some("Asia/Kolkata"));
        let keys: Vec<_> = config.show().iter().map(|setting| setting.key).collect();
        assert_eq!(keys, KEYS.map(|key| key.name), "every key is shown");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_guesses_the_key_meant() {
        check("\n  nmae = \"x\"", "config.toml:2:3: unknown key `nmae`", "did you mean `name`?");
        check("log-format = \"json\"", "config.toml:1:1: unknown key `log-format`", "did you mean `log_format`?");
        check("TimeZone = 1", "config.toml:1:1: unknown key `TimeZone`", "did you mean `time_zone`?");
        check(
            "[colour]\nx = 1",
            "config.toml:1:2: unknown key `colour`",
            "the keys are `name`, `listen`, `mdns`, `mdns_wait_s`, `log`, `log_format`, `log_file_max_mib`, `time_zone`",
        );
        check(
            "zzz = 1\naaa = 1",
            "config.toml:1:1: unknown key `zzz`",
            "the keys are `name`, `listen`, `mdns`, `mdns_wait_s`, \
            `log`, `log_format`, `log_file_max_mib`, `time_zone`",
        );
    }

    #[test]
    fn a_wrong_type_is_an_error_at_the_value() {
        check(
            "name = \"ä\"\nmdns = \"yes\"",
            "config.toml:2:8: `mdns` must be true or false, not a string",
            "for example `mdns = true`",
        );
        check(
            "listen = \"/ip4/0.0.0.0/tcp/0\"",
            "config.toml:1:10: `listen` must be a list of strings, not a string",
            "for example `listen = [\"0.0.0.0:7001\"]`",
        );
        check(
            "listen = [\"/ip4/0.0.0.0/tcp/0\", 1]",
            "config.toml:1:10: `listen` must be a list of strings, not an array",
            "for example `listen = [\"0.0.0.0:7001\"]`",
        );
        check(
            "log_file_max_mib = -1",
            "config.toml:1:20: `log_file_max_mib` must be a whole number, not a negative one",
            "for example `log_file_max_mib = 8`",
        );
    }

    #[test]
    fn a_time_zone_that_is_not_known_here_keeps_nobody_from_logging() {
        let config = resolve("time_zone = \"Mars/Base\"", Overrides::default(), &[]).unwrap();
        let Warning { message, hint } = config.warning.unwrap();
        assert_eq!(message, "config.toml:1:13: `time_zone` names no time zone: `Mars/Base`");
        assert_eq!(hint, "for example `time_zone = \"Europe/Berlin\"`");
        assert_eq!(config.time_zone, Resolved { value: String::new(), origin: Origin::Default });
    }

    #[test]
    fn a_hint_is_in_the_words_of_the_place_at_fault() {
        let listen = Some(vec!["0.0.0.0".to_owned()]);
        let flag = resolve("", Overrides { listen, ..Overrides::default() }, &[]).unwrap_err();
        assert_eq!(
            (flag.to_string().as_str(), flag.hint().as_str()),
            (
                "`--listen` has `0.0.0.0`, which is no IP address with a port and no multiaddr",
                "for example `--listen 0.0.0.0:7001`"
            )
        );
        let variable = resolve("", Overrides::default(), &[("MUSTER_LOG", "x=loud")]).unwrap_err();
        assert_eq!(variable.hint(), "for example `MUSTER_LOG=info,libp2p=warn`");
    }

    #[test]
    fn values_that_cannot_be_used_are_refused_where_they_stand() {
        for (vars, error) in [
            (("MUSTER_MDNS", "maybe"), "MUSTER_MDNS: `mdns` must be true or false"),
            (("MUSTER_NAME", " x"), "MUSTER_NAME: `name` is empty or begins or ends with a space"),
            (("MUSTER_NAME", "a\u{1b}b"), "MUSTER_NAME: `name` has control characters"),
            (("MUSTER_LOG_FILE_MAX_MIB", "0"), "MUSTER_LOG_FILE_MAX_MIB: `log_file_max_mib` must be 1 to 1024"),
            (("MUSTER_LOG_FORMAT", "xml"), "MUSTER_LOG_FORMAT: `log_format` must be `human` or `json`"),
            (
                ("MUSTER_LISTEN", "0.0.0.0"),
                "MUSTER_LISTEN: `listen` has `0.0.0.0`, which is no IP address with a port and no multiaddr",
            ),
            (("MUSTER_MDNS_WAIT_S", "31"), "MUSTER_MDNS_WAIT_S: `mdns_wait_s` must be 0 to 30"),
        ] {
            assert_eq!(resolve("", Overrides::default(), &[vars]).unwrap_err().to_string(), error);
        }
        let flags = Overrides { log: Some("muster=lots".into()), ..Overrides::default() };
        assert!(resolve("", flags, &[]).unwrap_err().to_string().starts_with("`--log` "));
    }

    #[test]
    fn a_mistake_in_the_file_is_reported_even_when_a_flag_outranks_it() {
        let flags = Overrides { mdns: Some(false), ..Overrides::default() };
        assert!(matches!(resolve("mdns = 3", flags, &[]), Err(ConfigError::WrongType { .. })));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let load = |name: &str| Config::load(&dir.path().join(name), Overrides::default(), |_| None);
        assert!(load("config.toml").is_ok());
        std::fs::write(dir.path().join("binary"), b"name = \"\xff\"").unwrap();
        assert!(matches!(load("binary"), Err(ConfigError::Unreadable { .. })));
        std::fs::write(dir.path().join("long"), "#".repeat(70_000)).unwrap();
        assert!(matches!(load("long"), Err(ConfigError::Unreadable { .. })));
        assert!(matches!(load(""), Err(ConfigError::Unreadable { .. })));
    }
}
