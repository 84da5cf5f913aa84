//! What a history can show to be wrong, and what it counted where nothing is.

use crate::Setup;
use crate::decisions::Decisions;
use crate::liar::LieCounts;
use muster_log::{EntryId, IncidentId};
use std::fmt;

/// A broken promise.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// An acknowledged write is gone.
    #[error("node {node} acknowledged entry {entry} and has lost it")]
    Lost {
        /// Whose.
        node: usize,
        /// Which.
        entry: EntryId,
    },
    /// A node is told to hold what it does not.
    #[error("node {node} shows entry {entry} as held by node {holder}, whose disk lacks it")]
    FalseHolder {
        /// Who shows it.
        node: usize,
        /// Who should hold it.
        holder: usize,
        /// Which.
        entry: EntryId,
    },
    /// Memory is not what the disk says.
    #[error("node {node} holds other entries than its disk: {what}")]
    NotAsStored {
        /// Whose.
        node: usize,
        /// Where they differ.
        what: String,
    },
    /// A restart changed what people see.
    #[error("node {node} showed something else after a restart: {what}")]
    ChangedByRestart {
        /// Whose.
        node: usize,
        /// What changed.
        what: String,
    },
    /// Equal sets, different views.
    #[error("nodes {one} and {other} hold the same of incident {incident} and show different things: {what}")]
    ViewsDiffer {
        /// One node.
        one: usize,
        /// The other.
        other: usize,
        /// Of which incident.
        incident: IncidentId,
        /// Where the views first differ.
        what: String,
    },
    /// An incident reached somebody who may not hold it.
    #[error("node {node} holds the incident {incident}, which its person may not hold")]
    Leaked {
        /// Whose.
        node: usize,
        /// Which.
        incident: IncidentId,
    },
    /// Somebody was told something by a node that knew of their removal, or of an incident that they may not hold.
    #[error("node {node} sent a frame of kind {kind} to node {peer}, which may not have it: {what}")]
    ToldOutsider {
        /// Who.
        node: usize,
        /// Whom.
        peer: usize,
        /// The kind of frame.
        kind: u8,
        /// Why the peer may not have it.
        what: String,
    },
    /// The same entries, brought in another order, come to something else.
    #[error("what node {node} holds comes to something else in another order: {what}")]
    OrderMatters {
        /// Whose entries.
        node: usize,
        /// What differs.
        what: String,
    },
    /// Silence without agreement.
    #[error("the network is whole and quiet, and yet {what}")]
    QuietApart {
        /// How they differ.
        what: String,
    },
    /// No agreement, or no silence, within the bound.
    #[error("{seconds} s after the last fault {what}")]
    NotQuiet {
        /// The bound.
        seconds: u64,
        /// What still went on.
        what: String,
    },
    /// One honest replica accused another.
    #[error("node {node} closed the link to node {peer}: {reason}")]
    Accused {
        /// Who.
        node: usize,
        /// Whom.
        peer: usize,
        /// Why.
        reason: String,
    },
    /// A replica failed at something that must work.
    #[error("node {node} failed to {doing}: {error}")]
    Failed {
        /// Which.
        node: usize,
        /// At what.
        doing: &'static str,
        /// How.
        error: String,
    },
    /// Verification found something in a store that nobody damaged.
    #[error("node {node} does not verify: entry {entry}: {what}")]
    Unverified {
        /// Whose.
        node: usize,
        /// Which.
        entry: EntryId,
        /// What is wrong with it.
        what: String,
    },
    /// Time stands still.
    #[error("node {node} asks for a timeout again and again without time going by")]
    Spins {
        /// Which.
        node: usize,
    },
    /// A peer that does not read costs too much memory.
    #[error("node {node} let {bytes} bytes pile up for node {peer}, which reads nothing")]
    Piles {
        /// Whose memory.
        node: usize,
        /// Who does not read.
        peer: usize,
        /// How many bytes.
        bytes: u64,
    },
    /// One frame brought about too many.
    #[error("node {node} said {frames} frames to one peer because node {peer} said one; at most {limit} are in order")]
    Chatters {
        /// Who.
        node: usize,
        /// Because of whom.
        peer: usize,
        /// How many frames.
        frames: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A peer made a node keep more than it should.
    #[error("node {node} keeps more than it should: {what}")]
    Hoards {
        /// Whose memory.
        node: usize,
        /// Of what.
        what: String,
    },
    /// An honest entry counts for less because of somebody else.
    #[error("node {node} takes the honest entry {entry} to be {status}")]
    Discredited {
        /// Who.
        node: usize,
        /// Which entry.
        entry: EntryId,
        /// What it counts for.
        status: &'static str,
    },
    /// A panic.
    #[error("panic: {0}")]
    Panic(String),
}

