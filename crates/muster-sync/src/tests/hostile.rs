//! A peer that lies: damaged frames, frames out of turn, refused entries. Nothing panics, honest peers agree after.

use super::desk::noise;
use super::mesh::Mesh;
use crate::frame::{Ack, Announcement, Bye, Frame, Gossip, Have, Heads, Packed, Part, ShortTip, Want};
use crate::limits::{ANNOUNCED_MAX, ANNOUNCED_MS, CREDIT_CHUNKS, UNKNOWN_DAGS_MAX};
use crate::{CloseReason, Config, GossipId, Input, Output, Replicator, Tick};
use muster_log::{DagId, EntryId, ShortLog, TeamId, Timestamp};

/// The frames of a real talk, in the order sent.
fn recorded() -> (Mesh, Vec<Vec<u8>>) {
    let mut desks = Mesh::team(3);
    let incident = desks[0].declare("recorded", None);
    for note in 0..10 {
        desks[0].say(incident, &format!("note {note}"));
    }
    let other = desks[1].declare("of the other", None);
    for note in 0..10 {
        desks[1].say(other, &format!("note {note}"));
    }
    let mut mesh = Mesh::new(desks, 1);
    mesh.connect(0, 1);
    mesh.run();
    mesh.say(0, incident, "live");
    mesh.run();
    let frames = mesh.frames.iter().map(|(_, _, frame)| frame.clone()).collect();
    (mesh, frames)
}

/// Feeds frames to desk 2, as if from desk 0, and takes what comes out. Reconnects when it is closed.
struct Victim<'a> {
    mesh: &'a mut Mesh,
    replicator: Replicator,
    closed: Vec<CloseReason>,
    sent: Vec<Frame>,
    now: Tick,
}

impl<'a> Victim<'a> {
    fn new(mesh: &'a mut Mesh) -> Self {
        let config = Config { team: mesh.desks[2].team(), me: mesh.desks[2].key() };
        let (closed, sent) = (Vec::new(), Vec::new());
        let mut victim = Self { mesh, replicator: Replicator::new(config), closed, sent, now: Tick(5) };
        victim.connect();
        victim
    }

    fn connect(&mut self) {
        let peer = self.mesh.desks[0].key();
        self.input(Input::Connected { peer, wall: Timestamp(0), nonce: [9; 16] });
    }

    fn hello(&mut self, frames: &[Vec<u8>]) {
        self.frame(frames[0].clone());
    }

    fn frame(&mut self, bytes: Vec<u8>) {
        let peer = self.mesh.desks[0].key();
        self.input(Input::Frame { peer, bytes });
    }

    fn input(&mut self, input: Input) {
        let team: TeamId = self.mesh.desks[2].team();
        self.replicator.handle_input(input, self.now, &self.mesh.desks[2]);
        let outputs: Vec<Output> = std::iter::from_fn(|| self.replicator.poll_output()).collect();
        for output in outputs {
            match output {
                Output::Close { reason, .. } => self.closed.push(reason),
                Output::Send { frame, .. } => self.sent.push(Frame::decode(&frame, team.into()).unwrap()),
                Output::Admit { chunk, peer, received, bodies, .. } => {
                    let outcome = self.mesh.desks[2].receive(Some(peer), received, bodies);
                    let refused = outcome.refused.first().map(|(id, refusal)| crate::Refused {
                        id: *id,
                        code: refusal.code(),
                        reason: refusal.to_string(),
                    });
                    let admitted = outcome.admitted.len();
                    let admission = crate::Admission { admitted, missing: outcome.missing, refused, put_off: false };
                    self.input(Input::Admitted { chunk, admission });
                }
                _ => {}
            }
        }
    }
}

#[test]
fn damaged_frames_never_panic_and_never_hinder_honest_ones() {
    let (mut mesh, frames) = recorded();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    for round in 0..6_000u64 {
        let dice = |n: u64| noise(round * 16 + n);
        let mut bytes = frames[(dice(0) % frames.len() as u64) as usize].clone();
        for flip in 0..dice(1) % 4 {
            let place = (dice(2 + flip) % bytes.len() as u64) as usize;
            bytes[place] = dice(6 + flip) as u8;
        }
        if dice(10) % 5 == 0 {
            bytes.truncate((dice(11) % bytes.len() as u64) as usize);
        }
        victim.frame(bytes);
        // Whoever is closed is deaf, and would pass this test too easily.
        if !victim.closed.is_empty() || round % 200 == 0 {
            victim.closed.clear();
            victim.connect();
            victim.hello(&frames);
        }
    }
    mesh.connect_all();
    mesh.run();
    mesh.assert_agreed();
}

