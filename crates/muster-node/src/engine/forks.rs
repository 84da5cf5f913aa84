//! Requests about forks: which there are, and the proof of one.

use super::Engine;
use crate::request::Failure;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use muster_store::Storage;
use serde_json::{Value, json};

impl<S: Storage> Engine<S> {
    /// Every fork in every team here.
    pub(crate) fn forks(&self) -> Result<Value, Failure> {
        let mut told = Vec::new();
        for team in self.replica.teams() {
            let (ledger, people) = (self.replica.ledger(&team)?, self.replica.people(&team)?);
            for fork in self.replica.forks(&team)? {
                let Some(entry) = fork.first().and_then(|id| ledger.entry(id)) else { continue };
                let person = ledger.person(&entry.id()).map(|person| people.name(&person));
                told.push(json!({
                    "person": person,
                    "device": entry.key().to_string(),
                    "entries": fork.iter().map(ToString::to_string).collect::<Vec<_>>(),
                }));
            }
        }
        Ok(Value::Array(told))
    }

    /// The proof of one fork, as base64.
    pub(crate) fn fork_proof(&mut self, typed: &str) -> Result<Value, Failure> {
        let (team, id) = self.entry_typed(typed)?;
        let proof = self.replica.fork_proof(&team, &id)?.ok_or_else(|| {
            Failure::new("nothing else stands under the number of that entry")
                .hint("`muster proof` lists the forks that are known here")
        })?;
        Ok(json!({ "entry": id.to_string(), "proof": BASE64_STANDARD.encode(proof.encode()) }))
    }
}
