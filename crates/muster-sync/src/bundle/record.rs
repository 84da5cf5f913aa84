//! One record of a bundle: a frame behind its length and two checksums, so that damage costs one frame and no more.
//!
//! The length has a checksum of its own: where it holds, a damaged frame is stepped over; where it does not, the next
//! place where one holds is the next record. Each byte is looked at a bounded number of times, whatever the file says.

use crate::limits::FRAME_BYTES_MAX;

/// Bytes before the frame: length, checksum of the length, checksum of the frame.
pub(super) const HEAD_BYTES: usize = 12;

/// The record of a frame of 1..=[`FRAME_BYTES_MAX`] bytes.
pub(crate) fn record(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u32).to_be_bytes();
    let mut record = Vec::with_capacity(HEAD_BYTES + frame.len());
    record.extend_from_slice(&length);
    record.extend_from_slice(&crc32c::crc32c(&length).to_be_bytes());
    record.extend_from_slice(&crc32c::crc32c(frame).to_be_bytes());
    record.extend_from_slice(frame);
    record
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record that may go on past the bytes at hand: so many bytes with its head, and the checksum of its frame.
    Record { bytes: usize, check: u32 },
    /// So many bytes that belong to no record.
    Gap(usize),
    /// Too few bytes to tell.
    Unknown,
}

/// What the next bytes are.
pub(super) fn next(bytes: &[u8]) -> Next {
    // A gap ends where a head might begin: the last eleven bytes may be the beginning of one.
    let places = bytes.len().saturating_sub(HEAD_BYTES - 1);
    match (0..places).find_map(|at| Some((at, head(&bytes[at..])?))) {
        Some((0, (length, check))) => Next::Record { bytes: HEAD_BYTES + length, check },
        Some((at, _)) => Next::Gap(at),
        None if places > 0 => Next::Gap(places),
        None => Next::Unknown,
    }
}

/// Length of the frame and its checksum, where a good head stands.
fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let (words, _) = bytes.get(..HEAD_BYTES)?.as_chunks::<4>();
    let [length, length_check, check] = words else { return None };
    let frame = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    // The cheap test first: nearly every wrong place fails it.
    let is_good = (1..=FRAME_BYTES_MAX).contains(&frame) && crc32c::crc32c(length) == u32::from_be_bytes(*length_check);
    is_good.then(|| (frame, u32::from_be_bytes(*check)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_four_gib_is_no_record_though_its_checksum_is_good() {
        for length in [0, FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
            let length = length.to_be_bytes();
            let mut bytes = [length, crc32c::crc32c(&length).to_be_bytes(), [0; 4]].concat();
            bytes.extend([7; 100]);
            assert_eq!(next(&bytes), Next::Gap(101));
        }
    }

    #[test]
    fn a_record_is_found_behind_rubbish_and_not_before_all_of_its_head_is_there() {
        let record = record(b"frame");
        assert_eq!(next(&record[..11]), Next::Unknown);
        assert!(matches!(next(&record[..12]), Next::Record { bytes: 17, .. }));
        let behind = [&[9; 5][..], &record].concat();
        assert_eq!(next(&behind), Next::Gap(5));
        assert_eq!(next(&behind[..16]), Next::Gap(5), "four bytes of it might be a head's");
    }
}
