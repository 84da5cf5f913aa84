//! How long a text may be, told before anything is sent: in bytes of what was typed, which is what a person can count.

use crate::problem::Problem;
use muster_log::body::{BodyError, BodyPlace, BodyText, Part};
use muster_log::limits::BODY_BYTES_MAX;
use muster_log::{Body, DeviceKey, IncidentId, SessionId, TeamId};

/// Refuses a text that no entry holds.
pub(crate) fn check(text: &str) -> Result<(), Problem> {
    let hint = "say it in several entries, or save it in a file and point to that with `--link URL`";
    fault(text, None, None, None).map_or(Ok(()), |fault| Err(Problem::refused(fault, hint)))
}

/// What is wrong with the size of a text and what goes with it.
pub(crate) fn fault(text: &str, at: Option<&str>, who: Option<&str>, link: Option<&str>) -> Option<String> {
    let size = body_size(text, at, who, link);
    // The body's form and the asides take the rest.
    let besides = size.saturating_sub(text.len());
    let room = BODY_BYTES_MAX.saturating_sub(besides);
    (size > BODY_BYTES_MAX).then(|| format!("the text has {} bytes, an entry holds {room} at most", text.len()))
}

/// Bytes of the body that the line becomes. Salt and place do not change its size.
fn body_size(text: &str, at: Option<&str>, who: Option<&str>, link: Option<&str>) -> usize {
    let parts = [(Part::Text, Some(text)), (Part::When, at), (Part::Who, who), (Part::Link, link)];
    let typed: usize = parts.iter().filter_map(|(_, text)| text.map(str::len)).sum();
    let body =
        parts.into_iter().fold(BodyText::default(), |body, (part, text)| body.with(part, text.unwrap_or_default()));
    let place = BodyPlace {
        team: TeamId::from_bytes([0; 32]),
        incident: IncidentId::from_bytes([0; 32]),
        key: DeviceKey::from_bytes([0; 32]),
        session: SessionId::from_bytes([0; 16]),
        seq: 1,
    };
    match Body::write(&body, [0; 16], &place) {
        Ok(body) => body.reference().size as usize,
        Err(BodyError::TooLarge { size }) => size,
        Err(_) => typed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_be_as_long_as_is_told_and_no_byte_longer() {
        assert_eq!(fault(&"x".repeat(16_352), None, None, None), None);
        let told = fault(&"x".repeat(16_353), None, None, None).unwrap();
        assert_eq!(told, "the text has 16353 bytes, an entry holds 16352 at most");
        assert!(fault(&"x".repeat(16_352), None, Some("bob"), None).is_some());
    }
}
