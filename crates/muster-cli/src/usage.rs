//! A command line that means nothing: what the parser says, in the form of all other errors.

use std::io::{self, Write};
use std::process::ExitCode;

/// Tells what is wrong with the command line, or prints the help that was asked for.
pub(crate) fn tell(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // What cannot even be told is lost.
        let _ = io::stderr().lock().write_all(text(&error.render().to_string()).as_bytes());
    } else if let Err(closed) = error.print()
        && closed.kind() != io::ErrorKind::BrokenPipe
    {
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).unwrap_or(2).into()
}

/// The parser's text as an error and its hints: tips first, then how the command is used.
fn text(rendered: &str) -> String {
    let (mut message, mut hints, mut is_usage) = (String::new(), Vec::new(), false);
    for line in rendered.lines() {
        if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
            hints.push(tip.replace('\'', "`"));
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            hints.push(format!("usage: {usage}"));
            is_usage = true;
        } else if line.starts_with("For more information") {
            is_usage = false;
        } else if !line.trim().is_empty() {
            let target = if is_usage { hints.last_mut() } else { None };
            match target {
                Some(usage) => {
                    usage.push_str("\n       ");
                    usage.push_str(line.trim());
                }
                None => {
                    message.push_str(line);
                    message.push('\n');
                }
            }
        }
    }
    for (index, line) in hints.iter().flat_map(|hint| hint.lines()).enumerate() {
        message.push_str(if index == 0 { "  hint: " } else { "        " });
        message.push_str(line);
        message.push('\n');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use clap::Parser;

    /// What is told about this command line.
    fn told(line: &[&str]) -> String {
        text(&Args::try_parse_from(line).unwrap_err().render().to_string())
    }

    #[test]
    fn what_the_parser_refuses_is_told_in_the_form_of_all_errors() {
        insta::assert_snapshot!(told(&["muster", "stauts"]), @r"
        error: unrecognized subcommand 'stauts'
          hint: a similar subcommand exists: `status`
                usage: muster [OPTIONS] <COMMAND>
        ");
        insta::assert_snapshot!(told(&["muster", "say"]), @r"
        error: the following required arguments were not provided:
          <TEXT>...
          hint: usage: muster say TEXT [--at TIME] [--who NAME] [--link URL]
                       muster say --batch FILE
        ");
        let severity = told(&["muster", "declare", "x", "--sev", "0"]);
        assert!(severity.contains("a severity is 1 (worst) to 5, or `unknown`"), "{severity}");
    }
}
