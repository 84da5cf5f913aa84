//! How far something long is, for whoever waits for it at a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is over sooner needs no progress shown.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Progress on stderr where that is a terminal, once it has taken a while.
pub(crate) struct Bar {
    began: Instant,
    unit: &'static str,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// None is shown yet.
    pub(crate) fn new(unit: &'static str) -> Self {
        Self { began: Instant::now(), unit, bar: None }
    }

    /// So much is done, and of how much where that is known.
    pub(crate) fn show(&mut self, done: u64, of: Option<u64>) {
        if self.bar.is_none() && self.began.elapsed() < PROGRESS_AFTER {
            return;
        }
        let unit = self.unit;
        let bar = self.bar.get_or_insert_with(|| {
            let template = match of {
                Some(_) => format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{eta}} to go"),
                None => format!("{{spinner}} {{pos}} {unit}"),
            };
            let style = ProgressStyle::with_template(&template);
            let bar = of.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        if let Some(of) = of {
            bar.set_length(of);
        }
        bar.set_position(done);
    }

    /// It is over: the line is cleared.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How often what has no measure moves.
const SPIN_EVERY: Duration = Duration::from_millis(200);

/// That something goes on whose length nobody knows: a spinner and the time it has taken, once that is long.
pub(crate) struct Waiting {
    over: Sender<()>,
    shown: JoinHandle<()>,
}

impl Waiting {
    /// Nothing is shown yet.
    pub(crate) fn new(what: &'static str) -> Self {
        let (over, is_over) = mpsc::channel();
        let shown = thread::spawn(move || {
            if is_over.recv_timeout(PROGRESS_AFTER) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}");
            let spinner = ProgressBar::new_spinner().with_elapsed(PROGRESS_AFTER).with_message(what);
            let spinner = spinner.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            while is_over.recv_timeout(SPIN_EVERY) == Err(RecvTimeoutError::Timeout) {
                spinner.tick();
            }
            spinner.finish_and_clear();
        });
        Self { over, shown }
    }

    /// It is over: the line is cleared.
    pub(crate) fn end(self) {
        drop(self.over);
        let _ = self.shown.join();
    }
}
