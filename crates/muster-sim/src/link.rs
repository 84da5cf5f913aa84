//! Links as the transport gives them: ordered streams that may break, noticed by each end in its own time.
//!
//! A lost frame breaks its link, for nothing that follows in a stream can arrive without it. What arrives twice or in
//! another order does so over two links, one after the other.

use std::collections::BTreeMap;

/// Numbers links. A frame of an earlier link never arrives over a later one.
pub(crate) type LinkId = u64;

/// What one node has of a link.
#[derive(Debug)]
struct End {
    link: LinkId,
    /// When the last frame sent from here arrives: the next cannot overtake it.
    last_arrival: u64,
    /// What is sent from here is lost.
    mute: bool,
    /// What is under way to here is lost.
    deaf: bool,
}

/// An end that still has to notice that its link is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) at: usize,
    pub(crate) peer: usize,
    pub(crate) link: LinkId,
    /// When the last frame that still comes will have come.
    pub(crate) not_before: u64,
}

/// All links, by end: (whose, to whom).
#[derive(Debug, Default)]
pub(crate) struct Links {
    ends: BTreeMap<(usize, usize), End>,
    opened: LinkId,
}

impl Links {
    /// Whether neither side believes in a link.
    pub(crate) fn is_free(&self, a: usize, b: usize) -> bool {
        !self.ends.contains_key(&(a, b)) && !self.ends.contains_key(&(b, a))
    }

    pub(crate) fn open(&mut self, a: usize, b: usize) {
        self.opened += 1;
        for pair in [(a, b), (b, a)] {
            self.ends.insert(pair, End { link: self.opened, last_arrival: 0, mute: false, deaf: false });
        }
    }

    /// Sends over a link; when and over which it arrives, or `None` where nobody will hear it.
    pub(crate) fn send(&mut self, from: usize, to: usize, arrival: u64) -> Option<(LinkId, u64)> {
        let end = self.ends.get_mut(&(from, to)).filter(|end| !end.mute)?;
        end.last_arrival = end.last_arrival.max(arrival);
        Some((end.link, end.last_arrival))
    }

    /// Whether what arrives over `link` is heard.
    pub(crate) fn hears(&self, at: usize, peer: usize, link: LinkId) -> bool {
        self.ends.get(&(at, peer)).is_some_and(|end| end.link == link && !end.deaf)
    }

    /// Breaks a link under both ends; with `in_flight_lost` what is under way is lost too.
    pub(crate) fn cut(&mut self, a: usize, b: usize, in_flight_lost: bool) -> Vec<Orphan> {
        [(a, b), (b, a)].into_iter().filter_map(|(at, peer)| self.orphan(at, peer, in_flight_lost)).collect()
    }

    /// One end goes away; the other, if it is there, still has to notice.
    pub(crate) fn leave(&mut self, at: usize, peer: usize, in_flight_lost: bool) -> Option<Orphan> {
        let orphan = self.orphan(peer, at, in_flight_lost);
        self.ends.remove(&(at, peer));
        orphan
    }

    fn orphan(&mut self, at: usize, peer: usize, in_flight_lost: bool) -> Option<Orphan> {
        let not_before = self.ends.get(&(peer, at)).map_or(0, |other| other.last_arrival);
        let end = self.ends.get_mut(&(at, peer))?;
        end.mute = true;
        end.deaf |= in_flight_lost;
        Some(Orphan { at, peer, link: end.link, not_before: if end.deaf { 0 } else { not_before } })
    }

    /// An end notices; false where it has long gone.
    pub(crate) fn notice(&mut self, orphan: &Orphan) -> bool {
        let pair = (orphan.at, orphan.peer);
        let is_there = self.ends.get(&pair).is_some_and(|end| end.link == orphan.link);
        if is_there {
            self.ends.remove(&pair);
        }
        is_there
    }

    /// How many links a node believes to have.
    pub(crate) fn count(&self, at: usize) -> usize {
        self.ends.range((at, 0)..=(at, usize::MAX)).count()
    }

    /// With whom a node believes to have a link.
    pub(crate) fn peers(&self, at: usize) -> Vec<usize> {
        self.ends.range((at, 0)..=(at, usize::MAX)).map(|((_, peer), _)| *peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_overtake_each_other() {
        let mut links = Links::default();
        links.open(0, 1);
        assert_eq!(links.send(0, 1, 90), Some((1, 90)));
        assert_eq!(links.send(0, 1, 20), Some((1, 90)));
    }

    #[test]
    fn after_a_cut_nothing_is_sent_and_a_new_link_waits_for_both_ends() {
        let mut links = Links::default();
        links.open(0, 1);
        links.send(0, 1, 90);
        let orphans = links.cut(0, 1, false);
        assert_eq!(orphans.iter().map(|o| (o.at, o.not_before)).collect::<Vec<_>>(), [(0, 0), (1, 90)]);
        assert!(links.send(0, 1, 95).is_none() && links.hears(1, 0, 1));
        assert!(links.notice(&orphans[0]) && !links.is_free(0, 1));
        assert!(links.notice(&orphans[1]) && links.is_free(0, 1));
        links.open(0, 1);
        assert!(!links.hears(1, 0, 1) && !links.notice(&orphans[1]));
    }
}
