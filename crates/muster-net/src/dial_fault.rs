//! libp2p's dial errors in the words of [`DialFault`], one for each address.

use crate::address::dialable;
use crate::event::{DialFault, io_kind};
use crate::gate::Denial;
use crate::peer_key::device_key;
use libp2p::Multiaddr;
use libp2p::core::transport::TransportError;
use libp2p::swarm::DialError;
use std::error::Error;
use std::io;

/// What went wrong with each of the addresses dialled.
pub(crate) fn faults_of(error: DialError, dialled: &[Multiaddr]) -> Vec<(Multiaddr, DialFault)> {
    let plain = |addr: Multiaddr| dialable(&addr).unwrap_or(addr);
    let of_all = |fault: DialFault| dialled.iter().map(|addr| (addr.clone(), fault.clone())).collect();
    match error {
        DialError::Transport(errors) => {
            errors.into_iter().map(|(addr, error)| (plain(addr), of_transport(&error))).collect()
        }
        DialError::WrongPeerId { obtained, address } => {
            let other = || DialFault::Other(format!("another peer answers there: {obtained}"));
            vec![(plain(address), device_key(&obtained).map_or_else(other, DialFault::WrongKey))]
        }
        DialError::LocalPeerId { address } => {
            vec![(plain(address), DialFault::Other("this device itself answers there".to_owned()))]
        }
        DialError::Denied { cause } => of_all(match cause.downcast::<Denial>() {
            Ok(Denial::Cut) => DialFault::Cut,
            Ok(denial) => DialFault::Other(denial.to_string()),
            Err(cause) => DialFault::Other(chain(&cause)),
        }),
        error => of_all(DialFault::Other(chain(&error))),
    }
}

fn of_transport(error: &TransportError<io::Error>) -> DialFault {
    let TransportError::Other(error) = error else { return DialFault::Unsupported };
    match io_kind(error) {
        Some(io::ErrorKind::ConnectionRefused) => return DialFault::Refused,
        Some(io::ErrorKind::TimedOut) => return DialFault::TimedOut,
        _ => {}
    }
    // Not every layer names its source.
    match error.to_string() {
        text if text.contains("Connection refused") => DialFault::Refused,
        text if text.contains("Timeout has been reached") || text.contains("timed out") => DialFault::TimedOut,
        text => DialFault::Other(text),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
