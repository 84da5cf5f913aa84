//! The newest lines of a timeline without its document: the order of all lines, and drawing those that are asked for.
//!
//! This is the tail index in memory (docs/storage.md, "Tail"). It gives the same lines as the document, byte for byte, as
//! long as every entry of the incident is active: what an entry then is drawn from is the entry itself, its body, and the
//! few entries that it names. Where a log has forked or somebody was removed, the document must be asked.

use super::row::{Row, row};
use super::scene::{Line, Scene};
use super::timeline::{NOBODY, says};
use crate::People;
use crate::document::{Meaning, Texts, meaning_of, target};
use crate::state::Moment;
use muster_log::fact::{IncidentFact, What};
use muster_log::{BodyText, Brackets, DeviceKey, Entry, EntryId, Fact, IncidentId, PersonId, Status, Timestamp};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// One incident's admitted entries, whoever keeps them. All of them are active.
pub trait Entries {
    /// The incident.
    fn incident(&self) -> IncidentId;

    /// The entry, if it is admitted.
    fn entry(&self, id: &EntryId) -> Option<&Entry>;

    /// 1 + the deepest parent's depth; 0 for the genesis.
    fn depth(&self, id: &EntryId) -> Option<u32>;

    /// Whether `later` builds on `earlier`.
    fn is_past(&self, earlier: &EntryId, later: &EntryId) -> bool;

    /// The entry's person, as its own roster past says.
    fn person(&self, id: &EntryId) -> Option<PersonId>;

    /// The entry's body, where that is at hand and not redacted.
    fn body(&self, entry: &Entry) -> Option<BodyText>;

    /// The redactions of the entry's body, by id.
    fn redacted_by(&self, id: &EntryId) -> Vec<EntryId>;

    /// Whether the entry is an `admit` whose author could let somebody in.
    fn admits(&self, id: &EntryId) -> bool;
}

/// The order of an incident's lines, and what amends what. Grows with the incident, and is cheap to make anew.
#[derive(Debug, Default)]
pub struct Newest {
    /// By event time, which others' clocks cap, depth and id, as in the timeline.
    lines: BTreeSet<Place>,
    /// Of each entry in the order in which they were added: the event time as told and the place, if it is a line.
    told: Vec<Option<(Timestamp, Place)>>,
    numbers: BTreeMap<EntryId, u32>,
    brackets: Brackets,
    /// Entry → entries that say that they amend it, by depth and id.
    amendments: BTreeMap<EntryId, BTreeSet<(u32, EntryId)>>,
}

/// Where a line stands.
type Place = (Timestamp, u32, EntryId);

impl Newest {
    /// Takes in an admitted entry and its person, after whatever it builds on. A known one changes nothing.
    pub fn add(&mut self, entry: &Entry, depth: u32, person: Option<PersonId>) {
        let (id, number) = (entry.id(), self.told.len() as u32);
        if self.numbers.contains_key(&id) {
            return;
        }
        let fact = incident_fact(entry);
        if let Some(What::Amendment { target }) = fact.as_ref().map(|fact| &fact.what) {
            self.amendments.entry(*target).or_default().insert((depth, id));
        }
        if says(entry.body().is_some(), fact.as_ref().map(|fact| &fact.what)) {
            let told = Moment::told(fact.as_ref(), entry.claimed()).sort;
            self.lines.insert((told, depth, id));
            self.told.push(Some((told, (told, depth, id))));
        } else {
            self.told.push(None);
        }
        let spare = self.brackets.spare();
        let parents: Vec<u32> = entry.parents().filter_map(|parent| self.numbers.get(&parent).copied()).collect();
        self.numbers.insert(id, number);
        let claimed = entry.claimed().time;
        let changed = self.brackets.add(parents, person.unwrap_or(NOBODY), claimed, person.is_some());
        if self.brackets.spare() == spare {
            changed.into_iter().for_each(|number| self.put(number));
        } else {
            (0..number).for_each(|number| self.put(number));
        }
    }

