//! Replicators over real ledgers, on a network that shuffles, cuts, repeats and lies. No clock, no sockets.

mod answers;
mod bundle;
mod convergence;
mod desk;
mod frames;
mod gossip;
mod hostile;
mod index;
mod mesh;
mod packing;
mod privacy;
mod ranges;
mod shapes;
mod stalling;
mod unasked;
