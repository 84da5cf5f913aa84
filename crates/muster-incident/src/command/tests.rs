//! Commands by what people type: what they write, what they refuse, and the hint.

use crate::world::{Author, World};
use crate::{Act, CommandError, People, RoleView, actions, roles, summary, timeline};
use muster_log::fact::What;
use muster_log::{BodyText, EntryId, Status};

fn say(text: &str) -> Act {
    Act::Say { text: text.into() }
}

fn claim(role: &str, take: Option<&str>) -> Act {
    Act::RoleClaim { role: role.into(), take: take.map(Into::into) }
}

fn assign(role: &str, to: &str) -> Act {
    Act::RoleAssign { role: role.into(), to: to.into() }
}

fn accept(role: &str) -> Act {
    Act::RoleAccept { role: role.into() }
}

fn release(role: &str) -> Act {
    Act::RoleRelease { role: role.into() }
}

fn settle(role: &str, on: &str) -> Act {
    Act::RoleSettle { role: role.into(), on: on.into() }
}

fn will(text: &str, target: &str) -> Act {
    Act::Will { text: text.into(), target: target.into(), undo: None, tested: None, expected_minutes: None }
}

fn doing(what: Option<&str>, target: Option<&str>) -> Act {
    Act::Doing { what: what.map(Into::into), target: target.map(Into::into) }
}

fn did(id: Option<&str>, result: &str) -> Act {
    Act::Did { id: id.map(Into::into), result: result.into(), text: None }
}

fn phase(word: &str) -> Act {
    Act::Phase { phase: word.into(), text: None }
}

fn mark(milestone: &str) -> Act {
    Act::Mark { milestone: milestone.into(), text: None }
}

fn role(world: &World, name: &str) -> RoleView {
    roles(&world.document(), &world.people).remove(name).unwrap()
}

/// Checks that a command is refused with this message and this hint.
#[track_caller]
fn refused(world: &World, author: &Author, act: Act, message: &str, hint: &str) {
    let error = world.prepare(author, &act).expect_err("the command should be refused");
    assert_eq!((error.to_string().as_str(), error.hint().unwrap_or_default().as_str()), (message, hint));
}

/// Both act without hearing of each other, then both hear all.
fn apart(world: &mut World, authors: &mut [Author], acts: [(usize, Act); 2]) -> [EntryId; 2] {
    let ids = acts.map(|(who, act)| world.act(&mut authors[who], act).unwrap());
    world.heal(authors);
    ids
}

#[test]
fn claiming_what_another_holds_is_refused_unless_taken_with_a_reason() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    world.act(&mut authors[0], claim("ic", None)).unwrap();
    world.heal(&mut authors);
    refused(
        &world,
        &authors[1],
        claim("ic", None),
        "alice holds the role of incident-commander",
        "take it openly: muster role claim incident-commander --take \"REASON\"",
    );
    refused(
        &world,
        &authors[0],
        claim("ic", None),
        "alice already holds the role of incident-commander",
        "see who holds what: muster roles; give up: muster role release incident-commander",
    );
    world.act(&mut authors[1], claim("ic", Some("alice is on a train"))).unwrap();
    let ic = role(&world, "incident-commander");
    assert_eq!((ic.holders, ic.contested), (vec!["bob".to_owned()], false));
    let rows = timeline(&world.document(), &world.people);
    assert_eq!(rows.last().unwrap().text, "took incident-commander: alice is on a train");
}

#[test]
fn two_commanders_named_apart_are_contested_until_one_entry_settles_it() {
    let (mut world, mut authors) = World::declared(&["alice", "bob", "carol"]);
    let [alice, _] = apart(&mut world, &mut authors, [(0, claim("ic", None)), (1, claim("ic", None))]);
    let ic = role(&world, "incident-commander");
    assert_eq!((ic.holders, ic.contested), (vec!["alice".to_owned(), "bob".to_owned()], true));
    assert_eq!(summary(&world.document(), &world.people).contested, ["incident-commander"]);

    refused(
        &world,
        &authors[2],
        settle("ic", "carol"),
        "carol is not among the holders of incident-commander",
        "settle it on one of: alice, bob",
    );
    world.act(&mut authors[2], settle("ic", "alice")).unwrap();
    let ic = role(&world, "incident-commander");
    assert_eq!((ic.holders, ic.contested), (vec!["alice".to_owned()], false));
    assert_eq!(ic.holds[0].entry, alice.to_string(), "she holds it since her claim, not since the settlement");
    world.heal(&mut authors);
    refused(
        &world,
        &authors[2],
        settle("ic", "alice"),
        "the role of incident-commander is not contested",
        "see who holds what: muster roles",
    );
}

