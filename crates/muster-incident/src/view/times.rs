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
}

/// Says it. `recorded` is what the author's clock said.
pub fn time_words(label: &str, lower: Option<&str>, upper: Option<&str>, recorded: &str) -> String {
    let between = match (lower, upper) {
        (Some(lower), Some(upper)) => format!("written between {lower} and {upper}"),
        (Some(lower), None) => format!("written after {lower}"),
        (None, Some(upper)) => format!("written before {upper}"),
        (None, None) => "nobody else's clock tells when it was written".to_owned(),
    };
    match label {
        "early" => format!("CLOCK EARLY: says {recorded}, {between}"),
        "late-claimed" => format!("CLOCK AHEAD: says {recorded}, {between}"),
        "contradictory" => format!("CLOCKS CONTRADICT: {between}"),
        _ => between,
    }
}
