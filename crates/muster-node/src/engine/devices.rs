//! Requests that give this device's person another device, from either side.

use super::Engine;
use crate::decision::DeviceStep;
use crate::request::Failure;
use muster_log::device_offer::{DeviceAnswer, DeviceOffer};
use muster_store::Storage;
use serde_json::{Value, json};

impl<S: Storage> Engine<S> {
    pub(crate) fn device_step(&mut self, step: &DeviceStep) -> Result<Value, Failure> {
        match step {
            DeviceStep::Offer => self.offer_device(),
            DeviceStep::Accept { offer } => {
                let hint = match offer.trim().starts_with("muster1") {
                    true => "that is a ticket, for somebody who is not in the team yet: `muster join TICKET`",
                    false => "copy the whole line that `muster team devices offer` prints on the other device",
                };
                let offer: DeviceOffer =
                    offer.parse().map_err(|bad| Failure::new(format!("this is no device offer: {bad}")).hint(hint))?;
                let answer = self.replica.accept_offer(&offer)?;
                Ok(json!({ "answer": answer.to_string(), "team": offer.team.to_string() }))
            }
            DeviceStep::Add { answer } => {
                let hint = "copy the whole line that `muster team devices accept` prints on the new device";
                let answer: DeviceAnswer = answer
                    .parse()
                    .map_err(|bad| Failure::new(format!("this is no device's answer: {bad}")).hint(hint))?;
                let now = self.now();
                let entry = self.replica.add_device(&answer, now)?;
                let person = self.replica.people(&answer.team)?.name(&answer.person);
                Ok(json!({ "entry": entry.to_string(), "device": answer.device.to_string(), "person": person }))
            }
        }
    }

    fn offer_device(&mut self) -> Result<Value, Failure> {
        let team = self.replica.current_team()?.ok_or_else(|| {
            Failure::new("there is no team here yet")
                .hint("`muster team create` makes one, `muster join TICKET` joins one")
        })?;
        let addresses = self.own_addresses()?;
        let offer = self.replica.offer_device(team, &addresses)?;
        Ok(json!({ "offer": offer.to_string(), "team": team.to_string() }))
    }
}
