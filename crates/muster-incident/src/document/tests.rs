//! Documents of random histories, some of them malicious: equal sets give equal documents, and nothing panics.

use super::*;
use crate::world::{Author, World};
use crate::{Act, export_json, export_markdown, incident_view};
use muster_log::fact::{ActionState, IncidentFact, Letter, Origin, Phase, RoleAct, Saying};
use muster_log::time::PointPrecision;
use muster_log::{BodyText, Claimed, Part, PersonId, Timestamp, Value, When};

/// Seeds of the run. A failure names the seed; `random_history(SEED)` is the same history again.
const SEEDS: u64 = 120;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to choose.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// An id that means something to the author, to somebody, or to nobody.
fn any_id(dice: &mut Dice, world: &World, author: &Author) -> EntryId {
    match dice.below(10) {
        0 => EntryId::from_bytes([dice.below(256) as u8; 32]),
        1 => world.entries[dice.below(world.entries.len())].id(),
        _ => *author.known.iter().nth(dice.below(author.known.len())).unwrap(),
    }
}

fn any_ids(dice: &mut Dice, world: &World, author: &Author) -> Vec<EntryId> {
    // Mostly everything known, so that writes of the same register do replace each other.
    let ids: BTreeSet<EntryId> = match dice.below(3) {
        0 => (0..dice.below(8)).map(|_| any_id(dice, world, author)).collect(),
        _ => author.known.iter().rev().take(64).copied().collect(),
    };
    ids.into_iter().collect()
}

fn any_time(dice: &mut Dice) -> i64 {
    *dice.pick(&[i64::MIN, i64::MAX, 0, -1, crate::world::START_MS, crate::world::START_MS + 90_000])
}

fn any_fact(dice: &mut Dice, world: &World, author: &Author) -> IncidentFact {
    let roles = ["incident-commander", "incident-commander", "deputy", "scribe", "a/b", "offer:scribe"];
    let person = PersonId::from_bytes([dice.below(5) as u8; 32]);
    let supersedes = any_ids(dice, world, author);
    let target = any_id(dice, world, author);
    let letter = Letter::ALL[dice.below(11)].0;
    let what = match dice.below(20) {
        0 => What::Say(Saying::Note),
        1 => What::Say(Saying::Decision),
        2 | 3 => What::Action {
            target: (*dice.pick(&["db-1", "lb"])).to_owned(),
            state: *dice.pick(&[ActionState::Planned, ActionState::Doing]),
            expected_minutes: None,
        },
        4 | 5 => What::ActionState {
            action: target,
            state: *dice.pick(&[ActionState::Doing, ActionState::Worked, ActionState::Failed]),
            supersedes,
        },
        6 => What::Amendment { target },
        7 => What::Severity { severity: *dice.pick(&[None, Some(1), Some(5)]), supersedes },
        8 => What::Milestone { letter: *dice.pick(&[letter, Letter::Resolved]) },
        9 => What::Selection { letter, claim: target, supersedes },
        10 => What::Title { supersedes },
        11 => What::JoinHeads,
        12 => What::Phase { phase: *dice.pick(&[Phase::Resolved, Phase::Reopened, Phase::Dismissed]), supersedes },
        _ => What::Role {
            role: (*dice.pick(&roles)).to_owned(),
            act: match dice.below(8) {
                0..4 => RoleAct::Claim,
                4 => RoleAct::Assign(person),
                5 => RoleAct::Accept(target),
                6 => RoleAct::Release,
                _ => RoleAct::Settle(person),
            },
            supersedes,
        },
    };
    let (start, end) = (Timestamp(any_time(dice)), Timestamp(any_time(dice)));
    let offset = *dice.pick(&[0, 120, i16::MIN, i16::MAX]);
    let when = *dice.pick(&[
        None,
        Some(When::at(start, PointPrecision::Minute, offset)),
        Some(When::between(start, end, offset)),
        Some(When::unknown()),
    ]);
    let claimed = Claimed { time: start, offset_minutes: offset };
    let origin = dice.one_in(10).then_some(Origin { entry: target, claimed });
    IncidentFact { when, origin, what }
}

fn any_body(dice: &mut Dice) -> Option<BodyText> {
    match dice.below(4) {
        0 => None,
        1 => Some(BodyText::default()),
        2 => Some(BodyText::plain("\u{1b}[31m\u{202e}<b>*x*</b>\n")),
        _ => Some(BodyText::plain("text").with(Part::When, "about noon").with(Part::Reason, "because")),
    }
}

