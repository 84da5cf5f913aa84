//! Random histories: honest work with partitions, then a removed member who goes on, forks and misbehaviour.
//!
//! Whatever the order of arrival, and wherever the signatures come from, all replicas end with the same.

use super::world::{Deed, Dice, View, Way, World, key, note};
use crate::brackets::{Bracket, Brackets, TimeBrackets, TimeLabel};
use crate::clocks::Clocks;
use crate::entry::Entry;
use crate::fact::{Capability, Fact, IncidentFact, Kind, RevokeMode, RosterFact, Visibility, What};
use crate::ids::{DagId, EntryId, IncidentId, PersonId};
use crate::key::{DeviceKey, Signature};
use crate::ledger::{Findings, Ledger, Reasons, Received};
use crate::redaction::Redacted;
use crate::status::Status;
use crate::time::Timestamp;
use crate::verify::verify;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Seeds of one run of the suite.
const SEEDS: u64 = 24;

/// Everything derived, by id.
#[derive(Debug, PartialEq)]
pub(super) struct Derived {
    admitted: View,
    statuses: BTreeMap<EntryId, Status>,
    reasons: Reasons,
    redacted: BTreeMap<EntryId, Redacted>,
    brackets: BTreeMap<EntryId, Bracket>,
    heads: Vec<EntryId>,
    counted: BTreeSet<EntryId>,
    standing: BTreeSet<EntryId>,
    aside: BTreeMap<EntryId, BTreeSet<EntryId>>,
    person_of: Vec<(DeviceKey, PersonId)>,
    capability: Vec<(PersonId, Capability)>,
    guests: Vec<(PersonId, IncidentId)>,
    /// Whoever may hold each incident.
    holders: BTreeMap<IncidentId, BTreeSet<PersonId>>,
}

pub(super) fn derived(ledger: &Ledger) -> Derived {
    let graph = ledger.graph();
    let whole = ledger.whole();
    let ids: BTreeMap<u32, EntryId> = ledger
        .dag(&ledger.team().into())
        .into_iter()
        .flat_map(|dag| dag.order())
        .filter_map(|id| Some((graph.number(id)?, *id)))
        .collect();
    let roster = ledger.roster();
    Derived {
        admitted: ledger.dags().flat_map(|(_, dag)| dag.order()).copied().collect(),
        statuses: ledger.incidents().flat_map(|incident| ledger.statuses(&incident)).collect(),
        reasons: ledger.incidents().flat_map(|incident| reasons(ledger, &incident)).collect(),
        redacted: ledger.incidents().flat_map(|incident| ledger.redacted(&incident)).collect(),
        brackets: ledger.incidents().flat_map(|incident| brackets(ledger, &incident)).collect(),
        heads: ledger.roster_heads(),
        counted: whole.counted.keys().map(|x| ids[&x]).collect(),
        standing: whole.standing.iter().map(|x| ids[&x]).collect(),
        aside: whole
            .aside
            .keys()
            .map(|x| (ids[&x], graph.set_aside_by(x, whole).iter().map(|y| ids[y]).collect()))
            .collect(),
        person_of: roster.bindings().collect(),
        capability: roster.persons().map(|person| (person, roster.capability(&person).unwrap())).collect(),
        guests: roster.persons().filter_map(|person| Some((person, roster.guest_of(&person)?))).collect(),
        holders: ledger.incidents().map(|incident| (incident, ledger.holders(&incident))).collect(),
    }
}

/// Why entries have no effect; of each that has none there is a reason, and of no other.
fn reasons(ledger: &Ledger, incident: &IncidentId) -> Reasons {
    let Findings { statuses, reasons } = ledger.findings(incident);
    assert_eq!(statuses, ledger.statuses(incident));
    for (id, status) in statuses {
        let why = reasons.get(&id).map_or(&[][..], |why| why);
        assert_eq!(why.is_empty(), status == Status::Active, "{id} is {status:?}: {why:?}");
    }
    reasons
}

/// The brackets as worked out in one go.
fn brackets(ledger: &Ledger, incident: &IncidentId) -> BTreeMap<EntryId, Bracket> {
    let mut all = TimeBrackets::default();
    all.update(ledger, incident);
    let dag = ledger.dag(&(*incident).into()).unwrap();
    dag.order().iter().map(|id| (*id, all.of(dag, id).unwrap())).collect()
}

pub(super) type Pairs = Vec<(Entry, Option<Signature>)>;

pub(super) fn replica(world: &World, pairs: &Pairs, dice: &mut Dice, batch_max: usize) -> Ledger {
    let mut ledger = Ledger::new(world.team);
    let mut rest = pairs.as_slice();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rest.len().min(dice.below(batch_max) + 1));
        rest = later;
        let one =
            |(entry, signature): &(Entry, Option<Signature>)| Received { entry: entry.clone(), signature: *signature };
        let outcome = ledger.receive(Some(key("P1")), batch.iter().map(one).collect());
        if !outcome.refused.is_empty() && batch.len() > 1 {
            // The batch was dropped whole: an honest part comes again from somebody else.
            batch.iter().for_each(|pair| drop(ledger.receive(Some(key("P2")), vec![one(pair)])));
        }
    }
    ledger
}

