//! Rust source without its comments, strings and tests: what the compiler will act upon.
//!
//! Not a parser: enough of the lexical rules to keep the words of a comment or a message from being taken for code.

/// The code of a file, line by line as it stood, with everything else blanked out.
///
/// What follows a `#[cfg(test)]` that opens a module is left out: test modules close a file here.
pub(crate) fn code_of(text: &str) -> String {
    let code = without_comments_and_strings(text);
    let mut end = code.len();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let after = from + found + "#[cfg(test)]".len();
        let next = code[after..].trim_start();
        if next.starts_with("mod ")
            && next.split(['{', ';']).next().is_some_and(|head| !next[head.len()..].starts_with(';'))
        {
            end = from + found;
            break;
        }
        from = after;
    }
    code[..end].to_owned()
}

/// Whether `word` stands in `code` with no letter, digit or underscore beside it.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if let Some(len) = raw_string_len(rest, code.chars().next_back()) {
            len
        } else if first == '"' {
            quoted_len(rest, '"')
        } else if first == '\'' && is_char_literal(rest) {
            quoted_len(rest, '\'')
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|&character| character == '\n'));
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn raw_string_len(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
        return None;
    }
    let after_r = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let body = after_r[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let opening = text.len() - body.len();
    Some(body.find(&close).map_or(text.len(), |at| opening + at + close.len()))
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + character.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Tells `'x'` from the lifetime `'x`.
fn is_char_literal(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    matches!((characters.next(), characters.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let code: Vec<&str> = text.split_whitespace().collect();
        assert!(!code.is_empty());
        let found = code_of(text);
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
    }

    #[test]
    fn comments_strings_and_test_modules_are_no_code() {
        check("let a = 1; // Instant\nlet b = 2;", "let a = 1; let b = 2;");
        check("a /* Instant /* nested */ still */ b", "a b");
        check("f(\"Instant \\\" // not a comment\") + g", "f( ) + g");
        check("f(r#\"Instant \" quoted\"#) + g", "f( ) + g");
        check("f('\"', b'\\'') + g::<'a>(\"x\")", "f( , b ) + g::<'a>( )");
        check("for_r\"x\"", "for_r");
        check("code();\n#[cfg(test)]\nmod tests { Instant }", "code();");
        check("#[cfg(test)]\nmod tests;\nmod more;", "#[cfg(test)] mod tests; mod more;");
        check("#[cfg(test)]\nuse x;\nInstant", "#[cfg(test)] use x; Instant");
    }

    #[test]
    fn a_word_is_found_only_whole() {
        assert!(has_word("std::time::Instant::now()", "Instant"));
        assert!(!has_word("InstantReplay", "Instant"));
        assert!(!has_word("my_rand::x", "rand"));
        assert!(has_word("rand::x", "rand"));
    }
}
