//! Links in Markdown, and names of files in prose: whether what they point to exists.

use std::path::{Component, Path, PathBuf};

/// Folders whose files are named in prose by their path from the root.
const NAMED_FOLDERS: [&str; 4] = ["docs/", "crates/", "examples/", "tests/"];

/// Underscores from which on a name is a sentence.
const TEST_NAME_GAPS: usize = 4;

/// What `[text](target)` points to, outside of code; web addresses and places in the same page are left out.
pub(crate) fn targets(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose_lines(markdown) {
        // Every second piece between backticks is code.
        for prose in line.split('`').step_by(2) {
            for (at, opening) in prose.match_indices("](") {
                let rest = &prose[at + opening.len()..];
                let target = rest.split([')', ' ']).next().unwrap_or_default();
                let path = target.split('#').next().unwrap_or_default();
                if !path.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                    found.push(path.to_owned());
                }
            }
        }
    }
    found
}

/// Paths from the root that stand between backticks, such as `docs/protocol.md`; patterns and placeholders are left out.
pub(crate) fn named_paths(line: &str) -> Vec<String> {
    let is_path = |text: &&str| {
        NAMED_FOLDERS.iter().any(|folder| text.starts_with(folder))
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c) || c == 'A')
    };
    line.split('`').skip(1).step_by(2).filter(is_path).map(str::to_owned).collect()
}

/// Names of tests that stand between backticks: sentences with underscores.
pub(crate) fn named_tests(line: &str) -> Vec<String> {
    let is_sentence = |text: &&str| {
        text.matches('_').count() >= TEST_NAME_GAPS
            && text.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    };
    line.split('`').skip(1).step_by(2).filter(is_sentence).map(str::to_owned).collect()
}

/// The lines of a page that are not in a fenced block.
pub(crate) fn prose_lines(markdown: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// `target` as seen from the file at `from`, as a path from the root; none if it leads out of the repository.
pub(crate) fn resolve(from: &str, target: &str) -> Option<PathBuf> {
    let mut path = Path::new(from).parent()?.to_path_buf();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_prose_and_not_in_code() {
        let page = "See [a](a.md#part), [b](../b.md \"title\") and [web](https://example.org).\n\
                    `[no](link)` [here](#below)\n```text\n[neither](x)\n```\n[c](c/)";
        assert_eq!(targets(page), ["a.md", "../b.md", "c/"]);
    }

    #[test]
    fn paths_are_found_between_backticks_and_patterns_are_not() {
        assert_eq!(named_paths("`docs/protocol.md` or docs/x.md, `docs/NNNN.md`, `tests/*.rs`"), ["docs/protocol.md"]);
    }

    #[test]
    fn tests_are_found_between_backticks_by_their_long_names() {
        let line = "| `a_link_is_refused_even_to_a_good_key`, `fn_main`, a_name_in_plain_prose_is_none |";
        assert_eq!(named_tests(line), ["a_link_is_refused_even_to_a_good_key"]);
    }

    #[test]
    fn a_target_is_resolved_from_its_page_and_never_out_of_the_repository() {
        assert_eq!(resolve("docs/a.md", "../README.md"), Some("README.md".into()));
        assert_eq!(resolve("docs/adr/0001.md", "./../b.md"), Some("docs/b.md".into()));
        assert_eq!(resolve("docs/a.md", "../../x"), None);
        assert_eq!(resolve("docs/a.md", "/etc/passwd"), None);
    }
}