/// One random deed of a device, on its own view or, as a rogue, on an old one.
fn act(w: &mut World, dice: &mut Dice, name: &str, view: &View, is_rogue: bool) {
    let way = if is_rogue {
        let session = if dice.chance(50) { 0 } else { 50 + dice.below(3) as u16 };
        Way { view: Some(view.clone()), session: Some(session), back: dice.pick(&[0, 0, 1, 2]) }
    } else {
        Way::default()
    };
    act_so(w, dice, name, view, (is_rogue, way));
}

/// The same, where it is known how it is written.
fn act_so(w: &mut World, dice: &mut Dice, name: &str, view: &View, (is_rogue, way): (bool, Way)) {
    let roster = w.fold(view).roster.clone();
    let keys: Vec<String> = roster.members().iter().map(|device| w.names[device].clone()).collect();
    let persons: Vec<PersonId> =
        roster.bindings().map(|(_, person)| person).collect::<BTreeSet<_>>().into_iter().collect();
    if keys.is_empty() {
        return;
    }
    let of = |w: &World, kinds: &[Kind]| -> Vec<EntryId> {
        view.iter().filter(|id| kinds.contains(&w.entries[*id].kind())).copied().collect()
    };
    let incidents = of(w, &[Kind::DECLARE]);
    let (invites, joins) = (of(w, &[Kind::INVITE]), of(w, &[Kind::JOIN]));
    let (revokes, removals) = (of(w, &[Kind::REVOKE]), of(w, &[Kind::REVOKE, Kind::SET_CAPABILITY]));
    let fact = |fact| Deed::Roster(fact);
    match dice.below(100) {
        0..26 if !incidents.is_empty() => {
            let incident = IncidentId::of_genesis(dice.pick(&incidents));
            w.write_so(name, Deed::Incident(incident, note()), way);
        }
        26..34 if !incidents.is_empty() => {
            let genesis = dice.pick(&incidents);
            let here: Vec<EntryId> =
                view.iter().filter(|id| w.entries[*id].dag().genesis() == genesis).copied().collect();
            let redaction = What::Redaction { target: dice.pick(&here) };
            w.write_so(name, Deed::Incident(IncidentId::of_genesis(genesis), redaction), way);
        }
        34..40 => {
            let visibility = if dice.chance(30) {
                let named: BTreeSet<PersonId> = (0..2).map(|_| dice.pick(&persons)).collect();
                Visibility::Private(named.into_iter().collect())
            } else {
                Visibility::Team
            };
            w.write_so(name, Deed::Declare(visibility), way);
        }
        40..48 => {
            let capability = dice.pick(&[Capability::Observer, Capability::Responder, Capability::Responder]);
            w.write_so(name, w.invite(capability), way);
        }
        48..60 if !invites.is_empty() => {
            let known: Vec<String> = w.view.keys().filter(|k| *k != name).cloned().collect();
            let fresh = format!("{}{}", if is_rogue { "S" } else { "J" }, w.written.len());
            let joiner = match dice.chance(15) && !known.is_empty() {
                true if is_rogue => name.to_owned(),
                true => dice.pick(&known),
                false => fresh,
            };
            w.write_so(&joiner, Deed::Join(dice.pick(&invites)), Way::on(view));
        }
        60..70 if !joins.is_empty() => {
            let join = dice.pick(&joins);
            let vouch = w.write_so(name, fact(RosterFact::Vouch { join }), way);
            if !is_rogue && w.is_admitted(&vouch) {
                let (joiner, seen) = (w.names[&w.entries[&join].key()].clone(), w.view[name].clone());
                w.see(&joiner, &seen);
            }
        }
        70..78 => {
            let capability =
                dice.pick(&[Capability::Observer, Capability::Responder, Capability::Admin, Capability::Admin]);
            w.write_so(name, fact(RosterFact::SetCapability { person: dice.pick(&persons), capability }), way);
        }
        78..86 => {
            let mut frontier = Vec::new();
            for incident in &incidents {
                let here: Vec<EntryId> =
                    view.iter().filter(|id| w.entries[*id].dag().genesis() == *incident).copied().collect();
                if dice.chance(50) {
                    frontier.push((IncidentId::of_genesis(*incident), vec![dice.pick(&here)]));
                }
            }
            let mode = dice.pick(&[RevokeMode::Retire, RevokeMode::Compromise, RevokeMode::Compromise]);
            let target = dice.pick(&keys);
            w.write_so(name, w.revoke(&[&target], mode, frontier), way);
        }
        86..91 if !removals.is_empty() => {
            w.write_so(name, fact(RosterFact::Second { removal: dice.pick(&removals) }), way);
        }
        91..94 if !revokes.is_empty() && !incidents.is_empty() => {
            let incident = dice.pick(&incidents);
            let here: Vec<EntryId> =
                view.iter().filter(|id| w.entries[*id].dag().genesis() == incident).copied().collect();
            let frontier = vec![(IncidentId::of_genesis(incident), vec![dice.pick(&here)])];
            w.write_so(name, fact(RosterFact::Cut { revoke: dice.pick(&revokes), frontier }), way);
        }
        94..96 if !joins.is_empty() => {
            w.write_so(name, fact(RosterFact::Confirm { join: dice.pick(&joins) }), way);
        }
        96..98 => {
            let device = format!("{}d{}", &name[..1], w.written.len());
            let added = w.write_so(name, Deed::AddDevice(device.clone()), way);
            w.names.insert(key(&device), device.clone());
            if !is_rogue && w.is_admitted(&added) {
                let seen = w.view[name].clone();
                w.see(&device, &seen);
            }
        }
        _ => drop(w.write_so(name, fact(RosterFact::Merge), way)),
    }
}