/// Several authors who write, hear of each other, fork their logs, and name whatever they like.
fn random_history(seed: u64) -> World {
    let mut dice = Dice(seed);
    let (mut world, mut authors) = World::declared(&["alice", "bob", "alice", "dave"]);
    for _ in 0..10 + dice.below(60) {
        let (one, other) = (dice.below(authors.len()), dice.below(authors.len()));
        match dice.below(12) {
            0..=2 if one != other => {
                let from = authors[one].clone();
                World::reach(&from, &mut authors[other]);
            }
            3 if authors.len() < 8 => {
                let twin = authors[one].clone();
                authors.push(twin);
            }
            4 => {
                let (kind, fields) = match dice.below(2) {
                    0 => (Kind::from_number(99), vec![Value::Int(dice.roll() as i64)]),
                    _ => (*dice.pick(&[Kind::ROLE, Kind::NOTE, Kind::SEVERITY]), vec![Value::Null]),
                };
                let body = any_body(&mut dice);
                world.write_raw(&mut authors[one], kind, fields, body);
            }
            _ => {
                world.clock_ms = if dice.one_in(20) { any_time(&mut dice) } else { world.clock_ms };
                let fact = any_fact(&mut dice, &world, &authors[one]);
                let body = any_body(&mut dice);
                world.write_raw(&mut authors[one], fact.kind(), fact.fields(), body);
            }
        }
    }
    for entry in &world.entries {
        if dice.one_in(8) {
            let status = *dice.pick(&[Status::Late, Status::Revoked, Status::Forked]);
            world.statuses.insert(entry.id(), status);
        }
        if dice.one_in(8) {
            world.bodies.remove(&entry.id());
        }
    }
    world
}

/// A random order in which parents come before children.
fn causal_order<'a>(dice: &mut Dice, world: &'a World) -> Vec<Source<'a>> {
    let mut left: Vec<&Entry> = world.entries.iter().collect();
    let mut here = BTreeSet::new();
    let mut order = Vec::new();
    while !left.is_empty() {
        let ready: Vec<usize> =
            (0..left.len()).filter(|i| left[*i].parents().all(|parent| here.contains(&parent))).collect();
        let entry = left.remove(*dice.pick(&ready));
        here.insert(entry.id());
        order.push(world.source(entry));
    }
    order
}

/// Adds batch after batch, deriving anew where the document asks for it.
fn grow(dice: &mut Dice, order: &[Source<'_>]) -> Document {
    let mut document = Document::derive(&order[..1]).unwrap();
    let mut done = 1;
    while done < order.len() {
        let next = (done + 1 + dice.below(6)).min(order.len());
        // Batches overlap, as after a restart.
        match document.apply(&order[done.saturating_sub(2)..next]) {
            Ok(()) => {}
            Err(NeedsRebuild::Sibling { .. }) => document = Document::derive(&order[..next]).unwrap(),
            Err(other) => panic!("{other}"),
        }
        done = next;
    }
    document
}

fn drawn(document: &Document, world: &World) -> String {
    let view = incident_view(document, &world.people);
    let board = serde_json::to_string(&crate::board(document, &world.people)).unwrap();
    let line = crate::status_line(&view.summary);
    [export_json(&view), export_markdown(&view), board, line].join("\n")
}

#[test]
fn equal_sets_give_equal_heads_and_equal_bytes_of_views_in_any_order_of_arrival() {
    for seed in 0..SEEDS {
        let world = random_history(seed);
        let whole = world.document();
        let (heads, views) = (whole.heads(), drawn(&whole, &world));
        let mut dice = Dice(!seed);
        for _ in 0..3 {
            let order = causal_order(&mut dice, &world);
            let grown = grow(&mut dice, &order);
            assert_eq!(grown.heads(), heads, "heads differ; replay with random_history({seed})");
            assert_eq!(drawn(&grown, &world), views, "views differ; replay with random_history({seed})");
        }
    }
}

#[test]
fn a_snapshot_loads_for_the_same_entries_in_another_order_and_for_no_others() {
    for seed in 0..SEEDS / 4 {
        let world = random_history(seed);
        let whole = world.document();
        let snapshot = whole.save();
        let order = causal_order(&mut Dice(seed), &world);
        let loaded = Document::load(&snapshot, &order).unwrap();
        assert_eq!(drawn(&loaded, &world), drawn(&whole, &world), "replay with random_history({seed})");
        let fewer = &order[..order.len() - 1];
        assert!(matches!(Document::load(&snapshot, fewer), Err(NeedsRebuild::Snapshot)));
        assert!(matches!(Document::load(&snapshot[1..], &order), Err(NeedsRebuild::Snapshot)));
    }
}

#[test]
fn only_active_entries_ever_stand_in_a_register() {
    for seed in 0..SEEDS {
        let document = random_history(seed).document();
        for (container, _) in &Container::ALL[1..6] {
            for key in document.keys(*container) {
                for held in document.values(&Register { container: *container, key: key.clone() }) {
                    let node = document.node(held.writer);
                    assert_eq!(node.status, Status::Active, "{key}; replay with random_history({seed})");
                }
            }
        }
    }
}

#[test]
fn a_changed_status_a_late_body_and_a_sibling_ask_for_a_rebuild_and_leave_the_document_alone() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let mut twin = authors[0].clone();
    let note = world.write(&mut authors[0], What::Say(Saying::Note), BodyText::plain("one"));
    let body = world.bodies.remove(&note).unwrap();
    let mut document = world.document();
    let heads = document.heads();

    world.bodies.insert(note, body);
    assert!(matches!(document.apply(&world.sources()), Err(NeedsRebuild::Body { entry }) if entry == note));
    world.bodies.remove(&note);
    world.statuses.insert(note, Status::Revoked);
    assert!(matches!(document.apply(&world.sources()), Err(NeedsRebuild::Status { entry }) if entry == note));
    world.statuses.clear();
    let sibling = world.write(&mut twin, What::Say(Saying::Note), BodyText::plain("two"));
    assert!(matches!(document.apply(&world.sources()), Err(NeedsRebuild::Sibling { entry }) if entry == sibling));
    assert_eq!(document.heads(), heads);
    assert_eq!(document.len(), 2);
}

