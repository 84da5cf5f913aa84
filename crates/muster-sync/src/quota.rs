//! How much of what is sent unasked is taken at once, so that one who floods does not keep others waiting.
//!
//! While little comes, nobody is held up. Past [`CALM_PER_S`] entries a second in all, every author has an account of
//! their own, and what exceeds it waits for a comparison, which fetches it in chunks and with credit. What is sent besides
//! and is of no use (known already, or not to be judged yet) goes to the account of whoever passed it on. Nothing is ever
//! refused for its number.

use crate::limits::{
    AUTHOR_BURST, AUTHOR_BYTES_BURST, AUTHOR_BYTES_PER_S, AUTHOR_PER_S, CALM_BURST, CALM_BYTES_BURST, CALM_BYTES_PER_S,
    CALM_PER_S, QUOTA_ACCOUNTS_MAX, SIBLING_EVERY_MS, SIBLINGS_BURST,
};
use crate::tick::Tick;
use muster_log::DeviceKey;
use std::collections::BTreeMap;

/// An account of entries and bytes that fills up again with time.
#[derive(Debug, Clone, Copy)]
struct Account {
    /// In thousandths of an entry and in bytes times a thousand, so that a millisecond adds whole numbers.
    entries: u64,
    bytes: u64,
    rate: Rate,
    at: Tick,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    per_s: u64,
    bytes_burst: u64,
    bytes_per_s: u64,
}

const AUTHOR: Rate =
    Rate { burst: AUTHOR_BURST, per_s: AUTHOR_PER_S, bytes_burst: AUTHOR_BYTES_BURST, bytes_per_s: AUTHOR_BYTES_PER_S };

const CALM: Rate =
    Rate { burst: CALM_BURST, per_s: CALM_PER_S, bytes_burst: CALM_BYTES_BURST, bytes_per_s: CALM_BYTES_PER_S };

impl Account {
    fn full(rate: Rate, now: Tick) -> Self {
        Self { entries: rate.burst * 1_000, bytes: rate.bytes_burst * 1_000, rate, at: now }
    }

    /// Takes so much out, if that much is there.
    fn take(&mut self, entries: u64, bytes: u64, now: Tick) -> bool {
        let (rate, passed) = (self.rate, now.since_ms(self.at));
        self.at = now;
        self.entries = self.entries.saturating_add(passed.saturating_mul(rate.per_s)).min(rate.burst * 1_000);
        self.bytes = self.bytes.saturating_add(passed.saturating_mul(rate.bytes_per_s)).min(rate.bytes_burst * 1_000);
        let (entries, bytes) = (entries.saturating_mul(1_000), bytes.saturating_mul(1_000));
        if entries > self.entries || bytes > self.bytes {
            return false;
        }
        self.entries -= entries;
        self.bytes -= bytes;
        true
    }

    fn is_full(&self, now: Tick) -> bool {
        let mut account = *self;
        account.take(0, 0, now);
        account.entries == account.rate.burst * 1_000 && account.bytes == account.rate.bytes_burst * 1_000
    }
}

/// The accounts of one team.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    calm: Option<Account>,
    authors: BTreeMap<DeviceKey, Account>,
    /// Branches of forked logs that may be fetched yet, and since when that was counted.
    siblings: BTreeMap<DeviceKey, (u64, Tick)>,
}

impl Quotas {
    /// Whether so much would be taken now; takes nothing.
    pub(crate) fn has(&self, who: &DeviceKey, entries: usize, bytes: usize, now: Tick) -> bool {
        let mut accounts = [
            self.calm.unwrap_or(Account::full(CALM, now)),
            self.authors.get(who).copied().unwrap_or(Account::full(AUTHOR, now)),
        ];
        accounts.iter_mut().any(|account| account.take(entries as u64, bytes as u64, now))
    }