fn honest(dice: &mut Dice) -> World {
    let mut w = World::new();
    w.is_lifelike = true;
    let c_is_admin = dice.chance(70);
    for (name, is_admin) in [("B1", true), ("C1", c_is_admin), ("D1", false)] {
        w.guest("A1", name, is_admin);
    }
    w.write("A1", Deed::Declare(Visibility::Team));
    ["B1", "C1", "D1"].iter().for_each(|name| w.sync("A1", name));
    let mut sides: BTreeMap<String, usize> = BTreeMap::new();
    for step in 0..20 + dice.below(35) {
        let devices: Vec<String> = w.view.keys().cloned().collect();
        if step % 12 == 0 {
            sides.clear();
        }
        for name in &devices {
            let side = dice.below(3);
            sides.entry(name.clone()).or_insert(side);
        }
        let name = dice.pick(&devices);
        let near: Vec<String> = devices.iter().filter(|k| **k != name && sides[*k] == sides[&name]).cloned().collect();
        if !near.is_empty() && dice.chance(45) {
            w.sync(&name, &dice.pick(&near));
        } else {
            let view = w.view[&name].clone();
            act(&mut w, dice, &name, &view, false);
        }
    }
    if dice.chance(40) {
        let ring: &[(&str, &str)] =
            if dice.chance(50) { &[("A1", "B1"), ("B1", "A1")] } else { &[("A1", "B1"), ("B1", "C1"), ("C1", "A1")] };
        let views: Vec<View> = ring.iter().map(|(by, _)| w.view[*by].clone()).collect();
        for ((by, target), view) in ring.iter().zip(&views) {
            w.write_so(by, w.out(target), Way::on(view));
        }
    }
    w
}

/// A senior removes B1, who then writes on old views, alone and through invented friends.
fn rogue(w: &mut World, dice: &mut Dice) {
    let by = dice.pick(&["A1", "rk0"]);
    let view = w.view["A1"].clone();
    let way = if by == "rk0" { Way::on(&view) } else { Way::default() };
    let removed = w.write_so(by, w.out("B1"), way);
    if by == "A1" && w.is_admitted(&removed) {
        let both: View = w.view["A1"].union(&w.view["C1"]).copied().collect();
        w.write_so("C1", Deed::Roster(RosterFact::Second { removal: removed }), Way::on(&both));
    }
    let before = w.all();
    let olds: Vec<View> = w.snaps["B1"].iter().filter(|snap| !snap.contains(&removed)).cloned().collect();
    for _ in 0..14 {
        let mine: Vec<EntryId> = w.all().difference(&before).copied().collect();
        let mut base = dice.pick(&olds);
        let mut name = "B1".to_owned();
        if !mine.is_empty() && dice.chance(70) {
            let some: Vec<EntryId> = (0..1 + dice.below(3)).map(|_| dice.pick(&mine)).collect();
            base.extend(w.past_of(some));
        }
        let friends: Vec<EntryId> = mine.iter().filter(|id| w.entries[*id].kind() == Kind::JOIN).copied().collect();
        if !friends.is_empty() && dice.chance(50) {
            let friend = dice.pick(&friends);
            name = w.names[&w.entries[&friend].key()].clone();
            let some: Vec<EntryId> = mine.iter().filter(|_| dice.chance(60)).copied().chain([friend]).collect();
            base.extend(w.past_of(some));
        }
        act(w, dice, &name, &base, true);
    }
}

