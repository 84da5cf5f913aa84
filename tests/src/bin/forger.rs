//! The program `muster-forger ADDRESS MEMBER`: floods the local network with forged mDNS records, and counts who believes
//! them.
//!
//! Listens on two TCP ports of ADDRESS and announces by multicast: MEMBER (a peer id that somebody knows) at the first,
//! 24,000 ids that nobody has ever had at the second. It names the member until somebody calls there, which shows that
//! its records are heard; then it floods, in [`BURSTS`] over ten seconds. Prints one line of JSON:
//! `{"sent", "calls_to_member", "calls_to_strangers"}`. For tests, in a network namespace of their own.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where mDNS is spoken.
const MULTICAST: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

const FORGED: u32 = 24_000;
const BURSTS: u32 = 20;
const BURST_EVERY: Duration = Duration::from_millis(500);

/// Until somebody must have called.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long calls are waited for after the last record.
const AFTERMATH: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [address, member] => match run(address, member) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("muster-forger: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: muster-forger ADDRESS MEMBER");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str, member: &str) -> Result<(), Error> {
    let ip: Ipv4Addr = address.parse().map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    let (for_member, for_strangers) = (Calls::at(ip)?, Calls::at(ip)?);
    let socket = UdpSocket::bind((ip, 0))?;
    let announce = |peer: &str, at: SocketAddr| {
        let record = format!("dnsaddr=/ip4/{}/tcp/{}/p2p/{peer}", at.ip(), at.port());
        socket.send_to(&response(&record), MULTICAST)
    };
    let began = Instant::now();
    while for_member.count() == 0 {
        if began.elapsed() > PATIENCE {
            return Err(Error::new(ErrorKind::TimedOut, "nobody hears what is announced"));
        }
        announce(member, for_member.at)?;
        std::thread::sleep(BURST_EVERY);
    }
    let mut sent = 0;
    for burst in 0..BURSTS {
        let due = Instant::now() + BURST_EVERY;
        for number in 0..FORGED / BURSTS {
            announce(&stranger(burst * FORGED + number), for_strangers.at)?;
            sent += 1;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    std::thread::sleep(AFTERMATH);
    let (member, strangers) = (for_member.count(), for_strangers.count());
    println!("{{\"sent\":{sent},\"calls_to_member\":{member},\"calls_to_strangers\":{strangers}}}");
    Ok(())
}

/// A port that counts who calls.
struct Calls {
    at: SocketAddr,
    count: Arc<AtomicU32>,
}

impl Calls {
    fn at(ip: Ipv4Addr) -> Result<Self, Error> {
        let listener = TcpListener::bind((ip, 0))?;
        let this = Self { at: listener.local_addr()?, count: Arc::default() };
        let count = this.count.clone();
        std::thread::spawn(move || {
            for _call in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(this)
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The peer id of an Ed25519 key that nobody has.
fn stranger(number: u32) -> String {
    let mut id = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    let mut state = u64::from(number) + 1;
    for _ in 0..4 {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        id.extend((mixed ^ (mixed >> 27)).to_be_bytes());
    }
    base58(&id)
}

fn base58(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = std::iter::repeat_n(&0, zeros).chain(digits.iter().rev());
    digits.map(|digit| char::from(DIGITS[usize::from(*digit)])).collect()
}

/// An unasked answer of mDNS: one peer with one record, as libp2p's nodes say it (libp2p discovery specification, mDNS).
fn response(record: &str) -> Vec<u8> {
    const SERVICE: &[u8] = b"\x04_p2p\x04_udp\x05local\x00";
    const NAME: &[u8] = b"\x06forged\x00";
    const TTL: [u8; 4] = 3_600_u32.to_be_bytes();
    // An answer; one record in the section of answers, one in the additional one.
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    out.extend([SERVICE, &[0, 12, 0, 1], &TTL, &(NAME.len() as u16).to_be_bytes(), NAME].concat());
    let text = [&[record.len() as u8], record.as_bytes()].concat();
    out.extend([NAME, &[0, 16, 0x80, 1], &TTL, &(text.len() as u16).to_be_bytes(), &text].concat());
    out
}
