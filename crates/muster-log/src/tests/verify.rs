//! Verification of what was kept or handed over: what it names, and which signatures it needs for that.

use super::world::{World, key};
use crate::audit::{AuditFile, BadAudit, Manifest, Row, signature_item};
use crate::body::{Body, BodyPlace, BodyText};
use crate::entry::Entry;
use crate::ids::{DagId, EntryId, IncidentId, TeamId};
use crate::key::Signature;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::verify::{Fault, Verifier, VerifyReport};
use proptest::prelude::*;

type Kept = Vec<(Entry, Option<Signature>)>;

/// A record in causal order, and a log of three at its end whose entries are `[one, two, three]`.
fn record() -> (TeamId, Kept, [EntryId; 3]) {
    let (mut w, incident) = World::small("B");
    let log = [(); 3].map(|()| w.say("D1", incident));
    let signature = |entry: &Entry| w.written.iter().find(|(other, _)| other == entry).map(|(_, signature)| *signature);
    let dags = [DagId::from(w.team), incident.into()];
    let entries = dags.iter().flat_map(|dag| w.ledger.dag(dag).unwrap().entries());
    (w.team, entries.map(|entry| (entry.clone(), signature(entry))).collect(), log)
}

fn without_signature(kept: &Kept, ids: &[EntryId]) -> Kept {
    kept.iter().map(|(entry, signature)| (entry.clone(), signature.filter(|_| !ids.contains(&entry.id())))).collect()
}

fn verified(verifier: Verifier, kept: &Kept) -> VerifyReport {
    let mut verifier = verifier;
    for (entry, signature) in kept {
        verifier.push(None, entry.bytes(), *signature, None);
    }
    verifier.finish().0
}

#[test]
fn runs_are_proven_by_the_signatures_at_their_ends_and_every_signature_is_checked_when_asked() {
    let (team, kept, log) = record();
    let quick = verified(Verifier::new(team), &kept);
    let every = verified(Verifier::new(team).every(), &kept);
    assert!(quick.is_ok() && every.is_ok());
    assert_eq!((every.signed, every.by_run, every.signatures_checked), (kept.len(), 0, kept.len()));
    assert_eq!(quick.by_run + quick.signed, kept.len());
    assert!(quick.signatures_checked == quick.signed && quick.by_run >= 2, "{quick:?}");
    let run = without_signature(&kept, &log[..2]);
    let every = verified(Verifier::new(team).every(), &run);
    assert_eq!((every.is_ok(), every.by_run), (true, 2));
    let open = without_signature(&kept, &log[1..]);
    for verifier in [Verifier::new(team), Verifier::new(team).every()] {
        let report = verified(verifier, &open);
        let builds_on = Refusal::BuildsOnRefused { parent: log[1] };
        assert_eq!(report.problems, [(log[1], Refusal::Unproven.into()), (log[2], builds_on.into())]);
    }
}

#[test]
fn a_bad_signature_is_found_where_the_run_rests_on_it_and_everywhere_when_each_is_checked() {
    let (team, kept, log) = record();
    let spoilt = |id: EntryId| -> Kept {
        let swap = |(entry, signature): &(Entry, Option<Signature>)| match entry.id() == id {
            true => (entry.clone(), Some(Signature::from_bytes([5; 64]))),
            false => (entry.clone(), *signature),
        };
        kept.iter().map(swap).collect()
    };
    let signature = Fault::Refused(Refusal::Signature { key: key("D1") });
    assert!(verified(Verifier::new(team), &spoilt(log[0])).is_ok(), "a later one proves it");
    let every = verified(Verifier::new(team).every(), &spoilt(log[0]));
    assert_eq!(every.problems[0], (log[0], signature.clone()));
    assert_eq!(every.problems.len(), 3, "and what builds on it");
    for verifier in [Verifier::new(team), Verifier::new(team).every()] {
        assert_eq!(verified(verifier, &spoilt(log[2])).problems, [(log[2], signature.clone())]);
    }
}

#[test]
fn what_is_not_there_is_named_with_all_that_builds_on_it() {
    let (team, kept, log) = record();
    for (at, (gone, _)) in kept.iter().enumerate() {
        let mut rest = kept.clone();
        rest.remove(at);
        let listed = kept.iter().map(|(entry, _)| entry.id());
        let report = verified(Verifier::new(team).every().expecting(listed), &rest);
        assert_eq!(report.problems[0], (gone.id(), Fault::Absent));
        let refused = |(_, fault): &(EntryId, Fault)| matches!(fault, Fault::Refused(_));
        assert!(report.problems[1..].iter().all(refused), "{report:?}");
        let builds_on = kept.iter().filter(|(entry, _)| entry.parents().any(|parent| parent == gone.id()));
        for (entry, _) in builds_on {
            assert!(report.problems.iter().any(|(id, _)| *id == entry.id()), "{at}");
        }
    }
    let unknown = verified(Verifier::new(team).every(), &kept[..kept.len() - 1].to_vec());
    assert!(unknown.is_ok(), "without a list nobody can tell that the end is gone");
    assert_eq!(unknown.entries + 1, kept.len());
    assert_eq!(kept.last().unwrap().0.id(), log[2]);
}

