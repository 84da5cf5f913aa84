//! A few hundred durations, and what is told of them: the middle and the slow end, never the mean.

use std::time::Duration;

/// Measured durations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// Adds one.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The duration that `percent` of all do not exceed (nearest rank), in milliseconds; 0 where there are none.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1));
        sorted.get(rank - 1).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    }

    /// The median, in milliseconds.
    pub(crate) fn median_ms(&self) -> f64 {
        self.percentile_ms(50)
    }
}

impl FromIterator<Duration> for Sample {
    fn from_iter<I: IntoIterator<Item = Duration>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: impl IntoIterator<Item = u64>, percent: usize, expected: f64) {
        let sample: Sample = ms.into_iter().map(Duration::from_millis).collect();
        assert!((sample.percentile_ms(percent) - expected).abs() < 1e-9, "{}", sample.percentile_ms(percent));
    }

    #[test]
    fn a_percentile_is_a_duration_that_was_measured() {
        check([], 50, 0.0);
        check([7], 99, 7.0);
        check([3, 1, 2], 50, 2.0);
        check(1..=100, 50, 50.0);
        check(1..=100, 99, 99.0);
        check(1..=10, 99, 10.0);
    }
}