/// A standing member continues old entries of his again and again.
fn flood(w: &mut World, dice: &mut Dice) {
    for _ in 0..10 {
        let view = dice.pick(&w.snaps["D1"]);
        let incidents: Vec<EntryId> =
            view.iter().filter(|id| w.entries[*id].kind() == Kind::DECLARE).copied().collect();
        if !incidents.is_empty() {
            let deed = Deed::Incident(IncidentId::of_genesis(dice.pick(&incidents)), note());
            let back = dice.pick(&[0, 0, 1, 2, 3]);
            w.write_so("D1", deed, Way { view: Some(view), session: None, back });
        }
    }
}

fn history(seed: u64) -> (World, Dice) {
    let mut dice = Dice(seed);
    let mut w = honest(&mut dice);
    if seed % 2 == 1 {
        rogue(&mut w, &mut dice);
    } else {
        flood(&mut w, &mut dice);
    }
    for _ in 0..3 {
        let names: Vec<String> = w.view.keys().cloned().collect();
        let name = dice.pick(&names);
        let view = w.view[&name].clone();
        act(&mut w, &mut dice, &name, &view, true);
    }
    (w, dice)
}

#[test]
fn every_order_of_arrival_ends_with_the_same_entries_roster_and_statuses() {
    for seed in 0..SEEDS {
        let (w, mut dice) = history(seed);
        let mut pairs: Pairs =
            w.written.iter().map(|(entry, signature)| (entry.clone(), dice.chance(96).then_some(*signature))).collect();
        let whole = derived(&replica(&w, &pairs, &mut dice, 1));
        for batch_max in [1, 1, 7, 30] {
            dice.shuffle(&mut pairs);
            let again = derived(&replica(&w, &pairs, &mut dice, batch_max));
            assert_eq!(again, whole, "seed {seed}, batches up to {batch_max}");
        }
    }
}

/// What is redacted, by the words of the protocol: nothing is remembered from before.
fn redacted_naively(ledger: &Ledger, incident: &IncidentId) -> BTreeMap<EntryId, Redacted> {
    let (dag, statuses) = (ledger.dag(&(*incident).into()).unwrap(), ledger.statuses(incident));
    let mut redacted: BTreeMap<EntryId, Redacted> = BTreeMap::new();
    for about in dag.entries().filter(|entry| entry.body().is_some()) {
        let twins = dag
            .entries()
            .filter(|other| (other.log(), other.seq(), other.body()) == (about.log(), about.seq(), about.body()));
        let twins: Vec<EntryId> = twins.map(Entry::id).collect();
        let (mut by, mut persons, mut own) = (Vec::new(), BTreeSet::new(), false);
        for entry in dag.entries().filter(|entry| statuses[&entry.id()] == Status::Active) {
            let Ok(Fact::Incident(IncidentFact { what: What::Redaction { target }, .. })) = entry.fact() else {
                continue;
            };
            if !twins.contains(&target) || !dag.is_past(&target, &entry.id()) {
                continue;
            }
            let author = ledger.person(&entry.id()).unwrap();
            let graph = ledger.graph();
            let node = dag.find(&entry.id()).unwrap();
            let fold = graph.fold_at(node.standpoint.unwrap());
            let is_own = ledger.person(&target) == Some(author);
            if is_own || fold.roster.capability(&author) == Some(Capability::Admin) {
                by.push(entry.id());
                persons.insert(author);
                own |= is_own;
            }
        }
        by.sort_unstable();
        if !by.is_empty() {
            redacted.insert(about.id(), Redacted { by, is_settled: own || persons.len() > 1 });
        }
    }
    redacted
}

/// Brackets by the words of the protocol: every past is walked for every entry.
fn brackets_naively(ledger: &Ledger, incident: &IncidentId) -> BTreeMap<EntryId, Bracket> {
    let dag = ledger.dag(&(*incident).into()).unwrap();
    let clean = ledger.clean(incident).unwrap_or_else(|| vec![true; dag.len()]);
    let clean: Vec<&Entry> =
        dag.entries().zip(clean).filter(|(_, is_clean)| *is_clean).map(|(entry, _)| entry).collect();
    let person = |entry: &Entry| ledger.person(&entry.id()).unwrap();
    let writing: BTreeSet<PersonId> = clean.iter().map(|entry| person(entry)).collect();
    let spare = usize::from(writing.len() >= 4);
    let one = |about: &Entry| {
        let (mut newest, mut oldest) = (BTreeMap::new(), BTreeMap::new());
        for other in clean.iter().filter(|other| person(other) != person(about)) {
            let (who, claimed) = (person(other), other.claimed().time);
            if dag.is_past(&other.id(), &about.id()) {
                let known = newest.entry(who).or_insert(claimed);
                *known = claimed.max(*known);
            }
            if dag.is_past(&about.id(), &other.id()) {
                let known = oldest.entry(who).or_insert(claimed);
                *known = claimed.min(*known);
            }
        }
        let (mut newest, mut oldest): (Vec<_>, Vec<_>) =
            (newest.into_values().collect(), oldest.into_values().collect());
        newest.sort_unstable_by(|a, b| b.cmp(a));
        oldest.sort_unstable();
        Bracket { lower: newest.get(spare).copied(), upper: oldest.get(spare).copied() }
    };
    dag.entries().map(|entry| (entry.id(), one(entry))).collect()
}

