//! Between which times a line was written, by the clocks of others, in words.
//!
//! The brackets and their labels come from `muster-log`; whoever draws them has made texts of their times.

/// The time findings of a line, as an export shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// The word of a `muster_log::TimeLabel`.
    pub label: &'static str,
    /// Not before; none where open.
    pub lower: Option<String>,
    /// Not after; none where open.
    pub upper: Option<String>,
    /// How many persons' clocks may be wrong without moving them.
    pub spare: usize,
}

/// What is said of a bound that no calendar has.
pub const OUT_OF_RANGE: &str = "a time out of range";

/// Says it. `recorded` is what the author's clock said; where `spare` is 0 one wrong clock makes every other look wrong.
pub fn time_words(label: &str, lower: Option<&str>, upper: Option<&str>, recorded: &str, spare: usize) -> String {
    let between = match (lower, upper) {
        (Some(lower), Some(upper)) => format!("written between {lower} and {upper}"),
        (Some(lower), None) => format!("written after {lower}"),
        (None, Some(upper)) => format!("written before {upper}"),
        (None, None) => "nobody else's clock tells when it was written".to_owned(),
    };
    match label {
        "early" | "late-claimed" | "contradictory" if spare == 0 => format!(
            "CLOCKS CONTRADICT: says {recorded}, {between} by the clocks of others; so few people cannot tell whose is wrong"
        ),
        "early" => format!("CLOCK EARLY: says {recorded}, {between}"),
        "late-claimed" => format!("CLOCK AHEAD: says {recorded}, {between}"),
        "contradictory" => format!("CLOCKS CONTRADICT: {between}"),
        _ => between,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_clock_can_make_all_others_look_wrong_none_is_called_wrong() {
        for label in ["early", "late-claimed", "contradictory"] {
            let few = time_words(label, Some("12:00"), Some("12:05"), "13:00", 0);
            assert!(few.starts_with("CLOCKS CONTRADICT: says 13:00, written between 12:00 and 12:05"), "{few}");
            assert!(few.ends_with("cannot tell whose is wrong"), "{few}");
        }
        assert!(time_words("late-claimed", None, Some("12:05"), "13:00", 1).starts_with("CLOCK AHEAD: says 13:00"));
        assert_eq!(time_words("consistent", None, Some("12:05"), "12:01", 0), "written before 12:05");
    }
}
