//! What a command line means besides its own words: which incident, who, what time it is, what stdin holds.

use crate::input::Input;
use crate::problem::Problem;
use jiff::tz::TimeZone;
use muster_log::Timestamp;
use muster_node::request::At;
use muster_node::when;

/// Where a command line was typed.
pub(crate) struct Setting {
    /// `-i PREFIX`.
    pub(crate) incident: Option<String>,
    /// `--as NAME`.
    pub(crate) name: Option<String>,
    /// The clock as the command began.
    pub(crate) now: Timestamp,
    /// The zone in which times are typed and shown.
    pub(crate) zone: TimeZone,
    /// Stdin.
    pub(crate) input: Input,
    /// What the typist should be told about how a word was taken, for stderr.
    pub(crate) notes: Vec<String>,
}

impl Setting {
    /// Reads `--at`.
    pub(crate) fn at(&mut self, typed: &str) -> Result<At, Problem> {
        let parsed = when::parse(typed, self.now, &self.zone);
        let parsed = parsed.map_err(|error| Problem::usage(error.to_string(), error.hint()))?;
        self.notes.extend(parsed.note);
        Ok(At::new(&parsed.when, parsed.text))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 2023-07-20 12:30 UTC, and this on stdin.
    pub(crate) fn setting(stdin: &str) -> Setting {
        Setting {
            incident: None,
            name: None,
            now: Timestamp(1_689_856_200_000),
            zone: TimeZone::UTC,
            input: Input::new(std::io::Cursor::new(stdin.as_bytes().to_vec())),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_time_of_day_still_to_come_is_yesterday_and_said_to_be() {
        let mut setting = setting("");
        let at = setting.at("23:10").unwrap();
        assert_eq!((at.precision.as_str(), at.text.as_str()), ("minute", "23:10"));
        assert!(setting.notes[0].contains("yesterday"), "{:?}", setting.notes);
    }

    #[test]
    fn a_time_that_cannot_be_read_is_a_usage_error_with_the_forms() {
        let Err(Problem::Usage { message, hint }) = setting("").at("teatime") else { panic!("not a usage error") };
        assert_eq!(message, "cannot read `teatime` as a time");
        assert!(hint.unwrap().contains("about 13:30"));
    }
}