#[test]
fn what_is_redacted_and_every_bracket_is_as_the_protocol_says() {
    let (mut seen, mut bounded) = (0, 0);
    for seed in 0..SEEDS {
        let (w, _) = history(seed);
        for incident in w.ledger.incidents() {
            let redacted = w.ledger.redacted(&incident);
            assert_eq!(redacted, redacted_naively(&w.ledger, &incident), "seed {seed}");
            seen += redacted.len();
            let all = brackets(&w.ledger, &incident);
            assert_eq!(all, brackets_naively(&w.ledger, &incident), "seed {seed}");
            bounded += all.values().filter(|bracket| bracket.lower.is_some() && bracket.upper.is_some()).count();
        }
    }
    assert!(seen > 15 && bounded > 40, "{seen} redacted, {bounded} bounded on both sides");
}

#[test]
fn a_fold_had_from_the_one_below_is_that_worked_out_as_a_whole() {
    let with_removals: usize = (0..4 * SEEDS).map(|seed| history(seed).0.ledger.graph().check_folds()).sum();
    assert!(with_removals > 500, "{with_removals}");
}

/// Admins and others at odds: each entry on what some of the last ones knew, so that nobody knows everything, with forks.
fn strife(seed: u64) -> (World, Dice) {
    let mut dice = Dice(seed);
    let mut w = World::new();
    for (name, is_admin) in [("B1", true), ("C1", dice.chance(70)), ("D1", false)] {
        w.guest("A1", name, is_admin);
    }
    let start = w.view["A1"].clone();
    let mut names = vec!["A1", "A1", "B1", "B1", "C1", "D1", "rk0"].into_iter().map(str::to_owned).collect::<Vec<_>>();
    for _ in 0..70 {
        let written: Vec<EntryId> =
            w.written.iter().map(|(entry, _)| entry.id()).filter(|id| w.is_admitted(id)).collect();
        let last = &written[written.len().saturating_sub(25)..];
        let some: Vec<EntryId> = (0..1 + dice.below(3)).map(|_| dice.pick(last)).collect();
        let mut base = w.past_of(some);
        base.extend(&start);
        let name = dice.pick(&names);
        // Mostly in a log of its own, else a fork nearly always.
        let session = if dice.chance(85) { 1_000 + w.written.len() as u16 } else { 0 };
        let way = Way { view: Some(base.clone()), session: Some(session), back: 0 };
        let open = w.ledger.removals().into_iter().filter(|removal| removal.standing == crate::Standing::NeedsSecond);
        let open: Vec<EntryId> = open.map(|removal| removal.id).collect();
        if dice.chance(25) && !open.is_empty() {
            let removal = dice.pick(&open);
            let base = base.union(&w.past_of([removal])).copied().collect();
            w.write_so(&name, Deed::Roster(RosterFact::Second { removal }), Way { view: Some(base), ..way });
        } else {
            act_so(&mut w, &mut dice, &name, &base, (true, way));
        }
        let joined = w.written.last().filter(|(entry, _)| entry.kind() == Kind::JOIN && w.is_admitted(&entry.id()));
        names.extend(joined.map(|(entry, _)| w.names[&entry.key()].clone()));
    }
    (w, dice)
}

#[test]
fn among_admins_at_odds_what_is_decided_entry_by_entry_is_what_the_book_says_in_every_order_of_arrival() {
    let (mut counted, mut seconds, mut forked, mut taken) = (0, 0, 0, 0);
    for seed in 0..SEEDS / 2 {
        let (w, mut dice) = strife(seed);
        w.ledger.graph().check_folds();
        let whole = w.ledger.whole();
        counted += whole.counted.keys().count();
        seconds += whole.counted.seconds();
        forked += whole.aside.forked();
        taken += whole.aside.keys().count() - whole.aside.forked();
        let expected = derived(&w.ledger);
        let mut pairs: Pairs = w.written.iter().map(|(entry, signature)| (entry.clone(), Some(*signature))).collect();
        for batch_max in [1, 9] {
            dice.shuffle(&mut pairs);
            let again = replica(&w, &pairs, &mut dice, batch_max);
            again.graph().check_folds();
            assert_eq!(derived(&again), expected, "seed {seed}");
        }
    }
    assert!(
        counted > 20 && seconds > 1 && forked > 20 && taken > 20,
        "{counted} counted, {seconds} by seconds, {forked} forked, {taken} taken"
    );
}

