//! The words of a command line that are one text, and the asides that any write takes.

use crate::problem::Problem;
use crate::setting::Setting;
use crate::size;
use muster_node::request::{Act, Request, Write};

/// What ends a line, or does so somewhere.
const LINE_ENDS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// A text of one or more words; quotes may be forgotten. `-` alone means stdin.
#[derive(Debug, clap::Args)]
pub(crate) struct Text {
    /// What to write; `-` reads it from stdin
    #[arg(value_name = "TEXT", required = true)]
    words: Vec<String>,
}

/// As [`Text`], but there may be none.
#[derive(Debug, clap::Args)]
pub(crate) struct Remark {
    /// A remark on it; `-` reads it from stdin
    #[arg(value_name = "TEXT")]
    words: Vec<String>,
}

impl Text {
    /// The text.
    pub(crate) fn read(&self, setting: &mut Setting) -> Result<String, Problem> {
        read(&self.words, setting)
    }

    /// The text where it is a title: shown in lists, where a second line would pass for a line of the list.
    pub(crate) fn read_title(&self, setting: &mut Setting) -> Result<String, Problem> {
        let text = self.read(setting)?;
        let title = text.trim();
        if title.contains(LINE_ENDS) {
            let hint = "leave out the line feeds; `muster say` takes as many lines as there are";
            return Err(Problem::usage("a title is one line", hint));
        }
        Ok(title.to_owned())
    }
}

impl Remark {
    /// The text, if there is one.
    pub(crate) fn read(&self, setting: &mut Setting) -> Result<Option<String>, Problem> {
        if self.words.is_empty() { Ok(None) } else { read(&self.words, setting).map(Some) }
    }
}

/// One text of these words, or stdin where the only word is `-`.
pub(crate) fn read(words: &[String], setting: &mut Setting) -> Result<String, Problem> {
    if let [word] = words
        && word == "-"
    {
        return setting.input.text();
    }
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Err(Problem::usage("the text is empty", "write it behind the command, or `-` to read stdin"));
    }
    size::check(&text)?;
    Ok(text)
}

/// What can be said about the event behind a write.
#[derive(Debug, clap::Args)]
pub(crate) struct Aside {
    /// When it happened, if not now: 10:42, "about 13:30", 13:30..13:45, "yesterday 23:10", 5m ago
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Who reported it, if not you
    #[arg(long, value_name = "NAME")]
    pub(crate) who: Option<String>,
    /// A link that belongs to it
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
}

impl Aside {
    /// The request that writes an act with these asides.
    pub(crate) fn request(&self, act: Act, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Write(Write {
            incident: setting.incident.clone(),
            act,
            at: self.at.as_deref().map(|at| setting.at(at)).transpose()?,
            who: self.who.clone(),
            link: self.link.clone(),
            name: setting.name.clone(),
        }))
    }
}