#[test]
fn one_person_on_two_sides_of_a_cut_is_one_holder() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let mut second = authors[0].clone();
    world.act(&mut authors[0], claim("ic", None)).unwrap();
    world.act(&mut second, claim("ic", None)).unwrap();
    assert_eq!(role(&world, "incident-commander").holders, ["alice"]);
    assert!(!role(&world, "incident-commander").contested);
}

#[test]
fn roles_of_many_are_never_contested() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    apart(&mut world, &mut authors, [(0, claim("scribe", None)), (1, claim("scribe", None))]);
    apart(&mut world, &mut authors, [(0, claim("Coffee Runner", None)), (1, claim("coffee runner", None))]);
    for name in ["scribe", "coffee-runner"] {
        assert_eq!((role(&world, name).holders.len(), role(&world, name).contested), (2, false));
    }
    refused(
        &world,
        &authors[0],
        settle("scribe", "bob"),
        "many can hold the role of scribe: there is nothing to settle",
        "each holder releases it for themselves",
    );
    world.act(&mut authors[0], release("scribe")).unwrap();
    assert_eq!(role(&world, "scribe").holders, ["bob"]);
}

#[test]
fn an_offer_is_no_hold_until_it_is_accepted_and_can_be_declined() {
    let (mut world, mut authors) = World::declared(&["alice", "bob", "carol"]);
    world.act(&mut authors[0], claim("ic", None)).unwrap();
    world.act(&mut authors[0], assign("ic", "bob")).unwrap();
    world.act(&mut authors[0], assign("ic", "carol")).unwrap();
    world.heal(&mut authors);
    let ic = role(&world, "incident-commander");
    assert_eq!((ic.holders, ic.offered), (vec!["alice".to_owned()], vec!["bob".to_owned(), "carol".to_owned()]));

    refused(
        &world,
        &authors[0],
        accept("ic"),
        "nobody has offered you the role of incident-commander",
        "take it yourself: muster role claim incident-commander",
    );
    world.act(&mut authors[2], release("ic")).unwrap();
    world.heal(&mut authors);
    assert_eq!(role(&world, "incident-commander").offered, ["bob"]);
    world.act(&mut authors[1], accept("ic")).unwrap();
    world.heal(&mut authors);
    let ic = role(&world, "incident-commander");
    assert_eq!((ic.holders, ic.contested, ic.offered), (vec!["bob".to_owned()], false, vec![]));
    refused(
        &world,
        &authors[0],
        release("ic"),
        "you neither hold the role of incident-commander nor were you offered it",
        "see who holds what: muster roles",
    );
}

#[test]
fn a_release_apart_from_a_takeover_leaves_the_new_holder_alone() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    world.act(&mut authors[0], claim("rl", None)).unwrap();
    world.heal(&mut authors);
    apart(&mut world, &mut authors, [(0, release("rl")), (1, claim("rl", Some("alice sleeps")))]);
    let rl = role(&world, "resolution-lead");
    assert_eq!((rl.holders, rl.contested), (vec!["bob".to_owned()], false));
}

#[test]
fn a_name_that_two_share_must_be_told_apart() {
    let (world, authors) = World::declared(&["alice", "alice", "bob"]);
    let error = world.prepare(&authors[2], &assign("ic", "alice")).unwrap_err();
    let CommandError::Person(crate::UnknownPerson::Several { candidates, .. }) = error else { panic!("{error}") };
    assert!(candidates.iter().all(|name| world.prepare(&authors[2], &assign("ic", name)).is_ok()));
    refused(&world, &authors[2], assign("ic", "zoe"), "nobody in the team is called `zoe`", &{
        let names: Vec<String> = world.people.persons().map(|person| world.people.name(&person)).collect();
        format!("there are: {}", names.join(", "))
    });
}

#[test]
fn two_open_actions_on_one_target_clash_until_one_is_done() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    apart(&mut world, &mut authors, [(0, will("restart", "DB-1")), (1, will("reindex", "db-1 "))]);
    let both = actions(&world.document(), &world.people);
    assert!(both.iter().all(|action| action.open && action.clash && action.clashes.len() == 1), "{both:?}");
    let notes = world.prepare(&authors[0], &will("fail over", "db-1")).unwrap().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    world.act(&mut authors[0], did(None, "worked")).unwrap();
    let after = actions(&world.document(), &world.people);
    assert!(after.iter().all(|action| !action.clash) && after.iter().filter(|action| action.open).count() == 1);
    assert_eq!(timeline(&world.document(), &world.people).last().unwrap().text, "worked: restart");
}