#[test]
fn verification_counts_the_brackets_of_what_stands_and_no_clock_is_a_problem() {
    let (mut doubted, mut open) = (0, 0);
    for seed in 0..SEEDS {
        let (w, _) = history(seed);
        let dags = [w.team.into()].into_iter().chain(w.ledger.incidents().map(DagId::from));
        let entries = dags.flat_map(|dag| w.ledger.dag(&dag).unwrap().entries());
        let signature = |id: &EntryId| w.written.iter().find(|(entry, _)| entry.id() == *id).map(|(_, it)| *it);
        let report = verify(w.team, entries, signature);
        assert!(report.is_ok(), "seed {seed}");
        assert_eq!(report.clocks.len(), w.ledger.incidents().count(), "seed {seed}");
        for (incident, clocks) in report.clocks {
            let mut expected = Clocks { spare: clocks.spare, ..Clocks::default() };
            for (id, bracket) in brackets_naively(&w.ledger, &incident) {
                let entry = w.ledger.entry(&id).unwrap();
                let label = bracket.label(entry.claimed().time);
                *expected.labels.entry(label).or_default() += 1;
                *match (bracket.lower, bracket.upper) {
                    (Some(_), Some(_)) => &mut expected.both,
                    (None, None) => &mut expected.none,
                    _ => &mut expected.one,
                } += 1;
                if !matches!(label, TimeLabel::Consistent | TimeLabel::Unbounded) {
                    let whose = (w.ledger.person(&id).unwrap(), entry.key(), label);
                    *expected.doubts.entry(whose).or_default() += 1;
                }
            }
            doubted += expected.doubts.values().sum::<usize>();
            open += expected.none;
            assert_eq!(clocks.entries(), w.ledger.dag(&incident.into()).unwrap().len());
            assert_eq!(clocks, expected, "seed {seed}");
        }
    }
    assert!(doubted > 15 && open > 15, "{doubted} doubted, {open} open");
}

#[test]
fn a_clock_that_runs_backwards_gives_the_same_brackets_one_by_one_as_in_one_go() {
    // Each claim is the oldest so far: one by one, each is told to all before it.
    let entry = |number: u32| {
        let parents = [number.checked_sub(1), number.checked_sub(3)].into_iter().flatten();
        let person = PersonId::from_bytes([(number % 5) as u8; 32]);
        (parents, person, Timestamp(-i64::from(number)), !number.is_multiple_of(7))
    };
    let mut kept = Brackets::default();
    for (parents, person, claimed, counts) in (0..300).map(entry) {
        kept.add(parents, person, claimed, counts);
    }
    let all = Brackets::of_all((0..300).map(entry));
    assert!((0..300).all(|number| kept.of(number) == all.of(number)));
    assert_eq!(
        (all.spare(), all.of(150).upper),
        (1, Some(Timestamp(-298))),
        "the second of those who are not the author"
    );
}

#[test]
fn brackets_kept_up_to_date_are_those_worked_out_in_one_go_whatever_the_order_of_arrival() {
    for seed in 0..SEEDS / 3 {
        let (w, mut dice) = history(seed);
        let mut entries: Vec<_> = w.written.clone();
        for _ in 0..2 {
            let mut ledger = Ledger::new(w.team);
            let mut kept: BTreeMap<IncidentId, TimeBrackets> = BTreeMap::new();
            for (entry, signature) in &entries {
                ledger.receive(None, vec![Received { entry: entry.clone(), signature: Some(*signature) }]);
                let incidents: Vec<IncidentId> = ledger.incidents().collect();
                for incident in incidents.into_iter().filter(|_| dice.chance(50)) {
                    let brackets = kept.entry(incident).or_default();
                    brackets.update(&ledger, &incident);
                    let dag = ledger.dag(&incident.into()).unwrap();
                    for (id, expected) in self::brackets(&ledger, &incident) {
                        assert_eq!(brackets.of(dag, &id), Some(expected), "seed {seed}: {id}");
                    }
                }
            }
            dice.shuffle(&mut entries);
        }
    }
}

#[test]
fn what_a_roster_entry_would_change_is_what_it_changes() {
    for seed in 0..SEEDS / 3 {
        let (world, _) = history(seed);
        let mut ledger = Ledger::new(world.team);
        for (entry, signature) in &world.written {
            let received = Received { entry: entry.clone(), signature: Some(*signature) };
            if !entry.kind().is_roster() || !world.is_admitted(&entry.id()) || ledger.is_empty() {
                ledger.receive(None, vec![received]);
                continue;
            }
            let before = derived(&ledger);
            let would = ledger.what_if(std::slice::from_ref(entry));
            assert_eq!(derived(&ledger), before, "seed {seed}: asking changes nothing");
            let outcome = ledger.receive(None, vec![received]);
            assert_eq!(outcome.admitted.first(), Some(&entry.id()), "seed {seed}: written in causal order");
            let (would, after) = (would.unwrap(), derived(&ledger));
            let changed: BTreeMap<EntryId, (Status, Status)> = would.changed.into_values().flatten().collect();
            let differs = |(id, now): (&EntryId, &Status)| Some((*id, (*before.statuses.get(id)?, *now)));
            let differing = after.statuses.iter().filter_map(differs).filter(|(_, (then, now))| then != now);
            assert_eq!(changed, differing.collect(), "seed {seed}");
            assert_eq!(&*would.roster, ledger.roster(), "seed {seed}");
        }
    }
}