#[track_caller]
fn check_closes(frames: impl Fn(TeamId) -> Vec<Frame>, expected: impl Fn(&CloseReason) -> bool) {
    let (mut mesh, recorded) = recorded();
    let team = mesh.desks[2].team();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&recorded);
    frames(team).iter().for_each(|frame| victim.frame(frame.encode(team.into())));
    assert!(victim.closed.iter().any(expected), "{:?}", victim.closed);
    assert_eq!(victim.closed.len(), 1, "closed once, then deaf");
}

#[test]
fn chunks_that_hold_no_entries_end_the_stream() {
    let packed = Packed {
        number: 1,
        part: Part::Live,
        ids: Vec::new(),
        salts: Vec::new(),
        signatures: Vec::new(),
        raw_size: 10,
        compressed: vec![1; 30],
    };
    let dag = DagId::from_bytes([9; 32]);
    check_closes(|_| vec![Frame::Entries(dag, packed.clone())], |reason| matches!(reason, CloseReason::Form(_)));
}

#[test]
fn a_bye_ends_the_stream() {
    let bye = Frame::Bye(Bye { code: 0, retry_after_ms: 7 });
    check_closes(
        |_| vec![bye.clone(), bye.clone()],
        |reason| *reason == CloseReason::Bye { code: 0, retry_after_ms: 7 },
    );
}

#[test]
fn a_frame_before_the_greeting_ends_the_stream() {
    let (mut mesh, frames) = recorded();
    let mut victim = Victim::new(&mut mesh);
    victim.frame(frames[2..].iter().find(|frame| frame[1] != 1).unwrap().clone());
    assert!(matches!(victim.closed[..], [CloseReason::OutOfTurn { .. }]));
    assert!(matches!(victim.sent.last(), Some(Frame::Bye(_))));
}

#[test]
fn an_entry_with_a_wrong_signature_is_refused_by_name_and_ends_the_stream() {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("forged", None);
    let forged = desks[0].say(incident, "not mine");
    let signature = desks[0].signatures[&incident.genesis()];
    desks[0].signatures.insert(forged, signature);
    let mut mesh = Mesh::new(desks, 1);
    mesh.connect(0, 1);
    mesh.run();
    let by_victim = mesh.closes.iter().find(|(at, _)| *at == 1).map(|(_, reason)| reason);
    assert!(matches!(by_victim, Some(CloseReason::Refused(refused)) if refused.id == forged && refused.code == 40));
    let at_liar = mesh.closes.iter().find(|(at, _)| *at == 0).map(|(_, reason)| reason);
    assert!(matches!(at_liar, Some(CloseReason::RefusedThere(refused)) if refused.id == forged), "{at_liar:?}");
}

#[test]
fn incidents_that_are_only_named_cost_a_bounded_number_of_places() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    for n in 0..1_000u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&noise(n).to_be_bytes());
        let dag = DagId::from_bytes(id);
        let tip = ShortTip { log: ShortLog::from_bytes([1; 16]), seq: 4, tip: [2; 16] };
        victim.frame(Frame::Heads(Heads::new(dag, 4, vec![EntryId::from_bytes(id)])).encode(team.into()));
        victim.frame(Frame::Have(Have { dag, tips: vec![tip], cursor: None }).encode(team.into()));
    }
    assert_eq!(victim.closed, []);
    let answered = victim.sent.iter().filter(|frame| matches!(frame, Frame::Heads(_))).count();
    assert!(answered <= UNKNOWN_DAGS_MAX, "{answered}");
    assert_eq!(victim.sent.iter().filter(|frame| matches!(frame, Frame::Want(_))).count(), 1);
}

#[test]
fn acknowledgements_of_what_was_never_sent_are_ignored() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    let ack = Ack { dag: team.into(), number: 99, tips: Vec::new(), credit: u32::MAX };
    victim.frame(Frame::Ack(ack).encode(team.into()));
    assert_eq!(victim.closed, []);
}