#[test]
fn what_is_there_twice_unlisted_or_under_another_name_is_named() {
    let (team, kept, log) = record();
    let listed = || kept.iter().map(|(entry, _)| entry.id());
    let twice: Kept = kept.iter().chain(&kept[..1]).cloned().collect();
    let first = kept[0].0.id();
    assert_eq!(verified(Verifier::new(team).expecting(listed()), &twice).problems, [(first, Fault::Twice)]);
    let fewer = listed().filter(|id| *id != log[2]);
    assert_eq!(verified(Verifier::new(team).expecting(fewer), &kept).problems, [(log[2], Fault::Unlisted)]);
    let mut verifier = Verifier::new(team);
    for (entry, signature) in &kept {
        let name = if entry.id() == log[1] { EntryId::from_bytes([8; 32]) } else { entry.id() };
        verifier.push(Some(name), entry.bytes(), *signature, None);
    }
    let problems = verifier.finish().0.problems;
    assert_eq!(problems[0], (EntryId::from_bytes([8; 32]), Fault::Hash));
    assert!(problems.iter().any(|(id, _)| *id == log[2]), "its follower builds on what is not here");
}

#[test]
fn a_body_must_be_the_one_that_was_signed_and_may_be_absent() {
    let (mut w, incident) = World::small("B");
    let now = super::world::clock(99);
    let fact = crate::fact::IncidentFact::now(super::world::note());
    let session = super::world::session(0);
    let draft = w.ledger.draft(Some(incident.into()), key("D1"), session, now, fact.kind(), fact.fields());
    let mut draft = draft.unwrap();
    let text = |text: &str| Body::write(&BodyText::plain(text), [1; 16], &BodyPlace::of(&draft)).unwrap();
    let (body, other) = (text("db-1 is slow"), text("db-2 is slow"));
    draft.body = Some(body.reference());
    let id = w.hand_in(draft.seal().unwrap(), "D1");
    let with = |given: Option<&[u8]>, for_bodyless: Option<&[u8]>| {
        let mut verifier = Verifier::new(w.team).every();
        let incidents = w.ledger.incidents().map(DagId::from);
        for dag in [DagId::from(w.team)].into_iter().chain(incidents) {
            for entry in w.ledger.dag(&dag).unwrap().entries() {
                let signature = w.written.iter().find(|(other, _)| other == entry).map(|(_, signature)| *signature);
                verifier.push(None, entry.bytes(), signature, if entry.id() == id { given } else { for_bodyless });
            }
        }
        verifier.finish().0
    };
    let whole = with(Some(body.bytes()), None);
    assert_eq!((whole.problems.as_slice(), whole.bodies), (&[][..], 1));
    let absent = with(None, None);
    assert!(absent.is_ok() && absent.bodies_absent.contains(&id));
    let lacking = |ids: &[EntryId]| {
        let mut verifier = Verifier::new(w.team).every().lacking(ids.iter().copied());
        let incidents = w.ledger.incidents().map(DagId::from);
        for dag in [DagId::from(w.team)].into_iter().chain(incidents) {
            for entry in w.ledger.dag(&dag).unwrap().entries() {
                let signature = w.written.iter().find(|(other, _)| other == entry).map(|(_, signature)| *signature);
                verifier.push(None, entry.bytes(), signature, None);
            }
        }
        verifier.finish().0
    };
    assert_eq!(lacking(&[]).problems, [(id, Fault::BodyGone)]);
    assert!(lacking(&[id]).is_ok() && lacking(&[id]).bodies_absent.contains(&id));
    assert_eq!(with(Some(other.bytes()), None).problems, [(id, Fault::Body)]);
    let everywhere = with(Some(body.bytes()), Some(body.bytes()));
    assert!(everywhere.problems.iter().all(|(named, fault)| *named != id && *fault == Fault::Body));
    assert_eq!(everywhere.problems.len() + 1, w.ledger.len(), "what names no body has none");
}

/// The bytes of an audit file of the record, with some text for a signature.
fn audit_file() -> (Manifest, Vec<Row>, Vec<u8>) {
    let (team, kept, _) = record();
    let mut dags: Vec<(DagId, Vec<EntryId>)> = Vec::new();
    for (entry, _) in &kept {
        match dags.iter_mut().find(|(dag, _)| *dag == entry.dag()) {
            Some((_, ids)) => ids.push(entry.id()),
            None => dags.push((entry.dag(), vec![entry.id()])),
        }
    }
    let mut absent: Vec<EntryId> = kept.iter().take(2).map(|(entry, _)| entry.id()).collect();
    absent.sort_unstable();
    let manifest = Manifest { team, device: key("A1"), now: Timestamp(1_000), dags, absent, lost: 300 };
    let row = |(entry, signature): &(Entry, Option<Signature>)| Row {
        entry: entry.bytes().to_vec(),
        signature: *signature,
        body: entry.body().map(|_| vec![1, 2]),
    };
    let rows: Vec<Row> = kept.iter().map(row).collect();
    let mut bytes = manifest.encode();
    bytes.extend(signature_item("signed"));
    rows.iter().for_each(|row| bytes.extend(row.encode()));
    (manifest, rows, bytes)
}

