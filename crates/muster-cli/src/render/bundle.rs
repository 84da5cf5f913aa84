//! What became of a bundle that was written or read.

use super::moment::day_and_clock;
use super::{Page, short};
use muster_log::Timestamp;
use muster_node::bundle::{ReadAccount, WriteAccount};
use std::fmt::Write;

/// What was written.
pub(crate) fn written(account: &WriteAccount) -> String {
    let mut text = String::new();
    let WriteAccount { file, kind, reader, entries, incidents, bytes, left_out, .. } = account;
    let to = file.as_deref().unwrap_or("stdout");
    // Writing into a string cannot fail.
    let what = match (kind.as_str(), entries) {
        ("full", _) => format!("{} of {}", count(*entries, "entry", "entries"), incidents_in_words(*incidents)),
        (_, 0) => "no entries, for the other side has everything that is here; only what is held here".to_owned(),
        _ => format!("{} that the other side lacks", count(*entries, "entry", "entries")),
    };
    let _ = writeln!(text, "{to} ({bytes} bytes): {what}");
    let _ = match reader {
        Some(reader) => {
            writeln!(text, "for {reader}: nobody else can read it in, but whoever has the file can look into it")
        }
        None => writeln!(text, "for anybody in the team; whoever has the file can look into it"),
    };
    if *left_out > 0 {
        let what = count(*left_out as u64, "private incident is", "private incidents are");
        let _ = writeln!(text, "left out: {what} not for this reader (name one of its persons with --for NAME)");
    }
    text
}

/// What became of one that was read.
pub(crate) fn read(account: &ReadAccount, page: &Page) -> String {
    let mut text = String::new();
    let person = account.person.as_deref().unwrap_or("a device that is not in the team");
    let _ = match account.written_ms {
        Some(at) => writeln!(text, "a bundle by {person}, written {}", day_and_clock(Timestamp(at), page)),
        None => writeln!(text, "a bundle whose beginning is damaged: who wrote it is not known"),
    };
    let _ = writeln!(text, "{} new, {} here before", count(account.new as u64, "entry", "entries"), account.known);
    if account.pending > 0 {
        let lacking: Vec<&str> = account.waiting_for.iter().map(|id| short(id)).collect();
        let what = count(account.pending as u64, "entry waits", "entries wait");
        let _ = writeln!(text, "{what} for what is not here: {}", lacking.join(" "));
    }
    if let Some(first) = &account.first_refused {
        let _ = writeln!(text, "{} REFUSED, first {}: {}", account.refused, short(&first.entry), first.reason);
    }
    let chunks = match account.chunks_written {
        Some(written) => format!("{} of {written} chunks are whole", account.chunks),
        None => format!("{} chunks are whole", account.chunks),
    };
    if !account.whole {
        let _ = writeln!(text, "NOT WHOLE: {chunks}, {} damaged", account.damaged);
        let faults = [
            account.cut_off.then(|| "the file was cut off: its end is not there".to_owned()),
            account.read_error.as_ref().map(|error| format!("the file could not be read on: {error}")),
            account.first_fault.as_ref().map(|fault| format!("first fault: {fault}")),
            (account.stray_bytes > 0).then(|| format!("{} bytes belong to nothing", account.stray_bytes)),
        ];
        for fault in faults.into_iter().flatten() {
            let _ = writeln!(text, "  {fault}");
        }
        text.push_str("  what is whole is taken in; read a good copy to get the rest\n");
    }
    if account.unknown_frames > 0 {
        let what = count(account.unknown_frames.into(), "part", "parts");
        let _ = writeln!(text, "{what} of a kind that this version does not know, left aside");
    }
    if let Some(why) = &account.no_reply {
        let _ = writeln!(text, "NO REPLY is written: {why}");
    }
    if let Some(reply) = &account.reply {
        let _ = write!(text, "reply: {}", written(reply));
    }
    text
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn incidents_in_words(incidents: usize) -> String {
    match incidents {
        0 => "the roster".to_owned(),
        incidents => count(incidents as u64, "incident", "incidents"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;
    use super::*;

    fn account() -> WriteAccount {
        WriteAccount {
            file: Some("stick.bundle".into()),
            bundle: "ab".repeat(32),
            team: "cd".repeat(32),
            kind: "full".into(),
            reader: None,
            entries: 42,
            chunks: 3,
            bytes: 12_345,
            incidents: 2,
            left_out: 0,
        }
    }

    #[test]
    fn what_was_written_says_for_whom_and_what_is_not_in_it() {
        insta::assert_snapshot!(written(&account()), @"
        stick.bundle (12345 bytes): 42 entries of 2 incidents
        for anybody in the team; whoever has the file can look into it
        ");
        let account =
            WriteAccount { kind: "reply".into(), entries: 0, reader: Some("bob".into()), left_out: 1, ..account() };
        insta::assert_snapshot!(written(&account), @"
        stick.bundle (12345 bytes): no entries, for the other side has everything that is here; only what is held here
        for bob: nobody else can read it in, but whoever has the file can look into it
        left out: 1 private incident is not for this reader (name one of its persons with --for NAME)
        ");
    }

    #[test]
    fn what_was_read_tells_new_from_old_and_names_the_damage() {
        let good = ReadAccount {
            person: Some("alice".into()),
            written_ms: Some(1_689_857_100_000),
            new: 3,
            known: 39,
            chunks: 3,
            chunks_written: Some(3),
            whole: true,
            ..ReadAccount::default()
        };
        insta::assert_snapshot!(read(&good, &page()), @"
        a bundle by alice, written 12:45
        3 entries new, 39 here before
        ");
        let bad = ReadAccount {
            person: None,
            pending: 2,
            waiting_for: vec!["ab".repeat(32)],
            refused: 1,
            first_refused: Some(muster_node::bundle::Refused { entry: "cd".repeat(32), reason: "A4, proof".into() }),
            damaged: 1,
            cut_off: true,
            chunks_written: None,
            whole: false,
            no_reply: Some("its beginning is damaged".into()),
            ..good
        };
        insta::assert_snapshot!(read(&bad, &page()), @"
        a bundle by a device that is not in the team, written 12:45
        3 entries new, 39 here before
        2 entries wait for what is not here: abababab
        1 REFUSED, first cdcdcdcd: A4, proof
        NOT WHOLE: 3 chunks are whole, 1 damaged
          the file was cut off: its end is not there
          what is whole is taken in; read a good copy to get the rest
        NO REPLY is written: its beginning is damaged
        ");
    }
}
