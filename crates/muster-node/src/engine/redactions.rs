//! What whoever redacted is told of the text, once the erasure has come to its end or could not.
//!
//! The entry is written by `Engine::execute`, and erased by the replica after the commit; only then is this known.

use super::Engine;
use crate::request::Failure;
use muster_replica::Erasure;
use muster_store::Storage;
use serde_json::{Value, json};

impl<S: Storage> Engine<S> {
    /// The answer to a redaction with what became of the text on this device.
    pub(crate) fn tell_erasure(&self, done: Result<Value, Failure>) -> Result<Value, Failure> {
        let mut answer = done?;
        let redaction = answer.get("entry").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let (Some(redaction), Some(fields)) = (redaction, answer.as_object_mut()) else { return Ok(answer) };
        // A store that cannot be asked has not told that the text is gone.
        let erasure = self.replica.erasure_by(&redaction, self.now()).unwrap_or(Erasure::Due);
        let (word, told) = match erasure {
            Erasure::Done => ("done", "the text is erased here, and on every other node as soon as it hears of this"),
            Erasure::Waits => (
                "waits",
                "the text is hidden at once, on every node that hears of this; it is erased after 24 hours, or as soon as a second admin redacts it too",
            ),
            Erasure::NoRoom => (
                "no-room",
                "the text is hidden, and NOT YET ERASED on this disk: no room to write the store anew; free as much as the store takes, then a node, or the next command that writes, erases it by itself",
            ),
            Erasure::Due => (
                "due",
                "the text is hidden, and NOT YET ERASED on this disk; a node, or the next command that writes, erases it by itself: `muster doctor` tells",
            ),
        };
        let notes = fields.get("note").and_then(Value::as_str).map(|more| format!("\n{more}")).unwrap_or_default();
        fields.insert("erasure".into(), json!(word));
        fields.insert("note".into(), json!(format!("{told}{notes}")));
        Ok(answer)
    }
}