#[test]
fn without_an_id_only_the_authors_one_action_is_meant() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let see = "see all: muster actions; announce one: muster will TEXT --on TARGET";
    refused(&world, &authors[0], did(None, "worked"), "you have no open action", see);
    let one = world.act(&mut authors[0], will("restart", "db-1")).unwrap();
    world.act(&mut authors[0], doing(None, None)).unwrap();
    refused(&world, &authors[0], doing(None, None), "you have no planned action", see);
    let two = world.act(&mut authors[0], doing(Some("drain"), Some("lb"))).unwrap();
    let [one, two] = [one, two].map(|id| id.to_string());
    refused(
        &world,
        &authors[0],
        did(None, "failed"),
        "you have 2 open actions",
        &format!("name one of:\n{} action restart\n{} action drain", &one[..8], &two[..8]),
    );
    world.heal(&mut authors);
    world.act(&mut authors[1], did(Some(&one[..8]), "failed")).unwrap();
    world.heal(&mut authors);
    world.act(&mut authors[0], did(None, "abandoned")).unwrap();
    let states: Vec<&str> = actions(&world.document(), &world.people).iter().map(|action| action.state).collect();
    assert_eq!(states, ["failed", "abandoned"]);
}

#[test]
fn results_told_apart_are_contested_and_the_next_settles_them() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let action = world.act(&mut authors[0], will("restart", "db-1")).unwrap().to_string();
    world.heal(&mut authors);
    apart(&mut world, &mut authors, [(0, did(Some(&action), "worked")), (1, did(Some(&action), "failed"))]);
    let contested = actions(&world.document(), &world.people).remove(0);
    assert!(contested.contested && !contested.open);
    world.act(&mut authors[0], did(Some(&action), "reverted")).unwrap();
    let settled = actions(&world.document(), &world.people).remove(0);
    assert_eq!((settled.contested, settled.state), (false, "reverted"));
}

#[test]
fn ids_are_found_by_prefixes_of_four_digits_and_more() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    for n in 0..300 {
        world.act(&mut authors[0], say(&format!("note {n}"))).unwrap();
    }
    let id = world.entries[17].id().to_string();
    let amend = |id: &str| Act::Amend { id: id.into(), text: "no".into() };
    for typed in [id.clone(), id[..16].to_uppercase(), format!(" {} ", &id[..16])] {
        let prepared = world.prepare(&authors[0], &amend(&typed)).unwrap();
        assert_eq!(prepared.fact.what, What::Amendment { target: world.entries[17].id() });
    }
    let hint = "ids are hexadecimal and can be shortened to four digits";
    for bad in ["abc", "", "nothex", &"a".repeat(65)] {
        let shown: String = bad.chars().take(64).collect();
        refused(&world, &authors[0], amend(bad), &format!("`{shown}` is not the id of an entry"), hint);
    }
    let unknown = "no entry of this incident begins with `ffffffffffff`";
    refused(&world, &authors[0], amend("ffffffffffff"), unknown, "see the ids: muster timeline");
}

#[test]
fn an_incident_goes_through_its_phases_and_a_mark_of_resolved_ends_it() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let open = |world: &World| {
        let now = summary(&world.document(), &world.people);
        (now.phases.join(" "), now.open)
    };
    refused(
        &world,
        &authors[0],
        phase("confirm"),
        "the incident is declared and cannot become declared",
        "only what is suspected is confirmed",
    );
    world.act(&mut authors[0], mark("resolved")).unwrap();
    assert_eq!(open(&world), ("resolved".to_owned(), false));
    world.act(&mut authors[0], phase("reopen")).unwrap();
    assert_eq!(open(&world), ("reopened".to_owned(), true));
    world.heal(&mut authors);
    apart(&mut world, &mut authors, [(0, mark("R")), (1, say("it is back"))]);
    assert_eq!(open(&world), ("resolved".to_owned(), false));

    // One half reopens while the other, which does not know, marks it resolved once more: still open, and contested.
    apart(&mut world, &mut authors, [(0, phase("reopen")), (1, mark("resolved"))]);
    assert_eq!(open(&world), ("reopened resolved".to_owned(), true));
    world.act(&mut authors[1], phase("resolve")).unwrap();
    assert_eq!(open(&world), ("resolved".to_owned(), false));
    world.heal(&mut authors);
    refused(
        &world,
        &authors[0],
        phase("dismiss"),
        "the incident is resolved and cannot become dismissed",
        "see where it stands: muster status --all; open it again: muster reopen",
    );
}

#[test]
fn what_was_dismissed_is_not_marked_as_resolved_before_it_is_reopened() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    world.act(&mut authors[0], phase("dismiss")).unwrap();
    for act in [mark("R"), phase("resolve")] {
        let hint = "see where it stands: muster status --all; open it again: muster reopen";
        refused(&world, &authors[0], act, "the incident is dismissed and cannot become resolved", hint);
    }
    world.act(&mut authors[0], phase("reopen")).unwrap();
    world.act(&mut authors[0], mark("R")).unwrap();
    assert!(summary(&world.document(), &world.people).contested.is_empty());
}

