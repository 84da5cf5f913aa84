//! Facts about a team: who is in it, with which devices and which capability. A closed set of kinds.

use super::reader::{Reader, bytes, entry_id, set};
use super::{Kind, Malformed};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::key::{DeviceKey, Signature};
use crate::limits::{RECOVERY_KEYS_MAX, REVOKED_DEVICES_MAX};
use crate::time::Timestamp;
use crate::value::Value;

/// The version of the team's rules, fixed at its birth.
const TEAM_FORMAT: i64 = 1;

/// What a person may do in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Reads.
    Observer = 1,
    /// Reads and writes.
    Responder = 2,
    /// Also decides who is in the team.
    Admin = 3,
}

impl Capability {
    /// The word for it in commands and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Responder => "responder",
            Self::Admin => "admin",
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value.as_int()? {
            1 => Some(Self::Observer),
            2 => Some(Self::Responder),
            3 => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Whether a person is a human being. What an automation writes never counts as a human acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonKind {
    /// A human being.
    Human = 0,
    /// A machine.
    Automation = 1,
}

impl PersonKind {
    fn from_value(value: &Value) -> Option<Self> {
        match value.as_int()? {
            0 => Some(Self::Human),
            1 => Some(Self::Automation),
            _ => None,
        }
    }
}

/// Why devices are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevokeMode {
    /// Out of use; nobody else has its key.
    Retire = 0,
    /// Somebody else may have its key.
    Compromise = 1,
}

/// Heads of one incident up to which a revoked device's entries count: sorted, different.
pub type Frontier = Vec<(IncidentId, Vec<EntryId>)>;

/// One of the roster's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterFact {
    /// The author creates the team and is its first admin.
    TeamCreate {
        /// What the author is.
        person_kind: PersonKind,
        /// Offline keys that outrank every admin, in this order.
        recovery_keys: Vec<DeviceKey>,
    },
    /// One newcomer may join with this ticket.
    Invite {
        /// Public half of the ticket's secret.
        ticket_key: DeviceKey,
        /// What the newcomer will be able to do; never admin.
        capability: Capability,
        /// Until when members should let the newcomer in, each by its own clock. Admission never asks for it.
        expires: Timestamp,
        /// The one incident that the newcomer may hold, as a guest; `None`: a member of the team.
        incident: Option<IncidentId>,
    },
    /// The author joins by the invite that is its only dep.
    Join {
        /// What the author is.
        person_kind: PersonKind,
        /// The ticket key's signature of `muster/join/1`, team, invite id, device key.
        ticket_signature: Signature,
    },
    /// The author lets the author of this `join` in.
    Vouch {
        /// The `join`.
        join: EntryId,
    },
    /// The author's person gets a device.
    AddDevice {
        /// The new device.
        device: DeviceKey,
        /// The new device's signature of `muster/device/1`, team, person.
        device_signature: Signature,
    },
    /// A person's capability becomes this.
    SetCapability {
        /// The person.
        person: PersonId,
        /// The new capability.
        capability: Capability,
    },
    /// Nothing; joins heads.
    Merge,
    /// Of the joins by one ticket, this one is right.
    Confirm {
        /// The `join`.
        join: EntryId,
    },
    /// These devices are out.
    Revoke {
        /// At least one device.
        devices: Vec<DeviceKey>,
        /// Why.
        mode: RevokeMode,
        /// What of theirs still counts.
        frontier: Frontier,
    },
    /// The author agrees to a removal.
    Second {
        /// The `revoke` or lowering `set-capability`.
        removal: EntryId,
    },
    /// Adds to a revoke's frontier.
    Cut {
        /// The `revoke`.
        revoke: EntryId,
        /// What counts besides.
        frontier: Frontier,
    },
}

impl RosterFact {
    /// The kind that says this.
    pub fn kind(&self) -> Kind {
        match self {
            Self::TeamCreate { .. } => Kind::TEAM_CREATE,
            Self::Invite { .. } => Kind::INVITE,
            Self::Join { .. } => Kind::JOIN,
            Self::Vouch { .. } => Kind::VOUCH,
            Self::AddDevice { .. } => Kind::ADD_DEVICE,
            Self::SetCapability { .. } => Kind::SET_CAPABILITY,
            Self::Merge => Kind::ROSTER_MERGE,
            Self::Confirm { .. } => Kind::CONFIRM,
            Self::Revoke { .. } => Kind::REVOKE,
            Self::Second { .. } => Kind::SECOND,
            Self::Cut { .. } => Kind::CUT,
        }
    }