#[test]
fn entries_out_of_order_or_of_elsewhere_are_refused_by_name() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    world.write(&mut authors[0], What::Say(Saying::Note), BodyText::default());
    let sources = world.sources();
    assert!(matches!(Document::derive(&[]), Err(DeriveError::NoGenesis)));
    assert!(matches!(Document::derive(&sources[1..]), Err(DeriveError::NoGenesis)));
    let (other, _) = World::declared(&["alice", "bob"]);
    let (mut foreign, mut others) = World::of(&["eve"]);
    foreign.clock_ms += 1;
    foreign.write_fact(&mut others[0], &IncidentFact::now(other_declare()), BodyText::plain("another"));
    assert!(other.document().contains(&sources[0].entry.id()));
    let mixed = [sources[0].clone(), foreign.source(&foreign.entries[0])];
    assert!(matches!(Document::derive(&mixed), Err(DeriveError::Foreign { .. })));
    world.write(&mut authors[0], What::Say(Saying::Note), BodyText::default());
    let gap = [world.source(&world.entries[0]), world.source(&world.entries[2])];
    assert!(matches!(Document::derive(&gap), Err(DeriveError::NotCausal { .. })));
}

fn other_declare() -> What {
    use muster_log::fact::{Declare, Visibility};
    What::Declare(Declare { drill: true, suspected: true, visibility: Visibility::Team, severity: None })
}

/// One entry of each sort that makes ops of its own, and a fork.
fn one_of_each() -> World {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let alice = &mut authors[0];
    let mut write = |what: What| world.write(alice, what, BodyText::plain("text").with(Part::Reason, "reason"));
    let role = |act: RoleAct, supersedes: Vec<EntryId>| What::Role { role: "deputy".into(), act, supersedes };
    let action = write(What::Action { target: "db-1".into(), state: ActionState::Planned, expected_minutes: Some(5) });
    write(What::ActionState { action, state: ActionState::Worked, supersedes: vec![action] });
    let claim = write(What::Milestone { letter: Letter::Failed });
    write(What::Selection { letter: Letter::Failed, claim, supersedes: vec![] });
    let offer = write(role(RoleAct::Assign(PersonId::from_bytes([1; 32])), vec![]));
    let held = write(role(RoleAct::Accept(offer), vec![]));
    write(role(RoleAct::Release, vec![held]));
    write(What::Severity { severity: None, supersedes: vec![] });
    write(What::Title { supersedes: vec![] });
    write(What::Phase { phase: Phase::Resolved, supersedes: vec![] });
    write(What::Amendment { target: claim });
    let mut twin = authors[0].clone();
    world.write(&mut authors[0], What::JoinHeads, BodyText::default());
    world.write(&mut twin, What::Say(Saying::Note), BodyText::plain("forked"));
    world.write_raw(&mut authors[1], Kind::from_number(99), vec![], None);
    world
}

