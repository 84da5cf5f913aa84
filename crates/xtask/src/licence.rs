//! Licence expressions (SPDX, and the older form with a slash): whether a set of accepted licences satisfies one.

/// Whether `accepted` satisfies `expression`; an expression that cannot be read is not satisfied.
pub(crate) fn satisfied(expression: &str, accepted: &dyn Fn(&str) -> bool) -> bool {
    let words = words_of(expression);
    let mut reader = Reader { words: &words, accepted };
    reader.any_of() == Some(true) && reader.words.is_empty()
}

fn words_of(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Reader<'a> {
    words: &'a [String],
    accepted: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut result = self.all_of()?;
        while self.take("OR") {
            result |= self.all_of()?;
        }
        Some(result)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.take("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let result = self.any_of()?;
            return self.take(")").then_some(result);
        }
        let mut licence = self.next().filter(|word| !["OR", "AND", "WITH", ")"].contains(&word.as_str()))?;
        if self.take("WITH") {
            licence = format!("{licence} WITH {}", self.next()?);
        }
        Some((self.accepted)(&licence))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first().is_some_and(|first| first == word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Option<String> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: bool) {
        let accepted = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
        assert_eq!(satisfied(expression, &|licence| accepted.contains(&licence)), expected, "{expression}");
    }

    #[test]
    fn an_expression_is_satisfied_by_one_choice_and_by_every_part_of_it() {
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("Apache-2.0 / MIT", true);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0 AND MIT", false);
        check("GPL-3.0 AND MIT OR Apache-2.0", true);
        check("GPL-3.0 AND (MIT OR Apache-2.0)", false);
        check("(MIT OR GPL-3.0) AND Apache-2.0", true);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("MIT WITH LLVM-exception", false);
    }

    #[test]
    fn what_is_no_expression_satisfies_nobody() {
        for expression in ["", "MIT OR", "MIT Apache-2.0", "(MIT", "MIT)", "AND MIT", "MIT WITH", "()"] {
            check(expression, false);
        }
    }
}