    /// Puts a line where it belongs now.
    fn put(&mut self, number: u32) {
        let Some(Some((told, place))) = self.told.get_mut(number as usize) else { return };
        let now = (self.brackets.of(number).cap(*told), place.1, place.2);
        if now != *place {
            self.lines.remove(place);
            self.lines.insert(now);
            *place = now;
        }
    }

    /// Draws the last `count` lines of the timeline before the newest `skip`, oldest event first.
    pub fn draw(&self, entries: &dyn Entries, people: &People, skip: usize, count: usize) -> Vec<Row> {
        let scene = Active::new(entries);
        let last: Vec<EntryId> = self.lines.iter().rev().skip(skip).take(count).map(|(.., id)| *id).collect();
        let drawn = last.iter().rev().filter_map(|id| {
            let line = scene.line(id)?;
            Some(row(&scene, people, &line, self.amended_by(&scene, id)))
        });
        drawn.collect()
    }

    /// Draws these entries, in this order, as far as they are lines of the timeline.
    pub fn draw_these(&self, entries: &dyn Entries, people: &People, ids: &[EntryId]) -> Vec<Row> {
        let scene = Active::new(entries);
        let drawn = ids.iter().filter_map(|id| {
            let line = scene.line(id)?;
            let is_told = says(line.has_body, line.meaning.fact().map(|fact| &fact.what));
            is_told.then(|| row(&scene, people, &line, self.amended_by(&scene, id)))
        });
        drawn.collect()
    }

    fn amended_by(&self, scene: &Active<'_>, id: &EntryId) -> Vec<String> {
        let means_it = |amendment: &EntryId| {
            scene
                .line(amendment)
                .is_some_and(|line| line.meaning.fact().and_then(|fact| target(&fact.what)) == Some(id))
        };
        let all = self.amendments.get(id).into_iter().flatten();
        all.filter(|(_, amendment)| means_it(amendment)).map(|(_, amendment)| amendment.to_string()).collect()
    }
}

/// Entries that are all active, as lines are drawn from them.
struct Active<'a> {
    entries: &'a dyn Entries,
    /// Few devices write many lines, and their texts are dear.
    devices: RefCell<BTreeMap<DeviceKey, String>>,
}

impl Scene for Active<'_> {
    fn incident(&self) -> IncidentId {
        self.entries.incident()
    }

    fn line(&self, id: &EntryId) -> Option<Line<'_>> {
        let entry = self.entries.entry(id)?;
        Some(Line {
            id: *id,
            kind: entry.kind(),
            key: entry.key(),
            person: self.entries.person(id),
            claimed: entry.claimed(),
            meaning: Cow::Owned(self.meaning(entry)),
            status: Status::Active,
            has_body: entry.body().is_some(),
            depth: self.entries.depth(id).unwrap_or_default(),
        })
    }

    fn device(&self, key: &DeviceKey) -> String {
        self.devices.borrow_mut().entry(*key).or_insert_with(|| key.to_string()).clone()
    }

    fn texts(&self, id: &EntryId) -> Option<Texts> {
        let entry = self.entries.entry(id)?;
        match entry.body() {
            None => Some(Texts::default()),
            Some(_) => self.entries.body(entry).map(|body| Texts::of(&body)),
        }
    }

    fn redacted_by(&self, id: &EntryId) -> Vec<EntryId> {
        self.entries.redacted_by(id)
    }

    fn admits(&self, id: &EntryId) -> bool {
        self.entries.admits(id)
    }
}

impl<'a> Active<'a> {
    fn new(entries: &'a dyn Entries) -> Self {
        Self { entries, devices: RefCell::default() }
    }

    /// What the entry means where it stands.
    fn meaning(&self, entry: &Entry) -> Meaning {
        let id = entry.id();
        let is_before = |earlier: &EntryId, right: &dyn Fn(Option<&What>) -> bool| {
            self.entries.is_past(earlier, &id) && right(self.what_alone(earlier).as_ref())
        };
        meaning_of(entry, self.entries.person(&id), &is_before)
    }