#[test]
fn a_severity_given_apart_is_contested_and_the_worst_shows() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let severity = |severity| Act::Severity { severity };
    apart(&mut world, &mut authors, [(0, severity(Some(1))), (1, severity(Some(3)))]);
    let now = summary(&world.document(), &world.people);
    assert_eq!((now.severity, now.contested), (Some(1), vec!["severity".to_owned()]));
    world.act(&mut authors[0], severity(None)).unwrap();
    let now = summary(&world.document(), &world.people);
    assert_eq!((now.severity, now.contested.len()), (None, 0));
    refused(&world, &authors[0], severity(Some(6)), "6 is not a severity", "severities go from 1 (worst) to 5");
}

#[test]
fn what_says_nothing_is_refused() {
    let (world, authors) = World::declared(&["alice"]);
    for (act, what) in [
        (say("  \n"), "text"),
        (say("\u{1b}\u{7}\n"), "text"),
        (Act::Title { title: String::new() }, "title"),
        (will("", "x"), "text"),
    ] {
        refused(&world, &authors[0], act, &format!("the {what} is empty"), "");
    }
    let target = "use up to 128 bytes without control characters, such as db-1";
    refused(&world, &authors[0], will("x", ""), "`` cannot name a target", target);
    assert!(matches!(world.prepare(&authors[0], &mark("lunch")), Err(CommandError::UnknownMilestone { .. })));
    assert!(matches!(world.prepare(&authors[0], &did(None, "doing")), Err(CommandError::UnknownResult { .. })));
}

#[test]
fn a_declaration_names_persons_and_refuses_strangers() {
    let (world, _) = World::of(&["alice", "bob"]);
    let declare = |title: &str, private: &[&str]| {
        let private = private.iter().map(|name| (*name).to_owned()).collect();
        let act = Act::Declare { title: title.into(), severity: Some(1), drill: true, suspected: true, private };
        crate::declare(&act, &crate::Aside::default(), &world.people)
    };
    let prepared = declare("Leak", &["bob", "bob"]).unwrap();
    assert_eq!(prepared.body, BodyText::plain("Leak"));
    let What::Declare(declared) = prepared.fact.what else { panic!("not a declare") };
    assert!(declared.drill && declared.suspected && declared.severity == Some(1));
    assert!(declare("Leak", &["zoe"]).is_err() && declare(" ", &[]).is_err());
    assert!(matches!(
        crate::declare(&say("x"), &crate::Aside::default(), &People::default()),
        Err(CommandError::NoIncident)
    ));
}

#[test]
fn a_revoked_claim_holds_nothing_and_cannot_push_the_commander_out() {
    let (mut world, mut authors) = World::declared(&["alice", "thief"]);
    world.act(&mut authors[0], claim("ic", None)).unwrap();
    world.heal(&mut authors);
    let stolen = world.act(&mut authors[1], claim("ic", Some("mine"))).unwrap();
    world.statuses.insert(stolen, Status::Revoked);
    assert_eq!(role(&world, "incident-commander").holders, ["alice"]);
    assert_eq!(timeline(&world.document(), &world.people).last().unwrap().status, "revoked");
}

#[test]
fn whoever_redacts_is_told_of_amendments_that_are_not_redacted() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let said = world.act(&mut authors[0], say("the password is hunter2")).unwrap();
    let redact = |id: &EntryId| Act::Redact { id: id.to_string(), reason: "a password".into() };
    assert!(world.prepare(&authors[0], &redact(&said)).unwrap().notes.is_empty());
    let mut amend = || {
        world.act(&mut authors[0], Act::Amend { id: said.to_string(), text: "hunter2 was the old one".into() }).unwrap()
    };
    let (one, other) = (amend(), amend());
    let digits = |id: EntryId| id.to_string()[..8].to_owned();
    let notes = world.prepare(&authors[0], &redact(&said)).unwrap().notes;
    assert_eq!(notes, [format!("{}, {} amend it and may say the same; redact them too", digits(one), digits(other))]);
    let by = world.act(&mut authors[0], redact(&one)).unwrap();
    world.redacted.insert(one, vec![by]);
    let notes = world.prepare(&authors[0], &redact(&said)).unwrap().notes;
    assert_eq!(notes, [format!("{} amends it and may say the same; redact it too", digits(other))]);
    assert!(world.prepare(&authors[0], &redact(&other)).unwrap().notes.is_empty());
}