#[test]
fn an_audit_file_reads_back_as_it_was_written() {
    let (manifest, rows, bytes) = audit_file();
    let file = AuditFile::open(&bytes).unwrap();
    assert_eq!((&file.manifest, file.signature.as_deref()), (&manifest, Some("signed")));
    assert_eq!(file.signed, manifest.encode());
    assert_eq!(file.rows().collect::<Result<Vec<_>, _>>(), Ok(rows));
    assert_eq!(AuditFile::open(b"muster/bundle/1\n"), Err(BadAudit::Magic));
    let later: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at == 15 { b'2' } else { *byte }).collect();
    assert_eq!(AuditFile::open(&later), Err(BadAudit::Version));
    assert_eq!(AuditFile::open(&bytes[..100]), Err(BadAudit::Manifest));
    assert!(manifest.dags[1].0 == DagId::from(IncidentId::of_genesis(manifest.dags[1].1[0])));
}

#[test]
fn what_is_absent_must_be_listed_and_in_order() {
    let (manifest, ..) = audit_file();
    let is_read = |absent: Vec<EntryId>| AuditFile::open(&Manifest { absent, ..manifest.clone() }.encode()).is_ok();
    let (one, other) = (manifest.absent[0], manifest.absent[1]);
    assert!(is_read(vec![]) && is_read(vec![other]) && is_read(vec![one, other]));
    for absent in [vec![other, one], vec![one, one], vec![EntryId::from_bytes([7; 32])]] {
        assert!(!is_read(absent.clone()), "{absent:?}");
    }
}

#[test]
fn a_manifest_lists_the_roster_and_then_incidents_by_id_and_nothing_twice_or_empty() {
    let (manifest, ..) = audit_file();
    let is_read = |dags: &[(DagId, Vec<EntryId>)]| {
        AuditFile::open(&Manifest { dags: dags.to_vec(), ..manifest.clone() }.encode()).is_ok()
    };
    let [roster, incident] = manifest.dags.as_slice() else { panic!("{manifest:?}") };
    let other = |byte: u8| {
        let id = EntryId::from_bytes([byte; 32]);
        (DagId::from(IncidentId::of_genesis(id)), vec![id])
    };
    let (low, high) = (other(0), other(255));
    assert!(is_read(&[roster.clone(), low.clone(), incident.clone(), high.clone()]));
    let twice = (incident.0, [&incident.1[..], &incident.1[..1]].concat());
    for dags in [
        vec![],
        vec![incident.clone(), roster.clone()],
        vec![roster.clone(), incident.clone(), low.clone()],
        vec![roster.clone(), incident.clone(), incident.clone()],
        vec![roster.clone(), incident.clone(), (high.0, Vec::new())],
        vec![roster.clone(), incident.clone(), (high.0, incident.1.clone())],
        vec![roster.clone(), (roster.0, high.1.clone()), incident.clone()],
        vec![roster.clone(), twice],
    ] {
        assert!(!is_read(&dags), "{dags:?}");
    }
}

#[test]
fn an_entry_under_another_dag_than_its_own_is_named_and_so_is_one_that_lacks_what_it_never_had() {
    let (team, kept, log) = record();
    let dags = || kept.iter().map(|(entry, _)| (entry.id(), entry.dag()));
    assert!(verified(Verifier::new(team).filed(dags()), &kept).is_ok());
    let wrong = dags().map(|(id, dag)| (id, if id == log[1] { team.into() } else { dag }));
    assert_eq!(verified(Verifier::new(team).filed(wrong), &kept).problems, [(log[1], Fault::Misfiled)]);
    let bodyless = kept.iter().find(|(entry, _)| entry.body().is_none()).unwrap().0.id();
    let all = kept.iter().map(|(entry, _)| entry).filter(|entry| entry.body().is_some() || entry.id() == bodyless);
    let problems = verified(Verifier::new(team).lacking(all.map(Entry::id)), &kept).problems;
    assert_eq!(problems, [(bodyless, Fault::NoText)]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_of_audit_files_panic_and_none_are_read_twice_the_same(
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let (manifest, rows, bytes) = audit_file();
        let mut spoilt = bytes.clone();
        spoilt[at.index(bytes.len())] ^= flip;
        for bytes in [&spoilt[..], &spoilt[..cut.index(spoilt.len())]] {
            let Ok(file) = AuditFile::open(bytes) else { continue };
            let read: Vec<_> = file.rows().collect();
            let same = file.manifest == manifest && file.signature.as_deref() == Some("signed");
            prop_assert!(!(same && read.into_iter().collect::<Result<Vec<_>, _>>() == Ok(rows.clone())));
        }
    }
}
