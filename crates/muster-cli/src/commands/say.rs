//! `muster say TEXT`: a note; `muster say --batch FILE`: many entries at once, read in [`crate::batch`].

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{self, Aside};
use muster_node::request::{Act, Request};
use serde_json::Value;
use std::path::PathBuf;

/// What `say` takes.
#[derive(Debug, clap::Args)]
#[command(override_usage = "muster say TEXT [--at TIME] [--who NAME] [--link URL]\n       muster say --batch FILE")]
pub(crate) struct Say {
    /// What to write; `-` reads it from stdin
    #[arg(value_name = "TEXT", required_unless_present = "batch")]
    words: Vec<String>,
    /// Write one entry for each line of this file (`-`: stdin), a JSON object each: text, and kind (note, observation,
    /// decision, request), at, who, link where wanted. All lines are checked before the first is written
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "at", "who", "link"])]
    pub(crate) batch: Option<PathBuf>,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Say {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = text::read(&self.words, setting)?;
        self.aside.request(Act::Say { text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("note", &answer, "entry")
    }
}