#[test]
fn what_is_admitted_from_a_part_of_the_past_is_admitted_from_the_whole() {
    for seed in 0..SEEDS {
        let (w, mut dice) = history(seed);
        let all: Vec<EntryId> = w.all().into_iter().collect();
        let full = derived(&w.ledger);
        for _ in 0..2 {
            let some: Vec<EntryId> = (0..all.len() / 3 + 1).map(|_| dice.pick(&all)).collect();
            let part = w.past_of(some);
            let pairs: Pairs = w
                .written
                .iter()
                .filter(|(entry, _)| part.contains(&entry.id()))
                .map(|(entry, signature)| (entry.clone(), Some(*signature)))
                .collect();
            let ledger = replica(&w, &pairs, &mut dice, 9);
            assert_eq!(derived(&ledger).admitted, part, "seed {seed}");
            for (id, status) in derived(&ledger).statuses {
                let is_judged_otherwise = status == Status::Active && full.statuses[&id] != Status::Active;
                let has_reason = !full.counted.is_empty() || !full.aside.is_empty() || is_forked(&w, &id);
                assert!(!is_judged_otherwise || has_reason, "seed {seed}: {id} lost its effect without a reason");
            }
        }
    }
}

fn is_forked(w: &World, id: &EntryId) -> bool {
    let entry = &w.entries[id];
    w.ledger.dag(&entry.dag()).is_some_and(|dag| dag.is_forked(&entry.log().short()))
}

#[test]
fn one_walk_finds_what_asking_one_by_one_does_and_parts_of_logs_come_in_the_order_of_admission() {
    for seed in 0..SEEDS {
        let (w, mut dice) = history(seed);
        for (_, dag) in w.ledger.dags() {
            let some = |dice: &mut Dice, percent| -> Vec<EntryId> {
                dag.order().iter().copied().filter(|_| dice.chance(percent)).collect()
            };
            let ids: BTreeSet<EntryId> = some(&mut dice, 40).into_iter().collect();
            let later = some(&mut dice, 10);
            let is_covered = |id: &EntryId| later.iter().any(|later| later == id || dag.is_past(id, later));
            let expected: BTreeSet<EntryId> = ids.iter().copied().filter(is_covered).collect();
            assert_eq!(dag.covered(&ids, &later), expected, "seed {seed}");
            let tips: Vec<_> = dag.tips().collect();
            let logs: BTreeSet<_> = tips.iter().map(|tip| tip.log).collect();
            let parts: Vec<_> = logs.into_iter().map(|log| (log, 2, 5)).collect();
            let named: BTreeSet<EntryId> =
                parts.iter().flat_map(|(log, from, to)| dag.range(log, *from, *to)).collect();
            let ordered: Vec<EntryId> = dag.order().iter().copied().filter(|id| named.contains(id)).collect();
            for limit in [0, 1, ordered.len() / 2, ordered.len(), usize::MAX] {
                assert_eq!(dag.first_of(parts.clone(), limit), ordered[..limit.min(ordered.len())], "seed {seed}");
            }
        }
    }
}

#[test]
fn a_member_who_floods_with_forks_takes_nothing_from_the_others() {
    for seed in (0..SEEDS).step_by(2) {
        let mut dice = Dice(seed);
        let mut w = honest(&mut dice);
        let before = derived(&w.ledger).statuses;
        flood(&mut w, &mut dice);
        let after = derived(&w.ledger).statuses;
        for (id, status) in before {
            if status == Status::Active && w.entries[&id].key() != key("D1") {
                assert_eq!(after[&id], Status::Active, "seed {seed}: {id}");
            }
        }
    }
}

#[test]
fn a_store_read_back_gives_the_same_ledger_and_verifies() {
    for seed in 0..SEEDS / 3 {
        let (w, _) = history(seed);
        let mut again = Ledger::new(w.team);
        let incidents = w.ledger.dags().filter(|(id, _)| **id != w.team.into());
        let order = w.ledger.dag(&w.team.into()).into_iter().chain(incidents.map(|(_, dag)| dag));
        for entry in order.flat_map(|dag| dag.entries()) {
            assert_eq!(again.restore(entry.clone()), Ok(()), "seed {seed}");
        }
        assert_eq!(derived(&again), derived(&w.ledger), "seed {seed}");
        let signatures: BTreeMap<EntryId, Signature> =
            w.written.iter().map(|(entry, signature)| (entry.id(), *signature)).collect();
        let report = again.check_all(|id| signatures.get(id).copied());
        assert_eq!((report.is_ok(), report.entries), (true, again.len()), "seed {seed}: {report:?}");
    }
}

