//! Claiming, offering, accepting, releasing and settling roles.

use super::{CommandError, Context, Prepared, superseding};
use crate::RoleName;
use crate::state::{self, RoleNow};
use muster_log::fact::{RoleAct, What};
use muster_log::{BodyText, EntryId, Part};

impl Context<'_> {
    pub(super) fn role_claim(&self, role: &str, take: Option<&str>) -> Result<Prepared, CommandError> {
        let role = RoleName::parse(role)?;
        let now = state::role(self.doc, role.as_str());
        let alone = !role.is_single() || now.holds.len() == 1;
        if now.is_held_by(&self.me) && alone {
            return Err(CommandError::AlreadyHolds { role, holder: self.people.name(&self.me) });
        }
        let reason = take.map(str::trim).unwrap_or_default();
        if role.is_single() && !now.holds.is_empty() && reason.is_empty() {
            return Err(CommandError::HeldByOthers { holders: self.holders(&now), role });
        }
        let body = BodyText::default().with(Part::Reason, reason);
        Ok(self.write(&role, RoleAct::Claim, self.hold_and_offers(&role), body))
    }

    pub(super) fn role_assign(&self, role: &str, to: &str) -> Result<Prepared, CommandError> {
        let role = RoleName::parse(role)?;
        let to = self.people.find(to)?;
        if state::role(self.doc, role.as_str()).is_held_by(&to) {
            return Err(CommandError::AlreadyHolds { role, holder: self.people.name(&to) });
        }
        let supersedes = RoleNow::offer_writers(self.doc, role.as_str(), &to);
        Ok(self.write(&role, RoleAct::Assign(to), supersedes, BodyText::default()))
    }

    pub(super) fn role_accept(&self, role: &str) -> Result<Prepared, CommandError> {
        let role = RoleName::parse(role)?;
        let offers = state::role(self.doc, role.as_str()).offers_to(self.doc, &self.me);
        let Some(newest) = offers.last() else { return Err(CommandError::NoOffer { role }) };
        Ok(self.write(&role, RoleAct::Accept(*newest), self.hold_and_offers(&role), BodyText::default()))
    }

    pub(super) fn role_release(&self, role: &str) -> Result<Prepared, CommandError> {
        let role = RoleName::parse(role)?;
        let now = state::role(self.doc, role.as_str());
        if !now.is_held_by(&self.me) && now.offers_to(self.doc, &self.me).is_empty() {
            return Err(CommandError::NotHeld { role });
        }
        let mut supersedes = RoleNow::own_hold_writers(self.doc, role.as_str(), &self.me);
        supersedes.extend(RoleNow::offer_writers(self.doc, role.as_str(), &self.me));
        Ok(self.write(&role, RoleAct::Release, supersedes, BodyText::default()))
    }

    pub(super) fn role_settle(&self, role: &str, on: &str) -> Result<Prepared, CommandError> {
        let role = RoleName::parse(role)?;
        if !role.is_single() {
            return Err(CommandError::HeldByMany { role });
        }
        let on = self.people.find(on)?;
        let now = state::role(self.doc, role.as_str());
        if !now.is_contested(role.as_str()) {
            return Err(CommandError::NotContested { role });
        }
        if !now.is_held_by(&on) {
            let person = self.people.name(&on);
            return Err(CommandError::NotAHolder { role, person, holders: self.holders(&now) });
        }
        let supersedes = RoleNow::hold_writers(self.doc, role.as_str(), &on);
        Ok(self.write(&role, RoleAct::Settle(on), supersedes, BodyText::default()))
    }

    /// What taking the role replaces: the holds first, then offers to the author.
    fn hold_and_offers(&self, role: &RoleName) -> Vec<EntryId> {
        let mut writers = RoleNow::hold_writers(self.doc, role.as_str(), &self.me);
        writers.extend(RoleNow::offer_writers(self.doc, role.as_str(), &self.me));
        writers
    }

    fn holders(&self, now: &RoleNow) -> Vec<String> {
        let mut holders: Vec<String> = now.holds.iter().map(|hold| self.people.name(&hold.person)).collect();
        holders.sort();
        holders
    }

    fn write(&self, role: &RoleName, act: RoleAct, supersedes: Vec<EntryId>, body: BodyText) -> Prepared {
        let supersedes = superseding(supersedes);
        Prepared::new(What::Role { role: role.as_str().to_owned(), act, supersedes }, body)
    }
}
