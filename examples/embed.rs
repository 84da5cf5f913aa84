//! Signed, replicated incident state inside another program: two replicas, no network, no node.
//!
//! The program plays what a shell does: it tells the time, gives randomness, commits, and carries frames. Here the wire
//! is a loop; in `muster-node` it is libp2p. Run it with `cargo run -p muster-examples --example embed`.

use muster_incident::{Act, Aside};
use muster_log::fact::Capability;
use muster_log::{DeviceSecret, SessionId, Timestamp};
use muster_replica::{Effect, Entropy, Input, JoinAnswer, Now, Replica, ReplicaError, VerifyScope};
use muster_store::MemoryStore;
use muster_sync::Tick;

/// Not random at all, so that the example prints the same each time. A real program asks the operating system.
struct NotRandom(u8);

impl Entropy for NotRandom {
    fn sixteen(&mut self) -> [u8; 16] {
        self.0 += 1;
        [self.0; 16]
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        self.0 += 1;
        [self.0; 32]
    }
}

fn replica(seed: u8) -> Result<Replica<MemoryStore>, ReplicaError> {
    let secret = DeviceSecret::from_seed(&[seed; 32]);
    let session = SessionId::from_bytes([seed; 16]);
    Replica::open(MemoryStore::new(), secret, session, Box::new(NotRandom(seed * 16)))
}

/// Commits, and carries frames both ways until nobody has anything to say.
fn talk(one: &mut Replica<MemoryStore>, other: &mut Replica<MemoryStore>, now: Now) -> Result<(), ReplicaError> {
    loop {
        one.commit(now)?;
        other.commit(now)?;
        let spoken = carry(one, other, now)?;
        if !carry(other, one, now)? && !spoken {
            return Ok(());
        }
    }
}

fn carry(from: &mut Replica<MemoryStore>, to: &mut Replica<MemoryStore>, now: Now) -> Result<bool, ReplicaError> {
    let peer = from.device();
    let mut carried = false;
    for effect in from.take_effects() {
        if let Effect::Send { frame, .. } = effect {
            to.handle(Input::Frame { peer, bytes: frame }, now)?;
            carried = true;
        }
    }
    Ok(carried)
}

fn main() -> Result<(), ReplicaError> {
    let now = Now { tick: Tick(0), wall: Timestamp(1_689_855_420_000), offset_minutes: 0 };
    let (mut alice, mut bob) = (replica(1)?, replica(2)?);

    // A team, and a ticket for one newcomer.
    let team = alice.create_team("alice", now)?;
    let expires = now.wall.plus_ms(3_600_000);
    let ticket = alice.invite(team, Capability::Responder, None, expires, &["/ip4/127.0.0.1/tcp/7001".into()], now)?;
    alice.commit(now)?;

    // Bob's request travels to Alice however you like; her answer travels back.
    let request = bob.join_request(&ticket, "bob", now)?;
    bob.commit(now)?;
    let answer = alice.answer_join(&bob.device(), &request, now)?;
    alice.commit(now)?;
    assert_eq!(answer, JoinAnswer::Welcome);
    bob.joined(&ticket)?;
    bob.commit(now)?;

    // A link is up: whatever one writes, the other has.
    let (a, b) = (alice.device(), bob.device());
    alice.handle(Input::Connected { peer: b }, now)?;
    bob.handle(Input::Connected { peer: a }, now)?;
    talk(&mut alice, &mut bob, now)?;

    let declare = Act::Declare {
        title: "Checkout is down".into(),
        severity: Some(1),
        drill: true,
        suspected: false,
        private: vec![],
    };
    let incident = alice.write(team, None, &declare, &Aside::default(), now)?.incident;
    talk(&mut alice, &mut bob, now)?;
    let note = Act::Saw { text: "payments answer with 502".into() };
    bob.write(team, Some(incident), &note, &Aside::default(), now)?;
    talk(&mut alice, &mut bob, now)?;

    for row in alice.view(team, incident)?.timeline {
        println!("{}  {}  {}", row.recorded_time, row.author.person, muster_incident::printable(&row.text));
    }
    let verified = alice.verify(VerifyScope::default())?;
    println!("{} entries, {} signatures checked", verified.entries, verified.signatures_checked);
    Ok(())
}
