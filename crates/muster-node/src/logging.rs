//! The program's own log (tracing): filters, formats, stderr and a file of bounded size.
//!
//! Not the incident's log, which is `muster-log`. Logging never fails a command: a full disk, a closed terminal or a
//! read-only home cost log lines and nothing else.
//!
//! Secrets rule, for every caller: no typed text, ticket or key above `trace`. [`Capture`] lets tests check it.

mod bounded_file;

use crate::config::{Config, Origin};
use crate::home::Home;
use bounded_file::BoundedFile;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Dispatch;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// What a command shows on stderr where nobody asked for more: its answer should not drown.
const COMMAND_STDERR_FILTER: &str = "warn";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text for a person.
    #[default]
    Human,
    /// One JSON object a line. A span's own name is its `name`, so no span field may be called that.
    Json,
}

impl LogFormat {
    /// The word in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("must be `human` or `json`".into()),
        }
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A part of the filter cannot be read.
    #[error("is not a log filter: {0}")]
    Filter(#[from] ParseError),
    /// A word that is no level. On its own it would mean "everything from the module of that name", which is what a
    /// mistyped level should not do.
    #[error("is not a log filter: `{word}` is no level (write `MODULE=LEVEL` for one module)")]
    NotALevel {
        /// The word, control characters escaped.
        word: String,
    },
    /// Logging was started before in this process.
    #[error("logging has been started already")]
    Twice,
}

/// Refuses a filter that [`start`] could not use. The syntax is that of [`EnvFilter`], without bare module names.
///
/// # Errors
/// [`LoggingError::Filter`], [`LoggingError::NotALevel`].
pub fn check_filter(filter: &str) -> Result<(), LoggingError> {
    read_filter(filter).map(|_| ())
}

fn read_filter(filter: &str) -> Result<EnvFilter, LoggingError> {
    // In the span syntax (`[span{a,b}]`) a comma does not end a directive; there the parser judges alone.
    if !filter.contains('[') {
        for word in filter.split(',').map(str::trim).filter(|word| !word.contains('=')) {
            if word.is_empty() || word.parse::<LevelFilter>().is_err() {
                return Err(LoggingError::NotALevel { word: word.escape_debug().collect() });
            }
        }
    }
    // These two say a line for whatever a peer or a stranger sends; whoever wants that names them.
    let quiet = format!("libp2p_mdns=warn,libp2p_gossipsub=error,{filter}");
    EnvFilter::builder().with_regex(false).parse(filter)?;
    Ok(EnvFilter::builder().with_regex(false).parse(quiet)?)
}

/// Who logs: it decides how much stderr shows by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// One command that answers and ends.
    Command,
    /// `up`: a node in the foreground.
    Node,
}

/// What is logged, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// What stderr shows.
    pub stderr_filter: String,
    /// What goes into the file.
    pub file_filter: String,
    /// How both are written.
    pub format: LogFormat,
    /// Whether stderr takes colour.
    pub colour: bool,
    /// Whether lines on stderr begin with the time; a journal has its own.
    pub time: bool,
    /// The file; `None`: stderr only.
    pub file: Option<PathBuf>,
    /// Bytes at which the file is put aside as `NAME.1`, in place of the one before: at most twice this is kept.
    pub file_bytes_max: u64,
}

impl LogSettings {
    /// The settings in force for this process: a command's stderr shows warnings only, unless somebody chose a filter.
    pub fn new(config: &Config, home: &Home, process: Process) -> Self {
        let filter = config.log.value.clone();
        let quiet = process == Process::Command && config.log.origin == Origin::Default;
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            stderr_filter: if quiet { COMMAND_STDERR_FILTER.into() } else { filter.clone() },
            file_filter: filter,
            format: config.log_format.value,
            colour: io::stderr().is_terminal() && !no_colour,
            time: !crate::service::is_in_journal(io::stderr()),
            file: Some(home.log_file()),
            file_bytes_max: config.log_file_max_mib.value.saturating_mul(1024 * 1024),
        }
    }
}