    /// The fields that say it.
    pub fn fields(&self) -> Vec<Value> {
        let id = |id: &EntryId| Value::id(id.as_bytes());
        let key = |key: &DeviceKey| Value::id(key.as_bytes());
        let signature = |s: &Signature| Value::Bytes(s.as_bytes().to_vec());
        match self {
            Self::TeamCreate { person_kind, recovery_keys } => vec![
                Value::Int(TEAM_FORMAT),
                Value::Int(*person_kind as i64),
                Value::List(recovery_keys.iter().map(key).collect()),
            ],
            Self::Invite { ticket_key, capability, expires, incident } => {
                let mut fields = vec![key(ticket_key), Value::Int(*capability as i64), Value::Int(expires.0)];
                fields.extend(incident.map(|incident| Value::id(incident.as_bytes())));
                fields
            }
            Self::Join { person_kind, ticket_signature } => {
                vec![Value::Int(*person_kind as i64), signature(ticket_signature)]
            }
            Self::Vouch { join } | Self::Confirm { join } => vec![id(join)],
            Self::AddDevice { device, device_signature } => vec![key(device), signature(device_signature)],
            Self::SetCapability { person, capability } => {
                vec![Value::id(person.as_bytes()), Value::Int(*capability as i64)]
            }
            Self::Merge => vec![],
            Self::Revoke { devices, mode, frontier } => {
                vec![Value::List(devices.iter().map(key).collect()), Value::Int(*mode as i64), frontier_value(frontier)]
            }
            Self::Second { removal } => vec![id(removal)],
            Self::Cut { revoke, frontier } => vec![id(revoke), frontier_value(frontier)],
        }
    }

    pub(super) fn parse(kind: Kind, fields: &[Value]) -> Result<Self, Malformed> {
        let mut r = Reader::new(kind, fields);
        let fact = match kind {
            Kind::TEAM_CREATE => {
                r.item("format", |v| v.as_int().filter(|format| *format == TEAM_FORMAT))?;
                Self::TeamCreate {
                    person_kind: r.item("person kind", PersonKind::from_value)?,
                    recovery_keys: r.item("recovery keys", recovery_keys)?,
                }
            }
            Kind::INVITE => Self::Invite {
                ticket_key: r.item("ticket key", safe_key)?,
                capability: r.item("capability", |v| {
                    Capability::from_value(v).filter(|capability| *capability < Capability::Admin)
                })?,
                expires: r.item("expiry", |v| v.as_int().map(Timestamp))?,
                incident: r.last("incident", |v| bytes(v).map(IncidentId::from_bytes))?,
            },
            Kind::JOIN => Self::Join {
                person_kind: r.item("person kind", PersonKind::from_value)?,
                ticket_signature: r.item("ticket signature", signature)?,
            },
            Kind::VOUCH => Self::Vouch { join: r.item("join", entry_id)? },
            Kind::ADD_DEVICE => Self::AddDevice {
                device: r.item("device", safe_key)?,
                device_signature: r.item("device signature", signature)?,
            },
            Kind::SET_CAPABILITY => Self::SetCapability {
                person: r.item("person", |v| bytes(v).map(PersonId::from_bytes))?,
                capability: r.item("capability", Capability::from_value)?,
            },
            Kind::ROSTER_MERGE => Self::Merge,
            Kind::CONFIRM => Self::Confirm { join: r.item("join", entry_id)? },
            Kind::REVOKE => Self::Revoke {
                devices: r.item("devices", |v| {
                    set(v, REVOKED_DEVICES_MAX, |v| bytes(v).map(DeviceKey::from_bytes)).filter(|d| !d.is_empty())
                })?,
                mode: r.item("mode", |v| match v.as_int()? {
                    0 => Some(RevokeMode::Retire),
                    1 => Some(RevokeMode::Compromise),
                    _ => None,
                })?,
                frontier: r.item("frontier", frontier)?,
            },
            Kind::SECOND => Self::Second { removal: r.item("removal", entry_id)? },
            Kind::CUT => Self::Cut { revoke: r.item("revoke", entry_id)?, frontier: r.item("frontier", frontier)? },
            _ => return Err(r.malformed("kind")),
        };
        r.end()?;
        Ok(fact)
    }
}

/// Recovery keys keep their order, for it ranks them; they differ and are usable.
fn recovery_keys(value: &Value) -> Option<Vec<DeviceKey>> {
    let items = value.as_list()?;
    let keys: Vec<DeviceKey> = items.iter().take(RECOVERY_KEYS_MAX).map(safe_key).collect::<Option<_>>()?;
    let different = keys.iter().enumerate().all(|(i, key)| !keys[..i].contains(key));
    (items.len() <= RECOVERY_KEYS_MAX && different).then_some(keys)
}

fn safe_key(value: &Value) -> Option<DeviceKey> {
    bytes(value).map(DeviceKey::from_bytes).filter(|key| key.check().is_ok())
}

fn signature(value: &Value) -> Option<Signature> {
    bytes(value).map(Signature::from_bytes)
}

fn frontier(value: &Value) -> Option<Frontier> {
    set(value, usize::MAX, |item| {
        let [incident, heads] = item.as_list()? else { return None };
        Some((IncidentId::from_bytes(bytes(incident)?), set(heads, usize::MAX, entry_id)?))
    })
}

fn frontier_value(frontier: &Frontier) -> Value {
    let heads = |heads: &[EntryId]| Value::List(heads.iter().map(|id| Value::id(id.as_bytes())).collect());
    Value::List(
        frontier.iter().map(|(incident, ids)| Value::List(vec![Value::id(incident.as_bytes()), heads(ids)])).collect(),
    )
}
