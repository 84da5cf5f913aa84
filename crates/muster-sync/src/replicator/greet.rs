//! How a stream begins and ends: HELLO, BYE, and the deadlines of a peer.

use super::Context;
use super::peer::Peer;
use crate::contract::{CloseReason, Output};
use crate::frame::{Bye, ByeCode, Frame, FrameError, Hello};
use crate::limits::PROTOCOL_VERSION;
use crate::tick::Tick;
use muster_log::Timestamp;

impl Peer {
    /// Sends our greeting.
    pub(super) fn greet(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let roster = self.tell_heads(cx.core.roster(), cx);
        let hello = Hello::ours(cx.core.config.team, roster, self.wall(cx.now));
        cx.core.send(self.key, &Frame::Hello(hello));
        Ok(())
    }

    /// Takes the peer's greeting. A repeated one does no harm.
    pub(super) fn hello(&mut self, hello: Hello, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if hello.protocol != PROTOCOL_VERSION {
            return Err(CloseReason::Version { version: hello.protocol });
        }
        if hello.team != cx.core.config.team {
            return Err(FrameError::Team.into());
        }
        self.has_greeted = true;
        self.credit = hello.credit;
        let clock_offset_ms = hello.now.0.saturating_sub(self.wall(cx.now).0);
        cx.core.outputs.push_back(Output::Greeted { peer: self.key, clock_offset_ms, at: cx.now });
        self.heads(&hello.roster, cx);
        Ok(())
    }

    /// The reason to close after a BYE: what the peer refused, if that is why.
    pub(super) fn bye(&mut self, bye: Bye) -> CloseReason {
        match self.refused.take() {
            Some(refused) if bye.code == ByeCode::Refused as u16 => CloseReason::RefusedThere(refused),
            _ => CloseReason::Bye { code: bye.code, retry_after_ms: bye.retry_after_ms },
        }
    }

    /// The earliest time at which something must be done or given up.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let ack = (!self.sent.is_empty()).then_some(self.ack_deadline);
        let retries = self.pairs.values().filter_map(|pair| Some(pair.retry?.at));
        let owed = self.pairs.values().filter_map(|pair| Some(pair.ack_due.as_ref()?.0));
        retries
            .chain(owed)
            .chain(ack)
            .chain(self.answer_deadline())
            .chain(self.index.deadline())
            .chain(self.asked_bodies.deadline())
            .min()
    }

    /// When the answer to our WANT counts as lost. While its chunks are being judged here, the peer owes nothing.
    fn answer_deadline(&self) -> Option<Tick> {
        self.open_want.as_ref().filter(|_| self.arriving == 0).map(|want| want.deadline)
    }

    /// Gives up on a peer that stands still; sends HEADS again where that is due.
    pub(super) fn timeout(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let ack_is_late = !self.sent.is_empty() && self.ack_deadline <= cx.now;
        if ack_is_late || self.answer_deadline().is_some_and(|deadline| deadline <= cx.now) {
            return Err(CloseReason::Stalled);
        }
        self.send_owed_acks(cx);
        self.retry(cx);
        self.ask_for_bodies_again(cx);
        Ok(())
    }

    /// The own wall clock, as far as it can be known here.
    fn wall(&self, now: Tick) -> Timestamp {
        let passed = i64::try_from(now.since_ms(self.connected_at)).unwrap_or(i64::MAX);
        self.connected_wall.plus_ms(passed)
    }
}