#[test]
fn more_chunks_than_credit_end_the_stream() {
    let (mut mesh, frames) = recorded();
    let chunk = frames.iter().find(|frame| frame[1] == 7).unwrap().clone();
    let config = Config { team: mesh.desks[2].team(), me: mesh.desks[2].key() };
    let peer = mesh.desks[0].key();
    let mut replicator = Replicator::new(config);
    let feed = |replicator: &mut Replicator, input| {
        replicator.handle_input(input, Tick(0), &mesh.desks[2]);
        std::iter::from_fn(|| replicator.poll_output()).collect::<Vec<Output>>()
    };
    feed(&mut replicator, Input::Connected { peer, wall: Timestamp(0), nonce: [9; 16] });
    feed(&mut replicator, Input::Frame { peer, bytes: frames[0].clone() });
    for _ in 0..CREDIT_CHUNKS {
        // Nobody judges them.
        feed(&mut replicator, Input::Frame { peer, bytes: chunk.clone() });
    }
    let outputs = feed(&mut replicator, Input::Frame { peer, bytes: chunk.clone() });
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { reason: CloseReason::OverCredit, .. })));
    mesh.run();
}

/// It was taken to be there and never shown to be: nobody compares what is taken to be equal.
#[test]
fn a_peer_that_sends_what_is_here_already_is_known_to_hold_it() {
    let (mut mesh, frames) = recorded();
    let (givers, takers) = mesh.desks.split_at_mut(2);
    givers.iter().for_each(|giver| giver.copy_to(&mut takers[0]));
    let (team, peer) = (mesh.desks[2].team(), mesh.desks[0].key());
    let chunk = frames.iter().find(|frame| frame[1] == 7).unwrap().clone();
    let Ok(Frame::Entries(dag, _)) = Frame::decode(&chunk, team.into()) else { panic!("type 7 is a chunk") };
    let mut replicator = Replicator::new(Config { team, me: mesh.desks[2].key() });
    let inputs = [
        Input::Connected { peer, wall: Timestamp(0), nonce: [9; 16] },
        Input::Frame { peer, bytes: frames[0].clone() },
        Input::Frame { peer, bytes: chunk },
    ];
    inputs.into_iter().for_each(|input| replicator.handle_input(input, Tick(0), &mesh.desks[2]));
    let outputs: Vec<Output> = std::iter::from_fn(|| replicator.poll_output()).collect();
    assert!(!outputs.iter().any(|output| matches!(output, Output::Admit { .. })), "{outputs:?}");
    let is_shown =
        |output: &Output| matches!(output, Output::Receipt { peer: of, dag: at, .. } if (*of, *at) == (peer, dag));
    assert!(outputs.iter().any(is_shown), "{outputs:?}");
}

/// One entry of an incident that is not here, on a parent that does not exist.
fn baseless(founder: &super::desk::Desk, number: u64) -> (DagId, Packed) {
    let mut other = super::desk::Desk::newcomer(1, founder.team());
    founder.copy_to(&mut other);
    let dag = other.declare(&format!("invented {number}"), None);
    let said = other.say(dag, "on something that nobody has");
    let packed = crate::pack::fill(
        crate::replica::View::new(&other, other.team().into(), other.key()),
        &[said],
        &[],
        crate::pack::Signing::Every,
    );
    (dag, packed.finish(1, Part::Live))
}

#[test]
fn entries_of_invented_incidents_cost_a_bounded_number_of_places() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let chunks: Vec<_> = (0..3 * UNKNOWN_DAGS_MAX as u64).map(|number| baseless(&mesh.desks[0], number)).collect();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    for (dag, packed) in chunks {
        victim.frame(Frame::Entries(dag, packed).encode(team.into()));
    }
    assert_eq!(victim.closed, []);
    let kept = victim.replicator.kept_for(&victim.mesh.desks[0].key());
    let here = victim.mesh.desks[2].ledger.dags().count();
    assert!((UNKNOWN_DAGS_MAX..=here + UNKNOWN_DAGS_MAX + 1).contains(&kept.dags), "{kept:?}");
}