    /// As [`Quotas::take`], calm or not: for what is nobody's but the sender's, so that it uses up nothing that others need.
    pub(crate) fn take_own(&mut self, who: DeviceKey, entries: usize, bytes: usize, now: Tick) -> bool {
        if self.authors.len() >= QUOTA_ACCOUNTS_MAX && !self.authors.contains_key(&who) {
            self.authors.retain(|_, account| !account.is_full(now));
            if self.authors.len() >= QUOTA_ACCOUNTS_MAX {
                return false;
            }
        }
        self.authors.entry(who).or_insert(Account::full(AUTHOR, now)).take(entries as u64, bytes as u64, now)
    }

    /// Whether one more branch of an author's forked log is fetched now.
    pub(crate) fn take_sibling(&mut self, who: DeviceKey, now: Tick) -> bool {
        if self.siblings.len() >= QUOTA_ACCOUNTS_MAX && !self.siblings.contains_key(&who) {
            return false;
        }
        let (left, at) = self.siblings.entry(who).or_insert((SIBLINGS_BURST, now));
        let more = now.since_ms(*at) / SIBLING_EVERY_MS;
        *at = at.plus_ms(more * SIBLING_EVERY_MS);
        *left = left.saturating_add(more).min(SIBLINGS_BURST);
        let is_taken = *left > 0;
        *left = left.saturating_sub(1);
        is_taken
    }

    /// Whether so much of an author, or of a peer that passes on what is of no use, is taken now.
    pub(crate) fn take(&mut self, who: DeviceKey, entries: usize, bytes: usize, now: Tick) -> bool {
        if self.calm.get_or_insert(Account::full(CALM, now)).take(entries as u64, bytes as u64, now) {
            return true;
        }
        self.take_own(who, entries, bytes, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::DeviceSecret;

    fn key(n: u8) -> DeviceKey {
        DeviceSecret::from_seed(&[n; 32]).public()
    }

    #[test]
    fn one_who_floods_uses_up_the_calm_and_then_the_own_account_and_nobody_elses() {
        let mut quotas = Quotas::default();
        let taken = (0..10_000).filter(|_| quotas.take(key(1), 1, 300, Tick(0))).count() as u64;
        assert_eq!(taken, CALM_BURST + AUTHOR_BURST);
        let of_another = (0..100).filter(|_| quotas.take(key(2), 1, 300, Tick(0))).count() as u64;
        assert_eq!(of_another, AUTHOR_BURST);
    }

    #[test]
    fn twenty_entries_a_second_are_never_held_up() {
        let mut quotas = Quotas::default();
        assert!((0..20_000).all(|n| quotas.take(key(1), 1, 400, Tick(n * 50))));
    }

    #[test]
    fn an_account_fills_up_again_and_not_beyond_its_burst() {
        let mut account = Account::full(AUTHOR, Tick(0));
        assert!(account.take(AUTHOR_BURST, 0, Tick(0)) && !account.take(1, 0, Tick(0)));
        assert!(account.take(AUTHOR_PER_S, 0, Tick(1_000)) && !account.take(1, 0, Tick(1_000)));
        assert!(!account.take(AUTHOR_BURST + 1, 0, Tick(10_000_000)));
        assert!(account.is_full(Tick(10_000_000)));
    }

    #[test]
    fn siblings_come_in_a_burst_and_then_one_a_minute() {
        let mut quotas = Quotas::default();
        let mut taken = |at| (0..100).filter(|_| quotas.take_sibling(key(1), Tick(at))).count() as u64;
        assert_eq!([taken(0), taken(59_999), taken(60_000), taken(185_000)], [SIBLINGS_BURST, 0, 1, 2]);
    }

    #[test]
    fn accounts_are_bounded() {
        let mut quotas = Quotas::default();
        while quotas.calm.is_none_or(|calm| calm.entries >= 1_000) {
            quotas.take(key(1), 1, 1, Tick(0));
        }
        for n in 0..2 * QUOTA_ACCOUNTS_MAX {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
            quotas.take(DeviceKey::from_bytes(bytes), 1, 1, Tick(0));
        }
        assert!(quotas.authors.len() <= QUOTA_ACCOUNTS_MAX);
    }
}
