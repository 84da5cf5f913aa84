//! What became of a bundle that was written or read.

use super::moment::day_and_clock;
use super::wrap::wrapped;
use super::{Page, short};
use muster_log::Timestamp;
use muster_node::bundle::{ReadAccount, WriteAccount};
use std::fmt::Write;

/// What was written.
pub(crate) fn written(account: &WriteAccount) -> String {
    let mut text = String::new();
    let WriteAccount { file, kind, reader, entries, incidents, bytes, left_out, .. } = account;
    let to = file.as_deref().unwrap_or("stdout");
    let what = match (kind.as_str(), entries) {
        ("full", _) => format!("{} of {}", count(*entries, "entry", "entries"), incidents_in_words(*incidents)),
        (_, 0) => "no entries, for the other side has everything that is here; only what is held here".to_owned(),
        _ => format!("{} that the other side lacks", count(*entries, "entry", "entries")),
    };
    text.push_str(&wrapped("", 0, &format!("{to} ({bytes} bytes): {what}")));
    text.push_str(&match reader {
        Some(reader) => {
            let who = format!("for {reader}: nobody else can read it in, but whoever has the file can look into it");
            wrapped("", 0, &who)
        }
        None => wrapped("", 0, "for anybody in the team; whoever has the file can look into it"),
    });
    if *left_out > 0 {
        let what = count(*left_out as u64, "incident is", "incidents are");
        let line = format!("left out: {what} not for this reader (name one of its persons with `--for NAME`)");
        text.push_str(&wrapped("", 0, &line));
    }
    text
}

/// What became of one that was read.
pub(crate) fn read(account: &ReadAccount, page: &Page) -> String {
    // Writing into a string cannot fail.
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
    if !account.whole {
        let _ = writeln!(text, "NOT WHOLE: {}", parts_in_words(account));
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
        let mut lines = written(reply);
        lines.insert_str(0, "reply: ");
        text.extend(lines.lines().map(|line| wrapped("", 0, line)));
    }
    text
}

/// What is whole and what is not. A bundle is more than its chunks of entries: its beginning, what the writer holds, its
/// end; those are counted among the damaged parts, and never among the chunks.
fn parts_in_words(account: &ReadAccount) -> String {
    let chunks = u64::from(account.chunks);
    let (told, gone) = match account.chunks_written {
        Some(written) if written == account.chunks => {
            (format!("all {} of entries are whole", count(chunks, "chunk", "chunks")), 0)
        }
        Some(written) => {
            let told = format!("{} of {} of entries are whole", chunks, count(written.into(), "chunk", "chunks"));
            (told, written.saturating_sub(account.chunks))
        }
        None => (
            format!("{} of entries {} whole", count(chunks, "chunk", "chunks"), if chunks == 1 { "is" } else { "are" }),
            0,
        ),
    };
    match account.damaged.saturating_sub(gone) {
        0 => told,
        besides => format!(
            "{told}; {} of the file {} damaged besides",
            count(besides.into(), "part", "parts"),
            if besides == 1 { "is" } else { "are" }
        ),
    }
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
        stick.bundle (12345 bytes): no entries, for the other side has everything that
        is here; only what is held here
        for bob: nobody else can read it in, but whoever has the file can look into it
        left out: 1 incident is not for this reader (name one of its persons with
        `--for NAME`)
        ");
    }

    #[test]
    fn damage_at_the_beginning_does_not_make_whole_chunks_damaged_ones() {
        let told = |chunks, chunks_written, damaged| {
            parts_in_words(&ReadAccount { chunks, chunks_written, damaged, ..ReadAccount::default() })
        };
        assert_eq!(told(4, Some(4), 4), "all 4 chunks of entries are whole; 4 parts of the file are damaged besides");
        assert_eq!(told(3, Some(4), 1), "3 of 4 chunks of entries are whole");
        assert_eq!(told(1, None, 0), "1 chunk of entries is whole");
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
        NOT WHOLE: 3 chunks of entries are whole; 1 part of the file is damaged besides
          the file was cut off: its end is not there
          what is whole is taken in; read a good copy to get the rest
        NO REPLY is written: its beginning is damaged
        ");
    }
}
