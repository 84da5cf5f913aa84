//! Every bound of the sync protocol and of one peer's state, with its unit and its reason.
//!
//! None of them decides what is admitted (design section 13): they delay, ask again or close. The limits of entries
//! and bodies are in [`muster_log::limits`].

/// The version of the frames, named in the greeting.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest frame, in bytes: four times the chunk we aim at.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What a chunk aims at, in bytes before compression: long enough to pay for its dictionary, short enough that a lost
/// line costs little.
pub const CHUNK_BYTES_AIM: usize = 256 * 1024;

/// Most bytes of a chunk before compression. Leaves room for the frame's head, so that a chunk that does not compress
/// at all still fits [`FRAME_BYTES_MAX`].
pub const CHUNK_BYTES_MAX: usize = 960 * 1024;

/// What a chunk aims at on a relayed link, in bytes before compression: relays that are not ours end a circuit after
/// 128 KiB, and what was under way then is sent anew.
pub const RELAYED_CHUNK_BYTES_AIM: usize = 64 * 1024;

/// Most bytes of a chunk on a relayed link, before compression, where runs do not end with a signature earlier: two
/// thirds are saved by compression as a rule, so that such a chunk fits a circuit of 128 KiB, too.
pub const RELAYED_CHUNK_BYTES_MAX: usize = 192 * 1024;

/// Past so many bytes a chunk on a relayed link takes no more bodies: theirs may be bytes that nothing compresses.
pub const RELAYED_CHUNK_BODIES_BYTES_MAX: usize = 96 * 1024;

/// Past so many bytes a chunk takes no more bodies, so that entries have room up to where it may end.
pub const CHUNK_BODIES_BYTES_MAX: usize = 512 * 1024;

/// Rows at which a chunk ends when it can.
pub const CHUNK_ROWS_AIM: usize = 4_096;

/// Most rows of a chunk: each costs the receiver a hash, a curve point and an allocation.
pub const CHUNK_ROWS_MAX: usize = 8_192;

/// Most bytes that the entries of one chunk may have once rebuilt, bodies not counted: the dictionary must not become
/// an amplifier.
pub const CHUNK_UNPACKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Chunks that may be under way to a peer without its acknowledgement: 4 MiB at most, 1 MiB as a rule.
pub const CREDIT_CHUNKS: u32 = 4;

/// Chunks at their aim that one WANT asks for: two full credits, so that asking again seldom stops the stream.
pub const WANT_CHUNKS: u32 = 2 * CREDIT_CHUNKS;

/// What one WANT asks for at most, in bytes of chunks before compression.
pub const WANT_BUDGET_BYTES: u64 = (WANT_CHUNKS as u64) * (CHUNK_BYTES_AIM as u64);

/// Chunks of an answer that are filled in one turn: the first leaves while the peer waits, and every acknowledgement
/// brings the next turn.
pub const SERVED_AT_ONCE: u32 = 2;

/// Ids of one DAG that are kept of an answer under way (512 KiB): about what a budget holds.
pub const SERVED_IDS_MAX: usize = 16_384;

/// Most bytes of chunks of an answer that are under way at once, before compression, whatever was asked for: less than a
/// link holds for a peer that does not read, so that an answer alone never ends it.
pub const ANSWER_BYTES_MAX: usize = 1536 * 1024;

/// With so many bytes of chunks under way an answer waits for an acknowledgement: one full credit of chunks at their aim.
pub const UNDER_WAY_BYTES: usize = CREDIT_CHUNKS as usize * CHUNK_BYTES_AIM;

/// Heads in one HELLO or HEADS. A DAG with more says so by its count and digest.
pub const HEADS_MAX: usize = 64;

/// Tips in one HAVE or ACK.
pub const TIPS_MAX: usize = 1_024;

/// Ranges in one WANT, and those of one peer that wait to be asked for, over all incidents. Enough for every log of the
/// largest incident at once: ranges asked for apart would come without what they build on.
pub const RANGES_MAX: usize = 16_384;

/// Entry ids in one WANT. What differs is found by ranges; ids are for the exceptions.
pub const IDS_MAX: usize = 256;

/// Bodies asked for in one WANT.
pub const BODIES_MAX: usize = 256;

/// Entries that may be asked for along with an id, going back in its log.
pub const BEFORE_MAX: u32 = 63;

/// Bytes of the reason in a REFUSE, for people who read logs.
pub const REASON_BYTES_MAX: usize = 256;

/// Without an answer that is owed for so long, the stream is closed, in milliseconds. Any progress starts it anew.
pub const PROGRESS_TIMEOUT_MS: u64 = 20_000;

/// Frames of an answer that put its deadline off: twice what the longest has (chunks, what is missing, a page of tips), for
/// tips come unasked too. A peer that sends more holds us up, for nobody else is asked meanwhile.
pub const ANSWER_FRAMES_MAX: u32 = 2 * (WANT_CHUNKS + 2);

