//! What is done with bytes of anybody's making, one function for each thing that arrives from outside: nothing panics, and
//! what must hold of the result does.
//!
//! The functions panic where something is wrong. `cargo fuzz` calls them with what it makes up (`fuzz/`, which is a
//! workspace of its own and needs a nightly compiler); the ordinary tests call them with the committed corpus and
//! with damaged copies of it (`crates/muster-fuzz/tests/replay.rs`). The corpus is written by `cargo run -p muster-fuzz --bin corpus`.

#![allow(clippy::unwrap_used, reason = "a panic is what tells")]

mod roster;
pub mod seeds;

use muster_log::body::BodyPlace;
use muster_log::{Body, Entry, Fact, Ticket};
use muster_sync::bundle::{BundleReader, Found, open_chunk};
use muster_sync::frame::{Frame, Gossip, TeamPrefix, team_of};

pub use roster::roster;

/// A target: its name, which is that of its folder in the corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Bytes of what stands in place of a body that cannot be read, at most.
const PLACEHOLDER_BYTES: usize = 64;

/// How many bytes of text one byte that is no UTF-8 can become: the replacement character has three.
const UTF8_GROWTH: usize = 3;

/// All targets.
pub const TARGETS: [Target; 6] =
    [("entry", entry), ("body", body), ("frame", frame), ("ticket", ticket), ("bundle", bundle), ("roster", roster)];

/// An entry's bytes: what decodes has one form, and its fields mean something or nothing.
pub fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else { return };
    assert_eq!(entry.bytes(), bytes, "an entry has one form");
    let draft = entry.items().clone();
    assert_eq!(draft.seal().unwrap().id(), entry.id(), "what was decoded encodes to the same");
    let _ = Fact::parse(entry.kind(), &entry.items().fields);
    entry.parents().for_each(drop);
}

/// A body's bytes: what is taken says how it is named, and what cannot be read is shown as something.
pub fn body(bytes: &[u8]) {
    let text = Body::read(bytes);
    let longest = bytes.len().max(PLACEHOLDER_BYTES) * UTF8_GROWTH;
    assert!(text.parts().all(|(_, part)| part.len() <= longest));
    let place: BodyPlace = seeds::place();
    if let Ok(body) = Body::take(bytes, &place) {
        assert_eq!(body.bytes(), bytes);
        assert_eq!(body.reference().size as usize, bytes.len());
    }
}

/// A frame or a message of gossip: what decodes encodes to the same; a chunk unpacks to entries of its own DAG, or to nothing.
pub fn frame(bytes: &[u8]) {
    let team = seeds::team();
    let prefix = TeamPrefix::from(team);
    if let Ok(frame) = Frame::decode(bytes, prefix) {
        assert_eq!(team_of(bytes), Some(prefix));
        assert_eq!(frame.encode(prefix), bytes, "a frame has one form");
    }
    if let Ok(message) = Gossip::decode(bytes, prefix) {
        assert_eq!(message.encode(prefix), bytes, "a message has one form");
    }
    if let Ok(opened) = open_chunk(bytes, team) {
        assert!(opened.received.iter().all(|received| received.entry.dag() == opened.dag));
    }
}

/// A ticket's text: what is read is written again as the same ticket.
pub fn ticket(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert!(ticket.to_string().parse::<Ticket>().is_ok_and(|again| again == ticket));
    }
}

/// A bundle: read in pieces of any size it gives what it gives in one.
pub fn bundle(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    let step = bytes.first().map_or(1, |byte| usize::from(*byte).max(7));
    assert_eq!(whole, read(bytes, step), "the size of the pieces decides nothing");
}

/// What is found in a bundle, in words.
fn read(bytes: &[u8], step: usize) -> Vec<String> {
    let (mut reader, mut found, mut team) = (BundleReader::new(), Vec::new(), seeds::team());
    for piece in bytes.chunks(step) {
        reader.push(piece);
        loop {
            match reader.poll() {
                Ok(Some(Found::Header(header))) => {
                    team = header.team;
                    found.push(format!("{header:?}"));
                }
                Ok(Some(Found::Chunk(chunk))) => {
                    let entries = open_chunk(&chunk, team).map(|opened| opened.received.len());
                    found.push(format!("chunk {entries:?}"));
                }
                Ok(None) => break,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }
    found.push(format!("{:?}", reader.finish()));
    found
}
