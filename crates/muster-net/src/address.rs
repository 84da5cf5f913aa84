//! Addresses: what a person types, and which of them this build can dial.

use crate::limits::MAX_ADDRESSES;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::net::{IpAddr, SocketAddr};

/// Whether this build speaks QUIC.
const QUIC: bool = cfg!(feature = "quic");

/// Longest address text that is looked at, in bytes; the longest of our own has about 110.
const MAX_TEXT_BYTES: usize = 256;

/// Why a text is not an address that this build can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// A host name.
    #[error("`{0}` is a name, and muster asks no name server")]
    Name(String),
    /// An IP address without a port.
    #[error("`{0}` lacks a port")]
    NoPort(String),
    /// A multiaddr of another transport.
    #[error("`{0}` is not an IP address with a port that this build can use")]
    Unsupported(String),
    /// Not an address at all.
    #[error("`{0}` is not an address")]
    Form(String),
}

impl BadAddress {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            BadAddress::Name(_) => "give the IP address and port, such as 192.0.2.7:4001 or [2001:db8::7]:4001",
            BadAddress::NoPort(_) => "add the port that the other node printed, such as 192.0.2.7:4001",
            BadAddress::Unsupported(_) | BadAddress::Form(_) => {
                "give an IP address and port, such as 192.0.2.7:4001 or /ip4/192.0.2.7/tcp/4001"
            }
        }
    }
}

/// Reads `192.0.2.7:4001`, `[2001:db8::7]:4001` or a multiaddr such as `/ip4/192.0.2.7/tcp/4001`, which may end in
/// `/p2p/` and a device.
///
/// # Errors
/// [`BadAddress`], whose [`BadAddress::hint`] says what would do.
pub fn parse_address(text: &str) -> Result<Multiaddr, BadAddress> {
    let text = text.trim();
    let shown = || text.chars().take(MAX_TEXT_BYTES).collect::<String>();
    if text.len() > MAX_TEXT_BYTES {
        return Err(BadAddress::Form(shown()));
    }
    if text.starts_with('/') {
        let addr: Multiaddr = text.parse().map_err(|_| BadAddress::Form(shown()))?;
        return match addr.iter().next() {
            Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) | Protocol::Dnsaddr(name)) => {
                Err(BadAddress::Name(name.into_owned()))
            }
            _ if dialable(&addr).is_some() => Ok(addr),
            _ => Err(BadAddress::Unsupported(shown())),
        };
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port())));
    }
    if text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok() {
        return Err(BadAddress::NoPort(shown()));
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let is_name = host.contains(|c: char| c.is_ascii_alphabetic())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    Err(if is_name { BadAddress::Name(host.to_owned()) } else { BadAddress::Form(shown()) })
}

/// Reads like [`parse_address`] an address to listen on or to dial; an IP address and port stand for TCP, and
/// for QUIC where it is built in.
///
/// # Errors
/// [`BadAddress`].
pub fn parse_addresses(text: &str) -> Result<Vec<Multiaddr>, BadAddress> {
    let addr = parse_address(text)?;
    let quic = (QUIC && !text.trim_start().starts_with('/')).then(|| quic_beside(&addr)).flatten();
    Ok(std::iter::once(addr).chain(quic).collect())
}

/// The QUIC address with the IP address and port of a TCP address.
pub(crate) fn quic_beside(addr: &Multiaddr) -> Option<Multiaddr> {
    let mut parts = addr.iter();
    match (parts.next()?, parts.next()?) {
        (ip, Protocol::Tcp(port)) => Some(Multiaddr::empty().with(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1)),
        _ => None,
    }
}

/// The address without the `/p2p` tail of whom it leads to, if it is an IP address with a port of TCP or QUIC, or a
/// circuit through a relay at one, and nothing else.
pub(crate) fn dialable(addr: &Multiaddr) -> Option<Multiaddr> {
    let mut parts = addr.iter().peekable();
    let ip = parts.next().filter(|part| matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_)))?;
    let mut kept = Multiaddr::empty().with(ip);
    match (parts.next()?, parts.peek()) {
        (port @ Protocol::Tcp(_), _) => kept.push(port),
        (port @ Protocol::Udp(_), Some(Protocol::QuicV1)) if QUIC => {
            kept = kept.with(port).with(Protocol::QuicV1);
            parts.next();
        }
        _ => return None,
    }
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [None, ..] | [Some(Protocol::P2p(_)), None, ..] => Some(kept),
        [Some(relay @ Protocol::P2p(_)), Some(Protocol::P2pCircuit), None | Some(Protocol::P2p(_)), None] => {
            Some(kept.with(relay).with(Protocol::P2pCircuit))
        }
        _ => None,
    }
}

/// Whether the way leads through a relay.
pub(crate) fn is_relayed(addr: &Multiaddr) -> bool {
    addr.iter().any(|part| part == Protocol::P2pCircuit)
}

/// An address to listen on, with the port that listening on it gave.
pub(crate) fn with_port_of(asked: &Multiaddr, bound: &Multiaddr) -> Multiaddr {
    let port = |addr: &Multiaddr| {
        addr.iter().find_map(|part| match part {
            Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
            _ => None,
        })
    };
    let Some(port) = port(bound) else { return asked.clone() };
    let fill = |part| match part {
        Protocol::Tcp(0) => Protocol::Tcp(port),
        Protocol::Udp(0) => Protocol::Udp(port),
        part => part,
    };
    asked.iter().map(fill).collect()
}