/// Keeps the log of this process; held until it ends.
#[derive(Debug)]
#[must_use = "held until the process ends"]
pub struct LogGuard {
    file: Option<Arc<BoundedFile>>,
}

impl LogGuard {
    /// Lines that could not be written to the file: full disk, read-only home.
    pub fn lost_lines(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.lost_lines())
    }
}

/// Starts logging for the whole process. The file is opened when there is something to write.
///
/// # Errors
/// [`LoggingError`]; trouble with the file or stderr is none, see [`LogGuard::lost_lines`].
pub fn start(settings: &LogSettings) -> Result<LogGuard, LoggingError> {
    let (dispatch, guard) = assemble(settings, || QuietStderr)?;
    dispatch.try_init().map_err(|_| LoggingError::Twice)?;
    Ok(guard)
}

fn assemble<W>(settings: &LogSettings, stderr: W) -> Result<(Dispatch, LogGuard), LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let stderr_filter = read_filter(&settings.stderr_filter)?;
    let file_filter = read_filter(&settings.file_filter)?;
    let file = settings.file.clone().map(|path| Arc::new(BoundedFile::new(path, settings.file_bytes_max)));
    let file_layer =
        file.clone().map(|file| layer(settings.format, false, true, LinesOf(file)).with_filter(file_filter));
    let subscriber = tracing_subscriber::registry()
        .with(layer(settings.format, settings.colour, settings.time, stderr).with_filter(stderr_filter))
        .with(file_layer);
    Ok((Dispatch::new(subscriber), LogGuard { file }))
}

fn layer<S, W>(format: LogFormat, colour: bool, time: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Internal errors would be reported with eprintln!, which panics on a closed stderr.
    let layer = tracing_subscriber::fmt::layer().with_ansi(colour).log_internal_errors(false).with_writer(writer);
    match (format, time) {
        (LogFormat::Human, true) => layer.boxed(),
        (LogFormat::Human, false) => layer.without_time().boxed(),
        (LogFormat::Json, true) => layer.json().boxed(),
        (LogFormat::Json, false) => layer.json().without_time().boxed(),
    }
}

/// Stderr whose troubles are nobody's.
struct QuietStderr;

impl Write for QuietStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands each line to the file.
struct LinesOf(Arc<BoundedFile>);

impl<'a> MakeWriter<'a> for LinesOf {
    type Writer = &'a BoundedFile;

    fn make_writer(&'a self) -> Self::Writer {
        &self.0
    }
}

