//! Colour, where a terminal takes it and its owner has not said no. It only repeats what words say.

use std::io::{self, IsTerminal};

/// Puts colour on words, or leaves them alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colour on a terminal that is not dumb, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(crate) fn for_stdout() -> Self {
        let said_no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { on: io::stdout().is_terminal() && !said_no && !is_dumb }
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self { on: false }
    }

    /// What must be seen.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What stands aside.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_surrounds_the_words() {
        assert_eq!(Paint { on: true }.red("CONTESTED"), "\u{1b}[1;31mCONTESTED\u{1b}[0m");
        assert_eq!(Paint::off().red("CONTESTED"), "CONTESTED");
    }
}