#[test]
fn announcements_of_invented_incidents_cost_a_bounded_number_of_places() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    let peer = victim.mesh.desks[0].key();
    for number in 0..2 * ANNOUNCED_MAX as u64 {
        if number == ANNOUNCED_MAX as u64 {
            victim.now = victim.now.plus_ms(ANNOUNCED_MS);
            victim.input(Input::Timeout);
        }
        let mut id = [0; 32];
        id[..8].copy_from_slice(&noise(number).to_be_bytes());
        let (dag, id) = (DagId::from_bytes(id), EntryId::from_bytes(id));
        let bytes = Gossip::Announcement(Announcement { dag, id, size: 20_000 }).encode(team.into());
        victim.input(Input::Gossip { peer, gossip: GossipId(number), bytes });
    }
    assert_eq!(victim.closed, []);
    let kept = victim.replicator.kept_for(&peer);
    let here = victim.mesh.desks[2].ledger.dags().count();
    assert!((UNKNOWN_DAGS_MAX..=here + UNKNOWN_DAGS_MAX + 1).contains(&kept.dags), "{kept:?}");
}

/// Of many incidents that were not there a peer takes note of some and ignores the others. When it had them from somebody
/// else it asked about them for ever, and was never answered, for it had been told.
#[test]
fn a_peer_that_says_what_it_was_told_before_is_told_again_and_only_once() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let dag = mesh.desks[2].declare("told and not heard", None);
    let heads = Heads::new(dag, 1, vec![dag.genesis()]);
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    let told = |victim: &Victim<'_>| {
        victim.sent.iter().filter(|frame| matches!(frame, Frame::Heads(heads) if heads.dag == dag)).count()
    };
    assert_eq!(told(&victim), 1);
    victim.now = victim.now.plus_ms(crate::limits::RETRY_FIRST_MS);
    for _ in 0..3 {
        victim.frame(Frame::Heads(heads.clone()).encode(team.into()));
        assert_eq!(told(&victim), 2);
    }
    assert_eq!(victim.closed, []);
}

#[test]
fn a_peer_that_offers_and_never_answers_is_closed_however_often_it_offers() {
    let (mut mesh, frames) = recorded();
    let (team, dag) = (mesh.desks[2].team(), DagId::from_bytes([7; 32]));
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    let tip = ShortTip { log: ShortLog::from_bytes([1; 16]), seq: 4, tip: [2; 16] };
    let have = Frame::Have(Have { dag, tips: vec![tip], cursor: None }).encode(team.into());
    victim.frame(Frame::Heads(Heads::new(dag, 4, vec![EntryId::from_bytes([2; 32])])).encode(team.into()));
    victim.frame(have.clone());
    assert!(matches!(victim.sent.last(), Some(Frame::Want(_))), "{:?}", victim.sent.last());
    for _ in 0..2 * crate::limits::ANSWER_FRAMES_MAX {
        victim.now = victim.now.plus_ms(crate::limits::PROGRESS_TIMEOUT_MS * 3 / 4);
        victim.frame(have.clone());
        victim.input(Input::Timeout);
    }
    assert_eq!(victim.closed, [CloseReason::Stalled]);
}

/// A node that was given an entry without its body is asked for that body by others, once, and has to say that it has
/// none; when the body came later, it reached nobody else.
#[test]
fn a_body_that_comes_late_goes_to_whoever_asked_for_it_before() {
    let (mut mesh, frames) = recorded();
    let team = mesh.desks[2].team();
    let dag = mesh.desks[0].declare("told without its text", None);
    let genesis = dag.genesis();
    let body = mesh.desks[0].ledger.entry(&genesis).unwrap().body().unwrap().hash;
    let (givers, takers) = mesh.desks.split_at_mut(2);
    givers[0].copy_to(&mut takers[0]);
    takers[0].bodies.remove(&body);
    let view = crate::replica::View::new(&givers[0], team.into(), givers[0].key());
    let late = crate::pack::fill(view, &[], &[genesis], crate::pack::Signing::ByRun).finish(1, Part::Live);
    let mut victim = Victim::new(&mut mesh);
    victim.hello(&frames);
    let want = Want {
        dag,
        ranges: Vec::new(),
        ids: Vec::new(),
        before: 0,
        bodies: vec![genesis],
        page: None,
        budget_bytes: 1,
    };
    victim.frame(Frame::Want(want).encode(team.into()));
    assert!(victim.sent.iter().any(|frame| matches!(frame, Frame::Missing(missing) if missing.bodies == [genesis])));
    let is_paid = |victim: &Victim<'_>| {
        let chunks = victim
            .sent
            .iter()
            .filter(|frame| matches!(frame, Frame::Entries(of, packed) if *of == dag && packed.part == Part::Live));
        chunks.count()
    };
    assert_eq!(is_paid(&victim), 0);
    victim.frame(Frame::Entries(dag, late).encode(team.into()));
    assert_eq!(is_paid(&victim), 1);
}