/// Writes histories with what came of them for the reference model, which lives elsewhere: set `MUSTER_HISTORIES` to
/// a file and `MUSTER_HISTORY_SEEDS` to a number.
#[test]
fn histories_can_be_written_down_for_the_reference_model() {
    let seeds = std::env::var("MUSTER_HISTORY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut out = String::new();
    for seed in 0..seeds {
        let (w, mut dice) = history(seed);
        let pairs: Pairs =
            w.written.iter().map(|(entry, signature)| (entry.clone(), dice.chance(96).then_some(*signature))).collect();
        let ledger = replica(&w, &pairs, &mut dice, 1);
        writeln!(out, "{}", record(seed, &pairs, &derived(&ledger))).unwrap();
    }
    assert!(out.lines().count() as u64 == seeds);
    if let Ok(path) = std::env::var("MUSTER_HISTORIES") {
        std::fs::write(path, out).unwrap();
    }
}

fn list<T>(items: impl IntoIterator<Item = T>, one: impl Fn(T) -> String) -> String {
    format!("[{}]", items.into_iter().map(one).collect::<Vec<_>>().join(","))
}

fn text(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

fn hex(device: &DeviceKey) -> String {
    text(EntryId::from_bytes(*device.as_bytes()))
}

fn record(seed: u64, pairs: &Pairs, d: &Derived) -> String {
    let entries = list(pairs, |(entry, signature)| {
        let items = entry.items();
        let null = || "null".to_owned();
        let dag = if entry.is_genesis() { null() } else { text(entry.dag()) };
        let team = if entry.kind() == Kind::TEAM_CREATE { null() } else { text(entry.team()) };
        format!(
            "{{\"id\":{},\"dag\":{dag},\"team\":{team},\"key\":{},\"session\":{},\"seq\":{},\"backlink\":{},\"deps\":{},\
             \"roster_heads\":{},\"kind\":{},\"fields\":{},\"signed\":{}}}",
            text(entry.id()),
            hex(&items.key),
            text(items.session),
            items.seq,
            items.backlink.map_or_else(null, text),
            list(&items.deps, text),
            list(&items.roster_heads, text),
            text(entry.kind()),
            fields(entry),
            signature.is_some(),
        )
    });
    format!(
        "{{\"seed\":{seed},\"entries\":{entries},\"admitted\":{},\"statuses\":{},\"counted\":{},\"standing\":{},\"aside\":{},\
         \"person_of\":{},\"capability\":{}}}",
        list(&d.admitted, text),
        list(&d.statuses, |(id, status)| format!("[{},{}]", text(id), text(status.word()))),
        list(&d.counted, text),
        list(&d.standing, text),
        list(&d.aside, |(id, by)| format!("[{},{}]", text(id), list(by, text))),
        list(&d.person_of, |(device, person)| format!("[{},{}]", hex(device), text(person))),
        list(&d.capability, |(person, capability)| format!("[{},{}]", text(person), *capability as u8)),
    )
}

fn fields(entry: &Entry) -> String {
    let frontier = |frontier: &crate::fact::Frontier| {
        list(frontier, |(incident, heads)| format!("[{},{}]", text(incident), list(heads, text)))
    };
    match entry.fact().unwrap() {
        Fact::Roster(fact) => match fact {
            RosterFact::TeamCreate { recovery_keys, .. } => format!("{{\"recovery\":{}}}", list(&recovery_keys, hex)),
            RosterFact::Invite { capability, .. } => format!("{{\"capability\":{}}}", capability as u8),
            RosterFact::Vouch { join } | RosterFact::Confirm { join } => format!("{{\"join\":{}}}", text(join)),
            RosterFact::AddDevice { device, .. } => format!("{{\"device\":{}}}", hex(&device)),
            RosterFact::SetCapability { person, capability } => {
                format!("{{\"person\":{},\"capability\":{}}}", text(person), capability as u8)
            }
            RosterFact::Revoke { devices, mode, frontier: heads } => format!(
                "{{\"devices\":{},\"mode\":{},\"frontier\":{}}}",
                list(&devices, hex),
                text(if mode == RevokeMode::Retire { "retire" } else { "compromise" }),
                frontier(&heads)
            ),
            RosterFact::Second { removal } => format!("{{\"removal\":{}}}", text(removal)),
            RosterFact::Cut { revoke, frontier: heads } => {
                format!("{{\"revoke\":{},\"frontier\":{}}}", text(revoke), frontier(&heads))
            }
            RosterFact::Join { .. } | RosterFact::Merge => "{}".into(),
        },
        Fact::Incident(IncidentFact { what: What::Declare(declare), .. }) => match declare.visibility {
            Visibility::Private(persons) => format!("{{\"private\":{}}}", list(persons, text)),
            Visibility::Team => "{\"private\":[]}".into(),
        },
        _ => "{}".into(),
    }
}