/// The IP address that a multiaddr begins with; of a mapped one the IPv4 address inside.
pub(crate) fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    match addr.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    }
}

/// Of the texts in which a member says where it listens, the addresses that this build can dial and that make sense here.
/// Loopback does where this node, too, listens nowhere else: then all are on one machine.
pub fn addresses_told<'a>(texts: impl IntoIterator<Item = &'a str>, all_on_one_machine: bool) -> Vec<Multiaddr> {
    let read = |text: &str| parse_address(text).ok().and_then(|addr| dialable(&addr));
    let addrs = texts.into_iter().filter_map(read).filter(|addr| !is_relayed(addr));
    addrs.filter(|addr| worth_telling(addr, all_on_one_machine)).take(MAX_ADDRESSES).collect()
}

/// Whether an address is loopback.
pub fn is_loopback(addr: &Multiaddr) -> bool {
    ip_of(addr).is_some_and(|ip| ip.is_loopback())
}

/// Whether it makes sense to tell others of an address that a peer claims: no wildcard, no address that means something
/// else on each host or link. Loopback is for those on the same machine.
pub(crate) fn worth_telling(addr: &Multiaddr, on_one_machine: bool) -> bool {
    match ip_of(addr) {
        None => false,
        Some(ip) if ip.is_loopback() => on_one_machine,
        Some(IpAddr::V4(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(IpAddr::V6(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadAddress>) {
        assert_eq!(parse_address(text).map(|addr| addr.to_string()), expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn what_a_person_types_becomes_a_multiaddr_or_a_reason() {
        check("192.0.2.7:4001", Ok("/ip4/192.0.2.7/tcp/4001"));
        check(" [2001:db8::7]:4001 ", Ok("/ip6/2001:db8::7/tcp/4001"));
        check("/ip4/127.0.0.1/tcp/0", Ok("/ip4/127.0.0.1/tcp/0"));
        check("node-7.lan:4001", Err(BadAddress::Name("node-7.lan".into())));
        check("localhost:4001", Err(BadAddress::Name("localhost".into())));
        check("/dns4/node.lan/tcp/4001", Err(BadAddress::Name("node.lan".into())));
        check("192.0.2.7", Err(BadAddress::NoPort("192.0.2.7".into())));
        check("2001:db8::7", Err(BadAddress::NoPort("2001:db8::7".into())));
        check("[2001:db8::7]", Err(BadAddress::NoPort("[2001:db8::7]".into())));
        let quic = "/ip4/192.0.2.7/udp/4001/quic-v1";
        check(quic, if QUIC { Ok(quic) } else { Err(BadAddress::Unsupported(quic.into())) });
        check("/ip4/192.0.2.7/udp/4001", Err(BadAddress::Unsupported("/ip4/192.0.2.7/udp/4001".into())));
        check("192.0.2.7:99999", Err(BadAddress::Form("192.0.2.7:99999".into())));
        check("/ip4/192.0.2.7/tcp", Err(BadAddress::Form("/ip4/192.0.2.7/tcp".into())));
        check("", Err(BadAddress::Form(String::new())));
    }

    #[test]
    fn a_device_at_the_end_is_read_and_not_dialled() {
        let text = "/ip4/192.0.2.7/tcp/1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
        let addr = parse_address(text).unwrap();
        assert_eq!(addr.to_string(), text);
        assert_eq!(dialable(&addr).map(|addr| addr.to_string()).as_deref(), Some("/ip4/192.0.2.7/tcp/1"));
    }

    #[test]
    fn a_plain_address_means_every_transport_and_a_multiaddr_what_it_says() {
        let all = |text| parse_addresses(text).unwrap().iter().map(Multiaddr::to_string).collect::<Vec<_>>();
        let both = ["/ip6/::1/tcp/7", "/ip6/::1/udp/7/quic-v1"];
        assert_eq!(all("[::1]:7"), if QUIC { &both[..] } else { &both[..1] });
        assert_eq!(all("/ip4/192.0.2.7/tcp/1"), ["/ip4/192.0.2.7/tcp/1"]);
    }

    #[test]
    fn a_way_through_a_relay_keeps_the_relay_and_drops_whom_it_leads_to() {
        let relay = "/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
        let way = format!("/ip4/192.0.2.7/tcp/1{relay}/p2p-circuit");
        for text in [way.clone(), format!("{way}{relay}")] {
            let addr = parse_address(&text).unwrap();
            assert!(is_relayed(&addr));
            assert_eq!(dialable(&addr).map(|addr| addr.to_string()), Some(way.clone()));
        }
        for text in [format!("{way}{relay}{relay}"), format!("{way}/p2p-circuit"), format!("{relay}/p2p-circuit")] {
            assert!(parse_address(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_addresses_that_others_can_use_are_worth_telling() {
        let tell = |addr: &str, from: &str| {
            worth_telling(&parse_address(addr).unwrap(), is_loopback(&parse_address(from).unwrap()))
        };
        assert!(tell("192.168.1.7:1", "192.168.1.7:9"));
        assert!(tell("127.0.0.1:1", "127.0.0.1:9"));
        assert!(!tell("127.0.0.1:1", "192.168.1.7:9"));
        assert!(!tell("0.0.0.0:1", "192.168.1.7:9"));
        assert!(!tell("[fe80::1]:1", "192.168.1.7:9"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[/a-z0-9:.\\[\\]%é ]{0,80}") {
            let _ = parse_address(&text);
        }
    }
}