/// A history that went wrong, with what it takes to see it again.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was played.
    pub setup: Setup,
    /// The virtual time, in milliseconds; `None` where a panic took it along.
    pub at_ms: Option<u64>,
    /// What went wrong.
    pub wrong: Wrong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, setup, at_ms, wrong } = self;
        write!(f, "seed {seed}")?;
        if let Some(ms) = at_ms {
            write!(f, " at {}.{:03} s", ms / 1_000, ms % 1_000)?;
        }
        write!(f, ": {wrong}\n  replay: cargo xtask sim --seed {seed}")?;
        if setup.replicas != crate::REPLICAS {
            write!(f, " --replicas {}", setup.replicas)?;
        }
        if setup.liars > 0 {
            write!(f, " --liars {}", setup.liars)?;
        }
        if setup.incidents > 0 {
            write!(f, " --incidents {}", setup.incidents)?;
        }
        if setup.guests > 0 {
            write!(f, " --guests {}", setup.guests)?;
        }
        if setup.decisions > 0 {
            write!(f, " --decisions {}", setup.decisions)?;
        }
        match setup.lie {
            Some(lie) => write!(f, " --lie {}", lie.word()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.wrong)
    }
}

/// What histories were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Histories played.
    pub histories: u64,
    /// Entries that all replicas held at the end, rosters included.
    pub entries: u64,
    /// Acts that made no sense where they were tried.
    pub refused: u64,
    /// Crashes, of power and of disk.
    pub crashes: u64,
    /// Links that broke, with those of partitions.
    pub cuts: u64,
    /// Links that were opened.
    pub syncs: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
    /// Incidents that came along into the team.
    pub carried: u64,
    /// Pairs of views compared.
    pub compared: u64,
    /// Gossip messages that reached somebody for the first time, presence not counted.
    pub gossip: u64,
    /// INDEX frames sent.
    pub ranges: u64,
    /// Rows shown at the end, on all nodes, as written by a newer version.
    pub newer: u64,
    /// Decisions about who is in the team, by what they were.
    pub decisions: Decisions,
    /// Lies told.
    pub lies: LieCounts,
    /// Links that were closed with a liar at one end, by either.
    pub closed: u64,
    /// Gossip of liars that was rejected.
    pub rejected: u64,
    /// Most entries that waited at one node at one time.
    pub pending_most: u64,
    /// Most frames to one peer in answer to one of a liar.
    pub answer_frames_most: u64,
    /// Most bytes that lay unread at one peer.
    pub unread_bytes_most: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        let Self { histories, entries, refused, crashes, cuts, syncs, bytes, carried, compared, gossip, .. } = other;
        self.histories += histories;
        self.entries += entries;
        self.refused += refused;
        self.crashes += crashes;
        self.cuts += cuts;
        self.syncs += syncs;
        self.bytes += bytes;
        self.carried += carried;
        self.compared += compared;
        self.gossip += gossip;
        self.ranges += other.ranges;
        self.newer += other.newer;
        self.decisions.add(&other.decisions);
        self.lies.add(&other.lies);
        self.closed += other.closed;
        self.rejected += other.rejected;
        self.pending_most = self.pending_most.max(other.pending_most);
        self.answer_frames_most = self.answer_frames_most.max(other.answer_frames_most);
        self.unread_bytes_most = self.unread_bytes_most.max(other.unread_bytes_most);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, entries, refused, crashes, cuts, syncs, bytes, carried, compared, gossip, .. } = self;
        write!(
            f,
            "{histories} histories, {entries} entries, {refused} refused acts, {crashes} crashes, {cuts} cuts, \
             {syncs} syncs, {bytes} bytes, {carried} incidents came along, {compared} views compared, {gossip} gossip messages"
        )?;
        if self.ranges > 0 {
            write!(f, ", {} comparisons by ranges", self.ranges)?;
        }
        if self.decisions != Decisions::default() {
            write!(f, "; {}", self.decisions)?;
        }
        if self.lies.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "; lies: {}; {} links of liars closed, {} gossip messages rejected; at most {} entries waited, {} frames answered one, {} bytes lay unread",
            self.lies, self.closed, self.rejected, self.pending_most, self.answer_frames_most, self.unread_bytes_most
        )
    }
}
