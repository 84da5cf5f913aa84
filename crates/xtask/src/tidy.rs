//! The repository's own habits: headers, no unfinished marks, no paths of one machine, links that lead somewhere.

use crate::cargo::Workspace;
use crate::files::{self, TextFile};
use crate::links;
use crate::stage::Findings;
use std::collections::BTreeSet;

/// What may stand at the top of the repository, beside files and folders whose names begin with a dot.
const TOP_LEVEL: [&str; 14] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "examples",
    "packaging",
    "rustfmt.toml",
    "tests",
];

/// Marks of unfinished work. Taken apart, so that this file does not hold them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("unimplemented", "!"),
    concat!("todo", "!"),
];

/// Places that exist on one machine only. Taken apart, so that this file does not hold them.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red"), concat!("/tmp/bash", "_jobs")];

/// Checks every file that git tracks or would track.
pub(crate) fn run(workspace: &Workspace) -> Result<Findings, String> {
    let paths = files::list(workspace)?;
    let mut findings = stray_top_level(&paths);
    let exists = |path: &str| workspace.root.join(path).exists();
    let files = files::read_all(workspace)?;
    findings.extend(missing_tests(&files));
    for file in files {
        findings.extend(judge(&file, &exists).into_iter().map(|found| format!("{}: {found}", file.path)));
    }
    Ok(findings)
}

fn stray_top_level(paths: &[String]) -> Findings {
    let top: BTreeSet<&str> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    let stray = top.into_iter().filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name));
    stray.map(|name| format!("{name} does not belong at the top of the repository")).collect()
}

/// Tests that a page names and that are nowhere.
fn missing_tests(files: &[TextFile]) -> Findings {
    let (pages, sources): (Vec<&TextFile>, Vec<&TextFile>) = files
        .iter()
        .filter(|file| file.path.ends_with(".md") || file.path.ends_with(".rs"))
        .partition(|file| file.path.ends_with(".md"));
    let is_there = |name: &str| sources.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    let named = |page: &TextFile| links::prose_lines(&page.text).flat_map(links::named_tests).collect::<Vec<_>>();
    let missing = |page: &TextFile| {
        let names = named(page).into_iter().filter(|name| !is_there(name));
        names.map(|name| format!("{}: names the test {name}, which is not there", page.path)).collect::<Findings>()
    };
    pages.into_iter().flat_map(missing).collect()
}

fn judge(file: &TextFile, exists: &dyn Fn(&str) -> bool) -> Findings {
    let is = |ending: &str| file.path.ends_with(ending);
    let mut findings = Findings::new();
    if is(".rs") && !file.text.starts_with("//!") {
        findings.push("does not open with a //! header".to_owned());
    }
    if is(".rs") || is(".md") || is(".toml") {
        findings.extend(marks(&file.text, &UNFINISHED, "holds the mark"));
    }
    if !is("Cargo.lock") {
        findings.extend(marks(&file.text, &MACHINE_PATHS, "names the place"));
    }
    if is(".md") {
        for target in links::targets(&file.text) {
            let place = links::resolve(&file.path, &target);
            if !place.is_some_and(|place| exists(&place.to_string_lossy())) {
                findings.push(format!("links to {target}, which is not there"));
            }
        }
        let lines = links::prose_lines(&file.text);
        findings.extend(lines.flat_map(links::named_paths).filter(|path| !exists(path)).map(not_there));
    } else if is(".rs") {
        let comments = file.text.lines().filter(|line| line.trim_start().starts_with("//"));
        findings.extend(comments.flat_map(links::named_paths).filter(|path| !exists(path)).map(not_there));
    }
    findings
}

fn not_there(path: String) -> String {
    format!("names {path}, which is not there")
}

fn marks(text: &str, marks: &[&str], complaint: &str) -> Findings {
    let mut findings = Findings::new();
    for (line, number) in text.lines().zip(1..) {
        for mark in marks.iter().filter(|mark| stands_alone(line, mark)) {
            findings.push(format!("line {number} {complaint} {mark}"));
        }
    }
    findings
}

/// Whether `mark` stands in `line` and is not the tail of a longer name, as in a path that goes on to the left.
fn stands_alone(line: &str, mark: &str) -> bool {
    let begins_here = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    line.match_indices(mark).any(|(at, _)| begins_here(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: usize) {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        let findings = judge(&file, &|path| path == "docs/there.md");
        assert_eq!(findings.len(), expected, "{path}: {findings:?}");
    }

    #[test]
    fn a_source_file_opens_with_what_lives_in_it() {
        check("crates/a/src/lib.rs", "//! What lives here.\nfn a() {}", 0);
        check("crates/a/src/lib.rs", "fn a() {}", 1);
        check("docs/there.md", "fn a() {}", 0);
    }

    #[test]
    fn unfinished_marks_and_places_of_one_machine_are_found() {
        check("docs/there.md", concat!("TO", "DO: write"), 1);
        check("docs/there.md", concat!("see /wo", "rk/main"), 1);
        check("docs/there.md", concat!("see https://example.org/wo", "rk/main"), 0);
        check("examples/data/a.jsonl", concat!("{\"note\":\"TO", "DO\"}"), 0);
    }

    #[test]
    fn a_link_or_a_named_file_that_is_not_there_is_found() {
        check("docs/a.md", "[there](there.md) and `docs/there.md`", 0);
        check("docs/a.md", "[not](not.md)", 1);
        check("docs/a.md", "`docs/not.md`", 1);
        check("crates/a/src/lib.rs", "//! See `docs/not.md`.", 1);
    }

    #[test]
    fn a_test_that_a_page_names_must_be_there() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("docs/a.md", "shown by `a_line_is_kept_for_ever` and `a_line_is_lost_for_ever`"),
            file("crates/a/src/b.rs", "#[test]\nfn a_line_is_kept_for_ever() {}"),
        ];
        assert_eq!(missing_tests(&files), ["docs/a.md: names the test a_line_is_lost_for_ever, which is not there"]);
    }

    #[test]
    fn the_top_of_the_repository_holds_what_it_is_meant_to() {
        let paths = |list: &[&str]| list.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(stray_top_level(&paths(&["Cargo.toml", ".ci/run", "crates/a/b.rs"])), Findings::new());
        assert_eq!(stray_top_level(&paths(&["scripts/run.sh", "notes.md"])).len(), 2);
    }
}
