//! The command line.

use crate::fault::Fault;
use std::path::{Path, PathBuf};

/// Measures muster on this machine and prints the figures of docs/performance.md
#[derive(Debug, clap::Parser)]
#[command(name = "muster-bench", version, max_term_width = 80)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    pub(crate) what: What,
    /// How many entries the outage has that is opened and synced
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) entries: u32,
    /// How many incidents the home has that is opened
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) incidents: u32,
    /// How many single entries are appended, and how many are sent live
    #[arg(long, value_name = "N", default_value = "300", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) reps: u32,
    /// Where to work; the file system counts [default: the system's place for temporary files]
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir(), hide_default_value = true)]
    pub(crate) dir: PathBuf,
    /// The program `muster` to time [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    muster: Option<PathBuf>,
    /// The figures as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Of the modes that this program starts itself in
    #[arg(long, value_name = "DIR", hide = true)]
    home: Option<PathBuf>,
    /// As `peer`: the node's name, A to J
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    name: Option<String>,
    /// As `peer`: where to listen
    #[arg(long, value_name = "ADDR", default_value = "/ip4/127.0.0.1/tcp/0", hide_short_help = true)]
    listen: String,
    /// As `peer`: the lines to write, one JSON object each
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    corpus: Option<PathBuf>,
}

/// What a node under a harness is started with.
pub(crate) struct PeerArgs {
    /// Where everything of it is kept.
    pub(crate) dir: PathBuf,
    /// A holds the log at first; B to J come to it.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) listen: String,
    /// Lines to write.
    pub(crate) corpus: PathBuf,
}

/// What to measure, or what to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Everything
    All,
    /// One durable entry after another
    Append,
    /// Opening a home: time and memory
    Open,
    /// What a home takes on disk before and after compaction, and opening it afterwards
    Compact,
    /// Every entry judged again
    Verify,
    /// Rosters that one admin has made long, judged
    Roster,
    /// Opening a home with many incidents: time and memory
    Many,
    /// A newcomer gets everything
    Sync,
    /// What twenty writers at once get out of one node
    Writers,
    /// Two nodes that were apart come together
    Heal,
    /// The same, and a first sync, with lines like prose
    Prose,
    /// How soon others see an entry
    Live,
    /// How soon nine others see an entry over lines that are slow and lose packets; needs root
    Wan,
    /// The program from exec to exit
    Cli,
    /// Be a node that a harness drives over stdin and stdout (docs/performance.md)
    Peer,
    /// A node, for the figures that need two.
    #[value(hide = true)]
    Node,
    /// Writes a home with many incidents, to try the program on.
    #[value(hide = true)]
    WriteMany,
    /// A process that opens a home with many incidents and says what it took.
    #[value(hide = true)]
    OpenMany,
    /// A process that opens a home and says what it took.
    #[value(hide = true)]
    OpenHome,
}

impl Args {
    /// Whether this figure was asked for.
    pub(crate) fn wants(&self, what: What) -> bool {
        self.what == what || self.what == What::All
    }

    /// The home that a process of this program's own was given.
    pub(crate) fn child_home(&self) -> Result<&Path, Fault> {
        self.home.as_deref().ok_or_else(|| Fault::unexpected("a process of the benchmark was given no --home"))
    }

    /// What a node under a harness is started with.
    pub(crate) fn peer(&self) -> Result<PeerArgs, Fault> {
        match (&self.name, &self.corpus) {
            (Some(name), Some(corpus)) => Ok(PeerArgs {
                dir: self.dir.clone(),
                name: name.clone(),
                listen: self.listen.clone(),
                corpus: corpus.clone(),
            }),
            _ => Err(Fault::unexpected("`peer` needs --dir, --name and --corpus")),
        }
    }

    /// The program to time, if there is one.
    pub(crate) fn muster(&self) -> Option<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.with_file_name("muster"));
        self.muster.clone().or_else(beside).filter(|path| path.is_file())
    }
}
