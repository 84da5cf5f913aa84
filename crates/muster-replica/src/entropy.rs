//! Randomness from outside: the operating system's in a node, a seeded generator's in the simulator.

/// A source of random bytes.
pub trait Entropy: Send {
    /// Sixteen random bytes: a body's salt, a session.
    fn sixteen(&mut self) -> [u8; 16];

    /// Thirty-two random bytes: a key's seed.
    fn thirty_two(&mut self) -> [u8; 32];
}