    /// What an entry means that names no other. Nobody needs to know more of an entry that is named: what names another is
    /// neither an action, nor a claim, an offer or a joining of heads.
    fn what_alone(&self, id: &EntryId) -> Option<What> {
        let entry = self.entries.entry(id)?;
        let named = incident_fact(entry).is_some_and(|fact| target(&fact.what).is_some());
        if named {
            return None;
        }
        match meaning_of(entry, self.entries.person(id), &|_, _| false) {
            Meaning::Fact(fact) => Some(fact.what),
            Meaning::Opaque | Meaning::Void(..) => None,
        }
    }
}

fn incident_fact(entry: &Entry) -> Option<IncidentFact> {
    match entry.fact() {
        Ok(Fact::Incident(fact)) => Some(fact),
        Ok(Fact::Opaque | Fact::Roster(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::outage;
    use crate::world::World;
    use crate::{timeline, timeline_end, timeline_of};
    use muster_log::When;
    use muster_log::fact::RoleAct;
    use muster_log::time::PointPrecision;

    struct InWorld<'a> {
        world: &'a World,
        parents: BTreeMap<EntryId, Vec<EntryId>>,
    }

    impl Entries for InWorld<'_> {
        fn incident(&self) -> IncidentId {
            IncidentId::of_genesis(self.world.entries[0].id())
        }
        fn entry(&self, id: &EntryId) -> Option<&Entry> {
            self.world.entries.iter().find(|entry| entry.id() == *id)
        }
        fn depth(&self, id: &EntryId) -> Option<u32> {
            Some(self.parents.get(id)?.iter().filter_map(|parent| Some(self.depth(parent)? + 1)).max().unwrap_or(0))
        }
        fn is_past(&self, earlier: &EntryId, later: &EntryId) -> bool {
            self.parents[later].iter().any(|parent| parent == earlier || self.is_past(earlier, parent))
        }
        fn person(&self, id: &EntryId) -> Option<PersonId> {
            self.world.source(self.entry(id)?).person
        }
        fn body(&self, entry: &Entry) -> Option<BodyText> {
            self.world.source(entry).body
        }
        fn redacted_by(&self, id: &EntryId) -> Vec<EntryId> {
            self.world.redacted_by(id)
        }
        fn admits(&self, id: &EntryId) -> bool {
            self.world.admits.contains(id)
        }
    }

    #[track_caller]
    fn check(world: &World) {
        let parents = world.entries.iter().map(|entry| (entry.id(), entry.parents().collect())).collect();
        let entries = InWorld { world, parents };
        let all = timeline(&world.document(), &world.people);
        // In two orders, each of them causal, and every entry twice.
        let mut by_depth: Vec<&Entry> = world.entries.iter().collect();
        by_depth.sort_by_key(|entry| (entries.depth(&entry.id()), std::cmp::Reverse(entry.id())));
        let mut newest = Newest::default();
        for order in [by_depth, world.entries.iter().collect()] {
            newest = Newest::default();
            for entry in order.iter().flat_map(|entry| [entry, entry]) {
                newest.add(entry, entries.depth(&entry.id()).unwrap(), world.source(entry).person);
            }
            assert_eq!(newest.draw(&entries, &world.people, 0, all.len()), all);
        }
        for count in [0, 1, 2, 5, all.len() - 1, all.len(), all.len() + 1] {
            assert_eq!(newest.draw(&entries, &world.people, 0, count), all[all.len().saturating_sub(count)..]);
            let end = all.len().saturating_sub(2);
            assert_eq!(newest.draw(&entries, &world.people, 2, count), all[end.saturating_sub(count)..end]);
            assert_eq!(timeline_end(&world.document(), &world.people, 2, count), all[end.saturating_sub(count)..end]);
        }
        // Any entries in any order: the same rows as in the whole, without those that say nothing.
        let ids: Vec<EntryId> = world.entries.iter().rev().map(Entry::id).collect();
        let row_of = |id: &EntryId| all.iter().find(|row| row.id == id.to_string()).cloned();
        let expected: Vec<Row> = ids.iter().filter_map(row_of).collect();
        assert!(!expected.is_empty());
        assert_eq!(newest.draw_these(&entries, &world.people, &ids), expected);
        assert_eq!(timeline_of(&world.document(), &world.people, &ids), expected);
    }

    #[test]
    fn the_newest_lines_are_those_of_the_document() {
        check(&outage());
    }

    /// Somebody's clock, or what somebody typed, was years ahead, and their lines stood last for good.
    #[test]
    fn a_time_to_come_is_the_newest_line_only_until_somebody_else_builds_on_it() {
        let (mut world, mut authors) = World::declared(&["alice", "bob", "carol"]);
        let [alice, bob, carol] = authors.as_mut_slice() else { panic!("three authors") };
        let year_ms = 365 * 24 * 3_600_000;
        let what = || What::Say(muster_log::fact::Saying::Note);
        world.clock_ms += year_ms;
        let ahead =
            [world.write(alice, what(), BodyText::plain("ahead")), world.write(alice, what(), BodyText::plain("too"))];
        world.clock_ms -= year_ms;
        let when = Some(When::at(Timestamp(world.clock_ms + year_ms), PointPrecision::Exact, 0));
        let planned =
            world.write_fact(bob, &IncidentFact { when, ..IncidentFact::now(what()) }, BodyText::plain("to come"));
        let last = |world: &World| {
            check(world);
            timeline(&world.document(), &world.people).last().unwrap().clone()
        };
        let shown = last(&world);
        assert!([ahead[0], ahead[1], planned].iter().any(|id| shown.id == id.to_string()), "nobody has built on them");
        World::reach(alice, carol);
        World::reach(bob, carol);
        let after = world.write(carol, what(), BodyText::plain("after"));
        assert_eq!(last(&world).id, after.to_string());
        let rows = timeline(&world.document(), &world.people);
        let of = |id: EntryId| rows.iter().find(|row| row.id == id.to_string()).unwrap().clone();
        assert!(of(planned).event_time.unwrap().starts_with("2024"), "the time is shown as it was told");
        assert!(of(ahead[0]).recorded_time.starts_with("2024"));
    }

    #[test]
    fn in_the_place_of_a_redacted_text_stands_who_redacted_it_and_why() {
        let (mut world, mut authors) = World::declared(&["alice", "bob", "carol"]);
        let [alice, bob, carol] = authors.as_mut_slice() else { panic!("three authors") };
        let said = world.act(alice, crate::Act::Say { text: "hunter2".into() }).unwrap();
        World::reach(alice, bob);
        World::reach(alice, carol);
        let redact = |reason: &str| crate::Act::Redact { id: said.to_string(), reason: reason.into() };
        let by_bob = world.act(bob, redact("a password")).unwrap();
        let by_carol = world.act(carol, redact("I may not")).unwrap();
        let declared = world.entries[0].id();
        world.redacted = BTreeMap::from([(said, vec![by_bob]), (declared, vec![by_bob])]);
        check(&world);
        let view = crate::incident_view(&world.document(), &world.people);
        let of = |id: EntryId| view.timeline.iter().find(|row| row.id == id.to_string()).unwrap().clone();
        assert_eq!(of(said).text, "[redacted by bob: a password]");
        assert_eq!((of(said).redacted_by, of(said).body_missing), (vec![by_bob.to_string()], false));
        assert_eq!(view.summary.title, "[redacted by bob: a password]");
        assert!(of(by_bob).void.is_none() && of(by_carol).void.is_some(), "carol's is without effect, and says so");
        assert!(!serde_json::to_string(&view).unwrap().contains("hunter2"));
        // The reason may be redacted in its turn.
        world.redacted.insert(by_bob, vec![by_carol]);
        check(&world);
        let again = timeline(&world.document(), &world.people);
        assert_eq!(again.iter().find(|row| row.id == said.to_string()).unwrap().text, "[redacted by bob]");
    }

    #[test]
    fn an_incident_whose_title_was_redacted_is_known_by_the_title_before() {
        let (mut world, mut authors) = World::declared(&["alice", "bob"]);
        let [alice, bob] = authors.as_mut_slice() else { panic!("two authors") };
        let declared = crate::incident_view(&world.document(), &world.people).summary.title;
        let title = |text: &str| crate::Act::Title { title: text.into() };
        let first = world.act(alice, title("payments are down")).unwrap();
        let pasted = world.act(alice, title("hunter2")).unwrap();
        let redact = |id: EntryId| crate::Act::Redact { id: id.to_string(), reason: "a password".into() };
        let by_alice = world.act(alice, redact(pasted)).unwrap();
        World::reach(alice, bob);
        let by_bob = world.act(bob, crate::Act::Redact { id: pasted.to_string(), reason: "as I say".into() }).unwrap();
        world.redacted.insert(pasted, vec![by_alice, by_bob]);
        let summary = |world: &World| crate::incident_view(&world.document(), &world.people).summary;
        assert_eq!(
            (summary(&world).title.as_str(), summary(&world).slug.as_str()),
            ("payments are down", "payments-are-down")
        );
        assert!(summary(&world).contested.is_empty());
        for by in [vec![by_alice, by_bob], vec![by_bob, by_alice]] {
            world.redacted.insert(pasted, by);
            let row = timeline(&world.document(), &world.people).into_iter().find(|row| row.id == pasted.to_string());
            assert_eq!(row.unwrap().text, "[redacted by alice: a password]", "the first word stands, whatever its id");
        }
        world.redacted.insert(first, vec![by_alice]);
        assert_eq!(summary(&world).title, declared);
    }

    #[test]
    fn an_admit_that_lets_nobody_in_says_so() {
        let (mut world, mut authors) = World::declared(&["alice", "bob"]);
        let [alice, bob] = authors.as_mut_slice() else { panic!("two authors") };
        let person = world.source(&world.entries[0]).person.unwrap();
        let with_power = world.write(alice, What::Admit { person }, BodyText::default());
        let without = world.write(bob, What::Admit { person }, BodyText::default());
        let revoked = world.write(bob, What::Admit { person }, BodyText::default());
        world.admits = BTreeSet::from([with_power]);
        check(&world);
        world.statuses.insert(revoked, Status::Revoked);
        let rows = timeline(&world.document(), &world.people);
        let void = |id: EntryId| rows.iter().find(|row| row.id == id.to_string()).unwrap().void.clone();
        assert_eq!((void(with_power), void(without).as_deref()), (None, Some(crate::view::row::ADMITS_NOBODY)));
        assert_eq!(void(revoked), None, "its status says more");
    }

    #[test]
    fn lines_that_name_what_they_do_not_know_or_nothing_of_the_kind_are_void_here_too() {
        let (mut world, mut authors) = World::declared(&["alice", "bob"]);
        let [alice, bob] = authors.as_mut_slice() else { panic!("two authors") };
        let note = world.write(alice, What::Say(muster_log::fact::Saying::Note), BodyText::plain("alice's"));
        // Bob has not seen it.
        world.write(bob, What::Amendment { target: note }, BodyText::plain("too early"));
        let amendment = world.write(alice, What::Amendment { target: note }, BodyText::plain("an amendment"));
        world.write(alice, What::Amendment { target: amendment }, BodyText::plain("of an amendment"));
        let joined = world.write(alice, What::JoinHeads, BodyText::default());
        world.write(alice, What::Amendment { target: joined }, BodyText::plain("of nothing"));
        let accept = What::Role { role: "scribe".into(), act: RoleAct::Accept(note), supersedes: Vec::new() };
        world.write(alice, accept, BodyText::default());
        world.bodies.remove(&amendment);
        check(&world);
    }
}
