//! The ticket: what one newcomer needs to join a team. A text, also shown as a QR code, that must be kept secret.
//!
//! Its public half is in the roster's `invite` entry; whether it is still open is the voucher's judgement.

use crate::cbor::{self, Writer};
use crate::ids::{EntryId, IncidentId, TeamId};
use crate::key::{DeviceKey, DeviceSecret, Signature};
use crate::text_form::{self, BadCode};
use crate::time::Timestamp;
use crate::value::Value;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The tag under which a ticket's key admits a device.
pub(crate) const JOIN_TAG: &str = "muster/join/1";

/// How a ticket's text begins. The number is the version of its form.
const PREFIX: &str = "muster1";

pub use crate::text_form::CODE_CHARS_MAX as TICKET_TEXT_MAX;

/// Why a text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// Not the form of a ticket at all.
    #[error("this is not a ticket (they begin with {PREFIX})")]
    Form,
    /// Longer than any ticket.
    #[error("this is too long for a ticket ({TICKET_TEXT_MAX} characters at most)")]
    TooLong,
    /// The check at the end fails: a character is missing or wrong.
    #[error("the ticket is damaged: a character is missing or wrong")]
    Check,
}

/// An invitation to join one team once.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The team.
    pub team: TeamId,
    /// The `invite` entry.
    pub invite: EntryId,
    /// The secret that makes it a ticket.
    pub seed: Zeroizing<[u8; 32]>,
    /// When the voucher will stop taking it, by the voucher's own clock; here only as advice.
    pub expires: Timestamp,
    /// Some members with the addresses where they may be found.
    pub addresses: Vec<(DeviceKey, String)>,
    /// The one incident that a guest comes for; here only as advice, the `invite` entry decides.
    pub incident: Option<IncidentId>,
}

impl Ticket {
    /// The public half, as the `invite` entry names it.
    pub fn public(&self) -> DeviceKey {
        self.secret().public()
    }

    /// Signs that `device` may join: the signature that its `join` entry carries.
    pub fn sign_join(&self, device: &DeviceKey) -> Signature {
        self.secret().sign(JOIN_TAG, &[self.team.as_bytes(), self.invite.as_bytes(), device.as_bytes()])
    }

    fn secret(&self) -> DeviceSecret {
        DeviceSecret::from_seed(&self.seed)
    }

    /// `[team, invite, seed, expires, [[device, address], ..]]`, for a guest with the incident as a sixth item.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::new();
        w.list(5 + usize::from(self.incident.is_some()));
        w.bytes(self.team.as_bytes()).bytes(self.invite.as_bytes()).bytes(self.seed.as_slice());
        w.int(self.expires.0);
        write_addresses(&mut w, &self.addresses);
        if let Some(incident) = &self.incident {
            w.bytes(incident.as_bytes());
        }
        Zeroizing::new(w.finish())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let value = cbor::decode(bytes).ok()?;
        let [team, invite, seed, expires, addresses, rest @ ..] = value.as_list()? else { return None };
        let incident = match rest {
            [] => None,
            [incident] => Some(IncidentId::try_from(incident.as_bytes()?).ok()?),
            _ => return None,
        };
        let ticket = Self {
            team: TeamId::try_from(team.as_bytes()?).ok()?,
            invite: EntryId::try_from(invite.as_bytes()?).ok()?,
            seed: Zeroizing::new(seed.as_bytes()?.try_into().ok()?),
            expires: Timestamp(expires.as_int()?),
            addresses: read_addresses(addresses)?,
            incident,
        };
        (*ticket.encode() == bytes).then_some(ticket)
    }
}

/// `[[device, address], ..]`
pub(crate) fn write_addresses(w: &mut Writer, addresses: &[(DeviceKey, String)]) {
    w.list(addresses.len());
    for (device, address) in addresses {
        w.list(2).bytes(device.as_bytes()).text(address);
    }
}

