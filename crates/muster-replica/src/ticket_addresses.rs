//! Which addresses a ticket names, and a device's offer: few, for the text is copied from paper and read as a QR code.
//!
//! One that answers is enough: members tell each other all addresses once they speak. Texts here, parsed by nobody: whether
//! an address can be dialled is `muster-net`'s to say.

use muster_log::DeviceKey;
use std::net::IpAddr;

/// Addresses of the device that makes the ticket, each about 85 characters of the text.
const OWN_MAX: usize = 2;

/// Addresses of another member's device.
const OTHERS_EACH_MAX: usize = 1;

/// Addresses of a member's ticket, the others for the case that the own device is down: with three of IPv4 its QR code fits
/// in 80 columns.
const ALL_MAX: usize = 3;

/// Addresses of a guest's ticket, which names the incident too.
const GUEST_MAX: usize = 2;

/// Of a device's own addresses those that a newcomer should try, best first.
pub(crate) fn own(addresses: &[String]) -> Vec<String> {
    best(addresses, OWN_MAX)
}

/// The addresses of a ticket: the own device's first, then one each of one or two others; of these whoever is linked now
/// comes first.
pub(crate) fn of_ticket(
    me: DeviceKey,
    addresses: &[String],
    others: Vec<(DeviceKey, bool, Vec<String>)>,
    is_for_guest: bool,
) -> Vec<(DeviceKey, String)> {
    let mut others: Vec<(DeviceKey, bool, Vec<String>)> = others
        .into_iter()
        .map(|(device, is_linked, addresses)| (device, is_linked, best(&addresses, OTHERS_EACH_MAX)))
        .filter(|(_, _, addresses)| !addresses.is_empty())
        .collect();
    others.sort_by_key(|(_, is_linked, addresses)| (addresses.iter().all(|it| is_loopback(it)), !is_linked));
    let of = |(device, _, addresses): (DeviceKey, bool, Vec<String>)| {
        addresses.into_iter().map(move |address| (device, address))
    };
    let own = own(addresses).into_iter().map(|address| (me, address));
    own.chain(others.into_iter().flat_map(of)).take(if is_for_guest { GUEST_MAX } else { ALL_MAX }).collect()
}

/// The best of a device's addresses. No loopback where there is another, which leads to the newcomer's own machine; no QUIC
/// beside TCP of the same host, which is dialled once the two have met.
fn best(addresses: &[String], max: usize) -> Vec<String> {
    let mut ranked: Vec<(u8, &String)> = addresses.iter().map(|text| (rank(text), text)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let worst = if ranked.iter().any(|(rank, _)| *rank < LOCAL) { LOCAL } else { u8::MAX };
    let mut chosen: Vec<&String> = Vec::new();
    for (_, text) in ranked.into_iter().filter(|(rank, _)| *rank < worst) {
        if chosen.len() < max && !chosen.iter().any(|it| host(it) == host(text)) {
            chosen.push(text);
        }
    }
    chosen.into_iter().cloned().collect()
}

/// From here on an address means something else on another machine.
const LOCAL: u8 = 6;

fn rank(address: &str) -> u8 {
    let place = match host(address).parse::<IpAddr>() {
        _ if is_loopback(address) => return LOCAL + 1,
        Ok(IpAddr::V6(ip)) if ip.is_unicast_link_local() => return LOCAL,
        // Mostly a bridge of this machine's own, to containers or virtual machines.
        Ok(IpAddr::V4(ip)) if ip.is_private() && ip.octets()[3] == 1 => 4,
        Ok(IpAddr::V6(_)) => 2,
        _ => 0,
    };
    place + u8::from(address.contains("/udp/"))
}

fn is_loopback(address: &str) -> bool {
    host(address).parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The IP address of a multiaddr's text; of another text all of it.
fn host(address: &str) -> &str {
    let mut parts = address.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(""), Some("ip4" | "ip6"), Some(ip)) => ip,
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn device(n: u8) -> DeviceKey {
        DeviceKey::from_bytes([n; 32])
    }

    #[test]
    fn two_hosts_by_tcp_are_named_and_loopback_only_where_there_is_nothing_else() {
        let here = texts(&["/ip4/127.0.0.1/tcp/7001", "/ip4/127.0.0.1/udp/7001/quic-v1"]);
        assert_eq!(own(&here), here[..1]);
        let many = texts(&[
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/172.17.0.1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/2001:db8::7/tcp/1",
            "/ip4/192.168.1.5/tcp/1",
            "/ip4/192.168.1.5/udp/1/quic-v1",
        ]);
        assert_eq!(own(&many), texts(&["/ip4/192.168.1.5/tcp/1", "/ip6/2001:db8::7/tcp/1"]));
        assert_eq!(own(&many[..3]), texts(&["/ip4/172.17.0.1/tcp/1"]));
        assert_eq!(
            own(&texts(&["/ip6/::1/tcp/1", "/ip6/fe80::1/tcp/1"])),
            texts(&["/ip6/fe80::1/tcp/1", "/ip6/::1/tcp/1"])
        );
        assert_eq!(own(&many[5..]), many[5..], "QUIC where there is no TCP");
        assert_eq!(own(&texts(&["", "here", "/ip4"])), texts(&["", "here"]), "whatever the text");
    }

    #[test]
    fn of_many_members_two_are_named_first_those_that_are_linked_and_can_be_reached() {
        let at = |n: u8| texts(&[&format!("/ip4/192.0.2.{n}/tcp/1"), &format!("/ip4/192.0.2.{n}/udp/1/quic-v1")]);
        let others = vec![
            (device(1), true, Vec::new()),
            (device(2), true, texts(&["/ip4/127.0.0.1/tcp/1"])),
            (device(3), false, at(3)),
            (device(4), true, at(4)),
            (device(5), false, at(5)),
        ];
        let two_hosts = [at(9), at(8)].concat();
        let short = |own: &[String], is_for_guest| of_ticket(device(9), own, others.clone(), is_for_guest).len();
        assert_eq!((short(&two_hosts, false), short(&at(9), true)), (3, 2));
        let named = of_ticket(device(9), &at(9), others, false);
        assert_eq!(named.iter().map(|(device, _)| *device).collect::<Vec<_>>(), [device(9), device(4), device(3)]);
        assert_eq!(named[1].1, "/ip4/192.0.2.4/tcp/1");
    }
}