/// Collects log lines in memory, so that a test can show what is in them, and what is not.
///
/// ```text
/// let capture = Capture::new("debug")?;
/// capture.during(|| engine.execute(say("the secret text")));
/// assert!(!capture.text().contains("secret"));
/// ```
#[derive(Debug, Clone)]
pub struct Capture {
    lines: Lines,
    dispatch: Dispatch,
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Capture {
    /// Collects what passes `filter`.
    ///
    /// # Errors
    /// [`LoggingError::Filter`], [`LoggingError::NotALevel`].
    pub fn new(filter: &str) -> Result<Self, LoggingError> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(LogFormat::Human, false, true, move || writer.clone());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.with_filter(read_filter(filter)?)));
        Ok(Self { lines, dispatch })
    }

    /// Collects what `run` logs on this thread. Other threads take part with `tracing::dispatcher::set_default` and
    /// [`Capture::dispatch`].
    pub fn during<T>(&self, run: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, run)
    }

    /// For threads and tasks that [`Capture::during`] does not reach.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Everything collected so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use std::fs;

    fn settings(dir: &std::path::Path) -> LogSettings {
        LogSettings {
            stderr_filter: "warn".into(),
            file_filter: "info".into(),
            format: LogFormat::Human,
            colour: false,
            time: true,
            file: Some(dir.join("muster.log")),
            file_bytes_max: 1024 * 1024,
        }
    }

    /// What stderr and the file hold after `run`, and how many lines the file lost.
    fn logged(settings: &LogSettings, run: impl FnOnce()) -> (String, String, u64) {
        let stderr = Lines::default();
        let writer = stderr.clone();
        let (dispatch, guard) = assemble(settings, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, run);
        let stderr = String::from_utf8(stderr.0.lock().unwrap().clone()).unwrap();
        let file = settings.file.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        (stderr, file, guard.lost_lines())
    }

    #[test]
    fn stderr_and_file_each_have_their_filter() {
        let dir = tempfile::tempdir().unwrap();
        let (stderr, file, lost) = logged(&settings(dir.path()), || {
            let _span = tracing::info_span!("sync", peer = "bob").entered();
            tracing::debug!("too fine for both");
            tracing::info!(entries = 3, "synced");
            tracing::warn!("slow");
        });
        assert!(stderr.contains("slow") && !stderr.contains("synced"), "{stderr}");
        assert!(file.contains("sync{peer=\"bob\"}") && file.contains("synced entries=3"), "{file}");
        assert!(!file.contains("too fine") && !file.contains('\u{1b}'), "{file}");
        assert_eq!(lost, 0);
    }

    #[test]
    fn json_lines_are_json() {
        let dir = tempfile::tempdir().unwrap();
        let settings = LogSettings { format: LogFormat::Json, ..settings(dir.path()) };
        let (_, file, _) = logged(&settings, || {
            let _span = tracing::info_span!("command", word = "say").entered();
            tracing::info!(entries = 3, "a \"quoted\"\nline");
        });
        assert_eq!(file.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&file).unwrap();
        assert_eq!(line["fields"]["entries"], 3);
        assert_eq!(line["span"]["word"], "say");
    }

    #[test]
    fn a_file_that_cannot_be_written_costs_lines_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("no/such/dir/muster.log");
        let settings = LogSettings { file: Some(broken), ..settings(dir.path()) };
        let (stderr, _, lost) = logged(&settings, || tracing::warn!("still shown"));
        assert!(stderr.contains("still shown"));
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_command_shows_warnings_only_until_somebody_chooses() {
        let home = Home::at(std::path::Path::new("/h")).unwrap();
        let shown = |log: Option<&str>, process| {
            let flags = Overrides { log: log.map(str::to_owned), ..Overrides::default() };
            let config = Config::load(std::path::Path::new("/nowhere/config.toml"), flags, |_| None).unwrap();
            LogSettings::new(&config, &home, process)
        };
        assert_eq!(shown(None, Process::Command).stderr_filter, "warn");
        assert_eq!(shown(None, Process::Command).file_filter, "info");
        assert_eq!(shown(None, Process::Node).stderr_filter, "info");
        assert_eq!(shown(Some("info"), Process::Command).stderr_filter, "info");
        assert_eq!(shown(None, Process::Node).file_bytes_max, 8 * 1024 * 1024);
    }

    #[test]
    fn a_mistyped_level_is_not_taken_for_a_module() {
        for filter in ["info", "WARN", "info,libp2p=warn", "off", "muster_sync=trace, error", "[sync{peer=bob}]=trace"]
        {
            check_filter(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        }
        for filter in ["", "inof", "info,,warn", "libp2p", "libp2p=loud", "info,libp2p"] {
            check_filter(filter).expect_err(filter);
        }
    }

    #[test]
    fn a_capture_holds_what_was_logged_at_its_level_and_no_finer() {
        let capture = Capture::new("debug").unwrap();
        let result = capture.during(|| {
            tracing::debug!("kept");
            tracing::trace!("dropped");
            7
        });
        tracing::error!("outside");
        assert_eq!(result, 7);
        assert!(capture.text().contains("kept"));
        assert!(!capture.text().contains("dropped") && !capture.text().contains("outside"));
    }
}