/// The addresses as [`write_addresses`] wrote them; `None` where one is of another form.
pub(crate) fn read_addresses(value: &Value) -> Option<Vec<(DeviceKey, String)>> {
    let address = |item: &Value| {
        let [device, address] = item.as_list()? else { return None };
        let device = DeviceKey::try_from(device.as_bytes()?).ok().filter(|device| device.check().is_ok())?;
        let address = address.as_text().filter(|text| !text.chars().any(char::is_control))?;
        Some((device, address.to_owned()))
    };
    value.as_list()?.iter().map(address).collect()
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_form::print(PREFIX, &self.encode()))
    }
}

impl FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Self, BadTicket> {
        let bytes = text_form::read(PREFIX, text).map_err(|bad| match bad {
            BadCode::Form => BadTicket::Form,
            BadCode::TooLong => BadTicket::TooLong,
            BadCode::Check => BadTicket::Check,
        })?;
        Self::decode(&bytes).ok_or(BadTicket::Form)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(invite {:?} of {:?})", self.invite, self.team)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> Ticket {
        let device = DeviceSecret::from_seed(&[7; 32]).public();
        Ticket {
            team: TeamId::from_bytes([1; 32]),
            invite: EntryId::from_bytes([2; 32]),
            seed: Zeroizing::new([3; 32]),
            expires: Timestamp(1_690_000_000_000),
            addresses: vec![(device, "/ip4/192.0.2.1/tcp/4001".into())],
            incident: None,
        }
    }

    #[test]
    fn a_ticket_reads_back_what_it_prints() {
        let ticket = ticket();
        assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
        let folded: Vec<String> =
            ticket.to_string().as_bytes().chunks(80).map(|row| String::from_utf8_lossy(row).into()).collect();
        for space in ["\r\n", " ", "\n\n  ", "\u{a0}"] {
            assert_eq!(format!(" {}\n", folded.join(space)).parse(), Ok(ticket.clone()), "{space:?}");
        }
    }

    #[test]
    fn the_text_of_a_ticket_does_not_change_from_version_to_version() {
        assert_eq!(ticket().to_string(), GOLDEN);
    }

    #[test]
    fn a_changed_cut_or_long_text_is_not_a_ticket() {
        let good = ticket().to_string();
        let changed = format!("{}{}", &good[..good.len() - 1], if good.ends_with('2') { '3' } else { '2' });
        let cases = [
            (changed, BadTicket::Check),
            (good[..good.len() - 1].to_owned(), BadTicket::Check),
            (good[1..].to_owned(), BadTicket::Form),
            (String::new(), BadTicket::Form),
            (PREFIX.to_owned(), BadTicket::Check),
            (format!("{PREFIX}0"), BadTicket::Check),
            (format!("{PREFIX}{}", "z".repeat(TICKET_TEXT_MAX)), BadTicket::TooLong),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Ticket>(), Err(expected), "{text:.40}");
        }
    }

    #[test]
    fn a_ticket_never_prints_its_seed_for_debugging() {
        let shown = format!("{:?}", ticket());
        assert!(!shown.contains("0303") && !shown.contains("3, 3"), "{shown}");
    }

    #[test]
    fn a_join_signature_holds_for_one_device_only() {
        let (ticket, device) = (ticket(), DeviceSecret::from_seed(&[7; 32]).public());
        let signature = ticket.sign_join(&device);
        let holds = |device: &DeviceKey| {
            let parts: [&[u8]; 3] = [ticket.team.as_bytes(), ticket.invite.as_bytes(), device.as_bytes()];
            ticket.public().verifies(JOIN_TAG, &parts, &signature)
        };
        assert!(holds(&device) && !holds(&ticket.public()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(muster1)?[1-9A-Za-z]{0,300}") {
            let _ = text.parse::<Ticket>();
        }
    }

    const GOLDEN: &str = "muster13D911uFk6EV5BjYSJniF2eJC9rXBjKTFSnn9n5sNYEKVGqeMR3FXysw6XHvNNfX2cH9PkuvUMctEL5BndJ4\
        HtgYjPRGvgAYXQW1e1nNx1yt8Xr1K11Lj7hczNPU6DnyANLntX4U6cZFZcPnXdkyruVNCEGRVXk46jzP71NRBaoVaQ\
        erY1sngoQLUvaepSJyUCz7zsFJBwJ7C38ho7b3XhwQpMqkBzFX3ZuJm9UHNn9fGtMVia";
}