/// First wait before heads that differ are sent again, in milliseconds.
pub const RETRY_FIRST_MS: u64 = 1_000;

/// Longest wait before heads that differ are sent again, in milliseconds.
pub const RETRY_LAST_MS: u64 = 30_000;

/// How long a DAG that is not here is not asked of a peer again whose last answer brought nothing of it, in milliseconds; each
/// time twice as long, up to [`RETRY_LAST_MS`]. Shorter than a peer waits before it offers anew, so that nothing honest is missed.
pub const IN_VAIN_FIRST_MS: u64 = 500;

/// The same HEADS is not answered with the same HAVE twice within this time, in milliseconds.
pub const HAVE_AGAIN_MS: u64 = 500;

/// Entries that wait for credit on their way to one peer; past it the peer is told the heads instead and asks.
pub const QUEUE_ENTRIES_MAX: usize = 4_096;

/// A live chunk of at most so many entries carries every signature; a longer one is signed by run.
pub const LIVE_SIGNED_MAX: usize = 64;

/// Incidents of which a peer told us and which we do not hold.
pub const UNKNOWN_DAGS_MAX: usize = 64;

/// Greetings kept of peers that we do not know of yet: membership may arrive later than its bearer.
pub const EARLY_HELLOS_MAX: usize = 64;

/// Bodies that one peer asked for in vain and is sent when they come; past it, it asks when it connects again. Looked up
/// whenever their DAG is, so they are few.
pub const OWED_BODIES_MAX: usize = 256;

/// How far back a tip that is unknown at a known number is asked for at first: most forks are found soon after.
pub const FORK_RANGE: u32 = 16;

/// Ids kept of what a peer has in one DAG; past it knowledge is dropped, which costs a comparison of heads.
pub const KNOWN_IDS_MAX: usize = 1_024;

/// Most ids known of a peer in one DAG among which those that follow from others are looked for: each is compared with each.
pub const PRUNED_IDS_MAX: usize = 128;

/// Peers of which it is remembered that they left questions without an answer: the devices of the largest team.
pub const LET_DOWN_MAX: usize = 1_024;

/// Bodies that a peer was asked for, remembered so that it is asked once.
pub const ASKED_BODIES_MAX: usize = 4_096;

/// So long after a peer was asked for [`ASKED_BODIES_MAX`] it is asked for what had no turn, in milliseconds: bodies that
/// nobody has must not keep others from being asked for, nor cost more than a trickle.
pub const BODIES_AGAIN_MS: u64 = 60_000;

/// HAVE frames of one bundle: a page for each incident, and room. More are stepped over, and the bundle gives neither
/// receipts nor a reply.
pub const BUNDLE_STATES_MAX: u32 = 131_072;

/// Bytes of the HAVE frames of one bundle, which are kept in memory until its end.
pub const BUNDLE_STATE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest gossip message, in bytes: every member's node carries it.
pub const GOSSIP_BYTES_MAX: usize = 16 * 1024;

/// Entries in one gossip message: what one commit wrote, not a catching up.
pub const GOSSIP_ROWS_MAX: usize = 64;

/// Most bytes of a gossip message's rows before compression, so that a small message cannot be a large one.
pub const GOSSIP_RAW_BYTES_MAX: u32 = 128 * 1024;

/// Entries of one commit that go by gossip; more are sent to each peer in chunks, which pack better.
pub const GOSSIP_BURST_MAX: usize = 256;

/// How long a peer that gossips is trusted to get what gossip carries before HEADS are sent to it, in milliseconds; as
/// much again at most is added by chance, so that not all ask at once.
pub const GOSSIP_PATIENCE_MS: u64 = 1_000;

/// What came by gossip is acknowledged at most this late, in milliseconds, all of it at once.
pub const ACK_WAIT_MS: u64 = 300;

/// Announced entries that are being fetched, over all neighbours.
pub const ANNOUNCED_MAX: usize = 64;

/// How long an announcement waits for its entry, in milliseconds.
pub const ANNOUNCED_MS: u64 = 10_000;

/// Announcements that went on and are remembered, so that each goes on once: more than the accounts of the neighbours let
/// through while gossip itself remembers a message.
pub const ANNOUNCED_TOLD_MAX: usize = 1_024;

/// Entries handed out for admission of which it is remembered by what way they came.
pub const ORIGINS_MAX: usize = 16_384;

/// Tips or heads that a peer named and that are not here yet, per DAG.
pub const UNRESOLVED_MAX: usize = 256;

/// Longest time between two rounds of comparison with a peer picked by chance, in milliseconds, while heads are not
/// known to be equal.
pub const ROUND_MS: u64 = 30_000;

/// DAGs compared in one such round.
pub const ROUND_DAGS_MAX: usize = 64;

/// Longest presence message, in bytes.
pub const PRESENCE_BYTES_MAX: usize = 400;

