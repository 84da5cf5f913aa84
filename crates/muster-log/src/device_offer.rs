//! How a person gets another device: the offer that one of their devices prints, and the new device's answer.
//!
//! Both are texts without secrets. The offer says which person of which team it is about and where its devices may be
//! found; the answer is the new device's agreement, which `add-device` carries. Whoever intercepts them gains nothing: the
//! device that offers adds only the key whose answer its owner types in.

use crate::cbor::{self, Writer};
use crate::draft::sign_device;
use crate::fact::RosterFact;
use crate::ids::{PersonId, TeamId};
use crate::key::{DeviceKey, DeviceSecret, Signature};
use crate::roster::DEVICE_TAG;
use crate::text_form::{self, BadCode, CODE_CHARS_MAX};
use crate::ticket::{read_addresses, write_addresses};
use std::fmt;
use std::str::FromStr;

/// How an offer's text begins. The number is the version of its form.
const OFFER_PREFIX: &str = "musterdevice1";

/// How an answer's text begins.
const ANSWER_PREFIX: &str = "musteranswer1";

/// Why a text is no offer or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadOffer {
    /// Not the form at all.
    #[error("this does not begin with {0}")]
    Form(&'static str),
    /// Longer than any.
    #[error("this is too long ({CODE_CHARS_MAX} characters at most)")]
    TooLong,
    /// The check at the end fails, or what follows it makes no sense.
    #[error("a character is missing or wrong")]
    Damaged,
    /// The answer is not signed by the device that it names.
    #[error("the answer is not that device's own")]
    Signature,
}

impl BadOffer {
    fn of(bad: BadCode, prefix: &'static str) -> Self {
        match bad {
            BadCode::Form => Self::Form(prefix),
            BadCode::TooLong => Self::TooLong,
            BadCode::Check => Self::Damaged,
        }
    }
}

/// What a person's device tells the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOffer {
    /// The team.
    pub team: TeamId,
    /// The person who gets the device.
    pub person: PersonId,
    /// Devices of the team with the addresses where they may be found; the roster is taken from these.
    pub addresses: Vec<(DeviceKey, String)>,
}

/// What the new device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceAnswer {
    /// The team.
    pub team: TeamId,
    /// The person it agrees to belong to.
    pub person: PersonId,
    /// The new device.
    pub device: DeviceKey,
    signature: Signature,
}

impl DeviceAnswer {
    /// Agrees to an offer.
    pub fn new(offer: &DeviceOffer, device: &DeviceSecret) -> Self {
        let signature = sign_device(device, offer.team, offer.person);
        Self { team: offer.team, person: offer.person, device: device.public(), signature }
    }

    /// The fact that adds the device, to be written by a device of the person.
    pub fn fact(&self) -> RosterFact {
        RosterFact::AddDevice { device: self.device, device_signature: self.signature }
    }
}

impl fmt::Display for DeviceOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut w = Writer::new();
        w.list(3).bytes(self.team.as_bytes()).bytes(self.person.as_bytes());
        write_addresses(&mut w, &self.addresses);
        f.write_str(&text_form::print(OFFER_PREFIX, &w.finish()))
    }
}

impl FromStr for DeviceOffer {
    type Err = BadOffer;

    fn from_str(text: &str) -> Result<Self, BadOffer> {
        let bytes = text_form::read(OFFER_PREFIX, text).map_err(|bad| BadOffer::of(bad, OFFER_PREFIX))?;
        let value = cbor::decode(&bytes).map_err(|_| BadOffer::Damaged)?;
        let read = || {
            let [team, person, addresses] = value.as_list()? else { return None };
            Some(Self {
                team: TeamId::try_from(team.as_bytes()?).ok()?,
                person: PersonId::try_from(person.as_bytes()?).ok()?,
                addresses: read_addresses(addresses)?,
            })
        };
        read().ok_or(BadOffer::Damaged)
    }
}

impl fmt::Display for DeviceAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut w = Writer::new();
        w.list(4).bytes(self.team.as_bytes()).bytes(self.person.as_bytes()).bytes(self.device.as_bytes());
        w.bytes(self.signature.as_bytes());
        f.write_str(&text_form::print(ANSWER_PREFIX, &w.finish()))
    }
}

impl FromStr for DeviceAnswer {
    type Err = BadOffer;

    fn from_str(text: &str) -> Result<Self, BadOffer> {
        let bytes = text_form::read(ANSWER_PREFIX, text).map_err(|bad| BadOffer::of(bad, ANSWER_PREFIX))?;
        let value = cbor::decode(&bytes).map_err(|_| BadOffer::Damaged)?;
        let read = || {
            let [team, person, device, signature] = value.as_list()? else { return None };
            Some(Self {
                team: TeamId::try_from(team.as_bytes()?).ok()?,
                person: PersonId::try_from(person.as_bytes()?).ok()?,
                device: DeviceKey::try_from(device.as_bytes()?).ok().filter(|device| device.check().is_ok())?,
                signature: Signature::try_from(signature.as_bytes()?).ok()?,
            })
        };
        let answer = read().ok_or(BadOffer::Damaged)?;
        let parts: [&[u8]; 2] = [answer.team.as_bytes(), answer.person.as_bytes()];
        let is_own = answer.device.verifies(DEVICE_TAG, &parts, &answer.signature);
        if is_own { Ok(answer) } else { Err(BadOffer::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offer() -> DeviceOffer {
        let device = DeviceSecret::from_seed(&[7; 32]).public();
        DeviceOffer {
            team: TeamId::from_bytes([1; 32]),
            person: PersonId::from_bytes([2; 32]),
            addresses: vec![(device, "/ip4/192.0.2.1/tcp/4001".into())],
        }
    }

    #[test]
    fn an_offer_and_its_answer_read_back_what_they_print() {
        let answer = DeviceAnswer::new(&offer(), &DeviceSecret::from_seed(&[8; 32]));
        assert_eq!(offer().to_string().parse(), Ok(offer()));
        assert_eq!(format!("\n{answer} ").parse(), Ok(answer));
    }

    #[test]
    fn an_answer_for_another_person_team_or_device_is_not_taken() {
        let good = DeviceAnswer::new(&offer(), &DeviceSecret::from_seed(&[8; 32]));
        let others = [
            DeviceAnswer { person: PersonId::from_bytes([3; 32]), ..good.clone() },
            DeviceAnswer { team: TeamId::from_bytes([3; 32]), ..good.clone() },
            DeviceAnswer { device: DeviceSecret::from_seed(&[9; 32]).public(), ..good },
        ];
        for other in others {
            assert_eq!(other.to_string().parse::<DeviceAnswer>(), Err(BadOffer::Signature));
        }
    }

    #[test]
    fn a_text_of_the_other_kind_is_told_by_its_beginning() {
        let answer = DeviceAnswer::new(&offer(), &DeviceSecret::from_seed(&[8; 32])).to_string();
        assert_eq!(answer.parse::<DeviceOffer>(), Err(BadOffer::Form(OFFER_PREFIX)));
        assert_eq!(offer().to_string().parse::<DeviceAnswer>(), Err(BadOffer::Form(ANSWER_PREFIX)));
        assert_eq!(answer[..answer.len() - 1].parse::<DeviceAnswer>(), Err(BadOffer::Damaged));
        assert!(matches!(answer.parse::<crate::Ticket>(), Err(crate::BadTicket::Form)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(musterdevice1|musteranswer1)?[1-9A-Za-z]{0,300}") {
            let _ = text.parse::<DeviceOffer>();
            let _ = text.parse::<DeviceAnswer>();
        }
    }
}
