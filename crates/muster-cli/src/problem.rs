//! What can keep a command from being done, how it is told, and with which exit code it ends.
//!
//! What happened in the node or the store arrives as [`Failure`], with its hint. Usage errors that the parser finds
//! itself are clap's affair; they end with the same code.

use muster_incident::printable_lines;
use muster_node::request::Failure;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit code of a command that was refused or failed.
const CODE_REFUSED: u8 = 1;

/// Exit code of a command line that means nothing; clap uses the same.
const CODE_USAGE: u8 = 2;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The command line itself is at fault.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The node, the store or a file said no.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// Whatever there was to tell stands on stdout or stderr already.
    #[error("not done")]
    Told,
    /// Stdout takes no more.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[source] io::Error),
}

impl Problem {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// A refusal.
    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Failure::new(message).hint(hint))
    }

    /// Adds another line to the hint.
    pub(crate) fn and_hint(self, line: &str) -> Self {
        let joined = |hint: Option<String>| match hint {
            Some(hint) => Some(format!("{hint}\n{line}")),
            None => Some(line.to_owned()),
        };
        match self {
            Self::Usage { message, hint } => Self::Usage { message, hint: joined(hint) },
            Self::Refused(failure) => Self::Refused(Failure { message: failure.message, hint: joined(failure.hint) }),
            other => other,
        }
    }

    /// The exit code. A reader who closed the pipe has what they wanted: nothing failed.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => CODE_USAGE.into(),
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Refused(_) | Self::Told | Self::Stdout(_) => CODE_REFUSED.into(),
        }
    }

    /// Tells it on stderr; what cannot even be told is lost.
    pub(crate) fn tell(&self) {
        let _ = io::stderr().lock().write_all(self.text().as_bytes());
    }

    /// The lines for stderr. Messages can quote what others wrote.
    fn text(&self) -> String {
        let hint = match self {
            Self::Usage { hint, .. } | Self::Refused(Failure { hint, .. }) => hint.as_deref(),
            Self::Told => return String::new(),
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => return String::new(),
            Self::Stdout(_) => None,
        };
        let mut text = labelled("error: ", 2, &self.to_string());
        text.extend(hint.map(|hint| labelled("  hint: ", 8, hint)));
        text
    }
}

/// Puts a label before the first line and indents the others.
fn labelled(label: &str, columns: usize, lines: &str) -> String {
    let indent = format!("\n{:columns$}", "");
    format!("{label}{}\n", printable_lines(lines).replace('\n', &indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_what_to_do_next() {
        let failure = Failure::new("2 incidents are open\n7f3a  Checkout\u{1b}[2J").hint("choose with `muster use ID`");
        let text = Problem::from(failure).and_hint("or name one with `-i ID`").text();
        insta::assert_snapshot!(text, @r"
        error: 2 incidents are open
          7f3a  Checkout�[2J
          hint: choose with `muster use ID`
                or name one with `-i ID`
        ");
    }

    #[test]
    fn a_closed_pipe_is_neither_told_nor_a_failure() {
        let problem = Problem::Stdout(io::ErrorKind::BrokenPipe.into());
        assert_eq!((problem.text().as_str(), problem.code()), ("", ExitCode::SUCCESS));
    }

    #[test]
    fn bad_usage_ends_with_two_and_a_refusal_with_one() {
        assert_eq!(Problem::usage("no", "yes").code(), ExitCode::from(2));
        assert_eq!(Problem::refused("no", "yes").code(), ExitCode::from(1));
        assert_eq!(Problem::Told.code(), ExitCode::from(1));
    }
}