/// Bytes of a head's id in a presence message.
pub const HEAD_PREFIX_BYTES: usize = 8;

/// Heads in one presence message: what fits into [`PRESENCE_BYTES_MAX`] beside key, stamp, addresses and signature.
pub const PRESENCE_HEADS_MAX: usize = 9;

/// Addresses in one presence message: a machine's own in two networks, by TCP and QUIC, and some to spare.
pub const PRESENCE_ADDRESSES_MAX: usize = 6;

/// Bytes of all of them together.
pub const PRESENCE_ADDRESS_BYTES_MAX: usize = 160;

/// Between two presence messages of one device in a small team, in milliseconds; a quarter more or less by chance.
pub const PRESENCE_EVERY_MS: u64 = 15_000;

/// The same per device of the team, in milliseconds: bounds what a large team says in all.
pub const PRESENCE_EVERY_MS_PER_DEVICE: u64 = 1_500;

/// After a change presence is told this soon, in milliseconds; half as much more by chance.
pub const PRESENCE_SOON_MS: u64 = 3_000;

/// The same per device of the team, in milliseconds.
pub const PRESENCE_SOON_MS_PER_DEVICE: u64 = 300;

/// Presence of one device that comes again sooner than this is not passed on, in milliseconds.
pub const PRESENCE_LEAST_MS: u64 = 1_000;

/// So long after a device's last presence an older stamp counts as its clock put back and no longer as a replay, in
/// milliseconds.
pub const PRESENCE_FORGOTTEN_MS: u64 = 600_000;

/// Live entries a second, over all authors, below which nobody is held up: a limit that bites while nobody waits would only
/// delay.
pub const CALM_PER_S: u64 = 50;

/// Live entries that may come at once while it is calm: what a busy incident writes in a breath.
pub const CALM_BURST: u64 = 192;

/// Bytes of live entries a second below which nobody is held up.
pub const CALM_BYTES_PER_S: u64 = 128 * 1024;

/// Bytes of live entries that may come at once while it is calm.
pub const CALM_BYTES_BURST: u64 = 2 * 1024 * 1024;

/// Live entries of one author, or useless ones of one peer, that are taken at once while it is not calm.
pub const AUTHOR_BURST: u64 = 64;

/// The same a second.
pub const AUTHOR_PER_S: u64 = 4;

/// Bytes of one author's live entries that are taken at once while it is not calm.
pub const AUTHOR_BYTES_BURST: u64 = 1024 * 1024;

/// The same a second: 1 MiB a minute.
pub const AUTHOR_BYTES_PER_S: u64 = 1024 * 1024 / 60;

/// Accounts kept: as many as a team has devices.
pub const QUOTA_ACCOUNTS_MAX: usize = 1_024;

/// How long what exceeds a quota waits for the next comparison, in milliseconds; as much again at most by chance.
pub const QUOTA_WAIT_MS: u64 = 1_000;

/// Unwitnessed branches of one author's forked logs that are fetched at once.
pub const SIBLINGS_BURST: u64 = 16;

/// Between two such branches after that, in milliseconds.
pub const SIBLING_EVERY_MS: u64 = 60_000;

/// So many incidents that the peer may see are told one by one with HEADS; of more, INDEX finds out which differ.
pub const INDEX_LEAST: usize = 64;

/// Ranges in one INDEX: about 100 KiB with fingerprints.
pub const INDEX_RANGES_MAX: usize = 4_096;

/// Tags in one INDEX: 512 KiB, so that with all ranges it fits a frame.
pub const INDEX_TAGS_MAX: usize = 65_536;

/// Own items of a range that are told by their tags, 8 bytes each, rather than divided: a turn costs more than they do.
pub const INDEX_LEAF: usize = 64;

/// Parts that a range is divided into: 10,000 items are told apart in two divisions, at 24 bytes a part.
pub const INDEX_BRANCHES: usize = 16;

/// Frames of one run, both directions. Each division takes a sixteenth of a side's items, so honest sides of millions
/// need ten.
pub const INDEX_TURNS_MAX: u8 = 16;

/// Openings of one peer are answered no more often than so, in milliseconds: each costs a pass over all incidents.
pub const INDEX_AGAIN_MS: u64 = 500;

/// First wait for the answer to an opening before it is sent anew, in milliseconds. The peer may still lack the roster.
pub const INDEX_RETRY_FIRST_MS: u64 = 5_000;

/// Incidents that INDEX found to differ and that are compared by HEADS at one time: half of what a peer may tell of
/// incidents that are not here ([`UNKNOWN_DAGS_MAX`]), so that none is ignored.
pub const INDEX_COMPARED_MAX: usize = 32;

/// How long nobody is asked after the first chunk for which there was no room, in milliseconds.
pub const ROOM_WAIT_FIRST_MS: u64 = 2_000;

/// The longest such wait, in milliseconds: so long after somebody made room, everything goes on.
pub const ROOM_WAIT_MAX_MS: u64 = 30_000;
