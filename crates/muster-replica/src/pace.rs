//! When an incident's news are told on: the first at once, what follows thick and fast together.
//!
//! Whoever shows an incident draws it anew for each [`crate::Effect::Changed`], and bringing the document up to date costs
//! about as much for one entry as for hundreds. So news open a window, and what comes while it is open is gathered until it
//! ends or is full. Nothing is held back from anybody who looks: a view always has all that is committed.

use muster_log::{EntryId, IncidentId, TeamId};
use muster_sync::Tick;
use std::collections::BTreeMap;

/// How long what follows is gathered, in milliseconds: short enough that nobody notices.
pub(crate) const WINDOW_MS: u64 = 50;

/// Entries at which a window ends before its time: so many cost a document as much as the waiting would save.
pub(crate) const WINDOW_ENTRIES: usize = 256;

/// News that are told at once in a window: so many a twentieth of a second are no burst, and whoever writes steadily is not
/// kept waiting.
pub(crate) const AT_ONCE: u32 = 3;

/// News of one incident, in causal order.
type News = (TeamId, IncidentId, Vec<EntryId>);

/// The open windows.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    windows: BTreeMap<(TeamId, IncidentId), Window>,
}

#[derive(Debug)]
struct Window {
    until: Tick,
    /// How often news were told at once in it.
    told: u32,
    gathered: Vec<EntryId>,
}

impl Pace {
    /// Takes in what was committed; gives what is to be told now.
    pub(crate) fn take_in(&mut self, (team, incident, entries): News, now: Tick) -> Option<News> {
        let until = now.plus_ms(WINDOW_MS);
        let Some(window) = self.windows.get_mut(&(team, incident)) else {
            self.windows.insert((team, incident), Window { until, told: 1, gathered: Vec::new() });
            return Some((team, incident, entries));
        };
        if window.told < AT_ONCE && now < window.until {
            window.told += 1;
            return Some((team, incident, entries));
        }
        window.gathered.extend(entries);
        if window.gathered.len() < WINDOW_ENTRIES && now < window.until {
            return None;
        }
        window.until = until;
        Some((team, incident, std::mem::take(&mut window.gathered)))
    }

    /// What the windows gathered that end now. A window in which nothing came is closed: the next entry is a lone one.
    pub(crate) fn take_due(&mut self, now: Tick) -> Vec<News> {
        let mut due = Vec::new();
        self.windows.retain(|(team, incident), window| {
            if now < window.until {
                return true;
            }
            window.until = now.plus_ms(WINDOW_MS);
            let gathered = std::mem::take(&mut window.gathered);
            let is_busy = !gathered.is_empty();
            if is_busy {
                due.push((*team, *incident, gathered));
            }
            is_busy
        });
        due
    }

    /// When [`Pace::take_due`] should be called.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.windows.values().map(|window| window.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(numbers: std::ops::Range<u32>) -> News {
        let entries = numbers.map(|n| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            EntryId::from_bytes(id)
        });
        (TeamId::from_bytes([1; 32]), IncidentId::from_bytes([2; 32]), entries.collect())
    }

    #[test]
    fn a_lone_entry_is_told_at_once_and_so_is_the_next_lone_one() {
        let mut pace = Pace::default();
        assert_eq!(pace.take_in(news(0..1), Tick(0)), Some(news(0..1)));
        assert_eq!(pace.deadline(), Some(Tick(WINDOW_MS)));
        assert_eq!(pace.take_due(Tick(WINDOW_MS)), vec![]);
        assert_eq!(pace.deadline(), None);
        assert_eq!(pace.take_in(news(1..2), Tick(WINDOW_MS)), Some(news(1..2)));
    }

    #[test]
    fn twenty_a_second_are_told_at_once_however_they_jitter() {
        let mut pace = Pace::default();
        for n in 0..1_000 {
            let at = Tick(u64::from(n) * 50 + u64::from(n * 7 % 11));
            pace.take_due(at);
            assert_eq!(pace.take_in(news(n..n + 1), at), Some(news(n..n + 1)));
        }
    }

    #[test]
    fn what_follows_closely_is_gathered_until_the_window_ends() {
        let mut pace = Pace::default();
        for n in 0..10 {
            assert_eq!(pace.take_in(news(n..n + 1), Tick(n.into())).is_some(), n < AT_ONCE);
        }
        assert_eq!(pace.take_due(Tick(WINDOW_MS - 1)), vec![]);
        assert_eq!(pace.take_due(Tick(WINDOW_MS)), vec![news(AT_ONCE..10)]);
        assert_eq!(pace.deadline(), Some(Tick(2 * WINDOW_MS)), "the next of a burst is still gathered");
    }

    #[test]
    fn a_full_window_does_not_wait() {
        let mut pace = Pace::default();
        let told = (0..1_000).filter(|n| pace.take_in(news(*n..n + 1), Tick(1)).is_some()).count();
        let rest = 1_000 - AT_ONCE;
        assert_eq!(told, AT_ONCE as usize + rest as usize / WINDOW_ENTRIES);
        let last = AT_ONCE + rest / WINDOW_ENTRIES as u32 * WINDOW_ENTRIES as u32;
        assert_eq!(pace.take_due(Tick(100)), vec![news(last..1_000)]);
    }

    #[test]
    fn a_shell_that_is_late_holds_nothing_back() {
        let mut pace = Pace::default();
        for n in 0..=AT_ONCE {
            pace.take_in(news(n..n + 1), Tick(1));
        }
        let next = AT_ONCE + 1;
        assert_eq!(pace.take_in(news(next..next + 1), Tick(1 + WINDOW_MS)), Some(news(AT_ONCE..next + 1)));
    }
}
