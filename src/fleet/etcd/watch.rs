//! A watch: what changes, in the order in which it changed.
//!
//! Invariant: all changes of one revision are handed out together, and revisions one after the other.
//! What an answer has of other revisions is not waited for: one that catches up with a day comes in
//! fragments for longer than anybody is silent, and holds more than memory should.

use tokio::time::timeout;
use tonic::Streaming;
use tonic::codegen::tokio_stream::{self, StreamExt};

use super::channel::Channel;
use super::proto::etcdserverpb::watch_client::WatchClient;
use super::proto::etcdserverpb::watch_request::RequestUnion;
use super::proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use super::{ANSWER, EtcdError, Event, LARGEST, Told, within};

/// Most bytes and events of one revision: far more than a transaction may have.
const MOST_BYTES: usize = 64 * 1024 * 1024;
const MOST_EVENTS: usize = 100_000;

/// A watch that goes on until it is dropped.
pub struct Watch {
    answers: Streaming<WatchResponse>,
    cluster: Told,
    /// Of a revision that is not whole yet.
    fragments: Vec<Event>,
}

impl Watch {
    pub(super) async fn open(
        channel: &Channel,
        cluster: &Told,
        request: WatchCreateRequest,
    ) -> Result<Self, EtcdError> {
        let mut client = WatchClient::with_origin(channel.clone(), channel.origin())
            .max_decoding_message_size(LARGEST);
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(request)),
        };
        // The watch ends when this side of the stream does.
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let answers = within(client.watch(requests)).await?;
        let mut watch = Self {
            answers,
            cluster: cluster.clone(),
            fragments: Vec::new(),
        };
        let created = timeout(ANSWER, watch.next()).await;
        let created = created.map_err(|_| EtcdError::Silent)??;
        if created.created && created.events.is_empty() {
            Ok(watch)
        } else {
            Err(EtcdError::Refused("no watch was created".to_owned()))
        }
    }

    /// The next answer, or what is whole of it. It waits for as long as nothing changes.
    ///
    /// # Errors
    /// The watch is over.
    pub async fn next(&mut self) -> Result<WatchResponse, EtcdError> {
        loop {
            let over = || EtcdError::Connection("the watch ended".to_owned());
            let mut answer = self.answers.message().await?.ok_or_else(over)?;
            if answer.canceled || answer.compact_revision != 0 {
                return Err(canceled(&answer));
            }
            self.cluster.agrees(answer.header.as_ref())?;
            let now = answer.header.as_ref().map_or(0, |header| header.revision);
            self.fragments.append(&mut answer.events);
            if !are_in_order(&self.fragments, now) {
                return Err(EtcdError::Nonsense("changes are not in their order"));
            }
            answer.events = take_whole(&mut self.fragments, answer.fragment);
            if !is_bounded(&self.fragments) {
                return Err(EtcdError::TooLarge);
            }
            if !answer.fragment || !answer.events.is_empty() {
                return Ok(answer);
            }
        }
    }
}

fn revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

/// Whether each event has a revision that is not below the one before, and none is of later.
fn are_in_order(events: &[Event], now: i64) -> bool {
    let bounded = events.iter().all(|it| (1..=now).contains(&revision(it)));
    bounded && events.is_sorted_by_key(revision)
}

/// What is known to be whole: all of it, or the revisions before the last if more is to come.
fn take_whole(events: &mut Vec<Event>, more: bool) -> Vec<Event> {
    let last = events.last().map_or(0, revision);
    let rest = if more {
        let whole = events.partition_point(|event| revision(event) < last);
        events.split_off(whole)
    } else {
        Vec::new()
    };
    std::mem::replace(events, rest)
}

fn is_bounded(events: &[Event]) -> bool {
    let size = |event: &Event| {
        let kv = event.kv.as_ref();
        kv.map_or(0, |kv| kv.key.len() + kv.value.len())
    };
    events.len() <= MOST_EVENTS && events.iter().map(size).sum::<usize>() <= MOST_BYTES
}

fn canceled(answer: &WatchResponse) -> EtcdError {
    let reason = &answer.cancel_reason;
    if answer.compact_revision > 0 {
        EtcdError::Compacted
    } else if reason.contains("invalid auth token") || reason.contains("auth store is old") {
        EtcdError::SignedOut
    } else if reason.contains("ermission") {
        EtcdError::Denied
    } else {
        EtcdError::Refused(super::error::bounded(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyValue;
    use super::*;

    fn events(revisions: &[i64]) -> Vec<Event> {
        let event = |mod_revision: &i64| Event {
            r#type: 0,
            kv: Some(KeyValue {
                mod_revision: *mod_revision,
                ..KeyValue::default()
            }),
        };
        revisions.iter().map(event).collect()
    }

    #[test]
    fn a_revision_is_handed_out_when_it_is_whole() {
        for (held, more, whole, rest) in [
            (&[3, 3, 4][..], false, &[3, 3, 4][..], &[][..]),
            (&[3, 3, 4], true, &[3, 3], &[4]),
            (&[3, 3], true, &[], &[3, 3]),
            (&[], true, &[], &[]),
        ] {
            let mut held = events(held);
            assert_eq!(take_whole(&mut held, more), events(whole));
            assert_eq!(held, events(rest));
        }
    }

    #[test]
    fn changes_come_in_their_order() {
        for (revisions, now, fits) in [
            (&[][..], 0, true),
            (&[3, 3, 4], 4, true),
            (&[3, 4], 3, false),
            (&[4, 3], 4, false),
            (&[0], 4, false),
        ] {
            assert_eq!(are_in_order(&events(revisions), now), fits, "{revisions:?}");
        }
        assert!(!are_in_order(&[Event::default()], 4));
    }
}
