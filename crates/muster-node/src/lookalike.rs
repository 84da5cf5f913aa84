//! Handles that can be taken for one another: `bob` and `Bob`, `anna` and `аnna` with a Cyrillic letter.
//!
//! By the tables of Unicode Technical Standard 39, besides case and blanks. It marks and never refuses: two people may
//! bear such names in good faith. Equal handles need no mark, they carry a suffix of the device already.

use unicode_security::confusable_detection::skeleton;

/// For each name, the others of the list that it can be taken for.
pub(crate) fn lookalikes(names: &[String]) -> Vec<Vec<String>> {
    let looks: Vec<[String; 2]> = names.iter().map(|name| look(name)).collect();
    let alike = |a: usize, b: usize| {
        handle(&names[a]) != handle(&names[b]) && (looks[a][0] == looks[b][0] || looks[a][1] == looks[b][1])
    };
    let others = |a: usize| (0..names.len()).filter(|b| alike(a, *b)).map(|b| names[b].clone()).collect();
    (0..names.len()).map(others).collect()
}

/// A name without the suffix that makes it unique: that does not make it look like nobody's.
fn handle(name: &str) -> &str {
    name.rsplit_once('~').map_or(name, |(handle, _)| handle)
}

/// What a name looks like, whatever its case. Folded before and after the tables: `I` looks like `l` only as it is
/// written, and a large Cyrillic `В` like a Latin one only while it is large.
fn look(name: &str) -> [String; 2] {
    let whole: String = handle(name).chars().filter(|c| !c.is_whitespace()).collect();
    let before = skeleton(&whole.to_lowercase()).collect();
    let after: String = skeleton(&whole).collect::<String>().to_lowercase();
    [before, skeleton(&after).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, alike: bool) {
        let found = lookalikes(&[a.to_owned(), b.to_owned()]);
        assert_eq!(found[0] == [b.to_owned()], alike, "{a} and {b}");
        assert_eq!(found[1] == [a.to_owned()], alike, "{b} and {a}");
    }

    #[test]
    fn case_foreign_letters_and_blanks_do_not_make_two_names_different() {
        check("bob", "Bob", true);
        check("anna", "\u{430}nna", true);
        check("BOB", "\u{412}\u{41e}\u{412}", true);
        check("Ian", "lan", true);
        check("jim", "jirn", true);
        check("bob~12ab", "Bob", true);
        check("eve", "e v\u{200b}e", true);
        check("Zo\u{eb}", "Zoe\u{308}", true);
    }

    #[test]
    fn different_names_are_not_marked_and_equal_ones_need_no_mark() {
        check("alice", "bob", false);
        check("anna", "hanna", false);
        check("bob", "bob", false);
        check("bob~12ab", "bob~34cd", false);
    }
}
