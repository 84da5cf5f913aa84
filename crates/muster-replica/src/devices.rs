//! Another device for a person: offer, answer, and the entry that adds it.
//!
//! The texts are in [`muster_log::device_offer`]. The new device takes the roster from the devices that the offer names,
//! which know it as soon as the answer was added.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use muster_log::device_offer::{DeviceAnswer, DeviceOffer};
use muster_log::{BodyText, DagId, DeviceKey, EntryId, TeamId};
use muster_store::Storage;

/// Where a new device's answer is taken.
const THERE: &str = "it is added where its offer was made: `muster team devices add ANSWER` on that person's device";

impl<S: Storage> Replica<S> {
    /// What another device of this person must know. Nothing is written.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where this device is not in the team.
    pub fn offer_device(&self, team: TeamId, own_addresses: &[String]) -> Result<DeviceOffer, ReplicaError> {
        let person = self
            .person_in(&team)
            .ok_or_else(|| ReplicaError::NotAllowed("it is not a member of the team (yet)".into()))?;
        let me = self.device();
        let addresses = crate::ticket_addresses::own(own_addresses).into_iter().map(|address| (me, address)).collect();
        Ok(DeviceOffer { team, person, addresses })
    }

    /// Agrees to be a device of the person who offers: the answer is for that person to add. Durable with the next
    /// commit; the team's roster comes once it was added.
    ///
    /// # Errors
    /// [`ReplicaError::InTeam`], [`ReplicaError::Store`].
    pub fn accept_offer(&mut self, offer: &DeviceOffer) -> Result<DeviceAnswer, ReplicaError> {
        if self.person_in(&offer.team).is_some() {
            return Err(ReplicaError::InTeam);
        }
        self.expect_roster(offer.team, &offer.addresses, true)?;
        self.move_to(offer.team)?;
        Ok(DeviceAnswer::new(offer, &self.secret))
    }

    /// Adds the device that answered to this device's person.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where the answer is for somebody else, the device is somebody's already, or this
    /// device may not add any; [`ReplicaError::Store`].
    pub fn add_device(&mut self, answer: &DeviceAnswer, now: Now) -> Result<EntryId, ReplicaError> {
        let refuse = |what: &str, hint| Err(ReplicaError::Pointless { what: what.to_owned(), hint });
        let team = answer.team;
        let Some(person) = self.person_in(&team) else {
            return refuse("this device is not in the team that the answer is about", THERE);
        };
        if person != answer.person {
            return refuse("the answer is to another person's offer", THERE);
        }
        if self.ledger(&team)?.roster().person_of(&answer.device).is_some() {
            return refuse(
                "that device is in the team already",
                "`muster team show` tells whose it is; there `muster up` is all it needs",
            );
        }
        let fact = answer.fact();
        self.author(team, Some(DagId::from(team)), fact.kind(), fact.fields(), &BodyText::default(), now)
    }

    /// This device goes to a team: what was declared alone comes along, and the team becomes the current one. Durable with
    /// the next commit.
    pub(crate) fn move_to(&mut self, team: TeamId) -> Result<(), ReplicaError> {
        self.let_come_along(team)?;
        self.set_local(crate::local::CURRENT_TEAM.to_owned(), Some(team.to_string().into_bytes()))
    }

    /// From now on these devices may bring the roster of a team that is not here yet; `as_member` says that this device will
    /// take part in its gossip. Durable with the next commit.
    pub(crate) fn expect_roster(
        &mut self,
        team: TeamId,
        addresses: &[(DeviceKey, String)],
        as_member: bool,
    ) -> Result<(), ReplicaError> {
        let sponsors: std::collections::BTreeSet<DeviceKey> = addresses.iter().map(|(device, _)| *device).collect();
        let lines: Vec<String> = sponsors.iter().map(DeviceKey::to_string).collect();
        self.set_local(crate::local::sponsors(&team), Some(lines.join("\n").into_bytes()))?;
        for device in &sponsors {
            let own = addresses.iter().filter(|(owner, _)| owner == device);
            let texts: Vec<String> = own.map(|(_, address)| address.clone()).collect();
            self.save_addresses(device, &texts)?;
        }
        let me = self.device();
        let state = self.teams.entry(team).or_insert_with(|| crate::team::Team::new(team, me));
        (state.sponsors, state.hears_sponsors) = (sponsors, as_member);
        Ok(())
    }
}
