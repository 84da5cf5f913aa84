//! Tests of the ledger as a whole. `world` writes histories, the others judge what comes of them.

mod account;
mod admission;
mod bodies;
mod fork_proof;
mod guests;
mod histories;
mod keys;
mod pending;
mod reasons;
mod redaction;
mod roster;
mod team_history;
mod vectors;
mod verify;

mod world;
