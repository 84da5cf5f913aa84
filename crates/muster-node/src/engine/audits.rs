//! Requests about audit files, page by page. The driving is in [`crate::audit`].
//!
//! The caller commits before them, so that nothing gets into a file that is not durable here.

use super::Engine;
use super::reads::to_value;
use crate::audit::{Ask, PAGE_BYTES, Page, Planned};
use crate::bundle::Bytes;
use crate::request::Failure;
use muster_replica::{AuditOrder, AuditRows};
use muster_store::Storage;
use serde_json::Value;

impl<S: Storage> Engine<S> {
    pub(super) fn audit(&mut self, ask: &Ask) -> Result<Value, Failure> {
        match ask {
            Ask::Plan { incident, all } => self.plan_audit(incident.as_deref(), *all).map(|planned| to_value(&planned)),
            Ask::Rows { team, dag, from } => {
                let AuditRows { bytes, next, absent } = self.replica.audit_rows(&team.0, &dag.0, *from, PAGE_BYTES)?;
                Ok(to_value(&Page { rows: Bytes(bytes), next, absent }))
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
        let plan = self.replica.plan_audit(&team, &order, self.around.damage.len() as u64, self.now())?;
        Ok(Planned {
            manifest: Bytes(plan.manifest.encode()),
            signature: Bytes(plan.signature.as_bytes().to_vec()),
            left_out: plan.left_out,
            is_picked: plan.is_picked,
        })
    }
}
