//! What a command said: exit code, stdout, stderr; and what tests ask of it.

use serde_json::Value;

/// The end of one command.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

impl Answer {
    /// This answer, if the exit code is the one expected.
    ///
    /// # Panics
    /// If it is another one.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "`{}`\nstdout: {}\nstderr: {}", self.command, self.stdout, self.stderr);
        self
    }

    /// What stdout holds, read as one JSON value on one line.
    ///
    /// # Panics
    /// If it is anything else.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "`{}` prints one line: {}", self.command, self.stdout);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("`{}`: {error}: {}", self.command, self.stdout))
    }

    /// This answer, if it is a plain refusal: exit code 1, nothing on stdout, on stderr one `error:`, a hint and each of
    /// `words`. What the program tells about itself, as that the disk is full, may stand before.
    ///
    /// # Panics
    /// If it is anything else.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        let this = self.with_code(1).says(words);
        assert_eq!(this.stdout, "", "`{}` leaves stdout empty", this.command);
        let errors = this.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "`{}` has one error: {}", this.command, this.stderr);
        assert!(this.stderr.contains("\n  hint: "), "`{}` hints at a way out: {}", this.command, this.stderr);
        this
    }

    /// This answer, if stderr holds each of `words`.
    ///
    /// # Panics
    /// If one is missing.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{}` says `{word}`: {}", self.command, self.stderr);
        }
        self
    }
}

/// The ids of the entries of a timeline, in its order.
///
/// # Panics
/// If it is no timeline.
#[track_caller]
pub fn ids_of(timeline: &Value) -> Vec<String> {
    let entries = timeline.as_array().expect("a timeline is an array");
    entries.iter().map(|entry| entry["id"].as_str().expect("an entry has an id").to_owned()).collect()
}
