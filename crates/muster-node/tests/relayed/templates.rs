//! What people write in an outage, from templates: the lines that the side-by-side benchmark has, about 120 bytes each.

const SERVICES: [&str; 8] = [
    "checkout-api",
    "ingest-worker",
    "pg-primary",
    "edge-proxy",
    "auth-gateway",
    "search-index",
    "media-cdn",
    "dns-resolver",
];
const REGIONS: [&str; 6] = ["eu-west-1", "us-east-2", "ap-south-1", "fra-2", "iad-4", "syd-1"];
const ENDS: [&str; 6] = [
    "will update in ten minutes",
    "no customer impact seen yet",
    "thanks to the network team",
    "watching the dashboard",
    "next check at the half hour",
    "see the runbook step four",
];

/// A generator of numbers, the same everywhere (xorshift64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// A line.
pub(crate) fn line(numbers: &mut Numbers) -> String {
    let (service, region) = (numbers.one_of(&SERVICES), numbers.one_of(&REGIONS));
    let (a, b, n) = (numbers.below(97) + 2, numbers.below(18) + 2, numbers.below(98_999) + 1_000);
    let (hour, minute) = (numbers.below(24), numbers.below(60));
    let mut text = match numbers.below(8) {
        0 => format!("restarted {service} in {region}, error rate fell from {a}% to {b}%"),
        1 => format!("failed {service} over to the replica in {region}; lag now {a} s and dropping"),
        2 => format!("seeing p99 of {a} ms on {service} ({region}), about {b}x the usual since {hour:02}:{minute:02}"),
        3 => format!("rolled {service} back to build {n} in {region}; waiting {b} minutes before calling it"),
        4 => format!("customer report #{n}: timeouts against {service} from {region} since {hour:02}:{minute:02}"),
        5 => format!("raised the connection limit on {service} from {a} to {n} in {region}"),
        6 => {
            format!("graph shows {service} dropped {a}% of requests in {region} between {hour:02}:{minute:02} and now")
        }
        _ => format!("hypothesis: bad config push {n} hit {service} in {region} first; comparing with canary"),
    };
    while text.len() < 112 {
        text = format!("{text}; {}", numbers.one_of(&ENDS));
    }
    text
}
