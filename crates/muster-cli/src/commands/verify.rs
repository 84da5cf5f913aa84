//! `muster verify [FILE]`: every signature and rule checked again, of this home or of a file that somebody gave.

use super::{Ask, read};
use crate::output;
use crate::problem::Problem;
use crate::progress::{Bar, Waiting};
use crate::render::{Page, verify};
use crate::run::{answer, made_printable};
use crate::session::Session;
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use muster_node::verify_file::verify_file;
use serde_json::Value;
use std::path::PathBuf;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// An audit file or a bundle, which needs no home; without one, all that is stored here or one incident (-i)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Check each signature that is here, not only those that prove the ones before; of a file each is checked always
    #[arg(long)]
    every: bool,
}

impl Verify {
    /// Checks, tells what was found, and fails where something is wrong.
    pub(crate) fn run(&self, session: &mut Session) -> Result<(), Problem> {
        let found = match &self.file {
            Some(path) => {
                let mut bar = Bar::new("bytes");
                let found = verify_file(path, &mut |done, of| bar.show(done, of));
                bar.end();
                found?
            }
            None => {
                let waiting = Waiting::new("checking");
                let found = answer(self, session);
                waiting.end();
                found?
            }
        };
        let is_bad = self.is_bad(&found);
        if session.json {
            output::print_json(&found)?;
        } else {
            output::print(&self.show(made_printable(found), &session.page)?)?;
        }
        if is_bad { Err(Problem::Told) } else { Ok(()) }
    }
}

impl Ask for Verify {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = What::Verify { every: self.every };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(verify::show(&read(answer)?, page))
    }

    fn is_bad(&self, answer: &Value) -> bool {
        answer.get("ok") != Some(&Value::Bool(true))
    }
}