#[test]
fn the_template_makes_the_same_changes_as_ever() {
    // Snapshots on disk are checked by their heads: a template that changes must raise TEMPLATE_VERSION.
    let short = |head: &[u8; 32]| head[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let heads: Vec<String> = one_of_each().document().heads().iter().map(short).collect();
    insta::assert_snapshot!(format!("version {TEMPLATE_VERSION}: {}", heads.join(" ")), @"version 1: 36d7ac12 c314f76c f3ccec82");
}

#[test]
fn random_histories_hold_what_the_rules_are_about() {
    // Otherwise the properties above would hold of nothing.
    let (mut void, mut opaque, mut contested, mut lanes, mut replaced) = (0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let document = random_history(seed).document();
        for (_, node) in document.nodes() {
            void += usize::from(matches!(node.meaning, Meaning::Void(..)));
            opaque += usize::from(node.meaning == Meaning::Opaque);
            lanes += usize::from(node.lane_seq == 1 && node.depth > 0);
        }
        for key in document.keys(Container::Roles) {
            contested += usize::from(document.values(&Register::role_key(&key)).len() > 1);
        }
        let writes: usize = document.nodes().map(|(_, node)| node.writes.len()).sum();
        let standing: usize = Container::ALL[1..6]
            .iter()
            .flat_map(|(container, _)| {
                document.keys(*container).into_iter().map(|key| Register { container: *container, key })
            })
            .map(|register| document.values(&register).len())
            .sum();
        replaced += writes - standing;
    }
    for (what, count) in
        [("void", void), ("opaque", opaque), ("contested", contested), ("lanes", lanes), ("replaced", replaced)]
    {
        assert!(count as u64 > SEEDS / 2, "{count} {what}");
    }
}

fn any_act(dice: &mut Dice, world: &World, author: &Author) -> Act {
    let role = || "ic".to_owned();
    let person = dice.pick(&["alice", "bob", "dave"]).to_string();
    let id = any_id(dice, world, author).to_string();
    match dice.below(12) {
        0 => Act::RoleClaim { role: role(), take: dice.one_in(2).then(|| "why not".into()) },
        1 => Act::RoleAssign { role: role(), to: person },
        2 => Act::RoleAccept { role: role() },
        3 => Act::RoleRelease { role: role() },
        4 => Act::RoleSettle { role: role(), on: person },
        5 => Act::Severity { severity: Some(3) },
        6 => Act::Title { title: "New".into() },
        7 => Act::Phase { phase: dice.pick(&["resolve", "reopen", "dismiss"]).to_string(), text: None },
        8 => Act::Did { id: dice.one_in(2).then_some(id), result: "worked".into(), text: None },
        9 => Act::Doing { what: dice.one_in(2).then_some(id), target: None },
        10 => Act::Amend { id: id[..8].to_owned(), text: "no".into() },
        _ => Act::Mark { milestone: "resolved".into(), text: None },
    }
}

#[test]
fn what_a_command_prepares_has_its_effect_and_leaves_one_value() {
    let mut written = 0;
    for seed in 0..SEEDS {
        let mut world = random_history(seed);
        let mut dice = Dice(seed ^ 0xff);
        // Somebody who reads all and writes for the first time, so that their entry's past is what they see.
        let (_, mut authors) = World::of(&["alice", "bob", "alice", "dave"]);
        world.heal(&mut authors);
        let mut author = authors.swap_remove(1).elsewhere();
        for _ in 0..4 {
            let act = any_act(&mut dice, &world, &author);
            let Ok(id) = world.act(&mut author, act.clone()) else { continue };
            let document = world.document();
            let node = document.graph.get(&id).unwrap();
            assert!(node.meaning.fact().is_some(), "{act:?}; replay with random_history({seed})");
            // A release ends the author's own hold and leaves others'.
            let ended = node.writes.iter().filter(|_| !matches!(act, Act::RoleRelease { .. }));
            for write in ended {
                let values = document.values(&write.register);
                assert_eq!(values.len(), 1, "{act:?} {:?}; replay with random_history({seed})", write.register);
                written += 1;
            }
        }
    }
    assert!(written > SEEDS, "{written}");
}
