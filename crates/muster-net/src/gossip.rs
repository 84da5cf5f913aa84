//! The words of gossip: topics, ids, verdicts, and how gossipsub is set up.
//!
//! Who may hear and say what on a topic is in [`crate::gossip_guard`], the task's part in [`crate::task_gossip`]. What a
//! message means, and whether it deserves to be passed on, is for whoever reads the events to judge.

use crate::gossip_guard::{Ears, Guarded, SharedGuard};
use crate::limits::{
    GOSSIP_CONTROL_BYTES, GOSSIP_HEARTBEAT, GOSSIP_IDS, GOSSIP_RPC_BYTES, MAX_GOSSIP_BYTES, MAX_GOSSIP_QUEUE,
};
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, Message, MessageAcceptance, MessageAuthenticity, MessageId, TopicHash, ValidationMode,
};
use muster_log::DeviceKey;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What gossip is about: 32 bytes that a team has in common.
pub type Topic = [u8; 32];

/// One message of one neighbour, to be judged with [`crate::NetHandle::judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipId {
    pub(crate) id: [u8; 32],
    pub(crate) from: DeviceKey,
}

/// What becomes of a message. A message that is not judged within seconds goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Passed on to the neighbours that do not have it.
    Accept,
    /// Not passed on, and nobody's fault.
    Ignore,
    /// Not passed on; whoever passes this on is broken or a liar.
    Reject,
}

/// Why a message was not taken for publishing. A message that was taken may still be lost: gossip promises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Longer than [`MAX_GOSSIP_BYTES`].
    #[error("a gossip message of {0} bytes is too long")]
    TooLong(usize),
    /// The task has more to do than it can; sync carries what is not published.
    #[error("too many gossip messages wait")]
    Busy,
    /// The task is not running any more.
    #[error("the network task has ended")]
    Closed,
}

impl Verdict {
    pub(crate) fn acceptance(self) -> MessageAcceptance {
        match self {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        }
    }
}

/// A topic as it is written on the wire: 64 digits of lower-case hexadecimal.
pub(crate) fn topic_hash(topic: &Topic) -> TopicHash {
    let digits = topic.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    TopicHash::from_raw(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>())
}

/// The topic of a text that [`topic_hash`] made.
pub(crate) fn topic_of(hash: &TopicHash) -> Option<Topic> {
    let digits: &[u8; 64] = hash.as_str().as_bytes().try_into().ok()?;
    let mut topic = [0; 32];
    for (byte, pair) in topic.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [0, 1].map(|at| char::from(pair[at]).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    (topic_hash(&topic) == *hash).then_some(topic)
}

/// SHA-256 of the whole payload, after the topic it came on: a copy with a bad signature, or on another topic, is another
/// message and suppresses nothing.
fn message_id(message: &Message) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(b"muster/gossip/1\0");
    hash.update(message.topic.as_str());
    hash.update(&message.data);
    MessageId::new(&hash.finalize())
}

/// The behaviour, with nothing subscribed.
pub(crate) fn behaviour(me: &DeviceKey, guard: &SharedGuard) -> Guarded<Behaviour<Ears, Ears>> {
    // Nodes that were switched on together should not beat together.
    let jitter = Duration::from_millis(u64::from(me.as_bytes()[0]));
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        // The codec counts what lies in its buffer, the beginning of the next message too, against this.
        .max_transmit_size(GOSSIP_RPC_BYTES)
        .max_publish_messages(1)
        .max_control_message_size(GOSSIP_CONTROL_BYTES)
        .max_control_messages_sent(GOSSIP_IDS)
        .connection_handler_queue_len(MAX_GOSSIP_QUEUE)
        .idontwant_message_size_threshold(512)
        .flood_publish(true)
        .mesh_outbound_min(0)
        .history_length(3)
        .history_gossip(3)
        .heartbeat_initial_delay(GOSSIP_HEARTBEAT + jitter)
        .heartbeat_interval(GOSSIP_HEARTBEAT + jitter)
        .build()
        .expect("the settings, all of them constants, fit each other");
    let ears = || Ears::new(guard.clone());
    let gossip =
        Behaviour::new_with_subscription_filter_and_transform(MessageAuthenticity::Anonymous, config, ears(), ears())
            .expect("anonymous messages with anonymous validation");
    Guarded::new(gossip, guard.clone())
}

const _: () = assert!(GOSSIP_RPC_BYTES > MAX_GOSSIP_BYTES + 8 * 1024 + 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_back_from_its_text_and_nothing_else_is_one() {
        let topic: Topic = std::array::from_fn(|at| at as u8 * 8);
        let text = topic_hash(&topic).into_string();
        assert_eq!((text.len(), topic_of(&TopicHash::from_raw(&text))), (64, Some(topic)));
        for other in [String::new(), text[1..].to_owned(), text.to_uppercase(), text.replace('0', "g")] {
            assert_eq!(topic_of(&TopicHash::from_raw(other)), None);
        }
    }

    #[test]
    fn the_id_of_a_message_depends_on_every_byte_and_on_the_topic() {
        let id = |topic: u8, data: &[u8]| {
            let (topic, data) = (topic_hash(&[topic; 32]), data.to_vec());
            message_id(&Message { source: None, data, sequence_number: None, topic })
        };
        assert_eq!(id(1, b"one"), id(1, b"one"));
        assert_ne!(id(1, b"one"), id(1, b"onf"));
        assert_ne!(id(1, b"one"), id(2, b"one"));
    }
}
