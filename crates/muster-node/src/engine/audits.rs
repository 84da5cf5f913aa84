//! Requests about audit files, page by page, and about verification. The driving is in [`crate::audit`].
//!
//! The caller commits before them, so that nothing gets into a file that is not durable here.

use super::Engine;
use super::doctor::lost_entries;
use super::reads::to_value;
use crate::audit::{Ask, PAGE_BYTES, Page, Planned};
use crate::bundle::Bytes;
use crate::request::Failure;
use crate::verify_file::told;
use muster_log::{Timestamp, VerifyReport};
use muster_replica::{AuditOrder, VerifyScope};
use muster_store::Storage;
use serde_json::{Value, json};

impl<S: Storage> Engine<S> {
    pub(super) fn audit(&mut self, ask: &Ask) -> Result<Value, Failure> {
        match ask {
            Ask::Plan { incident, all } => self.plan_audit(incident.as_deref(), *all).map(|planned| to_value(&planned)),
            Ask::Rows { team, dag, from } => {
                let (rows, next) = self.replica.audit_rows(&team.0, &dag.0, *from, PAGE_BYTES)?;
                Ok(to_value(&Page { rows: Bytes(rows), next }))
            }
        }
    }

    fn plan_audit(&mut self, typed: Option<&str>, all: bool) -> Result<Planned, Failure> {
        let nothing = || Failure::new("there is nothing here to write yet").hint("begin with `muster declare TITLE`");
        let (team, order) = if all {
            (self.replica.current_team()?.ok_or_else(nothing)?, AuditOrder::All)
        } else {
            let (team, incident) = self.incident_meant(typed)?.ok_or_else(|| {
                Failure::new("there is no open incident").hint("name one with `-i PREFIX`, or write `--all`")
            })?;
            (team, AuditOrder::One(incident))
        };
        let plan = self.replica.plan_audit(&team, &order, self.now())?;
        Ok(Planned {
            manifest: Bytes(plan.manifest.encode()),
            signature: Bytes(plan.signature.as_bytes().to_vec()),
            left_out: plan.left_out,
        })
    }

    /// Everything that is stored, or one incident, judged again.
    pub(super) fn verify(&mut self, typed: Option<&str>, every: bool) -> Result<Value, Failure> {
        let incident = typed.map(|typed| self.incident_typed(typed)).transpose()?;
        let found = self.replica.verify(VerifyScope { incident, every })?;
        let damage = self.around.damage.iter().cloned();
        let gone = self.replica.store().lost()?.map(|lost| {
            let since = self.rfc3339(Timestamp(lost.since_ms));
            format!("{} that this device had are gone since {since}; `muster up` fetches them", lost_entries(lost))
        });
        let others: Vec<String> = damage.chain(gone).collect();
        let reports: Vec<&VerifyReport> = found.teams.iter().map(|(_, report)| report).collect();
        let mut told = told(&reports, &others);
        if let Some(told) = told.as_object_mut() {
            told.insert("what".into(), json!("store"));
        }
        Ok(told)
    }
}
